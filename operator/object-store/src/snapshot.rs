//! The observed state of a bucket.
//!
//! Rules keep every field that S3 has for them, because a lifecycle or CORS document can only be written as a whole: rules of
//! others must not change.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::failure::Failure;
use ras_core::bucket::request::{Feature, ObjectLock};

/// One setting of a bucket.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Seen<T> {
    /// Not requested, or the request failed.
    #[default]
    NotRead,
    /// The store does not support it.
    Lacking,
    Is(T),
}

impl<T> Seen<T> {
    pub fn known(&self) -> Option<&T> {
        match self {
            Self::Is(value) => Some(value),
            Self::NotRead | Self::Lacking => None,
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct BucketSnapshot {
    /// If it does not exist, nothing else is set.
    pub exists: bool,
    pub region: Option<String>,
    pub tags: Seen<BTreeMap<String, String>>,
    /// All four ways of making something public are blocked.
    pub public_access_blocked: Seen<bool>,
    pub encryption: Seen<StoredEncryption>,
    /// `Null`: there is none.
    pub policy: Seen<Value>,
    pub versioning: Seen<StoredVersioning>,
    pub object_lock: Seen<StoredLock>,
    pub lifecycle: Seen<StoredLifecycle>,
    pub cors: Seen<Vec<StoredCors>>,
    /// Settings that could not be read, and why. The others can still be corrected.
    pub problems: Vec<(Feature, Failure)>,
}

impl BucketSnapshot {
    pub fn missing() -> Self {
        Self::default()
    }

    /// Features that the store does not support.
    pub fn lacking(&self) -> BTreeSet<Feature> {
        let mut lacking = BTreeSet::new();
        let mut note = |is_lacking, features: &[Feature]| {
            if is_lacking {
                lacking.extend(features);
            }
        };
        note(self.tags == Seen::Lacking, &[Feature::Tags]);
        note(
            self.public_access_blocked == Seen::Lacking,
            &[Feature::PublicAccessBlock],
        );
        note(
            self.encryption == Seen::Lacking,
            &[Feature::Encryption, Feature::KmsEncryption],
        );
        note(self.policy == Seen::Lacking, &[Feature::Policy]);
        note(self.versioning == Seen::Lacking, &[Feature::Versioning]);
        note(self.object_lock == Seen::Lacking, &[Feature::ObjectLock]);
        note(self.lifecycle == Seen::Lacking, &Feature::LIFECYCLE);
        note(self.cors == Seen::Lacking, &[Feature::Cors]);
        lacking
    }
}

/// Default encryption of new objects.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum StoredEncryption {
    #[default]
    None,
    /// SSE-S3.
    StoreKey,
    /// SSE-KMS with this key. Absent: the account's default key.
    Kms(Option<String>),
    /// Another algorithm, such as `aws:kms:dsse`.
    Other(String),
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StoredVersioning {
    #[default]
    Never,
    Enabled,
    /// Old versions still exist.
    Suspended,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StoredLock {
    #[default]
    Off,
    /// With the default retention of new objects.
    On(Option<ObjectLock>),
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoredLifecycle {
    /// Empty: there is no document.
    pub rules: Vec<StoredRule>,
    /// AWS' `TransitionDefaultMinimumObjectSize`, which is reset when it is not sent back.
    pub transition_minimum: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct StoredRule {
    pub id: Option<String>,
    pub enabled: bool,
    pub filter: StoredFilter,
    pub expire_days: Option<i32>,
    /// RFC 3339.
    pub expire_date: Option<String>,
    /// Removes delete markers without older versions.
    pub expire_delete_markers: bool,
    pub old_versions_days: Option<i32>,
    /// The number of newest old versions to retain.
    pub old_versions_kept: Option<i32>,
    pub abort_uploads_days: Option<i32>,
    pub transitions: Vec<StoredTransition>,
    pub old_versions_transitions: Vec<StoredTransition>,
}

/// The objects that match every field.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct StoredFilter {
    /// Empty: all keys.
    pub prefix: String,
    pub tags: Vec<(String, String)>,
    /// In bytes.
    pub larger_than: Option<i64>,
    /// In bytes.
    pub smaller_than: Option<i64>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct StoredTransition {
    pub days: Option<i32>,
    /// RFC 3339.
    pub date: Option<String>,
    pub storage_class: Option<String>,
    /// The number of newest old versions to leave.
    pub kept: Option<i32>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoredCors {
    pub id: Option<String>,
    pub origins: Vec<String>,
    pub methods: Vec<String>,
    /// Allowed request headers.
    pub headers: Vec<String>,
    pub expose_headers: Vec<String>,
    pub max_age_seconds: Option<i32>,
}
