//! What containers of a pod have in common: resources, pull policy, helper containers.

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{EnvVar, Port, bounds};
use crate::Quantity;

/// CPU and memory of one container, in Kubernetes' form.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.requests) || !has(self.limits) || self.requests.all(k, !(k in self.limits) || !isQuantity(string(self.requests[k])) || !isQuantity(string(self.limits[k])) || quantity(string(self.requests[k])).compareTo(quantity(string(self.limits[k]))) <= 0)")
    .message("resources.requests may not exceed resources.limits: lower the request or raise the limit"))]
#[x_kube(validation = Rule::new("[has(self.requests) ? self.requests : {}, has(self.limits) ? self.limits : {}].all(m, m.all(k, !isQuantity(string(m[k])) || (quantity(string(m[k])).compareTo(quantity('0')) >= 0 && quantity(string(m[k])).isLessThan(quantity('8Ei')))))")
    .message("resources must be 0 or more and less than 8Ei: correct the amount"))]
#[x_kube(validation = Rule::new("[has(self.requests) ? self.requests : {}, has(self.limits) ? self.limits : {}].all(m, m.all(k, k in ['cpu', 'memory', 'ephemeral-storage'] || ((k.startsWith('hugepages-') || (k.contains('/') && !k.contains('kubernetes.io/'))) && !k.startsWith('requests.') && !format.qualifiedName().validate('requests.' + k).hasValue())))")
    .message("resources are cpu, memory, ephemeral-storage, hugepages-<size>, or named with a domain such as nvidia.com/gpu: correct the name"))]
#[x_kube(validation = Rule::new("[has(self.requests) ? self.requests : {}, has(self.limits) ? self.limits : {}].all(m, m.all(k, k == 'cpu' || k.contains('/') || !isQuantity(string(m[k])) || quantity(string(m[k])).compareTo(quantity('0')) <= 0 || quantity(string(m[k])).compareTo(quantity('1')) >= 0))")
    .message("resources of memory and storage are counted in bytes, and m means thousandths of one: write 512Mi instead of 512m"))]
#[x_kube(validation = Rule::new("!has(self.limits) || !('memory' in self.limits) || !isQuantity(string(self.limits['memory'])) || quantity(string(self.limits['memory'])).compareTo(quantity('0')) != 0")
    .message("resources.limits.memory 0 means no limit to Kubernetes: set an amount such as 512Mi, or remove it for the default"))]
#[x_kube(validation = Rule::new("!has(self.requests) || self.requests.all(k, !(k.contains('/') || k.startsWith('hugepages-')) || (has(self.limits) && k in self.limits && (!isQuantity(string(self.requests[k])) || !isQuantity(string(self.limits[k])) || quantity(string(self.requests[k])).compareTo(quantity(string(self.limits[k]))) == 0)))")
    .message("resources named with a domain, such as nvidia.com/gpu, and hugepages need a limit equal to the request: set the amount in limits, and in requests the same or nothing"))]
#[x_kube(validation = Rule::new("[has(self.requests) ? self.requests : {}, has(self.limits) ? self.limits : {}].all(m, m.all(k, !k.contains('/') || !isQuantity(string(m[k])) || quantity(string(m[k])).isInteger()))")
    .message("resources named with a domain, such as nvidia.com/gpu, are whole devices: write a whole number such as 1"))]
#[x_kube(validation = Rule::new("[has(self.requests) ? self.requests : {}, has(self.limits) ? self.limits : {}].all(m, m.all(k, !k.startsWith('hugepages-') || !isQuantity(string(m[k])) || (isQuantity(k.substring(10)) && quantity(k.substring(10)).isInteger() && quantity(k.substring(10)).asInteger() > 0 && quantity(string(m[k])).isInteger() && quantity(string(m[k])).asInteger() % quantity(k.substring(10)).asInteger() == 0)))")
    .message("resources named hugepages-<size> have a size such as 2Mi and whole pages of it: write hugepages-2Mi: 64Mi, for instance"))]
pub struct Resources {
    /// What a pod is promised: `cpu`, `memory`, `ephemeral-storage`. A fraction needs quotes (`"0.5"`) or a smaller unit
    /// (`500m`), because YAML reads `0.5` as a floating-point number, which Kubernetes does not accept as an amount.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 8))]
    pub requests: BTreeMap<String, Quantity>,

    /// What a pod may not exceed, written as in `requests`. Memory always has a limit: the request, when only that is given.
    /// Devices such as `nvidia.com/gpu` belong here: their request is the same.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 8))]
    pub limits: BTreeMap<String, Quantity>,
}

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

    /// CPU and memory. Absent: requests of 10m CPU and 32Mi memory, a limit of 128Mi memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,
}
