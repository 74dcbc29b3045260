//! The [`BucketController`] works on every bucket of every drive, in tasks of its own: a slow or unreachable object
//! store delays its buckets and no reconcile.
//!
//! A reconcile passes what it wants of a bucket and gets what is known at once. One task a bucket does the work, few of them at
//! a time, and wakes the drive when there is something to report. An idle task sleeps until the next check.

mod entry;
mod intervals;
mod run;
mod shared;

use std::sync::Arc;

use tokio::sync::{Notify, mpsc};

use ras_core::bucket::request::{BucketRequest, Owner};
use ras_core::bucket::state::{BucketPhase, Manner, Recorded, View};
use ras_core::drive_key::DriveKey;

use self::entry::{BucketKey, Desired, Entry};
pub use self::intervals::Intervals;
use self::run::{FirstCheck, run};
use self::shared::Shared;
use crate::s3::S3Store;
use crate::store::ObjectStore;

/// Works on buckets. Clones share one set of tasks.
pub struct BucketController<S = S3Store> {
    shared: Arc<Shared<S>>,
}

impl<S> Clone for BucketController<S> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<S: ObjectStore> BucketController<S> {
    /// Wakes drives through `queue`.
    pub fn new(store: S, intervals: Intervals, queue: mpsc::UnboundedSender<DriveKey>) -> Self {
        Self {
            shared: Arc::new(Shared::new(store, intervals, queue)),
        }
    }

    /// Wants a bucket to exist with the settings of `request`. `recorded` is what status says from before this process started: a
    /// bucket that was ready counts as ready until its next regular check. One that existed and is gone is never created again,
    /// unless its loss is accepted.
    pub fn ensure(&self, drive: &DriveKey, request: &BucketRequest, recorded: Recorded) -> View {
        let name = request.owner.bucket.clone();
        self.want(drive, &name, Desired::Present(Box::new(request.clone())), recorded)
    }

    /// Wants a bucket to be gone. Nothing without the owner's tags is removed. `removed` counts what was removed of it before
    /// this process started, or before the removal was stopped.
    pub fn remove(&self, drive: &DriveKey, owner: &Owner, bucket: &str, manner: Manner, removed: u64) -> View {
        let desired = Desired::Absent {
            bucket: bucket.to_owned(),
            owner: owner.clone(),
            manner,
        };
        let recorded = Recorded {
            state: (removed > 0).then_some(BucketPhase::Removing { removed }),
            ..Recorded::default()
        };
        self.want(drive, &owner.bucket, desired, recorded)
    }

    /// The state of a bucket that [`ensure`](Self::ensure) was called for.
    pub fn state(&self, drive: &DriveKey, owner: &Owner) -> Option<BucketPhase> {
        let entries = self.shared.entries();
        let entry = entries.get(&BucketKey::new(drive, &owner.bucket))?;
        match &entry.desired {
            Desired::Present(request) if request.owner == *owner => Some(entry.state.clone()),
            Desired::Present(_) | Desired::Absent { .. } => None,
        }
    }

    /// Stops work on a bucket and leaves it as it is.
    pub fn release(&self, drive: &DriveKey, name: &str) {
        self.shared.entries().remove(&BucketKey::new(drive, name));
    }

    /// Stops work on all buckets of a drive and leaves them as they are.
    pub fn forget(&self, drive: &DriveKey) {
        self.shared.entries().retain(|key, _| key.drive != *drive);
        self.shared.drive_slots().remove(drive);
    }

    /// Stops work on all buckets, because this process no longer leads.
    pub fn stop(&self) {
        self.shared.entries().clear();
        self.shared.drive_slots().clear();
    }

    fn want(&self, drive: &DriveKey, name: &str, desired: Desired, recorded: Recorded) -> View {
        let key = BucketKey::new(drive, name);
        let mut entries = self.shared.entries();
        if let Some(entry) = entries.get_mut(&key) {
            entry.want(desired, &recorded);
            entry.accept(recorded.accepted.as_ref());
            return entry.view();
        }
        let changed = Arc::new(Notify::new());
        let (identity, seen) = desired.remembered(&recorded);
        let exists = recorded.state.as_ref().is_some_and(BucketPhase::is_there);
        let first = exists.then(|| FirstCheck::after_start(&self.shared.intervals, &key));
        let task = tokio::spawn(run(Arc::clone(&self.shared), key.clone(), Arc::clone(&changed), first));
        let mut entry = Entry {
            desired,
            state: recorded.state.unwrap_or(BucketPhase::Pending),
            usage: None,
            identity,
            seen,
            seen_reported: seen,
            change: None,
            changed,
            task: task.abort_handle(),
        };
        entry.accept(recorded.accepted.as_ref());
        let view = entry.view();
        entries.insert(key, entry);
        view
    }
}
