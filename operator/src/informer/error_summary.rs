//! Errors of watches in a few words, for the log.

use kube::Error;
use kube::runtime::watcher;

/// A watch's error in a few words: kube's own text repeats the whole answer of the API server.
pub fn brief(error: &watcher::Error) -> String {
    match error {
        watcher::Error::InitialListFailed(source) => format!("the list failed: {}", words(source)),
        watcher::Error::WatchStartFailed(source) => format!("the watch did not start: {}", words(source)),
        watcher::Error::WatchFailed(source) => format!("the watch broke: {}", words(source)),
        watcher::Error::WatchError(status) => format!("the API server ended the watch: {}", status.message),
        watcher::Error::NoResourceVersion => error.to_string(),
    }
}

/// An error of a request in a few words.
pub fn words(error: &Error) -> String {
    match error {
        Error::Api(status) => format!("{} ({})", status.message, status.code),
        other => other.to_string(),
    }
}
