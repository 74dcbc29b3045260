//! Logs: one line an outcome, on standard error, as JSON unless a person is watching.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// Variable that chooses the level, in the form `info`, `debug` or `ras_operator=debug,kube=info`.
pub const LEVEL: &str = "RAS_LOG";

/// Starts logging. A second call changes nothing.
pub fn start() {
    let filter = EnvFilter::try_from_env(LEVEL).unwrap_or_else(|_| EnvFilter::new("info"));
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
