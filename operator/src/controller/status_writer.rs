//! Writes the status of drives: the only place that does. One patch, and only when the status differs.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Api;
use kube::api::{Patch, PatchParams};
use kube::core::{DynamicObject, Resource};
use ras_core::fetched::facts::FIELD_MANAGER;
use ras_crds::{RecruitmentDrive, RecruitmentDriveStatus};
use serde_json::{Value, json};

use crate::controller::context::Context;
use crate::controller::reconcile_error::Error;
use crate::controller::{events, read};
use crate::informer::observe::version;
use crate::informer::store::DriveKey;

/// The status that was written last; the stored one, when nothing is remembered.
pub fn last(
    key: &DriveKey,
    meta: &ObjectMeta,
    stored: Option<&RecruitmentDriveStatus>,
    context: &Context,
) -> RecruitmentDriveStatus {
    let uid = meta.uid.as_deref().unwrap_or_default();
    let remembered = context.cache.get(key, uid).map(|known| known.status.status);
    remembered
        .filter(|status| *status != RecruitmentDriveStatus::default())
        .unwrap_or_else(|| stored.cloned().unwrap_or_default())
}

/// How a status gets to the API server.
#[derive(Clone, Copy, Debug)]
pub enum Patched {
    /// Applied: what is no longer reported goes.
    Apply,
    /// Merged into what is there, the conditions alone: nothing can be applied to an object that does not fit its
    /// definition (the API server answers 500).
    Merge,
}

/// A status that is to be written.
#[derive(Clone, Copy)]
pub struct StatusUpdate<'a> {
    /// The key of the drive.
    pub key: &'a DriveKey,
    pub meta: &'a ObjectMeta,
    /// The status that was written last.
    pub before: &'a RecruitmentDriveStatus,
    pub suspended: bool,
    /// How the status gets to the API server.
    pub patched: Patched,
}

impl StatusUpdate<'_> {
    /// Writes the status, when it differs from what is there.
    pub async fn write(self, status: RecruitmentDriveStatus, context: &Context) -> Result<(), Error> {
        let Self {
            key,
            meta,
            before,
            suspended,
            ..
        } = self;
        let uid = meta.uid.as_deref().unwrap_or_default();
        context
            .child_client
            .metrics
            .update_status(key, &status, before, suspended);
        let mut version = None;
        if status != *before || !context.cache.is_sure(key, uid) {
            match self.patch(&status, context).await? {
                Answer::Written(written) => version = written,
                Answer::Gone => return Ok(()),
            }
            events::changed(&status, before, key, meta, context);
        }
        context.cache.status_is(key, uid, status, version);
        Ok(())
    }

    async fn patch(self, status: &RecruitmentDriveStatus, context: &Context) -> Result<Answer, Error> {
        let Self { key, meta, patched, .. } = self;
        let uid = meta.uid.as_deref().unwrap_or_default();
        // The API server refuses the first write of this process if the stored status is not the expected one. From
        // then on no other replica writes it.
        let unread = !context.cache.has_written(key, uid);
        let expected = meta.resource_version.as_deref().filter(|_| unread);
        let (params, patch) = match patched {
            Patched::Apply => (
                PatchParams::apply(FIELD_MANAGER).force(),
                Patch::Apply(body(key, uid, expected, status)),
            ),
            Patched::Merge => {
                let conditions = json!({
                    "buckets": status.buckets,
                    "conditions": status.conditions,
                    "observedGeneration": status.observed_generation,
                });
                let params = PatchParams {
                    field_manager: Some(FIELD_MANAGER.to_owned()),
                    ..PatchParams::default()
                };
                let mut metadata = json!({"uid": uid});
                expect_version(&mut metadata, expected);
                (
                    params,
                    Patch::Merge(json!({"metadata": metadata, "status": conditions})),
                )
            }
        };
        let resource = kube::core::ApiResource::erase::<RecruitmentDrive>(&());
        let api: Api<DynamicObject> =
            Api::namespaced_with(context.child_client.client.clone(), &key.namespace, &resource);
        // Until its answer is here: the reconcile may end before that, and so may the connection.
        context.cache.status_write_begins(key, uid);
        match api.patch_status(&key.name, &params, &patch).await {
            Ok(answer) => {
                context.child_client.metrics.wrote("RecruitmentDrive", "status");
                Ok(Answer::Written(Some(version(&answer.metadata))))
            }
            Err(kube::Error::Api(answer)) if answer.code == 409 && expected.is_some() => {
                read_again(key, uid, context).await?;
                Ok(Answer::Gone)
            }
            // The drive was deleted, or created anew, meanwhile.
            Err(kube::Error::Api(answer)) if matches!(answer.code, 404 | 409) => Ok(Answer::Gone),
            // The object is so far from its definition that nothing of it can be written. An event still can.
            Err(kube::Error::Api(answer)) if answer.code == 422 && matches!(patched, Patched::Merge) => {
                tracing::warn!(drive = %key, error = answer.message, "the status could not be written");
                Ok(Answer::Written(None))
            }
            Err(error) => Err(Error::Status(Box::new(error))),
        }
    }
}

enum Answer {
    /// It made this version of the drive; absent: it could not be written.
    Written(Option<u64>),
    /// The drive is another one now.
    Gone,
}

/// The drive changed since it was read: remembers the status that it has now, and requeues it.
async fn read_again(key: &DriveKey, uid: &str, context: &Context) -> Result<(), Error> {
    if let Some(live) = read::read(key, context).await?
        && live.metadata.uid.as_deref() == Some(uid)
    {
        let now = version(&live.metadata);
        context.cache.learned(key, uid, live.status.unwrap_or_default(), now);
        let _ = context.queue.send(key.clone());
    }
    Ok(())
}

/// Has a write refused when the object has another version. A `null` would take the version away, and be refused always.
fn expect_version(metadata: &mut Value, expected: Option<&str>) {
    if let (Some(expected), Some(metadata)) = (expected, metadata.as_object_mut()) {
        metadata.insert("resourceVersion".to_owned(), expected.into());
    }
}

fn body(key: &DriveKey, uid: &str, expected: Option<&str>, status: &RecruitmentDriveStatus) -> Value {
    let mut metadata = json!({"name": &*key.name, "namespace": &*key.namespace, "uid": uid});
    expect_version(&mut metadata, expected);
    json!({
        "apiVersion": RecruitmentDrive::api_version(&()),
        "kind": RecruitmentDrive::kind(&()),
        "metadata": metadata,
        "status": status,
    })
}
