//! Buckets of an object store that a drive's services use.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Binding, ExistingSecret, bounds};
use crate::{Duration, Quantity};

/// One bucket: made for the drive, or one that is there. A bucket that is made is private, encrypted and reached by
/// TLS alone, and stays when the drive goes unless `deletionPolicy` says otherwise.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.existing) || (!has(self.objectLock) && !has(self.deletionPolicy))")
    .message("buckets[].objectLock and deletionPolicy go with a bucket that is made, for an existing one is only used: remove them, or existing"))]
#[x_kube(validation = Rule::new("!has(self.objectLock) || (has(self.versioned) && self.versioned)")
    .message("buckets[].objectLock locks versions: set versioned to true")
    .field_path(".objectLock"))]
#[x_kube(validation = Rule::new("!has(self.expireOldVersionsAfter) || has(self.versioned) || has(self.existing)")
    .message("buckets[].expireOldVersionsAfter goes with versioned, for without it there are no old versions: set versioned, or remove it")
    .field_path(".expireOldVersionsAfter"))]
#[x_kube(validation = Rule::new("has(self.existing) == has(oldSelf.existing)")
    .message("buckets[].existing can be neither added nor removed later, or the bucket in use would be left behind without a word: add a bucket of another name")
    .field_path(".existing"))]
#[x_kube(validation = Rule::new("has(self.objectLock) == has(oldSelf.objectLock)")
    .message("buckets[].objectLock is decided when the bucket is made: add a bucket of another name")
    .field_path(".objectLock"))]
pub struct Bucket {
    /// Name of the bucket in this drive, unique in it; services refer to it. In the store it is named
    /// `<prefix>-<namespace>-<drive>-<name>-<hash>`; status tells.
    #[schemars(length(min = 1, max = 40), regex(pattern = bounds::PART_NAME))]
    pub name: String,

    /// Uses a bucket that is there. It is never deleted, and nothing of it is changed but what is asked for here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub existing: Option<ExistingBucket>,

    /// true: objects that are overwritten or deleted are kept as old versions. false, after true: no more versions are
    /// made, and those that are there stay. Absent: as false; an existing bucket is left as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub versioned: Option<bool>,

    /// Objects that the store removes by itself. Absent: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    #[x_kube(validation = Rule::new("self.all(e, self.exists_one(f, (has(f.prefix) ? f.prefix : '') == (has(e.prefix) ? e.prefix : '')))")
        .message("buckets[].expire[].prefix must be a prefix that no other entry has: remove one of them"))]
    pub expire: Vec<Expiry>,

    /// Old versions that the store removes by itself, in whole days after they were replaced or deleted, for instance
    /// `90d`. Absent: they are kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self.matches('^[1-9][0-9]{0,4}d$')")
        .message("buckets[].expireOldVersionsAfter is a whole number of days, as stores count them: write it like 90d"))]
    pub expire_old_versions_after: Option<Duration>,

    /// Parts of uploads that were never finished, removed in whole days after they were begun. Absent: `7d`; an
    /// existing bucket is left as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self.matches('^[1-9][0-9]{0,4}d$')")
        .message("buckets[].abortUploadsAfter is a whole number of days, as stores count them: write it like 7d"))]
    pub abort_uploads_after: Option<Duration>,

    /// How objects are encrypted at rest. Absent: with the store's own keys (SSE-S3); an existing bucket is left as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encryption: Option<BucketEncryption>,

    /// Web pages of other origins that may read or write, as when a browser uploads by itself. Absent: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub cors: Vec<CorsRule>,

    /// Locks every new version against deletion for a while. Decided when the bucket is made; needs `versioned: true`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object_lock: Option<ObjectLock>,

    /// How much it should hold at most. Nothing is refused: status, metrics and an alert tell when it is more, where the
    /// platform counts usage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quota: Option<BucketQuota>,

    /// Secret of this namespace with the keys `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY` with which programs reach
    /// this bucket. Absent: as the platform says, which on AWS is no key at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<ExistingSecret>,

    /// What happens to a bucket that is made when it is removed from the drive or the drive is deleted. Absent: Retain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion_policy: Option<BucketDeletionPolicy>,
}

/// A bucket that is there.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ExistingBucket {
    /// Its name in the store.
    #[schemars(length(min = 3, max = 63), regex(pattern = bounds::BUCKET_NAME))]
    pub bucket: String,
}

/// Objects that the store removes by itself.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Expiry {
    /// Beginning of the objects' keys, for instance `zip/`. Absent: every object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub prefix: Option<String>,

    /// Whole days after which an object is removed, counted from when it was written, for instance `7d`. Stores
    /// look once a day.
    #[x_kube(validation = Rule::new("self.matches('^[1-9][0-9]{0,4}d$')")
        .message("buckets[].expire[].after is a whole number of days, as stores count them: write it like 7d"))]
    pub after: Duration,
}

/// How objects are encrypted at rest.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct BucketEncryption {
    /// Key of a key management service: its ARN, ID or alias.
    #[schemars(length(min = 1, max = 2048), regex(pattern = bounds::KMS_KEY))]
    pub kms_key: String,
}

/// Web pages of other origins that may read or write.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct CorsRule {
    /// Origins of the pages, for instance `https://placement.example.edu`; one `*` in each stands for anything.
    #[schemars(
        length(min = 1, max = 16),
        inner(length(min = 1, max = 512), regex(pattern = bounds::ORIGIN))
    )]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub origins: Vec<String>,

    /// What they may do.
    #[schemars(length(min = 1, max = 5))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub methods: Vec<HttpMethod>,

    /// Request headers they may send; one `*` in each stands for anything. Absent: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 32),
        inner(length(min = 1, max = 256), regex(pattern = bounds::REQUEST_HEADER))
    )]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub headers: Vec<String>,

    /// Response headers they may see, for instance `ETag`. Absent: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(min = 1, max = 256), regex(pattern = bounds::RESPONSE_HEADER)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub expose_headers: Vec<String>,

    /// How long a browser may remember the answer, for instance `1h`. Absent: the browser decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age: Option<Duration>,
}

/// What a page may do.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "UPPERCASE")]
pub enum HttpMethod {
    /// Read.
    Get,
    /// Write.
    Put,
    /// Write by a form.
    Post,
    /// Delete.
    Delete,
    /// Ask for headers alone.
    Head,
}

impl HttpMethod {
    /// The name HTTP uses.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Put => "PUT",
            Self::Post => "POST",
            Self::Delete => "DELETE",
            Self::Head => "HEAD",
        }
    }
}

/// How new versions are locked against deletion.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ObjectLock {
    /// Who may lift a lock.
    pub mode: LockMode,

    /// Whole days for which a new version is locked, for instance `30d`.
    #[x_kube(validation = Rule::new("self.matches('^[1-9][0-9]{0,4}d$')")
        .message("buckets[].objectLock.retain is a whole number of days, as stores count them: write it like 30d"))]
    pub retain: Duration,
}

/// Who may lift a lock.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockMode {
    /// Whoever has the right `s3:BypassGovernanceRetention`. The operator does not use it.
    Governance,
    /// Nobody, before the time is over.
    Compliance,
}

/// How much a bucket should hold at most.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.size) || has(self.objects)")
    .message("buckets[].quota needs a size, a number of objects or both: set one, or remove quota"))]
#[x_kube(validation = Rule::new("!has(self.size) || !isQuantity(string(self.size)) || (quantity(string(self.size)).compareTo(quantity('1')) >= 0 && quantity(string(self.size)).isLessThan(quantity('8Ei')))")
    .message("buckets[].quota.size counts bytes, from 1 to 8Ei, and m means thousandths of one: set 50Gi, for instance")
    .field_path(".size"))]
pub struct BucketQuota {
    /// Bytes of all objects and versions together, for instance `50Gi`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<Quantity>,

    /// Number of objects and versions together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000_000_000_i64))]
    pub objects: Option<i64>,
}

/// What happens to a bucket when the drive no longer asks for it.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BucketDeletionPolicy {
    /// It stays.
    #[default]
    Retain,
    /// It is deleted if nothing is in it, and stays otherwise.
    DeleteIfEmpty,
    /// It is emptied and deleted, once the drive has the annotation `ras.dev/confirm-delete` with the bucket's name
    /// in the store.
    Delete,
}

/// Something of one of the drive's buckets, for an environment variable.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct BucketKeyRef {
    /// Name of an entry in `spec.buckets`.
    #[schemars(length(min = 1, max = 40))]
    pub name: String,

    /// What of it.
    pub key: BucketKey,
}

/// What a program may need to know of a bucket.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub enum BucketKey {
    /// Name of the bucket in the store.
    Name,
    /// Address of the store, for instance `https://s3.example.edu`.
    Endpoint,
    /// Region of the store.
    Region,
    /// `true` where a bucket's name stands in the path of an address, `false` where it stands in the host name.
    PathStyle,
    /// Key ID of the credentials, from a Secret. Not where programs have an identity instead of keys.
    AccessKeyId,
    /// Secret key of the credentials, from a Secret. Not where programs have an identity instead of keys.
    SecretAccessKey,
}

/// What of the drive a service uses under default names.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Uses {
    /// Names of entries in `spec.buckets`. Each gives the variable `BUCKET_<NAME>` with its name in the store; together
    /// they give `AWS_REGION`, `AWS_ENDPOINT_URL_S3` (except on AWS) and, where there are keys, `AWS_ACCESS_KEY_ID` and
    /// `AWS_SECRET_ACCESS_KEY`, which every AWS SDK reads. A variable of the same name in `env` wins.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(min = 1, max = 40)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub buckets: Vec<String>,

    /// Names of entries in `spec.database.databases`; the program learns of no other. Each gives the variables
    /// `DATABASE_<NAME>_HOST`, `_PORT`, `_NAME`, `_USER`, `_PASSWORD`, `_URL` and `_SSLMODE` (and `_CA_FILE`, where the
    /// server has certificates of its own), and the first one the same without its name: `DATABASE_HOST` and so on. A
    /// variable of the same name in `env` wins.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(min = 1, max = 63)))]
    #[x_kube(validation = Rule::new("self.all(d, self.exists_one(e, e == d))")
        .message("uses.databases[] names a database once: remove the other"))]
    pub databases: Vec<String>,

    /// Backing services that other operators keep, by the Secrets that say how to reach them. Their files are in the folder
    /// that the variable `SERVICE_BINDING_ROOT` names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub bindings: Vec<Binding>,

    /// true: gives the variables `CACHE_HOST`, `CACHE_PORT`, `CACHE_PASSWORD` and `REDIS_URL` of the drive's cache. A variable
    /// of the same name in `env` wins. Absent: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache: Option<bool>,
}
