//! The durations of an election.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

/// A lease counts in seconds.
const SHORTEST: Duration = Duration::from_secs(1);

/// The defaults are client-go's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    lease: Duration,
    renew: Duration,
    retry: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(15),
            renew: Duration::from_secs(10),
            retry: Duration::from_secs(2),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TimingError {
    #[error("{0} is shorter than a second: a lease counts in seconds")]
    TooShort(&'static str),
    #[error(
        "the lease duration ({lease:?}) is not longer than the renew deadline ({renew:?}), so two replicas could lead at once: make it at least half as long again"
    )]
    NoMargin { lease: Duration, renew: Duration },
    /// One failed request would end leadership.
    #[error(
        "the renew deadline ({renew:?}) leaves no time for a second attempt after {retry:?}: make it at least twice the retry period"
    )]
    NoSecondTry { renew: Duration, retry: Duration },
}

impl Timing {
    /// `lease`: time without a renewal after which another replica takes the lease. `renew`: time without a renewal
    /// after which the leader stops. `retry`: time between two attempts.
    ///
    /// # Errors
    /// When two replicas could lead at once, or one failed request would end leadership.
    pub fn new(lease: Duration, renew: Duration, retry: Duration) -> Result<Self, TimingError> {
        for (name, duration) in [
            ("the lease duration", lease),
            ("the renew deadline", renew),
            ("the retry period", retry),
        ] {
            if duration < SHORTEST {
                return Err(TimingError::TooShort(name));
            }
        }
        if lease <= renew {
            return Err(TimingError::NoMargin { lease, renew });
        }
        if renew < retry * 2 {
            return Err(TimingError::NoSecondTry { renew, retry });
        }
        Ok(Self { lease, renew, retry })
    }

    pub fn lease(&self) -> Duration {
        self.lease
    }

    /// Counted from the time the last successful renewal was sent.
    pub fn renew(&self) -> Duration {
        self.renew
    }

    pub fn retry(&self) -> Duration {
        self.retry
    }

    /// Time limit of one request: two fit into the renew deadline.
    pub fn request(&self) -> Duration {
        self.renew / 2
    }

    /// A candidate's back-off: client-go's jitter, derived from its name, so that replicas that start together do not
    /// retry together.
    pub fn pause(&self, identity: &str, turn: u64) -> Duration {
        let mut hasher = DefaultHasher::new();
        (identity, turn).hash(&mut hasher);
        let share = u32::try_from(hasher.finish() % 1_000).unwrap_or_default();
        self.retry + self.retry * share * 12 / 10_000
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(lease: u64, renew: u64, retry: u64) -> Result<Timing, TimingError> {
        Timing::new(
            Duration::from_secs(lease),
            Duration::from_secs(renew),
            Duration::from_secs(retry),
        )
    }

    #[test]
    fn durations_that_allow_two_leaders_or_no_second_attempt_are_refused() {
        assert_eq!(seconds(15, 10, 2), Ok(Timing::default()));
        for (refused, word) in [
            (seconds(10, 10, 2), "two replicas could lead"),
            (seconds(15, 3, 2), "second attempt"),
            (seconds(15, 10, 0), "retry period"),
        ] {
            let message = refused.unwrap_err().to_string();
            assert!(message.contains(word), "{message}");
        }
    }

    #[test]
    fn the_backoff_is_between_1_and_2_2_retry_periods() {
        let timing = Timing::default();
        let pauses: Vec<Duration> = (0..200).map(|turn| timing.pause("a", turn)).collect();
        assert!(
            pauses.iter().all(|pause| (2_000..4_400).contains(&pause.as_millis())),
            "{pauses:?}"
        );
        assert!(pauses.iter().any(|pause| pause.as_millis() > 4_000), "{pauses:?}");
    }
}
