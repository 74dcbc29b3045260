//! Counts the writes in flight, so that the lease is released after the last of them.
//!
//! A request that was sent may arrive even if its sender stops waiting. So each write holds a [`WriteGuard`] until its
//! response arrives. A spawned task that will write, such as one that sends an event, holds a [`PlannedWrite`] from
//! when it is spawned.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

/// Time limit for planned writes.
const PLANNED_LIMIT: Duration = Duration::from_secs(3);
/// Time limit for responses. Both together are shorter than the pod's termination grace period.
const IN_FLIGHT_LIMIT: Duration = Duration::from_secs(5);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Count {
    closed: bool,
    planned: usize,
    in_flight: usize,
}

#[derive(Clone, Debug, Default)]
pub struct Writes(Arc<watch::Sender<Count>>);

/// A write in flight, until it is dropped.
#[derive(Debug)]
pub struct WriteGuard(Writes);

/// A write that is not sent yet, until it is dropped.
#[derive(Debug)]
pub struct PlannedWrite(Writes);

impl Drop for WriteGuard {
    fn drop(&mut self) {
        self.0
            .0
            .send_modify(|count| count.in_flight = count.in_flight.saturating_sub(1));
    }
}

impl Drop for PlannedWrite {
    fn drop(&mut self) {
        self.0
            .0
            .send_modify(|count| count.planned = count.planned.saturating_sub(1));
    }
}

impl Writes {
    /// `None` after `finish`. Checking and counting are one step, so no write starts in between.
    pub(super) fn begin(&self) -> Option<WriteGuard> {
        let is_open = self.0.send_if_modified(|count| {
            if !count.closed {
                count.in_flight += 1;
            }
            !count.closed
        });
        is_open.then(|| WriteGuard(self.clone()))
    }

    pub(super) fn plan(&self) -> PlannedWrite {
        self.0.send_modify(|count| count.planned += 1);
        PlannedWrite(self.clone())
    }

    /// Waits for planned writes, refuses later ones, and waits for the responses. Both waits have a time limit.
    ///
    /// # Errors
    /// With the number of writes without a response: they may still arrive.
    pub async fn finish(&self) -> Result<(), usize> {
        self.finish_within(PLANNED_LIMIT, IN_FLIGHT_LIMIT).await
    }

    async fn finish_within(&self, planned_limit: Duration, in_flight_limit: Duration) -> Result<(), usize> {
        let mut counts = self.0.subscribe();
        let planned = counts.wait_for(|count| count.planned == 0);
        // It fails only at the time limit, because `self` is the sender.
        let _ = tokio::time::timeout(planned_limit, planned).await;
        self.0.send_modify(|count| count.closed = true);
        let in_flight = counts.wait_for(|count| count.in_flight == 0);
        match tokio::time::timeout(in_flight_limit, in_flight).await {
            Ok(_) => Ok(()),
            Err(_) => match self.0.borrow().in_flight {
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
    async fn finish_waits_for_planned_writes_and_responses_and_no_write_starts_later() {
        let writes = Writes::default();
        let event = writes.plan();
        let child = writes.begin().unwrap();
        let others = writes.clone();
        let work = tokio::spawn(async move {
            sleep(SHORT).await;
            let sent = others.begin().expect("a planned write may still start");
            drop(child);
            drop(event);
            sleep(SHORT).await;
            assert!(others.begin().is_none(), "only the last response is waited for");
            drop(sent);
        });
        assert_eq!(writes.finish_within(LONG, LONG).await, Ok(()));
        assert!(writes.begin().is_none());
        work.await.unwrap();
    }

    #[tokio::test]
    async fn a_planned_write_that_starts_too_late_is_refused() {
        let writes = Writes::default();
        let _never_sent = writes.plan();
        assert_eq!(writes.finish_within(SHORT, LONG).await, Ok(()));
        assert!(writes.begin().is_none());
    }

    #[tokio::test]
    async fn a_write_without_a_response_is_counted_and_the_wait_is_limited() {
        let writes = Writes::default();
        let hangs = writes.begin();
        assert_eq!(writes.finish_within(LONG, SHORT).await, Err(1));
        drop(hangs);
    }
}
