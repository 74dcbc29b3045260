//! Knows if this process may write. Checked before every write.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use super::decide::Moment;
use super::writes::{PlannedWrite, WriteGuard, Writes};

pub trait Clock: Send + Sync {
    /// Monotonic.
    fn steady(&self) -> Moment;
    /// Wall clock, from an arbitrary origin.
    fn wall(&self) -> Duration;
}

#[derive(Debug)]
pub struct MachineClock {
    origin: Instant,
}

impl Default for MachineClock {
    fn default() -> Self {
        Self { origin: Instant::now() }
    }
}

impl Clock for MachineClock {
    fn steady(&self) -> Moment {
        self.origin.elapsed()
    }

    fn wall(&self) -> Duration {
        SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockReading {
    pub steady: Moment,
    pub wall: Duration,
}

impl ClockReading {
    fn plus(self, duration: Duration) -> Self {
        Self {
            steady: self.steady.saturating_add(duration),
            wall: self.wall.saturating_add(duration),
        }
    }

    /// True when either clock has reached `other`. The monotonic clock stops while a machine sleeps or migrates, and
    /// the wall clock does not. A wall clock that jumps ahead ends leadership early, which costs a moment and never
    /// makes two leaders.
    fn has_reached(self, other: Self) -> bool {
        self.steady >= other.steady || self.wall >= other.wall
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LeaderState {
    /// There is no election: this is the only replica.
    Alone,
    Standby,
    /// This process leads until then.
    LeadsUntil(ClockReading),
}

#[derive(Clone)]
pub struct Leadership {
    clock: Arc<dyn Clock>,
    state: Arc<Mutex<LeaderState>>,
    writes: Writes,
}

impl std::fmt::Debug for Leadership {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Leadership").field(&*self.state()).finish()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this replica does not lead, so it writes nothing")]
pub struct NotLeading;

impl Leadership {
    /// Without an election: this process may always write.
    pub fn alone() -> Self {
        Self::with(Arc::new(MachineClock::default()), LeaderState::Alone)
    }

    /// With an election: this process may write once it has won.
    pub fn elected(clock: Arc<dyn Clock>) -> Self {
        Self::with(clock, LeaderState::Standby)
    }

    fn with(clock: Arc<dyn Clock>, state: LeaderState) -> Self {
        Self {
            clock,
            state: Arc::new(Mutex::new(state)),
            writes: Writes::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, LeaderState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn now(&self) -> ClockReading {
        ClockReading {
            steady: self.clock.steady(),
            wall: self.clock.wall(),
        }
    }

    /// Allows writes until `duration` after `sent`, the time **before** the renewal was sent. Other replicas count from
    /// a later time.
    pub fn extend(&self, sent: ClockReading, duration: Duration) {
        *self.state() = LeaderState::LeadsUntil(sent.plus(duration));
    }

    pub fn end(&self) {
        let mut state = self.state();
        if *state != LeaderState::Alone {
            *state = LeaderState::Standby;
        }
    }

    /// # Errors
    /// When it may not.
    pub fn check(&self) -> Result<(), NotLeading> {
        let state = *self.state();
        match state {
            LeaderState::Alone => Ok(()),
            LeaderState::LeadsUntil(end) if !self.now().has_reached(end) => Ok(()),
            LeaderState::Standby | LeaderState::LeadsUntil(_) => Err(NotLeading),
        }
    }

    /// Starts a write, which is in flight until the guard is dropped.
    ///
    /// # Errors
    /// When this process may not write, or is about to release the lease.
    pub fn begin(&self) -> Result<WriteGuard, NotLeading> {
        let guard = self.writes.begin().ok_or(NotLeading)?;
        self.check()?;
        Ok(guard)
    }

    /// Announces a write, so that the lease is not released before it is sent.
    pub fn plan(&self) -> PlannedWrite {
        self.writes.plan()
    }

    pub fn writes(&self) -> &Writes {
        &self.writes
    }

    /// Time since leadership expired, if the loop has not ended it: then the loop hangs.
    pub fn overdue(&self) -> Option<Duration> {
        let state = *self.state();
        let LeaderState::LeadsUntil(end) = state else {
            return None;
        };
        self.now().steady.checked_sub(end.steady)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct HandClock(Mutex<(u64, u64)>);

    impl Clock for HandClock {
        fn steady(&self) -> Moment {
            Duration::from_secs(self.0.lock().unwrap().0)
        }

        fn wall(&self) -> Duration {
            Duration::from_secs(self.0.lock().unwrap().1)
        }
    }

    #[test]
    fn leadership_lasts_from_the_first_renewal_until_either_clock_reaches_its_end() {
        let clock = Arc::new(HandClock::default());
        let leadership = Leadership::elected(clock.clone());
        assert_eq!(leadership.check(), Err(NotLeading));
        let renew = |leadership: &Leadership| leadership.extend(leadership.now(), Duration::from_secs(10));
        for (steady, wall, holds) in [
            (0, 0, true),
            (9, 9, true),
            (10, 9, false),
            (9, 10, false),
            (1, 3_600, false),
        ] {
            *clock.0.lock().unwrap() = (0, 0);
            renew(&leadership);
            *clock.0.lock().unwrap() = (steady, wall);
            assert_eq!(leadership.check().is_ok(), holds, "{steady} {wall}");
        }
        *clock.0.lock().unwrap() = (25, 25);
        assert_eq!(leadership.overdue(), Some(Duration::from_secs(15)));
        leadership.end();
        assert_eq!((leadership.check(), leadership.overdue()), (Err(NotLeading), None));
    }

    #[tokio::test]
    async fn no_write_starts_after_finish_although_the_lease_is_still_held() {
        let leadership = Leadership::elected(Arc::new(HandClock::default()));
        assert_eq!(leadership.begin().err(), Some(NotLeading));
        leadership.extend(leadership.now(), Duration::from_secs(10));
        assert!(leadership.begin().is_ok());
        leadership.writes().finish().await.unwrap();
        assert_eq!(
            (leadership.begin().err(), leadership.check()),
            (Some(NotLeading), Ok(()))
        );
    }

    #[test]
    fn without_an_election_a_process_may_always_write() {
        let leadership = Leadership::alone();
        leadership.end();
        assert_eq!((leadership.check(), leadership.overdue()), (Ok(()), None));
    }
}
