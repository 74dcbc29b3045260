//! Counts the objects of a bucket, and those that expire within thirty days, from its listing: S3 reports neither.

use k8s_openapi::jiff::{SignedDuration, Timestamp};

use crate::failure::Failure;
use crate::remove::next;
use crate::store::{Entry, EntryKind, Listing, ObjectStore};
use ras_core::bucket::request::{LifecycleRule, Settings};
use ras_core::bucket::state::Usage;

const AHEAD: SignedDuration = SignedDuration::from_hours(30 * 24);
/// In seconds.
const DAY: i64 = 86_400;

/// Sends at most `max_pages` requests.
pub async fn measure<S: ObjectStore>(
    store: &S,
    bucket: &str,
    settings: &Settings,
    now: Timestamp,
    max_pages: u32,
) -> Result<Usage, Failure> {
    let mut left = max_pages;
    match count(store, bucket, Listing::Versions, settings, now, &mut left).await {
        // A store without versioning may list no versions at all.
        Ok(usage) if usage.objects > 0 || !usage.complete || left == 0 => Ok(usage),
        Ok(_) => count(store, bucket, Listing::Objects, settings, now, &mut left).await,
        Err(failure) if failure.is_unsupported() => {
            count(store, bucket, Listing::Objects, settings, now, &mut left).await
        }
        Err(failure) => Err(failure),
    }
}

async fn count<S: ObjectStore>(
    store: &S,
    bucket: &str,
    listing: Listing,
    settings: &Settings,
    now: Timestamp,
    left: &mut u32,
) -> Result<Usage, Failure> {
    let mut sum = Sum::new(settings, now);
    let mut after = None;
    while *left > 0 {
        *left -= 1;
        let page = store.list(bucket, listing, after.as_ref()).await?;
        for entry in &page.entries {
            sum.add(entry);
        }
        match next(&page, after.as_ref()) {
            Some(marker) => after = Some(marker),
            None => return Ok(sum.usage(true)),
        }
    }
    Ok(sum.usage(false))
}

/// Adds up entries in the order of the listing: by key, the newest version first. Pure.
#[derive(Debug)]
pub struct Sum {
    expire: Vec<(String, i64)>,
    old_versions: Option<i64>,
    is_versioned: bool,
    until: Timestamp,
    /// The previous entry: it replaced the next one if that has the same key.
    newer: Option<Entry>,
    usage: Usage,
}

impl Sum {
    pub fn new(settings: &Settings, now: Timestamp) -> Self {
        let mut expire = Vec::new();
        let mut old_versions: Option<i64> = None;
        for rule in &settings.lifecycle {
            match rule {
                LifecycleRule::Expire { prefix, days } => expire.push((prefix.clone(), i64::from(*days))),
                LifecycleRule::ExpireOldVersions { days } => {
                    let days = i64::from(*days);
                    old_versions = Some(old_versions.map_or(days, |shortest| shortest.min(days)));
                }
                LifecycleRule::AbortUploads { .. } => {}
            }
        }
        Self {
            expire,
            old_versions,
            is_versioned: settings.versioned == Some(true) || settings.object_lock.is_some(),
            until: now.checked_add(AHEAD).unwrap_or(Timestamp::MAX),
            newer: None,
            usage: Usage::default(),
        }
    }

    pub fn add(&mut self, entry: &Entry) {
        let newer = self.newer.replace(entry.clone()).filter(|newer| newer.key == entry.key);
        // versitygw repeats the last entry of a page at the beginning of the next.
        if newer.as_ref().is_some_and(|newer| newer.id == entry.id) {
            return;
        }
        let replaced = newer.and_then(|newer| newer.modified);
        let goes = match entry.kind {
            EntryKind::DeleteMarker | EntryKind::Upload => return,
            EntryKind::Current => self.current_goes(entry),
            EntryKind::Old => self.old_versions.and_then(|days| due(replaced?, days)),
        };
        self.usage.objects += 1;
        self.usage.bytes = self.usage.bytes.saturating_add(entry.bytes);
        if goes.is_some_and(|when| when <= self.until) {
            self.usage.expiring_objects += 1;
            self.usage.expiring_bytes = self.usage.expiring_bytes.saturating_add(entry.bytes);
        }
    }

    pub fn usage(&self, complete: bool) -> Usage {
        Usage { complete, ..self.usage }
    }

    /// When an object is permanently deleted, by the first rule to act on its key.
    fn current_goes(&self, entry: &Entry) -> Option<Timestamp> {
        let rules = self.expire.iter();
        let days = rules
            .filter(|(prefix, _)| entry.key.starts_with(prefix.as_str()))
            .map(|(_, days)| *days)
            .min()?;
        let expires = due(entry.modified?, days)?;
        if self.is_versioned {
            due(expires, self.old_versions?)
        } else {
            Some(expires)
        }
    }
}

/// S3 adds the days and rounds up to midnight UTC.
fn due(from: Timestamp, days: i64) -> Option<Timestamp> {
    let exact = from.as_second().checked_add(days.checked_mul(DAY)?)?;
    let midnight = exact
        .div_euclid(DAY)
        .checked_add(i64::from(exact.rem_euclid(DAY) != 0))?
        .checked_mul(DAY)?;
    Timestamp::from_second(midnight).ok()
}
