//! Buckets: what they should be, what they are, which steps lead from one to the other, and the one place that
//! speaks S3.
//!
//! [`plan`] decides and is pure. [`s3`] talks, and is the only user of the AWS SDK. Between the two, [`ensure`](ensure::ensure),
//! [`remove`](remove::remove) and [`measure`](measure::measure) are the three things one can ask for.

pub mod capabilities;
mod cors;
pub mod ensure;
pub mod failure;
pub mod gate;
pub mod identity;
pub mod keeper;
mod lifecycle;
pub mod measure;
pub mod model;
pub mod observed;
pub mod operation;
pub mod ownership;
pub mod plan;
mod policy;
pub mod remove;
pub mod s3;
pub mod state;
mod step;
pub mod store;

#[cfg(test)]
mod tests;
