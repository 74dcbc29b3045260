//! What the programs are told on their command lines: `ras-operator` here, `kubectl ras` in `plugin`.

mod drain;
mod plugin;

pub use plugin::Plugin;

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};

use crate::cluster::informers::Scope;
use crate::database;
use crate::platform::{self, PlatformConfig};
use crate::run::{self, Settings};
use crate::telemetry::logging;

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
        /// Where to answer /metrics, /healthz and /readyz.
        #[arg(long, value_name = "ADDRESS", default_value = "0.0.0.0:8080")]
        metrics_address: SocketAddr,
        /// How many drives are worked on at a time.
        #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=1024))]
        concurrency: u16,
    },
    /// Writes a service's files from their templates and the environment. Runs inside the service's pod, before it.
    Render {
        /// Folder with the templates.
        #[arg(long, value_name = "FOLDER")]
        from: PathBuf,
        /// Folder for the files.
        #[arg(long, value_name = "FOLDER")]
        to: PathBuf,
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

impl Cli {
    /// Does what was asked for. What goes wrong is told on standard error, in a sentence.
    pub async fn run(self) -> ExitCode {
        let done = match self.command {
            Command::Run {
                namespaces,
                platform_config,
                metrics_address,
                concurrency,
            } => {
                logging::start();
                operate(namespaces, platform_config, metrics_address, concurrency).await
            }
            Command::Render { from, to } => crate::render::render(&from, &to, |name| std::env::var(name).ok())
                .map(drop)
                .map_err(|error| error.to_string()),
            Command::PrepareDatabase {
                request,
                admin,
                passwords,
                report,
                patience,
            } => {
                logging::start();
                let options = database::run::Options {
                    request,
                    admin,
                    passwords,
                    report,
                    patience: Duration::from_secs(patience.into()),
                };
                return database::run::run(options).await.number().into();
            }
            Command::Crd => print_crd(),
        };
        match done {
            Ok(()) => ExitCode::SUCCESS,
            Err(message) => {
                // Nobody is left to tell when standard error is closed.
                let _ = writeln!(std::io::stderr(), "ras-operator: {message}");
                ExitCode::FAILURE
            }
        }
    }
}

async fn operate(
    namespaces: Vec<String>,
    platform_config: Option<PathBuf>,
    metrics_address: SocketAddr,
    concurrency: u16,
) -> Result<(), String> {
    let platform = match platform_config {
        None => PlatformConfig::default(),
        Some(path) => {
            let text = std::fs::read_to_string(&path)
                .map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
            platform::parse(&text).map_err(|error| format!("{}: {error}", path.display()))?
        }
    };
    let settings = Settings {
        scope: Scope { namespaces },
        platform,
        metrics_address,
        concurrency,
    };
    run::run(settings).await.map_err(|error| error.to_string())
}

fn print_crd() -> Result<(), String> {
    let yaml = ras_crds::schema::custom_resource_definition_yaml().map_err(|error| error.to_string())?;
    std::io::stdout()
        .write_all(yaml.as_bytes())
        .map_err(|error| format!("standard output: {error}"))
}
