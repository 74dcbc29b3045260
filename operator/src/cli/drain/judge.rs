//! What is to be done about each thing that lives outside the cluster. Pure.
//!
//! Things go in stages, because each is taken away by controllers that the next one may need: drives first, while the
//! portal can still be reached; then routes, Services, claims, and the disks behind them.

use std::collections::{BTreeMap, BTreeSet};

use super::world::{Claim, Drive, Front, Id, OutsideDatabase, Volume, World, names_a_bucket};
use ras_core::plan::bucket_removal::{BucketRemoval, RemovalDecision};

/// Reasons of `DeletionBlocked` that time does not take away.
const FOR_A_PERSON: &[&str] = &["ConfirmationMissing", "Paused", "ObjectsLocked"];

/// When something goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Drives, with all that is theirs.
    Drives,
    /// Load balancers of Ingresses and Gateways.
    Routes,
    /// Load balancers of Services.
    Services,
    /// Claims on volumes.
    Claims,
    /// Disks: they go with their claims.
    Volumes,
    /// What is not ours to delete.
    Others,
}

/// What becomes of a thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is deleted when its stage comes; with what else there is to say of it.
    Delete(Option<String>),
    /// It goes with something else, and nothing has to be done about it.
    Follows(String),
    /// It is going, and waits for this.
    Going(String),
    /// It does not go, and this is why.
    InTheWay {
        /// Why.
        reason: String,
        /// What to do.
        way_out: String,
        /// Whether nothing will change before a person does something.
        for_a_person: bool,
    },
    /// It stays after the cluster is gone.
    Kept {
        /// Why.
        reason: String,
        /// How to be rid of it.
        way_out: Option<String>,
    },
    /// It is gone with the cluster, and whoever keeps what belongs to it may miss it.
    EndsWithTheCluster(String),
}

/// A thing and what becomes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// Kind, as people write it.
    pub kind: String,
    /// Namespace and name, as people write them.
    pub name: String,
    /// When it goes.
    pub stage: Stage,
    /// The object, where there is one.
    pub id: Option<Id>,
    /// What becomes of it.
    pub verdict: Verdict,
}

/// What is known from earlier looks.
#[derive(Clone, Debug, Default)]
pub struct Course {
    /// UID of what there was when it began, by kind and name. What comes later is not deleted: nobody has seen it on the
    /// list; and what bears the same name by then came back.
    began_with: Option<BTreeMap<String, String>>,
    /// UIDs of what we deleted.
    deleted: BTreeSet<String>,
    /// What the API server said to our deleting.
    refused: BTreeMap<String, String>,
    /// What was to become of the buckets of drives that are gone.
    remembered: BTreeMap<String, Vec<BucketRemoval>>,
    /// Databases that drives which are gone had on servers of others.
    databases: BTreeMap<String, Vec<(Id, OutsideDatabase)>>,
}

/// Everything, judged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Judgement {
    /// Every thing, in the order in which they go.
    pub items: Vec<Item>,
    /// What could not be looked at, and why.
    pub unseen: Vec<String>,
}

impl Course {
    /// Takes in what there is now. The first time it is what will be deleted.
    pub fn saw(&mut self, world: &World) {
        if self.began_with.is_none() {
            let ids = world.drives.iter().map(|drive| &drive.id);
            let ids = ids.chain(world.routes.iter().chain(&world.services).map(|front| &front.id));
            let ids = ids.chain(world.claims.iter().map(|claim| &claim.id));
            self.began_with = Some(ids.map(|id| (id.to_string(), id.uid.clone())).collect());
        }
        for drive in &world.drives {
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

    /// What becomes of an object that is to be deleted, as far as that is known without knowing its kind.
    fn to_delete(&self, id: &Id) -> Verdict {
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
                "it was deleted and came back: something makes it anew".to_owned(),
                "stop what makes it (Argo CD, Flux, Helm, an operator), then run this again".to_owned(),
            ),
            _ if self.deleted.contains(&id.uid) => Verdict::Going("the API server to delete it".to_owned()),
            _ => Verdict::Delete(None),
        }
    }
}

impl Verdict {
    /// Whether it has to be gone before the cluster may go.
    pub fn is_open(&self) -> bool {
        match self {
            Self::Delete(_) | Self::Follows(_) | Self::Going(_) | Self::InTheWay { .. } => true,
            Self::Kept { .. } | Self::EndsWithTheCluster(_) => false,
        }
    }

    fn waits_for_a_person(&self) -> bool {
        matches!(self, Self::InTheWay { for_a_person: true, .. })
    }
}

impl Judgement {
    /// Whether nothing is left that destroying the cluster would strand or trip over.
    pub fn is_safe(&self) -> bool {
        self.unseen.is_empty() && self.items.iter().all(|item| !item.verdict.is_open())
    }

    /// What is to be deleted now: of the first stage that is not through.
    pub fn next(&self) -> Vec<&Id> {
        let open = || self.items.iter().filter(|item| item.verdict.is_open());
        let Some(stage) = open().map(|item| item.stage).min() else {
            return Vec::new();
        };
        let of_stage = open().filter(|item| item.stage == stage && matches!(item.verdict, Verdict::Delete(_)));
        of_stage.filter_map(|item| item.id.as_ref()).collect()
    }

    /// Whether waiting is of no use: what the present stage waits for is a person.
    pub fn is_stuck(&self) -> bool {
        let open = || self.items.iter().filter(|item| item.verdict.is_open());
        let Some(stage) = open().map(|item| item.stage).min() else {
            return true;
        };
        let mut of_stage = open().filter(|item| item.stage == stage);
        of_stage.all(|item| item.verdict.waits_for_a_person() || matches!(item.verdict, Verdict::Follows(_)))
    }
}

fn in_the_way(reason: String, way_out: String) -> Verdict {
    Verdict::InTheWay {
        reason,
        way_out,
        for_a_person: true,
    }
}

/// Judges everything there is, and what is left of what is gone.
pub fn judge(world: &World, course: &Course) -> Judgement {
    let mut items = Vec::new();
    for drive in &world.drives {
        items.push(item(&drive.id, Stage::Drives, of_drive(drive, course)));
        items.extend(drive.buckets.iter().filter_map(|bucket| of_bucket(drive, bucket)));
    }
    items.extend(buckets_left(world, course));
    // Of drives that are there, too: whoever is to destroy the cluster reads one list.
    let databases = course.databases.values().flatten();
    items.extend(databases.map(|(drive, database)| outside(drive, database)));
    for (fronts, stage) in [(&world.routes, Stage::Routes), (&world.services, Stage::Services)] {
        items.extend(
            fronts
                .iter()
                .map(|front| item(&front.id, stage, of_front(front, world, course))),
        );
    }
    for claim in &world.claims {
        items.extend(of_claim(claim, world, course).map(|verdict| item(&claim.id, Stage::Claims, verdict)));
    }
    for volume in &world.volumes {
        items.push(item(&volume.id, Stage::Volumes, of_volume(volume, world)));
    }
    for thing in &world.foreign {
        let verdict = if thing.kept {
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
        items.push(item(&thing.id, Stage::Others, verdict));
    }
    for secret in &world.credentials {
        let verdict = Verdict::EndsWithTheCluster(
            "it lives in this cluster alone: copy it if you keep the disk or bucket that it opens".to_owned(),
        );
        items.push(item(secret, Stage::Others, verdict));
    }
    items.sort_by(|a, b| (a.stage, &a.kind, &a.name).cmp(&(b.stage, &b.kind, &b.name)));
    Judgement {
        items,
        unseen: world.unseen.clone(),
    }
}

fn item(id: &Id, stage: Stage, verdict: Verdict) -> Item {
    Item {
        kind: id.kind.clone(),
        name: id.path(),
        stage,
        id: Some(id.clone()),
        verdict,
    }
}

fn kept(reason: String, way_out: Option<String>) -> Verdict {
    Verdict::Kept { reason, way_out }
}

fn of_drive(drive: &Drive, course: &Course) -> Verdict {
    if !drive.going {
        return course.to_delete(&drive.id);
    }
    match &drive.blocked {
        Some((reason, message)) => Verdict::InTheWay {
            reason: format!("its deletion is blocked ({reason})"),
            way_out: message.clone(),
            for_a_person: FOR_A_PERSON.contains(&reason.as_str()),
        },
        None if drive.finalizers.is_empty() => Verdict::Going("Kubernetes' garbage collector".to_owned()),
        None => Verdict::Going(format!(
            "whoever set {} (of ras.dev/buckets: the operator; is it running?)",
            drive.finalizers.join(", ")
        )),
    }
}

/// A bucket of a drive that is there. The drive itself tells when its deletion is blocked.
fn of_bucket(drive: &Drive, bucket: &BucketRemoval) -> Option<Item> {
    let recorded = &bucket.recorded;
    if !names_a_bucket(recorded) {
        return None;
    }
    let with = |how: &str| Verdict::Follows(format!("it goes with its drive, {how}"));
    let verdict = match bucket.fate {
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
    Some(bucket_item(&recorded.bucket, verdict))
}

fn bucket_item(bucket: &str, verdict: Verdict) -> Item {
    Item {
        kind: "bucket".to_owned(),
        name: bucket.to_owned(),
        stage: Stage::Drives,
        id: None,
        verdict,
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
fn buckets_left(world: &World, course: &Course) -> Vec<Item> {
    let recorded = |buckets: &[BucketRemoval]| -> BTreeSet<String> {
        buckets.iter().map(|bucket| bucket.recorded.bucket.clone()).collect()
    };
    let of_present_drives: BTreeSet<String> = world.drives.iter().flat_map(|drive| recorded(&drive.buckets)).collect();
    let mut left = BTreeMap::new();
    let gone = course.remembered.iter().filter(|(uid, _)| !is_there(world, uid));
    for bucket in gone.flat_map(|(_, buckets)| buckets) {
        if names_a_bucket(&bucket.recorded) && matches!(bucket.fate, RemovalDecision::Kept | RemovalDecision::Released)
        {
            left.insert(bucket.recorded.bucket.clone(), why_kept(bucket));
        }
    }
    for farewell in world
        .farewells
        .iter()
        .filter(|farewell| !is_there(world, &farewell.drive))
    {
        left.insert(farewell.bucket.clone(), farewell.reason.clone());
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
        verdict: kept(
            format!(
                "it is on the server that Secret {namespace}/{secret} leads to, with the roles that were made for it; nothing \
                 there is ever dropped"
            ),
            None,
        ),
    }
}

/// Whether this drive is still there.
fn is_there(world: &World, uid: &str) -> bool {
    world.drives.iter().any(|drive| drive.id.uid == uid)
}

fn of_front(front: &Front, world: &World, course: &Course) -> Verdict {
    if front.going {
        return match front.finalizers.as_slice() {
            [] => Verdict::Going("Kubernetes' garbage collector".to_owned()),
            finalizers => Verdict::Going(format!(
                "its controller to take the load balancer away ({}; is that controller running?)",
                finalizers.join(", ")
            )),
        };
    }
    match &front.of_drive {
        Some(uid) if is_there(world, uid) => Verdict::Follows("it goes with its drive".to_owned()),
        Some(_) => Verdict::Going("Kubernetes' garbage collector, for its drive is gone".to_owned()),
        None => match (course.to_delete(&front.id), &front.address) {
            (Verdict::Delete(_), Some(address)) => Verdict::Delete(Some(format!("people reach it at {address}"))),
            (verdict, _) => verdict,
        },
    }
}

/// Nothing for a claim that no disk outside stands behind.
fn of_claim(claim: &Claim, world: &World, course: &Course) -> Option<Verdict> {
    let volume = world
        .volumes
        .iter()
        .find(|volume| claim.volume.as_ref() == Some(&volume.id.name))?;
    if claim.going {
        let used: Vec<&(String, bool)> = claim.users.iter().collect();
        let names = || used.iter().map(|(pod, _)| pod.as_str()).collect::<Vec<_>>().join(", ");
        return Some(match used.as_slice() {
            [] => Verdict::Going("its volume".to_owned()),
            users if users.iter().all(|(_, leaves)| *leaves) => {
                Verdict::Going(format!("pods that use it: {}", names()))
            }
            _ => in_the_way(
                format!("pods still use it: {}", names()),
                "delete what runs them (a StatefulSet, a Deployment, a Helm release)".to_owned(),
            ),
        });
    }
    match (&claim.of_drive, &claim.kept_by) {
        (Some(uid), _) if is_there(world, uid) => Some(Verdict::Follows("it goes with its drive".to_owned())),
        (Some(_), _) => Some(Verdict::Going(
            "Kubernetes' garbage collector, for its drive is gone".to_owned(),
        )),
        // Whoever it belongs to may be kept, and would miss it.
        (None, None) if volume.reclaimed && claim.of_other.is_none() => Some(course.to_delete(&claim.id)),
        // Its disk tells.
        (None, Some(_) | None) => None,
    }
}

fn of_volume(volume: &Volume, world: &World) -> Verdict {
    let disk = format!("disk {}, {}", volume.disk, volume.size);
    let claim = volume.claim.as_ref().and_then(|(namespace, name)| {
        let mut claims = world.claims.iter();
        claims.find(|claim| claim.id.namespace.as_ref() == Some(namespace) && claim.id.name == *name)
    });
    // By name alone a claim that was made anew would pass for the one that the volume was bound to.
    let claim = claim.filter(|claim| claim.volume.as_ref() == Some(&volume.id.name));
    let Some(claim) = claim else {
        return match (volume.reclaimed, volume.phase.as_str(), &volume.claim) {
            (true, "Failed", _) => Verdict::InTheWay {
                reason: format!(
                    "its {disk} could not be deleted: {}",
                    volume.message.as_deref().unwrap_or("nobody says why")
                ),
                way_out: "mend what the message names, or delete the disk yourself and then the volume".to_owned(),
                for_a_person: false,
            },
            (true, _, Some(_)) => Verdict::Going(format!("its driver to delete the {disk} (is the driver running?)")),
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
            Verdict::Follows(format!("its {disk}, goes with its claim {}", claim.id.path()))
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
        (None, None) => Verdict::Follows(format!("its {disk}, goes with its claim {}", claim.id.path())),
    }
}

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;
