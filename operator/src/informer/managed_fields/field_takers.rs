//! Fields that we apply and another manager took. Pure.
//!
//! A manager that changes a field takes its ownership: the field moves from our entry in `metadata.managedFields` to
//! theirs.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry;
use serde_json::Value;

use ras_core::applied::Taken;

use super::{descend, names_item, our_entries};
use ras_core::fetched::facts::FIELD_MANAGER;

/// The fields of `desired` that we do not own.
pub fn taken(managed: &[ManagedFieldsEntry], desired: &Value) -> Vec<Taken> {
    let others: Vec<Owned<'_>> = managed
        .iter()
        .filter(|entry| entry.manager.as_deref() != Some(FIELD_MANAGER))
        .filter_map(|entry| {
            let name = entry.manager.as_deref()?;
            let fields = &entry.fields_v1.as_ref()?.0;
            let subresource = entry.subresource.as_deref();
            let name = subresource.map_or_else(|| name.to_owned(), |sub| format!("{name} ({sub})"));
            Some(Owned { name, fields })
        })
        .collect();
    let ours = our_entries(managed);
    let mut found = Vec::new();
    for (key, value) in desired.as_object().into_iter().flatten() {
        let (ours, others) = (descend(&ours, key), below(&others, key));
        match key.as_str() {
            "apiVersion" | "kind" => {}
            "metadata" => {
                for key in ["labels", "annotations", "ownerReferences"] {
                    if let Some(value) = value.get(key) {
                        let path = format!("metadata.{key}");
                        compare(&path, value, &descend(&ours, key), &below(&others, key), &mut found);
                    }
                }
            }
            _ => compare(key, value, &ours, &others, &mut found),
        }
    }
    found.sort();
    found
}

/// A node in the entry of another manager.
#[derive(Clone)]
struct Owned<'a> {
    name: String,
    fields: &'a Value,
}

fn below<'a>(others: &[Owned<'a>], field: &str) -> Vec<Owned<'a>> {
    let key = format!("f:{field}");
    let inner = others.iter().filter_map(|other| {
        Some(Owned {
            name: other.name.clone(),
            fields: other.fields.get(&key)?,
        })
    });
    inner.collect()
}

fn compare(path: &str, desired: &Value, ours: &[&Value], others: &[Owned<'_>], found: &mut Vec<Taken>) {
    let is_leaf = |node: &&Value| node.as_object().is_none_or(serde_json::Map::is_empty);
    if desired.is_null() || ours.iter().any(is_leaf) {
        return;
    }
    match desired {
        Value::Object(fields) if !fields.is_empty() => {
            for (key, value) in fields {
                let path = if key.contains(['.', '/']) {
                    format!("{path}[{key}]")
                } else {
                    format!("{path}.{key}")
                };
                compare(&path, value, &descend(ours, key), &below(others, key), found);
            }
        }
        Value::Array(items) if items.iter().any(|item| has_item(ours, others, item)) => {
            for item in items {
                let ours: Vec<&Value> = ours.iter().flat_map(|node| inside(node, item)).collect();
                let others: Vec<Owned<'_>> = others
                    .iter()
                    .flat_map(|other| {
                        inside(other.fields, item).map(|fields| Owned {
                            name: other.name.clone(),
                            fields,
                        })
                    })
                    .collect();
                compare(&format!("{path}[{}]", item_name(item)), item, &ours, &others, found);
            }
        }
        _ if ours.is_empty() => found.push(Taken {
            field: path.to_owned(),
            managers: others.iter().map(|other| other.name.clone()).collect(),
        }),
        _ => {}
    }
}

fn has_item(ours: &[&Value], others: &[Owned<'_>], item: &Value) -> bool {
    let theirs = others.iter().map(|other| other.fields);
    ours.iter()
        .copied()
        .chain(theirs)
        .any(|node| inside(node, item).next().is_some())
}

fn inside<'a>(node: &'a Value, item: &'a Value) -> impl Iterator<Item = &'a Value> {
    let fields = node.as_object().into_iter().flatten();
    fields.filter(|(key, _)| names_item(key, item)).map(|(_, inner)| inner)
}

/// A short name of a list item.
fn item_name(item: &Value) -> String {
    let key = ["name", "mountPath", "containerPort", "port", "uid"];
    match key.iter().find_map(|key| item.get(key)).unwrap_or(item) {
        Value::String(text) => text.clone(),
        Value::Object(_) | Value::Array(_) => "…".to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::FieldsV1;
    use serde_json::json;

    use super::*;

    fn entry(manager: &str, subresource: Option<&str>, fields: Value) -> ManagedFieldsEntry {
        ManagedFieldsEntry {
            manager: Some(manager.to_owned()),
            operation: Some("Update".to_owned()),
            subresource: subresource.map(str::to_owned),
            fields_v1: Some(FieldsV1(fields)),
            ..ManagedFieldsEntry::default()
        }
    }

    fn described(managed: &[ManagedFieldsEntry], desired: &Value) -> Vec<String> {
        let all = taken(managed, desired).into_iter();
        all.map(|one| format!("{} by {}", one.field, one.managers.join("+")))
            .collect()
    }

    #[test]
    fn an_autoscaler_that_took_the_replicas_is_named_and_our_fields_are_not() {
        let desired = json!({"kind": "Deployment", "metadata": {"name": "d", "labels": {"a": "b"}}, "spec": {"replicas": 1, "paused": false}});
        let entries = [
            entry(
                FIELD_MANAGER,
                None,
                json!({"f:metadata": {"f:labels": {"f:a": {}}}, "f:spec": {"f:paused": {}}}),
            ),
            entry(
                "kube-controller-manager",
                Some("scale"),
                json!({"f:spec": {"f:replicas": {}}}),
            ),
            entry(
                "kube-controller-manager",
                Some("status"),
                json!({"f:status": {"f:replicas": {}}}),
            ),
        ];
        assert_eq!(
            described(&entries, &desired),
            ["spec.replicas by kube-controller-manager (scale)"]
        );
    }

    #[test]
    fn taken_and_removed_fields_have_their_paths() {
        let desired = json!({
            "metadata": {"labels": {"example.com/team": "a", "x": "y"}},
            "spec": {"template": {"spec": {"containers": [
                {"name": "web", "image": "i", "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]}]}}}
        });
        let web = "k:{\"name\":\"web\"}";
        let variable = json!({".": {}, "f:name": {}, "f:value": {}});
        let ours = json!({"f:metadata": {"f:labels": {"f:x": {}}}, "f:spec": {"f:template": {"f:spec": {"f:containers": {
            (web): {".": {}, "f:name": {}, "f:env": {"k:{\"name\":\"A\"}": variable}}}}}}});
        let theirs = json!({"f:metadata": {"f:labels": {"f:example.com/team": {}}},
            "f:spec": {"f:template": {"f:spec": {"f:containers": {(web): {"f:image": {}}}}}}});
        let entries = [entry(FIELD_MANAGER, None, ours), entry("cost-tool", None, theirs)];
        assert_eq!(
            described(&entries, &desired),
            [
                "metadata.labels[example.com/team] by cost-tool",
                "spec.template.spec.containers[web].env[B].name by ",
                "spec.template.spec.containers[web].env[B].value by ",
                "spec.template.spec.containers[web].image by cost-tool",
            ]
        );
    }

    #[test]
    fn atomic_lists_and_sets_are_compared_as_such() {
        let desired = json!({"spec": {"ingress": [{"ports": [{"port": 80}]}], "keys": ["a", "b"]}});
        let entries = [
            entry(FIELD_MANAGER, None, json!({"f:spec": {"f:keys": {"v:\"a\"": {}}}})),
            entry(
                "x",
                None,
                json!({"f:spec": {"f:ingress": {}, "f:keys": {"v:\"b\"": {}}}}),
            ),
        ];
        assert_eq!(
            described(&entries, &desired),
            ["spec.ingress by x", "spec.keys[b] by x"]
        );
    }
}
