//! The request of the Job that prepares databases, and its report.

pub mod report;
pub mod request;
