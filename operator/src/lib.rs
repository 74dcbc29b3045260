//! The program: everything that decides is pure, everything that talks is thin.
//!
//! `drive` is the walk of one reconcile, its folder listing the rooms; `cluster` is the edge to the API server.

pub mod cidr;
pub mod cli;
pub mod cluster;
pub mod database;
pub mod drive;
pub mod foreign;
pub mod manifest;
pub mod object_store;
pub mod platform;
pub mod render;
pub mod run;
pub mod stop;
pub mod telemetry;

#[cfg(test)]
#[path = "../tests/pure/seeds.rs"]
mod seeds;
