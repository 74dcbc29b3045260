//! Secrets whose values live in a store outside the cluster, such as Vault or AWS Secrets Manager.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Duration;

use super::bounds;

/// Values of a store outside the cluster. The operator asks the External Secrets operator for them with an
/// `ExternalSecret`, and sees neither the store nor the values.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.key) != has(self.keys)")
    .message("external has exactly one of key, which takes everything at one place of the store, and keys, which takes single values: set one of them"))]
#[x_kube(validation = Rule::new("!has(self.storeKind) || has(self.store)")
    .message("external.storeKind says what store is: set store, or remove storeKind for the platform's own store")
    .field_path(".storeKind"))]
pub struct ExternalSecret {
    /// Name of the store: a `ClusterSecretStore`, or what `storeKind` says. Absent: the platform's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = bounds::LONGEST_OBJECT_NAME),
        regex(pattern = bounds::OBJECT_NAME)
    )]
    pub store: Option<String>,

    /// Kind of the store. Absent: as the platform says, which is `ClusterSecretStore` unless it says otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store_kind: Option<StoreKind>,

    /// Place in the store, for instance `spo/mail`: every value there becomes a key of the Secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub key: Option<String>,

    /// Single values of the store, each with the key that it gets in the Secret.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 32))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub keys: Vec<ExternalKey>,

    /// How often the store is asked for news, for instance `1h`. `0s`: once. Absent: every hour.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_interval: Option<Duration>,
}

/// One value of a store.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ExternalKey {
    /// Key in the Secret.
    #[schemars(
        length(min = 1, max = bounds::LONGEST_KEY),
        regex(pattern = bounds::KEY)
    )]
    pub name: String,

    /// Place in the store, for instance `spo/mail`.
    #[schemars(length(min = 1, max = 1024))]
    pub key: String,

    /// Which of the values at that place. Absent: what is there as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub property: Option<String>,

    /// Version in the store. Absent: the newest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub version: Option<String>,
}

/// Kinds of stores that the External Secrets operator knows.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StoreKind {
    /// A store of the drive's namespace.
    SecretStore,
    /// A store of the whole cluster.
    #[default]
    ClusterSecretStore,
}

impl StoreKind {
    /// Name of the kind.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SecretStore => "SecretStore",
            Self::ClusterSecretStore => "ClusterSecretStore",
        }
    }
}
