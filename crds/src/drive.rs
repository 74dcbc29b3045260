//! The root kind.

use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

use crate::spec::{
    Bucket, Cache, Database, Exposure, Freeze, HostAlias, Monitoring, SecretSource, Service, SharedVolume, bounds,
};
use crate::status::RecruitmentDriveStatus;

/// One recruitment season of one campus: what runs, where its data lives and how people reach it.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[kube(
    group = "ras.dev",
    version = "v1alpha1",
    kind = "RecruitmentDrive",
    plural = "recruitmentdrives",
    namespaced,
    status = "RecruitmentDriveStatus",
    shortname = "drive",
    shortname = "rd",
    category = "ras",
    derive = "Default",
    derive = "PartialEq",
    doc = "One recruitment season of one campus: what runs, where its data lives and how people reach it.",
    validation = Rule::new("self.metadata.name.size() <= 40").message("metadata.name may have at most 40 characters, for the names of everything the drive makes begin with it: choose a shorter one"),
    validation = Rule::new("self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')").message("metadata.name must begin with a lower-case letter and hold only a-z, 0-9 and '-', for Services are named after it: choose another one"),
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status"),
    printcolumn(name = "Services", type_ = "string", json_path = ".status.servicesReady", description = "Services ready / services in the drive"),
    printcolumn(name = "URL", type_ = "string", json_path = ".status.url"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].reason", priority = 1),
    printcolumn(name = "Message", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].message", priority = 1)
)]
// Whether a name that a service uses is an entry of `secrets`, `buckets`, `database` or `cache` is checked by the operator alone
// (`operator/core/src/validate`): rules over services and their variables cost the API server more than all others together,
// with each write of the status once more. The same holds for paths that two ports, volumes or files of the drive share.
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.exposure) || self.services.exists(s, (has(s.ports) && s.ports.exists(p, has(p.path))) || (has(s.sidecars) && s.sidecars.exists(c, has(c.ports) && c.ports.exists(p, has(p.path)))))")
    .message("exposure needs at least one port with a path: set services[].ports[].path on what people should reach")
    .field_path(".exposure"))]
#[x_kube(validation = Rule::new("!has(self.exposure) || !has(self.exposure.tls) || !has(self.exposure.tls.issuer) || !has(self.secrets) || !self.secrets.exists(x, x.name == 'tls' && !has(x.existing))")
    .message("secrets[].name of a secret that is made may not be tls while exposure.tls.issuer is set, for the certificate goes into the Secret <drive>-tls: choose another name")
    .field_path(".secrets"))]
#[x_kube(validation = Rule::new("!has(self.database) || !self.services.exists(s, s.name == 'database' && has(s.files) && s.files.size() > 0)")
    .message("services[].files of a service named database have no place beside spec.database, which has a ConfigMap of that name: choose another name for the service")
    .field_path(".services"))]
#[x_kube(validation = Rule::new("!has(self.database) || !has(self.database.managed) || !self.services.exists(s, s.name == 'database')")
    .message("services[].name may not be database while database.managed is set, for its server has that name: choose another name")
    .field_path(".services"))]
#[x_kube(validation = Rule::new("!has(self.cache) || (self.services.all(s, s.name != 'cache') && (!has(self.secrets) || self.secrets.all(x, x.name != 'cache')))")
    .message("spec.cache makes a service and a secret named cache: give yours another name")
    .field_path(".cache"))]
pub struct RecruitmentDriveSpec {
    /// The programs of the portal. Each becomes a Deployment with a Service of its own, named `<drive>-<service>`;
    /// more than 63 characters are cut and end in a hash.
    #[schemars(length(min = 1, max = 64))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub services: Vec<Service>,

    /// Credentials that services use by name, so that no manifest contains them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub secrets: Vec<SecretSource>,

    /// Volumes that services mount by name, several of them where they share files.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub volumes: Vec<SharedVolume>,

    /// Names by which the drive's pods find its services and other addresses, besides the names of their Services.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub hosts: Vec<HostAlias>,

    /// A PostgreSQL server and the databases in it that services use by name. Absent: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<Database>,

    /// A small cache for the drive's services. Absent: none. `cache: {}` is one with all defaults.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache: Option<Cache>,

    /// Buckets of the platform's object store (S3) that services use by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub buckets: Vec<Bucket>,

    /// How people reach the portal. Absent: it is reached from inside the cluster only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exposure: Option<Exposure>,

    /// Metrics and alerts for this drive. Absent: none are set up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub monitoring: Option<Monitoring>,

    /// Names of Secrets in the drive's namespace with which its images are pulled.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 8),
        inner(
            length(min = 1, max = bounds::LONGEST_OBJECT_NAME),
            regex(pattern = bounds::OBJECT_NAME)
        )
    )]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub image_pull_secrets: Vec<String>,

    /// Times in which no secret and no database password rotates. A rotation that falls due meanwhile comes right after. Absent: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub freezes: Vec<Freeze>,

    /// true: every service is scaled to nothing and everything else is kept. Back to false: each service
    /// comes back with the number of replicas it had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspend: Option<bool>,

    /// true: the operator changes nothing of this drive, repairs nothing and says so in its status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused: Option<bool>,
}

impl RecruitmentDriveSpec {
    /// Whether every service is to be scaled to nothing.
    pub fn is_suspended(&self) -> bool {
        self.suspend.unwrap_or(false)
    }

    /// Whether the operator is to change nothing.
    pub fn is_paused(&self) -> bool {
        self.paused.unwrap_or(false)
    }
}
