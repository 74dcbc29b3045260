//! What the operator tells about a drive.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::condition::Condition;

/// What the operator observed when it last looked.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct RecruitmentDriveStatus {
    /// Generation of the spec that everything below speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,

    /// Where the season stands. Shown to people, never the source of a decision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<Phase>,

    /// Ready, Reconciling and Stalled (as kstatus, Argo CD and Flux read them), and one for each part of the drive.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,

    /// Services ready / services in the drive, for instance `3/3`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub services_ready: Option<String>,

    /// Each service as it runs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub services: Vec<ServiceStatus>,

    /// Address people type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

/// Where the season stands.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The portal is there for people.
    Open,
    /// Every service is scaled to nothing, because `spec.suspend` says so.
    Suspended,
}

/// One service as it runs.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ServiceStatus {
    /// Name of the service.
    pub name: String,
    /// Pods of the present version that are ready.
    pub ready: i32,
    /// Pods there should be.
    pub desired: i32,
    /// Image that the drive asks for.
    pub image: String,
    /// Why it is not ready, when it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}
