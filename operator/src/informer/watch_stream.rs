//! A watch that retries for ever: it backs off between attempts, throttles the log, and resumes at once when an outage
//! ends.

use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

use futures::StreamExt;
use futures::stream::{self, BoxStream};
use kube::runtime::watcher::{self, Error, Event};

use crate::informer::api_errors::{is_busy, is_unreachable, summary_of_watch};
use crate::informer::api_health::{ApiHealth, jittered, part};
use crate::informer::log_throttle::{FailureKind, LogLine, LogThrottle};

/// Back-off after the first failure.
const FIRST: Duration = Duration::from_millis(800);
/// Longest back-off, without jitter. kube's own is half a minute, and cannot be cut short when an outage ends.
const LONGEST: Duration = Duration::from_secs(10);
/// The back-off starts again if two failures are further apart.
const RESET_AFTER: Duration = Duration::from_mins(1);
/// A watch delivers nothing while nothing changes. After this time without a failure it counts as recovered.
const RECOVERED_AFTER: Duration = Duration::from_secs(10);

pub struct WatchStream<K> {
    kind: String,
    namespace: Option<String>,
    stream: BoxStream<'static, watcher::Result<Event<K>>>,
    api_health: ApiHealth,
    throttle: LogThrottle,
    chance: RandomState,
    /// Failures in a row.
    failures: u32,
    last_failure: Option<Instant>,
    /// Time of the next attempt.
    retry_at: Option<Instant>,
    /// Start of the current attempt.
    began: Instant,
    /// Outages that had ended at that time.
    recoveries: u64,
}

impl<K: Send + 'static> WatchStream<K> {
    /// `stream` must have no back-off of its own: kube resets it before each list, so a watch whose list fails would be
    /// retried every second.
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
            throttle: LogThrottle::default(),
            chance: RandomState::new(),
            failures: 0,
            last_failure: None,
            retry_at: None,
            began: Instant::now(),
            recoveries: api_health.recoveries(),
            api_health,
        }
    }

    /// Cancel safe: no event is lost if the future is dropped.
    pub async fn next_event(&mut self) -> Option<Event<K>> {
        self.next_event_or(|_| false).await.and_then(Result::ok)
    }

    /// The same, but returns the errors for which `is_callers` is true.
    pub async fn next_event_or(&mut self, is_callers: impl Fn(&Error) -> bool) -> Option<watcher::Result<Event<K>>> {
        loop {
            if let Some(until) = self.retry_at {
                tokio::select! {
                    () = tokio::time::sleep_until(until.into()) => self.retry(),
                    // Once for each outage: a failure of this watch alone keeps its back-off.
                    () = self.api_health.recovered_after(self.recoveries) => {
                        self.recoveries = self.api_health.recoveries();
                        let soon = Instant::now() + part(FIRST, self.chance.hash_one(self.recoveries));
                        self.retry_at = Some(soon.min(until));
                    }
                }
                continue;
            }
            let next = if self.throttle.is_failing() && !self.api_health.is_down() {
                let quiet = self.began + RECOVERED_AFTER;
                tokio::select! {
                    biased;
                    next = self.stream.next() => next,
                    () = tokio::time::sleep_until(quiet.into()) => {
                        self.succeeded(self.began);
                        continue;
                    }
                }
            } else {
                self.stream.next().await
            };
            match next? {
                Ok(event) => {
                    // `Init` is sent before the list is requested, so it is no success.
                    if !matches!(event, Event::Init) {
                        self.succeeded(Instant::now());
                    }
                    return Some(Ok(event));
                }
                Err(error) if is_callers(&error) => return Some(Err(error)),
                Err(error) => self.failed(&error, Instant::now()),
            }
        }
    }

    pub fn into_stream(self) -> BoxStream<'static, Event<K>> {
        stream::unfold(self, async |mut watch| {
            let event = watch.next_event().await?;
            Some((event, watch))
        })
        .boxed()
    }

    fn retry(&mut self) {
        self.retry_at = None;
        self.began = Instant::now();
        self.recoveries = self.api_health.recoveries();
    }

    fn failed(&mut self, error: &Error, now: Instant) {
        let kind = failure_kind(error);
        if kind == FailureKind::Unreachable {
            self.api_health.report_failure();
        }
        let is_in_row = self
            .last_failure
            .is_some_and(|before| now.duration_since(before) < RESET_AFTER);
        self.failures = if is_in_row { self.failures.saturating_add(1) } else { 1 };
        self.last_failure = Some(now);
        self.retry_at = Some(now + backoff(self.failures, self.chance.hash_one(self.failures)));
        if let Some(line) = self.throttle.failed(kind, now) {
            self.log(line, kind, error);
        }
    }

    fn succeeded(&mut self, now: Instant) {
        if let Some(after) = self.throttle.succeeded(now) {
            let namespace = self.namespace.as_deref().unwrap_or("*");
            tracing::info!(
                kind = self.kind,
                namespace,
                after_seconds = after.as_secs(),
                "watch recovered"
            );
        }
    }

    fn log(&self, line: LogLine, failure: FailureKind, error: &Error) {
        let (kind, namespace) = (&self.kind, self.namespace.as_deref().unwrap_or("*"));
        let error = summary_of_watch(error);
        let next = if failure == FailureKind::Refused(403) {
            "give the operator's role the permission that the error names"
        } else {
            "it is retried; until then changes of this kind are noticed late, and nothing is lost"
        };
        match line {
            LogLine::Starts { failures } => tracing::warn!(kind, namespace, failures, error, "watch fails: {next}"),
            LogLine::Continues { failures, duration } => tracing::warn!(
                kind,
                namespace,
                failures,
                lasts_seconds = duration.as_secs(),
                error,
                "watch still fails: {next}"
            ),
        }
    }
}

/// Doubles with each failure in a row, plus jitter.
fn backoff(failures: u32, chance: u64) -> Duration {
    let doubled = FIRST.saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1).min(8)));
    jittered(doubled.min(LONGEST), chance)
}

fn failure_kind(error: &Error) -> FailureKind {
    let code = match error {
        Error::InitialListFailed(source) | Error::WatchStartFailed(source) | Error::WatchFailed(source) => match source
        {
            kube::Error::Api(status) if !is_unreachable(source) => status.code,
            _ => return FailureKind::Unreachable,
        },
        Error::WatchError(status) if !is_busy(status.code) => status.code,
        // Only a broken proxy answers without a resourceVersion.
        Error::WatchError(_) | Error::NoResourceVersion => return FailureKind::Unreachable,
    };
    FailureKind::Refused(code)
}

#[cfg(test)]
mod tests {
    use super::*;
    use kube::core::Status;

    fn refused(code: u16) -> Error {
        let status = Status::failure("no", "No").with_code(code);
        Error::InitialListFailed(kube::Error::Api(Box::new(status)))
    }

    #[test]
    fn the_backoff_grows_to_ten_seconds_plus_jitter_and_never_overflows() {
        assert_eq!(backoff(1, 0), FIRST);
        assert!(backoff(2, 0) > backoff(1, 0));
        for failures in [5, 100, u32::MAX] {
            assert_eq!(backoff(failures, 0), LONGEST, "{failures}");
            assert!(backoff(failures, 999) < 2 * LONGEST, "{failures}");
        }
    }

    #[test]
    fn a_missing_permission_is_another_kind_than_a_bad_network() {
        assert_eq!(failure_kind(&refused(403)), FailureKind::Refused(403));
        assert_eq!(failure_kind(&refused(503)), FailureKind::Unreachable);
        assert_eq!(failure_kind(&Error::NoResourceVersion), FailureKind::Unreachable);
        let expired = Status::failure("too old", "Expired").with_code(410);
        assert_eq!(
            failure_kind(&Error::WatchError(Box::new(expired))),
            FailureKind::Refused(410)
        );
    }

    #[tokio::test]
    async fn a_watch_retries_at_once_when_an_outage_ends_and_loses_no_event() {
        let events = stream::iter([Err(Error::NoResourceVersion), Ok(Event::Init), Ok(Event::Apply(7))]);
        let api_health = ApiHealth::default();
        let mut watch = WatchStream::new("Test", None, events.boxed(), api_health.clone());
        watch.failures = 9;
        watch.last_failure = Some(Instant::now());
        let started = Instant::now();
        tokio::select! {
            _ = watch.next_event() => panic!("it backs off for ten seconds"),
            () = tokio::task::yield_now() => {}
        }
        api_health.recovered();
        assert!(matches!(watch.next_event().await, Some(Event::Init)));
        assert!(watch.throttle.is_failing(), "the start of a list is no success");
        assert!(matches!(watch.next_event().await, Some(Event::Apply(7))));
        assert!(!watch.throttle.is_failing());
        assert!(started.elapsed() < LONGEST / 2);
    }
}
