//! `make bench`: what the operator costs, as ratios taken in one run on one control plane, at several numbers of drives.
//!
//! Times are the API server's own, out of its audit log: when it received the first write and the last. So what is measured
//! is the operator, and not how quickly the benchmark looks.

// A benchmark talks to a person.
#![allow(clippy::print_stdout)]

mod answers;
mod audit;
mod bare;
mod bench;
mod limit;
mod machine;
mod portals;
mod ready;
mod restart;
mod table;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use ras_tests::{Cluster, Error};

use bench::Bench;
use machine::Machine;
use table::{Figures, Run};

/// Measures the operator that lies beside this program.
#[derive(Parser)]
struct Arguments {
    /// Numbers of drives, each with a control plane of its own.
    #[arg(long, value_delimiter = ',', default_value = "10,100,1000")]
    drives: Vec<usize>,
    /// Unrelated Secrets of a megabyte each, made once, at the last number of drives. 0: none.
    #[arg(long, default_value_t = 300)]
    secrets: usize,
    /// Leaves out drives whose pods run, which take the longest.
    #[arg(long)]
    no_pods: bool,
    /// Measures only the limit.
    #[arg(long)]
    limit_only: bool,
    /// Turns of the operator for the limit, each between two turns of the bare client. 0: leaves out the bare client, and
    /// with it the limit.
    #[arg(long, default_value_t = 3)]
    pairs: usize,
    /// How often a time is taken whose percentiles are shown.
    #[arg(long, default_value_t = 100)]
    times: usize,
    /// File for the figures as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match measure(&arguments).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("\nthe benchmark failed: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn measure(arguments: &Arguments) -> Result<(), Error> {
    let mut run: Option<Run> = None;
    for (number, drives) in arguments.drives.iter().enumerate() {
        let last = number + 1 == arguments.drives.len();
        let secrets = if last { arguments.secrets } else { 0 };
        let started = Instant::now();
        // One of its own for each, because an API server with more in it is slower for everybody.
        let cluster = Cluster::start().await?;
        let run = match &mut run {
            Some(run) => run,
            None => run.insert(Run {
                machine: Machine::look(&cluster.description().kubernetes_version)?,
                sizes: Vec::new(),
            }),
        };
        println!("== {drives} drives");
        let figures = size(&cluster, *drives, secrets, arguments).await?;
        println!("   took {} s in all", started.elapsed().as_secs());
        run.sizes.push(figures);
        // After each size, so that a run that is cut short leaves what it knows.
        if let Some(file) = &arguments.json {
            table::write_json(file, run)?;
        }
        cluster.stop().await?;
    }
    if let Some(run) = &run {
        println!("\n{}", table::markdown(run));
    }
    Ok(())
}

/// Measures everything at one number of drives.
async fn size(cluster: &Cluster, drives: usize, secrets: usize, arguments: &Arguments) -> Result<Figures, Error> {
    cluster.install_crd().await?;
    let since = Instant::now();
    let step = |what: &str| step(since, what);
    let mut figures = Figures {
        drives,
        ..Figures::default()
    };
    let mut bench = Bench::start(cluster, drives, arguments.times).await?;
    step("limit and calls");
    bench.limit(arguments.pairs, &mut figures).await?;
    if arguments.limit_only {
        return Ok(figures);
    }
    step("rest, one image, memory");
    bench.rest(&mut figures).await?;
    step("pick-up and drift");
    bench.answers(&mut figures).await?;
    step("restart");
    bench.restart(&mut figures).await?;
    step("failover");
    bench.failover(&mut figures).await?;
    step("pick-up beside broken drives");
    bench.broken(&mut figures).await?;
    if secrets > 0 {
        step("unrelated Secrets");
        bench.secrets(secrets, &mut figures).await?;
    }
    if !arguments.no_pods {
        step("drives whose pods run");
        bench.ready(&mut figures).await?;
    }
    Ok(figures)
}

fn step(since: Instant, what: &str) {
    println!("   {:>4} s: {what}", since.elapsed().as_secs());
}
