use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::lifecycle::feature_of;
use crate::snapshot::{StoredCors, StoredLifecycle};
use ras_core::bucket::request::{Encryption, Feature, ObjectLock};

/// One change of a bucket, in one request. It holds the complete setting, so executing it twice changes nothing more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BucketStep {
    /// A bucket that is ours already counts as created.
    Create {
        object_lock: bool,
    },
    Tag(BTreeMap<String, String>),
    BlockPublicAccess,
    Encrypt(Encryption),
    /// `Null` removes it.
    Policy(Value),
    Versioning(bool),
    ObjectLock(ObjectLock),
    /// Without rules, removes the document.
    Lifecycle(StoredLifecycle),
    /// Without rules, removes the document.
    Cors(Vec<StoredCors>),
}

impl BucketStep {
    /// Features that the store needs for it.
    pub fn features(&self) -> BTreeSet<Feature> {
        let one = match self {
            Self::Create { object_lock: false } => return BTreeSet::new(),
            Self::Create { object_lock: true } | Self::ObjectLock(_) => Feature::ObjectLock,
            Self::Tag(_) => Feature::Tags,
            Self::BlockPublicAccess => Feature::PublicAccessBlock,
            Self::Encrypt(Encryption::StoreKey) => Feature::Encryption,
            Self::Encrypt(Encryption::Kms(_)) => Feature::KmsEncryption,
            Self::Policy(_) => Feature::Policy,
            Self::Versioning(_) => Feature::Versioning,
            Self::Lifecycle(lifecycle) => {
                let features: BTreeSet<_> = lifecycle.rules.iter().filter_map(feature_of).collect();
                return if features.is_empty() {
                    Feature::LIFECYCLE.into()
                } else {
                    features
                };
            }
            Self::Cors(_) => Feature::Cors,
        };
        BTreeSet::from([one])
    }

    /// Features that are in the same document or depend on it, and are not touched again after it failed.
    pub(super) fn touches(&self) -> BTreeSet<Feature> {
        match self {
            Self::Encrypt(_) => [Feature::Encryption, Feature::KmsEncryption].into(),
            Self::Lifecycle(_) => Feature::LIFECYCLE.into(),
            Self::Versioning(_) => [Feature::Versioning, Feature::ObjectLock].into(),
            _ => self.features(),
        }
    }

    /// The name of the setting, for an event.
    pub fn words(&self) -> &'static str {
        match self {
            Self::Create { .. } => "bucket",
            Self::Tag(_) => "owner's tags",
            Self::BlockPublicAccess => "public access block",
            Self::Encrypt(_) => "encryption",
            Self::Policy(_) => "policy",
            Self::Versioning(_) => "versioning",
            Self::ObjectLock(_) => "object lock",
            Self::Lifecycle(_) => "lifecycle",
            Self::Cors(_) => "CORS",
        }
    }
}
