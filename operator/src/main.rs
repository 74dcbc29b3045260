//! The program `ras-operator`.

use std::process::ExitCode;

use clap::Parser;
use ras_operator::cli::Cli;

/// Lists of thousands of objects are taken apart at the start and after each outage. The system's allocator keeps what that took.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    // First of all: with two TLS providers in the tree rustls would refuse to choose.
    if rustls::crypto::aws_lc_rs::default_provider().install_default().is_err() {
        tracing::debug!("a TLS provider was installed before");
    }
    Box::pin(Cli::parse().run()).await
}
