//! The limit: the same objects applied by a bare client that does nothing else.

use futures::{StreamExt, TryStreamExt};
use kube::api::{ListParams, Patch, PatchParams};
use kube::core::{ApiResource, DynamicObject};
use kube::{Api, Client, ResourceExt};
use ras_tests::{Cluster, Error, child_kinds};
use serde_json::Value;

/// As whom the bare client applies.
pub const MANAGER: &str = "bare-client";

/// The operator works on sixteen drives at a time, with up to eight requests each.
const AT_A_TIME: usize = 128;

/// A child, and its kind.
pub type Child = (ApiResource, Value);

/// One drive's children as somebody would apply them anew, with what to write instead of the drive's name.
pub async fn children(client: &Client, namespace: &str, drive: &str) -> Result<Vec<Child>, Error> {
    let mut found = Vec::new();
    // The drives that are measured have no monitoring.
    for resource in child_kinds().filter(|kind| kind.group != "monitoring.coreos.com") {
        let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &resource);
        let ours = ListParams::default().labels("app.kubernetes.io/managed-by=ras-operator");
        let list = api.list(&ours).await.map_err(Error::api("listing children"))?;
        for mut object in list {
            if object.name_any() != drive && !object.name_any().starts_with(&format!("{drive}-")) {
                continue;
            }
            let all = std::mem::take(&mut object.metadata);
            object.metadata = kube::core::ObjectMeta {
                name: all.name,
                labels: all.labels,
                annotations: all.annotations,
                owner_references: all.owner_references,
                ..kube::core::ObjectMeta::default()
            };
            let mut value = serde_json::to_value(&object).map_err(Error::unreadable("a child"))?;
            if let Some(fields) = value.as_object_mut() {
                fields.remove("status");
                // Given to one Service alone.
                if let Some(spec) = fields.get_mut("spec").and_then(Value::as_object_mut) {
                    spec.remove("clusterIP");
                    spec.remove("clusterIPs");
                }
                fields.insert("apiVersion".to_owned(), resource.api_version.clone().into());
                fields.insert("kind".to_owned(), resource.kind.clone().into());
            }
            found.push((resource.clone(), value));
        }
    }
    Ok(found)
}

/// Applies the children of drives with these names and UIDs.
pub async fn apply(
    cluster: &Cluster,
    namespace: &str,
    children: &[Child],
    template: &str,
    owners: &[(String, String)],
) -> Result<(), Error> {
    let client = cluster.client()?;
    let mut work = Vec::new();
    for (name, uid) in owners {
        for (resource, value) in children {
            // The drive's name stands in names, labels and selectors alike.
            let text = value.to_string().replace(template, name);
            let mut value: Value = serde_json::from_str(&text).map_err(Error::unreadable("a child"))?;
            let owners = value
                .pointer_mut("/metadata/ownerReferences")
                .and_then(Value::as_array_mut);
            for owner in owners.into_iter().flatten() {
                if let Some(found) = owner.get_mut("uid") {
                    *found = uid.as_str().into();
                }
            }
            work.push((resource.clone(), value));
        }
    }
    futures::stream::iter(work.into_iter().map(Ok))
        .try_for_each_concurrent(AT_A_TIME, |(resource, value)| {
            let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &resource);
            async move {
                let name = value
                    .pointer("/metadata/name")
                    .and_then(Value::as_str)
                    .unwrap_or_default()
                    .to_owned();
                api.patch_metadata(&name, &PatchParams::apply(MANAGER).force(), &Patch::Apply(&value))
                    .await
                    .map(drop)
                    .map_err(Error::api(format!("applying {name}")))
            }
        })
        .await
}

/// Makes many things at a time.
pub async fn many<T, F: Future<Output = Result<T, Error>>>(work: impl Iterator<Item = F>) -> Result<Vec<T>, Error> {
    futures::stream::iter(work).buffer_unordered(32).try_collect().await
}
