//! The test harness of ras-operator: a real Kubernetes control plane on this machine, with fake nodes.
//!
//! A behaviour test calls [`cluster()`] (one for each test process), creates a namespace, applies YAML as a user would,
//! runs the real operator with exactly the permissions that it is shipped with ([`Operator`]), waits with
//! [`eventually()`], and can prove from the API server's audit log who sent which request ([`AuditLog`]).
//!
//! Buckets are made in real S3 servers ([`object_store`]), and a [`FaultProxy`] before one breaks what networks break.
//!
//! PostgreSQL is Debian's ([`postgres`]).
//!
//! Pods do not really run in behaviour tests: kwok plays the kubelet and reports them Ready, and claims on volumes Bound. They do
//! on the real [`node`] of `make e2e`, from images that are assembled here ([`Image`]).
//!
//! Every program is started by a [`ProcessGuard`]: when the test process dies in whatever way, nothing is left running.

#![allow(
    missing_docs,
    reason = "the crate is not public: a comment that adds nothing costs a reader more than its absence"
)]

mod apply;
mod audit;
mod certificates;
mod child_kinds;
mod cluster;
pub mod control_plane;
mod error;
mod eventually;
mod external_secrets;
mod fake_kubelet;
mod fault_proxy;
mod folder;
mod foreign;
mod helm;
mod image;
mod kubectl;
mod leadership;
mod memory;
mod memory_bound;
#[cfg(test)]
mod named_tests;
mod namespace;
pub mod node;
pub mod object_store;
mod operator;
mod operator_rights;
mod policies;
mod ports;
pub mod postgres;
mod process_guard;
mod processor;
mod recording_proxy;
#[cfg(test)]
mod retired_names;
mod server_certificates;
mod test_env;
mod usage;
mod workspace;

pub use apply::{apply_yaml, documents};
pub use audit::{AuditEvent, AuditLog, AuditMark};
pub use certificates::CertManager;
pub use child_kinds::child_kinds;
pub use cluster::{Cluster, cluster};
pub use error::Error;
pub use eventually::{NotYet, eventually};
pub use external_secrets::ExternalSecretsOperator;
pub use fake_kubelet::{FakeKubelet, Run};
pub use fault_proxy::{Fault, FaultProxy, Match, ProxiedRequest};
pub use foreign::{ForeignProject, read_yaml_with_go};
pub use helm::Helm;
pub use image::Image;
pub use kubectl::KubectlOutput;
pub use leadership::{is_lease, lease_taken_after, never_two_at_once};
pub use memory::Memory;
pub use memory_bound::MemoryBound;
pub use namespace::TestNamespace;
pub use operator::{Operator, OperatorOptions, TENANCY};
pub use process_guard::{ProcessGuard, Signal};
pub use processor::processor_time;
pub use recording_proxy::RecordingProxy;
pub use test_env::{PATIENCE, ROLES, Shared, TestEnv};
pub use usage::Usage;
pub use workspace::{program_beside, repository};
