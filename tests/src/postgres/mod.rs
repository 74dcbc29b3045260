//! Real PostgreSQL servers on this machine, from Debian's package `postgresql`.
//!
//! Each runs under a [`ProcessGuard`](crate::ProcessGuard), on a free port of 127.0.0.1, in a temporary directory that
//! is removed at its end. PostgreSQL refuses to run as root: if the tests run as root, the server runs as the user
//! `postgres` (or `nobody`).
//!
//! A server has two superusers: [`WATCHER`], by whom tests look at it and who always gets in without TLS, and [`ADMIN`],
//! whom the program under test connects as.

mod options;
mod preparation;
mod programs;
mod shared;
mod start;
mod tap;

pub use self::{
    options::{PostgresOptions, ServerTls},
    preparation::{Preparation, Prepared, REPORT_LIMIT},
    shared::shared,
    start::{ADMIN, PostgresServer, WATCHER},
    tap::{Cut, Tap},
};
