//! `make dev`: the operator outside the cluster, against a control plane that stays up. When a source changes, the operator is
//! built and started again.

// It prints for the person who runs it.
#![allow(clippy::print_stdout)]

use std::{
    ffi::OsStr,
    fs,
    path::Path,
    process::{ExitCode, Stdio},
    time::{Duration, SystemTime},
};

use ras_tests::{
    Cluster, Error, FakeKubelet, ForeignProject, Operator, OperatorOptions, ROLES, TestNamespace, repository,
};
use tokio::{process::Command, signal::unix::SignalKind, time::sleep};

/// Sources of the operator, and the manifests it is installed with.
const WATCHED: [&str; 3] = ["crds", "operator", "deploy/rbac"];
const POLL: Duration = Duration::from_millis(500);
/// Users' drives go here.
const NAMESPACE: &str = "spo";

#[tokio::main]
async fn main() -> ExitCode {
    // Everything was started by process guards: when this process ends, in whatever way, they end all of it.
    let ended = tokio::select! {
        ended = run() => ended,
        stopped = stopped() => stopped,
    };
    match ended {
        Ok(()) => {
            println!("\ndev: stopped; nothing is left running");
            ExitCode::SUCCESS
        }
        Err(error) => {
            println!("\ndev: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Returns after Ctrl-C or SIGTERM.
async fn stopped() -> Result<(), Error> {
    let mut terminate =
        tokio::signal::unix::signal(SignalKind::terminate()).map_err(Error::io("listening for SIGTERM"))?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted.map_err(Error::io("listening for Ctrl-C")),
        _ = terminate.recv() => Ok(()),
    }
}

async fn run() -> Result<(), Error> {
    println!("dev: starting a control plane");
    let cluster = Cluster::start().await?;
    cluster.install_crd().await?;
    cluster.install(ForeignProject::PrometheusOperator).await?;
    let _issuer = cluster.issue_certificates().await?;
    // No program runs in a pod here, so the Jobs of drives are reported as completed.
    let _jobs = FakeKubelet::pretend(cluster.client()?);
    let namespace = cluster.namespace("ras-system").await?;
    cluster.kubectl(&["create", "namespace", NAMESPACE]).await?;
    usage(&cluster);

    let mut seen = newest();
    let mut session = Session::start(&cluster, &namespace).await?;
    loop {
        sleep(POLL).await;
        session.print_log();
        let now = newest();
        if now <= seen {
            continue;
        }
        // An editor may be in the middle of saving several files.
        sleep(POLL).await;
        if newest() > now {
            continue;
        }
        seen = now;
        println!("dev: a source changed; building");
        if !build().await? {
            println!("dev: the build failed; the operator from the last build keeps running");
            continue;
        }
        if let Err(error) = session.restart(&cluster, &namespace).await {
            println!("dev: {error}");
        }
    }
}

fn usage(cluster: &Cluster) {
    let description = cluster.description();
    println!(
        "dev: Kubernetes {} is up. In another terminal:\n",
        description.kubernetes_version
    );
    println!("  export KUBECONFIG={}", description.kubeconfig.display());
    println!(
        "  export PATH={}:$PATH   # kubectl of the same version",
        description.tools.display()
    );
    println!(
        "  kubectl -n {NAMESPACE} apply -f {}",
        repository().join("examples/ras.yaml").display()
    );
    println!("  kubectl -n {NAMESPACE} get drive --watch\n");
    println!(
        "dev: pods are simulated. Edit a source, and the operator is built and started again. Ctrl-C ends everything."
    );
}

/// One run of the operator.
struct Session {
    operator: Operator,
    /// How much of its log is printed.
    printed: usize,
    has_ended: bool,
}

impl Session {
    async fn start(cluster: &Cluster, namespace: &TestNamespace) -> Result<Self, Error> {
        let options = OperatorOptions::with_roles(ROLES).cluster_wide();
        let operator = Operator::start(cluster, namespace, &options).await?;
        println!("dev: the operator runs");
        Ok(Self {
            operator,
            printed: 0,
            has_ended: false,
        })
    }

    /// Stops the operator, and starts the program that was built last, with the CRD and the permissions as they are now.
    async fn restart(&mut self, cluster: &Cluster, namespace: &TestNamespace) -> Result<(), Error> {
        let stopped = self.operator.stop().await;
        self.has_ended = true;
        self.print_log();
        if let Err(error) = stopped {
            println!("dev: {error}");
        }
        cluster.install_crd().await?;
        *self = Self::start(cluster, namespace).await?;
        Ok(())
    }

    /// Prints what the operator has logged since the last time, and says once if it has ended.
    fn print_log(&mut self) {
        let log = self.operator.log();
        let lines = log.get(self.printed..).unwrap_or_default();
        if let Some((lines, _)) = lines.rsplit_once('\n') {
            println!("{lines}");
            self.printed += lines.len() + 1;
        }
        if !self.has_ended && self.operator.check_running().is_err() {
            self.has_ended = true;
            println!("dev: the operator has ended; it starts again after the next change");
        }
    }
}

/// Builds the operator, and the program that guards it, which is refused when it is older than its sources.
async fn build() -> Result<bool, Error> {
    let status = Command::new("cargo")
        .args(["build", "--workspace", "--locked", "--quiet"])
        .args(["--bin", "ras-operator", "--bin", "process-guard"])
        .current_dir(repository())
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .status()
        .await
        .map_err(Error::io("starting cargo"))?;
    Ok(status.success())
}

/// When the last watched file was written.
fn newest() -> SystemTime {
    let root = repository();
    WATCHED
        .iter()
        .map(|folder| newest_in(&root.join(folder)))
        .max()
        .unwrap_or(SystemTime::UNIX_EPOCH)
}

/// Files that cannot be read are not there any more, and the next poll sees what replaced them.
fn newest_in(folder: &Path) -> SystemTime {
    let mut newest = SystemTime::UNIX_EPOCH;
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let time = if path.is_dir() {
            // Tests are no part of the program.
            if path.file_name() == Some(OsStr::new("tests")) {
                continue;
            }
            newest_in(&path)
        } else if ["rs", "toml", "yaml"]
            .iter()
            .any(|end| path.extension() == Some(OsStr::new(end)))
        {
            entry
                .metadata()
                .and_then(|metadata| metadata.modified())
                .unwrap_or(newest)
        } else {
            continue;
        };
        newest = newest.max(time);
    }
    newest
}
