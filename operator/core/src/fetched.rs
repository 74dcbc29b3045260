//! What `fetch` gives: the facts that the pure rooms decide by. No value of a Secret is among them.

pub mod facts;
pub mod jobs;
pub mod own_pods;
pub mod pods;
pub mod record;

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::jiff::Timestamp;
use ras_crds::{BucketStatus, DatabaseStatus, MigrationStatus};

pub use crate::fetched::facts::{
    Apis, BackupState, ClaimFacts, ClusterStorage, ExternalSecretsVersion, ForeignState, JobFacts, JobOutcome, JobPod,
    OlderClaimant, PodEnd, PodRun, SecretFacts, StartedBy,
};

use crate::drive_key::DriveKey;
pub use crate::fetched::own_pods::OwnPods;

/// The facts about one drive that the later steps decide by. Of Secrets it has only metadata, never a value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fetched {
    /// When it was fetched: the one clock that the pure rooms see.
    pub now: Timestamp,
    /// Secrets that the drive uses or makes, by their name in Kubernetes. One that is not here does not exist.
    pub secrets: BTreeMap<String, SecretFacts>,
    /// The drive's Deployments as they are, by their name in Kubernetes.
    pub deployments: BTreeMap<String, DeploymentFacts>,
    /// The drive's Jobs as they are, by their name in Kubernetes.
    pub jobs: BTreeMap<String, JobFacts>,
    /// Pods of the drive's Jobs, also those whose Job is gone.
    pub job_pods: Vec<JobPod>,
    /// The record of migrations in the status, by service.
    pub migrations: BTreeMap<String, MigrationStatus>,
    /// Names that older drives of the same namespace give to their children.
    pub older_claimants: Vec<OlderClaimant>,
    /// The drive that has the host of this one, or a host that overlaps with it.
    pub host_taken_by: Option<DriveKey>,
    /// Whose the Secret is into which cert-manager would write the drive's certificate, as a part of a sentence, when there is one
    /// that cert-manager did not make for it.
    pub certificate_unowned: Option<String>,
    /// The operator's own pods, where it knows them.
    pub operator_pods: Option<OwnPods>,
    /// Which optional APIs the cluster serves.
    pub apis: Apis,
    /// Secrets from an external store, by their name in Kubernetes.
    pub external: BTreeMap<String, ExternalFacts>,
    /// The drive's volumes as they are, by the names of their claims.
    pub claims: BTreeMap<String, LiveClaim>,
    /// Addresses of the drive's Services, by their names in Kubernetes.
    pub service_addresses: BTreeMap<String, Vec<String>>,
    /// Buckets that the drive's status names, by their name in the drive.
    pub buckets: BTreeMap<String, BucketFacts>,
    pub database: DatabaseFacts,
}

/// One of the drive's volumes as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LiveClaim {
    pub facts: ClaimFacts,
    /// The operator applied its storage class. Leaving it out of the next apply would remove it.
    pub applies_class: bool,
}

/// The facts about a database server: its record in the status, and the state of a managed one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DatabaseFacts {
    /// As status shows it.
    pub recorded: DatabaseStatus,
    /// The pod of a managed server is ready.
    pub serves: bool,
    /// By which Secret the pod of a server of the drive's own was started.
    pub started_by: StartedBy,
    /// The state that CloudNativePG reports. Absent: there is no `Cluster`.
    pub cluster: Option<ForeignState>,
    /// The object that holds the data of a server in the cluster, as `Kind/UID`. Absent: it is not there.
    pub storage: Option<String>,
    /// Since when this process knows what happens in the cluster. Absent: nothing is ever checked again.
    pub watch: Option<Watch>,
    /// The services as they run, by the names of their Deployments, with those that are no longer in the spec.
    pub programs: BTreeMap<String, ProgramFacts>,
}

/// Since when a process knows what happens in the cluster, and of how many drives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watch {
    pub since: Timestamp,
    /// How many drives there are.
    pub drives: u64,
}

/// Which passwords the pods of a Deployment were started with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProgramFacts {
    /// Secrets of which its present version takes a password.
    pub passwords: BTreeSet<String>,
    /// True when no pod of an earlier version is left.
    pub settled: bool,
    /// It has pods, or will have them when the drive is resumed.
    pub wanted: bool,
    /// It has pods, and all are ready in the current version.
    pub serves: bool,
    /// Its pods that crash although they had time to recover.
    pub crashes: Vec<Crash>,
}

/// A pod that crashes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Crash {
    /// Secrets of which it takes a password.
    pub passwords: BTreeSet<String>,
    /// The pod and what it printed last, for people. Credentials are taken out of it.
    pub text: String,
}

/// A Secret from an external store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExternalFacts {
    /// Whose the Secret of that name is, when there is one that no `ExternalSecret` of ours fills.
    pub unowned: Option<String>,
    /// The state that the External Secrets operator reports. Absent: there is no `ExternalSecret` yet.
    pub state: Option<ForeignState>,
}

/// The facts about a bucket: its record in the status, and the last answer of the object store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BucketFacts {
    /// As status shows it.
    pub recorded: BucketStatus,
    /// It is known to exist, so that services may start.
    pub there: bool,
    /// It was deleted, or another bucket has its name.
    pub lost: bool,
    /// The annotation accepts the loss of this very bucket.
    pub accepted: bool,
}

/// The facts about a live Deployment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeploymentFacts {
    /// `spec.replicas` as it is now.
    pub replicas: i32,
    /// Replicas it had before the drive was suspended, when it is suspended or coming back.
    pub replicas_before_suspend: Option<i32>,
    /// By which Secrets its pods were started.
    pub started_by: StartedBy,
    /// Pods that are ready, of any version.
    pub ready: i32,
    /// All pods serve in the current version, and no other pod is left.
    pub complete: bool,
}
