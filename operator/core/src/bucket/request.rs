//! What a bucket should be. No client's types are among these.

use std::collections::BTreeMap;

use crate::names::hash;

/// The request for one bucket.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BucketRequest {
    /// Name in the store.
    pub bucket: String,
    pub owner: Owner,
    pub origin: Origin,
    /// True if the platform settings let the drive's namespace use the bucket. Otherwise a bucket of
    /// [`Origin::Existing`] needs the tag [`ras_crds::labels::ALLOWED_NAMESPACE`].
    pub permitted: bool,
    /// How it should be set up.
    pub settings: Settings,
}

/// Where a bucket comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Origin {
    /// We make it, and all its settings are ours.
    Made,
    /// An existing bucket of another owner. Only requested settings are changed.
    Existing,
}

/// Whose a bucket is. It stands in the bucket's tags, and nothing without these tags is ever deleted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Owner {
    /// Namespace of the drive.
    pub namespace: String,
    /// Name of the drive.
    pub drive: String,
    /// UID of the drive.
    pub uid: String,
    /// Name of the bucket in the drive.
    pub bucket: String,
}

/// How a bucket should be set up. For a bucket of [`Origin::Existing`], what is absent, false or empty is left alone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Settings {
    /// Overwritten and deleted objects are kept as versions. Absent: versioning is not changed.
    pub versioned: Option<bool>,
    /// How objects are encrypted at rest. Absent: as the store does it.
    pub encryption: Option<Encryption>,
    /// No object may be public, whatever ACL or policy is set later.
    pub private: bool,
    /// Requests without TLS are refused.
    pub tls_only: bool,
    /// Lifecycle rules, without duplicates.
    pub lifecycle: Vec<LifecycleRule>,
    /// Which pages of other origins may read and write.
    pub cors: Vec<CorsRule>,
    /// Objects cannot be deleted for a while. Can only be said when the bucket is made.
    pub object_lock: Option<ObjectLock>,
}

/// How objects are encrypted at rest.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Encryption {
    /// With keys of the store (SSE-S3).
    StoreKey,
    /// With this key of a key management service (SSE-KMS), and with a bucket key, which needs fewer requests to that
    /// service.
    Kms(String),
}

/// A lifecycle rule.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LifecycleRule {
    /// Objects whose key begins with `prefix` (all, when it is empty), this many days after they were written. In a
    /// versioned bucket they become old versions.
    Expire {
        /// Beginning of the keys.
        prefix: String,
        /// Days, at least 1.
        days: u32,
    },
    /// Versions that were replaced or deleted, this many days after that. Delete markers with nothing behind them go,
    /// too.
    ExpireOldVersions {
        /// Days, at least 1.
        days: u32,
    },
    /// Parts of uploads that were begun and never finished, this many days after they were begun.
    AbortUploads {
        /// Days, at least 1.
        days: u32,
    },
}

/// Which pages of other origins may do what.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CorsRule {
    /// Origins, such as `https://placement.example.edu`, or `*`.
    pub origins: Vec<String>,
    /// Methods: GET, PUT, POST, DELETE, HEAD.
    pub methods: Vec<String>,
    /// Request headers that are allowed.
    pub headers: Vec<String>,
    /// Response headers that pages may see.
    pub expose_headers: Vec<String>,
    /// Seconds a browser may remember the answer.
    pub max_age_seconds: Option<i32>,
}

/// How long new objects cannot be deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ObjectLock {
    pub mode: LockMode,
    /// Days, at least 1.
    pub days: u32,
}

/// Who may lift a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LockMode {
    /// Those with the right `s3:BypassGovernanceRetention`.
    Governance,
    /// Nobody can lift it, not even the owner of the account.
    Compliance,
}

/// A setting that some object stores do not support.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Feature {
    Tags,
    /// Blocking public access whatever policies say.
    PublicAccessBlock,
    /// Bucket policies (the refusal of requests without TLS).
    Policy,
    /// Default encryption with keys of the store.
    Encryption,
    /// Default encryption with keys of a key management service.
    KmsEncryption,
    Versioning,
    /// Removing objects by age.
    Expiry,
    /// Removing old versions by age.
    OldVersionExpiry,
    /// Removing unfinished uploads by age.
    UploadExpiry,
    /// Rules for pages of other origins.
    Cors,
    /// Locking objects against deletion.
    ObjectLock,
}

impl Feature {
    pub const ALL: [Self; 11] = [
        Self::Tags,
        Self::PublicAccessBlock,
        Self::Policy,
        Self::Encryption,
        Self::KmsEncryption,
        Self::Versioning,
        Self::Expiry,
        Self::OldVersionExpiry,
        Self::UploadExpiry,
        Self::Cors,
        Self::ObjectLock,
    ];

    /// Those that stand in a bucket's lifecycle document.
    pub const LIFECYCLE: [Self; 3] = [Self::Expiry, Self::OldVersionExpiry, Self::UploadExpiry];

    /// The name for people and for status.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tags => "tags",
            Self::PublicAccessBlock => "public access block",
            Self::Policy => "TLS-only policy",
            Self::Encryption => "default encryption",
            Self::KmsEncryption => "encryption with a KMS key",
            Self::Versioning => "versioning",
            Self::Expiry => "expiry of objects",
            Self::OldVersionExpiry => "expiry of old versions",
            Self::UploadExpiry => "expiry of unfinished uploads",
            Self::Cors => "CORS",
            Self::ObjectLock => "object lock",
        }
    }
}

impl Owner {
    /// The tags that say so. Keys are those of the drive's Kubernetes objects.
    pub fn tags(&self) -> BTreeMap<String, String> {
        use ras_crds::labels;
        [
            (labels::MANAGED_BY, labels::MANAGER),
            (labels::NAMESPACE, &self.namespace),
            (labels::DRIVE, &self.drive),
            (labels::DRIVE_UID, &self.uid),
            (labels::BUCKET, &self.bucket),
        ]
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
    }

    /// The suffix of the name of every bucket that the operator creates. It contains the drive's UID, so no other
    /// bucket has it by accident. It proves ownership between creation and tagging, and in stores without tags.
    pub fn proof(&self) -> String {
        hash(&[&self.uid, &self.bucket], 10)
    }

    /// The prefix of our rules in documents that other clients write too.
    pub fn mark(&self) -> String {
        hash(&[&self.uid, &self.bucket], 8)
    }
}
