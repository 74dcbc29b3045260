//! Events of what changed between two statuses.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::runtime::events::EventType;
use ras_core::fetched::record::ChildKey;
use ras_core::plan::data::{child_kind, reason};
use ras_core::plan::login_record::after_rollback;
use ras_core::report::buckets::is_lost;
use ras_crds::{
    BucketStatus, Condition, ConditionType, DataStatus, DatabaseRollbackStatus, Reason, RecruitmentDriveStatus,
};

use super::publish::{publish, reference, reference_to_bucket, warn};
use crate::controller::context::Context;
use crate::informer::store::DriveKey;

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

/// Warns when a field conflict with another controller begins or changes.
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
    let has_own_event = [Reason::DataBeingDeleted, Reason::VolumeLost, Reason::BucketLost].map(Reason::as_str);
    if has_own_event.contains(&&*now.reason) {
        // Each object and bucket has a Warning of its own: see `data`.
        return;
    }
    if old.is_none() && now.reason == Reason::Suspended.as_str() {
        // For a new drive the list of created objects is enough.
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
pub fn data(
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

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
    use k8s_openapi::jiff::Timestamp;

    use super::*;

    fn status_of(ready: bool, reason: Reason, stalled: bool) -> RecruitmentDriveStatus {
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
            assert!(
                is_warning(type_of_readiness(&status_of(false, reason, false))),
                "{reason}"
            );
        }
        for reason in [
            Reason::RollingOut,
            Reason::DatabasePending,
            Reason::Suspended,
            Reason::CertificatePending,
        ] {
            assert!(
                !is_warning(type_of_readiness(&status_of(false, reason, false))),
                "{reason}"
            );
        }
        assert!(is_warning(type_of_readiness(&status_of(
            false,
            Reason::DatabasePending,
            true
        ))));
        assert!(!is_warning(type_of_readiness(&status_of(
            true,
            Reason::AllReady,
            false
        ))));
    }
}
