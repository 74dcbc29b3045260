use std::{
    fs::File,
    io::Write as _,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use crate::{Error, error::ended, workspace::program_beside};

const LINES_SHOWN: usize = 25;

/// A signal for a guarded program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// Ask it to end.
    Term,
    /// End it in order without waiting for clients (PostgreSQL's meaning; most programs treat it like `Term`).
    Int,
    /// End it at once.
    Kill,
    /// Freeze it, as when a leader loses its processor for a while.
    Stop,
    /// Continue after `Stop`.
    Cont,
}

impl Signal {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Term => "TERM",
            Self::Int => "INT",
            Self::Kill => "KILL",
            Self::Stop => "STOP",
            Self::Cont => "CONT",
        }
    }
}

/// A program that cannot outlive this process.
///
/// It runs as the child of the small program `process-guard`, which kills it when the guard's own stdin closes. The kernel
/// closes that when this process dies, however it dies; without unsafe code there is no other way to be sure
/// (`PR_SET_PDEATHSIG` needs a hook between fork and exec, and exists on Linux only). The guard has its own process
/// group, so Ctrl-C in a terminal does not reach it before this process has stopped its programs in order.
pub struct ProcessGuard {
    name: String,
    what: What,
    log: PathBuf,
    guard: Child,
    commands: Option<ChildStdin>,
}

/// A program that can be started again.
struct What {
    program: PathBuf,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
}

impl What {
    fn start(&self, output: File, log: &Path) -> Result<Child, Error> {
        let errors = output
            .try_clone()
            .map_err(Error::io(format!("opening {}", log.display())))?;
        Command::new(program_beside("process-guard")?)
            .arg(&self.program)
            .args(&self.arguments)
            .envs(self.environment.iter().map(|(key, value)| (key, value)))
            .stdin(Stdio::piped())
            .stdout(output)
            .stderr(errors)
            .process_group(0)
            .spawn()
            .map_err(Error::io(format!("starting {}", self.program.display())))
    }
}

impl ProcessGuard {
    /// Starts `program`; its stdout and stderr go to the file `log`.
    pub fn start(
        name: &str,
        program: &Path,
        arguments: impl IntoIterator<Item = String>,
        environment: &[(String, String)],
        log: &Path,
    ) -> Result<Self, Error> {
        let what = What {
            program: program.to_owned(),
            arguments: arguments.into_iter().collect(),
            environment: environment.to_owned(),
        };
        let output = File::create(log).map_err(Error::io(format!("creating {}", log.display())))?;
        let mut guard = what.start(output, log)?;
        let commands = guard.stdin.take();
        Ok(Self {
            name: name.to_owned(),
            what,
            log: log.to_owned(),
            guard,
            commands,
        })
    }

    /// Starts it again with the same arguments after it has ended, and appends to its log.
    pub fn start_again(&mut self) -> Result<(), Error> {
        if self.exit_status()?.is_none() {
            return Err(self.error("runs, and cannot be started a second time"));
        }
        let output = File::options()
            .append(true)
            .create(true)
            .open(&self.log)
            .map_err(Error::io(format!("opening {}", self.log.display())))?;
        self.guard = self.what.start(output, &self.log)?;
        self.commands = self.guard.stdin.take();
        Ok(())
    }

    /// The name it was started under.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The process ID of the guard, whose child the program is.
    pub(crate) fn guard_id(&self) -> u32 {
        self.guard.id()
    }

    /// Sends a signal, if the program still runs.
    pub fn signal(&mut self, signal: Signal) {
        if let Some(commands) = &mut self.commands {
            // A broken pipe means that the program and its guard have ended: no process is left to signal.
            let _ = writeln!(commands, "{}", signal.name());
        }
    }

    /// The exit status, once it has ended (128 + the number of a signal that ended it, as in a shell).
    pub fn exit_status(&mut self) -> Result<Option<ExitStatus>, Error> {
        self.guard
            .try_wait()
            .map_err(Error::io(format!("asking after {}", self.name)))
    }

    /// Waits until it ends, for at most `limit`.
    pub async fn wait(&mut self, limit: Duration) -> Result<Option<ExitStatus>, Error> {
        let started = Instant::now();
        loop {
            if let Some(status) = self.exit_status()? {
                return Ok(Some(status));
            }
            if started.elapsed() >= limit {
                return Ok(None);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Sends `Term`, and kills it if it still runs after `patience`. The status is `None` if it was killed.
    pub async fn stop(&mut self, patience: Duration) -> Result<Option<ExitStatus>, Error> {
        self.signal(Signal::Term);
        let status = self.wait(patience).await?;
        if status.is_none() {
            self.kill();
        }
        Ok(status)
    }

    /// Kills it, and returns when it is gone.
    pub fn kill(&mut self) {
        drop(self.commands.take());
        // Bounded: closing its stdin makes the guard send SIGKILL, which nothing survives, and then end.
        let _ = self.guard.wait();
    }

    /// Everything it wrote so far.
    pub fn log(&self) -> String {
        std::fs::read(&self.log)
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    }

    /// The last lines it wrote.
    pub fn end_of_log(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        let (_, end) = lines.split_at(lines.len().saturating_sub(LINES_SHOWN));
        end.join("\n")
    }

    /// An error about this program that shows the end of its log.
    pub fn error(&self, what: impl Into<String>) -> Error {
        Error::Program {
            program: self.name.clone(),
            what: what.into(),
            log: self.end_of_log(),
        }
    }

    /// An error if it has ended.
    pub fn check_running(&mut self) -> Result<(), Error> {
        match self.exit_status()? {
            None => Ok(()),
            Some(status) => Err(self.error(ended(status))),
        }
    }
}

impl Drop for ProcessGuard {
    fn drop(&mut self) {
        self.kill();
    }
}
