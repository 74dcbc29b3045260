//! `kubectl ras`: commands for people, which run with their own permissions.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use super::drain::Drain;
use crate::client;

/// Commands about drives for people, run as `kubectl ras`.
#[derive(Debug, Parser)]
#[command(name = "kubectl-ras", bin_name = "kubectl ras", version)]
pub struct Plugin {
    /// The kubeconfig to use. Absent: KUBECONFIG, or ~/.kube/config.
    #[arg(long, global = true, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// The context of the kubeconfig. Absent: the current one.
    #[arg(long, global = true, value_name = "NAME")]
    context: Option<String>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Drain(Drain),
}

impl Plugin {
    /// Runs the command. An error is printed to standard error as one sentence.
    pub async fn run(self) -> ExitCode {
        let done = match client::connect_as_user(self.kubeconfig.as_deref(), self.context).await {
            Err(error) => Err(error.to_string()),
            Ok(client) => match self.command {
                Command::Drain(drain) => drain.run(&client).await,
            },
        };
        done.unwrap_or_else(|message| {
            let _ = writeln!(std::io::stderr(), "kubectl ras: {message}");
            ExitCode::FAILURE
        })
    }
}
