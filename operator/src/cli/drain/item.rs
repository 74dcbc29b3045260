//! One thing outside the cluster, and what happens to it. Pure.

use super::inventory::Id;

/// The order of deletion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Drives, with all that is theirs.
    Drives,
    /// Load balancers of Ingresses and Gateways.
    Routes,
    /// Load balancers of Services.
    Services,
    Claims,
    /// Disks: they go with their claims.
    Volumes,
    /// Objects that this command does not delete.
    Others,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ItemState {
    /// It is deleted when its stage comes; with what else there is to say of it.
    Delete(Option<String>),
    /// It goes with something else, and nothing has to be done about it.
    Follows(String),
    /// It is going, and waits for this.
    Going(String),
    /// It does not go, and this is why.
    InTheWay {
        reason: String,
        way_out: String,
        /// Nothing changes before a person does something.
        for_a_person: bool,
    },
    /// It stays after the cluster is gone.
    Kept {
        reason: String,
        /// How to be rid of it.
        way_out: Option<String>,
    },
    /// It is deleted with the cluster, although other retained things may need it.
    EndsWithTheCluster(String),
}

impl ItemState {
    /// True if it has to be deleted before the cluster may be destroyed.
    pub fn is_open(&self) -> bool {
        match self {
            Self::Delete(_) | Self::Follows(_) | Self::Going(_) | Self::InTheWay { .. } => true,
            Self::Kept { .. } | Self::EndsWithTheCluster(_) => false,
        }
    }

    pub fn waits_for_a_person(&self) -> bool {
        matches!(self, Self::InTheWay { for_a_person: true, .. })
    }
}

/// One thing outside the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// Kind, as people write it.
    pub kind: String,
    /// Namespace and name, as people write them.
    pub name: String,
    pub stage: Stage,
    /// The object, where there is one.
    pub id: Option<Id>,
    pub state: ItemState,
}

pub fn in_the_way(reason: String, way_out: String) -> ItemState {
    ItemState::InTheWay {
        reason,
        way_out,
        for_a_person: true,
    }
}

pub fn kept(reason: String, way_out: Option<String>) -> ItemState {
    ItemState::Kept { reason, way_out }
}

pub fn item(id: &Id, stage: Stage, outcome: ItemState) -> Item {
    Item {
        kind: id.kind.clone(),
        name: id.path(),
        stage,
        id: Some(id.clone()),
        state: outcome,
    }
}
