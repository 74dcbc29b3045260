//! A small cache of the drive's own.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Quantity;

/// A small Valkey (which speaks Redis' protocol) in the drive: one pod named `<drive>-cache`, with a password that is made for
/// it. It keeps nothing on disk: a restart, a change of its password or a suspension empties it.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.memory) || !isQuantity(string(self.memory)) || (quantity(string(self.memory)).compareTo(quantity('32Mi')) >= 0 && quantity(string(self.memory)).isLessThan(quantity('8Ei')))")
    .message("cache.memory must be at least 32Mi, because the server itself needs some: set 128Mi, for instance")
    .field_path(".memory"))]
pub struct Cache {
    /// Memory of the pod, for instance `256Mi`; three quarters of it hold data. Absent: 128Mi.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<Quantity>,

    /// What happens when it is full. Absent: Evict.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when_full: Option<WhenFull>,
}

/// What happens when a cache is full.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WhenFull {
    /// What was not used for longest makes room.
    #[default]
    Evict,
    /// Writes are refused, as libraries for job queues demand.
    Refuse,
}

/// What a program may need to know of the cache.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub enum CacheKey {
    /// `redis://:<password>@<host>:<port>/0`.
    Url,
    /// Host name.
    Host,
    /// Port.
    Port,
    /// Password, from a Secret.
    Password,
}
