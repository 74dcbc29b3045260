//! Goes on watching whatever happens: waits between attempts, says what is to be said, and passes on what is heard.

use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

use futures::StreamExt;
use futures::stream::{self, BoxStream};
use kube::Error as Failure;
use kube::runtime::watcher::{self, Error, Event};

use crate::informer::api_health::{ApiHealth, is_busy, is_unreached, jittered, part};
use crate::informer::error_summary::brief;
use crate::informer::log_throttle::{Hearing, Said, Trouble};

/// Shortest wait after a failure.
const FIRST: Duration = Duration::from_millis(800);
/// Longest wait after a failure, but for jitter. kube's own waits half a minute, and a watch cannot be told that the network is well.
const LONGEST: Duration = Duration::from_secs(10);
/// Failures further apart are no row.
const ROW: Duration = Duration::from_mins(1);
/// A watch is silent when nothing changes. One that did not fail for so long is heard.
const QUIET: Duration = Duration::from_secs(10);

/// One watch that goes on.
pub struct Listener<K> {
    kind: String,
    namespace: Option<String>,
    stream: BoxStream<'static, watcher::Result<Event<K>>>,
    api_health: ApiHealth,
    hearing: Hearing,
    chance: RandomState,
    /// Failures in a row.
    failures: u32,
    failed: Option<Instant>,
    /// Until when it waits.
    wait: Option<Instant>,
    /// When the attempt that is under way began.
    began: Instant,
    /// How many outages had ended then.
    ended: u64,
}

impl<K: Send + 'static> Listener<K> {
    /// Listens to a watch of kube's, which must have no back-off of its own. kube resets that before each list, so a watch
    /// whose list fails would be tried again each second for ever.
    pub fn new(
        kind: impl Into<String>,
        namespace: Option<String>,
        stream: BoxStream<'static, watcher::Result<Event<K>>>,
        api_health: ApiHealth,
    ) -> Self {
        Self {
            kind: kind.into(),
            namespace,
            stream,
            hearing: Hearing::default(),
            chance: RandomState::new(),
            failures: 0,
            failed: None,
            wait: None,
            began: Instant::now(),
            ended: api_health.ended(),
            api_health,
        }
    }

    /// What is heard next. Nothing is lost when it is dropped while it waits.
    pub async fn event(&mut self) -> Option<Event<K>> {
        self.event_unless(|_| false).await.and_then(Result::ok)
    }

    /// The same, but errors of which this is true are for the caller.
    pub async fn event_unless(&mut self, is_callers: impl Fn(&Error) -> bool) -> Option<watcher::Result<Event<K>>> {
        loop {
            if let Some(until) = self.wait {
                tokio::select! {
                    () = tokio::time::sleep_until(until.into()) => self.try_again(),
                    // Once for each outage: whatever is wrong with this watch alone is not tried more often for it.
                    () = self.api_health.again_after(self.ended) => {
                        self.ended = self.api_health.ended();
                        let soon = Instant::now() + part(FIRST, self.chance.hash_one(self.ended));
                        self.wait = Some(soon.min(until));
                    }
                }
                continue;
            }
            let next = if self.hearing.fails() && !self.api_health.is_lost() {
                let quiet = self.began + QUIET;
                tokio::select! {
                    biased;
                    next = self.stream.next() => next,
                    () = tokio::time::sleep_until(quiet.into()) => {
                        self.heard(self.began);
                        continue;
                    }
                }
            } else {
                self.stream.next().await
            };
            match next? {
                Ok(event) => {
                    // That a list begins is said before it is asked for.
                    if !matches!(event, Event::Init) {
                        self.heard(Instant::now());
                    }
                    return Some(Ok(event));
                }
                Err(error) if is_callers(&error) => return Some(Err(error)),
                Err(error) => self.failed(&error, Instant::now()),
            }
        }
    }

    /// What is heard, for ever.
    pub fn into_stream(self) -> BoxStream<'static, Event<K>> {
        stream::unfold(self, async |mut listener| {
            let event = listener.event().await?;
            Some((event, listener))
        })
        .boxed()
    }

    fn try_again(&mut self) {
        self.wait = None;
        self.began = Instant::now();
        self.ended = self.api_health.ended();
    }

    fn failed(&mut self, error: &Error, now: Instant) {
        let trouble = trouble(error);
        if trouble == Trouble::Unreached {
            self.api_health.doubt();
        }
        let is_row = self.failed.is_some_and(|before| now.duration_since(before) < ROW);
        self.failures = if is_row { self.failures.saturating_add(1) } else { 1 };
        self.failed = Some(now);
        self.wait = Some(now + pause(self.failures, self.chance.hash_one(self.failures)));
        if let Some(said) = self.hearing.failed(trouble, now) {
            self.say(said, trouble, error);
        }
    }

    fn heard(&mut self, now: Instant) {
        if let Some(after) = self.hearing.heard(now) {
            let namespace = self.namespace.as_deref().unwrap_or("*");
            tracing::info!(
                kind = self.kind,
                namespace,
                after_seconds = after.as_secs(),
                "watch is heard again"
            );
        }
    }

    fn say(&self, said: Said, trouble: Trouble, error: &Error) {
        let (kind, namespace) = (&self.kind, self.namespace.as_deref().unwrap_or("*"));
        let error = brief(error);
        let next = if trouble == Trouble::Refused(403) {
            "give the operator's role the right that the error names"
        } else {
            "it is tried again; until then changes of this kind are seen late, and nothing is lost"
        };
        match said {
            Said::Fails { failures } => tracing::warn!(kind, namespace, failures, error, "watch fails: {next}"),
            Said::StillFails { failures, lasts } => tracing::warn!(
                kind,
                namespace,
                failures,
                lasts_seconds = lasts.as_secs(),
                error,
                "watch still fails: {next}"
            ),
        }
    }
}

/// Time to wait after this many failures in a row: doubling, plus up to as much again.
fn pause(failures: u32, chance: u64) -> Duration {
    let doubled = FIRST.saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1).min(8)));
    jittered(doubled.min(LONGEST), chance)
}

fn trouble(error: &Error) -> Trouble {
    let code = match error {
        Error::InitialListFailed(source) | Error::WatchStartFailed(source) | Error::WatchFailed(source) => match source
        {
            Failure::Api(status) if !is_unreached(source) => status.code,
            _ => return Trouble::Unreached,
        },
        Error::WatchError(status) if !is_busy(status.code) => status.code,
        // The latter is a proxy that makes up answers, for no API server gives such a one.
        Error::WatchError(_) | Error::NoResourceVersion => return Trouble::Unreached,
    };
    Trouble::Refused(code)
}

#[cfg(test)]
mod tests {
    use super::*;
    use kube::core::Status;

    fn refused(code: u16) -> Error {
        let status = Status::failure("no", "No").with_code(code);
        Error::InitialListFailed(Failure::Api(Box::new(status)))
    }

    #[test]
    fn waits_grow_to_ten_seconds_and_their_jitter_and_never_overflow() {
        assert_eq!(pause(1, 0), FIRST);
        assert!(pause(2, 0) > pause(1, 0));
        for failures in [5, 100, u32::MAX] {
            assert_eq!(pause(failures, 0), LONGEST, "{failures}");
            assert!(pause(failures, 999) < 2 * LONGEST, "{failures}");
        }
    }

    #[test]
    fn a_missing_right_is_another_problem_than_a_bad_network() {
        assert_eq!(trouble(&refused(403)), Trouble::Refused(403));
        assert_eq!(trouble(&refused(503)), Trouble::Unreached);
        assert_eq!(trouble(&Error::NoResourceVersion), Trouble::Unreached);
        let expired = Status::failure("too old", "Expired").with_code(410);
        assert_eq!(trouble(&Error::WatchError(Box::new(expired))), Trouble::Refused(410));
    }

    #[tokio::test]
    async fn an_outage_that_ends_cuts_the_wait_of_a_watch_short_and_loses_no_event() {
        let events = stream::iter([Err(Error::NoResourceVersion), Ok(Event::Init), Ok(Event::Apply(7))]);
        let api_health = ApiHealth::default();
        let mut listener = Listener::new("Test", None, events.boxed(), api_health.clone());
        listener.failures = 9;
        listener.failed = Some(Instant::now());
        let started = Instant::now();
        tokio::select! {
            _ = listener.event() => panic!("it waits for ten seconds"),
            () = tokio::task::yield_now() => {}
        }
        api_health.ends();
        assert!(matches!(listener.event().await, Some(Event::Init)));
        assert!(listener.hearing.fails(), "that a list begins says nothing");
        assert!(matches!(listener.event().await, Some(Event::Apply(7))));
        assert!(!listener.hearing.fails());
        assert!(started.elapsed() < LONGEST / 2);
    }
}
