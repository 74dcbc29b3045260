//! What the tasks of all buckets share: the records, and how many tasks may work at a time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use k8s_openapi::jiff::Timestamp;
use tokio::sync::{AcquireError, Semaphore, SemaphorePermit, mpsc};

use ras_core::bucket::request::{BucketRequest, Feature, Origin};
use ras_core::bucket::state::{BucketChange, BucketPhase, Identity, NOTE_SEEN, StoreError};
use ras_core::drive_key::DriveKey;

use super::entry::{BucketKey, Desired, Entry};
use super::intervals::Intervals;
use crate::capabilities::Capabilities;
use crate::failure::Failure;

/// Buckets that are set up or checked at a time.
const SHORT_SLOTS: usize = 16;
/// The same, of one drive: one whose buckets hang must not delay those of others.
const DRIVE_SLOTS: usize = 2;
/// Buckets that are emptied or counted at a time: long work must not delay a new bucket.
const LONG_SLOTS: usize = 2;
/// How long the store's missing features are remembered: a server may be upgraded.
const REMEMBER_CAPABILITIES: Duration = Duration::from_secs(86_400);

pub(super) struct Shared<S> {
    pub(super) store: S,
    pub(super) intervals: Intervals,
    pub(super) capabilities: Capabilities,
    capabilities_since: Mutex<Instant>,
    queue: mpsc::UnboundedSender<DriveKey>,
    entries: Mutex<HashMap<BucketKey, Entry>>,
    drive_slots: Mutex<HashMap<DriveKey, Arc<Semaphore>>>,
    short_slots: Semaphore,
    long_slots: Semaphore,
}

impl<S> Shared<S> {
    pub(super) fn new(store: S, intervals: Intervals, queue: mpsc::UnboundedSender<DriveKey>) -> Self {
        Self {
            store,
            intervals,
            capabilities: Capabilities::default(),
            capabilities_since: Mutex::new(Instant::now()),
            queue,
            entries: Mutex::default(),
            drive_slots: Mutex::default(),
            short_slots: Semaphore::new(SHORT_SLOTS),
            long_slots: Semaphore::new(LONG_SLOTS),
        }
    }

    pub(super) fn entries(&self) -> MutexGuard<'_, HashMap<BucketKey, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn drive_slots(&self) -> MutexGuard<'_, HashMap<DriveKey, Arc<Semaphore>>> {
        self.drive_slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn slots_of(&self, drive: &DriveKey) -> Arc<Semaphore> {
        let mut slots = self.drive_slots();
        let slots = slots.entry(drive.clone());
        Arc::clone(slots.or_insert_with(|| Arc::new(Semaphore::new(DRIVE_SLOTS))))
    }

    pub(super) async fn short_slot(&self) -> Result<SemaphorePermit<'_>, AcquireError> {
        self.short_slots.acquire().await
    }

    pub(super) async fn long_slot(&self) -> Result<SemaphorePermit<'_>, AcquireError> {
        self.long_slots.acquire().await
    }

    pub(super) fn expire_capabilities(&self) {
        let mut since = self.capabilities_since.lock().unwrap_or_else(PoisonError::into_inner);
        if since.elapsed() >= REMEMBER_CAPABILITIES {
            *since = Instant::now();
            self.capabilities.forget();
        }
    }

    pub(super) fn desired(&self, key: &BucketKey) -> Option<Desired> {
        self.entries().get(key).map(|entry| entry.desired.clone())
    }

    /// The identity of a bucket that is ready.
    pub(super) fn identity_if_ready(&self, key: &BucketKey) -> Option<Identity> {
        let entries = self.entries();
        let entry = entries.get(key)?;
        let is_ready = matches!(entry.state, BucketPhase::Ready { .. });
        entry.identity.clone().filter(|_| is_ready)
    }

    /// A bucket without an identity tag could get one: an earlier version of the operator wrote none.
    pub(super) fn can_be_tagged(&self, key: &BucketKey, request: &BucketRequest) -> bool {
        let lacks_tags = match self.entries().get(key).map(|entry| &entry.state) {
            Some(BucketPhase::Ready { unsupported, .. }) => unsupported.contains(&Feature::Tags),
            _ => false,
        };
        request.origin == Origin::Made && !lacks_tags
    }

    pub(super) fn removed_before(&self, key: &BucketKey) -> u64 {
        match self.entries().get(key).map(|entry| &entry.state) {
            Some(BucketPhase::Removing { removed } | BucketPhase::Failed { removed, .. }) => *removed,
            _ => 0,
        }
    }

    /// Records that `bucket` was seen now. Nothing is recorded if, since the check began with the identity `known`, its loss was
    /// accepted or another bucket is wanted.
    pub(super) fn record_seen(
        &self,
        key: &BucketKey,
        bucket: &str,
        known: Option<&Identity>,
        identity: Option<Identity>,
    ) {
        let now = Timestamp::now();
        let mut entries = self.entries();
        let Some(entry) = entries.get_mut(key) else { return };
        let is_wanted = matches!(&entry.desired, Desired::Present(request) if request.bucket == bucket);
        if !is_wanted || entry.identity.as_ref() != known {
            return;
        }
        entry.identity = identity;
        entry.seen = Some(now);
        let is_reported = entry
            .seen_reported
            .is_some_and(|reported| now.as_second() - reported.as_second() < NOTE_SEEN);
        if !is_reported {
            entry.seen_reported = Some(now);
            drop(entries);
            self.wake(key);
        }
    }

    pub(super) fn record_failure(&self, key: &BucketKey, failure: &Failure) {
        let (there, removed) = match self.entries().get(key).map(|entry| &entry.state) {
            Some(BucketPhase::Ready { .. } | BucketPhase::Changing) => (true, 0),
            Some(BucketPhase::Failed { there, removed, .. }) => (*there, *removed),
            Some(BucketPhase::Removing { removed }) => (true, *removed),
            _ => (false, 0),
        };
        let (was_lost, has_identity) = self.entries().get(key).map_or((false, false), |entry| {
            (
                matches!(entry.state, BucketPhase::Lost { .. }),
                entry.identity.is_some(),
            )
        });
        if let Some(to_another) = failure.lost_to_another() {
            // Its loss may have been accepted during the check.
            if has_identity {
                if !was_lost {
                    tracing::warn!(drive = %key.drive, bucket = key.name, "{}", failure.message());
                }
                self.update(key, BucketPhase::Lost { to_another }, None);
            }
            return;
        }
        if was_lost && (failure.is_unreachable() || failure.is_throttled()) {
            // This says nothing new about the bucket.
            return;
        }
        let error = StoreError::from(failure);
        tracing::info!(drive = %key.drive, bucket = key.name, reason = %error.reason, "{}", error.message);
        let state = BucketPhase::Failed {
            trouble: error,
            there,
            removed,
        };
        self.update(key, state, None);
    }

    /// Records the state and wakes the drive, if there is something new.
    pub(super) fn update(&self, key: &BucketKey, state: BucketPhase, change: Option<BucketChange>) {
        let mut entries = self.entries();
        let Some(entry) = entries.get_mut(key) else { return };
        if entry.state == state && change.is_none() {
            return;
        }
        entry.state = state;
        entry.change = match (entry.change.take(), change) {
            (Some(old), Some(new)) => Some(old.and(new)),
            (old, new) => new.or(old),
        };
        drop(entries);
        self.wake(key);
    }

    pub(super) fn wake(&self, key: &BucketKey) {
        // The receiver is gone only when the process ends.
        let _ = self.queue.send(key.drive.clone());
    }
}
