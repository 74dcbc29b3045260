//! Small facts that the cluster's edge learns and the pure rooms decide by.

use std::collections::{BTreeMap, BTreeSet};

/// What metadata tells of a Secret.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SecretFacts {
    /// Each key with a stamp that changes when its value is written. `None`: the metadata does not tell the
    /// keys (no `managedFields`); `version` then stands for all of them.
    pub keys: Option<BTreeMap<String, String>>,
    /// Stamp of the whole object, for where `keys` cannot tell.
    pub version: String,
}

/// An older drive of the same namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Elder {
    /// Its name.
    pub name: String,
    /// Names of its children, as `Kind/name`.
    pub children: BTreeSet<String>,
}

/// Which optional APIs the cluster serves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Apis {
    /// `monitoring.coreos.com/v1` ServiceMonitor.
    pub service_monitors: bool,
    /// `monitoring.coreos.com/v1` PrometheusRule.
    pub prometheus_rules: bool,
    /// `cert-manager.io/v1` Certificate.
    pub certificates: bool,
}
