//! The interface to an S3 service.

use std::collections::BTreeSet;
use std::future::Future;

use k8s_openapi::jiff::Timestamp;

use crate::failure::Failure;
use crate::plan::BucketStep;
use crate::snapshot::BucketSnapshot;
use ras_core::bucket::request::Feature;

/// S3's limit for the entries of one page, and of one request to delete.
pub const PAGE: usize = 1_000;

pub trait ObjectStore: Send + Sync + 'static {
    /// Reads the settings in `wanted`, and whether the bucket exists. Each of tags, public access block, encryption, policy,
    /// versioning, object lock, lifecycle and CORS costs one request; an empty set costs one, too.
    ///
    /// A setting that the store does not support is [`Seen::Lacking`](crate::snapshot::Seen). One that we may not read is among
    /// the problems, except the tags, which fail the call because they name the owner.
    fn observe(
        &self,
        bucket: &str,
        wanted: &BTreeSet<Feature>,
    ) -> impl Future<Output = Result<BucketSnapshot, Failure>> + Send;

    fn execute(&self, bucket: &str, step: &BucketStep) -> impl Future<Output = Result<(), Failure>> + Send;

    /// The page after the marker.
    fn list(
        &self,
        bucket: &str,
        listing: Listing,
        after: Option<&Marker>,
    ) -> impl Future<Output = Result<Page, Failure>> + Send;

    /// Permanently removes entries of one page without lifting any lock. An entry that does not exist counts as removed.
    fn delete(&self, bucket: &str, entries: &[Entry]) -> impl Future<Output = Result<Deleted, Failure>> + Send;

    /// Removes an empty bucket. Callers expect the failures [`Failure::is_missing`] and [`Failure::is_not_empty`].
    fn delete_bucket(&self, bucket: &str) -> impl Future<Output = Result<(), Failure>> + Send;
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listing {
    /// All versions and delete markers, by key, the newest first.
    Versions,
    /// Objects as applications see them: everything in a store without versioning.
    Objects,
    /// Unfinished multipart uploads.
    Uploads,
}

impl Listing {
    /// Everything that can be in a bucket, in the order of its removal. A store without versioning may list no versions, so
    /// both are listed.
    pub const ALL: [Self; 3] = [Self::Uploads, Self::Versions, Self::Objects];
}

/// The position in a listing. Only the store that returned it can interpret it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Marker {
    /// Key or continuation token.
    pub key: String,
    /// Version or upload of that key.
    pub within: Option<String>,
}

/// At most [`PAGE`] entries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    pub entries: Vec<Entry>,
    /// Absent: this is the last page.
    pub next: Option<Marker>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub key: String,
    pub kind: EntryKind,
    /// The version or upload. Absent in [`Listing::Objects`].
    pub id: Option<String>,
    pub bytes: u64,
    /// Absent: the store does not report it.
    pub modified: Option<Timestamp>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// An object as applications see it.
    Current,
    Old,
    /// Hides the versions of a deleted object. It holds no data.
    DeleteMarker,
    Upload,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Deleted {
    pub removed: u64,
    /// Kept because of a lock or a legal hold.
    pub locked: u64,
    /// Kept for another reason.
    pub refused: u64,
    /// The first failure among `refused`.
    pub refusal: Option<Failure>,
}
