//! Adds one pod at a time, even if the version changes too. Pure.

use super::item::Item;
use ras_core::fetched::record::{Detail, Record};

/// For a service that gets one more pod: the item to write now. If the version changes too, the version comes first and
/// the replicas follow when it is ready, because Kubernetes would start two pods at once. `None`: no change to `item`.
pub(super) fn paced(item: &Item, record: &Record) -> Option<Item> {
    let next = item.one_at_a_time()?;
    let Detail::Deployment(live) = &record.detail else {
        return None;
    };
    if live.replicas == 0 || next <= i64::from(live.replicas) {
        return None;
    }
    let with_running_image = live.render_image.as_deref().map(|image| item.rendered_by(image));
    let same_version = [Some(item.clone()), with_running_image]
        .into_iter()
        .flatten()
        .find(|item| {
            [Some(live.replicas), None]
                .into_iter()
                .any(|replicas| item.with_replicas(replicas).is_applied_in(record))
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
    fn a_pod_of_the_same_version_is_added_with_the_running_render_image() {
        let next = item("i:1", "ras-operator:2", &json!(1), Some(2));
        for applied in [Some(1), None] {
            let applied = item("i:1", "ras-operator:1", &json!(1), applied);
            let paced = paced(&next, &record(&applied, 1, "ras-operator:1"));
            assert_eq!(paced, Some(item("i:1", "ras-operator:1", &json!(1), Some(2))));
        }
    }

    #[test]
    fn a_new_version_comes_before_a_new_pod() {
        let next = item("i:2", "ras-operator:1", &json!(1), Some(2));
        let applied = item("i:1", "ras-operator:1", &json!(1), Some(1));
        assert_eq!(
            paced(&next, &record(&applied, 1, "ras-operator:1")),
            Some(item("i:2", "ras-operator:1", &json!(1), Some(1)))
        );
    }

    #[test]
    fn an_item_that_starts_no_second_pod_is_not_changed() {
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
