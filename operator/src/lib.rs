//! The program: it watches drives and their children, asks `ras-core` what to do, and does it.
//!
//! A reconcile is `fetch`, then the core's steps, then [`apply`] and the status: see [`controller`].

#![allow(
    missing_docs,
    reason = "the crate is not public: a comment that adds nothing costs a reader more than its absence"
)]

pub mod apply;
pub mod cli;
pub mod client;
pub mod controller;
pub mod fetch;
pub mod informer;
pub mod leadership;
pub mod listeners;
pub mod platform_reload;
pub mod render;
pub mod run;
pub mod stop;
pub mod telemetry;

#[cfg(test)]
#[path = "../tests/pure/seeds.rs"]
mod seeds;
