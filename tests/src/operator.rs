use std::{
    fs,
    io::Write as _,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::ExitStatus,
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, SystemTime},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use crate::{
    Cluster, Error, MemoryBound, ProcessGuard, Signal, TestNamespace,
    control_plane::{Credentials, write_kubeconfig},
    error::ended,
    eventually,
    operator_rights::grant,
    workspace::{program_beside, repository},
};

const STOP_PATIENCE: Duration = Duration::from_secs(15);
const ANSWER_LIMIT: Duration = Duration::from_secs(10);
/// RBAC rules for leader election.
const ELECTION_ROLES: &str = "deploy/rbac/leader-election.yaml";
/// The part `tenancy` of the platform settings for tests. Namespaces of tests have random names, so their keys in a
/// store are listed. An operator has these settings unless the test writes its own.
pub const TENANCY: &str =
    "tenancy: {existingBuckets: ['*'], secretKeys: ['spo/*'], ingressAnnotations: ['example.com/*']}\n";
static STARTED: AtomicUsize = AtomicUsize::new(0);

/// How to run the operator.
#[derive(Clone, Debug)]
pub struct OperatorOptions {
    roles: PathBuf,
    account: String,
    cluster_wide: bool,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    elected: Option<String>,
    lease_rights: bool,
    server: Option<String>,
    processes: Option<PathBuf>,
}

impl OperatorOptions {
    /// Under exactly the `Role`s and `ClusterRole`s in a YAML file, whose path begins at the repository's root.
    pub fn with_roles(path: impl AsRef<Path>) -> Self {
        Self {
            roles: repository().join(path),
            account: "ras-operator".to_owned(),
            cluster_wide: false,
            arguments: Vec::new(),
            environment: Vec::new(),
            elected: None,
            lease_rights: true,
            server: None,
            processes: None,
        }
    }

    /// By way of a [`RecordingProxy`](crate::RecordingProxy), or of whatever else listens at this URL before the API server.
    #[must_use]
    pub fn by_way_of(mut self, url: impl Into<String>) -> Self {
        self.server = Some(url.into());
        self
    }

    /// With a bound on its memory, from its first byte.
    #[must_use]
    pub fn within(mut self, bound: &MemoryBound) -> Self {
        self.processes = Some(bound.processes());
        self
    }

    /// For all namespaces, and with its `ClusterRole`s bound everywhere: no `--namespace` is passed.
    #[must_use]
    pub fn cluster_wide(mut self) -> Self {
        self.cluster_wide = true;
        self
    }

    /// As another `ServiceAccount` than `ras-operator`, so that the audit log distinguishes two operators in one
    /// namespace.
    #[must_use]
    pub fn account(mut self, name: &str) -> Self {
        name.clone_into(&mut self.account);
        self
    }

    /// As one of several, under the name `identity`, that agree by a lease on who leads. Without this it is the only one
    /// and begins at once, also after it was killed.
    #[must_use]
    pub fn elected(mut self, identity: &str) -> Self {
        self.elected = Some(identity.to_owned());
        self
    }

    /// Without the rights to the lease, which [`OperatorOptions::elected`] gives.
    #[must_use]
    pub fn without_rights_to_the_lease(mut self) -> Self {
        self.lease_rights = false;
        self
    }

    /// One more argument after `run`.
    #[must_use]
    pub fn argument(mut self, argument: impl Into<String>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// One more environment variable.
    #[must_use]
    pub fn environment(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }
}

/// The real program `ras-operator`, as a process of its own, under a `ServiceAccount` of its own.
///
/// Killed when dropped. If a test fails while it runs, the end of its log is shown.
pub struct Operator {
    process: ProcessGuard,
    user: String,
    token: String,
    started: SystemTime,
}

impl Operator {
    /// Starts `ras-operator run` for one namespace. Returns as soon as the process runs; see [`Operator::logs`] to wait.
    pub async fn start(cluster: &Cluster, namespace: &TestNamespace, options: &OperatorOptions) -> Result<Self, Error> {
        let OperatorOptions {
            roles,
            account,
            cluster_wide,
            arguments,
            environment,
            elected,
            lease_rights,
            server,
            processes,
        } = options;
        let mut token = grant(&namespace.client(), namespace.name(), account, roles, *cluster_wide).await?;
        if elected.is_some() && *lease_rights {
            let roles = repository().join(ELECTION_ROLES);
            token = grant(&namespace.client(), namespace.name(), account, &roles, false).await?;
        }

        let number = STARTED.fetch_add(1, Ordering::Relaxed) + 1;
        let description = cluster.description();
        let folder = description.folder.join("operators").join(number.to_string());
        fs::create_dir_all(&folder).map_err(Error::io(format!("creating {}", folder.display())))?;
        let kubeconfig = folder.join("kubeconfig");
        write_kubeconfig(
            &kubeconfig,
            server.as_deref().unwrap_or(&description.server),
            &description.certificate_authority,
            &Credentials::Token(&token),
            Some(namespace.name()),
        )?;

        let mut command = vec!["run".to_owned()];
        if !cluster_wide {
            command.extend(["--namespace".to_owned(), namespace.name().to_owned()]);
        }
        for flag in ["--metrics-address", "--probes-address"] {
            command.extend([flag.to_owned(), "127.0.0.1:0".to_owned()]);
        }
        match elected {
            None => command.push("--leader-election=false".to_owned()),
            Some(identity) => command.extend(["--identity".to_owned(), identity.clone()]),
        }
        if !arguments
            .iter()
            .any(|argument| argument.starts_with("--platform-config"))
        {
            let platform = folder.join("platform.yaml");
            fs::write(&platform, TENANCY).map_err(Error::io(format!("writing {}", platform.display())))?;
            command.push(format!("--platform-config={}", platform.display()));
        }
        command.extend(arguments.iter().cloned());
        let mut variables = vec![("KUBECONFIG".to_owned(), kubeconfig.display().to_string())];
        variables.extend(environment.iter().cloned());
        let mut program = program_beside("ras-operator")?;
        if let Some(processes) = processes {
            // The shell goes into the cgroup, and then becomes the program.
            let enter = r#"echo $$ >"$0" && exec "$@""#.to_owned();
            let mut inner = vec!["-c".to_owned(), enter];
            inner.extend([processes, &program].map(|path| path.display().to_string()));
            inner.append(&mut command);
            (program, command) = ("/bin/sh".into(), inner);
        }
        let started = SystemTime::now();
        let process = ProcessGuard::start("ras-operator", &program, command, &variables, &folder.join("log"))?;
        Ok(Self {
            process,
            user: format!("system:serviceaccount:{}:{account}", namespace.name()),
            token,
            started,
        })
    }

    /// Its name in the audit log.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// When its process was started, its rights having been granted before.
    pub fn started(&self) -> SystemTime {
        self.started
    }

    /// With which it proves who it is.
    pub fn token(&self) -> &str {
        &self.token
    }

    pub(crate) fn process(&self) -> &ProcessGuard {
        &self.process
    }

    /// Everything it wrote so far.
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// Waits until its log contains `text`; fails at once if it ends.
    pub async fn logs(&mut self, limit: Duration, text: &str) -> Result<(), Error> {
        self.wait_for_log(limit, &format!("`{text}` in its log"), |log| {
            log.contains(text).then_some(())
        })
        .await
    }

    /// Where it serves metrics.
    pub async fn metrics_address(&mut self, limit: Duration) -> Result<SocketAddr, Error> {
        self.wait_for_log(limit, "its metrics address in its log", |log| {
            address_beside(log, "answers /metrics")
        })
        .await
    }

    /// Where it answers probes.
    pub async fn probes_address(&mut self, limit: Duration) -> Result<SocketAddr, Error> {
        self.wait_for_log(limit, "its probes address in its log", |log| {
            address_beside(log, "answers /healthz")
        })
        .await
    }

    /// Asks it for `path` (`/metrics`, `/readyz`), and returns the status code and the body.
    pub async fn get(&mut self, path: &str) -> Result<(u16, String), Error> {
        let address = match path {
            "/healthz" | "/readyz" => self.probes_address(ANSWER_LIMIT).await?,
            _ => self.metrics_address(ANSWER_LIMIT).await?,
        };
        let asking = format!("asking the operator for {path}");
        let answer = timeout(ANSWER_LIMIT, http_get(address, path)).await;
        let text = answer
            .map_err(|_| self.process.error(format!("did not answer {path}")))?
            .map_err(Error::io(asking))?;
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let code = head
            .split(' ')
            .nth(1)
            .and_then(|code| code.parse().ok())
            .unwrap_or_default();
        Ok((code, body.to_owned()))
    }

    /// Fails if the operator has ended.
    pub fn check_running(&mut self) -> Result<(), Error> {
        self.process.check_running()
    }

    /// Sends it a signal: [`Signal::Stop`] and [`Signal::Cont`] make a leader that was out for a while.
    pub fn signal(&mut self, signal: Signal) {
        self.process.signal(signal);
    }

    /// Sends SIGTERM, and waits for it to end, for at most 15 seconds; not to end in time is an error.
    pub async fn stop(&mut self) -> Result<ExitStatus, Error> {
        let status = self.process.stop(STOP_PATIENCE).await?;
        status.ok_or_else(|| self.process.error("did not end within 15 s of SIGTERM"))
    }

    /// Sends SIGKILL, as a node that dies would.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    async fn wait_for_log<T>(
        &mut self,
        limit: Duration,
        what: &str,
        find: impl Fn(&str) -> Option<T>,
    ) -> Result<T, Error> {
        let process = std::cell::RefCell::new(&mut self.process);
        let found = eventually(limit, what, async || {
            let mut process = process.borrow_mut();
            if let Some(found) = find(&process.log()) {
                return Ok(Ok(found));
            }
            match process.exit_status()? {
                Some(status) => Ok(Err(
                    process.error(format!("{} while a test waited for {what}", ended(status)))
                )),
                None => Err(process.end_of_log().into()),
            }
        });
        found.await?
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let end = self.process.end_of_log();
            let _ = writeln!(std::io::stderr(), "the end of the log of {}:\n{end}", self.user);
        }
    }
}

/// The address of this machine in the line of the log that has these words.
fn address_beside(log: &str, words: &str) -> Option<SocketAddr> {
    log.lines().filter(|line| line.contains(words)).find_map(local_address)
}

fn local_address(log: &str) -> Option<SocketAddr> {
    log.match_indices("127.0.0.1:").find_map(|(start, host)| {
        let rest = log.get(start..)?;
        let digits = rest.get(host.len()..)?.find(|letter: char| !letter.is_ascii_digit());
        let address: SocketAddr = rest.get(..host.len() + digits?)?.parse().ok()?;
        (address.port() != 0).then_some(address)
    })
}

async fn http_get(address: SocketAddr, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    // HTTP/1.0, so that the server closes after the body.
    stream
        .write_all(format!("GET {path} HTTP/1.0\r\nhost: localhost\r\n\r\n").as_bytes())
        .await?;
    let mut text = String::new();
    stream.read_to_string(&mut text).await?;
    Ok(text)
}
