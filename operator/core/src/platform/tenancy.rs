//! What drives may use of what they share with other namespaces. The defaults are safe for tenants that do not trust each other.
//!
//! Names are exact, or a beginning and a `*`.

use ras_crds::Quantity;
use serde::{Deserialize, Serialize};

use super::error::{PlatformError, unusable};
use super::ingress_annotations;

/// Stands for the drive's namespace in [`TenancyConfig::secret_keys`].
const NAMESPACE: &str = "<namespace>";

/// Annotations of pods that ask a mesh, a scraper or the autoscaler of nodes for something about this pod alone.
const POD_ANNOTATIONS: &[&str] = &[
    "ad.datadoghq.com/*",
    "cluster-autoscaler.kubernetes.io/safe-to-evict",
    "co.elastic.logs/*",
    "fluentbit.io/*",
    "karpenter.sh/do-not-disrupt",
    "linkerd.io/inject",
    "logging.banzaicloud.io/*",
    "prometheus.io/*",
    "sidecar.istio.io/inject",
];

/// Extensions that a database owner may create without being superuser ("trusted", PostgreSQL 13 and later) and that reach
/// neither files, nor other servers, nor other databases; and pgvector, which is trusted, too.
const EXTENSIONS: &[&str] = &[
    "btree_gin",
    "btree_gist",
    "citext",
    "cube",
    "dict_int",
    "fuzzystrmatch",
    "hstore",
    "intarray",
    "isn",
    "lo",
    "ltree",
    "pg_trgm",
    "pgcrypto",
    "plpgsql",
    "seg",
    "tablefunc",
    "tcn",
    "tsm_system_rows",
    "tsm_system_time",
    "unaccent",
    "uuid-ossp",
    "vector",
];

/// Labels and taints of nodes that run the control plane, without the `node-role.kubernetes.io/` before them.
const CONTROL_PLANE_ROLES: [&str; 4] = ["control-plane", "controlplane", "master", "etcd"];

/// Shared resources that drives may use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct TenancyConfig {
    /// Buckets that drives may use with `existing`, as `bucket` or `namespace/bucket`. Others need the tag
    /// `ras.dev/allowed-namespace` with the drive's namespace. Absent: none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub existing_buckets: Vec<String>,
    /// Places in stores of the kind `ClusterSecretStore` that drives may read; `<namespace>` stands for the drive's. Absent:
    /// `<namespace>/*`.
    pub secret_keys: Vec<String>,
    /// Names of the stores that drives may name, of both kinds. Absent: any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_stores: Option<Vec<String>>,
    /// Annotations that drives may set on their Ingress, besides the harmless ones that they always may.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ingress_annotations: Vec<String>,
    /// Annotations that drives may set on their pods, besides the harmless ones that they always may.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pod_annotations: Vec<String>,
    /// Hosts that drives may have, as a name or as `*.` and the end of names; `<namespace>` stands for the drive's. Absent: any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hosts: Option<Vec<String>>,
    /// Issuers of certificates that drives may name. Absent: any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issuers: Option<Vec<String>>,
    /// Registries, or paths in them, below which images of drives lie; `<namespace>` stands for the drive's. Absent: any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub registries: Option<Vec<String>>,
    /// Largest volume that a drive may ask for. Absent: any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_volume_size: Option<Quantity>,
    /// Ingress classes that drives may name, besides the platform's own. Absent: any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ingress_classes: Option<Vec<String>>,
    /// Priority classes that drives may name. Absent: any but `system-*`, which none ever may.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority_classes: Option<Vec<String>>,
    /// Pods of drives may run on nodes of the control plane. Absent: `false`.
    pub control_plane_nodes: bool,
    /// Storage classes that drives may name, besides the platform's own. Absent: any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage_classes: Option<Vec<String>>,
    /// Extensions that databases may have, besides the trusted ones of PostgreSQL.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub database_extensions: Vec<String>,
}

impl Default for TenancyConfig {
    fn default() -> Self {
        Self {
            existing_buckets: Vec::new(),
            secret_keys: vec![format!("{NAMESPACE}/*")],
            secret_stores: None,
            ingress_annotations: Vec::new(),
            pod_annotations: Vec::new(),
            hosts: None,
            issuers: None,
            registries: None,
            max_volume_size: None,
            ingress_classes: None,
            priority_classes: None,
            control_plane_nodes: false,
            storage_classes: None,
            database_extensions: Vec::new(),
        }
    }
}

impl TenancyConfig {
    /// True if drives of the namespace may use this existing bucket.
    pub fn allows_bucket(&self, namespace: &str, bucket: &str) -> bool {
        self.existing_buckets
            .iter()
            .any(|pattern| match pattern.split_once('/') {
                Some((of, pattern)) => is_match(of, namespace) && is_match(pattern, bucket),
                None => is_match(pattern, bucket),
            })
    }

    /// True if drives of the namespace may read this key of a `ClusterSecretStore`.
    pub fn allows_secret_key(&self, namespace: &str, key: &str) -> bool {
        self.secret_key_patterns(namespace)
            .any(|pattern| is_match(&pattern, key))
    }

    /// Places in a store of the whole cluster that drives of the namespace may read.
    pub fn secret_key_patterns(&self, namespace: &str) -> impl Iterator<Item = String> {
        self.secret_keys
            .iter()
            .map(move |pattern| pattern.replace(NAMESPACE, namespace))
    }

    pub fn allows_store(&self, name: &str) -> bool {
        is_in(self.secret_stores.as_deref(), name)
    }

    /// True if drives may set the annotation. One that affects more than the drive's own Ingress has to be listed by
    /// its full name.
    pub fn allows_annotation(&self, name: &str) -> bool {
        let is_listed = |pattern: &String| pattern == name || (is_match(pattern, name) && !reaches_others(name));
        ingress_annotations::is_harmless(name) || self.ingress_annotations.iter().any(is_listed)
    }

    /// Hosts that drives of the namespace may have.
    pub fn host_patterns(&self, namespace: &str) -> Vec<String> {
        of_namespace(self.hosts.as_deref(), namespace)
    }

    /// Whether drives of the namespace may have the host.
    pub fn allows_host(&self, namespace: &str, host: &str) -> bool {
        let fits = |pattern: &String| match pattern.strip_prefix('*') {
            Some(end) => host.len() > end.len() && host.ends_with(end),
            None => host == pattern,
        };
        self.hosts.is_none() || self.host_patterns(namespace).iter().any(fits)
    }

    /// Whether drives may name the issuer of certificates.
    pub fn allows_issuer(&self, name: &str) -> bool {
        is_in(self.issuers.as_deref(), name)
    }

    /// Where images of the namespace's drives may lie.
    pub fn registry_patterns(&self, namespace: &str) -> Vec<String> {
        of_namespace(self.registries.as_deref(), namespace)
    }

    /// Whether drives of the namespace may run the image.
    pub fn allows_image(&self, namespace: &str, image: &str) -> bool {
        let lies_below = |place: &String| {
            let rest = image.strip_prefix(place.trim_end_matches('/'));
            rest.is_some_and(|rest| rest.starts_with('/') && !rest.split('/').any(|part| part == ".."))
        };
        self.registries.is_none() || self.registry_patterns(namespace).iter().any(lies_below)
    }

    /// True if drives may set the annotation on their pods. The operator's own are nobody's to set.
    pub fn allows_pod_annotation(&self, name: &str) -> bool {
        let configured = self.pod_annotations.iter().map(String::as_str);
        !name.starts_with("ras.dev/")
            && POD_ANNOTATIONS
                .iter()
                .copied()
                .chain(configured)
                .any(|pattern| is_match(pattern, name))
    }

    pub fn allows_ingress_class(&self, name: &str) -> bool {
        is_in(self.ingress_classes.as_deref(), name)
    }

    pub fn allows_priority_class(&self, name: &str) -> bool {
        !name.starts_with("system-") && is_in(self.priority_classes.as_deref(), name)
    }

    pub fn allows_storage_class(&self, name: &str) -> bool {
        is_in(self.storage_classes.as_deref(), name)
    }

    pub fn allows_extension(&self, name: &str) -> bool {
        EXTENSIONS.contains(&name) || self.database_extensions.iter().any(|pattern| is_match(pattern, name))
    }
}

/// True for the labels and taints of control-plane nodes.
pub fn is_of_control_plane(key: &str) -> bool {
    let role = key.strip_prefix("node-role.kubernetes.io/");
    role.is_some_and(|role| CONTROL_PLANE_ROLES.contains(&role)) || key == "CriticalAddonsOnly"
}

/// True if an Ingress with the annotation may take hosts, requests or credentials of other drives. No pattern allows
/// these.
fn reaches_others(name: &str) -> bool {
    let own = name.rsplit('/').next().unwrap_or_default();
    name.starts_with("kubernetes.io/")
        || name.starts_with("external-dns.")
        || name.starts_with("acme.cert-manager.io/")
        || name.starts_with("traefik.ingress.kubernetes.io/")
        || own.contains("alias")
        || own.contains("secret")
        || own.contains("auth")
        || own.contains("mirror")
        || own.contains("middleware")
        || own.contains("group.")
        || own.contains("default-backend")
        || own.contains("upstream-vhost")
        || own.contains("config")
}

/// The patterns, with the namespace in its place.
fn of_namespace(patterns: Option<&[String]>, namespace: &str) -> Vec<String> {
    let patterns = patterns.unwrap_or_default().iter();
    patterns.map(|pattern| pattern.replace(NAMESPACE, namespace)).collect()
}

fn is_in(patterns: Option<&[String]>, name: &str) -> bool {
    patterns.is_none_or(|patterns| patterns.iter().any(|pattern| is_match(pattern, name)))
}

fn is_match(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(beginning) => name.starts_with(beginning),
        None => name == pattern,
    }
}

/// Refuses lists that do not mean what they seem to.
pub(super) fn check(config: &TenancyConfig) -> Result<(), PlatformError> {
    let some = |list: &Option<Vec<String>>| list.clone().unwrap_or_default();
    let fields = [
        ("tenancy.existingBuckets", config.existing_buckets.clone()),
        ("tenancy.secretKeys", config.secret_keys.clone()),
        ("tenancy.secretStores", some(&config.secret_stores)),
        ("tenancy.ingressAnnotations", config.ingress_annotations.clone()),
        ("tenancy.podAnnotations", config.pod_annotations.clone()),
        ("tenancy.ingressClasses", some(&config.ingress_classes)),
        ("tenancy.issuers", some(&config.issuers)),
        ("tenancy.priorityClasses", some(&config.priority_classes)),
        ("tenancy.storageClasses", some(&config.storage_classes)),
        ("tenancy.databaseExtensions", config.database_extensions.clone()),
    ];
    for (field, patterns) in fields {
        for pattern in &patterns {
            // Of `namespace/bucket` each half is a pattern.
            let halves = match (field, pattern.split_once('/')) {
                ("tenancy.existingBuckets", Some((namespace, bucket))) => vec![namespace, bucket],
                _ => vec![pattern.as_str()],
            };
            let is_pattern = |half: &&str| {
                !half.is_empty() && !half.strip_suffix('*').unwrap_or(half).contains('*') && half.trim() == *half
            };
            if !halves.iter().all(is_pattern) {
                return unusable(
                    field,
                    format!("has {pattern:?}: write a whole name, or the beginning of names and one * at the end"),
                );
            }
        }
    }
    for (field, whole, example) in [
        ("tenancy.hosts", &config.hosts, "portal.example.edu or *.example.edu"),
        ("tenancy.registries", &config.registries, "registry.example.com/portal"),
    ] {
        for pattern in whole.iter().flatten() {
            let name = match field {
                "tenancy.hosts" => pattern.strip_prefix("*.").unwrap_or(pattern),
                _ => pattern,
            };
            if name.is_empty() || name.contains(|c: char| c == '*' || c.is_whitespace()) {
                return unusable(field, format!("has {pattern:?}: write {example}"));
            }
        }
    }
    if let Some(size) = &config.max_volume_size
        && size.millis().is_none_or(|size| size <= 0)
    {
        return unusable(
            "tenancy.maxVolumeSize",
            format!("{size} is no size: write it like 50Gi"),
        );
    }
    for pattern in &config.secret_keys {
        for (_, rest) in pattern
            .match_indices(NAMESPACE)
            .map(|(at, found)| pattern.split_at(at + found.len()))
        {
            let next = rest.chars().next();
            if next.is_none_or(|next| next == '*' || next == '-' || next.is_ascii_alphanumeric()) {
                return unusable(
                    "tenancy.secretKeys",
                    format!(
                        "has {pattern:?}, with which the namespace a would read what belongs to the namespace a-b: write a slash or \
                         another separator after {NAMESPACE}, as in {NAMESPACE}/*"
                    ),
                );
            }
        }
    }
    for name in &config.ingress_annotations {
        if name.contains("snippet") || name.starts_with("cert-manager.io/") {
            return unusable(
                "tenancy.ingressAnnotations",
                format!(
                    "has {name:?}, which no drive may set: with it a drive takes over the ingress controller or makes certificates"
                ),
            );
        }
    }
    for name in config.priority_classes.iter().flatten() {
        if name.starts_with("system-") {
            return unusable(
                "tenancy.priorityClasses",
                format!("has {name:?}, which no drive may have: its pods would evict those of the cluster itself"),
            );
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::parse;

    #[test]
    fn names_are_exact_or_a_beginning() {
        for (pattern, name, expected) in [
            ("a", "a", true),
            ("a", "ab", false),
            ("a*", "ab", true),
            ("*", "anything", true),
            ("a*", "ba", false),
        ] {
            assert_eq!(is_match(pattern, name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn no_pattern_covers_an_annotation_that_reaches_others() {
        let config = |text: &str| {
            parse(&format!("tenancy: {{ingressAnnotations: [{text}]}}"))
                .unwrap()
                .tenancy
        };
        let all = config("nginx.ingress.kubernetes.io/*");
        assert!(all.allows_annotation("nginx.ingress.kubernetes.io/enable-cors"));
        for name in [
            "server-alias",
            "auth-tls-secret",
            "auth-url",
            "mirror-target",
            "fastcgi-params-configmap",
        ] {
            let name = format!("nginx.ingress.kubernetes.io/{name}");
            assert!(!all.allows_annotation(&name), "{name}");
            assert!(config(&name).allows_annotation(&name), "{name}");
        }
    }

    #[test]
    fn lists_that_do_not_mean_what_they_seem_to_are_refused() {
        for (text, field) in [
            ("{existingBuckets: ['']}", "tenancy.existingBuckets"),
            ("{existingBuckets: ['*-files']}", "tenancy.existingBuckets"),
            ("{existingBuckets: ['spo/']}", "tenancy.existingBuckets"),
            ("{secretKeys: ['<namespace>*']}", "tenancy.secretKeys"),
            ("{secretKeys: ['<namespace>-*']}", "tenancy.secretKeys"),
            ("{secretKeys: ['teams/<namespace>']}", "tenancy.secretKeys"),
            (
                "{ingressAnnotations: [nginx.ingress.kubernetes.io/server-snippet]}",
                "tenancy.ingressAnnotations",
            ),
            (
                "{ingressAnnotations: [cert-manager.io/issuer]}",
                "tenancy.ingressAnnotations",
            ),
            ("{priorityClasses: [system-node-critical]}", "tenancy.priorityClasses"),
            ("{hosts: ['*']}", "tenancy.hosts"),
            ("{hosts: ['a*.example.edu']}", "tenancy.hosts"),
            ("{hosts: ['']}", "tenancy.hosts"),
            ("{registries: ['registry.example.com/*']}", "tenancy.registries"),
            ("{issuers: ['*a']}", "tenancy.issuers"),
            ("{maxVolumeSize: 0}", "tenancy.maxVolumeSize"),
            ("{maxVolumeSize: much}", "tenancy.maxVolumeSize"),
            ("{unknown: true}", "unknown"),
        ] {
            let error = parse(&format!("tenancy: {text}")).unwrap_err().to_string();
            assert!(error.contains(field), "{text}: {error}");
        }
    }
}
