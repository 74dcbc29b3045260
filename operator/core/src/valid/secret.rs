//! Secrets that a drive uses, generates, or gets from an external store. Pure.

use ras_crds::spec::{DeletionPolicy, ExternalKey, StoreKind};

use crate::valid::rotation::Policy;

/// A Secret that a service uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsedSecret {
    /// Name in the drive.
    pub name: String,
    pub secret_name: String,
    /// Where it is from.
    pub origin: SecretOrigin,
}

/// Where a Secret that a service uses is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecretOrigin {
    /// The operator makes it.
    Generated,
    /// An entry of `spec.secrets` names it.
    Existing,
    /// It is filled from a store outside the cluster.
    External,
    /// It says how to reach what another operator keeps.
    Binding,
    /// It holds the credentials with which programs reach the object store.
    ObjectStore,
    /// It has the connection to an external database server.
    DatabaseServer,
}

/// A secret that is made for the drive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GeneratedSecret {
    /// Name in the drive.
    pub name: String,
    pub secret_name: String,
    /// Keys to make, sorted.
    pub keys: Vec<String>,
    pub value_format: ValueFormat,
    /// When the values rotate.
    pub policy: Policy,
    /// The status shows the time of the next rotation.
    pub rotates: bool,
    /// The request to rotate that stands in the drive's annotations.
    pub request: Option<String>,
    pub deletion_policy: DeletionPolicy,
}

impl GeneratedSecret {
    /// Keys of the Secret that are made.
    pub fn made(&self) -> impl Iterator<Item = String> {
        self.keys.iter().flat_map(|key| self.value_format.made_for(key))
    }
}

/// A secret that comes from a store outside the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValidExternal {
    /// Name in the drive.
    pub name: String,
    /// Name in Kubernetes, of the `ExternalSecret` and of the Secret.
    pub secret_name: String,
    /// Name of the store.
    pub store: String,
    /// Kind of the store.
    pub store_kind: StoreKind,
    pub source: ExternalSource,
    /// How often the store is asked, in Go's form.
    pub refresh_interval: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExternalSource {
    /// Everything at this place.
    Whole(String),
    Keys(Vec<ExternalKey>),
}

impl ExternalSource {
    /// Name of the field that says it.
    pub fn field(&self) -> &'static str {
        match self {
            Self::Whole(_) => "key",
            Self::Keys(_) => "keys",
        }
    }
}

/// How a value is generated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueFormat {
    /// So many letters and digits.
    Alphanumeric(usize),
    /// So many bytes, as Base64.
    Base64(usize),
    /// So many bytes, in hexadecimal.
    Hex(usize),
    /// A UUID of version 4.
    Uuid,
    /// An RSA key pair.
    RsaKeyPair(RsaSize),
    /// An Ed25519 key pair.
    Ed25519KeyPair,
}

/// Bits of an RSA key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RsaSize {
    /// 2048.
    Bits2048,
    /// 3072.
    Bits3072,
    /// 4096.
    Bits4096,
}

impl ValueFormat {
    /// Keys of the Secret that are made for one key of the spec.
    pub fn made_for(self, key: &str) -> Vec<String> {
        match self {
            Self::Alphanumeric(_) | Self::Base64(_) | Self::Hex(_) | Self::Uuid => vec![key.to_owned()],
            Self::RsaKeyPair(_) | Self::Ed25519KeyPair => vec![format!("{key}.key"), format!("{key}.pub")],
        }
    }
}
