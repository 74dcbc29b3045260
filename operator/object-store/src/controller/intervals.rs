//! When a bucket is checked next.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use ras_core::backoff;
use ras_core::retry::Retry;

use super::entry::BucketKey;
use crate::failure::Failure;

#[derive(Clone, Copy, Debug)]
pub struct Intervals {
    /// Between two checks of a bucket's settings.
    pub check_every: Duration,
    /// Longest time between two checks that a bucket exists, one request each.
    pub verify_every: Duration,
    /// Within this time after a start every bucket that status calls ready is checked for existence, not all of them at once.
    pub verify_first: Duration,
    /// Between two counts of a bucket's objects, and the most requests for one count. Absent: nothing is counted.
    pub usage: Option<(Duration, u32)>,
}

impl Intervals {
    /// With the times for the checks of existence that docs/storage.md states.
    pub fn new(check_every: Duration, usage: Option<(Duration, u32)>) -> Self {
        Self {
            check_every,
            // With a tenth more it is still within an hour.
            verify_every: Duration::from_secs(3_240),
            verify_first: Duration::from_secs(300),
            usage,
        }
    }
}

pub(super) fn retry_after(failure: &Failure, failures: u32, key: &BucketKey) -> Duration {
    match failure.retry() {
        Retry::Soon | Retry::WhenReached => backoff::wait(failures, &key.drive),
        Retry::OnChange | Retry::Never => backoff::longest(&key.drive),
    }
}

/// `duration` plus or minus a tenth, so that buckets that were created together are not checked together.
pub(super) fn about(duration: Duration, key: &BucketKey) -> Duration {
    duration.mul_f64(0.9 + 0.2 * share(key))
}

/// Some time within `duration`, the same for one bucket each time.
pub(super) fn within(duration: Duration, key: &BucketKey) -> Duration {
    duration.mul_f64(share(key))
}

/// A number from 0 to 1, always the same for one bucket.
fn share(key: &BucketKey) -> f64 {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    let thousandths = u32::try_from(hasher.finish() % 1_000).unwrap_or_default();
    f64::from(thousandths) / 1_000.0
}
