//! Pod security and scheduling.

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::bounds;

/// What one service needs beyond restricted pod security. Everything not said here stays restricted: not
/// root, a read-only image, no capabilities, no privilege escalation, the runtime's seccomp profile.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.runAsUser) || self.runAsUser > 0 || (has(self.allowRoot) && self.allowRoot)")
    .message("podSecurity.runAsUser 0 is root: set allowRoot to true as well, or choose another user")
    .field_path(".runAsUser"))]
pub struct PodSecurity {
    /// User the containers run as. Absent: the image's own user, which must be a number other than 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 2_147_483_647))]
    pub run_as_user: Option<i64>,

    /// Group the containers run as. Absent: the image's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 2_147_483_647))]
    pub run_as_group: Option<i64>,

    /// Group that may write to the volumes. Absent: 65532 where the service has volumes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 2_147_483_647))]
    pub fs_group: Option<i64>,

    /// true: the image may run as root, with the container runtime's default capabilities. The namespace
    /// must allow the baseline level.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow_root: Option<bool>,

    /// true: the program may write to its own image's files, for instance because it builds itself when it starts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub writable_root_filesystem: Option<bool>,
}

/// Which nodes the pods of a service may run on. Pods are spread over nodes and zones without asking.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Scheduling {
    /// Labels a node must have.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 16, "additionalProperties" = {"type": "string", "maxLength": 63}))]
    #[x_kube(validation = Rule::new("self.all(k, !format.qualifiedName().validate(k).hasValue() && !format.labelValue().validate(self[k]).hasValue())")
        .message("nodeSelector must hold labels such as example.com/pool: large: correct the name or the value"))]
    pub node_selector: BTreeMap<String, String>,

    /// Taints of nodes that do not keep the pods away.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub tolerations: Vec<Toleration>,

    /// Priority class of the pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = bounds::LONGEST_OBJECT_NAME),
        regex(pattern = bounds::OBJECT_NAME)
    )]
    pub priority_class_name: Option<String>,
}

/// A taint that does not keep the pods away, in Kubernetes' form.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.operator) || self.operator != 'Exists' || !has(self.value)")
    .message("tolerations[].value does not go with operator Exists: remove value, or set operator to Equal")
    .field_path(".value"))]
#[x_kube(validation = Rule::new("has(self.key) || (has(self.operator) && self.operator == 'Exists')")
    .message("tolerations[].key is missing, which tolerates every taint: set key, or set operator to Exists to mean it"))]
#[x_kube(validation = Rule::new("(!has(self.key) || !format.qualifiedName().validate(self.key).hasValue()) && (!has(self.value) || !format.labelValue().validate(self.value).hasValue())")
    .message("tolerations[] must name a taint such as example.com/dedicated with a value such as portal: correct key or value"))]
pub struct Toleration {
    /// Key of the taint. Absent, with operator Exists: every taint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 317))]
    pub key: Option<String>,

    /// How the value is compared. Absent: Equal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operator: Option<TolerationOperator>,

    /// Value of the taint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub value: Option<String>,

    /// Effect of the taint. Absent: every effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effect: Option<TolerationEffect>,
}

/// How a toleration compares the taint's value.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum TolerationOperator {
    /// The taint is there, whatever its value.
    Exists,
    /// The taint has this value.
    Equal,
}

/// Effect of a taint.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum TolerationEffect {
    /// New pods stay away.
    NoSchedule,
    /// New pods stay away where possible.
    PreferNoSchedule,
    /// Running pods leave, too.
    NoExecute,
}
