//! Whether this process may write. Asked before every write, wherever it is made.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use super::decide::Moment;
use super::writes::{Begun, Planned, Writes};

/// Tells the time.
pub trait Clock: Send + Sync {
    /// The time on the clock that only goes forward.
    fn steady(&self) -> Moment;
    /// The time on the wall, counted from anywhere.
    fn wall(&self) -> Duration;
}

/// This machine's clocks.
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

/// A moment on both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// On the clock that only goes forward.
    pub steady: Moment,
    /// On the wall.
    pub wall: Duration,
}

impl Reading {
    fn plus(self, duration: Duration) -> Self {
        Self {
            steady: self.steady.saturating_add(duration),
            wall: self.wall.saturating_add(duration),
        }
    }

    /// Whether either clock has reached the other reading. The clock that only goes forward stands still while a machine
    /// sleeps or is moved, and the wall clock tells of it; a wall clock that jumps ahead by mistake ends a tenure early,
    /// which costs a moment and never two leaders.
    fn has_reached(self, other: Self) -> bool {
        self.steady >= other.steady || self.wall >= other.wall
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// There is no election: this process is the only one.
    Alone,
    /// Somebody else leads, or nobody.
    Standby,
    /// This process leads, until then.
    Until(Reading),
}

/// Whether this process may write, shared by all who write.
#[derive(Clone)]
pub struct Leadership {
    clock: Arc<dyn Clock>,
    state: Arc<Mutex<State>>,
    writes: Writes,
}

impl std::fmt::Debug for Leadership {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Tenure").field(&*self.state()).finish()
    }
}

/// Why nothing was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this replica does not lead, so it writes nothing")]
pub struct NotLeading;

impl Leadership {
    /// Of a process that is the only one: it may always write.
    pub fn alone() -> Self {
        Self::with(Arc::new(MachineClock::default()), State::Alone)
    }

    /// Of a process that takes part in an election: it may write once it has won.
    pub fn elected(clock: Arc<dyn Clock>) -> Self {
        Self::with(clock, State::Standby)
    }

    fn with(clock: Arc<dyn Clock>, state: State) -> Self {
        Self {
            clock,
            state: Arc::new(Mutex::new(state)),
            writes: Writes::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The time.
    pub fn now(&self) -> Reading {
        Reading {
            steady: self.clock.steady(),
            wall: self.clock.wall(),
        }
    }

    /// Lets this process write until `duration` after `sent`, the moment **before** the renewal was sent: others count
    /// from a later one.
    pub fn extend(&self, sent: Reading, duration: Duration) {
        *self.state() = State::Until(sent.plus(duration));
    }

    /// Ends it: from now on nothing is written.
    pub fn end(&self) {
        let mut state = self.state();
        if *state != State::Alone {
            *state = State::Standby;
        }
    }

    /// Whether this process may write now.
    ///
    /// # Errors
    /// When it may not.
    pub fn check(&self) -> Result<(), NotLeading> {
        let state = *self.state();
        match state {
            State::Alone => Ok(()),
            State::Until(end) if !self.now().has_reached(end) => Ok(()),
            State::Standby | State::Until(_) => Err(NotLeading),
        }
    }

    /// Begins a write, which is under way until the answer is dropped.
    ///
    /// # Errors
    /// When this process may not write, or is about to give the lease back.
    pub fn begin(&self) -> Result<Begun, NotLeading> {
        let begun = self.writes.begin().ok_or(NotLeading)?;
        self.check()?;
        Ok(begun)
    }

    /// Announces work that will write in a moment: the lease is not given back before it has.
    pub fn plan(&self) -> Planned {
        self.writes.plan()
    }

    /// The writes under way.
    pub fn writes(&self) -> &Writes {
        &self.writes
    }

    /// How long it has been over without having been ended: the loop that should have ended this process hangs.
    pub fn overdue(&self) -> Option<Duration> {
        let state = *self.state();
        let State::Until(end) = state else { return None };
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
    fn it_holds_from_the_first_renewal_until_either_clock_has_reached_its_end() {
        let clock = Arc::new(HandClock::default());
        let tenure = Leadership::elected(clock.clone());
        assert_eq!(tenure.check(), Err(NotLeading));
        let renew = |tenure: &Leadership| tenure.extend(tenure.now(), Duration::from_secs(10));
        for (steady, wall, holds) in [
            (0, 0, true),
            (9, 9, true),
            (10, 9, false),
            (9, 10, false),
            (1, 3_600, false),
        ] {
            *clock.0.lock().unwrap() = (0, 0);
            renew(&tenure);
            *clock.0.lock().unwrap() = (steady, wall);
            assert_eq!(tenure.check().is_ok(), holds, "{steady} {wall}");
        }
        *clock.0.lock().unwrap() = (25, 25);
        assert_eq!(tenure.overdue(), Some(Duration::from_secs(15)));
        tenure.end();
        assert_eq!((tenure.check(), tenure.overdue()), (Err(NotLeading), None));
    }

    #[tokio::test]
    async fn who_has_finished_begins_no_write_although_the_lease_is_still_kept() {
        let tenure = Leadership::elected(Arc::new(HandClock::default()));
        assert_eq!(tenure.begin().err(), Some(NotLeading));
        tenure.extend(tenure.now(), Duration::from_secs(10));
        assert!(tenure.begin().is_ok());
        tenure.writes().finish().await.unwrap();
        assert_eq!((tenure.begin().err(), tenure.check()), (Some(NotLeading), Ok(())));
    }

    #[test]
    fn who_is_alone_may_always_write() {
        let tenure = Leadership::alone();
        tenure.end();
        assert_eq!((tenure.check(), tenure.overdue()), (Ok(()), None));
    }
}
