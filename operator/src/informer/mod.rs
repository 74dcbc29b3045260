//! Watches the API server, records what it delivers, and enqueues the drives that a change affects.
//!
//! ```text
//! API server
//!     │ list + watch: every kind of child, pods, drives, CustomResourceDefinitions
//!     v
//! watch_stream ──── failure ───> log_throttle (log line)   api_health (probe; retry when the outage ends)
//!     │ event
//!     v
//! watches ──> observe (object -> Record, a few dozen bytes)
//!     │
//!     v
//! store  <── response to each of our writes, unless a tombstone is newer
//!     │ changed? which drives: label, owner, users; for a deleted child also its claims
//!     v
//! queue of DriveKey ──> reconcile, once for each drive however often it is enqueued
//! ```
//!
//! | module | |
//! |---|---|
//! | [`watch_stream`] | one watch that retries for ever, with back-off |
//! | [`watches`] | which kinds are watched and how, and what each event changes |
//! | [`observe`] | decodes an object into a `Record` |
//! | [`store`] | the records of all children and pods; returns the drives to requeue. A tombstone is the version of a recently deleted object: a late response to a write does not restore it |
//! | [`claims`] | the names that drives claim; the older claimant keeps a name |
//! | [`managed_fields`] | drift, from `metadata.managedFields` alone; `field_takers`: managers that took a field of ours; `co_owners`: managers that own a field together with us |
//! | [`api_health`] | detects outages of the API server and ends all back-offs when one is over |
//! | [`api_errors`] | classifies and summarises errors |
//! | [`log_throttle`] | logs a failing watch once, and then once a minute |
//! | [`optional_apis`] | the APIs of other projects that the cluster serves |
//! | [`crd`] | waits for the CRD of `RecruitmentDrive` at the start, and checks its version |
//!
//! A drive's key is [`store::DriveKey`] and not kube-rs' `ObjectRef<RecruitmentDrive>`: the key is part of every index,
//! and its strings are shared by all records of a drive, while an `ObjectRef` owns its strings and has room for a
//! resourceVersion and a UID. The reconcile queue converts it to an `ObjectRef`.

pub mod api_errors;
pub mod api_health;
pub mod claims;
pub mod crd;
mod host_claims;
pub mod log_throttle;
pub mod managed_fields;
pub mod observe;
pub mod optional_apis;
pub mod store;
pub mod watch_stream;
pub mod watches;
