//! The operator's replicas, as one looks at them from outside.

use std::time::Duration;

use k8s_openapi::{
    api::{coordination::v1::Lease, core::v1::Pod},
    jiff::Timestamp,
};
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, ListParams, LogParams},
};
use ras_tests::{AuditEvent, AuditMark, Cluster, Error, Signal, eventually, is_lease, lease_taken_after, node};

use crate::{
    drive::PATIENCE,
    installed::{NAMESPACE, OPERATOR},
    runner::Failure,
};

/// Under whose name all replicas write; the pod is told beside it.
const USER: &str = "system:serviceaccount:ras-system:ras-operator";

pub struct Operators<'a> {
    cluster: &'a Cluster,
    pods: Api<Pod>,
    leases: Api<Lease>,
}

impl<'a> Operators<'a> {
    pub fn of(cluster: &'a Cluster, client: &Client) -> Self {
        Self {
            cluster,
            pods: Api::namespaced(client.clone(), NAMESPACE),
            leases: Api::namespaced(client.clone(), NAMESPACE),
        }
    }

    /// Waits until two are ready, and one of them leads; returns its name.
    pub async fn settled(&self) -> Result<String, Error> {
        eventually(PATIENCE, "two operators, of which one leads", async || {
            let pods = self.pods.list(&replicas()).await?.items;
            let ready: Vec<String> = pods
                .iter()
                .filter(|pod| is_ready(pod))
                .map(ResourceExt::name_any)
                .collect();
            let holder = self.holder().await?;
            if pods.len() == 2 && ready.len() == 2 && ready.contains(&holder) {
                Ok(holder)
            } else {
                Err(format!("{} pods, ready: {ready:?}, the lease is held by {holder}", pods.len()).into())
            }
        })
        .await
    }

    /// Ends both at the same moment, and waits until they are gone. Neither may go holding the lease, or the next ones
    /// would have to wait until it has run out.
    pub async fn all_end_at_once(&self) -> Result<(), Failure> {
        let old: Vec<String> = self
            .pods
            .list(&replicas())
            .await?
            .iter()
            .map(ResourceExt::name_any)
            .collect();
        self.pods
            .delete_collection(&DeleteParams::default(), &replicas())
            .await?;
        eventually(PATIENCE, "both to be gone", async || {
            let pods = self.pods.list(&replicas()).await?.items;
            let left: Vec<String> = pods
                .iter()
                .map(ResourceExt::name_any)
                .filter(|name| old.contains(name))
                .collect();
            if left.is_empty() {
                Ok(())
            } else {
                Err(format!("{left:?}").into())
            }
        })
        .await?;
        match self.holder().await? {
            holder if old.contains(&holder) => Err(format!("{holder} has gone, and holds the lease").into()),
            _ => Ok(()),
        }
    }

    /// Waits until none is left.
    pub async fn gone(&self) -> Result<(), Error> {
        eventually(PATIENCE, "the operators to be gone", async || {
            match self.pods.list(&replicas()).await?.items.len() {
                0 => Ok(()),
                count => Err(format!("{count} pods").into()),
            }
        })
        .await
    }

    /// Who leads, as the lease says; empty if nobody does.
    pub async fn holder(&self) -> Result<String, kube::Error> {
        let lease = self.leases.get(OPERATOR).await?;
        Ok(lease.spec.and_then(|spec| spec.holder_identity).unwrap_or_default())
    }

    /// Waits until somebody leads whose program runs; returns the pod's name and its container.
    pub async fn leader(&self) -> Result<(String, String), Error> {
        eventually(PATIENCE, "somebody who leads", async || {
            let holder = self.holder().await?;
            let Some(pod) = self.pods.get_opt(&holder).await? else {
                return Err(format!("`{holder}`, which is gone").into());
            };
            let statuses = pod
                .status
                .and_then(|status| status.container_statuses)
                .unwrap_or_default();
            match statuses.first() {
                Some(one) if one.state.as_ref().is_some_and(|state| state.running.is_some()) => {
                    let container = one.container_id.clone().unwrap_or_default();
                    Ok((holder, container.trim_start_matches("containerd://").to_owned()))
                }
                _ => Err(format!("{holder}, which does not run").into()),
            }
        })
        .await
    }

    /// Address of a pod.
    pub async fn address(&self, pod: &str) -> Result<String, Failure> {
        let status = self.pods.get(pod).await?.status.unwrap_or_default();
        status.pod_ip.ok_or_else(|| format!("{pod} has no address").into())
    }

    /// Sends a signal to the program of who leads. Returns its pod's name and its container.
    pub async fn signal_leader(&self, signal: Signal) -> Result<(String, String), Error> {
        let (pod, container) = self.leader().await?;
        self.signal(&container, signal).await?;
        Ok((pod, container))
    }

    pub async fn signal(&self, container: &str, signal: Signal) -> Result<(), Error> {
        node::signal_container(self.cluster.description(), container, signal).await
    }

    /// Deletes the pod of who leads, without giving it any time.
    pub async fn delete_leader(&self) -> Result<String, Error> {
        let (pod, _) = self.leader().await?;
        let at_once = DeleteParams::default().grace_period(0);
        match self.pods.delete(&pod, &at_once).await {
            Ok(_) => Ok(pod),
            Err(error) => Err(Error::Api {
                what: format!("deleting {pod}"),
                message: error.to_string(),
            }),
        }
    }

    /// A mark in the audit log: all before it is in there.
    pub async fn mark(&self) -> Result<AuditMark, Error> {
        self.cluster.audit()?.settle().await
    }

    /// Every write of all replicas since a mark, in the order in which the API server received them.
    pub async fn writes(&self, since: AuditMark) -> Result<Vec<AuditEvent>, Error> {
        let audit = self.cluster.audit()?;
        audit.settle().await?;
        let mut writes = audit.events_since(since, |event| {
            event.is_write() && event.stage == "ResponseComplete" && event.username == USER
        })?;
        writes.sort_by_key(|event| event.received.0);
        Ok(writes)
    }

    /// The same, but only what is in a namespace.
    pub async fn writes_in(&self, namespace: &str, since: AuditMark) -> Result<Vec<AuditEvent>, Error> {
        let mut writes = self.writes(since).await?;
        writes.retain(|event| event.namespace == namespace);
        Ok(writes)
    }

    /// When the lease was taken after a moment, by whomever: a program that was started again in its pod goes on under its name.
    pub async fn taken_after(&self, moment: Timestamp) -> Result<Timestamp, Error> {
        let (_, taken) = lease_taken_after(&self.leases, OPERATOR, moment, PATIENCE).await?;
        Ok(taken)
    }

    /// How long after a moment the first of those wrote that `whom` holds for; waits for it.
    pub async fn first_write(
        &self,
        since: AuditMark,
        moment: Timestamp,
        whom: impl Fn(&str) -> bool,
    ) -> Result<Duration, Error> {
        let first = eventually(PATIENCE, "the first write of who leads now", async || {
            let writes = self.writes(since).await?;
            let first = writes
                .iter()
                .find(|event| event.received.0 > moment && !is_lease(event) && whom(&event.pod));
            first.map(|event| event.received.0).ok_or_else(|| {
                let leases = writes.iter().filter(|event| is_lease(event)).count();
                format!("none yet after {} writes, {leases} of them of the lease", writes.len()).into()
            })
        })
        .await?;
        Ok(Duration::try_from(first.duration_since(moment)).unwrap_or_default())
    }
}

/// The last logs of all replicas, with those that ended, for scenarios that failed.
pub async fn said_last(client: &Client) -> String {
    const LINES: i64 = 40;
    let pods: Api<Pod> = Api::namespaced(client.clone(), NAMESPACE);
    let names: Vec<String> = match pods.list(&replicas()).await {
        Ok(list) => list.iter().map(ResourceExt::name_any).collect(),
        Err(error) => return format!("what the operators said cannot be read: {error}\n"),
    };
    let mut text = String::new();
    for name in names {
        for previous in [true, false] {
            let params = LogParams {
                previous,
                tail_lines: Some(LINES),
                ..LogParams::default()
            };
            let who = if previous { "the program before" } else { "its program" };
            match pods.logs(&name, &params).await {
                Ok(said) => text.extend(["-- ", &name, ", ", who, ", said last:\n", &said]),
                // Most pods had no program before.
                Err(_) if previous => {}
                Err(error) => text.extend([
                    "-- ",
                    &name,
                    ": what it said cannot be read: ",
                    &error.to_string(),
                    "\n",
                ]),
            }
        }
    }
    text
}

fn replicas() -> ListParams {
    ListParams::default().labels("app.kubernetes.io/name=ras-operator")
}

fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_ref());
    pod.metadata.deletion_timestamp.is_none()
        && conditions.is_some_and(|all| all.iter().any(|one| one.type_ == "Ready" && one.status == "True"))
}
