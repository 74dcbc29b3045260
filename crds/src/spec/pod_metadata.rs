//! Labels and annotations of pods, for other programs of the cluster.

use std::collections::BTreeMap;

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// Labels and annotations that a service's pods get besides the operator's own: for service meshes, injectors, scrapers and cost
/// reports. A change restarts the service.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct PodMetadata {
    /// Labels. Names under `ras.dev`, `kubernetes.io` and `k8s.io` belong to the operator and to Kubernetes.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 16, "additionalProperties" = {"type": "string", "maxLength": 63}))]
    #[x_kube(validation = Rule::new("self.all(k, !format.qualifiedName().validate(k).hasValue() && !format.labelValue().validate(self[k]).hasValue())")
        .message("podMetadata.labels must hold labels such as example.com/team: placements: correct the name or the value"))]
    pub labels: BTreeMap<String, String>,

    /// Annotations. The platform decides which are allowed (`tenancy.podAnnotations`), because some give a pod more than
    /// its drive may have.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 16, "additionalProperties" = {"type": "string", "maxLength": 4096}))]
    pub annotations: BTreeMap<String, String>,
}
