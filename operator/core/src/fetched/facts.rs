//! Small facts that the cluster's edge learns and the pure rooms decide by.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::jiff::Timestamp;

use crate::database::report::Report;
use crate::fetched::pods::PodFailure;

/// Key of a Secret with a password.
pub const PASSWORD: &str = "password";

/// Our name in `metadata.managedFields`. One name for the whole program.
pub const FIELD_MANAGER: &str = "ras-operator";

/// The metadata of a Secret.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SecretFacts {
    /// Each key with a stamp that changes when its value is written. `None`: the keys are unknown, because there are no
    /// `managedFields`. Then `version` stands for all of them.
    pub keys: Option<BTreeMap<String, String>>,
    /// Stamp of the whole object, used if `keys` are unknown.
    pub version: String,
    /// Metadata that changes without a value: labels, owners, finalizers. Annotations are not part of it, because
    /// controllers that write values record a checksum there. Empty if `keys` are known.
    pub touch: String,
    /// When its values were generated: the last rotation, or the creation.
    pub drawn_at: Option<Timestamp>,
    /// The last rotation request that was carried out.
    pub rotated_for: Option<String>,
    /// The rotation that generated the password of a database login. `None`: no rotation did.
    pub generation: Option<u64>,
    /// The rotation that was rolled back because pods crashed with this password.
    pub rolled_back: Option<u64>,
    /// The cert-manager `Certificate` that the Secret was made for.
    pub certificate: Option<String>,
    /// A key that is not in `keys` does not exist. False if `managedFields` were cleared: then the key may exist.
    pub is_complete: bool,
}

/// By which Secrets the pods of a workload were last started, as its annotations say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StartedBy {
    /// The hash in its pod template.
    pub hash: Option<String>,
    /// The hash of what was known of its Secrets then, where something was not.
    pub known: Option<String>,
}

impl SecretFacts {
    /// True if another writer than the operator wrote this key, or may have.
    pub fn may_be_anothers(&self, key: &str) -> bool {
        let Some(keys) = &self.keys else { return true };
        keys.get(key).is_some_and(|stamp| {
            let mut writers = stamp.split(';').filter_map(|writer| writer.split_once('/'));
            writers.any(|(manager, _)| manager != FIELD_MANAGER)
        })
    }
}

/// Request and state of a `PersistentVolumeClaim`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClaimFacts {
    pub class: Option<String>,
    /// Who may mount it at the same time.
    pub access_modes: Vec<String>,
    pub requested: String,
    /// The size it has. Absent: it has none yet.
    pub capacity: Option<String>,
    /// It is bound to a volume. Before that its size cannot change.
    pub bound: bool,
}

/// The storage of a `Cluster` of CloudNativePG, as its spec has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClusterStorage {
    /// Size of each server's volume.
    pub size: String,
    pub class: Option<String>,
}

/// An older drive of the same namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OlderClaimant {
    pub name: String,
    /// Names of its children, as `Kind/name`.
    pub children: BTreeSet<String>,
}

/// Which optional APIs the cluster serves.
#[allow(clippy::struct_excessive_bools, reason = "one an API")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Apis {
    /// `monitoring.coreos.com/v1` ServiceMonitor.
    pub service_monitors: bool,
    /// `monitoring.coreos.com/v1` PrometheusRule.
    pub prometheus_rules: bool,
    /// `cert-manager.io/v1` Certificate.
    pub certificates: bool,
    /// `postgresql.cnpg.io/v1` Cluster.
    pub clusters: bool,
    /// `postgresql.cnpg.io/v1` `ScheduledBackup`.
    pub scheduled_backups: bool,
    /// `external-secrets.io` `ExternalSecret`, in the newest version that is served.
    pub external_secrets: Option<ExternalSecretsVersion>,
}

/// Versions of `ExternalSecret` that say what we say in the same words. Operators before 0.16 serve the older one alone, and
/// those from 0.17 on the newer one alone, so none of the two would do for all clusters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ExternalSecretsVersion {
    /// `external-secrets.io/v1`.
    V1,
    /// `external-secrets.io/v1beta1`.
    V1Beta1,
}

impl ExternalSecretsVersion {
    pub fn api_version(self) -> &'static str {
        match self {
            Self::V1 => "external-secrets.io/v1",
            Self::V1Beta1 => "external-secrets.io/v1beta1",
        }
    }
}

/// The condition `Ready` of an object that another operator reconciles.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ForeignState {
    /// Absent: its operator has not reported yet.
    pub ready: Option<bool>,
    /// Why, in one word.
    pub reason: String,
    /// Why, in its first line and not too many characters.
    pub message: String,
    /// The server that is written to, of a `Cluster`.
    pub primary: Option<String>,
    /// Backups, of a `Cluster`.
    pub backup: BackupState,
    /// The storage of a `Cluster`. Absent: the informer has not listed it yet.
    pub storage: Option<ClusterStorage>,
}

/// The backups of a `Cluster`, as CloudNativePG reports them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BackupState {
    /// When the last one was done.
    pub last_successful: Option<Timestamp>,
    /// Why the last one failed, or why changes do not arrive where they are archived.
    pub trouble: Option<String>,
}

/// One of a drive's Jobs as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JobFacts {
    pub purpose: String,
    /// For which part of the drive: a service, or a database.
    pub of: String,
    /// Hash of what it does: Jobs of the same work do the same.
    pub work: String,
    pub outcome: JobOutcome,
    pub deleting: bool,
    pub pods: Vec<PodRun>,
    /// The report of the last pod, of a Job that prepares databases.
    pub report: Option<Report>,
    /// The reason why its container does not start.
    pub trouble: Option<PodFailure>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum JobOutcome {
    /// It has not ended.
    #[default]
    Open,
    /// It did what it is for.
    Succeeded { at: Option<Timestamp> },
    /// It did not, and is not tried again.
    Failed {
        at: Option<Timestamp>,
        /// The Job controller's word for it, for instance `BackoffLimitExceeded` or `DeadlineExceeded`.
        reason: String,
    },
}

/// One pod of a Job.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JobPod {
    /// Name of the Job.
    pub job: String,
    pub purpose: String,
    /// For which part of the drive.
    pub of: String,
    /// How far the pod is.
    pub run: PodRun,
    /// When it ended and what it said that it did on a database server, where that is what the Job is for.
    pub report: Option<(Option<Timestamp>, Report)>,
}

/// How far a Job's pod is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PodRun {
    /// Its program has not started; why, where there is a reason that a person should know.
    BlockedBy(Option<String>),
    Running,
    /// It ended; how, where it failed.
    Ended(Option<PodEnd>),
}

impl Default for PodRun {
    fn default() -> Self {
        Self::BlockedBy(None)
    }
}

/// How a pod failed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PodEnd {
    /// Absent: the container did not exit.
    pub exit_code: Option<i32>,
    /// The kubelet's word for it, where it has a better one than `Error`, for instance `OOMKilled`.
    pub reason: Option<String>,
    /// The last lines it said, without whatever looks like a credential; a few hundred characters at most.
    pub said: String,
    pub at: Option<Timestamp>,
}
