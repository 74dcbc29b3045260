//! A live read before anything that cannot be undone: overwriting a password, rolling back a rotation, starting a Job,
//! removing a bucket.
//!
//! Informers lag, and those of a replica that has just become the leader may lag by more than the last writes of the leader
//! before it. Whatever can be put right may follow an old view, because a newer one corrects it. These steps may not, so
//! each of them is preceded by one GET of the drive, and a rotation of logins by a look at the versions of the Deployments
//! and Jobs that say who has which login. When something is newer than what the decision saw, nothing is done, and the drive
//! is looked at again.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use kube::Api;
use kube::api::ListParams;
use kube::core::DynamicObject;
use ras_crds::labels::DRIVE;
use ras_crds::{RecruitmentDrive, RecruitmentDriveStatus};

use super::context::Context;
use super::read;
use super::record::keeps_the_record;
use super::scope::Scope;
use crate::apply::child_client::ChildClient;
use crate::controller::reconcile_error::Error;
use crate::informer::observe::version;
use crate::informer::store::DriveKey;
use ras_core::build::Desired;
use ras_core::fetched::record::ChildKey;
use ras_core::kind::Kind;
use ras_core::plan::bucket_removal::{BucketRemoval, RemovalDecision};

/// How long an informer is given to catch up.
pub const CATCH_UP: Duration = Duration::from_secs(1);

/// True if values may be overwritten and rotations rolled back, because the decision was made by the current drive and
/// children.
pub async fn may_generate(scope: &Scope<'_>, desired: &Desired) -> Result<bool, Error> {
    let (key, context) = (scope.key, scope.context);
    let draws: Vec<_> = desired
        .credentials
        .iter()
        .filter(|credential| credential.rotate || credential.roll_back)
        .collect();
    let draws_login = draws.iter().any(|credential| credential.notes.generation.is_some());
    if draws.is_empty() {
        return Ok(true);
    }
    if !is_current(key, scope.written, &scope.before, context).await? {
        return Ok(false);
    }
    if draws_login {
        for kind in [Kind::Deployment, Kind::Job] {
            if is_behind(&context.child_client, kind, key).await? {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

/// True if Jobs may start and buckets may be removed, because the decision was made by the current drive and children.
pub async fn may_apply(scope: &Scope<'_>, desired: &Desired) -> Result<bool, Error> {
    let (key, drive, before, context) = (scope.key, scope.written, &scope.before, scope.context);
    let starts = desired.jobs.iter().any(|job| {
        let name = job.metadata.name.as_deref().unwrap_or_default();
        let child = ChildKey::new(Kind::Job, &key.namespace, name);
        context.child_client.store.get(&child).is_none()
    });
    if starts && !is_current(key, drive, before, context).await? {
        return Ok(false);
    }
    may_remove_buckets(key, drive, before, &desired.bucket_removals, context).await
}

/// True if buckets that the spec no longer has may be removed. A removal takes many reconciles. One read for each spec
/// and set of annotations is enough, because nothing else decides about it.
pub async fn may_remove_buckets(
    key: &DriveKey,
    drive: &RecruitmentDrive,
    before: &RecruitmentDriveStatus,
    bucket_removals: &[BucketRemoval],
    context: &Context,
) -> Result<bool, Error> {
    let removes = bucket_removals.iter().any(|bucket_removal| {
        matches!(
            bucket_removal.fate,
            RemovalDecision::Removed | RemovalDecision::RemovedIfEmpty | RemovalDecision::Released
        )
    });
    if !removes {
        return Ok(true);
    }
    let uid = drive.metadata.uid.as_deref().unwrap_or_default();
    let written = hash_of_written(drive);
    if context.cache.is_confirmed(key, uid, written) {
        return Ok(true);
    }
    let current = is_current(key, drive, before, context).await?;
    if current {
        context.cache.confirmed(key, uid, written);
    }
    Ok(current)
}

/// Tells apart what people wrote in a drive.
fn hash_of_written(drive: &RecruitmentDrive) -> u64 {
    let mut hasher = DefaultHasher::new();
    drive.metadata.generation.hash(&mut hasher);
    drive.metadata.annotations.hash(&mut hasher);
    drive.metadata.deletion_timestamp.is_some().hash(&mut hasher);
    hasher.finish()
}

/// True if the API server has the same drive and record. A status that differs is cached, and the next reconcile starts
/// from it.
async fn is_current(
    key: &DriveKey,
    drive: &RecruitmentDrive,
    before: &RecruitmentDriveStatus,
    context: &Context,
) -> Result<bool, Error> {
    let Some(live) = read::read(key, context).await? else {
        return Ok(false);
    };
    if live.metadata.uid != drive.metadata.uid {
        return Ok(false);
    }
    let status = live.status.clone().unwrap_or_default();
    let is_recorded = keeps_the_record(before, &status);
    if !is_recorded {
        let uid = live.metadata.uid.as_deref().unwrap_or_default();
        context.cache.learned(key, uid, status, version(&live.metadata));
    }
    Ok(is_recorded && hash_of_written(&live) == hash_of_written(drive))
}

/// True if the API server has a newer version of a child of this kind than the informers.
async fn is_behind(child_client: &ChildClient, kind: Kind, drive: &DriveKey) -> Result<bool, Error> {
    let api: Api<DynamicObject> = Api::namespaced_with(child_client.client.clone(), &drive.namespace, &kind.resource());
    let of_drive = ListParams::default().labels(&format!("{DRIVE}={}", drive.name));
    let live = api
        .list_metadata(&of_drive)
        .await
        .map_err(|error| Error::Read(Box::new(error)))?;
    Ok(live.items.iter().any(|object| {
        let name = object.metadata.name.as_deref().unwrap_or_default();
        let known = child_client.store.get(&ChildKey::new(kind, &drive.namespace, name));
        known.is_none_or(|known| known.version < version(&object.metadata))
    }))
}
