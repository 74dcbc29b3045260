//! `control-plane` runs a test control plane until its stdin is closed.
//!
//! When it is ready it prints one line of JSON ([`Description`](ras_tests::control_plane::Description)), then waits until stdin
//! closes (which happens also when the other side is killed), or for SIGINT or SIGTERM; then it stops every program and removes
//! its folder. Meanwhile it does what is written to its stdin: see [`Order`].
//!
//! With `--real-node` it runs itself once more inside an [`NodeSandbox`], and removes what is left of that when it is over.

use std::{
    io::{BufRead as _, Write as _},
    net::Ipv4Addr,
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

use clap::Parser;
use ras_tests::{
    Error,
    control_plane::{ControlPlane, KubernetesVersion, Nodes, Options, Order},
    node::{NodeSandbox, Site},
};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::{mpsc, oneshot},
};

/// Runs a real Kubernetes control plane on this machine, for tests and for trying things out, with three fake nodes or a real one.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Keep running when stdin closes; Ctrl-C stops it
    #[arg(long)]
    keep: bool,
    /// The Kubernetes version, such as 1.37 (environment: `K8S_VERSION`)
    #[arg(long, value_parser = |text: &str| text.parse::<KubernetesVersion>())]
    kubernetes_version: Option<KubernetesVersion>,
    /// Let pods really run, on this machine (needs root)
    #[arg(long)]
    real_node: bool,
    /// Folder of the sandbox that this program runs in; it says so to itself
    #[arg(long, hide = true, requires = "address")]
    sandbox: Option<PathBuf>,
    /// Address of the node in the sandbox
    #[arg(long, hide = true)]
    address: Option<Ipv4Addr>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outside = arguments.real_node && arguments.sandbox.is_none();
    let result = if outside {
        run_in_sandbox(&arguments).await
    } else {
        run(arguments).await
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Not eprintln!, which panics if the parent process has ended.
            let _ = writeln!(std::io::stderr(), "{error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs this program again inside a [`NodeSandbox`], until it ends or a signal asks this one to stop.
async fn run_in_sandbox(arguments: &Arguments) -> Result<(), Error> {
    let version = version(arguments)?;
    let sandbox = NodeSandbox::new()?;
    let Site { folder, address } = sandbox.site();
    let mut inside = vec![
        "--real-node".to_owned(),
        format!("--sandbox={}", folder.display()),
        format!("--address={address}"),
        format!("--kubernetes-version={}", version.full()),
    ];
    inside.extend(arguments.keep.then(|| "--keep".to_owned()));
    let program = std::env::current_exe().map_err(|error| io("finding the path of this program", &error))?;
    let mut child = sandbox.run(&program, &inside)?;
    // The program inside reads stdin, and ends when it closes.
    let stopped = signals();
    tokio::pin!(stopped);
    let result = tokio::select! {
        ended = child.wait() => match ended {
            // It has said why on stderr.
            Ok(status) if status.success() => Ok(()),
            Ok(_) => Err(Error::ControlPlane("it ended early".to_owned())),
            Err(error) => Err(io("waiting for the sandbox", &error)),
        },
        asked = &mut stopped => {
            child.kill().await.map_err(|error| io("ending the sandbox", &error))?;
            asked
        }
    };
    sandbox.remove().await?;
    result
}

async fn run(arguments: Arguments) -> Result<(), Error> {
    let version = version(&arguments)?;
    let (lines, mut orders) = mpsc::unbounded_channel();
    let stopped = stop_requested(arguments.keep, lines);
    tokio::pin!(stopped);
    let nodes = match (arguments.sandbox, arguments.address) {
        (Some(folder), Some(address)) => Nodes::Real(Site { folder, address }),
        _ => Nodes::Simulated,
    };
    let in_sandbox = matches!(nodes, Nodes::Real(_));
    let options = Options {
        version,
        nodes,
        tools: None,
    };
    let mut control_plane = tokio::select! {
        started = ControlPlane::start(&options) => started?,
        asked = &mut stopped => return asked,
    };
    let description = serde_json::to_string(control_plane.description()).map_err(|error| Error::Unreadable {
        what: "the description".to_owned(),
        message: error.to_string(),
    })?;
    say(&description)?;
    let result = loop {
        tokio::select! {
            asked = &mut stopped => break asked,
            died = death(&mut control_plane) => break Err(died),
            Some(line) = orders.recv() => {
                let answer = match obey(&mut control_plane, &line).await {
                    Ok(()) => String::new(),
                    Err(error) => error.to_string().replace('\n', " "),
                };
                say(&answer)?;
            }
        }
    };
    // With the end of this program the kernel ends everything in a sandbox, and nothing in there is worth an order.
    if !in_sandbox {
        control_plane.stop().await?;
    }
    result
}

fn version(arguments: &Arguments) -> Result<KubernetesVersion, Error> {
    match arguments.kubernetes_version {
        Some(version) => Ok(version),
        None => KubernetesVersion::from_environment(),
    }
}

/// Writes a line for the parent process.
fn say(line: &str) -> Result<(), Error> {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{line}")
        .and_then(|()| stdout.flush())
        .map_err(|error| io("writing to stdout", &error))
}

async fn obey(control_plane: &mut ControlPlane, line: &str) -> Result<(), Error> {
    let order: Order = serde_json::from_str(line).map_err(|error| Error::Unreadable {
        what: format!("the order `{line}`"),
        message: error.to_string(),
    })?;
    control_plane.obey(&order).await
}

/// Returns when one of the programs has ended unexpectedly.
async fn death(control_plane: &mut ControlPlane) -> Error {
    loop {
        if let Err(error) = control_plane.check() {
            return error;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

async fn stop_requested(keep: bool, lines: mpsc::UnboundedSender<String>) -> Result<(), Error> {
    let (closed, stdin_closed) = oneshot::channel::<()>();
    // A thread of its own: a read that tokio has begun on its stdin would hold up the end of the program.
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            let _ = lines.send(line);
        }
        drop(closed);
    });
    tokio::select! {
        asked = signals() => asked,
        _ = stdin_closed, if !keep => Ok(()),
    }
}

/// Returns on Ctrl-C or SIGTERM.
async fn signals() -> Result<(), Error> {
    let listen = |kind| signal(kind).map_err(|error| io("listening for signals", &error));
    let mut interrupt = listen(SignalKind::interrupt())?;
    let mut terminate = listen(SignalKind::terminate())?;
    tokio::select! {
        _ = interrupt.recv() => (),
        _ = terminate.recv() => (),
    }
    Ok(())
}

fn io(what: &str, error: &std::io::Error) -> Error {
    Error::Io {
        what: what.to_owned(),
        message: error.to_string(),
    }
}
