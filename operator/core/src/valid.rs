//! A drive that can be built: one-of choices are enums, defaults are filled in, the platform's settings are merged. It holds
//! what people wrote and nothing of what exists. Made by [`validate`](super::validate::validate()) alone.

mod database;
mod exposure;
mod host;
mod removal_requests;
mod rotation;
mod secret;
mod service;
mod volume;

use std::collections::BTreeMap;

use ras_crds::spec::BucketDeletionPolicy;

use crate::bucket::request::BucketRequest;
use crate::platform::{NetworkConfig, PublicPortsConfig};

pub use database::{
    BackupPlace, CA, CA_FILE, CLUSTER_ADMIN, CLUSTER_CA, DatabaseLogin, DatabaseServer, ExternalServer, LoginRotation,
    SUFFIX, ValidAuthority, ValidBackup, ValidCluster, ValidDatabase, ValidLogicalDatabase, ValidStandalone, authority,
    host_of,
};
pub use exposure::{ValidExposure, ValidTls};
pub use host::{HostTarget, ValidHost};
pub use removal_requests::RemovalRequests;
pub use rotation::{Freeze, Policy};
pub use secret::{ExternalSource, GeneratedSecret, RsaSize, SecretOrigin, UsedSecret, ValidExternal, ValueFormat};
pub use service::{
    Check, EnvSource, FileSource, Probe, Replicas, ValidBinding, ValidContainer, ValidEnv, ValidEnvFrom, ValidFile,
    ValidMetrics, ValidMigration, ValidPort, ValidResources, ValidService,
};
pub use volume::{ValidClaim, ValidSharedVolume, ValidVolume, VolumeSource};

/// A drive that can be built.
#[derive(Clone, Debug, PartialEq)]
pub struct ValidDrive {
    /// Name of the drive.
    pub name: String,
    /// Namespace of the drive and everything it makes.
    pub namespace: String,
    /// UID of the stored object. Absent for a drive that was never stored, as when its manifests are only printed.
    pub uid: Option<String>,
    /// Generation of the spec.
    pub generation: Option<i64>,
    /// Times in which nothing rotates.
    pub freezes: Vec<Freeze>,
    pub suspended: bool,
    /// The services, in the spec's order.
    pub services: Vec<ValidService>,
    /// Volumes that several services may mount.
    pub shared_volumes: Vec<ValidSharedVolume>,
    /// Names by which its pods find services and addresses.
    pub hosts: Vec<ValidHost>,
    /// Secrets that are made for the drive.
    pub generated_secrets: Vec<GeneratedSecret>,
    pub database: Option<ValidDatabase>,
    /// Secrets that come from a store outside the cluster.
    pub external_secrets: Vec<ValidExternal>,
    /// Annotations that have no effect, as messages.
    pub warnings: Vec<String>,
    /// Buckets that services use.
    pub buckets: Vec<ValidBucket>,
    /// The annotations that confirm or forbid that buckets are deleted.
    pub removal_requests: RemovalRequests,
    /// How people reach it.
    pub exposure: Option<ValidExposure>,
    pub monitoring: Option<ValidMonitoring>,
    /// The drive's and the platform's, each once.
    pub image_pull_secrets: Vec<String>,
    pub listener_checks: bool,
    /// Addresses that its pods may connect to in any case.
    pub network: NetworkConfig,
    /// How the platform makes ports reachable from outside the cluster.
    pub public_ports: PublicPortsConfig,
    /// Image of the step that renders files.
    pub operator_image: String,
    /// CPU and memory of the containers with that image.
    pub operator_resources: ValidResources,
    /// Tokens of the annotation `ras.dev/run-migration`, by service.
    pub migration_requests: BTreeMap<String, String>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct ValidBucket {
    /// Name in the drive.
    pub name: String,
    pub request: BucketRequest,
    /// Most bytes it should hold.
    pub quota_bytes: Option<u64>,
    /// Most objects it should hold.
    pub quota_objects: Option<u64>,
    pub deletion_policy: BucketDeletionPolicy,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValidMonitoring {
    /// Seconds between two reads; absent: Prometheus' own setting.
    pub scrape_interval: Option<u64>,
    /// Seconds that something may be not ready before the alert fires.
    pub not_ready_for: u64,
    /// Restarts in an hour that are too many.
    pub restarts_per_hour: i32,
    /// Namespace of Prometheus; absent: unknown.
    pub namespace: Option<String>,
    /// Labels by which Prometheus selects.
    pub labels: BTreeMap<String, String>,
}
