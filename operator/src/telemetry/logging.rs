//! Logs on standard error, as JSON unless it is a terminal.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// The variable with the log level, such as `info`, `debug` or `ras_operator=debug,kube=info`.
pub const LEVEL: &str = "RAS_LOG";

/// A second call changes nothing.
pub fn start() {
    let level = std::env::var(LEVEL).unwrap_or_default();
    let filter = EnvFilter::try_new(filter(&level)).unwrap_or_else(|_| EnvFilter::new(filter("")));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    let started = if std::io::stderr().is_terminal() {
        builder.compact().with_target(false).try_init()
    } else {
        builder
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .with_span_list(false)
            .try_init()
    };
    // It fails only if logging has already started, for instance in a test.
    drop(started);
}

/// kube logs each failed request and each attempt of a watch, which is several lines a second in a bad network. We log
/// the same errors with their meaning, and throttled (see `informer::log_throttle`).
const QUIET_KUBE: &str = "kube_runtime::watcher=error,kube_client::client=error,kube_client::client::builder=off,\
                          kube_client::client::tls=warn";

/// The filter for a level. A level with more detail includes kube's lines.
fn filter(level: &str) -> String {
    match level {
        "" => filter("info"),
        "info" | "warn" | "error" => format!("{level},{QUIET_KUBE}"),
        _ => level.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kubes_lines_of_each_failed_watch_are_logged_only_at_debug() {
        assert_eq!(filter(""), format!("info,{QUIET_KUBE}"));
        assert_eq!(filter("warn"), format!("warn,{QUIET_KUBE}"));
        for level in ["debug", "ras_operator=debug,kube=info", "off"] {
            assert_eq!(filter(level), level);
        }
        assert!(EnvFilter::try_new(filter("")).is_ok());
    }
}
