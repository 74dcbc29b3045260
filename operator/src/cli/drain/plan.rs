//! Decides what happens to each thing that lives outside the cluster. Pure.
//!
//! Things go in stages, because each is taken away by controllers that the next one may need: drives first, while the
//! portal can still be reached; then routes, Services, claims, and the disks behind them.

use std::collections::{BTreeMap, BTreeSet};

use super::inventory::{Claim, Drive, Id, Inventory, LoadBalancer, OutsideDatabase, Volume, names_a_bucket};
use super::item::{Item, ItemState, Stage, in_the_way, item, kept};
use super::session::DrainSession;
use ras_core::plan::bucket_removal::{BucketRemoval, RemovalDecision};

/// Reasons of `DeletionBlocked` that time does not take away.
const FOR_A_PERSON: &[&str] = &["ConfirmationMissing", "Paused", "ObjectsLocked"];

/// All items, with what happens to each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DrainPlan {
    /// Every thing, in the order in which they go.
    pub items: Vec<Item>,
    /// Kinds that could not be listed, and why.
    pub unseen: Vec<String>,
}

impl DrainPlan {
    /// True if destroying the cluster would strand nothing and fail at nothing.
    pub fn is_safe(&self) -> bool {
        self.unseen.is_empty() && self.items.iter().all(|item| !item.state.is_open())
    }

    /// Objects to delete now: those of the first stage that is not complete.
    pub fn next(&self) -> Vec<&Id> {
        let open = || self.items.iter().filter(|item| item.state.is_open());
        let Some(stage) = open().map(|item| item.stage).min() else {
            return Vec::new();
        };
        let of_stage = open().filter(|item| item.stage == stage && matches!(item.state, ItemState::Delete(_)));
        of_stage.filter_map(|item| item.id.as_ref()).collect()
    }

    /// True if the current stage waits only for a person.
    pub fn is_stuck(&self) -> bool {
        let open = || self.items.iter().filter(|item| item.state.is_open());
        let Some(stage) = open().map(|item| item.stage).min() else {
            return true;
        };
        let mut of_stage = open().filter(|item| item.stage == stage);
        of_stage.all(|item| item.state.waits_for_a_person() || matches!(item.state, ItemState::Follows(_)))
    }
}

/// Plans for every object of the inventory, and for what deleted drives left behind.
pub fn drain_plan(inventory: &Inventory, session: &DrainSession) -> DrainPlan {
    let mut items = Vec::new();
    for drive in &inventory.drives {
        items.push(item(&drive.id, Stage::Drives, of_drive(drive, session)));
        items.extend(drive.buckets.iter().filter_map(|bucket| of_bucket(drive, bucket)));
    }
    items.extend(buckets_left(inventory, session));
    // Also of existing drives, so that one list has everything.
    let databases = session.databases.values().flatten();
    items.extend(databases.map(|(drive, database)| outside(drive, database)));
    for (load_balancers, stage) in [
        (&inventory.routes, Stage::Routes),
        (&inventory.services, Stage::Services),
    ] {
        items.extend(load_balancers.iter().map(|load_balancer| {
            item(
                &load_balancer.id,
                stage,
                of_load_balancer(load_balancer, inventory, session),
            )
        }));
    }
    for claim in &inventory.claims {
        items.extend(of_claim(claim, inventory, session).map(|state| item(&claim.id, Stage::Claims, state)));
    }
    for volume in &inventory.volumes {
        items.push(item(&volume.id, Stage::Volumes, of_volume(volume, inventory)));
    }
    for thing in &inventory.foreign {
        let state = if thing.kept {
            kept(
                format!("it stands for {}, which its controller is told to keep", thing.what),
                None,
            )
        } else {
            in_the_way(
                format!(
                    "it stands for {}, and only its own controller can delete that",
                    thing.what
                ),
                format!("{}, while that controller still runs", thing.id.delete_command()),
            )
        };
        items.push(item(&thing.id, Stage::Others, state));
    }
    for secret in &inventory.credentials {
        let state = ItemState::EndsWithTheCluster(
            "it lives in this cluster alone: copy it if you keep the disk or bucket that it opens".to_owned(),
        );
        items.push(item(secret, Stage::Others, state));
    }
    items.sort_by(|a, b| (a.stage, &a.kind, &a.name).cmp(&(b.stage, &b.kind, &b.name)));
    DrainPlan {
        items,
        unseen: inventory.unseen.clone(),
    }
}

fn of_drive(drive: &Drive, session: &DrainSession) -> ItemState {
    if !drive.going {
        return session.to_delete(&drive.id);
    }
    match &drive.blocked {
        Some((reason, message)) => ItemState::InTheWay {
            reason: format!("its deletion is blocked ({reason})"),
            way_out: message.clone(),
            for_a_person: FOR_A_PERSON.contains(&reason.as_str()),
        },
        None if drive.finalizers.is_empty() => ItemState::Going("Kubernetes' garbage collector".to_owned()),
        None => ItemState::Going(format!(
            "whoever set {} (of ras.dev/buckets: the operator; is it running?)",
            drive.finalizers.join(", ")
        )),
    }
}

/// A bucket of an existing drive. The drive reports itself if its deletion is blocked.
fn of_bucket(drive: &Drive, bucket: &BucketRemoval) -> Option<Item> {
    let recorded = &bucket.recorded;
    if !names_a_bucket(recorded) {
        return None;
    }
    let with = |how: &str| ItemState::Follows(format!("it goes with its drive, {how}"));
    let state = match bucket.fate {
        RemovalDecision::Kept | RemovalDecision::Released => kept(why_kept(bucket), None),
        RemovalDecision::RemovedIfEmpty => with("if nothing is in it; otherwise it stays"),
        RemovalDecision::Removed => with("with all that is in it, as was confirmed"),
        // What to do about it is what the drive's condition says, once it is being deleted.
        RemovalDecision::Unconfirmed if drive.going => return None,
        RemovalDecision::Unconfirmed => in_the_way(
            "all its objects would be deleted with its drive, which nobody has confirmed".to_owned(),
            confirm(&drive.id, &recorded.bucket),
        ),
    };
    Some(bucket_item(&recorded.bucket, state))
}

fn bucket_item(bucket: &str, state: ItemState) -> Item {
    Item {
        kind: "bucket".to_owned(),
        name: bucket.to_owned(),
        stage: Stage::Drives,
        id: None,
        state,
    }
}

fn why_kept(bucket: &BucketRemoval) -> String {
    let recorded = &bucket.recorded;
    if recorded.existing {
        return "it was there before the drive that uses it".to_owned();
    }
    match &recorded.message {
        Some(message) if recorded.state == ras_crds::BucketState::Retained => message.clone(),
        _ => "its drive keeps it (deletionPolicy: Retain, or the annotation ras.dev/keep-buckets)".to_owned(),
    }
}

fn confirm(drive: &Id, bucket: &str) -> String {
    let say = |key: &str| {
        let namespace = drive.namespace.as_deref().unwrap_or_default();
        format!(
            "kubectl -n {namespace} annotate drive {} --overwrite {key}={bucket}",
            drive.name
        )
    };
    format!(
        "to delete it: {}; to keep it: {}",
        say(ras_crds::labels::CONFIRM_DELETE),
        say(ras_crds::labels::KEEP_BUCKETS)
    )
}

/// Buckets of drives that are gone: what was to be kept, and what the operator said it kept (also before this began).
fn buckets_left(inventory: &Inventory, session: &DrainSession) -> Vec<Item> {
    let recorded = |buckets: &[BucketRemoval]| -> BTreeSet<String> {
        buckets.iter().map(|bucket| bucket.recorded.bucket.clone()).collect()
    };
    let of_present_drives: BTreeSet<String> = inventory
        .drives
        .iter()
        .flat_map(|drive| recorded(&drive.buckets))
        .collect();
    let mut left = BTreeMap::new();
    let gone = session.remembered.iter().filter(|(uid, _)| !is_there(inventory, uid));
    for bucket in gone.flat_map(|(_, buckets)| buckets) {
        if names_a_bucket(&bucket.recorded) && matches!(bucket.fate, RemovalDecision::Kept | RemovalDecision::Released)
        {
            left.insert(bucket.recorded.bucket.clone(), why_kept(bucket));
        }
    }
    for retained in inventory
        .retained_buckets
        .iter()
        .filter(|retained| !is_there(inventory, &retained.drive))
    {
        left.insert(retained.bucket.clone(), retained.reason.clone());
    }
    left.into_iter()
        .filter(|(bucket, _)| !of_present_drives.contains(bucket))
        .map(|(bucket, reason)| bucket_item(&bucket, kept(reason, None)))
        .collect()
}

/// A database that no drive ever drops.
fn outside(drive: &Id, database: &OutsideDatabase) -> Item {
    let OutsideDatabase { name, secret } = database;
    let namespace = drive.namespace.as_deref().unwrap_or_default();
    Item {
        kind: "database".to_owned(),
        name: format!("{name} of drive {}", drive.path()),
        stage: Stage::Drives,
        id: None,
        state: kept(
            format!(
                "it is on the server that Secret {namespace}/{secret} leads to, with the roles that were made for it; nothing \
                 there is ever dropped"
            ),
            None,
        ),
    }
}

fn is_there(inventory: &Inventory, uid: &str) -> bool {
    inventory.drives.iter().any(|drive| drive.id.uid == uid)
}

fn of_load_balancer(load_balancer: &LoadBalancer, inventory: &Inventory, session: &DrainSession) -> ItemState {
    if load_balancer.going {
        return match load_balancer.finalizers.as_slice() {
            [] => ItemState::Going("Kubernetes' garbage collector".to_owned()),
            finalizers => ItemState::Going(format!(
                "its controller to take the load balancer away ({}; is that controller running?)",
                finalizers.join(", ")
            )),
        };
    }
    match &load_balancer.of_drive {
        Some(uid) if is_there(inventory, uid) => ItemState::Follows("it goes with its drive".to_owned()),
        Some(_) => ItemState::Going("Kubernetes' garbage collector, because its drive was deleted".to_owned()),
        None => match (session.to_delete(&load_balancer.id), &load_balancer.address) {
            (ItemState::Delete(_), Some(address)) => ItemState::Delete(Some(format!("people reach it at {address}"))),
            (state, _) => state,
        },
    }
}

/// Nothing for a claim that no disk outside stands behind.
fn of_claim(claim: &Claim, inventory: &Inventory, session: &DrainSession) -> Option<ItemState> {
    let volume = inventory
        .volumes
        .iter()
        .find(|volume| claim.volume.as_ref() == Some(&volume.id.name))?;
    if claim.going {
        let used: Vec<&(String, bool)> = claim.users.iter().collect();
        let names = || used.iter().map(|(pod, _)| pod.as_str()).collect::<Vec<_>>().join(", ");
        return Some(match used.as_slice() {
            [] => ItemState::Going("its volume".to_owned()),
            users if users.iter().all(|(_, leaves)| *leaves) => {
                ItemState::Going(format!("pods that use it: {}", names()))
            }
            _ => in_the_way(
                format!("pods still use it: {}", names()),
                "delete what runs them (a StatefulSet, a Deployment, a Helm release)".to_owned(),
            ),
        });
    }
    match (&claim.of_drive, &claim.kept_by) {
        (Some(uid), _) if is_there(inventory, uid) => Some(ItemState::Follows("it goes with its drive".to_owned())),
        (Some(_), _) => Some(ItemState::Going(
            "Kubernetes' garbage collector, because its drive was deleted".to_owned(),
        )),
        // Its owner may be kept, and would need it.
        (None, None) if volume.reclaimed && claim.of_other.is_none() => Some(session.to_delete(&claim.id)),
        // Its disk is listed instead.
        (None, Some(_) | None) => None,
    }
}

fn of_volume(volume: &Volume, inventory: &Inventory) -> ItemState {
    let disk = format!("disk {}, {}", volume.disk, volume.size);
    let claim = volume.claim.as_ref().and_then(|(namespace, name)| {
        let mut claims = inventory.claims.iter();
        claims.find(|claim| claim.id.namespace.as_ref() == Some(namespace) && claim.id.name == *name)
    });
    // By name alone, a claim that was created again would count as the one that the volume was bound to.
    let claim = claim.filter(|claim| claim.volume.as_ref() == Some(&volume.id.name));
    let Some(claim) = claim else {
        return match (volume.reclaimed, volume.phase.as_str(), &volume.claim) {
            (true, "Failed", _) => ItemState::InTheWay {
                reason: format!(
                    "its {disk} could not be deleted: {}",
                    volume.message.as_deref().unwrap_or("no reason was reported")
                ),
                way_out: "fix the cause in the message, or delete the disk yourself and then the volume".to_owned(),
                for_a_person: false,
            },
            (true, _, Some(_)) => ItemState::Going(format!("its driver to delete the {disk} (is the driver running?)")),
            (_, _, Some((namespace, name))) => kept(
                format!("{disk}: its claim {namespace}/{name} is gone, and its reclaim policy is Retain"),
                None,
            ),
            (_, _, None) => kept(format!("{disk}: no claim was ever bound to it"), None),
        };
    };
    if !volume.reclaimed {
        return kept(
            format!("{disk}, of the claim {}: its reclaim policy is Retain", claim.id.path()),
            None,
        );
    }
    match (&claim.kept_by, &claim.of_other) {
        _ if claim.going || claim.of_drive.is_some() => {
            ItemState::Follows(format!("its {disk}, goes with its claim {}", claim.id.path()))
        }
        (None, Some(other)) => kept(
            format!("{disk}, of the claim {}: it belongs to {other}", claim.id.path()),
            Some(format!("delete {other}, while its controller still runs")),
        ),
        (Some(drive), _) => kept(
            format!(
                "{disk}, of the claim {}: drive {drive} keeps it (deletionPolicy: Retain)",
                claim.id.path()
            ),
            Some(format!("{}, while the cluster still runs", claim.id.delete_command())),
        ),
        (None, None) => ItemState::Follows(format!("its {disk}, goes with its claim {}", claim.id.path())),
    }
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
