//! The controller's record of one bucket.

use std::sync::Arc;

use k8s_openapi::jiff::Timestamp;
use tokio::sync::Notify;
use tokio::task::AbortHandle;

use ras_core::bucket::request::{BucketRequest, Owner};
use ras_core::bucket::state::{BucketChange, BucketPhase, Identity, Manner, Recorded, Usage, View};
use ras_core::drive_key::DriveKey;

/// A drive's bucket, by its name in the drive's spec.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct BucketKey {
    pub(super) drive: DriveKey,
    pub(super) name: String,
}

impl BucketKey {
    pub(super) fn new(drive: &DriveKey, name: &str) -> Self {
        Self {
            drive: drive.clone(),
            name: name.to_owned(),
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Desired {
    Present(Box<BucketRequest>),
    Absent {
        bucket: String,
        owner: Owner,
        manner: Manner,
    },
}

impl Desired {
    /// Both want the same bucket to exist, perhaps with other settings.
    fn is_same_bucket(&self, other: &Self) -> bool {
        matches!((self, other), (Self::Present(one), Self::Present(other)) if one.bucket == other.bucket)
    }

    /// The recorded identity, and when the bucket was last seen. A bucket that existed before the operator recorded identities
    /// has its name only.
    pub(super) fn remembered(&self, recorded: &Recorded) -> (Option<Identity>, Option<Timestamp>) {
        let Self::Present(request) = self else {
            return (None, None);
        };
        let by_name = || {
            recorded
                .was_there
                .then(|| Identity::untagged(&request.owner, Timestamp::now()))
        };
        let identity = recorded.identity.clone().or_else(by_name);
        let seen = recorded.seen.filter(|_| identity.is_some());
        (identity, seen)
    }
}

/// Aborts the bucket's task when it is dropped.
pub(super) struct Entry {
    pub(super) desired: Desired,
    pub(super) state: BucketPhase,
    pub(super) usage: Option<(Usage, Timestamp)>,
    pub(super) identity: Option<Identity>,
    pub(super) seen: Option<Timestamp>,
    /// The `seen` that the drive was last woken for, to put it into its status.
    pub(super) seen_reported: Option<Timestamp>,
    /// Not yet passed to the drive.
    pub(super) change: Option<BucketChange>,
    /// Wakes the bucket's task.
    pub(super) changed: Arc<Notify>,
    pub(super) task: AbortHandle,
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Entry {
    pub(super) fn want(&mut self, desired: Desired, recorded: &Recorded) {
        if self.desired == desired {
            return;
        }
        let is_same = desired.is_same_bucket(&self.desired);
        self.state = match &self.state {
            // It still exists, and services keep running. But its settings are not those of the spec, and a process that starts
            // after this one has died must not take it for ready.
            BucketPhase::Ready { .. } | BucketPhase::Changing if is_same => BucketPhase::Changing,
            // Other settings do not bring it back.
            BucketPhase::Lost { .. } if is_same => self.state.clone(),
            _ => BucketPhase::Pending,
        };
        if !is_same {
            (self.identity, self.seen) = desired.remembered(recorded);
        }
        self.desired = desired;
        self.changed.notify_one();
    }

    /// Forgets a lost bucket whose loss the user accepts, so that an empty one is created.
    pub(super) fn accept(&mut self, accepted: Option<&Identity>) {
        let is_lost = matches!(self.state, BucketPhase::Lost { .. });
        if is_lost && self.identity.is_some() && self.identity.as_ref() == accepted {
            (self.identity, self.seen) = (None, None);
            self.state = BucketPhase::Pending;
            self.changed.notify_one();
        }
    }

    pub(super) fn view(&mut self) -> View {
        View {
            state: self.state.clone(),
            usage: self.usage,
            identity: self.identity.clone(),
            seen: self.seen,
            news: self.change.take(),
        }
    }
}
