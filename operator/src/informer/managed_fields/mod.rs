//! Finds drift from metadata alone, without reading a value.
//!
//! A manager that changes a field takes its ownership, so the field leaves our entry in `metadata.managedFields` (see
//! "Server-Side Apply" in Kubernetes' documentation). An object is as we applied it exactly if our annotation has the
//! hash of the desired object and our entries cover every field of it.

pub mod co_owners;
pub mod field_takers;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry;
use k8s_openapi::jiff::Timestamp;
use serde_json::Value;

use ras_core::fetched::facts::FIELD_MANAGER;

/// Our fields, without those of subresources. An apply makes an `Apply` entry, and creating a Secret an `Update` entry.
pub fn our_entries(managed: &[ManagedFieldsEntry]) -> Vec<&Value> {
    managed
        .iter()
        .filter(|entry| entry.manager.as_deref() == Some(FIELD_MANAGER) && entry.subresource.is_none())
        .filter_map(|entry| entry.fields_v1.as_ref().map(|fields| &fields.0))
        .collect()
}

/// The time of our last change. The API server does not update it for a write that changes nothing.
pub fn written_at(managed: &[ManagedFieldsEntry]) -> Option<Timestamp> {
    managed
        .iter()
        .filter(|entry| entry.manager.as_deref() == Some(FIELD_MANAGER) && entry.subresource.is_none())
        .filter_map(|entry| entry.time.as_ref().map(|time| time.0))
        .max()
}

/// True when our `Apply` entry has `spec.replicas`: an apply without the field would remove it, and Kubernetes would
/// default to one replica.
pub fn applies_replicas(managed: &[ManagedFieldsEntry]) -> bool {
    applies(managed, "/f:spec/f:replicas")
}

/// True when our `Apply` entry has the field at this JSON pointer into `managedFields`.
pub fn applies(managed: &[ManagedFieldsEntry], pointer: &str) -> bool {
    managed
        .iter()
        .filter(|entry| {
            entry.manager.as_deref() == Some(FIELD_MANAGER)
                && entry.operation.as_deref() == Some("Apply")
                && entry.subresource.is_none()
        })
        .filter_map(|entry| entry.fields_v1.as_ref())
        .any(|fields| fields.0.pointer(pointer).is_some())
}

/// True when `entries` own every field that `desired` sets.
pub fn covers(desired: &Value, entries: &[&Value]) -> bool {
    let Value::Object(object) = desired else { return false };
    object.iter().all(|(key, value)| match key.as_str() {
        // Managers do not own these.
        "apiVersion" | "kind" => true,
        "metadata" => covers_metadata(value, &descend(entries, key)),
        _ => covered(value, &descend(entries, key)),
    })
}

fn covers_metadata(metadata: &Value, nodes: &[&Value]) -> bool {
    ["labels", "annotations", "ownerReferences"]
        .iter()
        .filter_map(|key| metadata.get(key).map(|value| (key, value)))
        .all(|(key, value)| covered(value, &descend(nodes, key)))
}

/// The nodes of a field.
pub(super) fn descend<'a>(nodes: &[&'a Value], field: &str) -> Vec<&'a Value> {
    let name = format!("f:{field}");
    nodes.iter().filter_map(|node| node.get(&name)).collect()
}

/// `nodes` are the nodes of this value in our entries. An empty node is a leaf, which owns everything below.
fn covered(desired: &Value, nodes: &[&Value]) -> bool {
    if nodes.is_empty() {
        return desired.is_null();
    }
    if nodes
        .iter()
        .any(|node| node.as_object().is_none_or(serde_json::Map::is_empty))
    {
        return true;
    }
    match desired {
        Value::Object(object) => object.iter().all(|(key, value)| covered(value, &descend(nodes, key))),
        Value::Array(items) => items.iter().all(|item| covered_item(item, nodes)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => true,
    }
}

/// An item of a list that is merged by key (`k:{…}`) or as a set (`v:…`).
fn covered_item(item: &Value, nodes: &[&Value]) -> bool {
    let children: Vec<&Value> = nodes
        .iter()
        .filter_map(|node| node.as_object())
        .flatten()
        .filter(|(key, _)| names_item(key, item))
        .map(|(_, child)| child)
        .collect();
    covered(item, &children)
}

/// True when a key in `managedFields` identifies this list item.
pub(super) fn names_item(key: &str, item: &Value) -> bool {
    if let Some(value) = key.strip_prefix("v:") {
        return serde_json::from_str::<Value>(value).is_ok_and(|value| value == *item);
    }
    let Some(Ok(Value::Object(parts))) = key.strip_prefix("k:").map(serde_json::from_str) else {
        return false;
    };
    // The API server fills in parts of the key that we do not send.
    parts.iter().all(|(name, value)| match item.get(name) {
        Some(sent) => sent == value,
        None => name != "protocol" || value == "TCP",
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn desired() -> Value {
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "d", "labels": {"x": "y"}, "ownerReferences": [{"uid": "1", "name": "n"}]},
            "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": {"spec": {"containers": [
                {"name": "c", "image": "i", "ports": [{"containerPort": 80, "name": "h"}]}]}}}
        })
    }

    fn fields() -> Value {
        json!({
            "f:metadata": {"f:labels": {"f:x": {}}, "f:ownerReferences": {"k:{\"uid\":\"1\"}": {}}},
            "f:spec": {"f:selector": {}, "f:template": {"f:spec": {"f:containers": {"k:{\"name\":\"c\"}": {
                ".": {}, "f:name": {}, "f:image": {},
                "f:ports": {"k:{\"containerPort\":80,\"protocol\":\"TCP\"}": {".": {}, "f:containerPort": {}, "f:name": {}}}}}}}}
        })
    }

    #[test]
    fn the_entry_of_our_apply_covers_the_object() {
        assert!(covers(&desired(), &[&fields()]));
    }

    #[test]
    fn a_taken_field_is_not_covered() {
        for pointer in [
            "/f:metadata/f:labels",
            "/f:spec/f:template/f:spec/f:containers/k:{\"name\":\"c\"}",
            "/f:spec/f:template/f:spec/f:containers/k:{\"name\":\"c\"}/f:ports/k:{\"containerPort\":80,\"protocol\":\"TCP\"}",
        ] {
            let mut taken = fields();
            let node = taken.pointer_mut(pointer).unwrap().as_object_mut().unwrap();
            let last = node.keys().next_back().unwrap().clone();
            node.remove(&last);
            node.insert("f:other".into(), json!({}));
            assert!(!covers(&desired(), &[&taken]), "{pointer}");
        }
    }

    #[test]
    fn without_an_entry_nothing_is_covered() {
        assert!(!covers(&desired(), &[]));
    }

    #[test]
    fn two_entries_cover_together() {
        let metadata = json!({"f:metadata": fields()["f:metadata"].clone()});
        let spec = json!({"f:spec": fields()["f:spec"].clone()});
        assert!(!covers(&desired(), &[&metadata]));
        assert!(covers(&desired(), &[&metadata, &spec]));
    }

    #[test]
    fn a_set_is_covered_value_by_value() {
        let desired = json!({"metadata": {"labels": {}}, "spec": {"keys": ["a", "b"]}});
        assert!(covers(
            &desired,
            &[&json!({"f:metadata": {"f:labels": {}}, "f:spec": {"f:keys": {"v:\"a\"": {}, "v:\"b\"": {}}}})]
        ));
        assert!(!covers(
            &desired,
            &[&json!({"f:metadata": {"f:labels": {}}, "f:spec": {"f:keys": {"v:\"a\"": {}}}})]
        ));
    }
}
