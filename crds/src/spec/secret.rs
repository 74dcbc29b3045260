//! Secrets a drive's services use.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where one secret comes from.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.generate) != has(self.existing)")
    .message("secrets[] has exactly one of generate and existing: set one of them"))]
#[x_kube(validation = Rule::new("!has(self.deletionPolicy) || has(self.generate)")
    .message("secrets[].deletionPolicy goes with generate, for an existing secret is never deleted: remove deletionPolicy")
    .field_path(".deletionPolicy"))]
pub struct SecretSource {
    /// Name of the secret in this drive, unique in it; services refer to it.
    #[schemars(length(min = 1, max = 40), regex(pattern = r"^[a-z]([-a-z0-9]*[a-z0-9])?$"))]
    pub name: String,

    /// Makes a Secret named `<drive>-<name>` with random values, once. It is never read back and never
    /// changed; delete a key of it, or the whole, to have it made anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generate: Option<Generate>,

    /// Uses a Secret of this namespace that somebody else keeps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub existing: Option<ExistingSecret>,

    /// What happens to a generated secret when it is removed from the drive or the drive is deleted. Absent: Retain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion_policy: Option<DeletionPolicy>,
}

/// How to make a secret's values.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Generate {
    /// Keys to make. A key added later is made then; a key removed here stays in the Secret.
    #[schemars(
        length(min = 1, max = 16),
        inner(
            length(min = 1, max = 253),
            regex(pattern = r"^([-_a-zA-Z0-9]|\.[-_a-zA-Z0-9])[-._a-zA-Z0-9]*$")
        )
    )]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub keys: Vec<String>,

    /// Number of characters of each value, drawn from A-Z, a-z and 0-9 (5.95 bits each). Absent: 32.
    /// Values that are there already do not change with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 16, max = 1024))]
    pub length: Option<i32>,
}

/// A Secret somebody else keeps.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ExistingSecret {
    /// Name of the Secret in the drive's namespace.
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$")
    )]
    pub secret_name: String,
}

/// What happens to data when the drive no longer asks for it.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeletionPolicy {
    /// It stays, and a drive of the same name finds it again.
    #[default]
    Retain,
    /// It is deleted.
    Delete,
}
