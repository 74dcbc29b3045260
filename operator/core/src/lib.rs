//! The pure core: every decision about a drive. It knows no client, no clock, no randomness and no environment; what it needs of
//! them are arguments.
//!
//! The steps in their order: [`validate`] turns a drive into a [`ValidDrive`](valid::ValidDrive), [`plan`] decides, [`build`]
//! makes the objects, and [`report`] says what came of them.

#![allow(
    missing_docs,
    reason = "the crate is not public: a comment that adds nothing costs a reader more than its absence"
)]

pub mod applied;
pub mod backoff;
pub mod bucket;
pub mod build;
pub mod cache;
pub mod cidr;
pub mod database;
pub mod drive_key;
pub mod fetched;
pub mod foreign;
pub mod kind;
pub mod names;
pub mod plain_text;
pub mod plan;
pub mod platform;
pub mod redaction;
pub mod report;
pub mod retry;
pub mod url;
pub mod valid;
pub mod validate;
pub mod whole_seconds;
