//! Whether the API server is reached, known in one place.
//!
//! After an outage everything that waits (watches, drives) has waited ever longer, each by its own back-off, and would
//! go on waiting long after the network is well. So whoever fails for the network says so here; while the API server does
//! not answer it is asked once every second or two, by one question for all; and whoever waits goes on when it answers.
//!
//! Only what that question finds is an outage. A drive whose own requests fail, while the question is answered, wakes nobody
//! and keeps its back-off: what is wrong is the drive's. And while nobody fails nothing is asked.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::FutureExt;
use http::Request;
use kube::Client;
use kube::Error;
use tokio::sync::{Notify, watch};

use crate::informer::error_summary::words;
use crate::informer::log_throttle::{Hearing, Said, Trouble};

/// Time between two questions, and up to as much again.
const ASK_EVERY: Duration = Duration::from_secs(1);
/// Longest wait for an answer.
const LIMIT: Duration = Duration::from_secs(3);
/// What says that it can serve, its database included. Everybody who is somebody may ask.
const QUESTION: &str = "/readyz";

/// Whether the API server is reached, shared by whoever asks it for something.
#[derive(Clone, Debug, Default)]
pub struct ApiHealth {
    doubt: Arc<Notify>,
    state: Arc<watch::Sender<State>>,
}

#[derive(Clone, Copy, Debug, Default)]
struct State {
    lasts: bool,
    ended: u64,
}

impl ApiHealth {
    /// Somebody's request failed for the network.
    pub fn doubt(&self) {
        self.doubt.notify_one();
    }

    /// Whether an outage is known that lasts.
    pub fn is_lost(&self) -> bool {
        self.state.borrow().lasts
    }

    /// How many outages ended so far.
    pub fn ended(&self) -> u64 {
        self.state.borrow().ended
    }

    /// Returns when more outages than that have ended.
    pub async fn again_after(&self, ended: u64) {
        // It fails when the sender is gone, which is here.
        let _ = self.state.subscribe().wait_for(|state| state.ended > ended).await;
    }

    pub(super) fn ends(&self) {
        self.state.send_modify(|state| {
            state.lasts = false;
            state.ended = state.ended.saturating_add(1);
        });
    }

    /// Asks while there is doubt, until it is dropped.
    pub async fn watch_over(self, client: Client) {
        let mut hearing = Hearing::default();
        let chance = RandomState::new();
        for number in 0_u64.. {
            self.doubt.notified().await;
            while let Err(error) = self.ask(&client).await {
                self.state.send_modify(|state| state.lasts = true);
                say(hearing.failed(Trouble::Unreached, Instant::now()), &error);
                tokio::time::sleep(jittered(ASK_EVERY, chance.hash_one((number, Instant::now())))).await;
            }
            if let Some(after) = hearing.heard(Instant::now()) {
                tracing::info!(after_seconds = after.as_secs(), "the API server is reached again");
            }
            if self.is_lost() {
                self.ends();
            }
            // However many doubt, and however often, it is one question in this time.
            tokio::time::sleep(ASK_EVERY).await;
        }
    }

    /// Any answer will do, a refusal too, but that it cannot serve.
    async fn ask(&self, client: &Client) -> Result<(), String> {
        // Whatever was doubted until now is what is asked.
        let _ = self.doubt.notified().now_or_never();
        ask(client).await
    }
}

fn say(said: Option<Said>, error: &str) {
    match said {
        Some(Said::Fails { failures }) => tracing::warn!(
            failures,
            error,
            "the API server is not reached: what runs goes on, nothing is lost, and changes are made when it is"
        ),
        Some(Said::StillFails { failures, lasts }) => tracing::warn!(
            failures,
            lasts_seconds = lasts.as_secs(),
            error,
            "the API server is still not reached"
        ),
        None => {}
    }
}

/// Whether an error says that the API server was not reached or is too busy, and nothing of what was asked.
pub fn is_unreached(error: &Error) -> bool {
    match error {
        Error::Api(status) => is_busy(status.code),
        _ => true,
    }
}

/// Whether an answer with this HTTP status says so.
pub fn is_busy(code: u16) -> bool {
    code == 429 || code >= 500
}

/// A time, and up to as much again.
pub fn jittered(time: Duration, chance: u64) -> Duration {
    time + part(time, chance)
}

/// Some part of a time.
pub fn part(time: Duration, chance: u64) -> Duration {
    let share = u32::try_from(chance % 1_000).unwrap_or_default();
    time * share / 1_000
}

async fn ask(client: &Client) -> Result<(), String> {
    let request = Request::get(QUESTION)
        .body(Vec::new())
        .map_err(|error| error.to_string())?;
    match tokio::time::timeout(LIMIT, client.request_text(request)).await {
        Ok(Err(error)) if is_unreached(&error) => Err(words(&error)),
        Ok(_) => Ok(()),
        Err(_) => Err(format!("no answer within {} s", LIMIT.as_secs())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn whoever_waits_goes_on_when_an_outage_ends_and_not_before() {
        let api_health = ApiHealth::default();
        let waiting = api_health.clone();
        let waiter = tokio::spawn(async move { waiting.again_after(0).await });
        api_health.state.send_modify(|state| state.lasts = true);
        assert!(api_health.is_lost());
        assert!(!waiter.is_finished());
        api_health.ends();
        waiter.await.unwrap();
        assert!(!api_health.is_lost());
        assert_eq!(api_health.ended(), 1);
    }

    #[test]
    fn a_refusal_is_an_answer_and_a_busy_server_is_none() {
        for code in [400, 401, 403, 404, 409, 410, 422] {
            assert!(!is_busy(code), "{code}");
        }
        for code in [429, 500, 502, 503, 504] {
            assert!(is_busy(code), "{code}");
        }
    }
}
