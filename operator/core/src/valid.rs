//! A drive that can be built: one-of choices are enums, defaults are filled in, the platform's settings are merged. It holds
//! what people wrote and nothing of what exists. Made by [`validate`](super::validate::validate()) alone.

mod database;
mod removal_requests;
mod rotation;

use std::collections::{BTreeMap, BTreeSet};

use ras_crds::spec::{
    AccessMode, BucketDeletionPolicy, DeletionPolicy, EgressRule, ExternalKey, IssuerKind, PodMetadata, PodSecurity,
    ProbeHeader, Protocol, PullPolicy, RolloutStrategy, Scheduling, StoreKind,
};

use crate::bucket::request::BucketRequest;
use crate::platform::{NetworkConfig, PublicPortsConfig};

pub use removal_requests::RemovalRequests;
pub use rotation::{Freeze, Policy};

pub use database::{
    BackupPlace, CA, CA_FILE, CLUSTER_ADMIN, CLUSTER_CA, DatabaseLogin, DatabaseServer, ExternalServer, LoginRotation,
    SUFFIX, ValidAuthority, ValidBackup, ValidCluster, ValidDatabase, ValidLogicalDatabase, ValidStandalone, authority,
    host_of,
};

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
    /// Whether every service is scaled to nothing.
    pub suspended: bool,
    /// The services, in the spec's order.
    pub services: Vec<ValidService>,
    /// Volumes that several services may mount.
    pub shared_volumes: Vec<ValidSharedVolume>,
    /// Names by which its pods find something.
    pub hosts: Vec<ValidHost>,
    /// Secrets that are made for the drive.
    pub generated_secrets: Vec<GeneratedSecret>,
    /// The database server.
    pub database: Option<ValidDatabase>,
    /// Secrets that come from a store outside the cluster.
    pub external_secrets: Vec<ValidExternal>,
    /// What stands in annotations and means nothing, for people.
    pub warnings: Vec<String>,
    /// Buckets that services use.
    pub buckets: Vec<ValidBucket>,
    /// The annotations that confirm or forbid that buckets are deleted.
    pub removal_requests: RemovalRequests,
    /// How people reach it.
    pub exposure: Option<ValidExposure>,
    /// Metrics and alerts.
    pub monitoring: Option<ValidMonitoring>,
    /// The drive's and the platform's, each once.
    pub image_pull_secrets: Vec<String>,
    /// Whether the platform has the ports of services checked.
    pub listener_checks: bool,
    /// What its pods may connect to, whatever it asks for.
    pub network: NetworkConfig,
    /// How the platform makes ports reachable from outside the cluster.
    pub public_ports: PublicPortsConfig,
    /// Image of the step that renders files.
    pub operator_image: String,
    /// CPU and memory of the containers with that image.
    pub operator_resources: ValidResources,
    /// What the annotation `ras.dev/run-migration` asks for, by service.
    pub migration_requests: BTreeMap<String, String>,
}

/// One program of the portal.
#[derive(Clone, Debug, PartialEq)]
pub struct ValidService {
    /// Name in the drive.
    pub name: String,
    /// Name of its Deployment, Service and so on.
    pub child: String,
    /// The program.
    pub container: ValidContainer,
    /// Helper containers.
    pub sidecars: Vec<ValidContainer>,
    /// Containers that run to their end before the program starts.
    pub init_containers: Vec<ValidContainer>,
    /// How many pods.
    pub replicas: Replicas,
    /// How a new version replaces the old one.
    pub rollout: RolloutStrategy,
    /// Files put in place before the program starts.
    pub files: Vec<ValidFile>,
    /// Storage.
    pub volumes: Vec<ValidVolume>,
    /// Services that have to be ready before it starts for the first time.
    pub after: BTreeSet<String>,
    /// Where metrics are.
    pub metrics: Option<ValidMetrics>,
    /// Name that the pod has in its own eyes.
    pub hostname: Option<String>,
    /// Labels and annotations of the pods besides the operator's own.
    pub pod_metadata: PodMetadata,
    /// Seconds a pod gets to finish.
    pub termination_grace_period_seconds: i64,
    /// Seconds it keeps running before SIGTERM. Absent: the default for its ports and its rollout.
    pub pre_stop_sleep_seconds: Option<i64>,
    /// Which nodes.
    pub scheduling: Scheduling,
    /// What it needs beyond restricted pod security.
    pub pod_security: PodSecurity,
    /// The only addresses outside the drive it may connect to. Absent: not restricted.
    pub egress: Option<Vec<EgressRule>>,
    /// Buckets that it uses, by their names in the drive.
    pub buckets: BTreeSet<String>,
    /// Databases that it uses, by their names.
    pub databases: BTreeSet<String>,
    /// Where the certificates are by which its database server is known, where there are some.
    pub database_authority: Option<ValidAuthority>,
    /// Backing services that other operators keep.
    pub bindings: Vec<ValidBinding>,
    /// What has to run before a version of it starts.
    pub migration: Option<ValidMigration>,
}

/// A backing service that another operator keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValidBinding {
    /// Name in the service.
    pub name: String,
    /// The Secret that says how to reach it.
    pub secret: UsedSecret,
    /// Files, each with the key of the Secret it holds. None: every key, under its own name.
    pub keys: Vec<(String, String)>,
    /// Files that hold no secret, with what is in them.
    pub values: Vec<(String, String)>,
    /// Whether a changed Secret restarts nothing.
    pub reload: bool,
}

/// What has to run before a version of a service starts.
#[derive(Clone, Debug, PartialEq)]
pub struct ValidMigration {
    /// What runs: the service's image, in the migration's environment.
    pub container: ValidContainer,
    /// Seconds it may take, its retries included.
    pub timeout_seconds: i64,
    /// How often it is tried again by itself.
    pub retries: i32,
    /// Buckets that it uses, by their names in the drive.
    pub buckets: BTreeSet<String>,
    /// Databases that it uses, by their names.
    pub databases: BTreeSet<String>,
    /// Where the certificates are by which its database server is known, where there are some.
    pub database_authority: Option<ValidAuthority>,
    /// Backing services that other operators keep.
    pub bindings: Vec<ValidBinding>,
    /// The only addresses outside the drive it may connect to. Absent: not restricted.
    pub egress: Option<Vec<EgressRule>>,
}

impl ValidService {
    /// Every port of the pod, the program's first.
    pub fn ports(&self) -> impl Iterator<Item = &ValidPort> {
        self.containers().flat_map(|container| &container.ports)
    }

    /// Every container whose program the drive names: the service's program, its helpers, and those that run before it.
    pub fn containers(&self) -> impl Iterator<Item = &ValidContainer> {
        std::iter::once(&self.container)
            .chain(&self.sidecars)
            .chain(&self.init_containers)
    }

    /// The files that the operator's own container writes from a template.
    pub fn templates(&self) -> impl Iterator<Item = (&ValidFile, &str)> {
        self.files.iter().filter_map(|file| match &file.source {
            FileSource::Template(content) => Some((file, content.as_str())),
            FileSource::Secret { .. } => None,
        })
    }

    /// The Secrets and keys that files are taken from.
    pub fn secret_files(&self) -> impl Iterator<Item = (&ValidFile, &UsedSecret, &str)> {
        self.files.iter().filter_map(|file| match &file.source {
            FileSource::Template(_) => None,
            FileSource::Secret { secret, key } => Some((file, secret, key.as_str())),
        })
    }
}

/// One file of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValidFile {
    /// Where it is in the container.
    pub path: String,
    /// Where its content is from.
    pub source: FileSource,
    /// Whether it can be executed.
    pub executable: bool,
    /// Names of the containers that see it.
    pub containers: Vec<String>,
}

/// Where the content of a file is from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileSource {
    /// The spec; variables are filled in inside the pod.
    Template(String),
    /// A key of a Secret, byte by byte.
    Secret {
        /// The Secret.
        secret: UsedSecret,
        /// The key.
        key: String,
    },
}

/// One container.
#[derive(Clone, Debug, PartialEq)]
pub struct ValidContainer {
    /// Name in the pod.
    pub name: String,
    /// Image.
    pub image: String,
    /// When it is pulled.
    pub image_pull_policy: Option<PullPolicy>,
    /// Entry point.
    pub command: Vec<String>,
    /// Arguments.
    pub args: Vec<String>,
    /// Directory in which it starts. Absent: the image's own.
    pub working_dir: Option<String>,
    /// Environment, in order.
    pub env: Vec<ValidEnv>,
    /// Whole secrets as environment.
    pub env_from: Vec<ValidEnvFrom>,
    /// What it listens on.
    pub ports: Vec<ValidPort>,
    /// CPU and memory; memory has a limit.
    pub resources: ValidResources,
    /// How Kubernetes finds out that it serves.
    pub probe: Probe,
}

/// CPU and memory with defaults filled in, as Kubernetes' texts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ValidResources {
    /// What is promised.
    pub requests: BTreeMap<String, String>,
    /// What may not be exceeded.
    pub limits: BTreeMap<String, String>,
}

/// One environment variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValidEnv {
    /// Name.
    pub name: String,
    /// Where its value is from. Of a variable about a database login: while programs use the first login.
    pub source: EnvSource,
    /// Where its value is from while programs use the second login, where that is something else.
    pub with_second_login: Option<EnvSource>,
}

/// Where a variable's value is from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EnvSource {
    /// The spec.
    Value(String),
    /// A key of a Secret, which the pod reads.
    Secret {
        /// The Secret.
        secret: UsedSecret,
        /// The key.
        key: String,
    },
}

/// A whole secret as environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValidEnvFrom {
    /// The Secret.
    pub secret: UsedSecret,
    /// Put before each key.
    pub prefix: Option<String>,
}

/// A Secret that a service uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsedSecret {
    /// Name in the drive.
    pub name: String,
    /// Name in Kubernetes.
    pub secret_name: String,
    /// Where it is from.
    pub origin: SecretOrigin,
}

/// Where a Secret that a service uses is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecretOrigin {
    /// The operator makes it.
    Generated,
    /// An entry of `spec.secrets` names it.
    Existing,
    /// It is filled from a store outside the cluster.
    External,
    /// It says how to reach what another operator keeps.
    Binding,
    /// It holds the credentials with which programs reach the object store.
    ObjectStore,
    /// It holds the connection to a database server that somebody else keeps.
    DatabaseServer,
}

/// One bucket.
#[derive(Clone, Debug, PartialEq)]
pub struct ValidBucket {
    /// Name in the drive.
    pub name: String,
    /// What is asked of the object store.
    pub request: BucketRequest,
    /// Most bytes it should hold.
    pub quota_bytes: Option<u64>,
    /// Most objects it should hold.
    pub quota_objects: Option<u64>,
    /// What happens to it in the end.
    pub deletion_policy: BucketDeletionPolicy,
}

/// One port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValidPort {
    /// Name, unique in the pod.
    pub name: String,
    /// Number.
    pub port: i32,
    /// Protocol.
    pub protocol: Protocol,
    /// Path prefix that leads to it.
    pub path: Option<String>,
    /// Its number at a load balancer, where it is reached from outside the cluster.
    pub public: Option<i32>,
}

/// How many pods.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Replicas {
    /// This many.
    Fixed(i32),
    /// One to begin with, then whatever `kubectl scale` says.
    Open,
    /// By load.
    Autoscaled {
        /// Fewest.
        min: i32,
        /// Most.
        max: i32,
        /// Percent of the CPU request to aim at.
        cpu: Option<i32>,
        /// Percent of the memory request to aim at.
        memory: Option<i32>,
    },
}

impl Replicas {
    /// Pods of a Deployment that is made anew.
    pub fn initial(&self) -> i32 {
        match self {
            Self::Fixed(count) => *count,
            Self::Open => 1,
            Self::Autoscaled { min, .. } => *min,
        }
    }
}

/// One volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValidVolume {
    /// Name in the service.
    pub name: String,
    /// Where it is mounted.
    pub path: String,
    /// What it is made of.
    pub source: VolumeSource,
    /// Whether the service only reads it.
    pub read_only: bool,
    /// Folder of it that is mounted. Absent: all of it.
    pub sub_path: Option<String>,
    /// Whether it is filled from the image while it is empty.
    pub from_image: bool,
}

/// A volume that several services may mount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValidSharedVolume {
    /// Name in the drive.
    pub name: String,
    /// What it is made of.
    pub claim: ValidClaim,
}

/// A claim of our own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValidClaim {
    /// Name of the claim.
    pub claim: String,
    /// Size.
    pub size: String,
    /// Storage class; absent: the cluster's default.
    pub storage_class: Option<String>,
    /// Who may mount it at the same time.
    pub access_mode: AccessMode,
    /// What happens to it in the end.
    pub deletion_policy: DeletionPolicy,
}

/// A name by which pods find something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValidHost {
    /// The name.
    pub name: String,
    /// Where it leads.
    pub target: HostTarget,
}

/// Where a name leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostTarget {
    /// To the Service of this name in Kubernetes.
    Service(String),
    /// To this address.
    Address(String),
}

/// What a volume is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VolumeSource {
    /// A claim of our own, for this service alone.
    Claim(ValidClaim),
    /// A volume of the drive, by its name, which other services may mount, too.
    Shared {
        /// Name in the drive.
        volume: String,
        /// Name of the claim.
        claim: String,
        /// Whether one node alone can mount it.
        on_one_node: bool,
    },
    /// A claim of somebody else.
    Existing {
        /// Name of the claim.
        claim: String,
    },
    /// Space that lives as long as its pod.
    Scratch {
        /// Most it may hold.
        size_limit: String,
        /// Whether it is kept in memory.
        memory: bool,
    },
}

impl VolumeSource {
    /// Whether one pod (or node) alone can mount it, as far as the spec tells.
    pub fn is_single_writer(&self) -> bool {
        matches!(self, Self::Claim(claim) if claim.access_mode != AccessMode::ReadWriteMany)
    }
}

/// How Kubernetes finds out that a program serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Probe {
    /// It cannot: the program listens on nothing.
    None,
    /// Nothing was said: ready once this TCP port (by name) accepts connections.
    Guessed(String),
    /// As the spec says.
    Asked {
        /// What is asked.
        check: Check,
        /// Seconds until it has to answer for the first time.
        startup_seconds: i32,
        /// Seconds between two checks.
        period_seconds: i32,
        /// Seconds one check may take.
        timeout_seconds: i32,
    },
}

/// What a probe asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Check {
    /// A connection to this port.
    Tcp(ValidPort),
    /// An HTTP GET.
    Http {
        /// The port.
        port: ValidPort,
        /// The path.
        path: String,
        /// Headers of the request.
        headers: Vec<ProbeHeader>,
    },
    /// gRPC's health protocol on this port.
    Grpc(ValidPort),
    /// A command in the container.
    Exec(Vec<String>),
}

impl Probe {
    /// Name of the port whose answer the readiness of the pod depends on.
    pub fn port(&self) -> Option<&str> {
        match self {
            Self::None => None,
            Self::Guessed(port) => Some(port),
            Self::Asked { check, .. } => match check {
                Check::Tcp(port) | Check::Http { port, .. } | Check::Grpc(port) => Some(&port.name),
                Check::Exec(_) => None,
            },
        }
    }
}

/// Where metrics are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValidMetrics {
    /// The port.
    pub port: ValidPort,
    /// The path.
    pub path: String,
}

/// A secret that is made for the drive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GeneratedSecret {
    /// Name in the drive.
    pub name: String,
    /// Name in Kubernetes.
    pub secret_name: String,
    /// Keys to make, sorted.
    pub keys: Vec<String>,
    /// What the values look like.
    pub value_format: ValueFormat,
    /// When the values are generated anew.
    pub policy: Policy,
    /// Whether status shows when.
    pub rotates: bool,
    /// The request to rotate that stands in the drive's annotations.
    pub request: Option<String>,
    /// What happens to it in the end.
    pub deletion_policy: DeletionPolicy,
}

/// A secret that comes from a store outside the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValidExternal {
    /// Name in the drive.
    pub name: String,
    /// Name in Kubernetes, of the `ExternalSecret` and of the Secret.
    pub secret_name: String,
    /// Name of the store.
    pub store: String,
    /// Kind of the store.
    pub store_kind: StoreKind,
    /// What is taken.
    pub source: ExternalSource,
    /// How often the store is asked, in Go's form.
    pub refresh_interval: String,
}

/// What is taken from a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExternalSource {
    /// Everything at this place.
    Whole(String),
    /// These values.
    Keys(Vec<ExternalKey>),
}

impl ExternalSource {
    /// Name of the field that says it.
    pub fn field(&self) -> &'static str {
        match self {
            Self::Whole(_) => "key",
            Self::Keys(_) => "keys",
        }
    }
}

/// How a value is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueFormat {
    /// So many letters and digits.
    Alphanumeric(usize),
    /// So many bytes, as Base64.
    Base64(usize),
    /// So many bytes, in hexadecimal.
    Hex(usize),
    /// A UUID of version 4.
    Uuid,
    /// An RSA key pair.
    RsaKeyPair(RsaSize),
    /// An Ed25519 key pair.
    Ed25519KeyPair,
}

/// Bits of an RSA key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RsaSize {
    /// 2048.
    Bits2048,
    /// 3072.
    Bits3072,
    /// 4096.
    Bits4096,
}

impl ValueFormat {
    /// Keys of the Secret that are made for one key of the spec.
    pub fn made_for(self, key: &str) -> Vec<String> {
        match self {
            Self::Alphanumeric(_) | Self::Base64(_) | Self::Hex(_) | Self::Uuid => vec![key.to_owned()],
            Self::RsaKeyPair(_) | Self::Ed25519KeyPair => vec![format!("{key}.key"), format!("{key}.pub")],
        }
    }
}

impl GeneratedSecret {
    /// Keys of the Secret that are made.
    pub fn made(&self) -> impl Iterator<Item = String> {
        self.keys.iter().flat_map(|key| self.value_format.made_for(key))
    }
}

/// How people reach a drive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValidExposure {
    /// Host name.
    pub host: String,
    /// Certificate.
    pub tls: Option<ValidTls>,
    /// Ingress class; absent: the cluster's default.
    pub class_name: Option<String>,
    /// The drive's annotations with the platform's over them.
    pub annotations: BTreeMap<String, String>,
    /// Namespace of the ingress controller; absent: unknown.
    pub controller_namespace: Option<String>,
}

impl ValidExposure {
    /// Address people type.
    pub fn url(&self) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.host)
    }
}

/// Certificate of the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ValidTls {
    /// Issued by cert-manager.
    Issued {
        /// Name of the issuer.
        issuer: String,
        /// Its kind.
        kind: IssuerKind,
        /// Secret that cert-manager fills.
        secret_name: String,
    },
    /// In a Secret that somebody else keeps.
    Existing {
        /// That Secret.
        secret_name: String,
    },
}

impl ValidTls {
    /// Secret that holds the certificate.
    pub fn secret_name(&self) -> &str {
        match self {
            Self::Issued { secret_name, .. } | Self::Existing { secret_name } => secret_name,
        }
    }
}

/// Metrics and alerts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValidMonitoring {
    /// Seconds between two reads; absent: Prometheus' own setting.
    pub scrape_interval: Option<u64>,
    /// Seconds something may be not ready before somebody is told.
    pub not_ready_for: u64,
    /// Restarts in an hour that are too many.
    pub restarts_per_hour: i32,
    /// Namespace of Prometheus; absent: unknown.
    pub namespace: Option<String>,
    /// Labels by which Prometheus selects.
    pub labels: BTreeMap<String, String>,
}

impl ValidEnv {
    /// A variable that no database login has to do with.
    pub fn new(name: impl Into<String>, source: EnvSource) -> Self {
        Self {
            name: name.into(),
            source,
            with_second_login: None,
        }
    }
}
