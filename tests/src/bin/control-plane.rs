//! `control-plane` runs a test control plane for whoever holds the other end of its stdin.
//!
//! When it is ready it prints one line of JSON ([`Description`]), then waits until stdin closes (which happens also
//! when the other side is killed), or for SIGINT or SIGTERM; then it stops every program and removes its folder.

use std::{io::Write as _, process::ExitCode, time::Duration};

use clap::Parser;
use ras_tests::{
    Error,
    control_plane::{ControlPlane, Description, KubernetesVersion, Options},
};
use tokio::signal::unix::{SignalKind, signal};

/// Runs a real Kubernetes control plane with three fake nodes on this machine, for tests and for trying things out.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Keep running when stdin closes; Ctrl-C stops it
    #[arg(long)]
    keep: bool,
    /// The Kubernetes version, such as 1.37 (environment: `K8S_VERSION`)
    #[arg(long, value_parser = |text: &str| text.parse::<KubernetesVersion>())]
    kubernetes_version: Option<KubernetesVersion>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Not eprintln!, which panics when whoever started us is gone.
            let _ = writeln!(std::io::stderr(), "{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<(), Error> {
    let version = match arguments.kubernetes_version {
        Some(version) => version,
        None => KubernetesVersion::from_environment()?,
    };
    let stopped = stop_requested(arguments.keep);
    tokio::pin!(stopped);
    let options = Options { version, tools: None };
    let mut control_plane = tokio::select! {
        started = ControlPlane::start(&options) => started?,
        asked = &mut stopped => return asked,
    };
    announce(control_plane.description())?;
    let result = tokio::select! {
        asked = &mut stopped => asked,
        died = death(&mut control_plane) => Err(died),
    };
    control_plane.stop().await?;
    result
}

fn announce(description: &Description) -> Result<(), Error> {
    let failed = |message: String| Error::Io {
        what: "writing the description".to_owned(),
        message,
    };
    let line = serde_json::to_string(description).map_err(|error| failed(error.to_string()))?;
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{line}")
        .and_then(|()| stdout.flush())
        .map_err(|error| failed(error.to_string()))
}

/// Returns when one of the programs has ended although nobody asked it to.
async fn death(control_plane: &mut ControlPlane) -> Error {
    loop {
        if let Err(error) = control_plane.check() {
            return error;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

async fn stop_requested(keep: bool) -> Result<(), Error> {
    let listen = |kind| {
        signal(kind).map_err(|error| Error::Io {
            what: "listening for signals".to_owned(),
            message: error.to_string(),
        })
    };
    let mut interrupt = listen(SignalKind::interrupt())?;
    let mut terminate = listen(SignalKind::terminate())?;
    let (closed, stdin_closed) = tokio::sync::oneshot::channel::<()>();
    // A thread of its own: a read that tokio has begun on its stdin would hold up the end of the program.
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
        drop(closed);
    });
    tokio::select! {
        _ = interrupt.recv() => (),
        _ = terminate.recv() => (),
        _ = stdin_closed, if !keep => (),
    }
    Ok(())
}
