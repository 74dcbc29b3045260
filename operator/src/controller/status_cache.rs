//! The last known status of a drive, and whether the stored one equals it.
//!
//! The status writer sends a patch only when the new status differs from the last one. That comparison is safe only while the
//! cache is right: a write may succeed although its answer is lost, and another client may write the status too. So the cache
//! counts only after an answer confirmed it, and while the watch has shown no newer version with another status.

use ras_crds::RecruitmentDriveStatus;

/// The last known status of one drive.
#[derive(Clone, Debug, Default)]
pub struct StatusCache {
    /// The status last written or found equal. The informer may not have it yet.
    pub status: RecruitmentDriveStatus,
    /// Version of the drive that the last write made.
    version: u64,
    /// A write began, and its answer has not arrived.
    open: bool,
    /// Newest version that the watch has shown with another status.
    other: u64,
}

impl StatusCache {
    /// A write begins. Until it is answered, the stored status is unknown.
    pub fn begins(&mut self) {
        self.open = true;
    }

    /// A write made this version of the drive.
    pub fn written(&mut self, status: RecruitmentDriveStatus, version: u64) {
        self.status = status;
        self.version = self.version.max(version);
        self.open = false;
    }

    /// A write with a resourceVersion precondition made this version, so the version before it was current.
    pub fn was_current(&mut self, version: u64) {
        self.version = self.version.max(version);
    }

    /// True after this process wrote a version of the drive or read one live.
    pub fn has_written(&self) -> bool {
        self.version > 0
    }

    /// Nothing was to be written.
    pub fn found_equal(&mut self, status: RecruitmentDriveStatus) {
        self.status = status;
    }

    /// Takes a version from the watch. Returns true for a newer version with another status.
    pub fn hears(&mut self, status: &RecruitmentDriveStatus, version: u64) -> bool {
        let is_news = self.status != *status && version > self.version;
        if is_news {
            self.other = self.other.max(version);
        }
        is_news
    }

    /// True when the stored status equals the cached one.
    pub fn is_sure(&self) -> bool {
        !self.open && self.other <= self.version
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(generation: i64) -> RecruitmentDriveStatus {
        RecruitmentDriveStatus {
            observed_generation: Some(generation),
            ..RecruitmentDriveStatus::default()
        }
    }

    #[test]
    fn a_write_without_an_answer_is_written_again_even_when_it_was_only_to_be_taken_back() {
        let mut cache = StatusCache::default();
        cache.begins();
        cache.written(status(1), 10);
        assert!(cache.is_sure());
        // Stored as version 11, but the answer is lost.
        cache.begins();
        assert!(
            !cache.is_sure(),
            "the new status equals the cached one, but not the stored one"
        );
        cache.written(status(1), 12);
        assert!(cache.is_sure());
    }

    #[test]
    fn what_somebody_else_wrote_is_news_and_written_over_once() {
        let mut cache = StatusCache::default();
        cache.written(status(1), 10);
        assert!(cache.hears(&status(7), 11));
        assert!(!cache.is_sure());
        cache.begins();
        cache.written(status(1), 12);
        assert!(cache.is_sure());
        assert!(!cache.hears(&status(1), 12));
        assert!(cache.is_sure());
    }

    #[test]
    fn ones_own_writes_are_no_news_however_late_they_are_heard_of() {
        let mut cache = StatusCache::default();
        cache.written(status(1), 10);
        cache.written(status(2), 11);
        assert!(!cache.hears(&status(1), 10));
        assert!(!cache.hears(&status(2), 11));
        assert!(cache.is_sure());
    }

    #[test]
    fn a_write_that_is_heard_of_before_it_is_answered_leaves_no_doubt() {
        let mut cache = StatusCache::default();
        cache.written(status(1), 10);
        cache.begins();
        cache.hears(&status(2), 11);
        cache.written(status(2), 11);
        assert!(cache.is_sure());
    }

    #[test]
    fn what_is_heard_of_between_a_write_and_its_answer_is_not_forgotten() {
        let mut cache = StatusCache::default();
        cache.begins();
        assert!(cache.hears(&status(7), 12));
        cache.written(status(1), 11);
        assert!(!cache.is_sure());
    }
}
