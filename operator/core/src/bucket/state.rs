//! What is known of a bucket, and what was done to it: the words between those who talk to the store and those who decide and
//! report. No client's types are among these.

use std::collections::BTreeSet;
use std::fmt;

use k8s_openapi::jiff::Timestamp;
use ras_crds::Reason;

use crate::bucket::request::{Feature, Owner};
use crate::names::hash;

/// Seconds after which a drive is woken to note in its status that a bucket is still seen.
pub const NOTE_SEEN: i64 = 86_400;

/// Begins the identity of a bucket that has no tag.
const UNTAGGED: &str = "untagged-";

/// Which bucket it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// The one with this value of the tag [`BUCKET_IDENTITY`](ras_crds::labels::BUCKET_IDENTITY).
    Tag(String),
    /// Any bucket of that name. The value only distinguishes one loss from the next.
    Name(String),
}

impl Identity {
    /// Reads what [`fmt::Display`] wrote.
    pub fn parse(text: &str) -> Self {
        match text.strip_prefix(UNTAGGED) {
            Some(rest) => Self::Name(rest.to_owned()),
            None => Self::Tag(text.to_owned()),
        }
    }

    /// Of a bucket that is known by its name only.
    pub fn untagged(owner: &Owner, now: Timestamp) -> Self {
        Self::Name(mark(owner, now))
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tag(mark) => f.write_str(mark),
            Self::Name(mark) => write!(f, "{UNTAGGED}{mark}"),
        }
    }
}

/// A value that no other bucket has. It is no secret.
pub fn mark(owner: &Owner, now: Timestamp) -> String {
    hash(&[&owner.uid, &owner.bucket, &now.as_nanosecond().to_string()], 12)
}

/// How a bucket stands.
#[derive(Clone, Debug, PartialEq)]
pub enum BucketPhase {
    /// Nothing is known yet.
    Pending,
    /// It is there and set up.
    Ready {
        /// Its region, if the store reports one.
        region: Option<String>,
        /// Requested settings that the store does not support.
        unsupported: BTreeSet<Feature>,
    },
    /// It exists, and changed settings are being applied.
    Changing,
    /// It was there and is gone, or another bucket has its name.
    Lost {
        /// Another bucket has its name.
        to_another: bool,
    },
    /// It could not be looked at, set up or removed.
    Failed {
        trouble: StoreError,
        /// The bucket is known to exist.
        there: bool,
        /// Objects removed before the failure.
        removed: u64,
    },
    /// It is being emptied.
    Removing {
        /// Objects, versions and uploads removed so far.
        removed: u64,
    },
    /// The attempt to remove it came to an end.
    Removed(Removal),
}

impl BucketPhase {
    /// True if the bucket is known to exist.
    pub fn is_there(&self) -> bool {
        matches!(
            self,
            Self::Ready { .. } | Self::Changing | Self::Failed { there: true, .. }
        )
    }
}

/// Why something could not be done, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreError {
    /// Reason for the condition.
    pub reason: Reason,
    /// The bucket, its problem and the next step.
    pub message: String,
    /// The object store did not answer. False if it answered with a refusal.
    pub unreachable: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub struct View {
    pub state: BucketPhase,
    /// Its usage, and when that was counted.
    pub usage: Option<(Usage, Timestamp)>,
    /// Which bucket it is. Absent: it was never there, or its loss is accepted.
    pub identity: Option<Identity>,
    /// When it was last seen.
    pub seen: Option<Timestamp>,
    /// Changes since the view was last taken.
    pub news: Option<BucketChange>,
}

/// The bucket as the status has it from before this process started.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Recorded {
    /// How it stood. A bucket that was ready, or lost, is shown as that until it was looked at.
    pub state: Option<BucketPhase>,
    /// It existed.
    pub was_there: bool,
    /// Which bucket it was.
    pub identity: Option<Identity>,
    /// When it was last seen.
    pub seen: Option<Timestamp>,
    /// The bucket whose loss a person accepts.
    pub accepted: Option<Identity>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BucketChange {
    /// Why, the most serious last.
    pub kind: BucketChangeKind,
    /// What, in a word or two each.
    pub words: Vec<String>,
}

/// Why something was done to a bucket, the most serious last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum BucketChangeKind {
    /// The spec changed.
    Configured,
    /// It was not there.
    Made,
    /// Another client had changed it.
    Repaired,
}

impl BucketChange {
    /// Both, under the more serious of the two kinds.
    #[must_use]
    pub fn and(mut self, more: Self) -> Self {
        self.kind = self.kind.max(more.kind);
        self.words.extend(more.words);
        self
    }
}

/// Objects and bytes in a bucket, with old versions and without unfinished uploads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    pub bytes: u64,
    /// Objects and old versions.
    pub objects: u64,
    /// Bytes that go for good within thirty days.
    pub expiring_bytes: u64,
    /// Objects and old versions that go for good within thirty days. In a versioned bucket an object that expires
    /// becomes an old version, and goes when that does.
    pub expiring_objects: u64,
    /// Everything was counted. If false, the figures are lower bounds.
    pub complete: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Manner {
    /// Only a bucket without any object, old version or unfinished upload.
    IfEmpty,
    /// With everything that is in it.
    WithObjects,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Removal {
    /// There is no such bucket (any more).
    Gone,
    /// Something is in it, and nothing was removed.
    NotEmpty,
    /// It is not ours, or that cannot be proven. Nothing was removed.
    NotOurs {
        /// Whose it is, in words.
        whose: String,
    },
    /// Everything is gone but objects that are locked against deletion.
    Locked {
        /// How many objects and versions.
        objects: u64,
    },
    /// It was stopped, or another client keeps writing.
    Stopped {
        /// Objects removed by this attempt.
        removed: u64,
    },
}
