//! Leader election: one replica writes, and the others stand by with filled caches.
//!
//! The rules are client-go's: the leader renews a `Lease`, and another replica may take it if it was not renewed for
//! its duration. Each replica measures that time on its own clock, from the moment it saw the lease change. Clocks are
//! not compared.
//!
//! - [`decide`] decides what to do with the lease. Pure.
//! - [`state`] knows if this process may write. It is checked before each write and not only in the loop, because a
//!   process that was paused continues in the middle of a reconcile.
//! - [`writes`] counts the writes in flight, which are finished before the lease is released.
//! - [`election`] is the loop that reads and writes the lease through [`lease_api`].

pub mod decide;
pub mod election;
pub mod lease_api;
pub mod record;
mod requests;
pub mod state;
pub mod timing;
pub mod writes;

#[cfg(test)]
mod simulation;

use timing::Timing;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ElectionSettings {
    /// Namespace of the lease. Absent: the client's default, which is the pod's namespace.
    pub namespace: Option<String>,
    pub name: String,
    /// A name that no other running replica has.
    pub identity: String,
    pub timing: Timing,
}
