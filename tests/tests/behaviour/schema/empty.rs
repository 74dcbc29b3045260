//! Server-side apply can empty every object that may be empty.

use std::time::Duration;

use kube::api::{Patch, PatchParams};
use ras_tests::{Error, cluster, eventually};
use serde_json::{Value, json};

use super::copy::{copies, copy, install, remove};

const LIMIT: Duration = Duration::from_secs(60);
const GROUP: &str = "emptied.example.com";

/// A drive in which one object has a field, and the same drive in which that object is empty.
struct Emptied {
    what: &'static str,
    full: Value,
    empty: Value,
}

fn cases() -> Vec<Emptied> {
    let in_spec = |what, field: &str, full: Value, empty: Value| {
        let spec = |value: Value| {
            let mut spec = json!({
                "services": [{"name": "web", "image": "web:1", "ports": [{"name": "http", "port": 80, "path": "/"}]}],
                "cache": {},
            });
            spec[field] = value;
            spec
        };
        Emptied {
            what,
            full: spec(full),
            empty: spec(empty),
        }
    };
    let in_service = |what, field: &str, full: Value, empty: Value| {
        let services = |value: Value| {
            let mut service = json!({"name": "web", "image": "web:1"});
            service[field] = value;
            json!([service])
        };
        in_spec(what, "services", services(full), services(empty))
    };
    let volume = |scratch: Value| json!([{"name": "data", "path": "/data", "scratch": scratch}]);
    let host = |annotations: Value| json!({"host": "jobs.example.edu", "annotations": annotations});
    let helper = |limits: Value| json!([{"name": "proxy", "image": "proxy:1", "resources": {"limits": limits}}]);
    vec![
        in_spec("cache", "cache", json!({"memory": "64Mi"}), json!({})),
        in_spec(
            "monitoring",
            "monitoring",
            json!({"alerts": {"notReadyFor": "5m"}}),
            json!({}),
        ),
        in_spec(
            "alerts",
            "monitoring",
            json!({"alerts": {"notReadyFor": "5m"}}),
            json!({"alerts": {}}),
        ),
        in_spec(
            "annotations",
            "exposure",
            host(json!({"example.com/a": "b"})),
            host(json!({})),
        ),
        in_service("uses", "uses", json!({"cache": true}), json!({})),
        in_service("podSecurity", "podSecurity", json!({"runAsUser": 1000}), json!({})),
        in_service(
            "scheduling",
            "scheduling",
            json!({"nodeSelector": {"pool": "large"}}),
            json!({}),
        ),
        in_service(
            "nodeSelector",
            "scheduling",
            json!({"nodeSelector": {"pool": "large"}}),
            json!({"nodeSelector": {}}),
        ),
        in_service("resources", "resources", json!({"requests": {"cpu": "1"}}), json!({})),
        in_service(
            "requests",
            "resources",
            json!({"requests": {"cpu": "1"}}),
            json!({"requests": {}}),
        ),
        in_service("scratch", "volumes", volume(json!({"memory": true})), volume(json!({}))),
        in_service(
            "limits of a sidecar",
            "sidecars",
            helper(json!({"memory": "64Mi"})),
            helper(json!({})),
        ),
    ]
}

/// Each object is stored under the schema that had no atomic objects, then the new schema comes, then the object loses its
/// last field: what a `GitOps` tool with server-side apply does around an upgrade.
#[tokio::test]
async fn server_side_apply_empties_what_it_filled_under_this_schema_and_under_the_one_before() -> Result<(), Error> {
    let cluster = cluster().await?;
    let new = copy(GROUP);
    let mut old = new.clone();
    not_atomic(&mut old);
    assert_ne!(old, new);
    install(cluster, &old).await?;
    let namespace = cluster.namespace("emptied").await?;
    let drives = copies(&namespace, GROUP);
    let apply = async |name: String, spec: &Value| {
        let drive = json!({
            "apiVersion": format!("{GROUP}/v1alpha1"), "kind": "Copy", "metadata": {"name": name}, "spec": spec,
        });
        drives
            .patch(&name, &PatchParams::apply("gitops"), &Patch::Apply(&drive))
            .await
            .map(|drive| drive.data["spec"].clone())
    };
    for (index, case) in cases().iter().enumerate() {
        eventually(LIMIT, "the kind to be served", async || {
            Ok(apply(format!("old-{index}"), &case.full).await?)
        })
        .await?;
    }
    let refused = apply("old-0".to_owned(), &cases()[0].empty).await.unwrap_err();
    assert!(refused.to_string().contains("null"), "{refused}");

    install(cluster, &new).await?;
    // The server takes up a changed schema within seconds.
    eventually(LIMIT, "the new schema to be in use", async || {
        Ok(apply("old-0".to_owned(), &cases()[0].empty).await?)
    })
    .await?;
    for (index, Emptied { what, full, empty }) in cases().iter().enumerate() {
        for age in ["old", "new"] {
            let name = format!("{age}-{index}");
            if age == "new" {
                apply(name.clone(), full).await.unwrap();
            }
            let stored = apply(name, empty)
                .await
                .unwrap_or_else(|refused| panic!("{what}, {age}: {refused}"));
            assert_eq!(&stored, empty, "{what}, {age}");
        }
    }
    remove(namespace.client(), &new).await;
    namespace.delete().await
}

fn not_atomic(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            fields.remove("x-kubernetes-map-type");
            fields.values_mut().for_each(not_atomic);
        }
        Value::Array(items) => items.iter_mut().for_each(not_atomic),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
