//! Exponential back-off. The jitter comes from the drive's name, so that drives that fail together do not retry together.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use crate::drive_key::DriveKey;

const FIRST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_mins(5);

/// The wait after this many failures in a row: doubling from half a second to five minutes, plus up to a fifth.
pub fn wait(failures: u32, drive: &DriveKey) -> Duration {
    let doubled = FIRST.saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1).min(16)));
    jittered(doubled.min(LONGEST), failures, drive)
}

/// The wait of a retry that no change is expected to wake earlier.
pub fn longest(drive: &DriveKey) -> Duration {
    jittered(LONGEST, 0, drive)
}

fn jittered(base: Duration, failures: u32, drive: &DriveKey) -> Duration {
    let mut hasher = DefaultHasher::new();
    (drive, failures).hash(&mut hasher);
    let share = u32::try_from(hasher.finish() % 1_000).unwrap_or_default();
    base + base * share / 5_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_five_minutes_and_never_overflow() {
        let drive = DriveKey::new("n", "d");
        let mut before = Duration::ZERO;
        for failures in 1..=10 {
            let now = wait(failures, &drive);
            assert!(now > before, "{failures}");
            before = now;
        }
        for failures in [11, 100, u32::MAX] {
            assert!(wait(failures, &drive) <= LONGEST + LONGEST / 5);
        }
    }

    #[test]
    fn drives_that_fail_together_do_not_try_again_together() {
        let waits: std::collections::BTreeSet<_> = (0..50)
            .map(|i| wait(5, &DriveKey::new("n", &format!("d{i}"))))
            .collect();
        assert!(waits.len() > 40, "{}", waits.len());
    }
}
