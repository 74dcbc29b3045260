//! Command lines: `ras-operator` here, `kubectl ras` in `plugin`.

mod drain;
mod plugin;

pub use plugin::Plugin;

use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};

use crate::informer::watches::WatchScope;
use crate::leadership;
use crate::leadership::timing::Timing;
use crate::platform_reload;
use crate::run::{self, RunSettings};
use crate::telemetry::logging;
use ras_core::fetched::own_pods::OwnPods;
use ras_core::platform::PlatformConfig;

/// Turns `RecruitmentDrive` objects into running portals.
#[derive(Debug, Parser)]
#[command(name = "ras-operator", version)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Looks after the drives of the cluster that KUBECONFIG names, or that this pod runs in.
    Run {
        /// Look after this namespace alone; may be given several times. Absent: all namespaces.
        #[arg(long = "namespace", value_name = "NAME")]
        namespaces: Vec<String>,
        /// File with the platform's settings for all drives (YAML). Absent: the defaults.
        #[arg(long, value_name = "FILE")]
        platform_config: Option<PathBuf>,
        /// Where to answer /metrics.
        #[arg(long, value_name = "ADDRESS", default_value = "0.0.0.0:8080")]
        metrics_address: SocketAddr,
        /// Where to answer /healthz and /readyz: another port, so that requests for metrics cannot delay them.
        #[arg(long, value_name = "ADDRESS", default_value = "0.0.0.0:8081")]
        probes_address: SocketAddr,
        /// How many drives are worked on at a time.
        #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=1024))]
        concurrency: u16,
        /// Labels of the operator's own pods, such as app.kubernetes.io/name=ras-operator. With them and `POD_NAMESPACE` drives let
        /// the operator connect to their ports. Absent: ports are not checked.
        #[arg(long, value_name = "NAME=VALUE,…")]
        pod_labels: Option<String>,
        #[command(flatten)]
        election: ElectionFlags,
    },
    /// Writes a service's files from their templates and the environment. Runs inside the service's pod, before it.
    Render {
        /// Folder with the templates.
        #[arg(long, value_name = "FOLDER")]
        from: PathBuf,
        /// Folder for the files.
        #[arg(long, value_name = "FOLDER")]
        to: PathBuf,
        /// Name of a file that can be executed. Repeat it for several.
        #[arg(long, value_name = "FILE")]
        executable: Vec<String>,
    },
    /// Gives a drive its databases, roles and passwords on a PostgreSQL server. Runs in a Job's pod.
    ///
    /// Ends with 0 when all is as asked, 3 when somebody has to do something first, and 4 when trying again may help.
    PrepareDatabase {
        /// File with what is asked for (YAML or JSON), without secrets.
        #[arg(long, value_name = "FILE")]
        request: PathBuf,
        /// Folder with the administrator's connection, one file each: host, port, username, password, and if need be
        /// database, sslmode and ca.
        #[arg(long, value_name = "FOLDER")]
        admin: PathBuf,
        /// Folder with the files of passwords that the request names.
        #[arg(long, value_name = "FOLDER")]
        passwords: PathBuf,
        /// Where to write what was done: the container's termination message.
        #[arg(long, value_name = "FILE", default_value = "/dev/termination-log")]
        report: PathBuf,
        /// How long to try again while the server is starting, cannot be reached or takes no writes, in seconds.
        #[arg(long, value_name = "SECONDS", default_value_t = 120, value_parser = clap::value_parser!(u16).range(0..=3600))]
        patience: u16,
    },
    /// Prints the CustomResourceDefinition, for `kubectl apply -f -`.
    Crd,
}

/// How replicas agree on who leads.
#[derive(Debug, clap::Args)]
struct ElectionFlags {
    /// Whether to lead only while holding a lease. It is on unless it is turned off, because two operators that do not know
    /// of each other would both write; the only one there is, on a developer's machine for instance, does not need it.
    #[arg(long, value_name = "BOOL", default_value_t = true, action = clap::ArgAction::Set)]
    leader_election: bool,
    /// Name of the lease.
    #[arg(long, value_name = "NAME", default_value = "ras-operator")]
    lease_name: String,
    /// Namespace of the lease. Absent: `POD_NAMESPACE`, or the one that the kubeconfig names.
    #[arg(long, value_name = "NAME", env = "POD_NAMESPACE")]
    lease_namespace: Option<String>,
    /// Name of this replica, different from every other one's. Absent: the host's name and something random.
    #[arg(long, value_name = "NAME", env = "POD_NAME")]
    identity: Option<String>,
    /// How long a leader that is not heard of is waited for.
    #[arg(long, value_name = "DURATION", default_value = "15s", value_parser = duration)]
    lease_duration: Duration,
    /// How long a leader goes on without having renewed its lease.
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration)]
    renew_deadline: Duration,
    /// Time between two tries to renew it.
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = duration)]
    retry_period: Duration,
}

impl ElectionFlags {
    fn settings(self) -> Result<Option<leadership::ElectionSettings>, String> {
        let timing = Timing::new(self.lease_duration, self.renew_deadline, self.retry_period);
        let timing = timing.map_err(|error| error.to_string())?;
        Ok(self.leader_election.then(|| leadership::ElectionSettings {
            namespace: self.lease_namespace.filter(|name| !name.is_empty()),
            name: self.lease_name,
            identity: self
                .identity
                .filter(|name| !name.is_empty())
                .unwrap_or_else(some_identity),
            timing,
        }))
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    let seconds = ras_crds::Duration::new(text).seconds();
    let seconds = seconds.ok_or_else(|| "write it like 15s or 1m".to_owned())?;
    Ok(Duration::from_secs(seconds))
}

/// Outside of a pod two processes may run on one host, so its name alone would not do.
fn some_identity() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    // The standard library seeds each of these by chance.
    let chance = RandomState::new().build_hasher().finish();
    format!("{}_{chance:016x}", host.trim())
}

impl Cli {
    /// Runs the command. An error is printed to standard error as one sentence.
    pub async fn run(self) -> ExitCode {
        let done = match self.command {
            Command::Run {
                namespaces,
                platform_config,
                metrics_address,
                probes_address,
                concurrency,
                pod_labels,
                election,
            } => {
                logging::start();
                let pod_namespace = std::env::var("POD_NAMESPACE").ok();
                match OwnPods::read(pod_namespace.as_deref(), pod_labels.as_deref()) {
                    Ok(own) => {
                        let addresses = (metrics_address, probes_address);
                        operate(namespaces, platform_config, addresses, concurrency, own, election).await
                    }
                    Err(error) => Err(error),
                }
            }
            Command::Render { from, to, executable } => {
                crate::render::render(&from, &to, &executable, |name| std::env::var(name).ok())
                    .map(drop)
                    .map_err(|error| error.to_string())
            }
            Command::PrepareDatabase {
                request,
                admin,
                passwords,
                report,
                patience,
            } => {
                logging::start();
                let options = ras_database_job::run::Options {
                    request,
                    admin,
                    passwords,
                    report,
                    patience: Duration::from_secs(patience.into()),
                };
                return ras_database_job::run::run(options).await.number().into();
            }
            Command::Crd => print_crd(),
        };
        match done {
            Ok(()) => ExitCode::SUCCESS,
            Err(message) => {
                // If standard error is closed, there is no place to report to.
                let _ = writeln!(std::io::stderr(), "ras-operator: {message}");
                ExitCode::FAILURE
            }
        }
    }
}

async fn operate(
    namespaces: Vec<String>,
    platform_config: Option<PathBuf>,
    (metrics_address, probes_address): (SocketAddr, SocketAddr),
    concurrency: u16,
    own_pods: Option<OwnPods>,
    election: ElectionFlags,
) -> Result<(), String> {
    let election = election.settings()?;
    let platform = match &platform_config {
        None => PlatformConfig::default(),
        Some(path) => platform_reload::read(path).await.map_err(|error| error.to_string())?,
    };
    let settings = RunSettings {
        scope: WatchScope { namespaces },
        platform,
        platform_file: platform_config,
        metrics_address,
        probes_address,
        concurrency,
        own_pods,
        election,
    };
    run::run(settings).await.map_err(|error| error.to_string())
}

fn print_crd() -> Result<(), String> {
    let yaml = ras_crds::schema::custom_resource_definition_yaml().map_err(|error| error.to_string())?;
    std::io::stdout()
        .write_all(yaml.as_bytes())
        .map_err(|error| format!("standard output: {error}"))
}
