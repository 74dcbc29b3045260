//! What a bucket should be. No client's types are among these.

use std::collections::BTreeMap;

use crate::names::hash;

/// What a drive asks of one bucket.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BucketRequest {
    /// Name in the store.
    pub bucket: String,
    /// Whose it is.
    pub owner: Owner,
    /// Whether it is made, or was there before.
    pub origin: Origin,
    /// Whether the platform's settings let the drive's namespace use it. Otherwise a tag of a bucket of [`Origin::Existing`] has to
    /// ([`ras_crds::labels::ALLOWED_NAMESPACE`]).
    pub permitted: bool,
    /// How it should be set up.
    pub settings: Settings,
}

/// Where a bucket comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Origin {
    /// We make it, and all its settings are ours.
    Made,
    /// It is somebody else's: it is used as it is, and nothing is changed but what is asked for.
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
    /// Whether overwritten and deleted objects are kept as versions. Absent: as it is.
    pub versioned: Option<bool>,
    /// How objects are encrypted at rest. Absent: as the store does it.
    pub encryption: Option<Encryption>,
    /// No object may be public, whatever anybody sets later.
    pub private: bool,
    /// Requests without TLS are refused.
    pub tls_only: bool,
    /// What is removed by itself, each once.
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
    /// With this key of a key management service (SSE-KMS), with a bucket key so that it is asked for rarely.
    Kms(String),
}

/// Something that is removed by itself.
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
    /// Whether those with a special right may lift it.
    pub mode: LockMode,
    /// Days, at least 1.
    pub days: u32,
}

/// Who may lift a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LockMode {
    /// Those with the right `s3:BypassGovernanceRetention`.
    Governance,
    /// Nobody, not even the account's owner.
    Compliance,
}

/// What a store may or may not be able to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Feature {
    /// Tags on buckets.
    Tags,
    /// Blocking public access whatever policies say.
    PublicAccessBlock,
    /// Bucket policies (the refusal of requests without TLS).
    Policy,
    /// Default encryption with keys of the store.
    Encryption,
    /// Default encryption with keys of a key management service.
    KmsEncryption,
    /// Versions.
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
    /// All of them.
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

    /// What ends the name of every bucket that we make: with the drive's UID in it, nobody else makes such a name by
    /// accident. It tells whose a bucket is between its creation and its tagging, and in stores without tags.
    pub fn proof(&self) -> String {
        hash(&[&self.uid, &self.bucket], 10)
    }

    /// What ours is recognised by in documents that others write to as well.
    pub fn mark(&self) -> String {
        hash(&[&self.uid, &self.bucket], 8)
    }
}
