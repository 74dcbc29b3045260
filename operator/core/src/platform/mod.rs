//! What the platform team sets once for all drives: where the portals' routes, volumes and metrics go.

mod error;
pub mod ingress_annotations;
mod network;
mod object_store;
mod public_ports;
mod resources;
mod tenancy;

use std::collections::BTreeMap;

use ras_crds::Duration;
use ras_crds::spec::{IssuerKind, StoreKind};
use serde::{Deserialize, Serialize};

use error::unusable;
pub use error::{API_VERSION, PlatformError};
use network::is_namespace;
pub use network::{DnsConfig, NetworkConfig};
pub use object_store::{ObjectStoreConfig, ProgramsConfig, UsageConfig};
pub use public_ports::PublicPortsConfig;
pub use resources::{Amounts, ContainersConfig, ResourcesConfig};
pub use tenancy::{TenancyConfig, is_of_control_plane};

/// Settings of the cluster's platform team, read from one YAML file. Every field may be left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct PlatformConfig {
    /// Version of this file's form: `ras.dev/platform/v1`. Absent: the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_version: Option<String>,
    /// Image of the step that renders files inside a pod: the operator's own. Absent: `ras-operator` with
    /// the version of this program, for clusters that load images by hand.
    ///
    /// It stands in the pod template of every service with files. A service keeps the image it runs with until
    /// something else of it changes, so an upgrade of the operator restarts nothing.
    pub operator_image: String,
    /// The containers that the operator adds to drives and runs its own image in: the step that renders files, and the Job
    /// that prepares databases.
    pub operator_containers: ContainersConfig,
    /// Names of Secrets with which images are pulled, in addition to the drive's own.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub image_pull_secrets: Vec<String>,
    /// How drives are routed.
    pub ingress: IngressConfig,
    pub storage: StorageConfig,
    /// How Prometheus finds what drives export.
    pub monitoring: MonitoringConfig,
    /// Where the database servers of drives come from.
    pub database: DatabaseConfig,
    /// Where secrets come from that live outside the cluster.
    pub secrets: SecretsConfig,
    /// Image and resources of the caches of drives.
    pub cache: CacheConfig,
    /// How the ports of services are checked.
    pub listener_checks: ListenerChecksConfig,
    /// Addresses that pods of drives may connect to.
    pub network: NetworkConfig,
    /// Which ports of drives may be reached from outside the cluster without HTTP.
    pub public_ports: PublicPortsConfig,
    /// Shared resources that drives may use.
    pub tenancy: TenancyConfig,
    /// Where buckets live. Absent: drives cannot have any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object_store: Option<ObjectStoreConfig>,
}

impl Default for PlatformConfig {
    fn default() -> Self {
        Self {
            api_version: None,
            operator_image: concat!("ras-operator:", env!("CARGO_PKG_VERSION")).to_owned(),
            operator_containers: ContainersConfig::default(),
            image_pull_secrets: Vec::new(),
            ingress: IngressConfig::default(),
            storage: StorageConfig::default(),
            monitoring: MonitoringConfig::default(),
            database: DatabaseConfig::default(),
            secrets: SecretsConfig::default(),
            cache: CacheConfig::default(),
            listener_checks: ListenerChecksConfig::default(),
            network: NetworkConfig::default(),
            public_ports: PublicPortsConfig::default(),
            tenancy: TenancyConfig::default(),
            object_store: None,
        }
    }
}

/// How drives are routed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct IngressConfig {
    /// Ingress class of drives that name none. Absent: the cluster's default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class_name: Option<String>,
    /// Annotations of every Ingress. They win over a drive's own.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// Namespace of the ingress controller: only its pods may then reach ports with a path. Absent: any
    /// source may, because a load balancer outside the cluster has no namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub controller_namespace: Option<String>,
    /// Kind of the cert-manager issuers that drives name without a kind. Absent: `ClusterIssuer`.
    pub issuer_kind: IssuerKind,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct StorageConfig {
    /// Storage class of volumes that name none. Absent: the cluster's default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class_name: Option<String>,
}

/// Image and resources of the caches of drives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct CacheConfig {
    /// Image with the program `valkey-server`. Absent: the official one, of the 8.1 series.
    pub image: String,
    /// CPU of its container. The drive sets the memory. Absent: a request of 50m CPU.
    #[serde(skip_serializing_if = "ResourcesConfig::is_empty")]
    pub resources: ResourcesConfig,
}

impl Default for CacheConfig {
    fn default() -> Self {
        Self {
            image: "docker.io/valkey/valkey:8.1-alpine".to_owned(),
            resources: ResourcesConfig::default(),
        }
    }
}

/// Where secrets come from that live outside the cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct SecretsConfig {
    /// Store of the External Secrets operator for drives that name none. Absent: they have to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub store: Option<String>,
    /// Kind of that store, and of stores that drives name without a kind. Absent: `ClusterSecretStore`.
    pub store_kind: StoreKind,
}

/// How the operator checks that services listen on the ports they declare: it opens a TCP connection to each, and closes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ListenerChecksConfig {
    /// Absent: `true`. An operator that does not know its own namespace and labels never checks ports.
    pub enabled: bool,
    /// How often, or up to a tenth sooner, besides once after each rollout. Absent: `5m`.
    pub every: Duration,
}

impl Default for ListenerChecksConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            every: Duration::new("5m"),
        }
    }
}

/// How Prometheus finds what drives export.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct MonitoringConfig {
    /// Namespace Prometheus runs in: only its pods may then read metrics. Absent: any namespace may.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Labels of every `ServiceMonitor` and `PrometheusRule`, so that a Prometheus selects them.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

/// Where the database servers of drives come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct DatabaseConfig {
    /// Repository of PostgreSQL's images, without a tag: the major version is the tag. It must hold the official image
    /// (of Debian, whose `postgres` is user 999), or a copy of it. Absent: `docker.io/library/postgres`.
    pub image: String,
    /// Repository of the images that CloudNativePG runs, without a tag: the major version is the tag. Absent:
    /// `ghcr.io/cloudnative-pg/postgresql`.
    pub cloud_native_pg_image: String,
}

impl Default for DatabaseConfig {
    fn default() -> Self {
        Self {
            image: "docker.io/library/postgres".to_owned(),
            cloud_native_pg_image: "ghcr.io/cloudnative-pg/postgresql".to_owned(),
        }
    }
}

/// The first pass over the file.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Stated {
    api_version: Option<String>,
}

/// Reads the platform's settings. An empty text gives the defaults.
///
/// # Errors
/// One sentence that names the field and, where YAML is to blame, the line.
pub fn parse(text: &str) -> Result<PlatformConfig, PlatformError> {
    // Before anything else: a file of another version may well have fields that this one does not know.
    let stated: Option<Stated> = serde_yaml::from_str(text)?;
    if let Some(version) = stated.and_then(|stated| stated.api_version)
        && version != API_VERSION
    {
        return Err(PlatformError::OtherVersion(version));
    }
    let config: PlatformConfig = serde_yaml::from_str::<Option<PlatformConfig>>(text)?.unwrap_or_default();
    if config.operator_image.trim().is_empty() {
        return unusable("operatorImage", "is empty: leave it out or name an image");
    }
    if config.image_pull_secrets.iter().any(String::is_empty) {
        return unusable("imagePullSecrets", "contains an empty name");
    }
    for (field, image) in [
        ("database.image", &config.database.image),
        ("database.cloudNativePgImage", &config.database.cloud_native_pg_image),
    ] {
        let is_tagged = image.rsplit('/').next().is_some_and(|last| last.contains(':'));
        if !image.is_empty() && !image.contains([' ', '@']) && !is_tagged {
            continue;
        }
        return unusable(
            field,
            "is a repository without tag or digest, such as registry.example.com/postgres: the version is the tag",
        );
    }
    let labels = &config.monitoring.labels;
    if labels
        .keys()
        .any(|key| key.starts_with("ras.dev/") || key.starts_with("app.kubernetes.io/"))
    {
        return unusable(
            "monitoring.labels",
            "may not set ras.dev/… or app.kubernetes.io/…: the operator finds its objects by them",
        );
    }
    if config.cache.image.trim().is_empty() {
        return unusable(
            "cache.image",
            "is empty: leave it out or name an image with valkey-server",
        );
    }
    if config
        .secrets
        .store
        .as_ref()
        .is_some_and(|store| store.trim().is_empty())
    {
        return unusable("secrets.store", "is empty: leave it out or name a store");
    }
    if config
        .listener_checks
        .every
        .seconds()
        .is_none_or(|seconds| seconds == 0)
    {
        return unusable("listenerChecks.every", "is no duration: write it like 5m or 90s");
    }
    // The API server refuses the NetworkPolicy of every service that these are part of.
    for (field, namespace) in [
        ("ingress.controllerNamespace", &config.ingress.controller_namespace),
        ("monitoring.namespace", &config.monitoring.namespace),
    ] {
        if let Some(name) = namespace
            && !is_namespace(name)
        {
            return unusable(
                field,
                format!(
                    "{name:?} is no name of a namespace: write at most 63 of a-z, 0-9 and '-', as in ingress-nginx"
                ),
            );
        }
    }
    network::check(&config.network)?;
    public_ports::check(&config.public_ports)?;
    resources::check(&config)?;
    tenancy::check(&config.tenancy)?;
    if let Some(store) = &config.object_store {
        object_store::check(store)?;
    }
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_said_means_the_defaults() {
        for text in ["", "# only a comment\n", "{}", "ingress: {}"] {
            assert_eq!(parse(text).unwrap(), PlatformConfig::default(), "{text:?}");
        }
    }

    #[test]
    fn a_file_of_another_version_is_refused_before_its_fields_are_judged() {
        assert!(parse("apiVersion: ras.dev/platform/v1\ningress: {className: nginx}\n").is_ok());
        let error = parse("apiVersion: ras.dev/platform/v2\nnotYetKnown: {}\n")
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("ras.dev/platform/v2") && error.contains(API_VERSION),
            "{error}"
        );
    }

    #[test]
    fn the_form_that_terraform_and_the_chart_check_knows_every_setting() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../terraform/platform.schema.json");
        let form: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        let all = PlatformConfig {
            object_store: Some(ObjectStoreConfig::default()),
            ..PlatformConfig::default()
        };
        let all = serde_json::to_value(all).unwrap();
        for (name, value) in all.as_object().unwrap() {
            let known = &form["properties"][name];
            assert!(
                known.is_object(),
                "terraform/platform.schema.json does not know {name}: add it, and `make generate`"
            );
            for inner in value.as_object().into_iter().flat_map(serde_json::Map::keys) {
                assert!(
                    known["properties"][inner].is_object(),
                    "terraform/platform.schema.json: {name}.{inner}"
                );
            }
        }
    }

    #[test]
    fn a_misspelt_field_is_named() {
        let error = parse("ingress: {clasName: nginx}").unwrap_err().to_string();
        assert!(error.contains("clasName") && error.contains("ingress"), "{error}");
    }

    #[test]
    fn ports_are_checked_every_five_minutes_unless_the_platform_says_otherwise() {
        let checks = |text: &str| parse(text).map(|config| config.listener_checks);
        assert_eq!(
            checks("").unwrap(),
            ListenerChecksConfig {
                enabled: true,
                every: Duration::new("5m")
            }
        );
        assert!(!checks("listenerChecks: {enabled: false}").unwrap().enabled);
        for text in ["listenerChecks: {every: 0s}", "listenerChecks: {every: often}"] {
            let error = checks(text).unwrap_err().to_string();
            assert!(error.contains("listenerChecks.every"), "{text}: {error}");
        }
    }

    #[test]
    fn an_empty_image_is_refused() {
        let error = parse("operatorImage: ''").unwrap_err().to_string();
        assert!(error.contains("operatorImage"), "{error}");
    }

    #[test]
    fn a_namespace_that_cannot_be_is_refused_before_every_network_policy_is() {
        for (text, field) in [
            ("ingress: {controllerNamespace: Ingress}", "ingress.controllerNamespace"),
            ("ingress: {controllerNamespace: ''}", "ingress.controllerNamespace"),
            ("monitoring: {namespace: 'kube system'}", "monitoring.namespace"),
            ("monitoring: {namespace: -monitoring}", "monitoring.namespace"),
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains(field), "{text}: {error}");
        }
    }

    #[test]
    fn the_network_of_drives_is_checked_before_every_network_policy_is_refused() {
        for (text, field) in [
            ("network: {dns: {namespace: Kube}}", "network.dns.namespace"),
            ("network: {dns: {podLabels: {}}}", "network.dns.podLabels"),
            ("network: {dns: {cidrs: [10.96.0.10]}}", "network.dns.cidrs"),
            ("network: {blockedCidrs: [10.0.0.5/8]}", "network.blockedCidrs"),
            ("network: {blockedCidrs: [0.0.0.0/0]}", "network.blockedCidrs"),
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains(field), "{text}: {error}");
        }
        assert_eq!(
            parse("network: {dns: {cidrs: []}}").unwrap().network.dns.namespace,
            "kube-system"
        );
    }

    #[test]
    fn an_empty_store_or_image_of_the_cache_is_refused() {
        for (text, field) in [
            ("secrets: {store: ''}", "secrets.store"),
            ("cache: {image: ' '}", "cache.image"),
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains(field), "{error}");
        }
    }

    #[test]
    fn settings_are_read_as_written() {
        let config = parse(
            "operatorImage: registry.example.com/ras-operator:1\n\
             imagePullSecrets: [registry]\n\
             ingress: {className: nginx, controllerNamespace: ingress-nginx, issuerKind: Issuer}\n\
             storage: {className: gp3}\n\
             monitoring: {namespace: monitoring, labels: {release: prometheus}}\n",
        )
        .unwrap();
        assert_eq!(config.ingress.issuer_kind, IssuerKind::Issuer);
        assert_eq!(config.storage.class_name.as_deref(), Some("gp3"));
        assert_eq!(
            config.monitoring.labels.get("release").map(String::as_str),
            Some("prometheus")
        );
    }
}
