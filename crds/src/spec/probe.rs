//! Probes: how Kubernetes finds out that a program serves.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::bounds;

/// How Kubernetes finds out that a program has started, serves and lives: by a TCP connection, an HTTP
/// request or gRPC's health protocol.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!(has(self.path) && has(self.grpc) && self.grpc)")
    .message("probe.path and probe.grpc exclude each other, for a probe is TCP, HTTP or gRPC: remove one of them")
    .field_path(".grpc"))]
pub struct Probe {
    /// Name of one of the service's ports.
    #[schemars(length(min = 1, max = 15))]
    pub port: String,

    /// Path of an HTTP GET that answers 2xx or 3xx when all is well and has no side effect. Absent: a TCP
    /// connection is enough.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512), regex(pattern = bounds::REQUEST_PATH))]
    pub path: Option<String>,

    /// true: the port speaks gRPC's health checking protocol.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grpc: Option<bool>,

    /// Seconds the program may take until it first answers, before it is restarted. Absent: 300.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 10, max = 7200))]
    pub startup_seconds: Option<i32>,

    /// Seconds between two checks. Absent: 10.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 300))]
    pub period_seconds: Option<i32>,

    /// Seconds one check may take. Absent: 5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 60))]
    pub timeout_seconds: Option<i32>,
}
