//! Which other children a child works on or reads from. Where one of them is somebody else's, using it would be
//! touching it: a program would write to a stranger's volume, an autoscaler scale a stranger's programs. Pure.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::cluster::kind::Kind;
use crate::cluster::record::ChildKey;
use crate::drive::apply::item::Item;

/// What `item` uses: what runs pods what its pods mount and read, an autoscaler its Deployment.
pub fn uses(item: &Item) -> BTreeSet<ChildKey> {
    let mut found = BTreeSet::new();
    if matches!(
        item.key.kind,
        Kind::Deployment | Kind::StatefulSet | Kind::Job | Kind::HorizontalPodAutoscaler
    ) {
        find(&item.body, &mut |kind, name| {
            found.insert(ChildKey::new(kind, &item.key.namespace, name));
            if kind == Kind::Secret {
                // Where a stranger's ExternalSecret has the name, the Secret is filled with what a stranger chose.
                for filler in [Kind::ExternalSecret, Kind::ExternalSecretBeta] {
                    found.insert(ChildKey::new(filler, &item.key.namespace, name));
                }
            }
        });
    }
    found
}

fn find(value: &Value, found: &mut impl FnMut(Kind, &str)) {
    match value {
        Value::Object(fields) => {
            for (field, inner) in fields {
                let reference = match field.as_str() {
                    "persistentVolumeClaim" => Some((Kind::PersistentVolumeClaim, "claimName")),
                    "configMap" => Some((Kind::ConfigMap, "name")),
                    // Of a volume, or among the sources of one.
                    "secret" if inner.get("secretName").is_some() => Some((Kind::Secret, "secretName")),
                    "secretKeyRef" | "secretRef" | "secret" => Some((Kind::Secret, "name")),
                    "scaleTargetRef" => Some((Kind::Deployment, "name")),
                    _ => None,
                };
                match reference.and_then(|(kind, name)| Some((kind, inner.get(name)?.as_str()?))) {
                    Some((kind, name)) => found(kind, name),
                    None => find(inner, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| find(item, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn used(kind: Kind, spec: &Value) -> Vec<String> {
        let object = json!({"metadata": {"name": "a", "namespace": "n"}, "spec": spec});
        uses(&Item::new(kind, &object).unwrap())
            .iter()
            .map(ToString::to_string)
            .filter(|name| !name.starts_with("ExternalSecret/"))
            .collect()
    }

    #[test]
    fn a_program_uses_what_its_pods_mount_and_read() {
        let pod = json!({
            "containers": [{
                "name": "c",
                "env": [{"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}],
                "envFrom": [{"secretRef": {"name": "t"}}],
            }],
            "volumes": [
                {"name": "v", "persistentVolumeClaim": {"claimName": "p"}},
                {"name": "f", "configMap": {"name": "m"}},
                {"name": "c", "secret": {"secretName": "u"}},
                {"name": "a", "projected": {"sources": [{"secret": {"name": "x"}}]}},
            ],
        });
        assert_eq!(
            used(Kind::Deployment, &json!({"template": {"spec": pod}})),
            [
                "Secret/s",
                "Secret/t",
                "Secret/u",
                "Secret/x",
                "ConfigMap/m",
                "PersistentVolumeClaim/p"
            ]
        );
    }

    #[test]
    fn who_reads_a_secret_uses_what_fills_it() {
        let pod = json!({"containers": [{"name": "c", "envFrom": [{"secretRef": {"name": "t"}}]}]});
        let object = json!({"metadata": {"name": "a", "namespace": "n"}, "spec": {"template": {"spec": pod}}});
        let found = uses(&Item::new(Kind::Deployment, &object).unwrap());
        for kind in [Kind::Secret, Kind::ExternalSecret, Kind::ExternalSecretBeta] {
            assert!(found.contains(&ChildKey::new(kind, "n", "t")), "{found:?}");
        }
    }

    #[test]
    fn an_autoscaler_uses_its_program() {
        let target = json!({"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "d"}});
        assert_eq!(used(Kind::HorizontalPodAutoscaler, &target), ["Deployment/d"]);
    }
}
