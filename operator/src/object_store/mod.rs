//! Buckets: what they should be, what they are, which steps lead from one to the other, and the one place that
//! speaks S3.
//!
//! [`plan`] decides and is pure. [`s3`] talks, and is the only user of the AWS SDK. Between the two, [`ensure`](ensure::ensure),
//! [`remove`](remove::remove) and [`measure`](measure::measure) are the three things one can ask for.

pub mod capabilities;
pub mod controller;
mod cors;
pub mod ensure;
pub mod failure;
pub mod identity;
mod lifecycle;
pub mod measure;
pub mod observed;
pub mod operation;
pub mod ownership;
pub mod plan;
mod policy;
pub mod rate_limiter;
pub mod remove;
pub mod s3;
mod step;
pub mod store;

#[cfg(test)]
mod tests;
