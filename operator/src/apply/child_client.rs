//! The requests that write children. Every response is requested as metadata only, so that not even our own write of a
//! Secret returns a value.

use std::sync::Arc;

use http::HeaderValue;
use http::header::ACCEPT;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams, Preconditions, PropagationPolicy};
use kube::core::{DynamicObject, PartialObjectMeta, Request, Resource};
use kube::{Api, Client};
use serde_json::{Value, json};

use crate::apply::conflicts::FieldConflicts;
use crate::informer::managed_fields::{co_owners, field_takers};
use crate::informer::observe;
use crate::informer::store::Store;
use crate::telemetry::metrics::Metrics;
use ras_core::applied::Taken;
use ras_core::build::labels::{APPLIED, INSTANCE, MANAGED_BY, MANAGER};
use ras_core::fetched::facts::FIELD_MANAGER;
use ras_core::fetched::record::{ChildKey, Record};
use ras_object_store::controller::BucketController;

const METADATA_ONLY: HeaderValue =
    HeaderValue::from_static("application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1");

/// No object ever has this resourceVersion. A server-side apply with it creates a missing object and is refused with
/// 409 if one exists, so an unowned object is never overwritten, and no extra request is needed.
const NONEXISTENT: &str = "1";

#[derive(Clone)]
pub struct ChildClient {
    pub client: Client,
    /// Updated with the response to each write.
    pub store: Arc<Store>,
    pub metrics: Metrics,
    pub conflicts: Arc<FieldConflicts>,
    /// Absent without an object store.
    pub bucket_controller: Option<BucketController>,
}

impl ChildClient {
    fn api(&self, key: &ChildKey) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), &key.namespace, &key.kind.resource())
    }

    fn record_write(&self, key: &ChildKey, verb: &'static str, answer: &PartialObjectMeta<DynamicObject>) {
        self.metrics.wrote(key.kind.as_str(), verb);
        self.store.wrote(key, observe::record(key.kind, &answer.metadata));
    }

    fn record_patch(&self, key: &ChildKey, answer: &PartialObjectMeta<DynamicObject>) {
        self.metrics.wrote(key.kind.as_str(), "patch");
        self.store.patched(key, observe::record(key.kind, &answer.metadata));
    }

    /// Applies an object that must not exist yet; 409 if it does.
    pub async fn create(&self, key: &ChildKey, mut body: Value) -> Result<(), kube::Error> {
        set_metadata(&mut body, "resourceVersion", NONEXISTENT);
        let answer = self
            .api(key)
            .patch_metadata(&key.name, &apply_params(), &Patch::Apply(&body))
            .await?;
        self.record_write(key, "create", &answer);
        Ok(())
    }

    /// Applies the object with this UID by force. Fields that the new body leaves out are removed, even if other
    /// managers own them too.
    pub async fn update(&self, key: &ChildKey, mut body: Value, uid: &str) -> Result<(), kube::Error> {
        let shared = self.store.get(key).and_then(|record| record.fields.shared);
        let shared = shared.and_then(|shared| serde_json::from_str(&shared).ok());
        if shared.is_some_and(|shared| co_owners::block_removal(&shared, &body)) {
            self.release(key, &body, uid).await?;
        }
        set_metadata(&mut body, "uid", uid);
        let answer = self
            .api(key)
            .patch_metadata(&key.name, &apply_params(), &Patch::Apply(&body))
            .await?;
        self.record_write(key, "apply", &answer);
        Ok(())
    }

    /// Removes other managers' ownership of the fields that an apply of `body` leaves out; 409 if the object changed
    /// meanwhile.
    async fn release(&self, key: &ChildKey, body: &Value, uid: &str) -> Result<(), kube::Error> {
        let Some(found) = self.api(key).get_metadata_opt(&key.name).await? else {
            return Ok(());
        };
        let managed = found.metadata.managed_fields.as_deref().unwrap_or_default();
        let Some(entries) = co_owners::released(managed, body) else {
            return Ok(());
        };
        let version = &found.metadata.resource_version;
        let metadata = json!({"uid": uid, "resourceVersion": version, "managedFields": entries});
        self.patch(key, &Patch::Merge(&json!({"metadata": metadata}))).await
    }

    /// Creates a Secret with values. It is a create and not an apply: a later apply of the metadata, without values,
    /// would remove values that an apply has written.
    pub async fn create_secret(&self, key: &ChildKey, body: &Value) -> Result<(), kube::Error> {
        let params = PostParams {
            field_manager: Some(FIELD_MANAGER.to_owned()),
            ..PostParams::default()
        };
        let bytes = serde_json::to_vec(body).map_err(kube::Error::SerdeError)?;
        let mut request = Request::new(url(key))
            .create(&params, bytes)
            .map_err(kube::Error::BuildRequest)?;
        request.headers_mut().insert(ACCEPT, METADATA_ONLY);
        let answer = self.client.request(request).await?;
        self.record_write(key, "create", &answer);
        Ok(())
    }

    /// Writes values and annotations into a Secret that has not changed since `record`. Other keys stay as they are.
    pub async fn write_values(
        &self,
        key: &ChildKey,
        record: &Record,
        values: &Value,
        notes: Option<&Value>,
    ) -> Result<(), kube::Error> {
        let mut body = json!({"metadata": {"uid": &*record.uid, "resourceVersion": record.version.to_string()}, "stringData": values});
        if let (Some(notes), Some(metadata)) = (notes, body.pointer_mut("/metadata").and_then(Value::as_object_mut)) {
            metadata.insert("annotations".to_owned(), notes.clone());
        }
        self.patch(key, &Patch::Merge(&body)).await
    }

    /// Annotates an object that has not changed since `record`.
    pub async fn annotate(&self, key: &ChildKey, record: &Record, notes: &Value) -> Result<(), kube::Error> {
        let (uid, version) = (&*record.uid, record.version.to_string());
        let body = json!({"metadata": {"uid": uid, "resourceVersion": version, "annotations": notes}});
        self.patch(key, &Patch::Merge(&body)).await
    }

    /// Removes the drive with the UID `drive` from the owner references. An apply cannot do it: it does not remove a
    /// field that a create has set, and it must not touch other owners.
    pub async fn disown(&self, key: &ChildKey, uid: &str, drive: &str) -> Result<(), kube::Error> {
        let owners = json!([{"$patch": "delete", "uid": drive}]);
        let body = json!({"metadata": {"uid": uid, "ownerReferences": owners}});
        self.patch(key, &Patch::Strategic(&body)).await
    }

    /// Removes the label [`INSTANCE`], also if another manager set it. The patch sets no field, so the times in `managedFields`, from
    /// which the hash of a Secret is made, do not change.
    pub async fn unlabel(&self, key: &ChildKey, uid: &str) -> Result<(), kube::Error> {
        let body = json!({"metadata": {"uid": uid, "labels": {(INSTANCE): null}}});
        self.patch(key, &Patch::Merge(&body)).await
    }

    /// Changes only the fields in `patch`, unlike an apply, which removes fields that it leaves out.
    async fn patch(&self, key: &ChildKey, patch: &Patch<&Value>) -> Result<(), kube::Error> {
        let params = PatchParams {
            field_manager: Some(FIELD_MANAGER.to_owned()),
            ..PatchParams::default()
        };
        let answer = self.api(key).patch_metadata(&key.name, &params, patch).await?;
        self.record_patch(key, &answer);
        Ok(())
    }

    /// Gives `spec.replicas` a second owner, so that the number stays when we stop applying it.
    ///
    /// An apply that leaves a field out removes it if no other manager owns it, and Kubernetes would default to one
    /// replica. An apply through the `scale` subresource has its own entry in `managedFields`, which keeps the number
    /// until an autoscaler or `kubectl scale` writes another.
    pub async fn hand_over_replicas(&self, key: &ChildKey, replicas: i32, force: bool) -> Result<(), kube::Error> {
        let body = json!({
            "apiVersion": "autoscaling/v1",
            "kind": "Scale",
            "metadata": {"name": &*key.name, "namespace": &*key.namespace},
            "spec": {"replicas": replicas},
        });
        let params = PatchParams {
            force,
            ..PatchParams::apply(FIELD_MANAGER)
        };
        let api: Api<k8s_openapi::api::apps::v1::Deployment> = Api::namespaced(self.client.clone(), &key.namespace);
        api.patch_scale(&key.name, &params, &Patch::Apply(&body)).await?;
        self.metrics.wrote("Scale", "apply");
        Ok(())
    }

    /// Writes only the number of replicas, and `note` in place of the hash of the applied object.
    pub async fn scale(&self, key: &ChildKey, uid: &str, replicas: i32, note: &str) -> Result<(), kube::Error> {
        let body = json!({
            "metadata": {"uid": uid, "annotations": {(APPLIED): note}},
            "spec": {"replicas": replicas},
        });
        self.patch(key, &Patch::Merge(&body)).await
    }

    /// Deletes the object with this UID. In the foreground Kubernetes deletes its dependents, such as pods, before the
    /// object.
    pub async fn delete(&self, key: &ChildKey, uid: &str, in_foreground: bool) -> Result<(), kube::Error> {
        let params = DeleteParams {
            propagation_policy: Some(if in_foreground {
                PropagationPolicy::Foreground
            } else {
                PropagationPolicy::Background
            }),
            preconditions: Some(Preconditions {
                uid: Some(uid.to_owned()),
                resource_version: None,
            }),
            ..DeleteParams::default()
        };
        let mut request = Request::new(url(key))
            .delete(&key.name, &params)
            .map_err(kube::Error::BuildRequest)?;
        request.headers_mut().insert(ACCEPT, METADATA_ONLY);
        match self.client.request::<Value>(request).await {
            Ok(_) => self.metrics.wrote(key.kind.as_str(), "delete"),
            Err(kube::Error::Api(status)) if status.code == 404 => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Fields of `body` that we no longer own in the live object, with their managers.
    pub async fn taken_fields(&self, key: &ChildKey, body: &Value) -> Result<Vec<Taken>, kube::Error> {
        let found = self.api(key).get_metadata_opt(&key.name).await?;
        let managed = found
            .and_then(|found| found.metadata.managed_fields)
            .unwrap_or_default();
        Ok(field_takers::taken(&managed, body))
    }

    /// Name of an autoscaler of this Deployment that no drive owns.
    pub async fn autoscaler(&self, key: &ChildKey) -> Result<Option<String>, kube::Error> {
        let api: Api<HorizontalPodAutoscaler> = Api::namespaced(self.client.clone(), &key.namespace);
        let scales = |found: &HorizontalPodAutoscaler| {
            let target = found.spec.as_ref().map(|spec| &spec.scale_target_ref);
            let is_ours = found.metadata.labels.as_ref().and_then(|labels| labels.get(MANAGED_BY));
            target.is_some_and(|target| target.kind == "Deployment" && target.name == *key.name)
                && is_ours.is_none_or(|manager| manager != MANAGER)
        };
        let found = api.list(&ListParams::default()).await?.items.into_iter().find(scales);
        Ok(found.and_then(|found| found.metadata.name))
    }

    /// Reads an object into the store. For objects that no watch covers, or that changed since the last event.
    pub async fn refresh(&self, key: &ChildKey) -> Result<Option<Record>, kube::Error> {
        let Some(found) = self.api(key).get_metadata_opt(&key.name).await? else {
            self.store.forget(key);
            return Ok(None);
        };
        self.store.observe(key, observe::record(key.kind, &found.metadata));
        Ok(self.store.get(key))
    }
}

fn apply_params() -> PatchParams {
    PatchParams::apply(FIELD_MANAGER).force()
}

fn url(key: &ChildKey) -> String {
    DynamicObject::url_path(&key.kind.resource(), Some(&key.namespace))
}

fn set_metadata(body: &mut Value, field: &str, value: &str) {
    if let Some(metadata) = body.pointer_mut("/metadata").and_then(Value::as_object_mut) {
        metadata.insert(field.to_owned(), value.into());
    }
}

/// True when the object was created, replaced or changed meanwhile.
pub fn is_conflict(error: &kube::Error) -> bool {
    let kube::Error::Api(status) = error else { return false };
    status.code == 409 || (status.code == 422 && status.message.contains("metadata.uid"))
}
