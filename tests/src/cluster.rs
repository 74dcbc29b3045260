use std::{
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    os::unix::process::CommandExt as _,
    path::PathBuf,
    process::{ChildStdin, ChildStdout, Command, ExitStatus, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread::JoinHandle,
};

use kube::{Client, Config};
use tokio::sync::OnceCell;

use crate::{
    AuditLog, Error, TestNamespace,
    control_plane::{Description, Fate, KubernetesVersion, Order, Tools, client_config},
    policies,
    workspace::program_beside,
};

static CLUSTER: OnceCell<Result<Cluster, Error>> = OnceCell::const_new();

/// The control plane of this test process: started by the first test that asks, of the version `K8S_VERSION` names, and
/// stopped when the process ends.
pub async fn cluster() -> Result<&'static Cluster, Error> {
    // The failure is kept too, or every test would wait for the same one again.
    CLUSTER.get_or_init(Cluster::start).await.as_ref().map_err(Clone::clone)
}

/// A running control plane, supervised by a process of its own that stops it when this one is gone.
pub struct Cluster {
    description: Description,
    config: Config,
    namespaces: AtomicUsize,
    supervisor: Supervisor,
}

/// The program `control-plane`.
struct Supervisor {
    words: Arc<Mutex<Words>>,
    /// Ends when it has.
    end: JoinHandle<io::Result<ExitStatus>>,
}

/// Standard input and output of the program.
struct Words {
    /// It stops everything when this closes.
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
}

impl Words {
    fn say(&mut self, order: &Order) -> io::Result<String> {
        let Some(stdin) = &mut self.stdin else {
            return Err(io::Error::other("it is being stopped"));
        };
        writeln!(stdin, "{}", serde_json::to_string(order)?)?;
        let mut answer = String::new();
        if self.stdout.read_line(&mut answer)? == 0 {
            return Err(io::Error::other("it has ended"));
        }
        Ok(answer.trim().to_owned())
    }
}

impl Cluster {
    /// Starts one more control plane with the shipped admission policies, which is stopped when the value is dropped. Tests
    /// share [`cluster()`] instead.
    pub async fn start() -> Result<Self, Error> {
        let cluster = Self::start_with(&[]).await?;
        policies::install(&cluster.client()?).await?;
        Ok(cluster)
    }

    /// Starts one without the shipped admission policies, as a cluster may be.
    pub async fn start_without_policies() -> Result<Self, Error> {
        Self::start_with(&[]).await
    }

    /// Starts one on which pods really run; see [`node`](crate::node). It needs root.
    pub async fn start_real() -> Result<Self, Error> {
        Self::start_with(&["--real-node"]).await
    }

    async fn start_with(arguments: &'static [&'static str]) -> Result<Self, Error> {
        let version = KubernetesVersion::from_environment()?;
        let program = program_beside("control-plane")?;
        let (supervisor, line) = tokio::task::spawn_blocking(move || start_supervisor(program, version, arguments))
            .await
            .map_err(|error| Error::ControlPlane(error.to_string()))??;
        let description: Description =
            serde_json::from_str(&line).map_err(Error::unreadable("what `control-plane` printed"))?;
        let config = client_config(&description.kubeconfig).await?;
        Ok(Self {
            description,
            config,
            namespaces: AtomicUsize::new(0),
            supervisor,
        })
    }

    /// Stops it, and returns when nothing of it is left.
    pub async fn stop(self) -> Result<(), Error> {
        let Supervisor { words, end } = self.supervisor;
        drop(
            words
                .lock()
                .map_err(|error| Error::ControlPlane(error.to_string()))?
                .stdin
                .take(),
        );
        let ended = tokio::task::spawn_blocking(move || end.join()).await;
        match ended {
            Ok(Ok(Ok(status))) if status.success() => Ok(()),
            Ok(Ok(Ok(status))) => Err(Error::ControlPlane(format!("its end went wrong ({status})"))),
            Ok(Ok(Err(error))) => Err(Error::io("waiting for `control-plane`")(error)),
            Ok(Err(_)) | Err(_) => Err(Error::ControlPlane("nobody waited for its end".to_owned())),
        }
    }

    /// Kills one of its programs as a fault would, or starts it again; see [`Order`]. Returns when it is gone, or when it is
    /// started, which is not yet when it works.
    pub async fn order(&self, what: Fate, program: &str) -> Result<(), Error> {
        let words = Arc::clone(&self.supervisor.words);
        let program = program.to_owned();
        let answer = tokio::task::spawn_blocking(move || match words.lock() {
            Ok(mut words) => words
                .say(&Order { what, program })
                .map_err(Error::io("telling `control-plane`")),
            Err(error) => Err(Error::ControlPlane(error.to_string())),
        });
        match answer.await.map_err(|error| Error::ControlPlane(error.to_string()))?? {
            answer if answer.is_empty() => Ok(()),
            refusal => Err(Error::ControlPlane(refusal)),
        }
    }

    /// Kills the API server and starts it again, with what is stored. Returns when it is started, which is not yet when it is ready.
    pub async fn restart_apiserver(&self) -> Result<(), Error> {
        self.order(Fate::Killed, "kube-apiserver").await?;
        self.order(Fate::Started, "kube-apiserver").await
    }

    /// Where its files are and what it runs.
    pub fn description(&self) -> &Description {
        &self.description
    }

    /// The programs it was started from, and other projects' CRDs.
    pub fn tools(&self) -> Tools {
        Tools::at(&self.description.tools)
    }

    /// The configuration of a client in `system:masters`.
    pub fn config(&self) -> Config {
        self.config.clone()
    }

    /// A new client in `system:masters`. Make one in each test: its connections belong to the tokio runtime that made
    /// it, and every `#[tokio::test]` has its own.
    pub fn client(&self) -> Result<Client, Error> {
        Client::try_from(self.config.clone()).map_err(Error::api("making a client"))
    }

    /// A new namespace of a name that begins with `prefix`, ready for pods to be created in.
    pub async fn namespace(&self, prefix: &str) -> Result<TestNamespace, Error> {
        let number = self.namespaces.fetch_add(1, Ordering::Relaxed) + 1;
        TestNamespace::create(self.client()?, format!("{prefix}-{number}")).await
    }

    /// The API server's audit log.
    pub fn audit(&self) -> Result<AuditLog, Error> {
        Ok(AuditLog::new(self.description.audit_log.clone(), self.client()?))
    }
}

/// Starts the program `control-plane` and waits for its line. The program ends if it cannot start in time.
fn start_supervisor(
    program: PathBuf,
    version: KubernetesVersion,
    arguments: &[&str],
) -> Result<(Supervisor, String), Error> {
    let mut child = Command::new(program)
        .args(["--kubernetes-version", version.full()])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // So that Ctrl-C ends the tests alone, and the supervisor then stops its programs in order.
        .process_group(0)
        .spawn()
        .map_err(Error::io("starting `control-plane`"))?;
    let (Some(stdin), Some(stdout), Some(mut stderr)) = (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        return Err(Error::ControlPlane("its pipes are missing".to_owned()));
    };
    let mut stdout = BufReader::new(stdout);
    let mut line = String::new();
    stdout
        .read_line(&mut line)
        .map_err(Error::io("reading from `control-plane`"))?;
    if line.is_empty() {
        let mut reason = String::new();
        let _ = stderr.read_to_string(&mut reason);
        let _ = child.wait();
        return Err(Error::ControlPlane(reason.trim().to_owned()));
    }
    // If a program dies during the tests, its last words explain what the tests then say.
    let end = std::thread::spawn(move || {
        for words in BufReader::new(stderr).lines().map_while(Result::ok) {
            let _ = writeln!(io::stderr(), "control-plane: {words}");
        }
        child.wait()
    });
    let words = Words {
        stdin: Some(stdin),
        stdout,
    };
    let words = Arc::new(Mutex::new(words));
    Ok((Supervisor { words, end }, line))
}
