//! What is said of a watch that fails, and when. Pure: the clock is an argument.
//!
//! In a bad network every watch fails every few seconds. A line for each failure buries the one line that matters, so
//! one problem of one watch is said when it begins and then once a minute at most.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// How often the same problem is said again.
pub const REMIND: Duration = Duration::from_mins(1);

/// What kind of problem it is. Problems of one kind are one problem, in whatever words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trouble {
    /// The API server is not reached, or too busy to answer.
    Unreached,
    /// It answered no, with this HTTP status.
    Refused(u16),
}

/// What is to be said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// This problem begins.
    Fails {
        /// Failures since something was last said, this one among them.
        failures: u64,
    },
    /// It goes on.
    StillFails {
        /// Failures since something was last said, this one among them.
        failures: u64,
        /// Since the first one.
        lasts: Duration,
    },
}

/// What is known of one watch.
#[derive(Debug, Default)]
pub struct Hearing {
    /// Since when nothing is heard.
    since: Option<Instant>,
    /// What was said since then.
    told: BTreeSet<Trouble>,
    /// When each problem was last said, however often the watch was heard again meanwhile.
    said: BTreeMap<Trouble, Instant>,
    /// Failures since something was last said.
    failures: u64,
}

impl Hearing {
    /// Whether the last that is known of it is a failure.
    pub fn fails(&self) -> bool {
        self.since.is_some()
    }

    /// Takes a failure.
    pub fn failed(&mut self, trouble: Trouble, now: Instant) -> Option<Said> {
        let since = *self.since.get_or_insert(now);
        self.failures = self.failures.saturating_add(1);
        self.said
            .retain(|_, said| now.saturating_duration_since(*said) < REMIND);
        if self.said.contains_key(&trouble) {
            return None;
        }
        self.said.insert(trouble, now);
        let failures = std::mem::take(&mut self.failures);
        Some(if self.told.insert(trouble) {
            Said::Fails { failures }
        } else {
            Said::StillFails {
                failures,
                lasts: now.saturating_duration_since(since),
            }
        })
    }

    /// Takes that it is heard; returns after how long, when it was said that it was not.
    pub fn heard(&mut self, now: Instant) -> Option<Duration> {
        let since = self.since.take()?;
        let told = !std::mem::take(&mut self.told).is_empty();
        told.then(|| now.saturating_duration_since(since))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORBIDDEN: Trouble = Trouble::Refused(403);

    fn at(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    #[test]
    fn an_outage_is_said_when_it_begins_once_a_minute_and_when_it_ends() {
        let start = Instant::now();
        let mut hearing = Hearing::default();
        let mut said = Vec::new();
        for second in 0..150 {
            if let Some(one) = hearing.failed(Trouble::Unreached, at(start, second)) {
                said.push(one);
            }
        }
        let still = |lasts| Said::StillFails {
            failures: 60,
            lasts: Duration::from_secs(lasts),
        };
        assert_eq!(said, [Said::Fails { failures: 1 }, still(60), still(120)]);
        assert!(hearing.fails());
        assert_eq!(hearing.heard(at(start, 150)), Some(Duration::from_secs(150)));
        assert!(!hearing.fails());
        assert_eq!(hearing.heard(at(start, 151)), None, "it is said once");
    }

    #[test]
    fn a_right_that_is_missing_is_said_at_once_in_the_middle_of_an_outage() {
        let start = Instant::now();
        let mut hearing = Hearing::default();
        hearing.failed(Trouble::Unreached, start);
        assert_eq!(hearing.failed(Trouble::Unreached, at(start, 1)), None);
        assert_eq!(
            hearing.failed(FORBIDDEN, at(start, 2)),
            Some(Said::Fails { failures: 2 })
        );
        assert_eq!(hearing.failed(FORBIDDEN, at(start, 3)), None);
    }

    #[test]
    fn a_watch_that_comes_and_goes_all_the_time_is_said_once_a_minute_too() {
        let start = Instant::now();
        let mut hearing = Hearing::default();
        let (mut fails, mut heard) = (0, 0);
        for second in (0..600).step_by(2) {
            fails += u32::from(hearing.failed(Trouble::Unreached, at(start, second)).is_some());
            heard += u32::from(hearing.heard(at(start, second + 1)).is_some());
        }
        assert_eq!((fails, heard), (10, 10));
    }

    #[test]
    fn failures_that_were_not_said_are_counted_in_what_is_said_next() {
        let start = Instant::now();
        let mut hearing = Hearing::default();
        hearing.failed(Trouble::Unreached, start);
        hearing.heard(at(start, 1));
        assert_eq!(hearing.failed(Trouble::Unreached, at(start, 10)), None);
        assert_eq!(hearing.heard(at(start, 11)), None, "nobody was told that it failed");
        assert_eq!(
            hearing.failed(Trouble::Unreached, at(start, 61)),
            Some(Said::Fails { failures: 2 })
        );
    }
}
