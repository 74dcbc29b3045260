//! Buckets: the steps from what a store has to what a drive asks, and the only user of the AWS SDK.
//!
//! [`plan`] decides and is pure; [`s3`] sends the requests. [`ensure`](ensure::ensure), [`remove`](remove::remove) and
//! [`measure`](measure::measure) are the three operations on a bucket. The [`BucketController`](controller::BucketController)
//! runs them in a task for each bucket, beside the drives' reconciles.

#![allow(
    missing_docs,
    reason = "the crate is not public: a comment that adds nothing costs a reader more than its absence"
)]

pub mod capabilities;
pub mod controller;
mod cors;
pub mod ensure;
pub mod failure;
pub mod identity;
mod lifecycle;
pub mod measure;
pub mod operation;
pub mod ownership;
pub mod plan;
mod policy;
pub mod rate_limiter;
pub mod remove;
pub mod s3;
pub mod snapshot;
mod step;
pub mod store;

#[cfg(test)]
#[path = "../../tests/pure/seeds.rs"]
mod seeds;
#[cfg(test)]
mod tests;
