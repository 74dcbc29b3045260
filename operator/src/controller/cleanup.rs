//! What is done before a drive with buckets to be deleted may go. Works from what status says, so that a spec that
//! no longer reads is no hindrance, and never waits for ever for an object store that is gone.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use k8s_openapi::jiff::Timestamp;
use kube::Api;
use kube::core::DynamicObject;
use kube::runtime::controller::Action;
use ras_crds::spec::BucketDeletionPolicy;
use ras_crds::{BucketStatus, Reason, RecruitmentDrive, RecruitmentDriveStatus};

use super::context::Context;
use crate::apply::buckets::depart;
use crate::controller::packed::Stored;
use crate::controller::reconcile_error::Error;
use crate::controller::status_writer::{self, Patched, StatusUpdate};
use crate::controller::{events, finalizer, live_read};
use crate::informer::store::DriveKey;
use crate::telemetry::metrics::ReconcileResult;
use ras_core::plan::bucket_removal::{Asking, BucketRemoval, RemovalProgress, fate, settle};
use ras_core::report;
use ras_core::valid::RemovalRequests;

/// Removes what is to be removed, and lets the drive go when that is done.
pub async fn cleanup(key: &DriveKey, stored: &Stored, context: &Context) -> Result<(ReconcileResult, Action), Error> {
    let now = &Time(Timestamp::now());
    let (meta, drive) = match &stored.0 {
        Ok(drive) => (&drive.metadata, Some(drive)),
        Err(invalid) => (&invalid.metadata, None),
    };
    if !finalizer::is_there(meta) {
        if let Some(bucket_controller) = &context.child_client.bucket_controller {
            bucket_controller.forget(key);
        }
        return Ok((ReconcileResult::Unchanged, Action::await_change()));
    }
    let mut before = status_writer::last(key, meta, drive.and_then(|drive| drive.status.as_ref()), context);
    if drive.is_none() && before.buckets.is_empty() {
        before.buckets = stored_buckets(key, context).await?;
    }
    let left = time_left(meta, now, context);
    let asking = Asking {
        namespace: &key.namespace,
        drive: &key.name,
        overdue: left.is_zero(),
    };
    let bucket_removals = bucket_removals(meta, drive, &before);
    if let Some(drive) = drive
        && !drive.spec.is_paused()
        && !live_read::may_remove_buckets(key, drive, &before, &bucket_removals, context).await?
    {
        return Ok((ReconcileResult::Changed, Action::requeue(live_read::CATCH_UP)));
    }
    let is_paused = drive.is_some_and(|drive| drive.spec.is_paused());
    let mut settled = if is_paused {
        paused(key, bucket_removals, context)
    } else {
        settle_all(key, meta, &bucket_removals, asking, context)
    };
    if settled.open == 0 {
        // Told first: nobody can be told anything of an object that is gone.
        events::retained(&settled.kept, key, meta, context);
        let gone = finalizer::set(key, meta, false, context).await?;
        let again = if gone {
            Action::await_change()
        } else {
            Action::requeue(Duration::from_millis(100))
        };
        return Ok((ReconcileResult::Changed, again));
    }
    settled.blocked.dedup();
    let Settled { lines, blocked, .. } = settled;
    let status = report::deleting(&before, lines, &blocked, meta.generation, now);
    let update = StatusUpdate {
        key,
        meta,
        before: &before,
        suspended: false,
        patched: if drive.is_some() {
            Patched::Apply
        } else {
            Patched::Merge
        },
    };
    update.write(status, context).await?;
    // Annotations and the object store wake the drive; the end of patience does not.
    let waits_for_store = blocked.iter().any(|(reason, _)| *reason != Reason::ConfirmationMissing);
    let action = if waits_for_store && !left.is_zero() {
        Action::requeue(left)
    } else {
        Action::await_change()
    };
    let counted = if blocked.is_empty() {
        ReconcileResult::Changed
    } else {
        ReconcileResult::Blocked
    };
    Ok((counted, action))
}

/// How far the buckets of a drive are.
#[derive(Default)]
struct Settled {
    /// Their lines in status.
    lines: Vec<BucketStatus>,
    /// What is in the way.
    blocked: Vec<(Reason, String)>,
    /// Those that stay.
    kept: Vec<BucketStatus>,
    /// How many of them the drive waits for.
    open: usize,
}

fn paused(key: &DriveKey, bucket_removals: Vec<BucketRemoval>, context: &Context) -> Settled {
    if let Some(bucket_controller) = &context.child_client.bucket_controller {
        bucket_controller.forget(key);
    }
    let message = "spec.paused is true, so nothing is removed: set it to false to go on";
    Settled {
        open: bucket_removals.len(),
        blocked: bucket_removals
            .iter()
            .map(|_| (Reason::Paused, message.to_owned()))
            .collect(),
        lines: bucket_removals.into_iter().map(|removal| removal.recorded).collect(),
        kept: Vec::new(),
    }
}

fn settle_all(
    key: &DriveKey,
    meta: &ObjectMeta,
    bucket_removals: &[BucketRemoval],
    asking: Asking<'_>,
    context: &Context,
) -> Settled {
    let mut settled = Settled::default();
    let uid = meta.uid.as_deref().unwrap_or_default();
    for bucket_removal in bucket_removals {
        let known = depart(&context.child_client, key, uid, bucket_removal);
        events::departing(bucket_removal, known.state(), key, meta, context);
        let (progress, line) = settle(bucket_removal, known.state(), asking);
        match progress {
            RemovalProgress::Gone => continue,
            RemovalProgress::Kept => settled.kept.push(line.clone()),
            RemovalProgress::Going => settled.open += 1,
            RemovalProgress::Blocked { reason, message } => {
                settled.open += 1;
                settled.blocked.push((reason, message));
            }
        }
        settled.lines.push(line);
    }
    settled
}

/// Every bucket that status names, with what becomes of it. The policy is the spec's as it is now, where it can be read:
/// so `deletionPolicy: Retain` lets a drive go that is being deleted already.
pub(crate) fn bucket_removals(
    meta: &ObjectMeta,
    drive: Option<&RecruitmentDrive>,
    before: &RecruitmentDriveStatus,
) -> Vec<BucketRemoval> {
    let removal_requests = RemovalRequests::read(meta.annotations.as_ref());
    let said: BTreeMap<&str, BucketDeletionPolicy> = drive
        .into_iter()
        .flat_map(|drive| &drive.spec.buckets)
        .map(|bucket| (bucket.name.as_str(), bucket.deletion_policy.unwrap_or_default()))
        .collect();
    let policy = |recorded: &BucketStatus| {
        let said = said.get(recorded.name.as_str()).copied();
        said.or(recorded.deletion_policy).unwrap_or_default()
    };
    before
        .buckets
        .iter()
        .map(|recorded| BucketRemoval {
            fate: fate(recorded, policy(recorded), &removal_requests),
            recorded: recorded.clone(),
        })
        .collect()
}

/// How long an object store that does not answer is still waited for.
fn time_left(meta: &ObjectMeta, now: &Time, context: &Context) -> Duration {
    let store = context.platform.now().object_store.clone().unwrap_or_default();
    let patience = store.give_up_after.seconds().unwrap_or(u64::MAX);
    let since = meta.deletion_timestamp.as_ref().unwrap_or(now);
    let waited = u64::try_from(now.0.as_second().saturating_sub(since.0.as_second())).unwrap_or_default();
    Duration::from_secs(patience.saturating_sub(waited))
}

/// What the stored object's status says of buckets, when nobody remembers and the object does not decode.
pub(super) async fn stored_buckets(key: &DriveKey, context: &Context) -> Result<Vec<BucketStatus>, Error> {
    let resource = kube::core::ApiResource::erase::<RecruitmentDrive>(&());
    let api: Api<DynamicObject> = Api::namespaced_with(context.child_client.client.clone(), &key.namespace, &resource);
    let object = api
        .get_opt(&key.name)
        .await
        .map_err(|error| Error::Read(Box::new(error)))?;
    let buckets = object.and_then(|object| object.data.pointer("/status/buckets").cloned());
    // One line that does not read must not keep the others from being found.
    let lines = buckets.and_then(|buckets| serde_json::from_value::<Vec<serde_json::Value>>(buckets).ok());
    Ok(lines
        .unwrap_or_default()
        .into_iter()
        .filter_map(|line| serde_json::from_value(line).ok())
        .collect())
}
