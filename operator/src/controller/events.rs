//! Events, which `kubectl describe drive` shows. They are few, and sent in tasks of their own, so that no reconcile
//! waits for one.

mod publish;
mod status;

pub use status::changed;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::runtime::events::EventType;
use ras_core::applied::Known;
use ras_core::applied::Taken;
use ras_core::applied::{ApplyOutcome, Changes};
use ras_core::bucket::state::{BucketChangeKind, BucketPhase, Removal};
use ras_core::fetched::record::ChildKey;
use ras_core::kind::Kind;
use ras_core::plan::bucket_removal::{self, BucketRemoval, RemovalDecision};
use ras_crds::labels::{CONFIRM_DELETE, KEEP_BUCKETS};
use ras_crds::{BucketStatus, DataKind, RecruitmentDrive, RecruitmentDriveStatus};

use self::publish::{publish, reference, reference_to_bucket, warn};
use crate::controller::context::Context;
use crate::informer::store::DriveKey;

/// Reports what was applied.
pub fn applied(
    outcome: &ApplyOutcome,
    before: &RecruitmentDriveStatus,
    key: &DriveKey,
    drive: &RecruitmentDrive,
    context: &Context,
) {
    changes(outcome, key, drive, context);
    regenerated(outcome, before, key, drive, context);
    buckets(outcome, key, drive, context);
    for removal in &outcome.desired.bucket_removals {
        let known = outcome.buckets.departing.get(&removal.recorded.name);
        departing(removal, known.and_then(Known::state), key, &drive.metadata, context);
    }
}

/// Reports what was written.
fn changes(outcome: &ApplyOutcome, key: &DriveKey, drive: &RecruitmentDrive, context: &Context) {
    let changes = &outcome.changes;
    if changes.is_empty() {
        return;
    }
    let Changes {
        created,
        updated,
        repaired,
        taken,
        rotated,
        removed,
    } = changes;
    // The same reason for both would count what is made later as a repetition of the first, and hide what it says.
    let is_secret = |child: &ChildKey| child.kind == Kind::Secret;
    let made_credentials = created.iter().chain(updated).chain(rotated).any(is_secret);
    let action = if made_credentials { "Prepare" } else { "Apply" };
    for (reason, done, children) in [
        ("Created", "created", created),
        ("Updated", "updated", updated),
        ("Repaired", "reverted drift in", repaired),
        ("Rotated", "rotated", rotated),
        ("Removed", "removed because the spec no longer has them:", removed),
    ] {
        if !children.is_empty() {
            let mut note = format!("{done} {}", list(children));
            if reason == "Repaired" {
                note += &who(taken.values().flatten());
            }
            tracing::info!(drive = %key, outcome = reason, children = children.len(), "{note}");
            // Events of one reason are counted as one and show the first note alone; naming the child, when it is
            // one, keeps repairs of different children apart.
            let child = match children.as_slice() {
                [one] => Some(reference(one)),
                _ => None,
            };
            publish(
                EventType::Normal,
                reason,
                action,
                &note,
                child,
                &drive.metadata,
                key,
                context,
            );
        }
    }
}

/// The managers of changed fields, if known: a removed field has no owner.
fn who<'a>(taken: impl Iterator<Item = &'a Taken>) -> String {
    let mut changes: Vec<String> = taken
        .filter(|one| !one.managers.is_empty())
        .map(|one| format!("{} by {}", one.field, one.managers.join(" and ")))
        .collect();
    changes.sort();
    changes.dedup();
    if changes.is_empty() {
        String::new()
    } else {
        format!(" ({})", changes.join(", "))
    }
}

/// Tells what was set up or repaired in the object store.
fn buckets(outcome: &ApplyOutcome, key: &DriveKey, drive: &RecruitmentDrive, context: &Context) {
    for (name, known) in &outcome.buckets.kept {
        let Known::View(view) = known else { continue };
        let Some(news) = &view.news else { continue };
        let (type_, reason, done) = match news.kind {
            BucketChangeKind::Configured => (EventType::Normal, "BucketConfigured", "set up"),
            BucketChangeKind::Made => (EventType::Normal, "BucketMade", "created with"),
            BucketChangeKind::Repaired => (EventType::Normal, "BucketRepaired", "reverted drift:"),
        };
        let note = format!("bucket {name}: {done} {}", news.words.join(", "));
        tracing::info!(drive = %key, outcome = reason, "{note}");
        // Events of one reason are counted as one; naming the bucket keeps those of different buckets apart.
        let meta = &drive.metadata;
        let bucket = Some(reference_to_bucket(name));
        publish(type_, reason, "Store", &note, bucket, meta, key, context);
    }
}

/// Warns when the deletion of a bucket with its objects begins and when it is done: it cannot be undone, and the drive
/// with the status may be deleted a moment later.
pub fn departing(
    removal: &BucketRemoval,
    state: Option<&BucketPhase>,
    key: &DriveKey,
    meta: &ObjectMeta,
    context: &Context,
) {
    if removal.fate != RemovalDecision::Removed {
        return;
    }
    let (recorded, bucket) = (&removal.recorded, &removal.recorded.bucket);
    let (reason, note) = match state {
        None => return,
        Some(BucketPhase::Removed(Removal::Gone)) => {
            let objects = match recorded.removed {
                Some(1) => "1 object".to_owned(),
                Some(number) => format!("{number} objects"),
                None => "all its objects".to_owned(),
            };
            let note =
                format!("bucket {bucket} was deleted with {objects}: only a copy outside of it brings them back");
            ("BucketDeleted", note)
        }
        Some(_) if bucket_removal::is_under_way(recorded) => return,
        Some(_) => {
            let (namespace, drive) = (&key.namespace, &key.name);
            let note = format!(
                "bucket {bucket} is being deleted with all its objects, because the annotation {CONFIRM_DELETE} names it: nobody can undo \
                 that. To stop it: kubectl -n {namespace} annotate drive {drive} --overwrite {KEEP_BUCKETS}={bucket}"
            );
            ("BucketDeleting", note)
        }
    };
    warn(
        reason,
        "Delete",
        &note,
        Some(reference_to_bucket(&recorded.name)),
        meta,
        key,
        context,
    );
}

/// Tells which buckets stay behind when a drive goes.
pub fn retained(buckets: &[BucketStatus], key: &DriveKey, meta: &ObjectMeta, context: &Context) {
    for bucket in buckets {
        let why = bucket.message.as_deref().unwrap_or("it is kept with all that is in it");
        let note = format!("bucket {} stays: {why}", bucket.bucket);
        tracing::info!(drive = %key, outcome = "BucketRetained", "{note}");
        publish(
            EventType::Normal,
            "BucketRetained",
            "Delete",
            &note,
            Some(reference_to_bucket(&bucket.name)),
            meta,
            key,
            context,
        );
    }
}

/// Warns of deleted generated Secrets that were created again with new values. They are created, because deleting one
/// requests new values. The Warning exists because the deletion may have been an accident.
fn regenerated(
    outcome: &ApplyOutcome,
    before: &RecruitmentDriveStatus,
    key: &DriveKey,
    drive: &RecruitmentDrive,
    context: &Context,
) {
    let was_there = |child: &&ChildKey| {
        let mut known = before.data.iter();
        child.kind == Kind::Secret && known.any(|one| one.kind == DataKind::Secret && *one.name == *child.name)
    };
    for child in outcome.changes.created.iter().filter(was_there) {
        let note = format!(
            "{child} was deleted, and was generated again with new values: what was signed or encrypted with the old ones is no longer \
             valid. If that was not intended, write the old values from a backup into it"
        );
        let (secret, meta) = (Some(reference(child)), &drive.metadata);
        warn("SecretRegenerated", "Prepare", &note, secret, meta, key, context);
    }
}

fn list(children: &[ChildKey]) -> String {
    let mut names: Vec<String> = children.iter().map(ToString::to_string).collect();
    names.sort();
    names.join(", ")
}
