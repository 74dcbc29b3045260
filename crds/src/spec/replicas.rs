//! How many pods run, and how a new version replaces the old one.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Lets Kubernetes choose the number of pods by load (a `HorizontalPodAutoscaler`).
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.minReplicas) || self.minReplicas <= self.maxReplicas")
    .message("autoscaling.minReplicas may not exceed autoscaling.maxReplicas: lower the one or raise the other")
    .field_path(".minReplicas"))]
#[x_kube(validation = Rule::new("has(self.targetCPUUtilization) || has(self.targetMemoryUtilization)")
    .message("autoscaling needs something to aim at: set targetCPUUtilization, targetMemoryUtilization or both"))]
pub struct Autoscaling {
    /// Fewest pods. Absent: 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub min_replicas: Option<i32>,

    /// Most pods.
    #[schemars(range(min = 1, max = 1000))]
    pub max_replicas: i32,

    /// Average CPU use to aim at, in percent of the CPU request.
    #[serde(default, rename = "targetCPUUtilization", skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub target_cpu_utilization: Option<i32>,

    /// Average memory use to aim at, in percent of the memory request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub target_memory_utilization: Option<i32>,
}

/// How a new version replaces the old one.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum RolloutStrategy {
    /// A quarter of the pods at a time; never fewer than asked for are ready.
    RollingUpdate,
    /// One pod at a time, for programs that change their database when they start; never fewer than asked
    /// for are ready.
    OneAtATime,
    /// All old pods stop before the first new one starts, for programs of which two may never run at once.
    Recreate,
}
