use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use serde_json::Value;
use tempfile::TempDir;
use tokio::process::{Child, Command};

use super::{ADMIN, PostgresServer};
use crate::{Error, program_beside};

/// Longest termination message that a kubelet keeps, in bytes.
pub const REPORT_LIMIT: usize = 4096;

/// More than any run needs that does not hang.
const LIMIT: Duration = Duration::from_secs(180);

/// The mounts of a Job's pod, and its program.
pub struct Preparation {
    folder: TempDir,
    patience: u16,
}

/// The result of a run.
#[derive(Debug)]
pub struct Prepared {
    /// The exit code; absent when it was killed.
    pub code: Option<i32>,
    /// The report in the termination message; null when there is none.
    pub report: Value,
    /// The termination message itself.
    pub message: String,
    pub log: String,
}

impl Preparation {
    /// Mounts `request` (YAML), and the connection of the superuser [`ADMIN`] to `server`.
    pub fn new(server: &PostgresServer, request: &str) -> Result<Self, Error> {
        let this = Self {
            folder: tempfile::tempdir().map_err(Error::io("making a temporary folder"))?,
            patience: 60,
        };
        this.request(request)?;
        for (key, value) in [
            ("host", "127.0.0.1"),
            ("port", &server.port().to_string()),
            ("username", ADMIN),
            ("password", server.password()),
            // Many servers of the tests have no TLS, and the default verifies the certificate.
            ("sslmode", "prefer"),
        ] {
            this.admin(key, value)?;
        }
        Ok(this)
    }

    pub fn request(&self, request: &str) -> Result<(), Error> {
        self.write(Path::new("request.yaml"), request)
    }

    /// Writes a key of the administrator's Secret.
    pub fn admin(&self, key: &str, value: &str) -> Result<(), Error> {
        self.write(&Path::new("admin").join(key), value)
    }

    /// Takes a key out of the administrator's Secret.
    pub fn without_admin(&self, key: &str) -> Result<(), Error> {
        fs::remove_file(self.folder.path().join("admin").join(key)).map_err(Error::io(format!("removing {key}")))
    }

    /// Writes a file of the passwords.
    pub fn password(&self, file: &str, value: &str) -> Result<(), Error> {
        self.write(&Path::new("passwords").join(file), value)
    }

    /// How long, in seconds, the program tries again what may pass.
    pub fn patience(&mut self, seconds: u16) {
        self.patience = seconds;
    }

    /// Starts the program. It dies with this process at the latest.
    pub fn start(&self) -> Result<Child, Error> {
        let path = |name: &str| self.folder.path().join(name);
        let _ = fs::remove_file(self.report());
        Command::new(program_beside("ras-operator")?)
            .arg("prepare-database")
            .arg("--request")
            .arg(path("request.yaml"))
            .arg("--admin")
            .arg(path("admin"))
            .arg("--passwords")
            .arg(path("passwords"))
            .arg("--report")
            .arg(self.report())
            .arg(format!("--patience={}", self.patience))
            // Everything that it could ever log.
            .env("RAS_LOG", "trace")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(Error::io("starting ras-operator"))
    }

    /// Waits for a program that was started, and reads what it left.
    pub async fn outcome(&self, child: Child) -> Result<Prepared, Error> {
        let output = tokio::time::timeout(LIMIT, child.wait_with_output())
            .await
            .map_err(|_| Error::Postgres(format!("prepare-database did not end within {} s", LIMIT.as_secs())))?
            .map_err(Error::io("waiting for ras-operator"))?;
        let message = fs::read_to_string(self.report()).unwrap_or_default();
        Ok(Prepared {
            code: output.status.code(),
            report: serde_json::from_str(&message).unwrap_or_default(),
            message,
            log: String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout),
        })
    }

    /// Runs the program to its end.
    pub async fn run(&self) -> Result<Prepared, Error> {
        let child = self.start()?;
        self.outcome(child).await
    }

    fn report(&self) -> PathBuf {
        self.folder.path().join("termination-log")
    }

    fn write(&self, file: &Path, text: &str) -> Result<(), Error> {
        let path = self.folder.path().join(file);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(Error::io(format!("creating {}", parent.display())))?;
        }
        fs::write(&path, text).map_err(Error::io(format!("writing {}", path.display())))
    }
}

impl Prepared {
    pub fn is_done(&self) -> bool {
        self.code == Some(0)
    }

    pub fn done(&self) -> Vec<String> {
        let done = self.report.get("done").and_then(Value::as_array);
        done.into_iter()
            .flatten()
            .filter_map(|text| text.as_str().map(str::to_owned))
            .collect()
    }

    /// Causes and sentences of what is not as asked.
    pub fn problems(&self) -> Vec<(String, String)> {
        let problems = self.report.get("problems").and_then(Value::as_array);
        let text = |problem: &Value, key: &str| problem.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        problems
            .into_iter()
            .flatten()
            .map(|problem| (text(problem, "cause"), text(problem, "message")))
            .collect()
    }
}
