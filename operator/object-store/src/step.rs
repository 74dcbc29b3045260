//! What can be done to a bucket, one request each.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::lifecycle::feature_of;
use crate::observed::{StoredCors, StoredLifecycle};
use ras_core::bucket::request::{Encryption, Feature, ObjectLock};

/// One change of a bucket. What it says is the whole of the setting, so that doing it twice does nothing more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Makes the bucket. One that is ours already counts as made.
    Create {
        /// Whether its objects can be locked.
        object_lock: bool,
    },
    /// Writes the tags.
    Tag(BTreeMap<String, String>),
    /// Blocks all four ways of making something public.
    BlockPublicAccess,
    /// Says how new objects are encrypted.
    Encrypt(Encryption),
    /// Writes the policy; `Null` removes it.
    Policy(Value),
    /// Keeps versions from now on, or keeps none any more.
    Versioning(bool),
    /// Says how new objects are locked.
    ObjectLock(ObjectLock),
    /// Writes the lifecycle document; without rules it removes it.
    Lifecycle(StoredLifecycle),
    /// Writes the CORS document; without rules it removes it.
    Cors(Vec<StoredCors>),
}

impl Step {
    /// What a store has to be able to do for it.
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

    /// What is left alone when it fails for good: all that stands in the same document or needs it.
    pub(super) fn touches(&self) -> BTreeSet<Feature> {
        match self {
            Self::Encrypt(_) => [Feature::Encryption, Feature::KmsEncryption].into(),
            Self::Lifecycle(_) => Feature::LIFECYCLE.into(),
            Self::Versioning(_) => [Feature::Versioning, Feature::ObjectLock].into(),
            _ => self.features(),
        }
    }

    /// What was set, in a word or two, for an event.
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
