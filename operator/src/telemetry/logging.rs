//! Logs: one line an outcome, on standard error, as JSON unless a person is watching.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// Variable that chooses the level, in the form `info`, `debug` or `ras_operator=debug,kube=info`.
pub const LEVEL: &str = "RAS_LOG";

/// Starts logging. A second call changes nothing.
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
    // It fails only when logging was started already, by a test for instance.
    drop(started);
}

/// kube's lines of each request that failed and each attempt of a watch: in a bad network some each second. All of it is
/// returned to us as well, and said with what it means, once a minute where it repeats (`cluster::hearing`).
const SAID_BY_US: &str = "kube_runtime::watcher=error,kube_client::client=error,kube_client::client::builder=off,\
                          kube_client::client::tls=warn";

/// What is logged when a person says this. Who asks for more detail gets kube's lines, too.
fn filter(level: &str) -> String {
    match level {
        "" => filter("info"),
        "info" | "warn" | "error" => format!("{level},{SAID_BY_US}"),
        _ => level.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kubes_own_lines_of_each_failed_watch_are_for_who_asks_for_detail() {
        assert_eq!(filter(""), format!("info,{SAID_BY_US}"));
        assert_eq!(filter("warn"), format!("warn,{SAID_BY_US}"));
        for level in ["debug", "ras_operator=debug,kube=info", "off"] {
            assert_eq!(filter(level), level);
        }
        assert!(EnvFilter::try_new(filter("")).is_ok());
    }
}
