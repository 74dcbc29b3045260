//! Every rule of the CRD, with what it accepts and what it refuses. The table is rules.yaml.

use std::collections::BTreeSet;

use super::{a_good_drive, cluster_with_drives, drives, tried};
use kube::api::{DeleteParams, DynamicObject, PostParams};
use ras_core::{
    fetched::Fetched,
    platform::{ObjectStoreConfig, PlatformConfig},
};
use ras_tests::{Error, repository};
use serde::Deserialize;
use serde_json::{Value, json};

const PROMISES: &str = include_str!("rules.yaml");

/// One row of rules.yaml.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    promise: String,
    before: Option<Change>,
    #[serde(default)]
    accepted: Changes,
    #[serde(default)]
    refused: Changes,
    #[serde(default)]
    field: String,
    #[serde(default)]
    says: String,
    #[serde(default)]
    by: By,
}

/// Who refuses.
#[derive(Clone, Copy, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
enum By {
    #[default]
    ApiServer,
    /// The rule would cost the API server too much, so the operator alone reports it.
    Operator,
}

/// The operator's report about a drive that the API server accepted.
fn reported(drive: Value) -> String {
    let drive = serde_json::from_value(drive).unwrap();
    let found = ras_core::validate::validate(
        &drive,
        &Fetched::default(),
        &PlatformConfig {
            object_store: Some(ObjectStoreConfig::default()),
            ..PlatformConfig::default()
        },
    );
    found.err().map(|problems| problems.to_string()).unwrap_or_default()
}

/// One change of the good drive, or several of which each is tried by itself.
#[derive(Deserialize)]
#[serde(untagged)]
enum Changes {
    One(Box<Change>),
    Each(Vec<Change>),
}

impl Default for Changes {
    fn default() -> Self {
        Self::Each(Vec::new())
    }
}

impl Changes {
    fn iter(&self) -> impl Iterator<Item = &Change> {
        match self {
            Self::One(change) => std::slice::from_ref(change.as_ref()),
            Self::Each(changes) => changes,
        }
        .iter()
    }
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    name: Option<String>,
    #[serde(default)]
    spec: Value,
    #[serde(default)]
    service: Value,
}

impl Change {
    /// The good drive with this change.
    fn drive(&self) -> Value {
        let mut drive = a_good_drive();
        if let Some(name) = &self.name {
            drive["metadata"]["name"] = json!(name);
        }
        merge(&mut drive["spec"], &self.spec);
        if !self.service.is_null() {
            merge(&mut drive["spec"]["services"][0], &self.service);
        }
        drive
    }
}

/// JSON merge patch without deletion (RFC 7386).
fn merge(target: &mut Value, patch: &Value) {
    match patch {
        Value::Null => {}
        Value::Object(fields) if target.is_object() => {
            for (name, value) in fields {
                merge(&mut target[name], value);
            }
        }
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => {
            *target = expanded(patch);
        }
    }
}

/// Texts such as `{60000 characters}` at their length.
fn expanded(value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().map(expanded).collect(),
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| (name.clone(), expanded(value)))
            .collect(),
        Value::String(text) => {
            let length = text
                .strip_prefix('{')
                .and_then(|rest| rest.strip_suffix(" characters}"));
            length
                .and_then(|length| length.parse().ok())
                .map_or_else(|| value.clone(), |length| json!("x".repeat(length)))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}

/// Every `message` of a rule in the definition.
fn messages_of_rules(schema: &Value, found: &mut BTreeSet<String>) {
    match schema {
        Value::Array(items) => items.iter().for_each(|item| messages_of_rules(item, found)),
        Value::Object(fields) => {
            for rule in fields
                .get("x-kubernetes-validations")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
            {
                found.extend(rule["message"].as_str().map(str::to_owned));
            }
            fields.values().for_each(|field| messages_of_rules(field, found));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[tokio::test]
async fn every_promise_of_the_definition_is_kept_by_the_api_server() -> Result<(), Error> {
    let promises: Vec<Row> = serde_yaml::from_str(PROMISES).unwrap();
    let cluster = cluster_with_drives().await?;
    let namespace = cluster.namespace("crd").await?;
    let drives = drives(&namespace);
    tried(&drives, &a_good_drive()).await.unwrap();

    let mut broken = Vec::new();
    for Row {
        promise,
        before,
        accepted,
        refused,
        field,
        says,
        by,
    } in &promises
    {
        if let Some(before) = before {
            namespace.apply(&before.drive().to_string()).await?;
        }
        for change in accepted.iter() {
            if let Err(refusal) = tried(&drives, &change.drive()).await {
                broken.push(format!("{promise}: {change:?} was refused: {refusal}"));
            }
        }
        for change in refused.iter() {
            match tried(&drives, &change.drive()).await {
                Ok(()) if *by == By::Operator => {
                    let reported = reported(change.drive());
                    if !reported.contains(field) || !reported.contains(says) {
                        broken.push(format!("{promise}: {change:?} is reported as {reported}"));
                    }
                }
                Err(refusal) if *by == By::Operator => {
                    broken.push(format!(
                        "{promise}: {change:?} was refused by the API server: {refusal}"
                    ));
                }
                Ok(()) => broken.push(format!("{promise}: {change:?} was accepted")),
                // `spec.services[0].files` and not `spec.services[0].files[0]`, unless that was meant.
                Err(refusal) if !names(&refusal, field) || !refusal.contains(says) => {
                    broken.push(format!(
                        "{promise}: {change:?} was refused by other words than {field} and {says:?}: {refusal}"
                    ));
                }
                Err(_) => {}
            }
        }
        if before.is_some() {
            drives
                .delete("placements-2026", &DeleteParams::default())
                .await
                .map(drop)
                .unwrap();
        }
    }
    assert!(
        broken.is_empty(),
        "{} of {} promises are broken:\n{}",
        broken.len(),
        promises.len(),
        broken.join("\n")
    );
    namespace.delete().await
}

/// True if a refusal names just this field, and none within it.
fn names(refusal: &str, field: &str) -> bool {
    refusal.match_indices(field).any(|(at, _)| {
        let after = refusal.get(at + field.len()..).unwrap_or_default();
        after.starts_with([':', '"', ' ']) || after.is_empty()
    })
}

#[test]
fn no_rule_is_without_its_test() {
    let text = std::fs::read_to_string(repository().join("crds/recruitmentdrives.yaml")).unwrap();
    let definition: Value = serde_yaml::from_str(&text).unwrap();
    let mut messages = BTreeSet::new();
    messages_of_rules(&definition, &mut messages);
    assert!(messages.len() > 50, "{messages:?}");

    let promises: Vec<Row> = serde_yaml::from_str(PROMISES).unwrap();
    let tested: BTreeSet<String> = promises.into_iter().map(|promise| promise.says).collect();
    // Those that stand at many fields have a test that tries each field: see schema/sentences.rs.
    let untested: Vec<_> = messages
        .difference(&tested)
        .filter(|message| !ras_crds::sentences::is_shared(message))
        .collect();
    assert!(
        untested.is_empty(),
        "tests/tests/behaviour/rules.yaml has no row that says: {untested:#?}"
    );
}

#[tokio::test]
async fn a_field_with_nothing_behind_it_is_absent_and_breaks_no_rule() -> Result<(), Error> {
    let namespace = cluster_with_drives().await?.namespace("nothing").await?;
    let drives = drives(&namespace);
    let mut drive = a_good_drive();
    drive["spec"]["services"][0]["autoscaling"] = json!({"maxReplicas": 3, "targetCPUUtilization": 70});
    let absent = drive["spec"].clone();
    for field in ["egress", "replicas", "probe", "rollout"] {
        drive["spec"]["services"][0][field] = Value::Null;
    }
    let refusal = tried(&drives, &drive).await.unwrap_err();
    assert!(
        refusal.contains("spec.services[0].replicas"),
        "server-side apply: {refusal}"
    );
    let object: DynamicObject = serde_json::from_value(drive).unwrap();
    let stored = drives.create(&PostParams::default(), &object).await.unwrap();
    assert_eq!(stored.data["spec"], absent);
    namespace.delete().await
}
