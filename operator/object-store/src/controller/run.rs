//! The task of one bucket.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use k8s_openapi::jiff::Timestamp;
use tokio::sync::Notify;
use tokio::time::Instant as Clock;

use ras_core::backoff;
use ras_core::bucket::request::{BucketRequest, Feature, Origin, Owner};
use ras_core::bucket::state::{BucketChange, BucketChangeKind, BucketPhase, Identity, Manner, Removal};

use super::entry::{BucketKey, Desired};
use super::intervals::{Intervals, about, retry_after, within};
use super::shared::Shared;
use crate::ensure::{Ensured, Remembered, ensure_after, verify};
use crate::failure::Failure;
use crate::measure::measure;
use crate::remove::remove;
use crate::store::ObjectStore;

/// Shortest time between two progress reports of a removal.
const PROGRESS: Duration = Duration::from_secs(2);

/// When a bucket that status calls ready is checked for the first time after a start.
#[derive(Clone, Copy, Debug)]
pub(super) struct FirstCheck {
    settings: Duration,
    existence: Duration,
}

impl FirstCheck {
    /// Spreads the buckets over the interval.
    pub(super) fn after_start(intervals: &Intervals, key: &BucketKey) -> Self {
        Self {
            settings: within(intervals.check_every, key),
            existence: within(intervals.check_every.min(intervals.verify_first), key),
        }
    }
}

/// Runs until the entry is dropped.
pub(super) async fn run<S: ObjectStore>(
    shared: Arc<Shared<S>>,
    key: BucketKey,
    changed: Arc<Notify>,
    first: Option<FirstCheck>,
) {
    let mut wait = first.map(|first| first.settings.min(first.existence));
    // When the settings are checked next. Before that, checks are of existence only.
    let mut settings_at = first.map(|first| Clock::now() + first.settings);
    let mut failures = 0;
    let mut counted: Option<Instant> = None;
    let mut settled: Option<Desired> = None;
    loop {
        if let Some(wait) = wait {
            let is_changed = tokio::time::timeout(wait, changed.notified()).await.is_ok();
            if is_changed {
                failures = 0;
                settings_at = None;
            }
        }
        let Some(desired) = shared.desired(&key) else { return };
        // Boxed, because a task sleeps nearly all its life and need not keep room for requests.
        let next = match &desired {
            Desired::Present(request) => {
                let verified = match settings_at.filter(|at| *at > Clock::now()) {
                    Some(_) => Box::pin(shared.verify_bucket(&key, request, &mut failures)).await,
                    None => None,
                };
                if let Some(next) = verified {
                    if failures > 0 {
                        settings_at = None;
                    }
                    wait = Some(next.min(until(settings_at)));
                    continue;
                }
                let is_settled = first.is_some() && settled.is_none() || settled.as_ref() == Some(&desired);
                let ensured = shared.ensure_bucket(&key, request, is_settled, &mut failures, &mut counted);
                let next = Box::pin(ensured).await;
                settings_at = next.filter(|_| failures == 0).map(|next| Clock::now() + next);
                next.map(|next| next.min(about(shared.intervals.verify_every, &key)))
            }
            Desired::Absent { bucket, owner, manner } => {
                settings_at = None;
                Box::pin(shared.remove_bucket(&key, bucket, owner, *manner, &mut failures)).await
            }
        };
        if failures == 0 {
            settled = Some(desired);
        }
        wait = next;
        if next.is_none() {
            // Nothing more to do before something else is desired.
            changed.notified().await;
            failures = 0;
        }
    }
}

/// Time left until `at`; without an end if there is no such time.
fn until(at: Option<Clock>) -> Duration {
    at.map_or(Duration::MAX, |at| at.saturating_duration_since(Clock::now()))
}

/// Each method returns the time until the next check.
impl<S: ObjectStore> Shared<S> {
    async fn ensure_bucket(
        &self,
        key: &BucketKey,
        request: &BucketRequest,
        is_settled: bool,
        failures: &mut u32,
        counted: &mut Option<Instant>,
    ) -> Option<Duration> {
        let identity = self.entries().get(key).and_then(|entry| entry.identity.clone());
        let remembered = Remembered::new(identity, &request.owner, Timestamp::now());
        let ensured = {
            let drive_slots = self.slots_of(&key.drive);
            let _drive_slot = drive_slots.acquire().await.ok()?;
            let _slot = self.short_slot().await.ok()?;
            self.expire_capabilities();
            let before = asked_before(request, is_settled);
            ensure_after(&self.store, request, &before, &remembered, &self.capabilities).await
        };
        match ensured {
            Ok(ensured) => {
                *failures = 0;
                self.record_ensured(key, request, is_settled, &remembered, ensured);
                let check = about(self.intervals.check_every, key);
                let Some((every, pages)) = self.intervals.usage else {
                    return Some(check);
                };
                if counted.is_none_or(|then| then.elapsed() >= every) && self.count_objects(key, request, pages).await {
                    *counted = Some(Instant::now());
                }
                let until = counted.map_or(every, |then| every.saturating_sub(then.elapsed()));
                Some(check.min(about(until, key)))
            }
            Err(failure) => Some(self.retry(key, &failure, failures)),
        }
    }

    fn record_ensured(
        &self,
        key: &BucketKey,
        request: &BucketRequest,
        is_settled: bool,
        remembered: &Remembered,
        ensured: Ensured,
    ) {
        let is_desired = matches!(self.desired(key), Some(Desired::Present(now)) if *now == *request);
        let state = if is_desired {
            BucketPhase::Ready {
                region: ensured.region,
                unsupported: ensured.unsupported,
            }
        } else {
            // Something else is desired meanwhile, and is done next.
            BucketPhase::Changing
        };
        // An earlier version of the operator wrote no tag that identifies the bucket.
        let gets_its_tag = matches!(
            (&remembered.identity, &ensured.identity),
            (Some(Identity::Name(_)), Some(Identity::Tag(_)))
        );
        let kind = if ensured.created {
            BucketChangeKind::Made
        } else if is_settled && !gets_its_tag {
            BucketChangeKind::Repaired
        } else {
            BucketChangeKind::Configured
        };
        let change = (ensured.created || !ensured.changed.is_empty()).then_some(BucketChange {
            kind,
            words: ensured.changed,
        });
        self.record_seen(key, &request.bucket, remembered.identity.as_ref(), ensured.identity);
        self.update(key, state, change);
    }

    /// Checks that a bucket that is ready still exists. `None`: its settings have to be checked.
    async fn verify_bucket(&self, key: &BucketKey, request: &BucketRequest, failures: &mut u32) -> Option<Duration> {
        let identity = self.identity_if_ready(key)?;
        if matches!(identity, Identity::Name(_)) && self.can_be_tagged(key, request) {
            return None;
        }
        let verified = {
            let drive_slots = self.slots_of(&key.drive);
            let _drive_slot = drive_slots.acquire().await.ok()?;
            let _slot = self.short_slot().await.ok()?;
            verify(&self.store, &request.bucket, &identity, &self.capabilities).await
        };
        match verified {
            Ok(()) => {
                self.record_seen(key, &request.bucket, Some(&identity), Some(identity.clone()));
                Some(about(self.intervals.verify_every, key))
            }
            Err(failure) => Some(self.retry(key, &failure, failures)),
        }
    }

    /// Returns whether the objects were counted. A count that fails is no failure of the drive.
    async fn count_objects(&self, key: &BucketKey, request: &BucketRequest, pages: u32) -> bool {
        let Ok(_slot) = self.long_slot().await else {
            return false;
        };
        let now = Timestamp::now();
        match measure(&self.store, &request.bucket, &request.settings, now, pages).await {
            Ok(usage) => {
                if let Some(entry) = self.entries().get_mut(key) {
                    entry.usage = Some((usage, now));
                }
                self.wake(key);
                true
            }
            Err(failure) => {
                tracing::info!(drive = %key.drive, bucket = key.name, "not counted: {}", failure.message());
                false
            }
        }
    }

    async fn remove_bucket(
        &self,
        key: &BucketKey,
        bucket: &str,
        owner: &Owner,
        manner: Manner,
        failures: &mut u32,
    ) -> Option<Duration> {
        let _slot = self.long_slot().await.ok()?;
        let desired = Desired::Absent {
            bucket: bucket.to_owned(),
            owner: owner.clone(),
            manner,
        };
        let reported = Mutex::new(None::<Instant>);
        let before = self.removed_before(key);
        let on_page = |removed: u64| {
            if self.desired(key).as_ref() != Some(&desired) {
                return ControlFlow::Break(());
            }
            let mut reported = reported.lock().unwrap_or_else(PoisonError::into_inner);
            if reported.is_none_or(|then| then.elapsed() >= PROGRESS) {
                *reported = Some(Instant::now());
                let removed = before + removed;
                self.update(key, BucketPhase::Removing { removed }, None);
            }
            ControlFlow::Continue(())
        };
        match remove(&self.store, bucket, owner, manner, &on_page).await {
            Ok(removal) => {
                *failures = 0;
                if self.desired(key).as_ref() != Some(&desired) {
                    return Some(Duration::ZERO);
                }
                let is_over = matches!(removal, Removal::Gone | Removal::NotEmpty | Removal::NotOurs { .. });
                self.update(key, BucketPhase::Removed(removal), None);
                // Locks expire; everything else needs a change by the user.
                (!is_over).then(|| backoff::longest(&key.drive))
            }
            Err(failure) => Some(self.retry(key, &failure, failures)),
        }
    }

    fn retry(&self, key: &BucketKey, failure: &Failure, failures: &mut u32) -> Duration {
        *failures = failures.saturating_add(1);
        self.record_failure(key, failure);
        retry_after(failure, *failures, key)
    }
}

/// Settings that an existing bucket may still have from an earlier spec: any, if the spec has just changed. A check of
/// an unchanged spec reads less.
fn asked_before(request: &BucketRequest, is_settled: bool) -> BTreeSet<Feature> {
    if is_settled || request.origin == Origin::Made {
        return BTreeSet::new();
    }
    Feature::LIFECYCLE.into_iter().chain([Feature::Cors]).collect()
}
