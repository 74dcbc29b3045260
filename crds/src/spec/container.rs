//! What containers of a pod have in common: pull policy, helper containers.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{EnvVar, Port, Probe, Resources, bounds};

/// When an image is pulled, in Kubernetes' words.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum PullPolicy {
    /// At every start of a pod.
    Always,
    /// When the node does not have it.
    IfNotPresent,
    /// Never: the node must have it.
    Never,
}

impl PullPolicy {
    /// The name Kubernetes uses.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Always => "Always",
            Self::IfNotPresent => "IfNotPresent",
            Self::Never => "Never",
        }
    }
}

/// A helper container beside the program. It shares the pod's network and all of the service's volumes, at
/// the same paths, and runs under the same pod security.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Sidecar {
    /// Name of the container, unique in the pod.
    #[schemars(length(min = 1, max = 40), regex(pattern = bounds::PART_NAME))]
    pub name: String,

    /// Image to run.
    #[schemars(length(min = 1, max = 512), regex(pattern = bounds::IMAGE))]
    pub image: String,

    /// Replaces the image's entry point.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = bounds::MOST_WORDS), inner(length(max = bounds::LONGEST_WORD)))]
    pub command: Vec<String>,

    /// Replaces the image's arguments.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = bounds::MOST_WORDS), inner(length(max = bounds::LONGEST_WORD)))]
    pub args: Vec<String>,

    /// Directory in which it starts. Default: the image's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = bounds::LONGEST_DIRECTORY))]
    #[x_kube(validation = Rule::new(bounds::IS_DIRECTORY)
        .message("sidecars[].workingDir must be an absolute path without '..': write it like /var/lib/ras"))]
    pub working_dir: Option<String>,

    /// Its environment, of its own. Secrets are named as in a service's env.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub env: Vec<EnvVar>,

    /// What it listens on, reached through the same Service. Names and numbers are its own: neither the program nor
    /// another helper has them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    #[x_kube(validation = Rule::new(bounds::PORTS_DIFFER)
        .message("sidecars[].ports[].port must be a number that no other port of this helper has: change one of them"))]
    pub ports: Vec<Port>,

    /// How Kubernetes finds out that it serves. The pod is ready when all its containers are. Absent: not at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe: Option<Probe>,

    /// CPU and memory. Absent: requests of 10m CPU and 32Mi memory, a limit of 128Mi memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,
}

/// A container that runs to its end before the program starts, each time a pod starts. It sees all of the service's volumes at
/// the same paths and runs under the same pod security. What has to run once for each version belongs into `migrate`.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct InitContainer {
    /// Name of the container, unique in the pod.
    #[schemars(length(min = 1, max = 40), regex(pattern = bounds::PART_NAME))]
    pub name: String,

    /// Image to run. Absent: the service's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512), regex(pattern = bounds::IMAGE))]
    pub image: Option<String>,

    /// Replaces the image's entry point. `$(VAR)` is expanded from its environment.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = bounds::MOST_WORDS), inner(length(max = bounds::LONGEST_WORD)))]
    pub command: Vec<String>,

    /// Replaces the image's arguments. `$(VAR)` is expanded from its environment.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = bounds::MOST_WORDS), inner(length(max = bounds::LONGEST_WORD)))]
    pub args: Vec<String>,

    /// Directory in which it starts. Default: the image's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = bounds::LONGEST_DIRECTORY))]
    #[x_kube(validation = Rule::new(bounds::IS_DIRECTORY)
        .message("initContainers[].workingDir must be an absolute path without '..': write it like /var/lib/ras"))]
    pub working_dir: Option<String>,

    /// Its environment, of its own. Secrets are named as in a service's env.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub env: Vec<EnvVar>,

    /// CPU and memory. Absent: requests of 10m CPU and 32Mi memory, a limit of 128Mi memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,
}
