//! Errors of the API server: classified, and summarised for the log.

use kube::Error;
use kube::runtime::watcher;
use ras_core::plain_text::plain_line;

/// True when the API server was not reached or is too busy, so that the error says nothing about the request.
pub fn is_unreachable(error: &Error) -> bool {
    match error {
        Error::Api(status) => is_busy(status.code),
        _ => true,
    }
}

/// Longest message that is kept, in characters.
const LONGEST: usize = 2_000;

/// True for the HTTP statuses of a server that is too busy.
pub fn is_busy(code: u16) -> bool {
    code == 429 || code >= 500
}

/// kube's own text repeats the whole response of the API server.
pub fn summary_of_watch(error: &watcher::Error) -> String {
    match error {
        watcher::Error::InitialListFailed(source) => format!("the list failed: {}", summary(source)),
        watcher::Error::WatchStartFailed(source) => format!("the watch did not start: {}", summary(source)),
        watcher::Error::WatchFailed(source) => format!("the watch broke: {}", summary(source)),
        watcher::Error::WatchError(status) => {
            format!(
                "the API server ended the watch: {}",
                plain_line(&status.message, LONGEST)
            )
        }
        watcher::Error::NoResourceVersion => error.to_string(),
    }
}

pub fn summary(error: &Error) -> String {
    match error {
        Error::Api(status) => format!("{} ({})", plain_line(&status.message, LONGEST), status.code),
        other => plain_line(&other.to_string(), LONGEST),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_an_answer_and_a_busy_server_gives_none() {
        for code in [400, 401, 403, 404, 409, 410, 422] {
            assert!(!is_busy(code), "{code}");
        }
        for code in [429, 500, 502, 503, 504] {
            assert!(is_busy(code), "{code}");
        }
    }
}
