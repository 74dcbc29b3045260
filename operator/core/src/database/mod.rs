//! The words between the operator and the Job that prepares databases: what it is asked for, and what it says in the end.

pub mod report;
pub mod request;
