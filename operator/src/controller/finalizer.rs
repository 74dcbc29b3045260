//! The finalizer of a drive with buckets that are to be deleted with it. A drive without such buckets has none, and
//! is deleted by Kubernetes alone.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Api;
use kube::api::{Patch, PatchParams};
use kube::core::DynamicObject;
use ras_crds::RecruitmentDrive;
use ras_crds::labels::BUCKETS_FINALIZER;
use ras_crds::spec::BucketDeletionPolicy;
use serde_json::json;

use super::context::Context;
use crate::controller::reconcile_error::Error;
use crate::controller::slim::MANY_FINALIZERS;
use crate::informer::observe::version;
use crate::informer::store::DriveKey;
use ras_core::bucket::request::{Origin, Settings};
use ras_core::fetched::facts::FIELD_MANAGER;
use ras_core::plan::Plan;
use ras_core::plan::bucket_removal::RemovalDecision;

/// True if a drive has or had a bucket that is to be deleted, or an existing bucket from which settings have to be
/// removed.
pub fn is_needed(plan: &Plan<'_>) -> bool {
    let asked = plan.drive.buckets.iter().any(|bucket| match bucket.request.origin {
        Origin::Made => bucket.deletion_policy != BucketDeletionPolicy::Retain,
        Origin::Existing => bucket.request.settings != Settings::default(),
    });
    asked
        || plan
            .bucket_removals
            .iter()
            .any(|bucket_removal| bucket_removal.fate != RemovalDecision::Kept)
}

/// True if the drive has the finalizer.
pub fn is_there(meta: &ObjectMeta) -> bool {
    meta.finalizers.iter().flatten().any(|name| name == BUCKETS_FINALIZER)
}

/// Adds or removes the finalizer if needed. Returns false if the drive changed meanwhile and has to be reconciled
/// again.
///
/// A merge patch with the resourceVersion, and no server-side apply, because it has to work for an object that does not
/// fit its definition, too.
pub async fn set(key: &DriveKey, meta: &ObjectMeta, wanted: bool, context: &Context) -> Result<bool, Error> {
    if is_there(meta) == wanted {
        return Ok(true);
    }
    let resource = kube::core::ApiResource::erase::<RecruitmentDrive>(&());
    let api: Api<DynamicObject> = Api::namespaced_with(context.child_client.client.clone(), &key.namespace, &resource);
    let whole;
    let meta = if meta.finalizers.iter().flatten().any(|name| name == MANY_FINALIZERS) {
        match api.get_metadata_opt(&key.name).await {
            Ok(Some(live)) if live.metadata.resource_version == meta.resource_version => whole = live.metadata,
            Ok(live) => return Ok(live.is_none()),
            Err(error) => return Err(Error::Finalizer(Box::new(error))),
        }
        &whole
    } else {
        meta
    };
    let others = meta
        .finalizers
        .iter()
        .flatten()
        .filter(|name| *name != BUCKETS_FINALIZER);
    let mut finalizers: Vec<&str> = others.map(String::as_str).collect();
    if wanted {
        finalizers.push(BUCKETS_FINALIZER);
    }
    let patch = Patch::Merge(json!({
        "metadata": {"uid": meta.uid, "resourceVersion": meta.resource_version, "finalizers": finalizers},
    }));
    let params = PatchParams {
        field_manager: Some(FIELD_MANAGER.to_owned()),
        ..PatchParams::default()
    };
    match api.patch_metadata(&key.name, &params, &patch).await {
        Ok(answer) => {
            context.child_client.metrics.wrote("RecruitmentDrive", "patch");
            let uid = meta.uid.as_deref().unwrap_or_default();
            context.cache.was_current(key, uid, version(&answer.metadata));
            Ok(true)
        }
        Err(kube::Error::Api(answer)) if answer.code == 409 => Ok(false),
        // The drive does not exist any more.
        Err(kube::Error::Api(answer)) if answer.code == 404 => Ok(true),
        Err(error) => Err(Error::Finalizer(Box::new(error))),
    }
}
