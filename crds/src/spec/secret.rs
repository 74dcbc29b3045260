//! Secrets a drive's services use.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ExternalSecret, Rotation, bounds};

/// Where one secret comes from.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("[has(self.generate), has(self.external), has(self.existing)].filter(is, is).size() == 1")
    .message("secrets[] has exactly one of generate, external and existing: set one of them"))]
#[x_kube(validation = Rule::new("!has(self.deletionPolicy) || has(self.generate)")
    .message("secrets[].deletionPolicy goes with generate, for an existing secret is never deleted and one from a store is always there: remove deletionPolicy")
    .field_path(".deletionPolicy"))]
pub struct SecretSource {
    /// Name of the secret in this drive, unique in it; services refer to it.
    #[schemars(length(min = 1, max = 40), regex(pattern = bounds::PART_NAME))]
    pub name: String,

    /// Makes a Secret named `<drive>-<name>` with random values, once. It is never read back, and changed only as
    /// `rotate` says; delete a key of it, or the whole, to have it made anew at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generate: Option<Generate>,

    /// Takes the values from a secret store outside the cluster into a Secret named `<drive>-<name>`, and keeps them as
    /// they are there. Needs the External Secrets operator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external: Option<ExternalSecret>,

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
#[x_kube(validation = Rule::new("!has(self.length) || !has(self.format) || self.format == 'Alphanumeric'")
    .message("generate.length counts the characters of the format Alphanumeric: set bytes for Base64 and Hex, bits for RSAKeyPair, or remove length")
    .field_path(".length"))]
#[x_kube(validation = Rule::new("!has(self.bytes) || (has(self.format) && self.format in ['Base64', 'Hex'])")
    .message("generate.bytes goes with the formats Base64 and Hex: set format to one of them, or remove bytes")
    .field_path(".bytes"))]
#[x_kube(validation = Rule::new("!has(self.bits) || (has(self.format) && self.format == 'RSAKeyPair')")
    .message("generate.bits goes with the format RSAKeyPair: set format to it, or remove bits")
    .field_path(".bits"))]
#[x_kube(validation = Rule::new("!has(self.format) || !(self.format in ['RSAKeyPair', 'Ed25519KeyPair']) || self.keys.all(k, k.size() <= 249)")
    .message("generate.keys of a key pair may have 249 characters each, for .key and .pub are added: choose a shorter key")
    .field_path(".keys"))]
pub struct Generate {
    /// Keys to make. A key added later is made then; a key removed here stays in the Secret. A key pair makes two keys of
    /// each: `<key>.key` with the private and `<key>.pub` with the public key.
    #[schemars(
        length(min = 1, max = 16),
        inner(
            length(min = 1, max = bounds::LONGEST_KEY),
            regex(pattern = bounds::KEY)
        )
    )]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub keys: Vec<String>,

    /// What the values look like. Absent: Alphanumeric. Values that are there already do not change with it before they
    /// rotate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<Format>,

    /// Number of characters of each value of the format Alphanumeric (5.95 random bits each). Absent: 32.
    /// Values that are there already do not change with it before they rotate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 16, max = 1024))]
    pub length: Option<i32>,

    /// Number of random bytes in each value of the formats Base64 and Hex, before they are written as text. Absent: 32.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 16, max = 1024))]
    pub bytes: Option<i32>,

    /// Size of each RSA key: 2048, 3072 or 4096. Absent: 3072.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 2048, max = 4096))]
    #[x_kube(validation = Rule::new("self in [2048, 3072, 4096]")
        .message("generate.bits is the size of an RSA key: set 2048, 3072 or 4096"))]
    pub bits: Option<i32>,

    /// When the values are drawn anew. Absent: never by themselves; the annotation `ras.dev/rotate` asks for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotate: Option<Rotation>,
}

/// What a generated value looks like.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// Letters and digits, which any program takes without quotes, in YAML, a URL or a shell.
    #[default]
    Alphanumeric,
    /// Random bytes in the standard alphabet of Base64, with padding.
    Base64,
    /// Random bytes in lower-case hexadecimal digits, two for each byte.
    Hex,
    /// A random UUID (version 4), as `0f8fad5b-d9cb-469f-a165-70867728950e`.
    #[serde(rename = "UUID")]
    Uuid,
    /// An RSA key pair: `<key>.key` holds the private key as PKCS#8, `<key>.pub` the public one as SPKI, both in PEM.
    #[serde(rename = "RSAKeyPair")]
    RsaKeyPair,
    /// An Ed25519 key pair, in the same forms as an RSA key pair.
    Ed25519KeyPair,
}

/// A Secret somebody else keeps.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ExistingSecret {
    /// Name of the Secret in the drive's namespace.
    #[schemars(
        length(min = 1, max = bounds::LONGEST_OBJECT_NAME),
        regex(pattern = bounds::OBJECT_NAME)
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
