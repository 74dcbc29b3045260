//! What the operator tells about itself: logs, metrics, health.

pub mod logging;
pub mod metrics;
pub mod server;
