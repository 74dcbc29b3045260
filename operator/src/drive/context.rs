//! What every reconcile shares.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use kube::core::DeserializeGuard;
use kube::runtime::events::Recorder;
use kube::runtime::reflector::Store as Drives;
use ras_crds::{RecruitmentDrive, RecruitmentDriveStatus};
use tokio::sync::{mpsc, watch};

use crate::cluster::claims::Claims;
use crate::cluster::store::DriveKey;
use crate::drive::apply::hands::Hands;
use crate::drive::fetched::Apis;
use crate::platform::PlatformConfig;

/// What every reconcile shares.
pub struct Context {
    /// Writes children, and knows the memory of all of them.
    pub hands: Hands,
    /// All drives.
    pub drives: Drives<DeserializeGuard<RecruitmentDrive>>,
    /// Which drive claims which names.
    pub claims: Arc<Claims>,
    /// The platform's settings.
    pub platform: PlatformConfig,
    /// Which optional APIs there are.
    pub apis: watch::Receiver<Option<Apis>>,
    /// Sends events.
    pub recorder: Recorder,
    /// The queue of drives that have to look again.
    pub queue: mpsc::UnboundedSender<DriveKey>,
    /// What is remembered of each drive.
    pub memory: Memory,
}

/// What is remembered of each drive between reconciles. Losing it costs a request, never a mistake.
#[derive(Debug, Default)]
pub struct Memory {
    drives: Mutex<HashMap<DriveKey, Remembered>>,
}

/// What is remembered of one drive.
#[derive(Clone, Debug, Default)]
pub struct Remembered {
    /// UID of the drive it speaks of.
    pub uid: String,
    /// The status last written or found equal. The informer may not have it yet.
    pub status: RecruitmentDriveStatus,
    /// Failures in a row.
    pub failures: u32,
    /// Since when a status is put off because what it tells is about to change.
    pub untold_since: Option<Instant>,
}

impl Memory {
    fn lock(&self) -> MutexGuard<'_, HashMap<DriveKey, Remembered>> {
        self.drives.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is remembered of the drive with this UID.
    pub fn get(&self, key: &DriveKey, uid: &str) -> Option<Remembered> {
        self.lock().get(key).filter(|known| known.uid == uid).cloned()
    }

    /// Remembers the status of a drive.
    pub fn shown(&self, key: &DriveKey, uid: &str, status: RecruitmentDriveStatus) {
        let mut drives = self.lock();
        let known = drives.entry(key.clone()).or_default();
        uid.clone_into(&mut known.uid);
        known.status = status;
        known.untold_since = None;
    }

    /// How long a status of the drive has been put off; nothing when it begins now.
    pub fn waits_to_tell(&self, key: &DriveKey, uid: &str) -> Duration {
        let mut drives = self.lock();
        let known = drives.entry(key.clone()).or_default();
        if known.uid != uid {
            *known = Remembered {
                uid: uid.to_owned(),
                ..Remembered::default()
            };
        }
        known.untold_since.get_or_insert_with(Instant::now).elapsed()
    }

    /// Counts a failure, and returns how many there were in a row.
    pub fn failed(&self, key: &DriveKey) -> u32 {
        let mut drives = self.lock();
        let known = drives.entry(key.clone()).or_default();
        known.failures = known.failures.saturating_add(1);
        known.failures
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
