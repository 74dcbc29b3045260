//! Probes: how Kubernetes finds out that a program serves.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::bounds;

/// How Kubernetes finds out that a program has started, serves and lives: by a TCP connection, an HTTP
/// request, gRPC's health protocol, or a command in the container.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!(has(self.path) && has(self.grpc) && self.grpc)")
    .message("probe.path and probe.grpc exclude each other, for a probe is TCP, HTTP or gRPC: remove one of them")
    .field_path(".grpc"))]
#[x_kube(validation = Rule::new("has(self.port) != (has(self.exec) && self.exec.size() > 0)")
    .message("probe has exactly one of port and exec: set one of them"))]
#[x_kube(validation = Rule::new("has(self.port) || !(has(self.path) || has(self.grpc) || has(self.headers))")
    .message("probe.path, grpc and headers go with port: set port, or remove them"))]
#[x_kube(validation = Rule::new("!has(self.headers) || self.headers.size() == 0 || has(self.path)")
    .message("probe.headers go with path, because only an HTTP request has headers: set path, or remove headers")
    .field_path(".headers"))]
pub struct Probe {
    /// Name of one of the container's ports. Absent: `exec` decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 15))]
    pub port: Option<String>,

    /// Command that Kubernetes runs in the container; exit code 0 means that all is well. It is not run in a shell, and
    /// `$(VAR)` is not expanded in it: write `[sh, -c, 'check "$VAR"']` where that is needed. Absent: `port` decides.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = bounds::MOST_WORDS), inner(length(max = bounds::LONGEST_WORD)))]
    pub exec: Vec<String>,

    /// Headers of the HTTP GET, for instance `Host`, where the program answers only to its public name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub headers: Vec<ProbeHeader>,

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

/// One header of a probe's HTTP request.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ProbeHeader {
    /// Name of the header.
    #[schemars(length(min = 1, max = 128), regex(pattern = bounds::HEADER_NAME))]
    pub name: String,

    /// Value of the header. Never a secret: everyone who may read pods sees it.
    #[schemars(length(max = 1024))]
    pub value: String,
}
