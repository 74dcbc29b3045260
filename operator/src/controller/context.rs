//! Shared by all reconciles.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use k8s_openapi::jiff::Timestamp;
use kube::runtime::events::Recorder;
use kube::runtime::reflector::Store as Drives;
use ras_crds::RecruitmentDriveStatus;
use tokio::sync::{mpsc, watch};

use crate::apply::child_client::ChildClient;
use crate::controller::packed::Packed;
use crate::controller::rejections::Rejections;
use crate::controller::status_cache::StatusCache;
use crate::informer::api_health::ApiHealth;
use crate::informer::claims::Claims;
use crate::informer::store::DriveKey;
use crate::leadership::state::Leadership;
use crate::listeners::ListenerChecks;
use crate::platform_reload::InForce;
use ras_core::fetched::Apis;
use ras_core::fetched::own_pods::OwnPods;

/// Shared by all reconciles.
pub struct Context {
    /// Writes children, and knows the memory of all of them.
    pub child_client: ChildClient,
    pub drives: Drives<Packed>,
    /// Which drive claims which names.
    pub claims: Arc<Claims>,
    pub platform: InForce,
    /// Which optional APIs there are.
    pub apis: watch::Receiver<Option<Apis>>,
    pub leadership: Leadership,
    pub recorder: Recorder,
    /// The queue of drives that have to look again.
    pub queue: mpsc::UnboundedSender<DriveKey>,
    pub api_health: ApiHealth,
    pub cache: Arc<DriveCache>,
    /// Since when this process watches.
    pub began: Timestamp,
    /// This operator's own pods, where they are known.
    pub own_pods: Option<OwnPods>,
    pub listeners: ListenerChecks,
    /// Parts of drives whose pods the API server does not accept.
    pub rejections: Rejections,
}

/// State of each drive between reconciles. Losing it costs a request and causes no error.
#[derive(Debug, Default)]
pub struct DriveCache {
    drives: Mutex<HashMap<DriveKey, Remembered>>,
}

#[derive(Clone, Debug, Default)]
pub struct Remembered {
    /// UID of the drive.
    pub uid: String,
    /// Its status as it was written last.
    pub status: StatusCache,
    /// Failures in a row.
    pub failures: u32,
    /// The last reconcile failed because the API server was not reached.
    pub unreached: bool,
    /// How many outages had ended when the last reconcile began.
    pub began: u64,
    /// Its namespace is being deleted. That ends only with the drive.
    pub is_closing: bool,
    /// Since when a status is put off because what it reports is about to change.
    pub deferred_since: Option<Instant>,
    /// Hash of spec and annotations when the drive was last read live: see [`crate::controller::live_read`].
    pub confirmed: Option<u64>,
}

impl DriveCache {
    fn lock(&self) -> MutexGuard<'_, HashMap<DriveKey, Remembered>> {
        self.drives.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The entry of the drive with this UID.
    pub fn get(&self, key: &DriveKey, uid: &str) -> Option<Remembered> {
        self.lock().get(key).filter(|known| known.uid == uid).cloned()
    }

    /// Changes the entry of the drive with this UID. If another drive had the name, only its failures stay: they are
    /// counted by name, before a UID is known.
    fn of<T>(&self, key: &DriveKey, uid: &str, change: impl FnOnce(&mut Remembered) -> T) -> T {
        let mut drives = self.lock();
        let known = drives.entry(key.clone()).or_default();
        if known.uid != uid {
            *known = Remembered {
                uid: uid.to_owned(),
                failures: known.failures,
                unreached: known.unreached,
                began: known.began,
                ..Remembered::default()
            };
        }
        change(known)
    }

    /// Remembers whether the namespace of the drive takes nothing new any more. That never ends.
    pub fn closes(&self, key: &DriveKey, uid: &str, closes: bool) {
        if closes {
            self.of(key, uid, |known| known.is_closing = true);
        }
    }

    /// True if the namespace of the drive refuses new objects. A drive in a recreated namespace has another UID.
    pub fn is_closing(&self, key: &DriveKey, uid: &str) -> bool {
        self.lock()
            .get(key)
            .is_some_and(|known| known.uid == uid && known.is_closing)
    }

    /// A status of the drive is about to be written.
    pub fn status_write_begins(&self, key: &DriveKey, uid: &str) {
        self.of(key, uid, |known| known.status.begins());
    }

    /// Remembers the status that a live read found, with the version of the drive.
    pub fn learned(&self, key: &DriveKey, uid: &str, status: RecruitmentDriveStatus, version: u64) {
        self.of(key, uid, |known| known.status.written(status, version));
    }

    /// A write of ours that names the version of the drive succeeded, and made this one: what it was decided by was current.
    pub fn was_current(&self, key: &DriveKey, uid: &str, version: u64) {
        self.of(key, uid, |known| known.status.was_current(version));
    }

    /// True after this process has written the drive or read it live: from then on no other replica writes its status.
    pub fn has_written(&self, key: &DriveKey, uid: &str) -> bool {
        self.of(key, uid, |known| known.status.has_written())
    }

    /// Remembers that a live read found just what people are known to have written.
    pub fn confirmed(&self, key: &DriveKey, uid: &str, written: u64) {
        self.of(key, uid, |known| known.confirmed = Some(written));
    }

    /// True if a live read found the same spec and annotations.
    pub fn is_confirmed(&self, key: &DriveKey, uid: &str, written: u64) -> bool {
        self.of(key, uid, |known| known.confirmed == Some(written))
    }

    /// Remembers the status of a drive, and which version of the drive it made when it was written.
    pub fn status_is(&self, key: &DriveKey, uid: &str, status: RecruitmentDriveStatus, version: Option<u64>) {
        self.of(key, uid, |known| {
            known.deferred_since = None;
            match version {
                Some(version) => known.status.written(status, version),
                None => known.status.found_equal(status),
            }
        });
    }

    /// True if the cached status is the stored one.
    pub fn is_sure(&self, key: &DriveKey, uid: &str) -> bool {
        self.of(key, uid, |known| known.status.is_sure())
    }

    /// Takes a version of the drive from the watch. Returns true for a newer version with another status.
    pub fn hears(&self, key: &DriveKey, uid: &str, status: &RecruitmentDriveStatus, version: u64) -> bool {
        let mut drives = self.lock();
        let known = drives.get_mut(key).filter(|known| known.uid == uid);
        known.is_none_or(|known| known.status.hears(status, version))
    }

    /// How long a status of the drive has been put off; nothing when it begins now.
    pub fn defers_status(&self, key: &DriveKey, uid: &str) -> Duration {
        self.of(key, uid, |known| {
            known.deferred_since.get_or_insert_with(Instant::now).elapsed()
        })
    }

    /// Counts a failure, and returns how many there were in a row.
    pub fn failed(&self, key: &DriveKey) -> u32 {
        let mut drives = self.lock();
        let known = drives.entry(key.clone()).or_default();
        known.failures = known.failures.saturating_add(1);
        known.failures
    }

    /// A reconcile begins, and so many outages have ended.
    pub fn begins(&self, key: &DriveKey, ended: u64) {
        if let Some(known) = self.lock().get_mut(key) {
            known.unreached = false;
            known.began = ended;
        }
    }

    /// The same as [`DriveCache::failed`], of a reconcile that did not reach the API server. When an outage ended while it was
    /// under way nobody would requeue the drive any more, and the row begins anew: `ended` is how many ended by now.
    pub fn unreached(&self, key: &DriveKey, ended: u64) -> u32 {
        let mut drives = self.lock();
        let known = drives.entry(key.clone()).or_default();
        known.unreached = true;
        known.failures = if ended > known.began {
            1
        } else {
            known.failures.saturating_add(1)
        };
        known.failures
    }

    /// The drives whose last reconcile did not reach the API server. Their rows of failures end: what failed was the network.
    pub fn take_unreached(&self) -> Vec<DriveKey> {
        let mut drives = self.lock();
        let unreached = drives.iter_mut().filter(|(_, known)| known.unreached);
        unreached
            .map(|(key, known)| {
                known.unreached = false;
                known.failures = 0;
                key.clone()
            })
            .collect()
    }

    /// Ends a row of failures.
    pub fn succeeded(&self, key: &DriveKey) {
        if let Some(known) = self.lock().get_mut(key) {
            known.failures = 0;
        }
    }

    /// Forgets a drive that is gone, and returns what was known.
    pub fn forget(&self, key: &DriveKey) -> Option<Remembered> {
        self.lock().remove(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> DriveKey {
        DriveKey::new("n", name)
    }

    #[test]
    fn only_drives_that_failed_for_the_network_are_woken_and_once() {
        let cache = DriveCache::default();
        for _ in 0..6 {
            cache.begins(&key("cut-off"), 0);
            cache.unreached(&key("cut-off"), 0);
            cache.begins(&key("refused"), 0);
            cache.failed(&key("refused"));
        }
        assert_eq!(cache.take_unreached(), [key("cut-off")]);
        assert!(cache.take_unreached().is_empty());
        assert_eq!(cache.unreached(&key("cut-off"), 0), 1, "its row ended with the outage");
        assert_eq!(cache.failed(&key("refused")), 7, "it keeps its back-off");
    }

    #[test]
    fn a_drive_that_was_refused_after_the_network_failed_keeps_its_back_off() {
        let cache = DriveCache::default();
        cache.unreached(&key("d"), 0);
        cache.begins(&key("d"), 0);
        cache.failed(&key("d"));
        assert!(cache.take_unreached().is_empty());
    }

    #[test]
    fn a_namespace_is_closing_for_the_drive_that_saw_it_and_not_for_one_that_was_made_again() {
        let cache = DriveCache::default();
        cache.closes(&key("d"), "old", true);
        assert!(cache.is_closing(&key("d"), "old"));
        assert!(!cache.is_closing(&key("d"), "new"));
        cache.status_write_begins(&key("d"), "new");
        assert!(!cache.is_closing(&key("d"), "new"));
    }

    #[test]
    fn a_walk_that_an_outage_outran_is_tried_again_soon_and_only_once_for_that_outage() {
        let cache = DriveCache::default();
        for _ in 0..6 {
            cache.begins(&key("d"), 0);
            cache.unreached(&key("d"), 0);
        }
        cache.begins(&key("d"), 0);
        assert_eq!(cache.unreached(&key("d"), 1), 1);
        cache.begins(&key("d"), 1);
        assert_eq!(cache.unreached(&key("d"), 1), 2);
    }
}
