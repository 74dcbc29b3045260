//! How many requests a second all drives together may send.

use std::sync::Mutex as StdMutex;
use std::sync::PoisonError;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{Instant, sleep_until};

use crate::leadership::state::Leadership;
use crate::leadership::writes::WriteGuard;

/// How long the rate is halved after a store asked for fewer requests.
const SLOW: Duration = Duration::from_secs(30);

/// A bucket of tokens that fills by itself: who wants to send a request takes one, in the order of asking.
#[derive(Debug)]
pub struct RateLimiter {
    per_second: f64,
    // tokio's mutex is fair: who waits longest goes next. It is held while waiting for the next token.
    level: Mutex<Level>,
    slow_until: StdMutex<Option<Instant>>,
    tenure: Leadership,
}

#[derive(Debug)]
struct Level {
    tokens: f64,
    at: Instant,
}

impl RateLimiter {
    /// A gate that lets `per_second` requests pass each second, and as many at once after a rest.
    pub fn new(per_second: u32) -> Self {
        let per_second = f64::from(per_second.max(1));
        Self {
            per_second,
            level: Mutex::new(Level {
                tokens: per_second,
                at: Instant::now(),
            }),
            slow_until: StdMutex::new(None),
            tenure: Leadership::alone(),
        }
    }

    /// The same, and nothing passes while this process does not lead.
    #[must_use]
    pub fn only_during(mut self, tenure: Leadership) -> Self {
        self.tenure = tenure;
        self
    }

    /// Waits for the turn of one request, which is under way until the answer is dropped. Who gives up waiting takes nothing
    /// away.
    pub async fn pass(&self) -> WriteGuard {
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
        match self.tenure.begin() {
            Ok(begun) => begun,
            // Another replica leads, or is about to, and this process is about to end.
            Err(_) => std::future::pending().await,
        }
    }

    /// The store asked for fewer requests: half as many for the next half minute, and none saved up.
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

/// Counts requests.
pub trait Counter: Send + Sync {
    /// One request of this operation had this outcome: `ok`, `absent`, `refused`, `unsupported`, `throttled` or
    /// `unavailable`.
    fn requested(&self, operation: &'static str, outcome: &'static str);
}

/// Counts nothing.
#[derive(Clone, Copy, Debug)]
pub struct Uncounted;

impl Counter for Uncounted {
    fn requested(&self, _: &'static str, _: &'static str) {}
}
