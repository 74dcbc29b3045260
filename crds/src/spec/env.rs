//! Environment variables.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::{BindingKeyRef, BucketKeyRef, CacheKey, DatabaseKeyRef, bounds};

/// One environment variable: a value, a key of one of the drive's secrets, or something of one of its buckets, databases,
/// bindings or its cache.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("[has(self.value), has(self.secret), has(self.bucket), has(self.database), has(self.binding), has(self.cache)].filter(is, is).size() == 1")
    .message("env[] has exactly one of value, secret, bucket, database, binding and cache: set one of them"))]
pub struct EnvVar {
    /// Name of the variable.
    #[schemars(length(min = 1, max = 128), regex(pattern = bounds::VARIABLE))]
    pub name: String,

    /// Value of the variable; `$(VAR)` refers to a variable above, `$$(VAR)` stays as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 8192))]
    pub value: Option<String>,

    /// Takes the value from a secret of this drive. The pod reads it; the operator never does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<SecretKeyRef>,

    /// Takes the value from a bucket of this drive, under a name that the program insists on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bucket: Option<BucketKeyRef>,

    /// Takes the value from a database of this drive, under a name that the program insists on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<DatabaseKeyRef>,

    /// Takes the value from a binding of the service, under a name that the program insists on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub binding: Option<BindingKeyRef>,

    /// Takes the value from the drive's cache, under a name that the program insists on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache: Option<CacheKey>,
}

/// One key of one of the drive's secrets.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct SecretKeyRef {
    /// Name of an entry in `spec.secrets`.
    #[schemars(length(min = 1, max = 40))]
    pub name: String,

    /// Key in that secret.
    #[schemars(length(min = 1, max = bounds::LONGEST_KEY))]
    pub key: String,
}

/// A whole secret as environment.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct EnvFrom {
    /// Name of an entry in `spec.secrets`.
    #[schemars(length(min = 1, max = 40))]
    pub secret: String,

    /// Put before each key to make the variable's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64), regex(pattern = bounds::VARIABLE))]
    pub prefix: Option<String>,
}
