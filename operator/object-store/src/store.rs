//! The thin edge: what is asked of an S3 service, one request or one reading of a bucket each.

use std::collections::BTreeSet;
use std::future::Future;

use k8s_openapi::jiff::Timestamp;

use crate::failure::Failure;
use crate::observed::Observed;
use crate::plan::Step;
use ras_core::bucket::request::Feature;

/// Most entries of one page, and of one request to delete: S3's own limit.
pub const PAGE: usize = 1_000;

/// An S3 service.
pub trait ObjectStore: Send + Sync + 'static {
    /// Reads of a bucket what `wanted` names, and whether it is there. One request for each of tags, public access
    /// block, encryption, policy, versioning, object lock, lifecycle and CORS; one for none of them.
    ///
    /// What the store does not have is [`Seen::Lacking`](crate::observed::Seen); what it does not let us
    /// read is among the problems, unless it is whose the bucket is.
    fn observe(
        &self,
        bucket: &str,
        wanted: &BTreeSet<Feature>,
    ) -> impl Future<Output = Result<Observed, Failure>> + Send;

    /// Does one step: one request.
    fn execute(&self, bucket: &str, step: &Step) -> impl Future<Output = Result<(), Failure>> + Send;

    /// One page of what is in a bucket, from `after` on.
    fn list(
        &self,
        bucket: &str,
        listing: Listing,
        after: Option<&Marker>,
    ) -> impl Future<Output = Result<Page, Failure>> + Send;

    /// Removes entries of one page for good, without lifting any lock. An entry that is not there is removed.
    fn delete(&self, bucket: &str, entries: &[Entry]) -> impl Future<Output = Result<Deleted, Failure>> + Send;

    /// Removes an empty bucket. [`Failure::is_missing`] and [`Failure::is_not_empty`] tell two of the refusals.
    fn delete_bucket(&self, bucket: &str) -> impl Future<Output = Result<(), Failure>> + Send;
}

/// What of a bucket is listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listing {
    /// Objects with all their versions and delete markers, by key and then the newest first.
    Versions,
    /// Objects as a program sees them: all there is in a store without versions.
    Objects,
    /// Uploads that were begun and not finished.
    Uploads,
}

impl Listing {
    /// Everything that can be in a bucket, in the order of removing it. A store without versions may show nothing of
    /// its objects as versions, so both are looked at.
    pub const ALL: [Self; 3] = [Self::Uploads, Self::Versions, Self::Objects];
}

/// Where a listing goes on. Only the store that gave it understands it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Marker {
    /// Key, or token.
    pub key: String,
    /// Version or upload within the key.
    pub within: Option<String>,
}

/// Part of a listing: at most [`PAGE`] entries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// What is there.
    pub entries: Vec<Entry>,
    /// Where it goes on, when it does.
    pub next: Option<Marker>,
}

/// Something in a bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Key of the object.
    pub key: String,
    /// What it is.
    pub kind: EntryKind,
    /// Its version, or the name of the upload. Absent in a plain listing.
    pub id: Option<String>,
    /// Bytes.
    pub bytes: u64,
    /// When it was written or begun, when the store says so.
    pub modified: Option<Timestamp>,
}

/// What an [`Entry`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// An object as programs see it.
    Current,
    /// A version that was replaced or deleted.
    Old,
    /// A mark that an object was deleted, which hides its versions. It holds no data.
    DeleteMarker,
    /// An upload that was begun and not finished.
    Upload,
}

/// What became of a request to delete.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Deleted {
    /// How many are gone.
    pub removed: u64,
    /// How many the store keeps because of a lock or a legal hold.
    pub locked: u64,
    /// How many the store did not let go for another reason, and the first such answer.
    pub refused: u64,
    /// The first refusal that was no lock.
    pub refusal: Option<Failure>,
}
