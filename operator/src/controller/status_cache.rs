//! What was told of a drive in its status, and whether that is still what stands there.
//!
//! A status is written when it differs from what was told last. That alone would leave a status for ever that nobody
//! means: one that was written though its answer got lost, or one that somebody else wrote. So what was told is only
//! relied on when an answer confirmed it and nothing newer was heard.

use ras_crds::RecruitmentDriveStatus;

/// What was told of one drive.
#[derive(Clone, Debug, Default)]
pub struct StatusCache {
    /// The status last written or found equal. The informer may not have it yet.
    pub status: RecruitmentDriveStatus,
    /// Version of the drive that the last write made.
    version: u64,
    /// Whether a write began of which no answer has come.
    open: bool,
    /// Newest version of the drive that was heard of with another status.
    other: u64,
}

impl StatusCache {
    /// A write begins. Until its answer is here nobody knows what stands in the status.
    pub fn begins(&mut self) {
        self.open = true;
    }

    /// A write made this version of the drive.
    pub fn written(&mut self, status: RecruitmentDriveStatus, version: u64) {
        self.status = status;
        self.version = self.version.max(version);
        self.open = false;
    }

    /// A write that named the version that it was decided by made this one.
    pub fn was_current(&mut self, version: u64) {
        self.version = self.version.max(version);
    }

    /// Whether a version of the drive is known that this process wrote or read live.
    pub fn has_written(&self) -> bool {
        self.version > 0
    }

    /// Nothing was to be written.
    pub fn found_equal(&mut self, status: RecruitmentDriveStatus) {
        self.status = status;
    }

    /// A version of the drive is heard of, with its status. Returns whether that is news: neither what was told nor
    /// older than that.
    pub fn hears(&mut self, status: &RecruitmentDriveStatus, version: u64) -> bool {
        let is_news = self.status != *status && version > self.version;
        if is_news {
            self.other = self.other.max(version);
        }
        is_news
    }

    /// Whether what was told is what stands there.
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
        let mut told = StatusCache::default();
        told.begins();
        told.written(status(1), 10);
        assert!(told.is_sure());
        // Stored as version 11, but the answer is lost.
        told.begins();
        assert!(
            !told.is_sure(),
            "what is to be told now equals what was told before, and not what is stored"
        );
        told.written(status(1), 12);
        assert!(told.is_sure());
    }

    #[test]
    fn what_somebody_else_wrote_is_news_and_written_over_once() {
        let mut told = StatusCache::default();
        told.written(status(1), 10);
        assert!(told.hears(&status(7), 11));
        assert!(!told.is_sure());
        told.begins();
        told.written(status(1), 12);
        assert!(told.is_sure());
        assert!(!told.hears(&status(1), 12));
        assert!(told.is_sure());
    }

    #[test]
    fn ones_own_writes_are_no_news_however_late_they_are_heard_of() {
        let mut told = StatusCache::default();
        told.written(status(1), 10);
        told.written(status(2), 11);
        assert!(!told.hears(&status(1), 10));
        assert!(!told.hears(&status(2), 11));
        assert!(told.is_sure());
    }

    #[test]
    fn a_write_that_is_heard_of_before_it_is_answered_leaves_no_doubt() {
        let mut told = StatusCache::default();
        told.written(status(1), 10);
        told.begins();
        told.hears(&status(2), 11);
        told.written(status(2), 11);
        assert!(told.is_sure());
    }

    #[test]
    fn what_is_heard_of_between_a_write_and_its_answer_is_not_forgotten() {
        let mut told = StatusCache::default();
        told.begins();
        assert!(told.hears(&status(7), 12));
        told.written(status(1), 11);
        assert!(!told.is_sure());
    }
}
