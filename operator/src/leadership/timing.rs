//! How long things take in an election.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

/// Shortest time that makes sense where a lease counts in seconds.
const SHORTEST: Duration = Duration::from_secs(1);

/// How long things take in an election. The defaults are client-go's.
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

/// Times that cannot work together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TimingError {
    /// Below a second.
    #[error("{0} is shorter than a second: a lease counts in seconds")]
    TooShort(&'static str),
    /// The leader would still act when another one may.
    #[error(
        "the lease duration ({lease:?}) is not longer than the renew deadline ({renew:?}), so that two could lead at once: make it half as long again, at least"
    )]
    NoMargin {
        /// Lease duration.
        lease: Duration,
        /// Renew deadline.
        renew: Duration,
    },
    /// One request that fails would end the tenure.
    #[error(
        "the renew deadline ({renew:?}) leaves no room for a second try every {retry:?}: make it twice the retry period, at least"
    )]
    NoSecondTry {
        /// Renew deadline.
        renew: Duration,
        /// Retry period.
        retry: Duration,
    },
}

impl Timing {
    /// Times that fit together: `lease` is how long a leader that is not heard of is waited for, `renew` how long it goes
    /// on without a renewal, `retry` the time between two tries.
    ///
    /// # Errors
    /// When two could lead at once, or one failed request would end a tenure.
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

    /// How long a leader that is not heard of is waited for.
    pub fn lease(&self) -> Duration {
        self.lease
    }

    /// How long a leader acts after the moment it sent the renewal that succeeded last.
    pub fn renew(&self) -> Duration {
        self.renew
    }

    /// Time between two tries.
    pub fn retry(&self) -> Duration {
        self.retry
    }

    /// Longest time for one request: two of them fit into the renew deadline.
    pub fn request(&self) -> Duration {
        self.renew / 2
    }

    /// Time until a candidate tries again: client-go's jitter, drawn from its name, so that replicas that were started
    /// together do not ask together.
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
    fn times_that_would_let_two_lead_or_one_stumble_are_refused_with_a_sentence() {
        assert_eq!(seconds(15, 10, 2), Ok(Timing::default()));
        for (refused, word) in [
            (seconds(10, 10, 2), "two could lead"),
            (seconds(15, 3, 2), "second try"),
            (seconds(15, 10, 0), "retry period"),
        ] {
            let said = refused.unwrap_err().to_string();
            assert!(said.contains(word), "{said}");
        }
    }

    #[test]
    fn a_candidate_waits_between_one_and_two_point_two_retry_periods() {
        let timing = Timing::default();
        let pauses: Vec<Duration> = (0..200).map(|turn| timing.pause("a", turn)).collect();
        assert!(
            pauses.iter().all(|pause| (2_000..4_400).contains(&pause.as_millis())),
            "{pauses:?}"
        );
        assert!(pauses.iter().any(|pause| pause.as_millis() > 4_000), "{pauses:?}");
    }
}
