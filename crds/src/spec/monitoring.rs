//! Metrics and alerts.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::bounds;
use crate::Duration;

/// Metrics and alerts of a drive, by the Prometheus Operator's kinds. Where that is not installed the
/// condition `MonitoringReady` says so, and the drive serves without.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Monitoring {
    /// Time between two reads of the services' metrics. Absent: Prometheus' own setting.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self.matches('[1-9]')")
        .message("scrapeInterval must be longer than nothing: set 30s, for instance, or remove it"))]
    #[x_kube(validation = Rule::new("!self.matches('^([0-9]{1,4}d)?([0-9]{1,5}h)?([0-9]{1,6}m)?([0-9]{1,8}s)?$') || (self.contains('d') ? int(self.substring(0, self.indexOf('d'))) * 86400 : 0) + duration(self.contains('d') ? self.substring(self.indexOf('d') + 1) + '0s' : self).getSeconds() <= 31622400")
        .message("scrapeInterval may be 366d at most: set 30s, for instance, or remove it"))]
    pub scrape_interval: Option<Duration>,

    /// When to alert. Absent: the defaults of its fields.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alerts: Option<Alerts>,
}

/// When to alert.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Alerts {
    /// How long a service or the drive may be not ready before somebody is told. Absent: 5m.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("!self.matches('^([0-9]{1,4}d)?([0-9]{1,5}h)?([0-9]{1,6}m)?([0-9]{1,8}s)?$') || (self.contains('d') ? int(self.substring(0, self.indexOf('d'))) * 86400 : 0) + duration(self.contains('d') ? self.substring(self.indexOf('d') + 1) + '0s' : self).getSeconds() <= 31622400")
        .message("alerts.notReadyFor may be 366d at most: set 5m, for instance, or remove it"))]
    pub not_ready_for: Option<Duration>,

    /// How many restarts of one service's containers in an hour are too many. Absent: 3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub restarts_per_hour: Option<i32>,
}

/// Where a program exports metrics in Prometheus' text format.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Metrics {
    /// Name of one of the service's ports.
    #[schemars(length(min = 1, max = 15))]
    pub port: String,

    /// Path of the metrics. Absent: `/metrics`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512), regex(pattern = bounds::REQUEST_PATH))]
    pub path: Option<String>,
}
