//! Detects outages of the API server, and resumes everything that waits when one ends.
//!
//! During an outage each watch and each drive has its own back-off, and would keep waiting long after the API server is
//! back. So a request that fails for the network is reported here and starts one probe for all: `/readyz`, every second
//! or two until it answers. Then watches and drives retry at once.
//!
//! Only a failed probe is an outage: a drive whose own requests fail while the probe succeeds keeps its back-off.
//! Without failures there is no probe.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::FutureExt;
use http::Request;
use kube::Client;
use tokio::sync::{Notify, watch};

use crate::informer::api_errors::{is_unreachable, summary};
use crate::informer::log_throttle::{FailureKind, LogLine, LogThrottle};

/// Time between two probes, plus up to the same time as jitter.
const PROBE_EVERY: Duration = Duration::from_secs(1);
const TIMEOUT: Duration = Duration::from_secs(3);
/// Includes the API server's own database. Every authenticated client may read it.
const PATH: &str = "/readyz";

#[derive(Clone, Debug, Default)]
pub struct ApiHealth {
    failure: Arc<Notify>,
    outages: Arc<watch::Sender<Outages>>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Outages {
    is_down: bool,
    ended: u64,
}

impl ApiHealth {
    /// A request failed for the network: start to probe.
    pub fn report_failure(&self) {
        self.failure.notify_one();
    }

    pub fn is_down(&self) -> bool {
        self.outages.borrow().is_down
    }

    /// Number of outages that ended so far.
    pub fn recoveries(&self) -> u64 {
        self.outages.borrow().ended
    }

    /// Returns when more outages than `ended` have ended.
    pub async fn recovered_after(&self, ended: u64) {
        // It fails only without a sender, which is `self`.
        let _ = self.outages.subscribe().wait_for(|outages| outages.ended > ended).await;
    }

    pub(super) fn recovered(&self) {
        self.outages.send_modify(|outages| {
            outages.is_down = false;
            outages.ended = outages.ended.saturating_add(1);
        });
    }

    /// Probes after each failure, until it is dropped.
    pub async fn run(self, client: Client) {
        let mut throttle = LogThrottle::default();
        let chance = RandomState::new();
        for number in 0_u64.. {
            self.failure.notified().await;
            while let Err(error) = self.probe(&client).await {
                self.outages.send_modify(|outages| outages.is_down = true);
                log(throttle.failed(FailureKind::Unreachable, Instant::now()), &error);
                tokio::time::sleep(jittered(PROBE_EVERY, chance.hash_one((number, Instant::now())))).await;
            }
            if let Some(after) = throttle.succeeded(Instant::now()) {
                tracing::info!(after_seconds = after.as_secs(), "the API server is reached again");
            }
            if self.is_down() {
                self.recovered();
            }
            // At most one probe in this time, however many failures are reported.
            tokio::time::sleep(PROBE_EVERY).await;
        }
    }

    async fn probe(&self, client: &Client) -> Result<(), String> {
        // This probe covers every failure that was reported before it.
        let _ = self.failure.notified().now_or_never();
        probe(client).await
    }
}

fn log(line: Option<LogLine>, error: &str) {
    match line {
        Some(LogLine::Starts { failures }) => tracing::warn!(
            failures,
            error,
            "the API server is not reached: running workloads are not affected, and changes are applied when it answers again"
        ),
        Some(LogLine::Continues { failures, duration }) => tracing::warn!(
            failures,
            lasts_seconds = duration.as_secs(),
            error,
            "the API server is still not reached"
        ),
        None => {}
    }
}

/// `time` plus up to the same time as jitter.
pub fn jittered(time: Duration, chance: u64) -> Duration {
    time + part(time, chance)
}

/// A random part of `time`.
pub fn part(time: Duration, chance: u64) -> Duration {
    let share = u32::try_from(chance % 1_000).unwrap_or_default();
    time * share / 1_000
}

/// Every answer is a success, also a refusal, unless the server is too busy.
async fn probe(client: &Client) -> Result<(), String> {
    let request = Request::get(PATH).body(Vec::new()).map_err(|error| error.to_string())?;
    match tokio::time::timeout(TIMEOUT, client.request_text(request)).await {
        Ok(Err(error)) if is_unreachable(&error) => Err(summary(&error)),
        Ok(_) => Ok(()),
        Err(_) => Err(format!("no answer within {} s", TIMEOUT.as_secs())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_waiting_task_resumes_when_the_outage_ends_and_not_before() {
        let api_health = ApiHealth::default();
        let waiting = api_health.clone();
        let waiter = tokio::spawn(async move { waiting.recovered_after(0).await });
        api_health.outages.send_modify(|outages| outages.is_down = true);
        assert!(api_health.is_down());
        assert!(!waiter.is_finished());
        api_health.recovered();
        waiter.await.unwrap();
        assert!(!api_health.is_down());
        assert_eq!(api_health.recoveries(), 1);
    }
}
