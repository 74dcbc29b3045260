//! `ServiceMonitor` (`monitoring.coreos.com/v1`): tells Prometheus which Service to read metrics from.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::foreign_kind;

foreign_kind! {
    /// Tells Prometheus which Service to read metrics from.
    ServiceMonitor, spec: ServiceMonitorSpec, group: "monitoring.coreos.com", version: "v1", plural: "servicemonitors"
}

/// Which Services, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceMonitorSpec {
    /// Which Services of the same namespace.
    pub selector: Selector,
    /// Labels of the Service that every metric gets.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub target_labels: Vec<String>,
    pub endpoints: Vec<Endpoint>,
}

/// Labels an object must have.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Selector {
    /// Labels an object must have.
    pub match_labels: BTreeMap<String, String>,
}

/// One port to read from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Endpoint {
    /// Name of the Service's port.
    pub port: String,
    /// Path of the metrics.
    pub path: String,
    /// Time between two reads, in Prometheus' form.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<String>,
}
