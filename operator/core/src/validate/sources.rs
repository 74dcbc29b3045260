//! What the parts of a drive may refer to.

use std::collections::BTreeMap;

use super::{buckets, cache, databases, secrets};
use crate::fetched::LiveClaim;
use crate::valid::{ValidBinding, ValidSharedVolume};

/// What a service may name in its environment.
#[derive(Clone, Copy)]
pub(super) struct Sources<'a> {
    pub(super) secrets: &'a secrets::Secrets<'a>,
    pub(super) buckets: &'a buckets::Buckets<'a>,
    pub(super) databases: &'a databases::Databases,
    pub(super) cache: Option<&'a cache::Cache>,
    /// Volumes that exist.
    pub(super) claims: &'a BTreeMap<String, LiveClaim>,
    /// Volumes that several services may mount.
    pub(super) shared_volumes: &'a [ValidSharedVolume],
    /// Those of the service that is read.
    pub(super) bindings: &'a [ValidBinding],
}
