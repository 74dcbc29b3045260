//! Limits the log lines about a watch that fails. Pure: the clock is an argument.
//!
//! In a bad network every watch fails every few seconds. Each kind of failure of a watch is logged when it starts, and
//! then once a minute at most.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// Time between two lines about the same kind of failure.
pub const REPEAT_AFTER: Duration = Duration::from_mins(1);

/// Failures of one kind are one problem, whatever their messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FailureKind {
    /// The API server cannot be reached, or is too busy to answer.
    Unreachable,
    /// It refused the request with this HTTP status.
    Refused(u16),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogLine {
    Starts {
        /// Failures since the last line, including this one.
        failures: u64,
    },
    Continues {
        /// Failures since the last line, including this one.
        failures: u64,
        /// Time since the first failure.
        duration: Duration,
    },
}

#[derive(Debug, Default)]
pub struct LogThrottle {
    /// Time of the first failure after the last success.
    since: Option<Instant>,
    /// Kinds that were logged since then.
    logged: BTreeSet<FailureKind>,
    /// When each kind was last logged, even if the watch has recovered since.
    last_logged: BTreeMap<FailureKind, Instant>,
    /// Failures since the last line.
    failures: u64,
}

impl LogThrottle {
    pub fn is_failing(&self) -> bool {
        self.since.is_some()
    }

    /// Records a failure. Returns the line to log, if any.
    pub fn failed(&mut self, kind: FailureKind, now: Instant) -> Option<LogLine> {
        let since = *self.since.get_or_insert(now);
        self.failures = self.failures.saturating_add(1);
        self.last_logged
            .retain(|_, logged| now.saturating_duration_since(*logged) < REPEAT_AFTER);
        if self.last_logged.contains_key(&kind) {
            return None;
        }
        self.last_logged.insert(kind, now);
        let failures = std::mem::take(&mut self.failures);
        Some(if self.logged.insert(kind) {
            LogLine::Starts { failures }
        } else {
            LogLine::Continues {
                failures,
                duration: now.saturating_duration_since(since),
            }
        })
    }

    /// Records a success. Returns the duration of the failures, if they were logged.
    pub fn succeeded(&mut self, now: Instant) -> Option<Duration> {
        let since = self.since.take()?;
        let is_logged = !std::mem::take(&mut self.logged).is_empty();
        is_logged.then(|| now.saturating_duration_since(since))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORBIDDEN: FailureKind = FailureKind::Refused(403);

    fn at(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    #[test]
    fn an_outage_is_logged_when_it_starts_then_once_a_minute_and_when_it_ends() {
        let start = Instant::now();
        let mut throttle = LogThrottle::default();
        let mut lines = Vec::new();
        for second in 0..150 {
            if let Some(line) = throttle.failed(FailureKind::Unreachable, at(start, second)) {
                lines.push(line);
            }
        }
        let continues = |seconds| LogLine::Continues {
            failures: 60,
            duration: Duration::from_secs(seconds),
        };
        assert_eq!(lines, [LogLine::Starts { failures: 1 }, continues(60), continues(120)]);
        assert!(throttle.is_failing());
        assert_eq!(throttle.succeeded(at(start, 150)), Some(Duration::from_secs(150)));
        assert!(!throttle.is_failing());
        assert_eq!(throttle.succeeded(at(start, 151)), None, "it is logged once");
    }

    #[test]
    fn a_missing_permission_is_logged_at_once_during_an_outage() {
        let start = Instant::now();
        let mut throttle = LogThrottle::default();
        throttle.failed(FailureKind::Unreachable, start);
        assert_eq!(throttle.failed(FailureKind::Unreachable, at(start, 1)), None);
        assert_eq!(
            throttle.failed(FORBIDDEN, at(start, 2)),
            Some(LogLine::Starts { failures: 2 })
        );
        assert_eq!(throttle.failed(FORBIDDEN, at(start, 3)), None);
    }

    #[test]
    fn a_watch_that_fails_and_recovers_all_the_time_is_logged_once_a_minute() {
        let start = Instant::now();
        let mut throttle = LogThrottle::default();
        let (mut failures, mut recoveries) = (0, 0);
        for second in (0..600).step_by(2) {
            failures += u32::from(throttle.failed(FailureKind::Unreachable, at(start, second)).is_some());
            recoveries += u32::from(throttle.succeeded(at(start, second + 1)).is_some());
        }
        assert_eq!((failures, recoveries), (10, 10));
    }

    #[test]
    fn failures_that_were_not_logged_are_counted_in_the_next_line() {
        let start = Instant::now();
        let mut throttle = LogThrottle::default();
        throttle.failed(FailureKind::Unreachable, start);
        throttle.succeeded(at(start, 1));
        assert_eq!(throttle.failed(FailureKind::Unreachable, at(start, 10)), None);
        assert_eq!(throttle.succeeded(at(start, 11)), None, "its failure was not logged");
        assert_eq!(
            throttle.failed(FailureKind::Unreachable, at(start, 61)),
            Some(LogLine::Starts { failures: 2 })
        );
    }
}
