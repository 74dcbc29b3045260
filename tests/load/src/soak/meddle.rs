//! What people and nodes do to a drive's children.

use k8s_openapi::api::core::v1::Pod;
use kube::api::{DeleteParams, DynamicObject, ListParams, PostParams};
use kube::core::ApiResource;
use kube::{Api, Client, ResourceExt as _};
use ras_tests::child_kinds;
use serde_json::{Value, json};

use super::population::Planned;

/// A child, if the drive has one that may be meddled with. What holds data may not: nobody could bring it back.
async fn child(
    client: &Client,
    drive: &Planned,
    chosen: u64,
    meddled: &[&str],
) -> Option<(Api<DynamicObject>, ApiResource, DynamicObject)> {
    let kinds: Vec<ApiResource> = child_kinds()
        .filter(|kind| meddled.contains(&kind.kind.as_str()))
        .collect();
    // From the chosen kind on, the first of which there is one.
    let start = index(chosen, kinds.len());
    for kind in kinds.iter().cycle().skip(start).take(kinds.len()) {
        let api = Api::<DynamicObject>::namespaced_with(client.clone(), &drive.namespace, kind);
        let of_drive = ListParams::default().labels(&format!("ras.dev/drive={}", drive.name));
        let found = api.list(&of_drive).await.ok()?.items;
        let at = index(chosen >> 8, found.len());
        if let Some(object) = found.into_iter().nth(at) {
            return Some((api, kind.clone(), object));
        }
    }
    None
}

fn index(chosen: u64, length: usize) -> usize {
    let length = u64::try_from(length).unwrap_or(1).max(1);
    usize::try_from(chosen % length).unwrap_or_default()
}

const DELETED: [&str; 11] = [
    "ServiceAccount",
    "ConfigMap",
    "NetworkPolicy",
    "Service",
    "StatefulSet",
    "Deployment",
    "HorizontalPodAutoscaler",
    "PodDisruptionBudget",
    "Ingress",
    "ServiceMonitor",
    "PrometheusRule",
];

/// Deletes a child, and says which.
pub async fn delete(client: &Client, drive: &Planned, chosen: u64) -> String {
    let Some((api, kind, object)) = child(client, drive, chosen, &DELETED).await else {
        return "no child".to_owned();
    };
    let name = object.name_any();
    let deleted = api.delete(&name, &DeleteParams::background()).await;
    said(&format!("{} {name}", kind.kind), deleted.map(drop))
}

/// Changes a field of a child that the operator sets, and says which.
pub async fn drift(client: &Client, drive: &Planned, chosen: u64) -> String {
    let Some((api, kind, object)) = child(client, drive, chosen, &DELETED).await else {
        return "no child".to_owned();
    };
    let name = object.name_any();
    let Ok(mut value) = serde_json::to_value(&object) else {
        return "unreadable".to_owned();
    };
    let what = change(&kind.kind, &mut value);
    let changed = match serde_json::from_value(value) {
        Ok(changed) => {
            let somebody = PostParams {
                field_manager: Some("somebody".to_owned()),
                ..PostParams::default()
            };
            api.replace(&name, &somebody, &changed).await.map(drop)
        }
        Err(error) => Err(kube::Error::SerdeError(error)),
    };
    said(&format!("{what} of {} {name}", kind.kind), changed)
}

fn change(kind: &str, object: &mut Value) -> String {
    let place = match kind {
        "Deployment" | "StatefulSet" => Some((
            "/spec/template/spec/containers/0/image",
            json!("registry.example.com/evil:1"),
        )),
        "NetworkPolicy" => Some(("/spec/ingress/0/ports/0/port", json!(22))),
        "Service" => Some(("/spec/selector/ras.dev~1service", json!("other"))),
        "HorizontalPodAutoscaler" => Some(("/spec/maxReplicas", json!(100))),
        "PodDisruptionBudget" => Some(("/spec/maxUnavailable", json!(7))),
        "Ingress" => Some(("/spec/rules/0/host", json!("evil.example.com"))),
        "ServiceAccount" => Some(("/automountServiceAccountToken", json!(true))),
        _ => None,
    };
    if let Some((place, evil)) = place
        && let Some(field) = object.pointer_mut(place)
    {
        *field = evil;
        return place.to_owned();
    }
    if kind == "ConfigMap"
        && let Some((key, text)) = object
            .pointer_mut("/data")
            .and_then(Value::as_object_mut)
            .and_then(|data| data.iter_mut().next())
    {
        *text = "evil".into();
        return key.clone();
    }
    if let Some(metadata) = object.pointer_mut("/metadata") {
        *metadata = without_labels(metadata.take());
    }
    "all labels".to_owned()
}

fn without_labels(mut metadata: Value) -> Value {
    if let Some(fields) = metadata.as_object_mut() {
        fields.remove("labels");
    }
    metadata
}

/// Deletes a pod, as a node that is drained does.
pub async fn delete_pod(client: &Client, drive: &Planned, chosen: u64) -> String {
    let api: Api<Pod> = Api::namespaced(client.clone(), &drive.namespace);
    let of_drive = ListParams::default().labels(&format!("ras.dev/drive={}", drive.name));
    let Ok(found) = api.list(&of_drive).await else {
        return "no answer".to_owned();
    };
    let at = index(chosen, found.items.len());
    match found.items.into_iter().nth(at) {
        Some(pod) => said(
            &pod.name_any(),
            api.delete(&pod.name_any(), &DeleteParams::default()).await.map(drop),
        ),
        None => "no pod".to_owned(),
    }
}

fn said(what: &str, done: Result<(), kube::Error>) -> String {
    match done {
        Ok(()) => what.to_owned(),
        Err(error) => format!("{what}: {error}"),
    }
}
