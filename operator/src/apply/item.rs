//! One child as it is sent to the API server: its JSON, annotated with the hash of it. Pure.

use std::fmt::Write;

use aws_lc_rs::digest::{SHA256, digest};
use serde::Serialize;
use serde_json::{Map, Value};

use ras_core::build::labels::APPLIED;
use ras_core::build::{DesiredObject, NotJson};
use ras_core::fetched::record::{ChildKey, Record};
use ras_core::kind::Kind;
use ras_core::names::RENDER_CONTAINER;

#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    pub key: ChildKey,
    /// The object with the annotation [`APPLIED`].
    pub body: Value,
    /// Hash of the object without that annotation.
    pub hash: String,
}

/// A child that cannot be written as JSON, which is a bug in `build`.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct ItemError(#[from] NotJson);

impl Item {
    pub fn new(kind: Kind, object: &impl Serialize) -> Result<Self, ItemError> {
        let body = serde_json::to_value(object).map_err(|source| NotJson { kind, source })?;
        Self::from_object(DesiredObject { kind, body })
    }

    pub fn from_object(object: DesiredObject) -> Result<Self, ItemError> {
        let DesiredObject { kind, mut body } = object;
        let metadata = |field: &str| {
            let text = body.get("metadata").and_then(|metadata| metadata.get(field));
            text.and_then(Value::as_str).unwrap_or_default()
        };
        let key = ChildKey::new(kind, metadata("namespace"), metadata("name"));
        let hash = hash(&serde_json::to_vec(&body).map_err(|source| NotJson { kind, source })?);
        annotate(&mut body, &hash);
        Ok(Self { key, body, hash })
    }

    /// True when this item is what was applied last.
    pub fn is_applied_in(&self, record: &Record) -> bool {
        record.applied.as_deref() == Some(self.hash.as_str())
    }

    /// The replicas of a Deployment that replaces its pods one at a time.
    pub fn one_at_a_time(&self) -> Option<i64> {
        let number = |pointer: &str| self.body.pointer(pointer).and_then(Value::as_i64);
        // Other strategies have a percentage, or none.
        (number("/spec/strategy/rollingUpdate/maxSurge") == Some(1)).then_some(())?;
        number("/spec/replicas")
    }

    /// The same Deployment with another `spec.replicas`. `None` removes the field.
    #[must_use]
    pub fn with_replicas(&self, replicas: Option<i32>) -> Self {
        let mut body = self.body.clone();
        if let Some(spec) = body.get_mut("spec").and_then(Value::as_object_mut) {
            match replicas {
                Some(count) => drop(spec.insert("replicas".to_owned(), count.into())),
                None => drop(spec.remove("replicas")),
            }
        }
        self.changed(body)
    }

    /// True for a workload with zero replicas.
    pub fn asks_for_no_pods(&self) -> bool {
        matches!(self.key.kind, Kind::Deployment | Kind::StatefulSet)
            && self.body.pointer("/spec/replicas").and_then(Value::as_i64) == Some(0)
    }

    /// The same Deployment with another image in the init container that renders files.
    #[must_use]
    pub fn rendered_by(&self, image: &str) -> Self {
        let mut body = self.body.clone();
        let containers = body
            .pointer_mut("/spec/template/spec/initContainers")
            .and_then(Value::as_array_mut);
        for container in containers.into_iter().flatten() {
            if container.get("name").and_then(Value::as_str) == Some(RENDER_CONTAINER)
                && let Some(container) = container.as_object_mut()
            {
                container.insert("image".to_owned(), image.into());
            }
        }
        self.changed(body)
    }

    #[must_use]
    pub fn without_replicas(&self) -> Self {
        self.with_replicas(None)
    }

    fn changed(&self, mut body: Value) -> Self {
        disannotate(&mut body);
        // It was JSON before, so this does not fail.
        let hash = hash(&serde_json::to_vec(&body).unwrap_or_default());
        annotate(&mut body, &hash);
        Self {
            key: self.key.clone(),
            body,
            hash,
        }
    }
}

fn disannotate(body: &mut Value) {
    let Some(metadata) = metadata(body) else { return };
    let left = metadata
        .get_mut("annotations")
        .and_then(Value::as_object_mut)
        .map(|annotations| {
            annotations.remove(APPLIED);
            annotations.len()
        });
    if left == Some(0) {
        metadata.remove("annotations");
    }
}

fn metadata(body: &mut Value) -> Option<&mut Map<String, Value>> {
    body.as_object_mut()?
        .entry("metadata")
        .or_insert_with(|| Value::Object(Map::new()))
        .as_object_mut()
}

fn annotate(body: &mut Value, hash: &str) {
    if let Some(metadata) = metadata(body)
        && let Some(annotations) = metadata
            .entry("annotations")
            .or_insert_with(|| Value::Object(Map::new()))
            .as_object_mut()
    {
        annotations.insert(APPLIED.to_owned(), hash.into());
    }
}

/// Sixteen hexadecimal digits: two different objects have the same hash with a probability of 1 in 10^19.
fn hash(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(16);
    for byte in digest(&SHA256, bytes).as_ref().iter().take(8) {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_same_object_has_the_same_hash_and_carries_it() {
        let object = json!({"kind": "ConfigMap", "metadata": {"name": "a", "namespace": "n"}, "data": {"k": "v"}});
        let (one, two) = (
            Item::new(Kind::ConfigMap, &object).unwrap(),
            Item::new(Kind::ConfigMap, &object).unwrap(),
        );
        assert_eq!(one, two);
        assert_eq!(one.body["metadata"]["annotations"][APPLIED], one.hash.as_str());
        let other = json!({"kind": "ConfigMap", "metadata": {"name": "a", "namespace": "n"}, "data": {"k": "w"}});
        assert_ne!(Item::new(Kind::ConfigMap, &other).unwrap().hash, one.hash);
    }

    #[test]
    fn changing_the_render_image_and_back_gives_the_same_item() {
        let container = |image: &str| json!({"name": RENDER_CONTAINER, "image": image});
        let deployment = |image: &str| {
            json!({"metadata": {"name": "d", "namespace": "n"},
                "spec": {"template": {"spec": {"initContainers": [container(image)], "containers": [{"name": "c", "image": "i"}]}}}})
        };
        let (old, new) = (
            Item::new(Kind::Deployment, &deployment("ras-operator:1")).unwrap(),
            Item::new(Kind::Deployment, &deployment("ras-operator:2")).unwrap(),
        );
        assert_ne!(old.hash, new.hash);
        assert_eq!(new.rendered_by("ras-operator:1"), old);
    }

    #[test]
    fn removing_replicas_gives_the_item_that_never_had_them() {
        let with = json!({"metadata": {"name": "d", "namespace": "n"}, "spec": {"paused": true, "replicas": 3}});
        let without = json!({"metadata": {"name": "d", "namespace": "n"}, "spec": {"paused": true}});
        let item = |object: &Value| Item::new(Kind::Deployment, object).unwrap();
        assert_eq!(item(&with).without_replicas(), item(&without));
    }
}
