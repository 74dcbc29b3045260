//! The request of the Job that prepares databases, and its report.

pub mod report;
pub mod request;

/// Name by which services mean the server of `spec.database`, as `cache` is that of the cache.
pub const NAME: &str = "database";
