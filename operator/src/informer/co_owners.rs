//! Fields that we apply and that other managers own, too.
//!
//! Server-side apply removes a field that we leave out only when we are its last owner. Who applied a copy of the whole object
//! (tools that restore or hibernate do) owns all of it with us, so what a drive no longer asks for would stay: a variable in the
//! pods, a rule that lets traffic in. So before an apply that leaves such a field out, the other managers' ownership of it
//! is taken off `metadata.managedFields`, which changes nothing else and restarts nothing; the apply itself then removes it. After a
//! crash in between the apply is still to be done. What others own and we never applied stays as it is.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry;
use serde_json::{Map, Value, json};

use super::ownership::names_item;
use ras_core::fetched::facts::FIELD_MANAGER;

/// Structs that make no sense in part: what another manager has filled in beside our own fields goes with them, or the API
/// server would refuse a volume of two types, or a probe that asks nothing.
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

/// Whether this is the entry of our server-side applies. What we write otherwise (the values of a Secret) is never left to an
/// apply.
fn is_ours(entry: &ManagedFieldsEntry) -> bool {
    entry.manager.as_deref() == Some(FIELD_MANAGER)
        && entry.operation.as_deref() == Some("Apply")
        && entry.subresource.is_none()
}

fn fields(entry: &ManagedFieldsEntry) -> Option<&Value> {
    entry.fields_v1.as_ref().map(|fields| &fields.0)
}

/// The fields that we apply and another manager owns, too, in the form of `managedFields`; nothing when there is none. What
/// subresources own is theirs by design, such as the number of replicas that was handed over.
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
            // An item of a list stays as long as anybody owns something in it.
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

/// Whether an apply of `desired` leaves out a field that others own with us.
pub fn keep_what_is_dropped(shared: &Value, desired: &Value) -> bool {
    dropped(shared, desired).is_some()
}

/// The part of `shared` that `desired` lacks.
fn dropped(shared: &Value, desired: &Value) -> Option<Value> {
    let mut dropped = lacking(shared, desired)?;
    let kind = desired.get("kind").and_then(Value::as_str);
    if matches!(kind, Some("Deployment" | "StatefulSet"))
        && let Some(spec) = dropped.pointer_mut("/f:spec").and_then(Value::as_object_mut)
    {
        // Who scales keeps the number. Without one Kubernetes would fall back to one replica.
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

/// Items of lists go with all that is in them.
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

/// The entries as they have to stand there so that an apply of `desired` removes what it leaves out; nothing when it does anyway.
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

/// What is left of `theirs`; nothing when nothing is.
fn without(theirs: &Value, dropped: &Value) -> Option<Value> {
    let left: Map<String, Value> = theirs
        .as_object()?
        .iter()
        .filter_map(|(key, inner)| {
            let left = match dropped.get(key) {
                None => inner.clone(),
                Some(gone) if is_leaf(gone) || is_leaf(inner) => return None,
                Some(gone) => without(inner, gone)?,
            };
            Some((key.clone(), left))
        })
        .collect();
    (!left.is_empty()).then_some(Value::Object(left))
}

#[cfg(test)]
// Literals of JSON read best as values, and a release that leaves nothing differs from no release.
#[allow(clippy::needless_pass_by_value, clippy::option_option)]
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

    /// What another manager is left with that owned `theirs` beside our `ours`; nothing when nothing has to be released.
    fn left(ours: Value, theirs: Value, desired: &Value) -> Option<Option<Value>> {
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
    fn a_variable_that_a_copy_owns_too_is_released_and_what_the_copier_added_stays() {
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
        assert_eq!(left(ours.clone(), theirs.clone(), &one), Some(Some(expected)));
        let both = asked(json!([{"name": "A", "value": "2"}, {"name": "B", "value": "3"}]));
        assert_eq!(left(ours, theirs, &both), None, "another value is a matter of force");
    }

    #[test]
    fn a_container_goes_with_all_that_others_put_into_it() {
        let ours = container(json!({".": {}, "f:name": {}, "f:image": {}}));
        let theirs = container(json!({"f:env": {".": {}, "k:{\"name\":\"T\"}": {".": {}, "f:name": {}}}}));
        let none = desired(json!({"containers": []}));
        assert_eq!(left(ours.clone(), theirs.clone(), &none), Some(None));
        let same = desired(json!({"containers": [{"name": "web", "image": "i"}]}));
        assert_eq!(left(ours, theirs, &same), None, "what is only theirs is theirs");
    }

    #[test]
    fn a_volume_of_another_type_and_a_probe_leave_no_default_of_the_copy_behind() {
        let volume = |inner: Value| pod(json!({"f:volumes": {"k:{\"name\":\"v\"}": inner}}));
        let ours = volume(json!({".": {}, "f:name": {}, "f:secret": {"f:secretName": {}}}));
        let theirs = volume(json!({".": {}, "f:name": {}, "f:secret": {"f:secretName": {}, "f:defaultMode": {}}}));
        let empty = desired(json!({"volumes": [{"name": "v", "emptyDir": {}}]}));
        let expected = volume(json!({".": {}, "f:name": {}}));
        assert_eq!(left(ours, theirs, &empty), Some(Some(expected)));

        let ours =
            container(json!({".": {}, "f:name": {}, "f:livenessProbe": {"f:httpGet": {"f:path": {}, "f:port": {}}}}));
        let theirs = container(
            json!({"f:livenessProbe": {"f:httpGet": {"f:path": {}, "f:scheme": {}}, "f:timeoutSeconds": {}}}),
        );
        let none = desired(json!({"containers": [{"name": "web"}]}));
        assert_eq!(left(ours, theirs, &none), Some(None));
    }

    #[test]
    fn additions_to_our_structs_and_maps_stay_when_ours_go() {
        let ours =
            container(json!({".": {}, "f:name": {}, "f:resources": {"f:limits": {"f:cpu": {}, "f:memory": {}}}}));
        let theirs = container(json!({"f:resources": {"f:limits": {"f:cpu": {}}, "f:requests": {"f:cpu": {}}}}));
        let none = desired(json!({"containers": [{"name": "web"}]}));
        let expected = container(json!({"f:resources": {"f:requests": {"f:cpu": {}}}}));
        assert_eq!(left(ours, theirs, &none), Some(Some(expected)));

        let labels = |inner: Value| json!({"f:metadata": {"f:labels": inner}});
        let asked = desired(json!({}));
        assert_eq!(
            left(
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
        assert_eq!(left(policy.clone(), policy, &asked), Some(Some(expected)));

        let data = json!({"f:data": {"f:a": {}, "f:b": {}}});
        let asked = json!({"kind": "ConfigMap", "data": {"a": "1"}});
        assert_eq!(
            left(data.clone(), data, &asked),
            Some(Some(json!({"f:data": {"f:a": {}}})))
        );

        let owners = json!({"f:metadata": {"f:ownerReferences": {"k:{\"uid\":\"1\"}": {}}}});
        let asked = json!({"kind": "PersistentVolumeClaim", "metadata": {"name": "p"}});
        assert_eq!(left(owners.clone(), owners, &asked), Some(None));

        let port = |protocol: &str| format!("k:{{\"port\":80,\"protocol\":\"{protocol}\"}}");
        let ports = json!({"f:spec": {"f:ports": {(port("TCP")): {".": {}, "f:port": {}}, (port("UDP")): {".": {}, "f:port": {}}}}});
        let asked = json!({"kind": "Service", "spec": {"ports": [{"port": 80}]}});
        let expected = json!({"f:spec": {"f:ports": {(port("TCP")): {".": {}, "f:port": {}}}}});
        assert_eq!(
            left(ports.clone(), ports, &asked),
            Some(Some(expected)),
            "TCP is meant without a word"
        );
    }

    #[test]
    fn the_number_of_replicas_and_what_subresources_own_are_never_released() {
        let replicas = json!({"f:spec": {"f:replicas": {}}});
        assert_eq!(left(replicas.clone(), replicas.clone(), &desired(json!({}))), None);
        let entries = [
            entry(FIELD_MANAGER, "Apply", None, replicas.clone()),
            entry("kube-controller-manager", "Update", Some("scale"), replicas),
        ];
        assert_eq!(shared(&entries), None);
    }

    #[test]
    fn what_a_webhook_wrote_in_our_own_name_is_released_and_a_secrets_values_are_not() {
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
