//! `make soak`: an hour of edits, kills and faults by chance, after which nothing is lost, left over or unready, and no
//! operator has grown.
//!
//! Two operators share two namespaces, and one of them leads; they are killed, asked to end and let stand still. A third,
//! with two namespaces of its own, gets the same edits and faults and is never ended, so that its memory means something.
//! What is done is chosen by a seed and by nothing else: `--seed` does the same again, as far as the machine lets it.

// A soak test talks to a person.
#![allow(clippy::print_stdout)]

mod action;
mod chance;
mod end;
mod log;
mod look;
mod measure;
mod meddle;
mod pair;
mod population;
mod proxy;
mod shape;
mod site;
mod soak;
mod twins;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;

/// Soaks the operator that lies beside this program.
#[derive(Clone, Debug, Parser)]
pub struct Arguments {
    /// How long
    #[arg(long, default_value_t = 60)]
    minutes: u32,
    /// How many drives
    #[arg(long, default_value_t = 44)]
    drives: usize,
    /// Which actions; the same number does the same again
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Milliseconds from one action to the next
    #[arg(long, default_value_t = 1_000)]
    pace: u64,
    /// File for the actions; the operators' logs go into a folder beside it
    #[arg(long, value_name = "FILE", default_value = "target/soak.log")]
    log: PathBuf,
}

impl Arguments {
    fn pace(&self) -> Duration {
        Duration::from_millis(self.pace)
    }

    fn length(&self) -> Duration {
        Duration::from_secs(u64::from(self.minutes) * 60)
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let soaked = tokio::select! {
        soaked = soak::soak(&arguments) => soaked,
        _ = tokio::signal::ctrl_c() => {
            println!("\nstopped; nothing is left running");
            return ExitCode::FAILURE;
        }
    };
    match soaked {
        Ok(faults) if faults.is_empty() => {
            println!("\npassed");
            ExitCode::SUCCESS
        }
        Ok(faults) => {
            println!("\nfailed, with seed {}:", arguments.seed);
            for fault in faults {
                println!("- {fault}");
            }
            ExitCode::FAILURE
        }
        Err(error) => {
            println!("\nthe soak test broke off, with seed {}: {error}", arguments.seed);
            ExitCode::FAILURE
        }
    }
}
