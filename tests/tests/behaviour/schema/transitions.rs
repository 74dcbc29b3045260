//! Any drive can be reached from any other, by every way in which tools write: client-side apply, server-side apply, PUT and
//! patch.

use futures::{StreamExt as _, stream};
use kube::{
    Api,
    api::{DynamicObject, Patch, PatchParams, PostParams},
};
use ras_tests::{Cluster, Error, TestNamespace};
use serde_json::{Map, Value, json};

use super::{
    cluster::{accepted, drive, drives, drives_of, schema_cluster, spec_schema, tried},
    random::Random,
};

/// Different drives.
const POOL: usize = 120;
const CASES: u64 = 360;
const LEAST: usize = 300;
const AT_A_TIME: usize = 4;

/// One drive and another one, to which it changes.
struct Pair {
    name: String,
    from: Value,
    to: Value,
}

#[tokio::test]
async fn any_drive_can_be_reached_from_any_other_by_every_way_of_writing() -> Result<(), Error> {
    let cluster = schema_cluster().await?;
    let seed = Random::seed();
    println!("SCHEMA_SEED={seed}");
    let namespace = cluster.namespace("pairs").await?;
    let pairs = pairs(&drives(&namespace), seed).await;

    let put = cluster.namespace("put").await?;
    let patch = cluster.namespace("patch").await?;
    let client_side = cluster.namespace("client-side").await?;
    let server_side = cluster.namespace("server-side").await?;
    store(&put, &pairs).await;
    store(&patch, &pairs).await;
    let kubectl_client: &[&str] = &["apply", "-f", "-"];
    let kubectl_server: &[&str] = &["apply", "--server-side", "-f", "-"];
    kubectl(
        cluster,
        &client_side,
        kubectl_client,
        pairs.iter().map(|pair| (&pair.name, &pair.from)),
    )
    .await?;
    kubectl(
        cluster,
        &server_side,
        kubectl_server,
        pairs.iter().map(|pair| (&pair.name, &pair.from)),
    )
    .await?;

    // Rules about what may never change hold for each way alike: PUT says which changes are possible.
    let mut possible = Vec::new();
    for pair in &pairs {
        if replaced(&drives(&put), pair).await {
            possible.push(pair);
        }
    }
    println!("{} of them may follow each other", possible.len());
    for pair in &possible {
        merged(&drives(&patch), pair).await;
    }
    let words_client = kubectl(
        cluster,
        &client_side,
        kubectl_client,
        possible.iter().map(|pair| (&pair.name, &pair.to)),
    )
    .await?;
    let words_server = kubectl(
        cluster,
        &server_side,
        kubectl_server,
        possible.iter().map(|pair| (&pair.name, &pair.to)),
    )
    .await?;
    let mut wrong = Vec::new();
    for pair in &possible {
        for (way, namespace) in [
            ("PUT", &put),
            ("merge patch", &patch),
            ("client-side apply", &client_side),
            ("server-side apply", &server_side),
        ] {
            let stored = drives(namespace).get(&pair.name).await.unwrap().data["spec"].clone();
            let (stored_now, wanted) = (without_empty_lists(&stored), without_empty_lists(&pair.to));
            if stored_now != wanted {
                wrong.push(format!(
                    "{way}, {}: from {}\n  to {wanted}\n  is {stored_now}",
                    pair.name, pair.from
                ));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "SCHEMA_SEED={seed}: {} of {} drives are not reached:\n{}\n{words_client}\n{words_server}",
        wrong.len(),
        possible.len(),
        wrong.join("\n")
    );
    assert!(
        possible.len() >= LEAST,
        "SCHEMA_SEED={seed}: {} changes are too few to say anything",
        possible.len()
    );
    for namespace in [namespace, put, patch, client_side, server_side] {
        namespace.delete().await?;
    }
    Ok(())
}

/// Pairs of accepted drives, half of which differ in that objects and lists of the second are empty.
async fn pairs(drives: &Api<DynamicObject>, seed: u64) -> Vec<Pair> {
    let schema = spec_schema();
    let pool: Vec<Value> = stream::iter(0..)
        .map(|case| accepted(drives, &schema, seed, case))
        .buffer_unordered(AT_A_TIME)
        .filter_map(async |drive| Some(drive?.data["spec"].clone()))
        .take(POOL)
        .collect()
        .await;
    let mut pairs = Vec::new();
    for case in 0..CASES {
        let mut random = Random::of_case(seed, case);
        let from = random.pick(&pool).clone();
        let mut to = random.pick(&pool).clone();
        if random.chance(60) {
            let mut emptied = from.clone();
            empty_some(&mut emptied, &schema, &mut random);
            if tried(drives, &drive("emptied", &emptied)).await.is_ok() {
                to = emptied;
            }
        }
        pairs.push(Pair {
            name: format!("d-{case}"),
            from,
            to,
        });
    }
    pairs
}

/// Empties objects, maps and lists that the schema lets be empty.
fn empty_some(value: &mut Value, schema: &Value, random: &mut Random) {
    match value {
        Value::Object(fields) => {
            let may_be_empty = schema["required"].as_array().is_none_or(Vec::is_empty);
            if may_be_empty && random.chance(40) {
                fields.clear();
            }
            for (name, field) in fields {
                let inner = if schema["properties"].is_object() {
                    &schema["properties"][name]
                } else {
                    &schema["additionalProperties"]
                };
                empty_some(field, inner, random);
            }
        }
        Value::Array(items) => {
            if schema["minItems"].as_u64().unwrap_or(0) == 0 && random.chance(20) {
                items.clear();
            }
            for item in items {
                empty_some(item, &schema["items"], random);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn object(name: &str, spec: &Value) -> DynamicObject {
    serde_json::from_value(drive(name, spec)).unwrap()
}

async fn store(namespace: &TestNamespace, pairs: &[Pair]) {
    stream::iter(pairs)
        .for_each_concurrent(AT_A_TIME, |pair| async move {
            let drives = drives_of(namespace.client(), namespace.name());
            drives
                .create(&PostParams::default(), &object(&pair.name, &pair.from))
                .await
                .unwrap();
        })
        .await;
}

/// True if the one drive may follow the other.
async fn replaced(drives: &Api<DynamicObject>, pair: &Pair) -> bool {
    let mut object = object(&pair.name, &pair.to);
    object.metadata.resource_version = drives.get(&pair.name).await.unwrap().metadata.resource_version;
    drives
        .replace(&pair.name, &PostParams::default(), &object)
        .await
        .is_ok()
}

async fn merged(drives: &Api<DynamicObject>, pair: &Pair) {
    let patch = json!({"spec": difference(&pair.from, &pair.to)});
    // A refusal is seen by whoever compares what is stored with what should be.
    drop(
        drives
            .patch(&pair.name, &PatchParams::default(), &Patch::Merge(&patch))
            .await,
    );
}

/// The JSON merge patch (RFC 7386) that makes one of the other.
fn difference(from: &Value, to: &Value) -> Value {
    let (Value::Object(old), Value::Object(new)) = (from, to) else {
        return to.clone();
    };
    let mut patch = Map::new();
    for key in old.keys().filter(|key| !new.contains_key(*key)) {
        patch.insert(key.clone(), Value::Null);
    }
    for (key, value) in new {
        match old.get(key) {
            Some(before) if before == value => {}
            Some(before) => drop(patch.insert(key.clone(), difference(before, value))),
            None => drop(patch.insert(key.clone(), value.clone())),
        }
    }
    Value::Object(patch)
}

/// Writes all drives with one `kubectl`, and tells what it said.
async fn kubectl<'a>(
    cluster: &Cluster,
    namespace: &TestNamespace,
    arguments: &[&str],
    drives: impl Iterator<Item = (&'a String, &'a Value)>,
) -> Result<String, Error> {
    let items: Vec<Value> = drives.map(|(name, spec)| drive(name, spec)).collect();
    let list = json!({"apiVersion": "v1", "kind": "List", "items": items});
    let arguments: Vec<&str> = arguments.iter().copied().chain(["-n", namespace.name()]).collect();
    Ok(cluster.kubectl_with_input(&arguments, &list.to_string()).await?.stderr)
}

/// An empty list and an absent one mean the same, and server-side apply makes the one of the other where lists are merged;
/// `egress` is the exception, which is never merged.
fn without_empty_lists(value: &Value) -> Value {
    match value {
        Value::Object(fields) => fields
            .iter()
            .filter(|(name, field)| name.as_str() == "egress" || field.as_array().is_none_or(|items| !items.is_empty()))
            .map(|(name, field)| (name.clone(), without_empty_lists(field)))
            .collect(),
        Value::Array(items) => items.iter().map(without_empty_lists).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}
