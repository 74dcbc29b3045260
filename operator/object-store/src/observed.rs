//! What a bucket is, as its store tells.
//!
//! Rules are kept with everything that S3 knows of them, because a lifecycle or CORS document can only be written as a
//! whole: what somebody else put into it has to come back out as it was.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::failure::Failure;
use ras_core::bucket::request::{Feature, ObjectLock};

/// One thing about a bucket.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Seen<T> {
    /// Nobody asked, or asking failed.
    #[default]
    NotRead,
    /// The store does not know of such a thing.
    Lacking,
    /// It is so.
    Is(T),
}

impl<T> Seen<T> {
    /// What it is, if that is known.
    pub fn known(&self) -> Option<&T> {
        match self {
            Self::Is(value) => Some(value),
            Self::NotRead | Self::Lacking => None,
        }
    }
}

/// What a bucket is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Observed {
    /// Whether there is such a bucket. Nothing else is known of one that is not there.
    pub exists: bool,
    /// Where it is, when the store says so.
    pub region: Option<String>,
    /// Its tags; empty when it has none.
    pub tags: Seen<BTreeMap<String, String>>,
    /// Whether all four ways of making something public are blocked.
    pub public_access_blocked: Seen<bool>,
    /// How new objects are encrypted.
    pub encryption: Seen<StoredEncryption>,
    /// The policy document; `Null` when there is none.
    pub policy: Seen<Value>,
    /// Whether versions are kept.
    pub versioning: Seen<StoredVersioning>,
    /// Whether objects can be locked, and are by default.
    pub object_lock: Seen<StoredLock>,
    /// What is removed by itself.
    pub lifecycle: Seen<StoredLifecycle>,
    /// Which pages of other origins may do what.
    pub cors: Seen<Vec<StoredCors>>,
    /// What could not be read, and why. The rest can still be put right.
    pub problems: Vec<(Feature, Failure)>,
}

impl Observed {
    /// A bucket that is not there.
    pub fn missing() -> Self {
        Self::default()
    }

    /// What the store turned out not to have.
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

/// How a bucket encrypts what is written to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum StoredEncryption {
    /// Not at all, as far as the store tells.
    #[default]
    None,
    /// With keys of the store (SSE-S3).
    StoreKey,
    /// With this key of a key management service; none named: with the account's own.
    Kms(Option<String>),
    /// In another way, such as `aws:kms:dsse`.
    Other(String),
}

/// Whether a bucket keeps versions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StoredVersioning {
    /// It never did.
    #[default]
    Never,
    /// It does.
    Enabled,
    /// It did; old versions are still there.
    Suspended,
}

/// Whether objects in a bucket can be locked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StoredLock {
    /// They cannot.
    #[default]
    Off,
    /// They can, and new ones are locked like this.
    On(Option<ObjectLock>),
}

/// A lifecycle document.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoredLifecycle {
    /// Its rules; none when there is no document.
    pub rules: Vec<StoredRule>,
    /// What AWS calls the default minimum object size of transitions. It is lost when it is not sent back.
    pub transition_minimum: Option<String>,
}

/// One rule of a lifecycle document.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct StoredRule {
    /// Its name.
    pub id: Option<String>,
    /// Whether it is in force.
    pub enabled: bool,
    /// Which objects it is for.
    pub filter: StoredFilter,
    /// Days after which objects are removed.
    pub expire_days: Option<i32>,
    /// Moment (RFC 3339) from which objects are removed.
    pub expire_date: Option<String>,
    /// Whether delete markers with nothing behind them are removed.
    pub expire_delete_markers: bool,
    /// Days after which old versions are removed.
    pub old_versions_days: Option<i32>,
    /// Newest old versions that are kept all the same.
    pub old_versions_kept: Option<i32>,
    /// Days after which unfinished uploads are removed.
    pub abort_uploads_days: Option<i32>,
    /// Moves to other storage classes.
    pub transitions: Vec<StoredTransition>,
    /// Moves of old versions to other storage classes.
    pub old_versions_transitions: Vec<StoredTransition>,
}

/// Which objects a rule is for: those that fulfil all of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct StoredFilter {
    /// Beginning of the key; empty: all.
    pub prefix: String,
    /// Tags of the object.
    pub tags: Vec<(String, String)>,
    /// Bytes it has to exceed.
    pub larger_than: Option<i64>,
    /// Bytes it has to stay under.
    pub smaller_than: Option<i64>,
}

/// A move to another storage class.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct StoredTransition {
    /// Days after which.
    pub days: Option<i32>,
    /// Moment (RFC 3339) from which.
    pub date: Option<String>,
    /// Where to.
    pub storage_class: Option<String>,
    /// Newest old versions that stay.
    pub kept: Option<i32>,
}

/// One rule of a CORS document.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoredCors {
    /// Its name.
    pub id: Option<String>,
    /// Origins.
    pub origins: Vec<String>,
    /// Methods.
    pub methods: Vec<String>,
    /// Request headers that are allowed.
    pub headers: Vec<String>,
    /// Response headers that pages may see.
    pub expose_headers: Vec<String>,
    /// Seconds a browser may remember the answer.
    pub max_age_seconds: Option<i32>,
}
