use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::error::{PlatformError, unusable};
use crate::cidr;

/// Addresses that pods of all drives may connect to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct NetworkConfig {
    /// Where the cluster's DNS answers: the only port 53 that a service with `egress` reaches.
    pub dns: DnsConfig,
    /// Ranges that no pod of a drive may connect to, with or without `egress`. Absent: where clouds answer with the node's
    /// credentials (AWS, Google, Azure, Oracle, Alibaba, Scaleway, Tencent). Empty: none, and services without `egress` are not restricted.
    pub blocked_cidrs: Vec<String>,
}

/// Where the cluster's DNS answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct DnsConfig {
    /// Namespace of its pods. Absent: `kube-system`.
    pub namespace: String,
    /// Labels of its pods. Absent: `k8s-app: kube-dns`, as `CoreDNS` and kube-dns have it.
    pub pod_labels: BTreeMap<String, String>,
    /// Addresses that answer outside of pods. Absent: that of `NodeLocal DNSCache`, `169.254.20.10/32`.
    pub cidrs: Vec<String>,
}

impl Default for NetworkConfig {
    fn default() -> Self {
        let blocked = [
            "169.254.169.254/32",
            "fd00:ec2::254/128",
            "fd20:ce::254/128",
            "168.63.129.16/32",
            "192.0.0.192/32",
            "100.100.100.200/32",
            "169.254.42.42/32",
            "fd00:42::42/128",
            "169.254.0.23/32",
        ];
        Self {
            dns: DnsConfig::default(),
            blocked_cidrs: blocked.map(str::to_owned).to_vec(),
        }
    }
}

impl Default for DnsConfig {
    fn default() -> Self {
        Self {
            namespace: "kube-system".to_owned(),
            pod_labels: BTreeMap::from([("k8s-app".to_owned(), "kube-dns".to_owned())]),
            cidrs: vec!["169.254.20.10/32".to_owned()],
        }
    }
}

/// The API server refuses the NetworkPolicy of every service that these are part of.
pub(super) fn check(network: &NetworkConfig) -> Result<(), PlatformError> {
    if !is_namespace(&network.dns.namespace) {
        return unusable(
            "network.dns.namespace",
            format!(
                "{:?} is no name of a namespace: write at most 63 of a-z, 0-9 and '-', as in kube-system",
                network.dns.namespace
            ),
        );
    }
    if network.dns.pod_labels.is_empty() {
        return unusable(
            "network.dns.podLabels",
            "is empty, which would open port 53 of every pod in that namespace: name the labels of the DNS server's pods",
        );
    }
    for (field, ranges) in [
        ("network.dns.cidrs", &network.dns.cidrs),
        ("network.blockedCidrs", &network.blocked_cidrs),
    ] {
        for range in ranges {
            if let Err(why) = cidr::check(range) {
                return unusable(field, format!("{range:?} {why}"));
            }
            if field == "network.blockedCidrs" && range.ends_with("/0") {
                return unusable(field, format!("{range:?} would block everything: block smaller ranges"));
            }
        }
    }
    Ok(())
}

/// True if a namespace can have this name.
pub(super) fn is_namespace(name: &str) -> bool {
    (1..=63).contains(&name.len())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        && !name.starts_with('-')
        && !name.ends_with('-')
}
