//! What the operator promises where pods really run: `make e2e`.
//!
//! The cluster is one of our own on this machine ([`ras_tests::node`]), or the one that `KUBECONFIG` names. The operator runs in it
//! as a pod, installed as people install it and under exactly its own `ServiceAccount`. Images are assembled from Debian's packages
//! and our own programs ([`images`]); what is in a drive's pods is the stand-in portal of `tests/portal`.
//!
//! A program and no `#[test]`s, because a machine that cannot run a node has to be told from one on which all is well, and because
//! the time of every step is shown.

// A scenario fails by returning an error or by panicking, and this program prints.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod drive;
mod images;
mod installed;
mod load_generator;
mod object_store;
mod operators;
mod runner;
mod scenarios;
mod world;

use std::process::ExitCode;

use clap::Parser;

/// Runs the operator in a cluster on which pods really run, and tries its promises.
///
/// KUBECONFIG: use this cluster and leave it running; it must not hold drives. `E2E_LOAD_IMAGE`: a command that loads an image
/// archive into it, such as `kind load image-archive`.
#[derive(Parser)]
struct Arguments {
    /// Run only scenarios whose names contain one of these words
    words: Vec<String>,
    /// Run this many scenarios at a time
    #[arg(long, default_value_t = 3)]
    jobs: usize,
    /// List the scenarios
    #[arg(long)]
    list: bool,
    /// Fail where this machine cannot run a node, instead of saying so
    #[arg(long, env = "REQUIRE_NODE", value_parser = clap::builder::FalseyValueParser::new())]
    require_node: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let mut chosen = scenarios::all();
    if !arguments.words.is_empty() {
        chosen.retain(|scenario| arguments.words.iter().any(|word| scenario.name.contains(word)));
    }
    if arguments.list {
        for scenario in &chosen {
            println!("{}", scenario.name);
        }
        return ExitCode::SUCCESS;
    }
    if chosen.is_empty() {
        eprintln!("no scenario has one of these words in its name: see --list");
        return ExitCode::FAILURE;
    }
    if world::names_a_cluster().is_none()
        && let Some(reason) = ras_tests::node::cannot_run_a_node()
    {
        println!("end to end on a real node: not run, {reason}. Or let KUBECONFIG name a cluster");
        return if arguments.require_node {
            ExitCode::FAILURE
        } else {
            ExitCode::SUCCESS
        };
    }
    match runner::run(chosen, arguments.jobs).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
