use std::{
    fmt,
    future::Future,
    time::{Duration, Instant},
};

use crate::Error;

const PAUSE: Duration = Duration::from_millis(100);

/// Why a look was not yet the one that was waited for. Made from anything that can be shown, so that `?` works on
/// client errors and `Err("2 of 3 pods".into())` on one's own words. (It is no `Display` itself: that is what makes
/// the conversion from everything else possible.)
pub struct NotYet(String);

impl<T: fmt::Display> From<T> for NotYet {
    fn from(seen: T) -> Self {
        Self(seen.to_string())
    }
}

/// Looks every 100 ms until `look` gives a value, for at most `limit`; then says what was waited for and what was
/// last seen. A look that hangs is cut off by the same limit.
pub async fn eventually<T, F, L>(limit: Duration, what: &str, mut look: F) -> Result<T, Error>
where
    F: FnMut() -> L,
    L: Future<Output = Result<T, NotYet>>,
{
    let started = Instant::now();
    let mut last_seen = "nothing".to_owned();
    while let Some(left) = limit.checked_sub(started.elapsed()) {
        match tokio::time::timeout(left, look()).await {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(NotYet(seen))) => last_seen = seen,
            Err(_) => last_seen = format!("{last_seen} (the last look hung)"),
        }
        tokio::time::sleep(PAUSE).await;
    }
    Err(Error::Waited {
        what: what.to_owned(),
        waited: started.elapsed(),
        last_seen,
    })
}
