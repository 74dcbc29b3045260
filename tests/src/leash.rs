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

/// A signal for a program on a leash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// Ask it to end.
    Term,
    /// End it in order, without waiting for anybody (as PostgreSQL takes it; to most it means the same as `Term`).
    Int,
    /// End it at once.
    Kill,
    /// Freeze it: how a leader looks that has lost its processor for a while.
    Stop,
    /// Let it go on.
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
/// Between the two stands the small program `leash`, which kills its charge when its own stdin closes. The kernel
/// closes it when this process dies, however it dies; without unsafe code there is no other way to be sure
/// (`PR_SET_PDEATHSIG` needs a hook between fork and exec, and exists on Linux only). The leash has a process group
/// of its own, so Ctrl-C in a terminal does not reach it before we had a chance to stop things in order.
pub struct Leashed {
    name: String,
    what: What,
    log: PathBuf,
    leash: Child,
    commands: Option<ChildStdin>,
}

/// What is started, and could be again.
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
        Command::new(program_beside("leash")?)
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

impl Leashed {
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
        let mut leash = what.start(output, log)?;
        let commands = leash.stdin.take();
        Ok(Self {
            name: name.to_owned(),
            what,
            log: log.to_owned(),
            leash,
            commands,
        })
    }

    /// Starts it once more, exactly as before, after it has ended. Its log goes on.
    pub fn start_again(&mut self) -> Result<(), Error> {
        if self.exit_status()?.is_none() {
            return Err(self.error("runs, and cannot be started a second time"));
        }
        let output = File::options()
            .append(true)
            .create(true)
            .open(&self.log)
            .map_err(Error::io(format!("opening {}", self.log.display())))?;
        self.leash = self.what.start(output, &self.log)?;
        self.commands = self.leash.stdin.take();
        Ok(())
    }

    /// The name it was started under.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The process of the leash, whose child the program is.
    pub(crate) fn leash(&self) -> u32 {
        self.leash.id()
    }

    /// Sends a signal, if the program still runs.
    pub fn signal(&mut self, signal: Signal) {
        if let Some(commands) = &mut self.commands {
            // A broken pipe means that the program and its leash have ended: then there is nothing to tell.
            let _ = writeln!(commands, "{}", signal.name());
        }
    }

    /// The exit status, once it has ended (128 + the number of a signal that ended it, as in a shell).
    pub fn exit_status(&mut self) -> Result<Option<ExitStatus>, Error> {
        self.leash
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

    /// Asks it to end, and kills it when it has not done so after `patience`. The status is `None` if it was killed.
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
        // Bounded: closing its stdin makes the leash send SIGKILL, which nothing survives, and then end.
        let _ = self.leash.wait();
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

    /// An error if it has ended although nobody asked it to.
    pub fn check_running(&mut self) -> Result<(), Error> {
        match self.exit_status()? {
            None => Ok(()),
            Some(status) => Err(self.error(ended(status))),
        }
    }
}

impl Drop for Leashed {
    fn drop(&mut self) {
        self.kill();
    }
}
