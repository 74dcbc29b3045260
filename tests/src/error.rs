use std::{fmt, path::PathBuf, process::ExitStatus, time::Duration};

/// An error of the harness, with the next step. `Debug` prints the same as `Display`, because a test shows an error by
/// `unwrap` or by returning it.
#[derive(Clone, thiserror::Error)]
pub enum Error {
    /// `K8S_VERSION` (or `--kubernetes-version`) names a version that has no folder in `tests/control-plane`.
    #[error("Kubernetes version `{wanted}` is not one these tests know: set K8S_VERSION to one of {supported}")]
    UnknownVersion {
        wanted: String,
        /// The minor versions there are.
        supported: String,
    },
    /// A program of the control plane, or an object store, has not been built.
    #[error("`{program}` is not in {folder}: run `make tools` (about 20 minutes the first time)")]
    NotBuilt {
        /// The missing file's name.
        program: String,
        /// Where it was looked for.
        folder: PathBuf,
    },
    /// One of the workspace's own programs is not next to the test.
    #[error(
        "the program `{program}` is not next to {beside}: run `cargo build --workspace` with the same profile first"
    )]
    NoSuchProgram {
        program: String,
        /// The running program: the other one should be in the same directory.
        beside: PathBuf,
    },
    /// A program was built before one of its sources changed.
    #[error(
        "{program} is older than its source {changed}: run `make behaviour TEST=<name>`, which builds the operator first, or \
         `cargo build --workspace` with the same profile"
    )]
    StaleProgram {
        program: PathBuf,
        /// A source that is newer than the binary.
        changed: PathBuf,
    },
    /// A program ended, or did not become ready in time.
    #[error("{program} {what}; the end of its log:\n{log}")]
    Program {
        program: String,
        what: String,
        /// The last lines it wrote.
        log: String,
    },
    /// The control plane could not be started by its supervisor.
    #[error("the test control plane did not start: {0}")]
    ControlPlane(String),
    /// An object store does not support a request, or refused one that the harness needs.
    #[error("{store}: {message}")]
    ObjectStore {
        /// The name of its kind.
        store: &'static str,
        message: String,
    },
    /// PostgreSQL is not installed, or refused what the harness needs.
    #[error("PostgreSQL: {0}")]
    Postgres(String),
    /// The API server refused an object.
    #[error("{what} was refused ({code}): {message}")]
    Refused {
        /// Kind and name of the object.
        what: String,
        code: u16,
        /// The API server's sentence.
        message: String,
    },
    /// The API server could not be asked.
    #[error("{what}: {message}")]
    Api { what: String, message: String },
    /// A file or a process of this machine.
    #[error("{what}: {message}")]
    Io {
        what: String,
        /// The operating system's sentence.
        message: String,
    },
    /// YAML or JSON that cannot be read.
    #[error("{what} cannot be read: {message}")]
    Unreadable { what: String, message: String },
    /// [`eventually`](crate::eventually()) gave up.
    #[error("after {seconds:.1} s still waiting for {what}; last seen: {last_seen}", seconds = .waited.as_secs_f64())]
    Waited {
        what: String,
        waited: Duration,
        /// The last result.
        last_seen: String,
    },
}

impl fmt::Debug for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl Error {
    /// The same, with the end of a program's log, when it was a wait that ended in vain.
    #[must_use]
    pub fn with_log(mut self, log: &str) -> Self {
        if let Self::Waited { last_seen, .. } = &mut self {
            let lines: Vec<&str> = log.lines().collect();
            let end = lines
                .get(lines.len().saturating_sub(15)..)
                .unwrap_or_default()
                .join("\n");
            last_seen.push_str("\nend of the operator's log:\n");
            last_seen.push_str(&end);
        }
        self
    }

    /// For `map_err`: an operating system's error while doing `what`.
    pub fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let what = what.into();
        move |error| Self::Io {
            what,
            message: error.to_string(),
        }
    }

    /// For `map_err`: a Kubernetes client's error while doing `what`. A refusal keeps the API server's own sentence.
    pub fn api(what: impl Into<String>) -> impl FnOnce(kube::Error) -> Self {
        let what = what.into();
        move |error| {
            if let kube::Error::Api(status) = error {
                Self::Refused {
                    what,
                    code: status.code,
                    message: status.message.clone(),
                }
            } else {
                Self::Api {
                    what,
                    message: error.to_string(),
                }
            }
        }
    }

    /// For `map_err`: text that a parser did not accept.
    pub fn unreadable<E: fmt::Display>(what: impl Into<String>) -> impl FnOnce(E) -> Self {
        let what = what.into();
        move |error| Self::Unreadable {
            what,
            message: error.to_string(),
        }
    }
}

/// How a program ended, as the end of a sentence that begins with its name.
pub(crate) fn ended(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("ended with status {code}"),
        (None, Some(signal)) => format!("was ended by signal {signal}"),
        (None, None) => "ended".to_owned(),
    }
}
