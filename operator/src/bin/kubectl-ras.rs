//! The program `kubectl-ras`, which kubectl runs as `kubectl ras`.

use std::process::ExitCode;

use clap::Parser;
use ras_operator::cli::Plugin;

#[tokio::main]
async fn main() -> ExitCode {
    // First of all: with two TLS providers in the tree rustls would refuse to choose.
    if rustls::crypto::aws_lc_rs::default_provider().install_default().is_err() {
        tracing::debug!("a TLS provider was installed before");
    }
    Plugin::parse().run().await
}
