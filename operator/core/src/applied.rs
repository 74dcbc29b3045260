//! What came of applying the objects of a drive: what was written, what could not be, and what is known of the buckets. It is
//! what `report` tells of.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ras_crds::Reason;

use crate::bucket::state::{BucketPhase, View};
use crate::build::Desired;
use crate::fetched::record::ChildKey;
use crate::kind::Kind;
use crate::retry::Retry;

/// What came of it.
#[derive(Debug)]
pub struct ApplyOutcome {
    /// The desired state that apply worked on.
    pub desired: Desired,
    /// What was written.
    pub changes: Changes,
    /// What could not be.
    pub blocked: Vec<Blocked>,
    /// Fields that somebody else insists on.
    pub conflicts: Vec<Conflict>,
    /// What is left as it is because it needs something that could not be written, with all of that.
    pub waiting: BTreeMap<ChildKey, BTreeSet<ChildKey>>,
    /// What is known of the buckets.
    pub buckets: Buckets,
}

impl ApplyOutcome {
    /// Whether the namespace is being deleted, and nothing more can be written in it.
    pub fn is_final(&self) -> bool {
        self.blocked.iter().any(|one| one.retry == Retry::Never)
    }

    /// Why this child is not as it was asked for: it could not be written, or something that it needs could not.
    pub fn obstacle(&self, kind: Kind, name: &str) -> Option<(Reason, String)> {
        let is_it = |child: &ChildKey| child.kind == kind && *child.name == *name;
        if let Some(one) = self.blocked.iter().find(|one| is_it(&one.child)) {
            return Some((one.reason, one.text()));
        }
        let (child, needed) = self.waiting.iter().find(|(child, _)| is_it(child))?;
        let names: Vec<String> = needed.iter().map(ToString::to_string).collect();
        let first = self.blocked.iter().find(|one| needed.contains(&one.child));
        Some((
            first.map_or(Reason::Progressing, |one| one.reason),
            format!("{child} waits for {}: see condition Ready", names.join(", ")),
        ))
    }
}

/// What was written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Made.
    pub created: Vec<ChildKey>,
    /// Changed because the drive changed.
    pub updated: Vec<ChildKey>,
    /// Put back after somebody else changed them.
    pub repaired: Vec<ChildKey>,
    /// What they changed in these, as far as that can be told.
    pub taken: BTreeMap<ChildKey, Vec<Taken>>,
    /// Credentials that were drawn anew.
    pub rotated: Vec<ChildKey>,
    /// Removed because the drive no longer asks for them.
    pub removed: Vec<ChildKey>,
}

impl Changes {
    /// Whether nothing was written.
    pub fn is_empty(&self) -> bool {
        self.created.is_empty()
            && self.updated.is_empty()
            && self.repaired.is_empty()
            && self.rotated.is_empty()
            && self.removed.is_empty()
    }
}

/// A child that could not be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blocked {
    /// Which.
    pub child: ChildKey,
    /// Why.
    pub reason: Reason,
    /// Why, and what helps.
    pub message: String,
    /// When to try again.
    pub retry: Retry,
}

impl Blocked {
    /// The child and why it could not be written.
    pub fn text(&self) -> String {
        let child = self.child.to_string();
        if self.message.starts_with(&child) {
            self.message.clone()
        } else {
            format!("{child}: {}", self.message)
        }
    }
}

/// What is known of a drive's buckets, by their name in the drive.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Buckets {
    /// Those it asks for.
    pub kept: BTreeMap<String, Known>,
    /// Those it asked for once.
    pub departing: BTreeMap<String, Known>,
}

impl Buckets {
    /// Whether a bucket waits for its name to be in status.
    pub fn are_unrecorded(&self) -> bool {
        self.kept.values().any(|known| *known == Known::Unrecorded)
    }
}

/// What is known of a bucket.
#[derive(Clone, Debug, PartialEq)]
pub enum Known {
    /// Its name is not in status yet. It is made only after that, so that one that is made can always be found again.
    Unrecorded,
    /// There is no object store.
    NoStore,
    /// This.
    View(View),
}

impl Known {
    /// How it stands, if there is a store.
    pub fn state(&self) -> Option<&BucketPhase> {
        match self {
            Self::View(view) => Some(&view.state),
            Self::NoStore | Self::Unrecorded => None,
        }
    }
}

/// A field that somebody else insists on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// The child.
    pub child: ChildKey,
    /// Who takes which field, and what helps.
    pub message: String,
    /// When to look again.
    pub again: Duration,
}

/// A field that we apply and no longer own.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Taken {
    /// Its path, such as `spec.replicas`.
    pub field: String,
    /// The field managers that own it now, with the subresource they wrote. A field that somebody removed has none.
    pub managers: Vec<String>,
}
