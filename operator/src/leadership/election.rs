//! The loop that asks for the lease, keeps it, and gives it back.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::jiff::Timestamp;
use kube::Client;
use tokio::sync::oneshot;

use super::Settings;
use super::calls::{Calls, Failed};
use super::decide::{Seen, Step, decide};
use super::record::{self, Record};
use super::state::{Leadership, MachineClock, Reading};
use super::timing::Timing;
use crate::telemetry::metrics::Metrics;

/// Longest time a standby follows the lease without looking at it.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// Lost races in a row after which a candidate pauses: somebody may write the lease all the time for no good reason.
const RACES: u32 = 3;

/// How following the lease ended.
enum Followed {
    /// It is there to be taken.
    Free,
    /// It has to be looked at anew, at once.
    Again,
    /// The API server did not answer as it should.
    Failed,
}

/// How taking the lease ended.
enum Taken {
    /// This process leads.
    ByMe,
    /// Somebody else was quicker.
    ByAnother,
    /// The API server did not answer as it should.
    Failed,
}

/// Why a tenure ended against its will.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Lost {
    /// Somebody else holds the lease.
    #[error("the lease {name} was lost to {to}")]
    Taken {
        /// Its name.
        name: String,
        /// Who has it.
        to: String,
    },
    /// It could not be renewed in time.
    #[error("the lease {name} could not be renewed for {limit:?}, and another replica may lead by now: {why}")]
    NotRenewed {
        /// Its name.
        name: String,
        /// The renew deadline.
        limit: Duration,
        /// What was said last.
        why: String,
    },
}

/// How keeping the lease ended.
#[derive(Debug)]
pub enum Kept {
    /// This process asked for it: the lease is still ours, and to be given back when the work has ended.
    UntilAsked(Box<Election>),
    /// It is gone, and this process has to leave.
    Lost(Lost),
}

/// One replica's part in the election.
pub struct Election {
    calls: Calls,
    me: String,
    timing: Timing,
    tenure: Leadership,
    metrics: Metrics,
    lease: Option<Lease>,
    seen: Option<Seen>,
    /// When the renewal was sent that succeeded last.
    renewed: Reading,
    turn: u64,
    told: String,
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
    /// Takes part with a client that does not try again by itself.
    pub fn new(client: Client, settings: Settings, metrics: Metrics) -> Self {
        let namespace = settings
            .namespace
            .unwrap_or_else(|| client.default_namespace().to_owned());
        let tenure = Leadership::elected(Arc::new(MachineClock::default()));
        Self {
            calls: Calls::new(client, &namespace, &settings.name, settings.timing.request()),
            me: settings.identity,
            timing: settings.timing,
            renewed: tenure.now(),
            tenure,
            metrics,
            lease: None,
            seen: None,
            turn: 0,
            told: String::new(),
        }
    }

    /// Tells everybody who writes whether they may.
    pub fn tenure(&self) -> Leadership {
        self.tenure.clone()
    }

    /// Returns when this process leads, or `false` when `stop` is told before.
    pub async fn win(&mut self, stop: impl Future<Output = ()>) -> bool {
        let mut stop = std::pin::pin!(stop);
        let mut races = 0_u32;
        loop {
            let followed = tokio::select! {
                biased;
                () = &mut stop => return false,
                followed = self.until_free() => followed,
            };
            // To the end, whoever asks: a request that is cut off may well arrive, and the lease would be in the hands of one
            // who has left, for as long as it lasts.
            let taken = match followed {
                Followed::Free => self.take().await,
                Followed::Again => {
                    races = 0;
                    continue;
                }
                Followed::Failed => Taken::Failed,
            };
            match taken {
                Taken::ByMe => {
                    tracing::info!(lease = self.calls.name(), identity = self.me, "leads");
                    self.metrics.leads(true);
                    return true;
                }
                // Who was quicker may give it back in a moment, so it is followed at once. A pause here, as client-go makes
                // it, would let nobody lead for seconds when a whole Deployment is rolled.
                Taken::ByAnother if races < RACES => {
                    races += 1;
                    continue;
                }
                Taken::ByAnother | Taken::Failed => races = 0,
            }
            self.turn += 1;
            tokio::select! {
                biased;
                () = &mut stop => return false,
                () = tokio::time::sleep(self.timing.pause(&self.me, self.turn)) => {}
            }
        }
    }

    /// Renews the lease until it is lost, or until `stop` is told (or dropped).
    pub async fn keep(mut self, mut stop: oneshot::Receiver<()>) -> Kept {
        let mut why = "no answer".to_owned();
        // From one try to the next: after one that waited for an answer in vain, another at once still comes in time.
        let mut pause = self.timing.retry();
        loop {
            // The deadline is counted anew each time: what a request took, or a pause of this whole process, has passed.
            tokio::select! {
                biased;
                _ = &mut stop => return Kept::UntilAsked(Box::new(self)),
                () = tokio::time::sleep(pause.min(self.left())) => {}
            }
            let began = tokio::time::Instant::now();
            if self.tenure.check().is_err() {
                return Kept::Lost(self.not_renewed(why));
            }
            let left = self.left();
            let tried = tokio::select! {
                biased;
                _ = &mut stop => return Kept::UntilAsked(Box::new(self)),
                tried = self.renew() => tried,
                () = tokio::time::sleep(left) => return Kept::Lost(self.not_renewed(why)),
            };
            match tried {
                Ok(None) => {}
                Ok(Some(to)) => {
                    self.tenure.end();
                    let name = self.calls.name().to_owned();
                    return Kept::Lost(Lost::Taken { name, to });
                }
                Err(failed) => {
                    self.metrics.renewal_failed();
                    why = said(failed);
                    tracing::warn!(
                        lease = self.calls.name(),
                        error = why,
                        "the lease was not renewed, will be tried again"
                    );
                }
            }
            pause = self.timing.retry().saturating_sub(began.elapsed());
        }
    }

    /// Gives the lease back, last of all: from here on nothing is written, and a standby takes over at once.
    pub async fn release(mut self) {
        self.tenure.end();
        self.metrics.leads(false);
        let Some(lease) = self.lease.take() else { return };
        match self.calls.replace(&record::given_back(&lease, Timestamp::now())).await {
            Ok(_) => tracing::info!(lease = self.calls.name(), "the lease is given back"),
            Err(failed) => tracing::warn!(
                lease = self.calls.name(),
                error = said(failed),
                "the lease could not be given back: a standby takes over when it has run out"
            ),
        }
    }

    /// What is left of the tenure.
    fn left(&self) -> Duration {
        let gone = self.tenure.now().steady.saturating_sub(self.renewed.steady);
        self.timing.renew().saturating_sub(gone)
    }

    fn not_renewed(&self, why: String) -> Lost {
        self.tenure.end();
        Lost::NotRenewed {
            name: self.calls.name().to_owned(),
            limit: self.timing.renew(),
            why,
        }
    }

    async fn look(&mut self) -> Result<(), Failed> {
        let lease = self.calls.get().await?;
        self.observe(lease);
        Ok(())
    }

    fn observe(&mut self, lease: Option<Lease>) {
        let now = self.tenure.now().steady;
        self.seen = lease
            .as_ref()
            .map(|lease| Seen::after(self.seen.take(), record::read(lease), now));
        self.lease = lease;
        if let Some(Seen { record, .. }) = &self.seen {
            self.metrics.lease_changed_hands(record.transitions);
            self.tell(record.clone());
        }
    }

    /// Once for each holder, not once for each renewal.
    fn tell(&mut self, record: Record) {
        if record.holder == self.told || record.holder == self.me {
            return;
        }
        if !record.holder.is_empty() {
            tracing::info!(lease = self.calls.name(), leader = record.holder, "stands by");
        }
        self.told = record.holder;
    }

    /// Returns when the lease is there to be taken, or has to be looked at anew.
    async fn until_free(&mut self) -> Followed {
        if let Err(failed) = self.look().await {
            self.complain(failed);
            return Followed::Failed;
        }
        if let Step::Create | Step::Take | Step::Renew = self.step() {
            return Followed::Free;
        }
        let version = self
            .lease
            .as_ref()
            .and_then(|lease| lease.metadata.resource_version.clone());
        let following = self.calls.follow(version.as_deref().unwrap_or("0")).await;
        let mut changes = match following {
            Ok(changes) => changes.boxed(),
            // A watch is only quicker: it is asked again and again without.
            Err(failed) => {
                self.complain(failed);
                return Followed::Failed;
            }
        };
        let began = tokio::time::Instant::now();
        let look = began + LOOK_EVERY;
        loop {
            let Step::Wait { until } = self.step() else {
                return Followed::Free;
            };
            let wait = until.saturating_sub(self.tenure.now().steady);
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = tokio::time::sleep_until(look) => return Followed::Again,
                change = changes.next() => match change {
                    Some(lease) => self.observe(lease),
                    // One that breaks as soon as it is made is not made again and again without a pause.
                    None if began.elapsed() < self.timing.retry() => return Followed::Failed,
                    None => return Followed::Again,
                },
            }
        }
    }

    fn step(&self) -> Step {
        decide(self.seen.as_ref(), &self.me, &self.timing, self.tenure.now().steady)
    }

    async fn take(&mut self) -> Taken {
        match self.write().await {
            Ok(()) => Taken::ByMe,
            Err(Failed::Conflict | Failed::Gone) => Taken::ByAnother,
            Err(failed) => {
                self.complain(failed);
                Taken::Failed
            }
        }
    }

    /// Renews. `Some`: it is in the hands of this other one.
    async fn renew(&mut self) -> Result<Option<String>, Failed> {
        match self.write().await {
            Ok(()) => return Ok(None),
            // Somebody wrote a label on it, or it was deleted, or an earlier renewal arrived whose answer did not.
            Err(Failed::Conflict | Failed::Gone) => self.look().await?,
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

    /// Writes the lease in our name, and counts the tenure from before the request was sent.
    async fn write(&mut self) -> Result<(), Failed> {
        let sent = self.tenure.now();
        let held = |lease: &Lease| record::held(lease, &self.me, self.timing.lease(), Timestamp::now());
        let written = match &self.lease {
            None => self.calls.create(&held(&record::fresh(self.calls.name()))).await?,
            Some(lease) => self.calls.replace(&held(lease)).await?,
        };
        self.tenure.extend(sent, self.timing.renew());
        self.renewed = sent;
        self.observe(Some(written));
        Ok(())
    }

    /// Once for each trouble, not once for each try.
    fn complain(&mut self, failed: Failed) {
        let said = said(failed);
        if said != self.told {
            tracing::warn!(
                lease = self.calls.name(),
                error = said,
                "cannot take part in the election, will be tried again"
            );
            self.told = said;
        }
    }
}

fn said(failed: Failed) -> String {
    match failed {
        Failed::Conflict => "somebody else wrote it at the same time".to_owned(),
        Failed::Gone => "somebody deleted it".to_owned(),
        Failed::Other(sentence) => sentence,
    }
}
