//! The result of applying the objects of a drive: children that were written, children that could not be, and buckets.
//! It is the input of `report`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ras_crds::Reason;

use crate::bucket::state::{BucketPhase, View};
use crate::build::Desired;
use crate::fetched::record::ChildKey;
use crate::kind::Kind;
use crate::retry::Retry;

#[derive(Debug)]
pub struct ApplyOutcome {
    /// The desired state that apply worked on.
    pub desired: Desired,
    pub changes: Changes,
    /// Children that could not be written.
    pub blocked: Vec<Blocked>,
    /// Fields that another controller keeps writing.
    pub conflicts: Vec<Conflict>,
    /// Children that are not written because another child that they need could not be, with those children.
    pub waiting: BTreeMap<ChildKey, BTreeSet<ChildKey>>,
    pub buckets: Buckets,
}

impl ApplyOutcome {
    /// True when the namespace is being deleted: it refuses every new object.
    pub fn is_final(&self) -> bool {
        self.blocked.iter().any(|one| one.retry == Retry::Never)
    }

    /// Why this child is not as desired: it could not be written, or another child that it needs could not be.
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

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    pub created: Vec<ChildKey>,
    /// Changed because the drive changed.
    pub updated: Vec<ChildKey>,
    /// Drift was reverted.
    pub repaired: Vec<ChildKey>,
    /// The fields that other managers changed in these, as far as `managedFields` shows them.
    pub taken: BTreeMap<ChildKey, Vec<Taken>>,
    /// Credentials with new values.
    pub rotated: Vec<ChildKey>,
    /// Removed, because the drive no longer has them.
    pub removed: Vec<ChildKey>,
}

impl Changes {
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
    pub child: ChildKey,
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

/// The buckets of a drive, by their name in the drive.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Buckets {
    /// Buckets of the spec.
    pub kept: BTreeMap<String, Known>,
    /// Buckets that are no longer in the spec.
    pub departing: BTreeMap<String, Known>,
}

impl Buckets {
    /// True while a bucket waits until its name is in the status.
    pub fn are_unrecorded(&self) -> bool {
        self.kept.values().any(|known| *known == Known::Unrecorded)
    }
}

#[derive(Clone, Debug, PartialEq)]
pub enum Known {
    /// Its name is not in status yet. It is made only after that, so that one that is made can always be found again.
    Unrecorded,
    /// There is no object store.
    NoStore,
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

/// A field that another controller keeps writing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
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
    /// The field managers that own it now, with the subresource they wrote. A removed field has none.
    pub managers: Vec<String>,
}
