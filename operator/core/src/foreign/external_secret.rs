//! `ExternalSecret` (`external-secrets.io`): what to take from a store outside the cluster, and into which Secret.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::{Deserialize, Serialize};

use crate::fetched::facts::ExternalSecretsVersion;

/// Values to take from an external store. Not made by `foreign_kind!`, because the cluster decides its version.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExternalSecret {
    api_version: String,
    kind: String,
    pub metadata: ObjectMeta,
    pub spec: ExternalSecretSpec,
}

impl ExternalSecret {
    /// One object, in the version that the cluster serves.
    pub fn new(version: ExternalSecretsVersion, metadata: ObjectMeta, spec: ExternalSecretSpec) -> Self {
        Self {
            api_version: version.api_version().to_owned(),
            kind: "ExternalSecret".to_owned(),
            metadata,
            spec,
        }
    }

    /// The version it is written in.
    pub fn version(&self) -> ExternalSecretsVersion {
        if self.api_version == ExternalSecretsVersion::V1.api_version() {
            ExternalSecretsVersion::V1
        } else {
            ExternalSecretsVersion::V1Beta1
        }
    }
}

/// Which values, and where they go.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExternalSecretSpec {
    /// How often the store is asked, in Go's form of durations.
    pub refresh_interval: String,
    pub secret_store_ref: StoreRef,
    pub target: Target,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub data: Vec<Data>,
    /// Everything at one place.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub data_from: Vec<DataFrom>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StoreRef {
    pub name: String,
    /// `SecretStore` or `ClusterSecretStore`.
    pub kind: String,
}

/// The Secret that is filled.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Target {
    pub name: String,
    /// `Owner`: it goes with the `ExternalSecret`.
    pub creation_policy: String,
    /// `Retain`: it stays as it is when the values are gone from the store.
    pub deletion_policy: String,
    pub template: Template,
}

/// Metadata and type of the Secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Template {
    #[serde(rename = "type")]
    pub type_: String,
    pub metadata: TemplateMetadata,
}

/// Labels of a Secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TemplateMetadata {
    pub labels: BTreeMap<String, String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Data {
    /// Key in the Secret.
    pub secret_key: String,
    /// Where it is in the store.
    pub remote_ref: RemoteRef,
}

/// Everything at one place.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DataFrom {
    pub extract: RemoteRef,
}

/// A place in a store.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RemoteRef {
    pub key: String,
    /// Which of the values there. Absent: all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub property: Option<String>,
    /// Version. Absent: the newest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}
