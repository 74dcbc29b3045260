//! Brings one child to its desired state: adjust the item, decide, send, and decide again when the child changed
//! meanwhile.

use std::time::Instant;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry;
use ras_crds::Reason;

use crate::apply::applier::{Applier, MAX_ATTEMPTS};
use crate::apply::child_client::is_conflict;
use crate::apply::conflicts::ConflictDecision;
use crate::apply::decide::{ChildAction, decide, has_instance_label};
use crate::apply::item::Item;
use crate::apply::result::ChildResult;
use crate::apply::{adjust, prune};
use crate::informer::managed_fields::field_takers;
use ras_core::applied::{Blocked, Taken};
use ras_core::build::labels::APPLIED;
use ras_core::fetched::facts::FIELD_MANAGER;
use ras_core::fetched::record::{ChildKey, Detail, Owner, Record};
use ras_core::kind::Kind;
use ras_core::retry::Retry;

/// `handover` is the number of replicas to hand over before an apply that leaves the field out.
pub(super) async fn write(applier: Applier<'_>, item: &Item, handover: Option<i32>) -> ChildResult {
    let child_client = applier.child_client;
    if let Some(twin) = existing_twin(applier, &item.key) {
        return ChildResult::Blocked(Blocked {
            child: item.key.clone(),
            reason: Reason::Progressing,
            message: format!(
                "waits until {twin} and its pods are deleted, because they have the same name and may use the same volume"
            ),
            retry: Retry::OnChange,
        });
    }
    let mut record = child_client.store.get(&item.key);
    let adjusted = match adjust::adjusted(applier, item, record.as_ref()).await {
        Ok(adjusted) => adjusted,
        Err(error) => return ChildResult::failed(&item.key, &error),
    };
    let item = adjusted.as_ref().unwrap_or(item);
    let mut taken = Vec::new();
    let mut is_current = record.as_ref().is_none_or(|record| record.watched);
    for _ in 0..MAX_ATTEMPTS {
        let action = decide(item, record.as_ref(), applier.id());
        if !is_current && matches!(action, ChildAction::Wait | ChildAction::Unowned { .. }) {
            is_current = true;
            match child_client.refresh(&item.key).await {
                Ok(found) => record = found,
                Err(error) => return ChildResult::failed(&item.key, &error),
            }
            continue;
        }
        let sent = match &action {
            ChildAction::Nothing { verified } => {
                if let Some(digest) = verified {
                    child_client.store.verified(&item.key, *digest);
                }
                return ChildResult::Unchanged;
            }
            ChildAction::Wait => return ChildResult::being_deleted(&item.key),
            ChildAction::Unowned { whose } => {
                return ChildResult::unowned(&item.key, whose, record.as_ref(), applier.id());
            }
            ChildAction::Create => child_client.create(&item.key, item.body.clone()).await,
            ChildAction::Update { uid, drifted } => {
                if *drifted && decide_repair(applier, item, record.as_ref(), &mut taken).await == ConflictDecision::Hold
                {
                    return ChildResult::Skipped;
                }
                update(applier, item, uid, record.as_ref(), handover).await
            }
            ChildAction::Unlabel { uid } => child_client.unlabel(&item.key, uid).await,
        };
        match sent {
            Ok(()) => {
                let written = child_client.store.get(&item.key);
                if written
                    .as_ref()
                    .is_some_and(|written| has_instance_label(item, written))
                {
                    record = written;
                    continue;
                }
                return match action {
                    ChildAction::Create => ChildResult::Created(item.key.clone()),
                    ChildAction::Update { drifted: true, .. } => ChildResult::Repaired(item.key.clone(), taken),
                    ChildAction::Update { drifted: false, .. }
                    | ChildAction::Unlabel { .. }
                    | ChildAction::Nothing { .. }
                    | ChildAction::Wait
                    | ChildAction::Unowned { .. } => ChildResult::Updated(item.key.clone()),
                };
            }
            // It was created or replaced meanwhile.
            Err(error) if is_conflict(&error) => match child_client.refresh(&item.key).await {
                Ok(found) => record = found,
                Err(error) => return ChildResult::failed(&item.key, &error),
            },
            Err(error) => return ChildResult::failed(&item.key, &error),
        }
    }
    ChildResult::keeps_changing(&item.key)
}

/// Reports a child that waits for others if an unowned object has its name, so that the user sees all problems at once.
pub(super) async fn report_unowned(applier: Applier<'_>, item: &Item) -> ChildResult {
    let record = applier
        .child_client
        .store
        .get(&item.key)
        .filter(|record| record.watched);
    let found = match record {
        Some(record) => Some(record),
        None => match applier.child_client.refresh(&item.key).await {
            Ok(found) => found,
            Err(error) => return ChildResult::failed(&item.key, &error),
        },
    };
    match decide(item, found.as_ref(), applier.id()) {
        ChildAction::Unowned { whose } => ChildResult::unowned(&item.key, &whose, found.as_ref(), applier.id()),
        ChildAction::Nothing { .. }
        | ChildAction::Create
        | ChildAction::Update { .. }
        | ChildAction::Unlabel { .. }
        | ChildAction::Wait => ChildResult::Skipped,
    }
}

/// Decides whether fields that others changed are reverted now, and sets `taken` to those fields. Fields whose takers
/// cannot be read are reverted too.
pub(super) async fn decide_repair(
    applier: Applier<'_>,
    item: &Item,
    record: Option<&Record>,
    taken: &mut Vec<Taken>,
) -> ConflictDecision {
    let Some(record) = record else {
        return ConflictDecision::Repair;
    };
    let (child_client, digest, now) = (applier.child_client, record.fields.digest, Instant::now());
    if child_client.conflicts.is_held(&item.key, digest, now) {
        return ConflictDecision::Hold;
    }
    *taken = if item.key.kind == Kind::Secret {
        // A Secret is never read; the watch has delivered its managed fields.
        let managers = record.fields.managers.as_deref();
        let managed: Vec<ManagedFieldsEntry> = managers
            .and_then(|text| serde_json::from_str(text).ok())
            .unwrap_or_default();
        field_takers::taken(&managed, &item.body)
    } else {
        child_client
            .taken_fields(&item.key, &item.body)
            .await
            .unwrap_or_default()
    };
    if taken.is_empty() && record.written.as_deref() == Some(item.hash.as_str()) && record.applied != record.written {
        taken.push(Taken {
            field: format!("metadata.annotations[{APPLIED}]"),
            managers: vec![format!("{FIELD_MANAGER} of another operator")],
        });
    }
    child_client.conflicts.decide(&item.key, taken, digest, now)
}

async fn update(
    applier: Applier<'_>,
    item: &Item,
    uid: &str,
    record: Option<&Record>,
    handover: Option<i32>,
) -> Result<(), kube::Error> {
    if let (Some(replicas), Some(record)) = (handover, record)
        && let Detail::Deployment(live) = &record.detail
        // A stopped Deployment has a number that is not applied and that nothing else writes.
        && (live.applies_replicas || record.stopped().is_some())
    {
        // The recorded number may be outdated: without force the API server refuses to hand over another one. After a
        // suspension the number is meant to differ.
        let force = live.replicas != replicas;
        applier
            .child_client
            .hand_over_replicas(&item.key, replicas, force)
            .await?;
    }
    applier.child_client.update(&item.key, item.body.clone(), uid).await
}

/// The drive's workload of the same name and the other kind: a database server that was a service before. Two servers
/// on one volume would destroy its data.
fn existing_twin(applier: Applier<'_>, child: &ChildKey) -> Option<ChildKey> {
    let twin = prune::twin_of(child)?;
    let record = applier.child_client.store.get(&twin)?;
    matches!(&record.owner, Owner::Drive { uid, .. } if **uid == *applier.uid).then_some(twin)
}
