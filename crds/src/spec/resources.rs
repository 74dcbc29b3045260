//! CPU and memory.

use std::collections::BTreeMap;

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

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
