//! One more pod at a time, also when the version changes at the same moment. Pure.

use super::item::Item;
use ras_core::fetched::record::{Detail, Record};

/// The item of a service that gets one more pod, as it may be written now. With another version at the same time, Kubernetes
/// would start two pods of it: then the version comes first, and the number follows once that serves. `None`: the item as it is.
pub(super) fn paced(item: &Item, record: &Record) -> Option<Item> {
    let next = item.one_at_a_time()?;
    let Detail::Deployment(live) = &record.detail else {
        return None;
    };
    if live.replicas == 0 || next <= i64::from(live.replicas) {
        return None;
    }
    let as_it_renders = live.render_image.as_deref().map(|image| item.rendered_by(image));
    let is_applied = |item: &Item| record.applied.as_deref() == Some(item.hash.as_str());
    let same_version = [Some(item.clone()), as_it_renders].into_iter().flatten().find(|item| {
        [Some(live.replicas), None]
            .into_iter()
            .any(|replicas| is_applied(&item.with_replicas(replicas)))
    });
    Some(same_version.unwrap_or_else(|| item.with_replicas(Some(live.replicas))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ras_core::fetched::record::{DeploymentState, Fields, Marks, Owner};
    use ras_core::kind::Kind;
    use ras_core::names::RENDER_CONTAINER;
    use serde_json::{Value, json};

    fn item(image: &str, render: &str, surge: &Value, replicas: Option<i32>) -> Item {
        let mut deployment = json!({"metadata": {"name": "d", "namespace": "n"}, "spec": {
            "strategy": {"rollingUpdate": {"maxSurge": surge}},
            "template": {"spec": {
                "initContainers": [{"name": RENDER_CONTAINER, "image": render}],
                "containers": [{"name": "c", "image": image}],
            }},
        }});
        if let Some(replicas) = replicas {
            deployment["spec"]["replicas"] = replicas.into();
        }
        Item::new(Kind::Deployment, &deployment).unwrap()
    }

    fn record(applied: &Item, replicas: i32, render: &str) -> Record {
        Record {
            uid: "u".into(),
            version: 1,
            deleting: false,
            drive: None,
            watched: true,
            marks: Marks::default(),
            touched: false,
            owner: Owner::Nobody,
            applied: Some(applied.hash.as_str().into()),
            written: None,
            fields: Fields {
                digest: 7,
                unverified: None,
                shared: None,
                managers: None,
            },
            detail: Detail::Deployment(DeploymentState {
                replicas,
                render_image: Some(render.into()),
                ..DeploymentState::default()
            }),
        }
    }

    #[test]
    fn another_pod_of_the_same_version_is_added_with_the_render_image_that_runs() {
        let next = item("i:1", "ras-operator:2", &json!(1), Some(2));
        for applied in [Some(1), None] {
            let applied = item("i:1", "ras-operator:1", &json!(1), applied);
            let paced = paced(&next, &record(&applied, 1, "ras-operator:1"));
            assert_eq!(paced, Some(item("i:1", "ras-operator:1", &json!(1), Some(2))));
        }
    }

    #[test]
    fn another_version_comes_before_another_pod() {
        let next = item("i:2", "ras-operator:1", &json!(1), Some(2));
        let applied = item("i:1", "ras-operator:1", &json!(1), Some(1));
        assert_eq!(
            paced(&next, &record(&applied, 1, "ras-operator:1")),
            Some(item("i:2", "ras-operator:1", &json!(1), Some(1)))
        );
    }

    #[test]
    fn what_starts_no_second_pod_is_written_as_it_is() {
        let applied = item("i:1", "ras-operator:1", &json!(1), Some(1));
        for (next, live) in [
            (item("i:2", "ras-operator:1", &json!(1), Some(1)), 0),
            (item("i:2", "ras-operator:1", &json!(1), Some(1)), 1),
            (item("i:2", "ras-operator:1", &json!(1), Some(1)), 3),
            (item("i:2", "ras-operator:1", &json!(1), None), 1),
            (item("i:2", "ras-operator:1", &json!("25%"), Some(3)), 1),
        ] {
            assert_eq!(paced(&next, &record(&applied, live, "ras-operator:1")), None);
        }
    }
}
