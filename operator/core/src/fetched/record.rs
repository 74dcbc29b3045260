//! What an informer remembers of one child: a few dozen bytes, never the object.

use std::sync::Arc;

use k8s_openapi::jiff::Timestamp;

use crate::fetched::facts::{ClaimFacts, ForeignState, SecretFacts, StartedBy};
use crate::fetched::jobs::JobState;
use crate::kind::Kind;

/// Name of the container that renders a service's files before it starts.
pub const RENDER_CONTAINER: &str = "render-files";

/// Names one child.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChildKey {
    pub namespace: Arc<str>,
    pub kind: Kind,
    pub name: Arc<str>,
}

impl ChildKey {
    pub fn new(kind: Kind, namespace: &str, name: &str) -> Self {
        Self {
            namespace: namespace.into(),
            kind,
            name: name.into(),
        }
    }
}

impl std::fmt::Display for ChildKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.kind, self.name)
    }
}

/// The part of one child that the informer keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub uid: Arc<str>,
    /// Its resourceVersion as a number, to order events: Kubernetes 1.35 guarantees the order, and every earlier API
    /// server on etcd kept it.
    pub version: u64,
    pub deleting: bool,
    /// The drive its labels name.
    pub drive: Option<Arc<str>>,
    /// The informers watch it. They do not watch an object without our label: it is known only from a conflict, and no
    /// event reports its change or deletion.
    pub watched: bool,
    pub marks: Marks,
    /// True once the operator has written it: it owns some fields.
    pub touched: bool,
    /// Who its owner references say it belongs to.
    pub owner: Owner,
    /// Hash of what we last applied, from its annotation.
    pub applied: Option<Arc<str>>,
    /// The same, as this process wrote it last. Another operator that applies something else is known by it.
    pub written: Option<Arc<str>>,
    /// The fields that are ours.
    pub fields: Fields,
    pub detail: Detail,
}

/// Facts from the labels and annotations of an object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Marks {
    /// Its label [`ras_crds::labels::INSTANCE`] is the name of its drive.
    pub is_instance: bool,
    /// It is a claim that was bound to a volume, so it may hold data.
    pub is_bound: bool,
}

/// Stands in `ras.dev/applied` of a Deployment that was stopped as it was, with the pods that it had then. Whatever is applied
/// later replaces it.
pub const STOPPED: &str = "stopped/";

impl Record {
    /// How many pods it had when it was stopped as it was, if it was.
    pub fn stopped(&self) -> Option<i32> {
        self.applied.as_deref().and_then(stopped)
    }
}

/// How many pods a Deployment had with this in `ras.dev/applied`, if it was stopped as it was.
pub fn stopped(applied: &str) -> Option<i32> {
    applied.strip_prefix(STOPPED)?.parse().ok()
}

/// Who an object belongs to, by its owner references.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner {
    Nobody,
    Drive {
        name: Arc<str>,
        uid: Arc<str>,
    },
    /// Something else that controls it.
    Other {
        /// `Kind/name`.
        who: Arc<str>,
    },
}

/// The fields that are ours, by digest; the text is kept only until it was compared once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fields {
    /// Digest of our entries in `managedFields`.
    pub digest: u64,
    /// The operator's entries as JSON, until they are compared with the desired object.
    pub unverified: Option<Arc<str>>,
    /// Those that other managers own, too, as JSON. There are hardly ever any.
    pub shared: Option<Arc<str>>,
    /// Of a Secret of the operator: the entries of all managers without their times, as JSON, until they are compared.
    /// Field managers of other kinds are read from the API server when needed; a Secret never is.
    pub managers: Option<Arc<str>>,
}

/// Facts that only some kinds have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Detail {
    None,
    Secret(SecretFacts),
    Deployment(DeploymentState),
    /// Of a `StatefulSet`.
    StatefulSet(StatefulSetState),
    Job(JobState),
    /// Of a `PersistentVolumeClaim`.
    Claim(ClaimState),
    /// Of a Service.
    Service(ServiceState),
    /// Of an object that another operator brings to life.
    Foreign(ForeignState),
}

impl Detail {
    pub fn deployment(self) -> Option<DeploymentState> {
        if let Self::Deployment(state) = self {
            Some(state)
        } else {
            None
        }
    }

    pub fn stateful_set(self) -> Option<StatefulSetState> {
        if let Self::StatefulSet(state) = self {
            Some(state)
        } else {
            None
        }
    }

    pub fn claim(self) -> Option<ClaimState> {
        if let Self::Claim(state) = self {
            Some(state)
        } else {
            None
        }
    }

    pub fn service(self) -> Option<ServiceState> {
        if let Self::Service(state) = self {
            Some(state)
        } else {
            None
        }
    }

    /// The state of an object that another operator reconciles.
    pub fn foreign(self) -> Option<ForeignState> {
        if let Self::Foreign(state) = self {
            Some(state)
        } else {
            None
        }
    }

    /// The answer to a write is metadata only. Other facts are kept until the next event.
    pub fn keep_what_is_no_metadata(&mut self, before: &Self) {
        match (self, before) {
            (Self::Deployment(new), Self::Deployment(old)) => {
                *new = DeploymentState {
                    generation: new.generation,
                    applies_replicas: new.applies_replicas,
                    replicas_before_suspend: new.replicas_before_suspend,
                    written_at: new.written_at,
                    ..old.clone()
                };
            }
            (Self::StatefulSet(new), Self::StatefulSet(old)) => {
                *new = StatefulSetState {
                    generation: new.generation,
                    written_at: new.written_at,
                    ..old.clone()
                };
            }
            (Self::Service(new), Self::Service(old)) => new.clone_from(old),
            (Self::Claim(new), Self::Claim(old)) => new.facts.clone_from(&old.facts),
            (Self::Job(new), Self::Job(old)) => new.outcome.clone_from(&old.outcome),
            (Self::Foreign(new), Self::Foreign(old)) => new.clone_from(old),
            _ => {}
        }
    }
}

/// How a Service stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServiceState {
    /// Its addresses in the cluster.
    pub addresses: Box<[Arc<str>]>,
    /// Where a load balancer publishes its ports, such as `203.0.113.7:10000/UDP`.
    pub public: Box<[Arc<str>]>,
}

/// How a `PersistentVolumeClaim` stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClaimState {
    /// Absent: the informer has not listed it yet.
    pub facts: Option<ClaimFacts>,
    /// The operator applied its storage class: leaving it out of the next apply would remove it.
    pub applies_class: bool,
}

/// How a `StatefulSet` stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StatefulSetState {
    /// Generation of its spec.
    pub generation: i64,
    /// Generation that its controller has seen.
    pub observed_generation: i64,
    pub replicas: i32,
    /// Pods there are, of any version.
    pub current: i32,
    /// Pods that are ready.
    pub ready: i32,
    /// Pods of the present version.
    pub updated: i32,
    /// By which Secrets its pods were started.
    pub started_by: StartedBy,
    /// When we last changed it.
    pub written_at: Option<Timestamp>,
}

/// How a Deployment stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeploymentState {
    /// Generation of its spec.
    pub generation: i64,
    /// Generation that its controller has seen.
    pub observed_generation: i64,
    pub replicas: i32,
    /// Pods there are, of any version.
    pub current: i32,
    /// Pods of the present version.
    pub updated: i32,
    /// Pods ready, of any version.
    pub ready: i32,
    /// Pods that have been ready long enough to count.
    pub available: i32,
    /// Why the roll-out makes no progress, when its deadline has passed.
    pub stuck: Option<Arc<str>>,
    /// Why its pods cannot even be made (quota, pod security), when they cannot.
    pub cannot_create: Option<Arc<str>>,
    pub cannot_create_since: Option<Timestamp>,
    /// The operator applied `spec.replicas`.
    pub applies_replicas: bool,
    /// Replicas it had before the drive was suspended.
    pub replicas_before_suspend: Option<i32>,
    /// Image that renders its files.
    pub render_image: Option<Arc<str>>,
    /// By which Secrets its pods were started.
    pub started_by: StartedBy,
    /// Secrets of which the pods of the present version take a password.
    pub passwords: Box<[Arc<str>]>,
    /// Pods that are ending, as far as Kubernetes counts them (from 1.35 on).
    pub terminating: i32,
    /// When we last changed it.
    pub written_at: Option<Timestamp>,
}

impl DeploymentState {
    /// True when all pods run the current version and no old pod is left, by the rules of `kubectl rollout status`.
    pub fn is_complete(&self) -> bool {
        self.observed_generation >= self.generation
            && self.updated == self.replicas
            && self.current == self.updated
            && self.available == self.updated
    }

    /// True when no pod of an earlier version is left. The count may leave out terminating pods.
    pub fn is_settled(&self) -> bool {
        self.observed_generation >= self.generation && self.current == self.updated && self.terminating == 0
    }

    /// Pods of the present version that are ready. While two versions run, Kubernetes counts the ready pods of both: those of
    /// the earlier version are taken for ready, so the number is never too high.
    pub fn ready_of_present(&self) -> i32 {
        if self.observed_generation < self.generation {
            return 0;
        }
        let earlier = self.current.saturating_sub(self.updated).max(0);
        self.ready.saturating_sub(earlier).clamp(0, self.updated.max(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_pods_of_an_earlier_version_are_not_counted_as_those_of_the_present_one() {
        for ((replicas, current, updated, ready), counted) in [
            // One pod of each version, and the new one cannot pull its image.
            ((1, 2, 1, 1), 0),
            // The new one is ready, the old one is about to go.
            ((1, 2, 1, 2), 1),
            ((2, 3, 1, 2), 0),
            ((2, 3, 2, 2), 1),
            ((2, 2, 2, 2), 2),
            ((0, 1, 0, 1), 0),
        ] {
            let state = DeploymentState {
                replicas,
                current,
                updated,
                ready,
                available: ready,
                ..DeploymentState::default()
            };
            assert_eq!(state.ready_of_present(), counted, "{state:?}");
        }
    }
}
