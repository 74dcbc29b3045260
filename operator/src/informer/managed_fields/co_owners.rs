//! Fields that we apply and that other managers own too.
//!
//! An apply removes a field that we leave out only if no other manager owns it. A tool that applies a copy of the whole
//! object, to restore or hibernate it, becomes a co-owner of every field, so a field that the drive no longer sets
//! would stay: an environment variable, or a rule that allows traffic. So before an apply that leaves such a field out,
//! the other managers' ownership is removed from `metadata.managedFields`. That changes nothing else and restarts
//! nothing, and the apply then removes the field. Fields that others own and we never applied are not touched.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry;
use serde_json::{Map, Value, json};

use super::names_item;
use ras_core::fetched::facts::FIELD_MANAGER;

/// Structs that are removed as a whole, with fields of other managers. Otherwise the API server would refuse a volume
/// with two types, or a probe without a handler.
const WHOLE: [&str; 20] = [
    "configMap",
    "configMapKeyRef",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "exec",
    "fieldRef",
    "grpc",
    "httpGet",
    "lifecycle",
    "livenessProbe",
    "persistentVolumeClaim",
    "projected",
    "readinessProbe",
    "rollingUpdate",
    "secret",
    "secretKeyRef",
    "startupProbe",
    "valueFrom",
];

/// True for the entry of our applies. Other writes of ours, such as the values of a Secret, are not part of it.
fn is_ours(entry: &ManagedFieldsEntry) -> bool {
    entry.manager.as_deref() == Some(FIELD_MANAGER)
        && entry.operation.as_deref() == Some("Apply")
        && entry.subresource.is_none()
}

fn fields(entry: &ManagedFieldsEntry) -> Option<&Value> {
    entry.fields_v1.as_ref().map(|fields| &fields.0)
}

/// The fields that we apply and another manager owns too, in the format of `managedFields`. Subresources do not count:
/// replicas that were handed over have another owner on purpose.
pub fn shared(managed: &[ManagedFieldsEntry]) -> Option<Value> {
    let ours = managed.iter().find(|entry| is_ours(entry)).and_then(fields)?;
    let others: Vec<&Value> = managed
        .iter()
        .filter(|entry| !is_ours(entry) && entry.subresource.is_none())
        .filter_map(fields)
        .collect();
    common(ours, &others)
}

fn common(ours: &Value, others: &[&Value]) -> Option<Value> {
    if others.is_empty() {
        return None;
    }
    let fields = ours.as_object()?;
    if fields.is_empty() || others.iter().any(|other| is_leaf(other)) {
        return Some(ours.clone());
    }
    let found: Map<String, Value> = fields
        .iter()
        .filter_map(|(key, ours)| {
            let others: Vec<&Value> = others.iter().filter_map(|other| other.get(key)).collect();
            // A list item stays while any manager owns a part of it.
            let item = key.starts_with("k:") && !others.is_empty();
            let found = common(ours, &others).or_else(|| item.then(|| json!({})))?;
            Some((key.clone(), found))
        })
        .collect();
    (!found.is_empty()).then_some(Value::Object(found))
}

fn is_leaf(node: &Value) -> bool {
    node.as_object().is_none_or(Map::is_empty)
}

/// True when co-owners would keep a field that an apply of `desired` leaves out.
pub fn block_removal(shared: &Value, desired: &Value) -> bool {
    dropped(shared, desired).is_some()
}

/// The part of `shared` that `desired` leaves out.
fn dropped(shared: &Value, desired: &Value) -> Option<Value> {
    let mut dropped = lacking(shared, desired)?;
    let kind = desired.get("kind").and_then(Value::as_str);
    if matches!(kind, Some("Deployment" | "StatefulSet"))
        && let Some(spec) = dropped.pointer_mut("/f:spec").and_then(Value::as_object_mut)
    {
        // An autoscaler keeps the replicas: without the field Kubernetes would default to one.
        spec.remove("f:replicas");
        if spec.is_empty()
            && let Some(all) = dropped.as_object_mut()
        {
            all.remove("f:spec");
        }
    }
    (!is_leaf(&dropped)).then_some(dropped)
}

fn lacking(shared: &Value, desired: &Value) -> Option<Value> {
    let found: Map<String, Value> = shared
        .as_object()?
        .iter()
        .filter_map(|(key, inner)| {
            let found = if let Some(name) = key.strip_prefix("f:") {
                match desired.get(name) {
                    None | Some(Value::Null) if WHOLE.contains(&name) => json!({}),
                    None | Some(Value::Null) => whole_items(inner),
                    Some(value) => lacking(inner, value)?,
                }
            } else if key.starts_with("k:") || key.starts_with("v:") {
                match desired.as_array()?.iter().find(|item| names_item(key, item)) {
                    None => json!({}),
                    Some(item) => lacking(inner, item)?,
                }
            } else {
                return None;
            };
            Some((key.clone(), found))
        })
        .collect();
    (!found.is_empty()).then_some(Value::Object(found))
}

/// List items are removed with everything in them.
fn whole_items(node: &Value) -> Value {
    let Some(fields) = node.as_object() else {
        return json!({});
    };
    let fields = fields.iter().map(|(key, inner)| {
        let inner = if key.starts_with("k:") {
            json!({})
        } else {
            whole_items(inner)
        };
        (key.clone(), inner)
    });
    Value::Object(fields.collect())
}

/// The `managedFields` with which an apply of `desired` removes the fields that it leaves out. `None` if it does so
/// anyway.
pub fn released(managed: &[ManagedFieldsEntry], desired: &Value) -> Option<Vec<ManagedFieldsEntry>> {
    let dropped = dropped(&shared(managed)?, desired)?;
    let entries = managed.iter().filter_map(|entry| {
        let mut entry = entry.clone();
        if !is_ours(&entry)
            && entry.subresource.is_none()
            && let Some(fields) = &mut entry.fields_v1
        {
            fields.0 = without(&fields.0, &dropped)?;
        }
        Some(entry)
    });
    Some(entries.collect())
}

/// `theirs` without `dropped`. `None` if nothing remains.
fn without(theirs: &Value, dropped: &Value) -> Option<Value> {
    let left: Map<String, Value> = theirs
        .as_object()?
        .iter()
        .filter_map(|(key, inner)| {
            let left = match dropped.get(key) {
                None => inner.clone(),
                Some(dropped) if is_leaf(dropped) || is_leaf(inner) => return None,
                Some(dropped) => without(inner, dropped)?,
            };
            Some((key.clone(), left))
        })
        .collect();
    (!left.is_empty()).then_some(Value::Object(left))
}

#[cfg(test)]
#[allow(
    clippy::needless_pass_by_value,
    clippy::option_option,
    reason = "JSON literals are passed by value, and a release that leaves nothing differs from no release"
)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::FieldsV1;

    use super::*;

    fn entry(manager: &str, operation: &str, subresource: Option<&str>, fields: Value) -> ManagedFieldsEntry {
        ManagedFieldsEntry {
            manager: Some(manager.to_owned()),
            operation: Some(operation.to_owned()),
            subresource: subresource.map(str::to_owned),
            fields_v1: Some(FieldsV1(fields)),
            ..ManagedFieldsEntry::default()
        }
    }

    fn pod(inner: Value) -> Value {
        json!({"f:spec": {"f:template": {"f:spec": inner}}})
    }

    fn desired(pod: Value) -> Value {
        json!({"kind": "Deployment", "metadata": {"labels": {"a": "b"}}, "spec": {"template": {"spec": pod}}})
    }

    /// The entry that remains of another manager's `theirs`. The outer `None`: nothing has to be released.
    fn remaining(ours: Value, theirs: Value, desired: &Value) -> Option<Option<Value>> {
        let entries = [
            entry(FIELD_MANAGER, "Apply", None, ours.clone()),
            entry("x", "Apply", None, theirs),
        ];
        let released = released(&entries, desired)?;
        assert_eq!(
            fields(&released[0]),
            Some(&ours),
            "our own entry is what the apply compares with"
        );
        Some(released.get(1).and_then(fields).cloned())
    }

    fn container(inner: Value) -> Value {
        pod(json!({"f:containers": {"k:{\"name\":\"web\"}": inner}}))
    }

    #[test]
    fn a_shared_variable_is_released_and_a_variable_of_the_co_owner_stays() {
        let variable = json!({".": {}, "f:name": {}, "f:value": {}});
        let ours = container(json!({".": {}, "f:name": {}, "f:image": {}, "f:env": {
            "k:{\"name\":\"A\"}": variable, "k:{\"name\":\"B\"}": variable}}));
        let mut theirs = ours.clone();
        let env = theirs
            .pointer_mut("/f:spec/f:template/f:spec/f:containers/k:{\"name\":\"web\"}/f:env")
            .unwrap();
        env["k:{\"name\":\"TRACE\"}"] = variable.clone();
        let mut expected = theirs.clone();
        let env = expected
            .pointer_mut("/f:spec/f:template/f:spec/f:containers/k:{\"name\":\"web\"}/f:env")
            .unwrap();
        env.as_object_mut().unwrap().remove("k:{\"name\":\"B\"}");
        let asked = |env: Value| desired(json!({"containers": [{"name": "web", "image": "i", "env": env}]}));
        let one = asked(json!([{"name": "A", "value": "1"}]));
        assert_eq!(remaining(ours.clone(), theirs.clone(), &one), Some(Some(expected)));
        let both = asked(json!([{"name": "A", "value": "2"}, {"name": "B", "value": "3"}]));
        assert_eq!(remaining(ours, theirs, &both), None, "another value needs no release");
    }

    #[test]
    fn a_removed_container_is_released_with_fields_of_the_co_owner() {
        let ours = container(json!({".": {}, "f:name": {}, "f:image": {}}));
        let theirs = container(json!({"f:env": {".": {}, "k:{\"name\":\"T\"}": {".": {}, "f:name": {}}}}));
        let none = desired(json!({"containers": []}));
        assert_eq!(remaining(ours.clone(), theirs.clone(), &none), Some(None));
        let same = desired(json!({"containers": [{"name": "web", "image": "i"}]}));
        assert_eq!(
            remaining(ours, theirs, &same),
            None,
            "a field that only they own is theirs"
        );
    }

    #[test]
    fn a_replaced_volume_and_a_removed_probe_leave_no_field_of_the_co_owner() {
        let volume = |inner: Value| pod(json!({"f:volumes": {"k:{\"name\":\"v\"}": inner}}));
        let ours = volume(json!({".": {}, "f:name": {}, "f:secret": {"f:secretName": {}}}));
        let theirs = volume(json!({".": {}, "f:name": {}, "f:secret": {"f:secretName": {}, "f:defaultMode": {}}}));
        let empty = desired(json!({"volumes": [{"name": "v", "emptyDir": {}}]}));
        let expected = volume(json!({".": {}, "f:name": {}}));
        assert_eq!(remaining(ours, theirs, &empty), Some(Some(expected)));

        let ours =
            container(json!({".": {}, "f:name": {}, "f:livenessProbe": {"f:httpGet": {"f:path": {}, "f:port": {}}}}));
        let theirs = container(
            json!({"f:livenessProbe": {"f:httpGet": {"f:path": {}, "f:scheme": {}}, "f:timeoutSeconds": {}}}),
        );
        let none = desired(json!({"containers": [{"name": "web"}]}));
        assert_eq!(remaining(ours, theirs, &none), Some(None));
    }

    #[test]
    fn fields_of_the_co_owner_in_our_structs_and_maps_stay() {
        let ours =
            container(json!({".": {}, "f:name": {}, "f:resources": {"f:limits": {"f:cpu": {}, "f:memory": {}}}}));
        let theirs = container(json!({"f:resources": {"f:limits": {"f:cpu": {}}, "f:requests": {"f:cpu": {}}}}));
        let none = desired(json!({"containers": [{"name": "web"}]}));
        let expected = container(json!({"f:resources": {"f:requests": {"f:cpu": {}}}}));
        assert_eq!(remaining(ours, theirs, &none), Some(Some(expected)));

        let labels = |inner: Value| json!({"f:metadata": {"f:labels": inner}});
        let asked = desired(json!({}));
        assert_eq!(
            remaining(
                labels(json!({"f:a": {}, "f:gone": {}})),
                labels(json!({"f:gone": {}, "f:theirs": {}})),
                &asked
            ),
            Some(Some(labels(json!({"f:theirs": {}}))))
        );
    }

    #[test]
    fn rules_keys_owners_and_ports_of_any_kind_are_released() {
        let policy = json!({"f:spec": {"f:ingress": {}, "f:podSelector": {}}});
        let asked = json!({"kind": "NetworkPolicy", "spec": {"podSelector": {}}});
        let expected = json!({"f:spec": {"f:podSelector": {}}});
        assert_eq!(remaining(policy.clone(), policy, &asked), Some(Some(expected)));

        let data = json!({"f:data": {"f:a": {}, "f:b": {}}});
        let asked = json!({"kind": "ConfigMap", "data": {"a": "1"}});
        assert_eq!(
            remaining(data.clone(), data, &asked),
            Some(Some(json!({"f:data": {"f:a": {}}})))
        );

        let owners = json!({"f:metadata": {"f:ownerReferences": {"k:{\"uid\":\"1\"}": {}}}});
        let asked = json!({"kind": "PersistentVolumeClaim", "metadata": {"name": "p"}});
        assert_eq!(remaining(owners.clone(), owners, &asked), Some(None));

        let port = |protocol: &str| format!("k:{{\"port\":80,\"protocol\":\"{protocol}\"}}");
        let ports = json!({"f:spec": {"f:ports": {(port("TCP")): {".": {}, "f:port": {}}, (port("UDP")): {".": {}, "f:port": {}}}}});
        let asked = json!({"kind": "Service", "spec": {"ports": [{"port": 80}]}});
        let expected = json!({"f:spec": {"f:ports": {(port("TCP")): {".": {}, "f:port": {}}}}});
        assert_eq!(
            remaining(ports.clone(), ports, &asked),
            Some(Some(expected)),
            "the default protocol is TCP"
        );
    }

    #[test]
    fn replicas_and_fields_of_subresources_are_never_released() {
        let replicas = json!({"f:spec": {"f:replicas": {}}});
        assert_eq!(remaining(replicas.clone(), replicas.clone(), &desired(json!({}))), None);
        let entries = [
            entry(FIELD_MANAGER, "Apply", None, replicas.clone()),
            entry("kube-controller-manager", "Update", Some("scale"), replicas),
        ];
        assert_eq!(shared(&entries), None);
    }

    #[test]
    fn a_field_that_a_webhook_wrote_as_our_manager_is_released_and_a_secrets_values_are_not() {
        let labels = json!({"f:metadata": {"f:labels": {"f:gone": {}}}});
        let entries = [
            entry(FIELD_MANAGER, "Apply", None, labels),
            entry(
                FIELD_MANAGER,
                "Update",
                None,
                json!({"f:data": {"f:password": {}}, "f:metadata": {"f:labels": {"f:gone": {}}}}),
            ),
        ];
        let released = released(&entries, &json!({"kind": "Secret", "metadata": {"labels": {"a": "b"}}})).unwrap();
        assert_eq!(fields(&released[1]), Some(&json!({"f:data": {"f:password": {}}})));
    }
}
