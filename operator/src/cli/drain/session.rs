//! The memory of one run of `kubectl ras drain`. Pure.

use std::collections::{BTreeMap, BTreeSet};

use ras_core::plan::bucket_removal::BucketRemoval;

use super::inventory::{Id, Inventory, OutsideDatabase};
use super::item::{ItemState, in_the_way};

/// The memory of one run of the command.
#[derive(Clone, Debug, Default)]
pub struct DrainSession {
    /// UID of what there was when it began, by kind and name. What comes later is not deleted: nobody has seen it on the
    /// list; and what bears the same name by then came back.
    began_with: Option<BTreeMap<String, String>>,
    /// UIDs of what we deleted.
    deleted: BTreeSet<String>,
    /// Refusals of the API server, by UID.
    refused: BTreeMap<String, String>,
    /// Decisions about the buckets of deleted drives, by the drive's UID.
    pub remembered: BTreeMap<String, Vec<BucketRemoval>>,
    /// Databases that drives which are gone had on servers of others.
    pub databases: BTreeMap<String, Vec<(Id, OutsideDatabase)>>,
}

impl DrainSession {
    /// Takes in what there is now. The first time it is what will be deleted.
    pub fn saw(&mut self, inventory: &Inventory) {
        if self.began_with.is_none() {
            let ids = inventory.drives.iter().map(|drive| &drive.id);
            let ids = ids.chain(
                inventory
                    .routes
                    .iter()
                    .chain(&inventory.services)
                    .map(|load_balancer| &load_balancer.id),
            );
            let ids = ids.chain(inventory.claims.iter().map(|claim| &claim.id));
            self.began_with = Some(ids.map(|id| (id.to_string(), id.uid.clone())).collect());
        }
        for drive in &inventory.drives {
            self.remembered.insert(drive.id.uid.clone(), drive.buckets.clone());
            let databases = drive.databases.iter().map(|one| (drive.id.clone(), one.clone()));
            self.databases.insert(drive.id.uid.clone(), databases.collect());
        }
    }

    /// Notes that we deleted it, or what the API server said to that.
    pub fn deleted(&mut self, id: &Id, refused: Option<String>) {
        match refused {
            Some(why) => drop(self.refused.insert(id.uid.clone(), why)),
            None => drop(self.deleted.insert(id.uid.clone())),
        }
    }

    /// The state of an object that is to be deleted, by the rules for all kinds.
    pub fn to_delete(&self, id: &Id) -> ItemState {
        if let Some(why) = self.refused.get(&id.uid) {
            return in_the_way(
                why.clone(),
                "ask for the right to delete it, or have it deleted".to_owned(),
            );
        }
        match self.began_with.as_ref().map(|all| all.get(&id.to_string())) {
            Some(None) => in_the_way(
                "it came after this began, so nobody has seen it on the list".to_owned(),
                "run this again".to_owned(),
            ),
            Some(Some(uid)) if *uid != id.uid => in_the_way(
                "it was deleted and came back: something creates it again".to_owned(),
                "stop what makes it (Argo CD, Flux, Helm, an operator), then run this again".to_owned(),
            ),
            _ if self.deleted.contains(&id.uid) => ItemState::Going("the API server to delete it".to_owned()),
            _ => ItemState::Delete(None),
        }
    }
}
