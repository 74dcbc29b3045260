//! Who leads: of several replicas one writes, the others stand by with a warm memory.
//!
//! The rules are client-go's, so that people who know one operator know this one: a `Lease` that its holder renews, and
//! that somebody else may take when it was not renewed for as long as it says. Time is what each replica sees pass on
//! its own clock since it saw the lease change; no clock is compared with another.
//!
//! - [`decide`] says what to do next. It is pure.
//! - [`tenure`] says whether this process may write, and is asked before each write, not only in the loop: a process
//!   that was stopped for a minute goes on in the middle of whatever it did.
//! - [`writes`] counts the writes under way, which are finished before the lease is given back.
//! - [`election`] is the loop that talks.

pub mod calls;
pub mod decide;
pub mod election;
pub mod record;
mod requests;
pub mod state;
pub mod timing;
pub mod writes;

#[cfg(test)]
mod simulation;

use timing::Timing;

/// How this replica takes part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Namespace of the lease. Absent: the one the client talks to by default, in a pod its own.
    pub namespace: Option<String>,
    /// Name of the lease.
    pub name: String,
    /// Name of this replica, different from that of every other one that runs.
    pub identity: String,
    /// How long what takes.
    pub timing: Timing,
}
