//! The namespace and the operator that are measured, and what every measurement needs of them.

use std::time::{Duration, Instant};

use kube::Api;
use kube::api::{Patch, PatchParams, PostParams};
use ras_crds::RecruitmentDrive;
use ras_tests::{AuditEvent, AuditMark, Cluster, Error, Operator, OperatorOptions, ROLES, TestNamespace};
use serde_json::json;

use crate::audit;
use crate::portals;

/// The image that drives begin with.
pub const IMAGE: &str = "registry.example.com/portal:1";
/// How long nothing is asked before the operator counts as being at rest.
const QUIET: Duration = Duration::from_secs(4);

/// The namespace and the operator that are measured.
pub struct Bench<'a> {
    pub cluster: &'a Cluster,
    pub namespace: TestNamespace,
    pub operator: Operator,
    pub drives: usize,
    /// How often a time is taken.
    pub times: usize,
    /// How long anything may take before the measurement counts as failed.
    pub patience: Duration,
}

/// How the operator is run: alone, and for one namespace.
pub fn options() -> OperatorOptions {
    OperatorOptions::with_roles(ROLES)
}

impl<'a> Bench<'a> {
    /// Makes a namespace and starts an operator for it.
    pub async fn start(cluster: &'a Cluster, drives: usize, times: usize) -> Result<Self, Error> {
        let namespace = cluster.namespace("bench").await?;
        let operator = Operator::start(cluster, &namespace, &options()).await?;
        let most = u32::try_from(drives).unwrap_or(u32::MAX);
        let mut bench = Self {
            cluster,
            namespace,
            operator,
            drives,
            times,
            patience: Duration::from_secs(600) + Duration::from_millis(500) * most,
        };
        bench.is_up().await?;
        Ok(bench)
    }

    /// Ends the operator at once and starts another.
    pub async fn start_anew(&mut self, options: &OperatorOptions) -> Result<(), Error> {
        self.operator.kill();
        self.operator = Operator::start(self.cluster, &self.namespace, options).await?;
        Ok(())
    }

    /// Waits until the operator knows what there is.
    pub async fn is_up(&mut self) -> Result<(), Error> {
        self.operator.logs(self.patience, r#""message":"ready""#).await
    }

    pub async fn mark(&self) -> Result<AuditMark, Error> {
        self.cluster.audit()?.settle().await
    }

    /// Requests of the operator since a mark.
    pub async fn asked(&self, since: AuditMark) -> Result<Vec<AuditEvent>, Error> {
        let user = self.operator.user();
        audit::asked(self.cluster, since, |event| event.username == user).await
    }

    pub fn api(&self) -> Api<RecruitmentDrive> {
        self.namespace.api()
    }

    /// Creates a drive without pods.
    pub async fn create(&self, name: &str) -> Result<(), Error> {
        create(&self.api(), name).await.map(drop)
    }

    /// Changes the image of a drive's first service.
    pub async fn change_image(&self, name: &str, image: &str) -> Result<(), Error> {
        let mut services = portals::idle(name, IMAGE)?.spec.services;
        if let Some(first) = services.first_mut() {
            image.clone_into(&mut first.image);
        }
        let patch = Patch::Merge(json!({"spec": {"services": services}}));
        let changed = self.api().patch(name, &PatchParams::default(), &patch).await;
        changed.map(drop).map_err(Error::api(format!("changing {name}")))
    }

    /// Waits until the operator has asked for nothing for a while. A leader that rests still renews its lease.
    pub async fn quiet(&self) -> Result<(), Error> {
        self.quiet_but_for(|event| event.resource == "leases").await
    }

    /// The same, whatever it asks for that `is_usual` holds for.
    pub async fn quiet_but_for(&self, is_usual: impl Fn(&AuditEvent) -> bool) -> Result<(), Error> {
        let started = Instant::now();
        let mut before = (self.mark().await?, Instant::now());
        while started.elapsed() < self.patience {
            tokio::time::sleep(Duration::from_millis(500)).await;
            if !self.asked(before.0).await?.iter().all(&is_usual) {
                before = (self.mark().await?, Instant::now());
            } else if before.1.elapsed() >= QUIET {
                return Ok(());
            }
        }
        Err(Error::Waited {
            what: "the operator to be at rest".to_owned(),
            waited: started.elapsed(),
            last_seen: "requests".to_owned(),
        })
    }
}

/// Creates a drive without pods, in any namespace.
pub async fn create(api: &Api<RecruitmentDrive>, name: &str) -> Result<RecruitmentDrive, Error> {
    let made = api.create(&PostParams::default(), &portals::idle(name, IMAGE)?).await;
    made.map_err(Error::api(format!("creating {name}")))
}
