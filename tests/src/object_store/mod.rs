//! Real S3 servers on this machine, to run buckets against: three that campuses run, which differ most where AWS'
//! documentation is silent, and moto, which stands for AWS itself.
//!
//! Each runs under a [`ProcessGuard`](crate::ProcessGuard), on a free port of 127.0.0.1, with credentials made up for this start and a temporary
//! folder that goes when it goes. Tests that only make buckets of their own names share one of each kind ([`shared`]);
//! a test that stops, restricts or encrypts takes one of its own.

mod client;
mod kind;
mod moto;
mod options;
mod programs;
pub(crate) mod secret;
mod shared;
mod start;
mod users;

pub use self::{kind::StoreKind, options::StoreOptions, shared::shared, start::ObjectStore};
