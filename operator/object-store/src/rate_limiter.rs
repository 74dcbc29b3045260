//! How many requests a second all drives together may send.

use std::any::Any;
use std::fmt;
use std::sync::Mutex as StdMutex;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{Instant, sleep_until};

/// How long the rate is halved after a store throttled requests.
const SLOW: Duration = Duration::from_secs(30);

/// A token bucket: each request takes one token, in order of arrival.
#[derive(Debug)]
pub struct RateLimiter {
    per_second: f64,
    // tokio's mutex is fair: the longest waiter is next. It is held while waiting for the next token.
    level: Mutex<Level>,
    slow_until: StdMutex<Option<Instant>>,
    permission: Option<Arc<dyn Permission>>,
}

#[derive(Debug)]
struct Level {
    tokens: f64,
    at: Instant,
}

/// Decides whether this process may send requests. The operator's leader election does.
pub trait Permission: fmt::Debug + Send + Sync {
    /// Announces one request, which is under way until the guard is dropped. Without a guard nothing may be sent any more.
    fn begin(&self) -> Option<RequestGuard>;
}

/// Dropped when a request has been answered.
pub type RequestGuard = Box<dyn Any + Send + Sync>;

/// Lets one request through. Hold it until the answer has arrived.
#[derive(Debug)]
pub struct Permit {
    _guard: Option<RequestGuard>,
}

impl RateLimiter {
    /// Permits `per_second` requests each second, and as many at once after an idle second.
    pub fn new(per_second: u32) -> Self {
        let per_second = f64::from(per_second.max(1));
        Self {
            per_second,
            level: Mutex::new(Level {
                tokens: per_second,
                at: Instant::now(),
            }),
            slow_until: StdMutex::new(None),
            permission: None,
        }
    }

    /// The same, but nothing is sent without this permission.
    #[must_use]
    pub fn only_with(mut self, permission: Arc<dyn Permission>) -> Self {
        self.permission = Some(permission);
        self
    }

    /// Waits until one request may be sent. A caller that gives up waiting uses no token.
    pub async fn acquire(&self) -> Permit {
        let mut level = self.level.lock().await;
        loop {
            let now = Instant::now();
            let rate = self.rate(now);
            level.tokens = (level.tokens + (now - level.at).as_secs_f64() * rate).min(rate.max(1.0));
            level.at = now;
            if level.tokens >= 1.0 {
                level.tokens -= 1.0;
                break;
            }
            // A microsecond more, because a float that falls short by a hair would turn the loop once more.
            let wait = Duration::from_secs_f64((1.0 - level.tokens) / rate) + Duration::from_micros(1);
            sleep_until(now + wait).await;
        }
        drop(level);
        let Some(permission) = &self.permission else {
            return Permit { _guard: None };
        };
        match permission.begin() {
            Some(guard) => Permit { _guard: Some(guard) },
            // Another replica leads, or is about to, and this process is about to end.
            None => std::future::pending().await,
        }
    }

    /// Halves the rate for the next half minute, because the store throttled a request.
    pub fn slow_down(&self) {
        let mut slow_until = self.slow_until.lock().unwrap_or_else(PoisonError::into_inner);
        *slow_until = Some(Instant::now() + SLOW);
    }

    fn rate(&self, now: Instant) -> f64 {
        let slow_until = *self.slow_until.lock().unwrap_or_else(PoisonError::into_inner);
        match slow_until {
            Some(until) if now < until => self.per_second / 2.0,
            _ => self.per_second,
        }
    }
}

pub trait Counter: Send + Sync {
    /// `outcome` is `ok`, `absent`, `refused`, `unsupported`, `throttled` or `unavailable`.
    fn requested(&self, operation: &'static str, outcome: &'static str);
}

/// Counts nothing.
#[derive(Clone, Copy, Debug)]
pub struct Uncounted;

impl Counter for Uncounted {
    fn requested(&self, _: &'static str, _: &'static str) {}
}
