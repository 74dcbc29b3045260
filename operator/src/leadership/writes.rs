//! The writes that this process has begun and not finished, so that the lease is given back only after the last of them.
//!
//! A request that was sent arrives even if its sender gives up waiting. So whoever writes takes a [`Begun`] and keeps it until
//! the answer is there, and work that will write in a moment (an event beside a reconcile) takes a [`Planned`] when it is
//! spawned, not when it sends.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

/// Longest time that planned writes may take until they begin and end.
const PLANNED: Duration = Duration::from_secs(3);
/// Longest time until writes that were begun are answered. Together with the former it is shorter than the time a process has
/// to end.
const BEGUN: Duration = Duration::from_secs(5);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Count {
    closed: bool,
    planned: usize,
    begun: usize,
}

/// The writes under way, shared by all who write.
#[derive(Clone, Debug, Default)]
pub struct Writes(Arc<watch::Sender<Count>>);

/// A write under way, until it is dropped.
#[derive(Debug)]
pub struct Begun(Writes);

/// Work that is about to write, until it is dropped.
#[derive(Debug)]
pub struct Planned(Writes);

impl Drop for Begun {
    fn drop(&mut self) {
        self.0
            .0
            .send_modify(|count| count.begun = count.begun.saturating_sub(1));
    }
}

impl Drop for Planned {
    fn drop(&mut self) {
        self.0
            .0
            .send_modify(|count| count.planned = count.planned.saturating_sub(1));
    }
}

impl Writes {
    /// A write begins, unless no more may. Counting and refusing are one step, so nothing slips in between.
    pub(super) fn begin(&self) -> Option<Begun> {
        let begun = self.0.send_if_modified(|count| {
            if !count.closed {
                count.begun += 1;
            }
            !count.closed
        });
        begun.then(|| Begun(self.clone()))
    }

    /// Somebody is about to write.
    pub(super) fn plan(&self) -> Planned {
        self.0.send_modify(|count| count.planned += 1);
        Planned(self.clone())
    }

    /// Waits for what is planned, refuses what begins later, and waits for what was begun. Each has its own time limit, and
    /// what is planned and does not begin in time is refused.
    ///
    /// # Errors
    /// With the number of writes that were sent and are not answered: they may still arrive.
    pub async fn finish(&self) -> Result<(), usize> {
        self.finish_within(PLANNED, BEGUN).await
    }

    async fn finish_within(&self, planned_limit: Duration, begun_limit: Duration) -> Result<(), usize> {
        let mut counts = self.0.subscribe();
        let planned = counts.wait_for(|count| count.planned == 0);
        // The sender is here, so waiting fails only for the time.
        let _ = tokio::time::timeout(planned_limit, planned).await;
        self.0.send_modify(|count| count.closed = true);
        let begun = counts.wait_for(|count| count.begun == 0);
        match tokio::time::timeout(begun_limit, begun).await {
            Ok(_) => Ok(()),
            Err(_) => match self.0.borrow().begun {
                0 => Ok(()),
                left => Err(left),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::sleep;

    use super::*;

    const LONG: Duration = Duration::from_secs(60);
    const SHORT: Duration = Duration::from_millis(20);

    #[tokio::test]
    async fn what_is_planned_and_what_is_begun_is_waited_for_and_nothing_begins_later() {
        let writes = Writes::default();
        let event = writes.plan();
        let child = writes.begin().unwrap();
        let others = writes.clone();
        let work = tokio::spawn(async move {
            sleep(SHORT).await;
            let sent = others.begin().expect("what was planned may still begin");
            drop(child);
            drop(event);
            sleep(SHORT).await;
            assert!(others.begin().is_none(), "the last answer is waited for");
            drop(sent);
        });
        assert_eq!(writes.finish_within(LONG, LONG).await, Ok(()));
        assert!(writes.begin().is_none());
        work.await.unwrap();
    }

    #[tokio::test]
    async fn what_is_planned_and_begins_too_late_is_refused() {
        let writes = Writes::default();
        let _never_sent = writes.plan();
        assert_eq!(writes.finish_within(SHORT, LONG).await, Ok(()));
        assert!(writes.begin().is_none());
    }

    #[tokio::test]
    async fn a_write_that_is_never_answered_is_counted_and_not_waited_for_without_end() {
        let writes = Writes::default();
        let hangs = writes.begin();
        assert_eq!(writes.finish_within(LONG, SHORT).await, Err(1));
        drop(hangs);
    }
}
