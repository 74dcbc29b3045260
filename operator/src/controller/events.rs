//! Events: what a person sees under `kubectl describe drive`. Few, and sent beside the reconcile, never in its way.

use std::sync::Arc;

use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::core::Resource;
use kube::runtime::events::{Event, EventType};
use ras_crds::labels::{CONFIRM_DELETE, KEEP_BUCKETS};
use ras_crds::{
    BucketStatus, Condition, ConditionType, DataKind, DataStatus, DatabaseRollbackStatus, Reason, RecruitmentDrive,
    RecruitmentDriveStatus,
};

use crate::controller::context::Context;
use crate::controller::error::refusal;
use crate::informer::store::DriveKey;
use ras_core::applied::Known;
use ras_core::applied::Taken;
use ras_core::applied::{Changes, Outcome};
use ras_core::bucket::state::{BucketChangeKind, Removal, State};
use ras_core::fetched::record::ChildKey;
use ras_core::kind::Kind;
use ras_core::plain_text::plain;
use ras_core::plan::bucket_removal::{self, BucketRemoval, RemovalDecision};
use ras_core::plan::data::{child_kind, reason};
use ras_core::plan::login_record::after_rollback;
use ras_core::report::buckets::is_lost;
use ras_core::retry::Retry;

/// Longest note the API server takes, in bytes.
const MOST: usize = 1_000;

/// Reports what was applied.
pub fn applied(
    outcome: &Outcome,
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

/// Reports what changed in the status.
pub fn changed(
    status: &RecruitmentDriveStatus,
    before: &RecruitmentDriveStatus,
    key: &DriveKey,
    meta: &ObjectMeta,
    context: &Context,
) {
    readiness(status, before, key, meta, context);
    data(status, before, key, meta, context);
    logins(status, before, key, meta, context);
    databases(status, before, key, meta, context);
    conflicts(status, before, key, meta, context);
}

/// Reports what was written.
fn changes(outcome: &Outcome, key: &DriveKey, drive: &RecruitmentDrive, context: &Context) {
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
        ("Created", "made", created),
        ("Updated", "changed", updated),
        ("Repaired", "put back what somebody else changed in", repaired),
        ("Rotated", "drew new values for", rotated),
        ("Removed", "removed what the drive no longer asks for:", removed),
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

/// Who changed what, as far as that is known: fields that somebody removed have no owner.
fn who<'a>(taken: impl Iterator<Item = &'a Taken>) -> String {
    let mut told: Vec<String> = taken
        .filter(|one| !one.managers.is_empty())
        .map(|one| format!("{} by {}", one.field, one.managers.join(" and ")))
        .collect();
    told.sort();
    told.dedup();
    if told.is_empty() {
        String::new()
    } else {
        format!(" ({})", told.join(", "))
    }
}

/// Warns of fields that somebody else insists on, when such a conflict begins or becomes another one.
fn conflicts(
    status: &RecruitmentDriveStatus,
    before: &RecruitmentDriveStatus,
    key: &DriveKey,
    meta: &ObjectMeta,
    context: &Context,
) {
    let conflict = |status: &RecruitmentDriveStatus| {
        let mut conditions = status.conditions.iter();
        let found = conditions.find(|one| one.type_ == ConditionType::FieldConflict.as_str() && one.is_true());
        found.map(|condition| condition.message.clone())
    };
    let Some(now) = conflict(status) else { return };
    if conflict(before).as_ref() != Some(&now) {
        let reason = Reason::FieldConflict.as_str();
        warn(reason, "Apply", &now, None, meta, key, context);
    }
}

/// Tells what was set up or repaired in the object store.
fn buckets(outcome: &Outcome, key: &DriveKey, drive: &RecruitmentDrive, context: &Context) {
    for (name, known) in &outcome.buckets.kept {
        let Known::View(view) = known else { continue };
        let Some(news) = &view.news else { continue };
        let (type_, reason, done) = match news.kind {
            BucketChangeKind::Configured => (EventType::Normal, "BucketConfigured", "set up"),
            BucketChangeKind::Made => (EventType::Normal, "BucketMade", "made, with"),
            BucketChangeKind::Repaired => (
                EventType::Normal,
                "BucketRepaired",
                "put back what somebody else changed:",
            ),
        };
        let note = format!("bucket {name}: {done} {}", news.words.join(", "));
        tracing::info!(drive = %key, outcome = reason, "{note}");
        // Events of one reason are counted as one; naming the bucket keeps those of different buckets apart.
        let meta = &drive.metadata;
        let bucket = Some(reference_to_bucket(name));
        publish(type_, reason, "Store", &note, bucket, meta, key, context);
    }
}

/// Warns when a bucket begins to be deleted with its objects, and when that is done: nobody can undo it, and the drive that shows it
/// in its status may be gone a moment later.
pub fn departing(removal: &BucketRemoval, state: Option<&State>, key: &DriveKey, meta: &ObjectMeta, context: &Context) {
    if removal.fate != RemovalDecision::Removed {
        return;
    }
    let (recorded, bucket) = (&removal.recorded, &removal.recorded.bucket);
    let (reason, note) = match state {
        None => return,
        Some(State::Removed(Removal::Gone)) => {
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

/// Tells when Ready changes, or why it is not changes.
fn readiness(
    status: &RecruitmentDriveStatus,
    before: &RecruitmentDriveStatus,
    key: &DriveKey,
    meta: &ObjectMeta,
    context: &Context,
) {
    let ready = |status: &RecruitmentDriveStatus| {
        status
            .conditions
            .iter()
            .find(|condition| condition.type_ == ConditionType::Ready.as_str())
            .cloned()
    };
    let Some(now) = ready(status) else { return };
    let old = ready(before);
    let (type_, old_type) = (type_of_readiness(status), type_of_readiness(before));
    let is_same = |old: &Condition| old.status == now.status && old.reason == now.reason;
    // What waiting does not help was a Normal event as long as it might.
    let becomes_warning = is_warning(type_) && !is_warning(old_type);
    if !becomes_warning && old.as_ref().is_some_and(is_same) {
        return;
    }
    tracing::info!(drive = %key, ready = now.is_true(), reason = now.reason, "{}", now.message);
    let told_by_itself = [Reason::DataBeingDeleted, Reason::VolumeLost, Reason::BucketLost].map(Reason::as_str);
    if told_by_itself.contains(&&*now.reason) {
        // Each object and bucket has a Warning of its own: see `data`.
        return;
    }
    if old.is_none() && now.reason == Reason::Suspended.as_str() {
        // That a new drive is as its spec says goes without saying beside the list of what was made.
        return;
    }
    publish(type_, &now.reason, "Report", &now.message, None, meta, key, context);
}

/// Type of the event on Ready: a Warning for what a person has to look at.
fn type_of_readiness(status: &RecruitmentDriveStatus) -> EventType {
    let condition = |type_: ConditionType| status.conditions.iter().find(|one| one.type_ == type_.as_str());
    let is_stalled = condition(ConditionType::Stalled).is_some_and(Condition::is_true);
    let failing = condition(ConditionType::Ready).filter(|ready| !ready.is_true());
    let wants_attention = failing.is_some_and(|ready| {
        let reason = Reason::ALL.iter().find(|reason| reason.as_str() == ready.reason);
        reason.is_some_and(|reason| reason.is_warning())
    });
    if is_stalled || wants_attention {
        EventType::Warning
    } else {
        EventType::Normal
    }
}

fn is_warning(type_: EventType) -> bool {
    matches!(type_, EventType::Warning)
}

/// Warns of buckets that are found to be gone.
fn lost_buckets(
    status: &RecruitmentDriveStatus,
    before: &RecruitmentDriveStatus,
    key: &DriveKey,
    meta: &ObjectMeta,
    context: &Context,
) {
    for one in status.buckets.iter().filter(|one| is_lost(one)) {
        let is_same =
            |old: &BucketStatus| (&old.name, &old.identity, old.state) == (&one.name, &one.identity, one.state);
        let Some(message) = one.message.as_ref().filter(|_| !before.buckets.iter().any(is_same)) else {
            continue;
        };
        let (reason, bucket) = (Reason::BucketLost.as_str(), reference_to_bucket(&one.name));
        warn(reason, "Keep", message, Some(bucket), meta, key, context);
    }
}

/// Warns of data that begins to be deleted, or is found to be gone.
fn data(
    status: &RecruitmentDriveStatus,
    before: &RecruitmentDriveStatus,
    key: &DriveKey,
    meta: &ObjectMeta,
    context: &Context,
) {
    lost_buckets(status, before, key, meta, context);
    for one in &status.data {
        let is_same =
            |old: &DataStatus| (old.kind, &old.name, &old.uid, old.state) == (one.kind, &one.name, &one.uid, one.state);
        let news = reason(one.state).filter(|_| !before.data.iter().any(is_same));
        let (Some(reason), Some(message)) = (news, &one.message) else {
            continue;
        };
        let child = reference(&ChildKey::new(child_kind(one.kind), &key.namespace, &one.name));
        warn(reason.as_str(), "Keep", message, Some(child), meta, key, context);
    }
}

/// Warns of generated Secrets that were there before and were made again: their values are others. That is done, because deleting
/// one is how a person asks for new values, and it is told, because it may have been an accident.
fn regenerated(
    outcome: &Outcome,
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

/// Tells when services get other logins, or those before again.
fn logins(
    status: &RecruitmentDriveStatus,
    before: &RecruitmentDriveStatus,
    key: &DriveKey,
    meta: &ObjectMeta,
    context: &Context,
) {
    let login = |status: &RecruitmentDriveStatus| status.database.as_ref().and_then(|database| database.login.clone());
    let (Some(now), Some(old)) = (login(status), login(before)) else {
        return;
    };
    if now.generation <= old.generation {
        return;
    }
    let is_new = |rolled_back: &&DatabaseRollbackStatus| old.rolled_back.as_ref() != Some(*rolled_back);
    if let Some(rolled_back) = now.rolled_back.as_ref().filter(is_new) {
        let note = format!("database passwords: {}", after_rollback(rolled_back));
        warn("DatabaseLoginsRolledBack", "Rotate", &note, None, meta, key, context);
        return;
    }
    let note = format!(
        "rotation {} of the database passwords: the next login of each owner works, and services are rolled out with it",
        now.generation
    );
    tracing::info!(drive = %key, outcome = "DatabaseLoginsRotated", "{note}");
    let type_ = EventType::Normal;
    publish(
        type_,
        "DatabaseLoginsRotated",
        "Rotate",
        &note,
        None,
        meta,
        key,
        context,
    );
}

/// Tells that a database is another than the one that was there: what was in it is not in this one.
fn databases(
    status: &RecruitmentDriveStatus,
    before: &RecruitmentDriveStatus,
    key: &DriveKey,
    meta: &ObjectMeta,
    context: &Context,
) {
    let (Some(now), Some(old)) = (&status.database, &before.database) else {
        return;
    };
    let names = now.replaced_since(old);
    if names.is_empty() {
        return;
    }
    let note = format!(
        "the database server, or these databases on it, are others than before: {}. They were set up again, and what was in \
         them before is not in them: restore it from a backup if it is needed. Migrations run again",
        names.join(", ")
    );
    warn("DatabaseReplaced", "Prepare", &note, None, meta, key, context);
}

fn list(children: &[ChildKey]) -> String {
    let mut names: Vec<String> = children.iter().map(ToString::to_string).collect();
    names.sort();
    names.join(", ")
}

/// Buckets are no objects of Kubernetes, but an event may name anything.
fn reference_to_bucket(name: &str) -> ObjectReference {
    ObjectReference {
        kind: Some("Bucket".to_owned()),
        name: Some(name.to_owned()),
        ..ObjectReference::default()
    }
}

fn reference(child: &ChildKey) -> ObjectReference {
    let resource = child.kind.resource();
    ObjectReference {
        api_version: Some(resource.api_version),
        kind: Some(resource.kind),
        name: Some(child.name.to_string()),
        namespace: Some(child.namespace.to_string()),
        ..ObjectReference::default()
    }
}

/// Logs a note, and publishes it as a Warning.
fn warn(
    reason: &str,
    action: &str,
    note: &str,
    secondary: Option<ObjectReference>,
    meta: &ObjectMeta,
    key: &DriveKey,
    context: &Context,
) {
    tracing::warn!(drive = %key, outcome = reason, "{note}");
    publish(EventType::Warning, reason, action, note, secondary, meta, key, context);
}

#[allow(clippy::too_many_arguments)] // One place that sends; a struct would only name the same eight things again.
fn publish(
    type_: EventType,
    reason: &str,
    action: &str,
    note: &str,
    secondary: Option<ObjectReference>,
    meta: &ObjectMeta,
    key: &DriveKey,
    context: &Context,
) {
    if context.cache.is_closing(key, meta.uid.as_deref().unwrap_or_default()) {
        // An event would be one more object that the namespace does not take.
        return;
    }
    let event = Event {
        type_,
        reason: reason.to_owned(),
        note: Some(cut(plain(note, MOST))),
        action: action.to_owned(),
        secondary,
    };
    let about = ObjectReference {
        api_version: Some(RecruitmentDrive::api_version(&()).into_owned()),
        kind: Some(RecruitmentDrive::kind(&()).into_owned()),
        name: Some(key.name.to_string()),
        namespace: Some(key.namespace.to_string()),
        uid: meta.uid.clone(),
        ..ObjectReference::default()
    };
    let (recorder, key) = (context.recorder.clone(), key.clone());
    let (cache, uid) = (Arc::clone(&context.cache), meta.uid.clone().unwrap_or_default());
    let planned = context.leadership.plan();
    tokio::spawn(async move {
        let _planned = planned;
        if let Err(error) = recorder.publish(&event, &about).await {
            tracing::debug!(drive = %key, %error, "an event was not taken");
            // A namespace in deletion takes nothing new, so this was the last event.
            cache.closes(&key, &uid, refusal(&error).retry == Retry::Never);
        }
    });
}

fn cut(mut note: String) -> String {
    if note.len() > MOST {
        let mut end = MOST;
        while !note.is_char_boundary(end) {
            end -= 1;
        }
        note.truncate(end);
        note.push('…');
    }
    note
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
    use k8s_openapi::jiff::Timestamp;

    use super::*;

    fn told(ready: bool, reason: Reason, stalled: bool) -> RecruitmentDriveStatus {
        let now = Time(Timestamp::UNIX_EPOCH);
        let condition = |type_, status, reason| Condition::new(type_, status, reason, "because", Some(1), &now);
        RecruitmentDriveStatus {
            conditions: vec![
                condition(ConditionType::Ready, ready, reason),
                condition(ConditionType::Stalled, stalled, reason),
            ],
            ..RecruitmentDriveStatus::default()
        }
    }

    #[test]
    fn what_a_person_has_to_look_at_is_a_warning_and_the_rest_is_not() {
        for reason in [
            Reason::DatabaseFailing,
            Reason::DatabaseDenied,
            Reason::CertManagerMissing,
            Reason::CloudNativePGMissing,
            Reason::ExternalSecretFailing,
            Reason::RolloutStuck,
            Reason::SecretMissing,
            Reason::StoreDenied,
        ] {
            assert!(is_warning(type_of_readiness(&told(false, reason, false))), "{reason}");
        }
        for reason in [
            Reason::RollingOut,
            Reason::DatabasePending,
            Reason::Suspended,
            Reason::CertificatePending,
        ] {
            assert!(!is_warning(type_of_readiness(&told(false, reason, false))), "{reason}");
        }
        assert!(is_warning(type_of_readiness(&told(
            false,
            Reason::DatabasePending,
            true
        ))));
        assert!(!is_warning(type_of_readiness(&told(true, Reason::AllReady, false))));
    }
}
