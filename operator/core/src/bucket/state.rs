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
    /// Whichever has the name. The value only tells one loss from the next.
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
        /// Where it is, if the store tells.
        region: Option<String>,
        /// What was asked for and the store cannot do.
        unsupported: BTreeSet<Feature>,
    },
    /// It is there, and is being set up as it is asked for now.
    Changing,
    /// It was there and is gone, or another bucket has its name.
    Lost {
        /// Whether another bucket has its name.
        to_another: bool,
    },
    /// It could not be looked at, set up or removed.
    Failed {
        /// Why.
        trouble: StoreError,
        /// Whether it is known to be there.
        there: bool,
        /// What was removed before that.
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
    /// Whether the bucket is known to be there.
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
    /// What is wrong with which bucket, and the next step.
    pub message: String,
    /// Whether the object store is not there at all, as opposed to saying no.
    pub unreachable: bool,
}

/// What is known of a bucket.
#[derive(Clone, Debug, PartialEq)]
pub struct View {
    /// How it stands.
    pub state: BucketPhase,
    /// What is in it, and when it was counted.
    pub usage: Option<(Usage, Timestamp)>,
    /// Which bucket it is. Absent: it was never there, or its loss is accepted.
    pub identity: Option<Identity>,
    /// When it was last seen.
    pub seen: Option<Timestamp>,
    /// What was done since this was last asked.
    pub news: Option<BucketChange>,
}

/// What is known of a bucket from before this program started.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Recorded {
    /// How it stood. A bucket that was ready, or lost, is shown as that until it was looked at.
    pub state: Option<BucketPhase>,
    /// Whether it was there.
    pub was_there: bool,
    /// Which bucket it was.
    pub identity: Option<Identity>,
    /// When it was last seen.
    pub seen: Option<Timestamp>,
    /// The bucket whose loss a person accepts.
    pub accepted: Option<Identity>,
}

/// What was done to a bucket.
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
    /// The drive asked for something else.
    Configured,
    /// It was not there.
    Made,
    /// Somebody else had changed it.
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

/// What is in a bucket. Old versions count; unfinished uploads do not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Bytes.
    pub bytes: u64,
    /// Objects and old versions.
    pub objects: u64,
    /// Bytes that go for good within thirty days.
    pub expiring_bytes: u64,
    /// Objects and old versions that go for good within thirty days. In a versioned bucket an object that expires
    /// becomes an old version, and goes when that does.
    pub expiring_objects: u64,
    /// Whether everything was counted. Otherwise there is at least this much.
    pub complete: bool,
}

/// Whether objects go, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Manner {
    /// Only a bucket without any object, old version or unfinished upload.
    IfEmpty,
    /// With everything that is in it.
    WithObjects,
}

/// What became of it.
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
    /// It was told to stop, or somebody keeps writing.
    Stopped {
        /// What was removed in this go.
        removed: u64,
    },
}
