//! Logs on standard error, as JSON unless it is a terminal.

use std::io::{self, IsTerminal, Write};

use ras_core::plain_text::visible;
use tracing_subscriber::EnvFilter;

/// The variable with the log level, such as `info`, `debug` or `ras_operator=debug,kube=info`.
pub const LEVEL: &str = "RAS_LOG";

/// A second call changes nothing.
pub fn start() {
    let level = std::env::var(LEVEL).unwrap_or_default();
    let filter = EnvFilter::try_new(filter(&level)).unwrap_or_else(|_| EnvFilter::new(filter("")));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(|| Visible(io::stderr()));
    let started = if io::stderr().is_terminal() {
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

/// Writes lines without characters that nobody sees: servers and programs have a part in many. The format escapes control
/// characters already, and writes each line at once.
struct Visible<W>(W);

impl<W: Write> Write for Visible<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        match std::str::from_utf8(line) {
            Ok(text) if !text.is_ascii() => self.0.write_all(visible(text).as_bytes())?,
            Ok(_) | Err(_) => self.0.write_all(line)?,
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
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
    fn a_line_shows_nothing_that_nobody_sees() {
        let mut written = Visible(Vec::new());
        let line = "{\"said\":\"user \u{202e}nimda\u{200b} Größe\"}\n";
        written.write_all(line.as_bytes()).unwrap();
        assert_eq!(
            String::from_utf8(written.0).unwrap(),
            "{\"said\":\"user nimda Größe\"}\n"
        );
    }

    /// What the format of a line escapes, so that the writer need not.
    #[test]
    fn a_line_has_its_control_characters_escaped() {
        let lines = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
        let kept = std::sync::Arc::clone(&lines);
        let subscriber = tracing_subscriber::fmt()
            .json()
            .flatten_event(true)
            .with_writer(move || Visible(Lines(std::sync::Arc::clone(&kept))))
            .finish();
        tracing::subscriber::with_default(subscriber, || {
            tracing::warn!(error = "\u{1b}[31mno\u{202e}\n{\"level\":\"forged\"}", "a server said");
        });
        let text = String::from_utf8(lines.lock().unwrap().clone()).unwrap();
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(!text.contains(['\u{1b}', '\u{202e}']), "{text:?}");
    }

    struct Lines(std::sync::Arc<std::sync::Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, line: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(line)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

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
