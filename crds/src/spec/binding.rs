//! What other operators keep for a program: databases, queues, caches and so on, by the Secret that says how to reach them.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::bounds;

/// One backing service, by a Secret in the shape of the Service Binding Specification (<https://servicebinding.io>): keys
/// such as `type`, `host`, `port`, `username`, `password` and `uri`. Each becomes a file of its own, and may become a
/// variable with `env[].binding`.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.keys) || !has(self.values) || self.keys.all(k, !self.values.exists(v, v.name == k.name))")
    .message("bindings[].values[].name may not be a name that keys[] has: remove one of them")
    .field_path(".values"))]
pub struct Binding {
    /// Name of the binding, unique in the service: its files are in `$SERVICE_BINDING_ROOT/<name>`.
    #[schemars(length(min = 1, max = 30), regex(pattern = bounds::PART_NAME))]
    pub name: String,

    /// Name of the Secret in the drive's namespace, as the operator of the backing service makes it. Absent: the entry of
    /// `spec.secrets` that has the binding's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = bounds::LONGEST_OBJECT_NAME),
        regex(pattern = bounds::OBJECT_NAME)
    )]
    pub secret_name: Option<String>,

    /// Keys of the Secret that the program sees, under the names that it knows. Absent: all of them, under their own names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub keys: Vec<BindingKey>,

    /// What the Secret lacks and is none, such as `type` or `host`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub values: Vec<BindingValue>,

    /// What happens when the Secret changes. Absent: Restart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_change: Option<OnChange>,
}

/// A key of a Secret under another name.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct BindingKey {
    /// Name of the file.
    #[schemars(
        length(min = 1, max = bounds::LONGEST_KEY),
        regex(pattern = bounds::KEY)
    )]
    pub name: String,

    /// Key in the Secret.
    #[schemars(
        length(min = 1, max = bounds::LONGEST_KEY),
        regex(pattern = bounds::KEY)
    )]
    pub from: String,
}

/// A value that is no secret.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct BindingValue {
    /// Name of the file, for instance `type`.
    #[schemars(
        length(min = 1, max = 32),
        regex(pattern = bounds::FILE_NAME)
    )]
    pub name: String,

    /// What is in it. It is seen by whoever sees the drive.
    #[schemars(length(max = 1024))]
    pub value: String,
}

/// What happens when a Secret changes.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnChange {
    /// The service is rolled out anew.
    #[default]
    Restart,
    /// The files change in place, within about a minute, for a program that reads them again by itself. Variables stay as
    /// they are.
    Reload,
}

/// One thing that a binding of the service says.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct BindingKeyRef {
    /// Name of an entry in `uses.bindings` of the same service.
    #[schemars(length(min = 1, max = 30))]
    pub name: String,

    /// Name of a file of that binding.
    #[schemars(length(min = 1, max = bounds::LONGEST_KEY))]
    pub key: String,
}
