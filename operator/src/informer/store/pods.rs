//! The pods of drives: failures, addresses of ready pods, and pods of Jobs.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;

use crate::informer::store::{DriveKey, Requeue, Store};
use ras_core::fetched::facts::{JobFacts, JobPod};
use ras_core::fetched::jobs::KnownPod;
use ras_core::fetched::pods::{PodFailure, ReadyPod, worst};
use ras_core::fetched::record::{Detail, Owner};
use ras_core::kind::Kind;

/// Pods by drive and name.
#[derive(Debug, Default)]
pub(super) struct Pods {
    failures: PodMap<PodFailure>,
    ready: PodMap<ReadyPod>,
    of_jobs: PodMap<KnownPod>,
}

#[derive(Debug)]
struct PodMap<T>(HashMap<DriveKey, BTreeMap<Arc<str>, T>>);

impl<T> Default for PodMap<T> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<T: PartialEq> PodMap<T> {
    /// Sets or removes one pod. Returns true if that is a change.
    fn set(&mut self, drive: &DriveKey, name: &str, pod: Option<T>) -> bool {
        if let Some(pod) = pod {
            let pods = self.0.entry(drive.clone()).or_default();
            let is_change = pods.get(name) != Some(&pod);
            pods.insert(name.into(), pod);
            return is_change;
        }
        let Some(pods) = self.0.get_mut(drive) else {
            return false;
        };
        let is_change = pods.remove(name).is_some();
        if pods.is_empty() {
            self.0.remove(drive);
        }
        is_change
    }

    fn of_drive(&self, drive: &DriveKey) -> impl Iterator<Item = (&Arc<str>, &T)> + Clone {
        self.0.get(drive).into_iter().flatten()
    }

    fn names(&self) -> impl Iterator<Item = (&DriveKey, &Arc<str>)> {
        let drives = self.0.iter();
        drives.flat_map(|(drive, pods)| pods.keys().map(move |name| (drive, name)))
    }
}

fn requeue_if(is_change: bool, drive: &DriveKey) -> Requeue {
    if is_change {
        Requeue::from([drive.clone()])
    } else {
        Requeue::new()
    }
}

impl Store {
    pub fn set_pod_failure(&self, drive: &DriveKey, name: &str, failure: Option<PodFailure>) -> Requeue {
        requeue_if(self.lock().pods.failures.set(drive, name, failure), drive)
    }

    /// Requeues nothing, because the Deployment reports its ready pods.
    pub fn set_ready_pod(&self, drive: &DriveKey, name: &str, pod: Option<ReadyPod>) {
        self.lock().pods.ready.set(drive, name, pod);
    }

    pub fn set_job_pod(&self, drive: &DriveKey, name: &str, pod: Option<KnownPod>) -> Requeue {
        requeue_if(self.lock().pods.of_jobs.set(drive, name, pod), drive)
    }

    /// Names and addresses of a service's ready pods.
    pub fn ready_pods(&self, drive: &DriveKey, service: &str) -> Vec<(Arc<str>, IpAddr)> {
        let inner = self.lock();
        let pods = inner.pods.ready.of_drive(drive);
        pods.filter(|(_, pod)| *pod.service == *service)
            .map(|(name, pod)| (Arc::clone(name), pod.address))
            .collect()
    }

    pub fn pod_failures(&self, drive: &DriveKey) -> Vec<PodFailure> {
        let inner = self.lock();
        let failures = inner.pods.failures.of_drive(drive);
        let mut failures: Vec<PodFailure> = failures.map(|(_, failure)| failure.clone()).collect();
        failures.sort();
        failures
    }

    /// The Jobs of the drive with this UID by name, with their pods.
    pub fn jobs(&self, drive: &DriveKey, uid: &str) -> BTreeMap<String, JobFacts> {
        let inner = self.lock();
        let keys = inner.by_drive.get(drive).into_iter().flatten();
        let records = keys
            .filter(|key| key.kind == Kind::Job)
            .filter_map(|key| Some((key, inner.children.get(key)?)))
            .filter(|(_, record)| matches!(&record.owner, Owner::Drive { uid: owner, .. } if **owner == *uid));
        let pods = inner.pods.of_jobs.of_drive(drive).map(|(_, known)| known);
        records
            .filter_map(|(key, record)| {
                let Detail::Job(state) = &record.detail else {
                    return None;
                };
                // An earlier Job may have had the same name, and its pods may still exist. And a pod with the labels that no Job made
                // tells nothing about one.
                let known = pods
                    .clone()
                    .filter(|known| known.job_uid.as_ref().is_some_and(|uid| *uid == record.uid));
                let pods = known.clone().map(|known| &known.pod);
                let facts = JobFacts {
                    purpose: state.purpose.to_string(),
                    of: state.of.to_string(),
                    work: state.work.to_string(),
                    outcome: state.outcome.clone(),
                    deleting: record.deleting,
                    report: pods
                        .clone()
                        .filter(|pod| *pod.job == *key.name)
                        .filter_map(|pod| pod.report.clone())
                        .max_by_key(|(at, _)| *at)
                        .map(|(_, report)| report),
                    pods: pods
                        .filter(|pod| *pod.job == *key.name)
                        .map(|pod| pod.run.clone())
                        .collect(),
                    trouble: worst(
                        known
                            .filter(|known| *known.pod.job == *key.name)
                            .filter_map(|known| known.trouble.as_ref()),
                    )
                    .cloned(),
                };
                Some((key.name.to_string(), facts))
            })
            .collect()
    }

    /// The pods of a drive's Jobs, including deleted Jobs.
    pub fn job_pods(&self, drive: &DriveKey) -> Vec<JobPod> {
        let inner = self.lock();
        let pods = inner.pods.of_jobs.of_drive(drive);
        pods.map(|(_, known)| known.pod.clone()).collect()
    }

    /// Removes the pods in `namespace` (all, if absent) that a complete list did not contain.
    pub fn retain_pods(&self, namespace: Option<&str>, listed: &HashSet<(Arc<str>, Arc<str>)>) -> Requeue {
        let deleted: Vec<(DriveKey, Arc<str>)> = {
            let inner = self.lock();
            let Pods {
                failures,
                ready,
                of_jobs,
            } = &inner.pods;
            let known = failures.names().chain(ready.names()).chain(of_jobs.names());
            known
                .filter(|(drive, _)| namespace.is_none_or(|ns| ns == &*drive.namespace))
                .filter(|(drive, pod)| !listed.contains(&(Arc::clone(&drive.namespace), Arc::clone(pod))))
                .map(|(drive, pod)| (drive.clone(), Arc::clone(pod)))
                .collect()
        };
        let removals = deleted.iter().flat_map(|(drive, pod)| {
            self.set_ready_pod(drive, pod, None);
            &self.set_pod_failure(drive, pod, None) | &self.set_job_pod(drive, pod, None)
        });
        removals.collect()
    }
}
