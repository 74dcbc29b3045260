//! Logs, metrics and health.

pub mod logging;
pub mod metrics;
pub mod server;
