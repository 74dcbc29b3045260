//! Children that must not change because data that they use is being deleted or is deleted. Pure.

use std::collections::BTreeSet;

use ras_crds::labels::{JOB_OF, SERVICE};
use serde_json::Value;

use crate::apply::dependencies::uses;
use crate::apply::item::Item;
use ras_core::fetched::record::ChildKey;
use ras_core::kind::Kind;

/// The objects in `data`, the workloads that mount or read them, and the autoscalers and migration Jobs of those
/// workloads. A rollout or another number of pods would stop the pod that still has the data.
pub fn frozen(items: &[Item], data: &BTreeSet<ChildKey>) -> BTreeSet<ChildKey> {
    if data.is_empty() {
        return BTreeSet::new();
    }
    let mut frozen = data.clone();
    let mut services = BTreeSet::new();
    for item in items {
        if matches!(item.key.kind, Kind::Deployment | Kind::StatefulSet | Kind::Job) && !uses(item).is_disjoint(data) {
            frozen.insert(item.key.clone());
            services.extend(label(item, SERVICE));
        }
    }
    for item in items {
        let follows = match item.key.kind {
            Kind::HorizontalPodAutoscaler => !uses(item).is_disjoint(&frozen),
            Kind::Job => label(item, JOB_OF).is_some_and(|of| services.contains(of)),
            _ => false,
        };
        if follows {
            frozen.insert(item.key.clone());
        }
    }
    frozen
}

fn label<'a>(item: &'a Item, name: &str) -> Option<&'a str> {
    item.body.pointer("/metadata/labels")?.get(name).and_then(Value::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn item(kind: Kind, name: &str, labels: &Value, spec: &Value) -> Item {
        let metadata = json!({"name": name, "namespace": "n", "labels": labels});
        Item::new(kind, &json!({"metadata": metadata, "spec": spec})).unwrap()
    }

    #[test]
    fn workloads_of_deleted_data_are_frozen_with_what_would_replace_their_pods() {
        let pod = |claim: &str| json!({"template": {"spec": {"volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": claim}}]}}});
        let scales = |name: &str| json!({"scaleTargetRef": {"kind": "Deployment", "name": name}});
        let items = [
            item(Kind::PersistentVolumeClaim, "data", &json!({}), &json!({})),
            item(Kind::PersistentVolumeClaim, "other", &json!({}), &json!({})),
            item(Kind::Deployment, "d-web", &json!({SERVICE: "web"}), &pod("data")),
            item(Kind::Deployment, "d-api", &json!({SERVICE: "api"}), &pod("other")),
            item(
                Kind::StatefulSet,
                "d-database",
                &json!({SERVICE: "database"}),
                &pod("data"),
            ),
            item(Kind::Job, "d-web-migrate", &json!({JOB_OF: "web"}), &json!({})),
            item(Kind::Job, "d-api-migrate", &json!({JOB_OF: "api"}), &json!({})),
            item(Kind::HorizontalPodAutoscaler, "d-web", &json!({}), &scales("d-web")),
            item(Kind::HorizontalPodAutoscaler, "d-api", &json!({}), &scales("d-api")),
            item(Kind::Service, "d-web", &json!({SERVICE: "web"}), &json!({})),
        ];
        let data = BTreeSet::from([ChildKey::new(Kind::PersistentVolumeClaim, "n", "data")]);
        let names: Vec<String> = frozen(&items, &data).iter().map(ToString::to_string).collect();
        assert_eq!(
            names,
            [
                "PersistentVolumeClaim/data",
                "StatefulSet/d-database",
                "Job/d-web-migrate",
                "Deployment/d-web",
                "HorizontalPodAutoscaler/d-web",
            ]
        );
        assert!(frozen(&items, &BTreeSet::new()).is_empty());
    }
}
