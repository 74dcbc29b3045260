//! Services with their containers, environment, ports, volumes, probes and migrations. Pure.

use std::collections::{BTreeMap, BTreeSet};

use ras_crds::spec::{
    EgressRule, PodMetadata, PodSecurity, ProbeHeader, Protocol, PullPolicy, RolloutStrategy, Scheduling,
};

use crate::valid::database::ValidAuthority;
use crate::valid::secret::UsedSecret;
use crate::valid::volume::ValidVolume;

/// One program of the portal.
#[derive(Clone, Debug, PartialEq)]
pub struct ValidService {
    /// Name in the drive.
    pub name: String,
    /// Name of its Deployment, Service and so on.
    pub child: String,
    pub container: ValidContainer,
    pub sidecars: Vec<ValidContainer>,
    /// Containers that run to their end before the program starts.
    pub init_containers: Vec<ValidContainer>,
    pub replicas: Replicas,
    /// How a new version replaces the old one.
    pub rollout: RolloutStrategy,
    /// Files put in place before the program starts.
    pub files: Vec<ValidFile>,
    pub volumes: Vec<ValidVolume>,
    /// Services that have to be ready before it starts for the first time.
    pub after: BTreeSet<String>,
    pub metrics: Option<ValidMetrics>,
    /// `hostname` of the pod.
    pub hostname: Option<String>,
    /// Labels and annotations of the pods besides the operator's own.
    pub pod_metadata: PodMetadata,
    /// Seconds a pod gets to finish.
    pub termination_grace_period_seconds: i64,
    /// Seconds it keeps running before SIGTERM. Absent: the default for its ports and its rollout.
    pub pre_stop_sleep_seconds: Option<i64>,
    pub scheduling: Scheduling,
    /// Exceptions from restricted pod security.
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
    /// A changed Secret restarts no pod.
    pub reload: bool,
}

/// A Job that runs before a new version of a service starts.
#[derive(Clone, Debug, PartialEq)]
pub struct ValidMigration {
    /// The service's image with the migration's environment.
    pub container: ValidContainer,
    /// Seconds it may take, its retries included.
    pub timeout_seconds: i64,
    /// Number of automatic retries.
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

    /// Every container that the drive names: the program, its helpers, and the containers that run before it.
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

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValidFile {
    /// Where it is in the container.
    pub path: String,
    pub source: FileSource,
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
    Secret { secret: UsedSecret, key: String },
}

#[derive(Clone, Debug, PartialEq)]
pub struct ValidContainer {
    /// Name in the pod.
    pub name: String,
    pub image: String,
    /// When it is pulled.
    pub image_pull_policy: Option<PullPolicy>,
    pub command: Vec<String>,
    pub args: Vec<String>,
    /// Directory in which it starts. Absent: the image's own.
    pub working_dir: Option<String>,
    pub env: Vec<ValidEnv>,
    /// Whole secrets as environment.
    pub env_from: Vec<ValidEnvFrom>,
    pub ports: Vec<ValidPort>,
    /// CPU and memory; memory has a limit.
    pub resources: ValidResources,
    /// How Kubernetes finds out that it serves.
    pub probe: Probe,
}

/// CPU and memory with defaults filled in, as Kubernetes' texts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ValidResources {
    pub requests: BTreeMap<String, String>,
    pub limits: BTreeMap<String, String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValidEnv {
    pub name: String,
    /// Where its value is from. Of a variable about a database login: while programs use the first login.
    pub source: EnvSource,
    /// Where its value is from while programs use the second login, where that is something else.
    pub with_second_login: Option<EnvSource>,
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

/// Where a variable's value is from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EnvSource {
    Value(String),
    /// A key of a Secret, which the pod reads.
    Secret {
        secret: UsedSecret,
        key: String,
    },
}

/// A whole secret as environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValidEnvFrom {
    pub secret: UsedSecret,
    /// Put before each key.
    pub prefix: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValidPort {
    /// Name, unique in the pod.
    pub name: String,
    pub port: i32,
    pub protocol: Protocol,
    /// Path prefix that leads to it.
    pub path: Option<String>,
    /// Its number at a load balancer, where it is reached from outside the cluster.
    pub public: Option<i32>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Replicas {
    /// This many.
    Fixed(i32),
    /// One to begin with, then whatever `kubectl scale` says.
    Open,
    /// By load.
    Autoscaled {
        min: i32,
        max: i32,
        /// Percent of the CPU request to aim at.
        cpu: Option<i32>,
        /// Percent of the memory request to aim at.
        memory: Option<i32>,
    },
}

impl Replicas {
    /// Replicas of a new Deployment.
    pub fn initial(&self) -> i32 {
        match self {
            Self::Fixed(count) => *count,
            Self::Open => 1,
            Self::Autoscaled { min, .. } => *min,
        }
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
        check: Check,
        /// Seconds until it has to answer for the first time.
        startup_seconds: i32,
        /// Seconds between two checks.
        period_seconds: i32,
        /// Seconds one check may take.
        timeout_seconds: i32,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Check {
    Tcp(ValidPort),
    /// An HTTP GET.
    Http {
        port: ValidPort,
        path: String,
        headers: Vec<ProbeHeader>,
    },
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

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValidMetrics {
    pub port: ValidPort,
    pub path: String,
}
