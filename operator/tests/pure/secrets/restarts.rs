//! Which services restart when a Secret changes.

use std::collections::BTreeMap;

use ras_core::build::labels::{SECRETS_HASH, SECRETS_KNOWN};
use ras_core::fetched::{Fetched, SecretFacts, StartedBy};
use serde_json::{Value, json};

use super::{all, drive, facts};
use crate::drives::built;

fn hashes(fetched: &Fetched) -> BTreeMap<String, Option<String>> {
    let template = |deployment: k8s_openapi::api::apps::v1::Deployment| {
        let annotations = deployment.spec.unwrap().template.metadata.unwrap().annotations;
        (
            deployment.metadata.name.unwrap(),
            annotations.and_then(|annotations| annotations.get(SECRETS_HASH).cloned()),
        )
    };
    built(&drive(), fetched).deployments.into_iter().map(template).collect()
}

fn restarted_by(after: &Fetched) -> Vec<String> {
    let before = hashes(&all());
    hashes(after)
        .into_iter()
        .filter(|(name, hash)| before.get(name) != Some(hash))
        .map(|(name, _)| name)
        .collect()
}

#[test]
fn a_rotated_secret_restarts_only_the_services_that_use_it() {
    let mail: &[_] = &[("user", "1"), ("password", "1"), ("other", "1")];
    assert_eq!(
        restarted_by(&facts(&[("d-jwt", &[("key", "2")]), ("campus-mail", mail)])),
        ["d-one"]
    );
    let sidecars: &[_] = &[("user", "2"), ("password", "1"), ("other", "1")];
    assert_eq!(
        restarted_by(&facts(&[("d-jwt", &[("key", "1")]), ("campus-mail", sidecars)])),
        ["d-two", "d-whole"]
    );
    let unused: &[_] = &[("user", "1"), ("password", "1"), ("other", "2")];
    assert_eq!(
        restarted_by(&facts(&[("d-jwt", &[("key", "1")]), ("campus-mail", unused)])),
        ["d-whole"]
    );
    let mut unrelated = all();
    unrelated
        .secrets
        .insert("somebody-elses".to_owned(), SecretFacts::default());
    assert!(restarted_by(&unrelated).is_empty());
}

#[test]
fn where_keys_are_not_known_the_version_of_the_whole_secret_stands_for_them() {
    let with_version = |version: &str| {
        let mut facts = all();
        facts.secrets.insert(
            "campus-mail".to_owned(),
            SecretFacts {
                version: version.to_owned(),
                ..SecretFacts::default()
            },
        );
        facts
    };
    assert!(built(&drive(), &with_version("1")).blocked.is_empty());
    let changed: Vec<_> = hashes(&with_version("1"))
        .into_iter()
        .filter(|(name, hash)| hashes(&with_version("2")).get(name) != Some(hash))
        .collect();
    assert_eq!(
        changed.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(),
        ["d-two", "d-whole"]
    );
}

#[test]
fn a_secret_whose_managed_fields_were_cleared_is_not_taken_for_one_without_keys() {
    let facts_of = |entries: Value| -> SecretFacts {
        let meta = json!({"name": "s", "resourceVersion": "7", "managedFields": entries});
        ras_operator::informer::observe::secret(&serde_json::from_value(meta).unwrap())
    };
    let entry = |operation: &str, fields: Value| {
        json!({"manager": "m", "operation": operation, "apiVersion": "v1", "time": "2026-07-01T00:00:00Z",
            "fieldsType": "FieldsV1", "fieldsV1": fields})
    };
    let label = json!({"f:metadata": {"f:labels": {"f:team": {}}}});
    // Nothing, a label that somebody wrote later, and our own metadata with the type: none of it tells of keys.
    for entries in [
        json!([]),
        json!([entry("Update", label.clone())]),
        json!([entry("Apply", json!({"f:metadata": {}, "f:type": {}}))]),
        // The API server's own entry, at the first apply after they were cleared.
        json!([{"manager": "before-first-apply", "operation": "Update", "apiVersion": "v1", "time": "2026-07-01T00:00:00Z",
            "fieldsType": "FieldsV1", "fieldsV1": {"f:data": {"f:a": {}}, "f:type": {}}}]),
    ] {
        let facts = facts_of(entries);
        assert_eq!((facts.keys, facts.is_complete), (None, false));
    }
    // One key that was written later: others may be there.
    let facts = facts_of(json!([entry("Update", json!({"f:data": {"f:a": {}}}))]));
    assert_eq!(facts.keys.unwrap().into_keys().collect::<Vec<_>>(), ["a"]);
    assert!(!facts.is_complete);
    // Who made it says its type, and then it is known what is not in it.
    let facts = facts_of(json!([entry("Update", json!({"f:type": {}})), entry("Update", label)]));
    assert_eq!((facts.keys, facts.is_complete), (Some(BTreeMap::new()), true));
    let facts = facts_of(json!([entry("Update", json!({"f:type": {}, "f:data": {"f:a": {}}}))]));
    assert!(facts.is_complete && facts.keys.unwrap().contains_key("a"));
}

/// The same, as pods run that were started by what `before` builds.
fn running(facts: &Fetched, before: &Fetched) -> Fetched {
    let mut facts = facts.clone();
    for deployment in built(&drive(), before).deployments {
        let read = |annotations: Option<BTreeMap<String, String>>, name: &str| annotations?.get(name).cloned();
        let template = deployment.spec.unwrap().template.metadata.unwrap();
        let started_by = StartedBy {
            hash: read(template.annotations, SECRETS_HASH),
            known: read(deployment.metadata.annotations, SECRETS_KNOWN),
        };
        let live = facts.deployments.entry(deployment.metadata.name.unwrap()).or_default();
        live.started_by = started_by;
    }
    facts
}

#[test]
fn pods_stay_when_managed_fields_are_cleared_and_follow_what_is_written_later() {
    let silent = |version: &str| SecretFacts {
        version: version.to_owned(),
        touch: format!("touched at {version}"),
        ..SecretFacts::default()
    };
    let with = |facts: &Fetched, mail: SecretFacts| {
        let mut facts = facts.clone();
        facts.secrets.insert("campus-mail".to_owned(), mail);
        facts
    };
    let changed = |now: &Fetched, before: &BTreeMap<String, Option<String>>| -> Vec<String> {
        let now = hashes(now).into_iter();
        now.filter(|(name, hash)| before.get(name) != Some(hash))
            .map(|(name, _)| name)
            .collect()
    };
    let before = hashes(&all());
    let cleared = running(&with(&all(), silent("7")), &all());
    assert_eq!(hashes(&cleared), before, "nothing was written");
    // Touched again, and by an operator that was started anew.
    let touched = running(&with(&all(), silent("8")), &cleared);
    assert_eq!(hashes(&touched), before);

    // Nothing that people touch is different, so a value was written.
    let mail = SecretFacts {
        version: "9".to_owned(),
        ..silent("8")
    };
    let seen = running(&touched, &touched);
    let written = with(&seen, mail);
    assert_eq!(changed(&written, &before), ["d-two", "d-whole"]);
    let rolled = running(&written, &written);
    assert!(changed(&rolled, &hashes(&written)).is_empty(), "once");

    // What is known of the others is followed as before, once.
    let mut rotated = touched.clone();
    let jwt = rotated.secrets.get_mut("d-jwt").unwrap().keys.as_mut().unwrap();
    jwt.insert("key".to_owned(), "2".to_owned());
    assert_eq!(changed(&rotated, &before), ["d-one"]);
    let rolled = running(&rotated, &rotated);
    assert!(
        changed(&rolled, &hashes(&rotated)).is_empty(),
        "and the pods stay again"
    );

    // And so is a value that is written later, of which the metadata tells.
    let keys = [("user", "1"), ("password", "9"), ("other", "1")];
    let keys = keys.map(|(key, stamp)| (key.to_owned(), stamp.to_owned()));
    let written = with(
        &rolled,
        SecretFacts {
            keys: Some(keys.into()),
            ..SecretFacts::default()
        },
    );
    assert_eq!(changed(&written, &hashes(&rolled)), ["d-two", "d-whole"]);
    let annotated = |facts: &Fetched| {
        let deployments = built(&drive(), facts).deployments.into_iter();
        deployments
            .filter(|deployment| deployment.metadata.annotations.is_some())
            .count()
    };
    assert_eq!((annotated(&all()), annotated(&cleared), annotated(&written)), (0, 2, 0));
}

#[test]
fn a_service_without_secrets_has_no_hash() {
    assert_eq!(hashes(&all()).get("d-none"), Some(&None));
}
