//! The other children that a child needs. Pure.
//!
//! A child waits if one of them is an unowned object: its pods would write to an unowned volume, or an autoscaler would
//! scale an unowned Deployment. A workload also waits if one of them could not be written: it would start without its
//! `NetworkPolicy`, or with the policy, files and ports of the version before.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::apply::item::Item;
use ras_core::fetched::record::ChildKey;
use ras_core::kind::Kind;

/// True for kinds that run pods.
pub fn is_workload(kind: Kind) -> bool {
    match kind {
        Kind::Deployment | Kind::StatefulSet | Kind::Job | Kind::Cluster => true,
        Kind::ServiceAccount
        | Kind::Secret
        | Kind::ConfigMap
        | Kind::PersistentVolumeClaim
        | Kind::NetworkPolicy
        | Kind::Service
        | Kind::HorizontalPodAutoscaler
        | Kind::PodDisruptionBudget
        | Kind::ScheduledBackup
        | Kind::Ingress
        | Kind::ServiceMonitor
        | Kind::PrometheusRule
        | Kind::ExternalSecret
        | Kind::ExternalSecretBeta => false,
    }
}

/// True for kinds whose objects pods can use even if a change to them is refused. Policies, files and ports belong to
/// one version of a workload, so they are not among these.
pub fn serves_as_it_is(kind: Kind) -> bool {
    match kind {
        Kind::ServiceAccount
        | Kind::Secret
        | Kind::PersistentVolumeClaim
        | Kind::ExternalSecret
        | Kind::ExternalSecretBeta => true,
        Kind::ConfigMap
        | Kind::NetworkPolicy
        | Kind::Service
        | Kind::StatefulSet
        | Kind::Cluster
        | Kind::ScheduledBackup
        | Kind::Job
        | Kind::Deployment
        | Kind::HorizontalPodAutoscaler
        | Kind::PodDisruptionBudget
        | Kind::Ingress
        | Kind::ServiceMonitor
        | Kind::PrometheusRule => false,
    }
}

/// A workload needs the objects that its pods mount, read and run as, and the policies and Services that select them.
/// An autoscaler needs its Deployment, and an Ingress its Services.
pub fn needs(item: &Item, items: &[Item]) -> BTreeSet<ChildKey> {
    let mut found = uses(item);
    let pods = item.body.pointer("/spec/template/metadata/labels");
    if let (true, Some(Value::Object(labels))) = (is_workload(item.key.kind), pods) {
        let selecting = items.iter().filter(|other| selects(other, labels));
        found.extend(selecting.map(|other| other.key.clone()));
    }
    found
}

/// True when `item` is a policy or Service that selects pods with these labels.
fn selects(item: &Item, labels: &Map<String, Value>) -> bool {
    let selector = match item.key.kind {
        Kind::NetworkPolicy => item.body.pointer("/spec/podSelector/matchLabels"),
        Kind::Service => item.body.pointer("/spec/selector"),
        _ => return false,
    };
    match selector {
        Some(Value::Object(wanted)) => wanted.iter().all(|(key, value)| labels.get(key) == Some(value)),
        // A policy without labels selects every pod; a Service without a selector selects none.
        _ => item.key.kind == Kind::NetworkPolicy,
    }
}

/// The objects that `item` names.
pub fn uses(item: &Item) -> BTreeSet<ChildKey> {
    let mut found = BTreeSet::new();
    if is_workload(item.key.kind) || matches!(item.key.kind, Kind::HorizontalPodAutoscaler | Kind::Ingress) {
        find(&item.body, &mut |kind, name| {
            found.insert(ChildKey::new(kind, &item.key.namespace, name));
            if kind == Kind::Secret {
                // An unowned ExternalSecret of the same name would choose the Secret's values.
                for source in [Kind::ExternalSecret, Kind::ExternalSecretBeta] {
                    found.insert(ChildKey::new(source, &item.key.namespace, name));
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
                if let ("serviceAccountName", Some(name)) = (field.as_str(), inner.as_str()) {
                    found(Kind::ServiceAccount, name);
                }
                let reference = match field.as_str() {
                    "persistentVolumeClaim" => Some((Kind::PersistentVolumeClaim, "claimName")),
                    "configMap" | "configMapKeyRef" | "configMapRef" => Some((Kind::ConfigMap, "name")),
                    // The backend of an Ingress.
                    "service" => Some((Kind::Service, "name")),
                    // A volume, or a source of a projected volume.
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
        needs(&Item::new(kind, &object).unwrap(), &[])
            .iter()
            .map(ToString::to_string)
            .filter(|name| !name.starts_with("ExternalSecret/"))
            .collect()
    }

    #[test]
    fn a_workload_uses_the_objects_that_its_pods_mount_and_read() {
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
    fn a_workload_that_reads_a_secret_uses_its_external_secret() {
        let pod = json!({"containers": [{"name": "c", "envFrom": [{"secretRef": {"name": "t"}}]}]});
        let object = json!({"metadata": {"name": "a", "namespace": "n"}, "spec": {"template": {"spec": pod}}});
        let found = needs(&Item::new(Kind::Deployment, &object).unwrap(), &[]);
        for kind in [Kind::Secret, Kind::ExternalSecret, Kind::ExternalSecretBeta] {
            assert!(found.contains(&ChildKey::new(kind, "n", "t")), "{found:?}");
        }
    }

    #[test]
    fn an_autoscaler_uses_its_deployment() {
        let target = json!({"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "d"}});
        assert_eq!(used(Kind::HorizontalPodAutoscaler, &target), ["Deployment/d"]);
    }

    #[test]
    fn an_ingress_uses_its_services() {
        let backend = json!({"service": {"name": "d-web", "port": {"name": "http"}}});
        let rules = json!({"rules": [{"http": {"paths": [{"path": "/", "backend": backend}]}}]});
        assert_eq!(used(Kind::Ingress, &rules), ["Service/d-web"]);
    }

    #[test]
    fn pods_need_their_account_and_every_policy_and_service_that_selects_them() {
        let item = |kind, name: &str, spec: Value| {
            Item::new(
                kind,
                &json!({"metadata": {"name": name, "namespace": "n"}, "spec": spec}),
            )
            .unwrap()
        };
        let policy = |name: &str, selector: Value| item(Kind::NetworkPolicy, name, json!({"podSelector": selector}));
        let others = [
            policy("its-own", json!({"matchLabels": {"drive": "d", "service": "web"}})),
            policy("of-all", json!({})),
            policy("of-another", json!({"matchLabels": {"drive": "d", "service": "api"}})),
            item(
                Kind::Service,
                "web",
                json!({"selector": {"drive": "d", "service": "web"}}),
            ),
            item(
                Kind::Service,
                "api",
                json!({"selector": {"drive": "d", "service": "api"}}),
            ),
            item(Kind::Service, "without-selector", json!({})),
            item(Kind::ConfigMap, "files", json!({})),
        ];
        let template = json!({
            "metadata": {"labels": {"drive": "d", "service": "web", "version": "1"}},
            "spec": {"serviceAccountName": "d", "containers": []},
        });
        for kind in [Kind::Deployment, Kind::StatefulSet, Kind::Job] {
            let found = needs(&item(kind, "d-web", json!({"template": template})), &others);
            let found: Vec<String> = found.iter().map(ToString::to_string).collect();
            assert_eq!(
                found,
                [
                    "ServiceAccount/d",
                    "NetworkPolicy/its-own",
                    "NetworkPolicy/of-all",
                    "Service/web"
                ],
                "{kind}"
            );
        }
    }
}
