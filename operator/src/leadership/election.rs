//! The loop that takes the lease, renews it, and releases it.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::jiff::Timestamp;
use kube::Client;
use tokio::sync::oneshot;

use super::ElectionSettings;
use super::decide::{LeaseAction, ObservedLease, decide};
use super::lease_api::{LeaseApi, LeaseError};
use super::record::{self, LeaseRecord};
use super::state::{ClockReading, Leadership, MachineClock};
use super::timing::Timing;
use crate::telemetry::metrics::Metrics;

/// A standby watches the lease, and also reads it after this time.
const READ_EVERY: Duration = Duration::from_secs(60);

/// Lost races in a row after which a candidate backs off, in case another client writes the lease all the time.
const MAX_RACES: u32 = 3;

/// The end of a wait for the lease.
enum WaitResult {
    /// It can be taken.
    Free,
    /// Read it again at once.
    ReadAgain,
    Failed,
}

enum TakeResult {
    Taken,
    /// Another client wrote the lease first.
    LostRace,
    Failed,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LeaseLost {
    /// Another replica holds the lease.
    #[error("the lease {name} was lost to {to}")]
    Taken { name: String, to: String },
    #[error("the lease {name} could not be renewed for {limit:?}, so another replica may lead by now: {why}")]
    NotRenewed { name: String, limit: Duration, why: String },
}

#[derive(Debug)]
pub enum KeepResult {
    /// `stop` was received. The lease is still held, and has to be released.
    Stopped(Box<Election>),
    /// This process must end.
    Lost(LeaseLost),
}

pub struct Election {
    lease_api: LeaseApi,
    me: String,
    timing: Timing,
    leadership: Leadership,
    metrics: Metrics,
    lease: Option<Lease>,
    seen: Option<ObservedLease>,
    /// When the last successful renewal was sent.
    renewed: ClockReading,
    turn: u64,
    /// The last leader or error that was logged.
    logged: String,
}

impl std::fmt::Debug for Election {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Election")
            .field("me", &self.me)
            .field("seen", &self.seen)
            .finish_non_exhaustive()
    }
}

impl Election {
    /// `client` must not retry requests.
    pub fn new(client: Client, settings: ElectionSettings, metrics: Metrics) -> Self {
        let namespace = settings
            .namespace
            .unwrap_or_else(|| client.default_namespace().to_owned());
        let leadership = Leadership::elected(Arc::new(MachineClock::default()));
        Self {
            lease_api: LeaseApi::new(client, &namespace, &settings.name, settings.timing.request()),
            me: settings.identity,
            timing: settings.timing,
            renewed: leadership.now(),
            leadership,
            metrics,
            lease: None,
            seen: None,
            turn: 0,
            logged: String::new(),
        }
    }

    pub fn leadership(&self) -> Leadership {
        self.leadership.clone()
    }

    /// Returns `true` when this process leads, or `false` if `stop` comes first.
    pub async fn win(&mut self, stop: impl Future<Output = ()>) -> bool {
        let mut stop = std::pin::pin!(stop);
        let mut races = 0_u32;
        loop {
            let waited = tokio::select! {
                biased;
                () = &mut stop => return false,
                waited = self.until_free() => waited,
            };
            // Not cancelled by `stop`: a cancelled request may still arrive, and an ended process would hold the lease
            // until it expires.
            let taken = match waited {
                WaitResult::Free => self.take().await,
                WaitResult::ReadAgain => {
                    races = 0;
                    continue;
                }
                WaitResult::Failed => TakeResult::Failed,
            };
            match taken {
                TakeResult::Taken => {
                    tracing::info!(lease = self.lease_api.name(), identity = self.me, "leads");
                    self.metrics.set_leader(true);
                    return true;
                }
                // The winner may release it soon, so it is watched at once. With client-go's pause here there would be
                // no leader for seconds during a rollout.
                TakeResult::LostRace if races < MAX_RACES => {
                    races += 1;
                    continue;
                }
                TakeResult::LostRace | TakeResult::Failed => races = 0,
            }
            self.turn += 1;
            tokio::select! {
                biased;
                () = &mut stop => return false,
                () = tokio::time::sleep(self.timing.pause(&self.me, self.turn)) => {}
            }
        }
    }

    /// Renews the lease until it is lost, or until `stop` is sent or dropped.
    pub async fn keep(mut self, mut stop: oneshot::Receiver<()>) -> KeepResult {
        let mut why = "no answer".to_owned();
        // Counted from the start of an attempt: after one that timed out, the next follows at once and is still in
        // time.
        let mut pause = self.timing.retry();
        loop {
            // Computed again each time, because a request or a pause of the process may have taken long.
            tokio::select! {
                biased;
                _ = &mut stop => return KeepResult::Stopped(Box::new(self)),
                () = tokio::time::sleep(pause.min(self.time_left())) => {}
            }
            let began = tokio::time::Instant::now();
            if self.leadership.check().is_err() {
                return KeepResult::Lost(self.not_renewed(why));
            }
            let left = self.time_left();
            let renewed = tokio::select! {
                biased;
                _ = &mut stop => return KeepResult::Stopped(Box::new(self)),
                renewed = self.renew() => renewed,
                () = tokio::time::sleep(left) => return KeepResult::Lost(self.not_renewed(why)),
            };
            match renewed {
                Ok(None) => {}
                Ok(Some(to)) => {
                    self.leadership.end();
                    let name = self.lease_api.name().to_owned();
                    return KeepResult::Lost(LeaseLost::Taken { name, to });
                }
                Err(failed) => {
                    self.metrics.renewal_failed();
                    why = message(failed);
                    tracing::warn!(
                        lease = self.lease_api.name(),
                        error = why,
                        "the lease was not renewed; retrying"
                    );
                }
            }
            pause = self.timing.retry().saturating_sub(began.elapsed());
        }
    }

    /// Releases the lease, after the last write, so that a standby takes over at once.
    pub async fn release(mut self) {
        self.leadership.end();
        self.metrics.set_leader(false);
        let Some(lease) = self.lease.take() else { return };
        match self
            .lease_api
            .replace(&record::released(&lease, Timestamp::now()))
            .await
        {
            Ok(_) => tracing::info!(lease = self.lease_api.name(), "released the lease"),
            Err(failed) => tracing::warn!(
                lease = self.lease_api.name(),
                error = message(failed),
                "the lease could not be released: a standby takes over when it expires"
            ),
        }
    }

    /// Time until the renew deadline.
    fn time_left(&self) -> Duration {
        let passed = self.leadership.now().steady.saturating_sub(self.renewed.steady);
        self.timing.renew().saturating_sub(passed)
    }

    fn not_renewed(&self, why: String) -> LeaseLost {
        self.leadership.end();
        LeaseLost::NotRenewed {
            name: self.lease_api.name().to_owned(),
            limit: self.timing.renew(),
            why,
        }
    }

    async fn read(&mut self) -> Result<(), LeaseError> {
        let lease = self.lease_api.get().await?;
        self.observe(lease);
        Ok(())
    }

    fn observe(&mut self, lease: Option<Lease>) {
        let now = self.leadership.now().steady;
        self.seen = lease
            .as_ref()
            .map(|lease| ObservedLease::after(self.seen.take(), record::read(lease), now));
        self.lease = lease;
        if let Some(ObservedLease { record, .. }) = &self.seen {
            self.metrics.set_lease_transitions(record.transitions);
            self.log_leader(record.clone());
        }
    }

    /// Once for each leader, not for each renewal.
    fn log_leader(&mut self, record: LeaseRecord) {
        if record.holder == self.logged || record.holder == self.me {
            return;
        }
        if !record.holder.is_empty() {
            tracing::info!(lease = self.lease_api.name(), leader = record.holder, "stands by");
        }
        self.logged = record.holder;
    }

    /// Waits until the lease can be taken, or has to be read again.
    async fn until_free(&mut self) -> WaitResult {
        if let Err(failed) = self.read().await {
            self.log_failure(failed);
            return WaitResult::Failed;
        }
        if let LeaseAction::Create | LeaseAction::Take | LeaseAction::Renew = self.action() {
            return WaitResult::Free;
        }
        let version = self
            .lease
            .as_ref()
            .and_then(|lease| lease.metadata.resource_version.clone());
        let changes = self.lease_api.watch(version.as_deref().unwrap_or("0")).await;
        let mut changes = match changes {
            Ok(changes) => changes.boxed(),
            // Without a watch the lease is polled.
            Err(failed) => {
                self.log_failure(failed);
                return WaitResult::Failed;
            }
        };
        let began = tokio::time::Instant::now();
        let read_at = began + READ_EVERY;
        loop {
            let LeaseAction::Wait { until } = self.action() else {
                return WaitResult::Free;
            };
            let wait = until.saturating_sub(self.leadership.now().steady);
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = tokio::time::sleep_until(read_at) => return WaitResult::ReadAgain,
                change = changes.next() => match change {
                    Some(lease) => self.observe(lease),
                    // Backs off if the watch breaks at once.
                    None if began.elapsed() < self.timing.retry() => return WaitResult::Failed,
                    None => return WaitResult::ReadAgain,
                },
            }
        }
    }

    fn action(&self) -> LeaseAction {
        decide(self.seen.as_ref(), &self.me, &self.timing, self.leadership.now().steady)
    }

    async fn take(&mut self) -> TakeResult {
        match self.write().await {
            Ok(()) => TakeResult::Taken,
            Err(LeaseError::Conflict | LeaseError::Missing) => TakeResult::LostRace,
            Err(failed) => {
                self.log_failure(failed);
                TakeResult::Failed
            }
        }
    }

    /// `Some`: another replica holds the lease.
    async fn renew(&mut self) -> Result<Option<String>, LeaseError> {
        match self.write().await {
            Ok(()) => return Ok(None),
            // It was labelled or deleted, or an earlier renewal arrived without a response.
            Err(LeaseError::Conflict | LeaseError::Missing) => self.read().await?,
            Err(failed) => return Err(failed),
        }
        match &self.seen {
            Some(seen) if seen.record.holder != self.me => {
                let to = if seen.record.holder.is_empty() {
                    "nobody"
                } else {
                    &seen.record.holder
                };
                Ok(Some(to.to_owned()))
            }
            _ => self.write().await.map(|()| None),
        }
    }

    /// Writes the lease with our name. Leadership counts from before the request was sent.
    async fn write(&mut self) -> Result<(), LeaseError> {
        let sent = self.leadership.now();
        let held = |lease: &Lease| record::held(lease, &self.me, self.timing.lease(), Timestamp::now());
        let written = match &self.lease {
            None => {
                self.lease_api
                    .create(&held(&record::unheld(self.lease_api.name())))
                    .await?
            }
            Some(lease) => self.lease_api.replace(&held(lease)).await?,
        };
        self.leadership.extend(sent, self.timing.renew());
        self.renewed = sent;
        self.observe(Some(written));
        Ok(())
    }

    /// Once for each error, not for each attempt.
    fn log_failure(&mut self, failed: LeaseError) {
        let message = message(failed);
        if message != self.logged {
            tracing::warn!(
                lease = self.lease_api.name(),
                error = message,
                "cannot take part in the election; retrying"
            );
            self.logged = message;
        }
    }
}

fn message(error: LeaseError) -> String {
    match error {
        LeaseError::Conflict => "another client wrote it at the same time".to_owned(),
        LeaseError::Missing => "it was deleted".to_owned(),
        LeaseError::Other(message) => message,
    }
}
