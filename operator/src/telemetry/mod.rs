//! Logs, metrics and health.

mod connections;
pub mod logging;
pub mod metrics;
pub mod server;
