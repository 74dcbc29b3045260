//! The requests that write children. Every answer is asked for as metadata only, so that not even our own
//! write of a Secret brings a value back.

use std::sync::Arc;

use http::HeaderValue;
use http::header::ACCEPT;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams, Preconditions, PropagationPolicy};
use kube::core::{DynamicObject, PartialObjectMeta, Request, Resource};
use kube::{Api, Client};
use serde_json::{Value, json};

use crate::apply::contest::Contests;
use crate::informer::co_owners;
use crate::informer::field_takers;
use crate::informer::observe;
use crate::informer::store::Store;
use crate::telemetry::metrics::Metrics;
use ras_core::applied::Taken;
use ras_core::build::labels::{APPLIED, INSTANCE, MANAGED_BY, MANAGER};
use ras_core::fetched::facts::FIELD_MANAGER;
use ras_core::fetched::record::{ChildKey, Record};
use ras_object_store::controller::BucketController;

/// Asks for the metadata of an object instead of the object.
const METADATA_ONLY: HeaderValue =
    HeaderValue::from_static("application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1");

/// An object with this resourceVersion never existed: a server-side apply that names it creates what is not
/// there, and is refused with 409 where something is. So no object of somebody else is ever overwritten,
/// and finding out takes no request of its own.
const NEVER: &str = "1";

/// What it takes to write children.
#[derive(Clone)]
pub struct ChildClient {
    /// The API server.
    pub client: Client,
    /// Learns what each write returned.
    pub store: Arc<Store>,
    /// Counts writes.
    pub metrics: Metrics,
    /// Remembers fields that others insist on.
    pub contests: Arc<Contests>,
    /// Looks after buckets, where the platform has an object store.
    pub bucket_controller: Option<BucketController>,
}

impl ChildClient {
    fn api(&self, key: &ChildKey) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), &key.namespace, &key.kind.resource())
    }

    fn learn(&self, key: &ChildKey, verb: &'static str, answer: &PartialObjectMeta<DynamicObject>) {
        self.metrics.wrote(key.kind.as_str(), verb);
        self.store.wrote(key, observe::record(key.kind, &answer.metadata));
    }

    fn learn_of_patch(&self, key: &ChildKey, answer: &PartialObjectMeta<DynamicObject>) {
        self.metrics.wrote(key.kind.as_str(), "patch");
        self.store.patched(key, observe::record(key.kind, &answer.metadata));
    }

    /// Applies an object that must not exist yet. 409 means that it does.
    pub async fn create(&self, key: &ChildKey, mut body: Value) -> Result<(), kube::Error> {
        set_metadata(&mut body, "resourceVersion", NEVER);
        let answer = self
            .api(key)
            .patch_metadata(&key.name, &apply_params(), &Patch::Apply(&body))
            .await?;
        self.learn(key, "create", &answer);
        Ok(())
    }

    /// Applies an object over the one with this UID, whatever others say about our fields. What it leaves out goes, whoever
    /// owns it with us.
    pub async fn update(&self, key: &ChildKey, mut body: Value, uid: &str) -> Result<(), kube::Error> {
        let shared = self.store.get(key).and_then(|record| record.fields.shared);
        let shared = shared.and_then(|shared| serde_json::from_str(&shared).ok());
        if shared.is_some_and(|shared| co_owners::keep_what_is_dropped(&shared, &body)) {
            self.release(key, &body, uid).await?;
        }
        set_metadata(&mut body, "uid", uid);
        let answer = self
            .api(key)
            .patch_metadata(&key.name, &apply_params(), &Patch::Apply(&body))
            .await?;
        self.learn(key, "apply", &answer);
        Ok(())
    }

    /// Makes us the only owner of what an apply of `body` leaves out, in the object with this UID. 409 means that it changed
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

    /// Creates a Secret with values. It is a plain create and not an apply, so that applying its metadata
    /// later, without values, takes none away.
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
        self.learn(key, "create", &answer);
        Ok(())
    }

    /// Writes values into a Secret that is still as `record` remembers it, and `notes` among its annotations. Other keys
    /// stay as they are.
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

    /// Annotates an object that is still as `record` says.
    pub async fn annotate(&self, key: &ChildKey, record: &Record, notes: &Value) -> Result<(), kube::Error> {
        let (uid, version) = (&*record.uid, record.version.to_string());
        let body = json!({"metadata": {"uid": uid, "resourceVersion": version, "annotations": notes}});
        self.patch(key, &Patch::Merge(&body)).await
    }

    /// Takes the drive with the UID `drive` off the owners of an object with this UID. What a create has set no apply takes
    /// away by leaving it out, and other owners are not ours to remove.
    pub async fn disown(&self, key: &ChildKey, uid: &str, drive: &str) -> Result<(), kube::Error> {
        let owners = json!([{"$patch": "delete", "uid": drive}]);
        let body = json!({"metadata": {"uid": uid, "ownerReferences": owners}});
        self.patch(key, &Patch::Strategic(&body)).await
    }

    /// Takes [`INSTANCE`] off an object with this UID, whoever has set it. Nothing is set, so `managedFields` keeps the times by
    /// which pods that use a Secret are stamped.
    pub async fn unlabel(&self, key: &ChildKey, uid: &str) -> Result<(), kube::Error> {
        let body = json!({"metadata": {"uid": uid, "labels": {(INSTANCE): null}}});
        self.patch(key, &Patch::Merge(&body)).await
    }

    /// Changes the fields that are named, and takes none away for being left out, as an apply would.
    async fn patch(&self, key: &ChildKey, patch: &Patch<&Value>) -> Result<(), kube::Error> {
        let params = PatchParams {
            field_manager: Some(FIELD_MANAGER.to_owned()),
            ..PatchParams::default()
        };
        let answer = self.api(key).patch_metadata(&key.name, &params, patch).await?;
        self.learn_of_patch(key, &answer);
        Ok(())
    }

    /// Hands the number of replicas over: from now on it stays as it is when we no longer apply it.
    ///
    /// Leaving a field out of an apply removes it when nobody else holds it, and Kubernetes would fall back to one
    /// replica. Applied through the `scale` subresource the number has an entry of its own in `managedFields`,
    /// which keeps it until an autoscaler or `kubectl scale` writes another.
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

    /// Writes the number of replicas of the Deployment with this UID, with a note in place of the hash of what was applied, and
    /// nothing else. No apply: one that leaves the rest out would take it away.
    pub async fn scale(&self, key: &ChildKey, uid: &str, replicas: i32, note: &str) -> Result<(), kube::Error> {
        let body = json!({
            "metadata": {"uid": uid, "annotations": {(APPLIED): note}},
            "spec": {"replicas": replicas},
        });
        self.patch(key, &Patch::Merge(&body)).await
    }

    /// Deletes the object with this UID, and what it made: in the background, or before it goes itself.
    pub async fn delete(&self, key: &ChildKey, uid: &str, whole: bool) -> Result<(), kube::Error> {
        let params = DeleteParams {
            propagation_policy: Some(if whole {
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

    /// Who took which fields of `body` in the object that is there.
    pub async fn taken(&self, key: &ChildKey, body: &Value) -> Result<Vec<Taken>, kube::Error> {
        let found = self.api(key).get_metadata_opt(&key.name).await?;
        let managed = found
            .and_then(|found| found.metadata.managed_fields)
            .unwrap_or_default();
        Ok(field_takers::taken(&managed, body))
    }

    /// An autoscaler of somebody else's that scales this Deployment.
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

    /// Looks at an object that the informers do not tell of, and remembers it.
    pub async fn look(&self, key: &ChildKey) -> Result<Option<Record>, kube::Error> {
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

/// Whether an error says that the object is not the one that was meant: it was made, or replaced, meanwhile.
pub fn is_conflict(error: &kube::Error) -> bool {
    let kube::Error::Api(status) = error else { return false };
    status.code == 409 || (status.code == 422 && status.message.contains("metadata.uid"))
}
