//! Secrets: who waits for them, and who restarts when they change.

use std::collections::BTreeMap;

use ras_crds::{ConditionType, Reason, RecruitmentDrive};
use ras_operator::drive::build::labels::SECRETS_HASH;
use ras_operator::drive::fetched::{Fetched, SecretFacts};

use crate::drives::{built, with_spec};

fn drive() -> RecruitmentDrive {
    with_spec(
        "
        services:
        - name: one
          image: portal:1
          env: [{name: KEY, secret: {name: jwt, key: key}}]
        - name: two
          image: portal:1
          env: [{name: PASSWORD, secret: {name: mail, key: password}}]
          sidecars: [{name: helper, image: helper:1, env: [{name: USER, secret: {name: mail, key: user}}]}]
        - name: whole
          image: portal:1
          envFrom: [{secret: mail}]
        - name: none
          image: portal:1
        secrets:
        - {name: jwt, generate: {keys: [key]}}
        - {name: mail, existing: {secretName: campus-mail}}
        ",
    )
}

fn facts(secrets: &[(&str, &[(&str, &str)])]) -> Fetched {
    let keys = |keys: &[(&str, &str)]| {
        keys.iter()
            .map(|(key, stamp)| ((*key).to_owned(), (*stamp).to_owned()))
            .collect()
    };
    Fetched {
        secrets: secrets
            .iter()
            .map(|(name, all)| {
                (
                    (*name).to_owned(),
                    SecretFacts {
                        keys: Some(keys(all)),
                        version: "1".to_owned(),
                    },
                )
            })
            .collect(),
        ..Fetched::default()
    }
}

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

fn all() -> Fetched {
    facts(&[
        ("d-jwt", &[("key", "1")]),
        ("campus-mail", &[("user", "1"), ("password", "1"), ("other", "1")]),
    ])
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
                keys: None,
                version: version.to_owned(),
            },
        );
        facts
    };
    assert!(built(&drive(), &with_version("1")).held.is_empty());
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
fn a_service_without_secrets_has_no_hash() {
    assert_eq!(hashes(&all()).get("d-none"), Some(&None));
}

#[test]
fn a_service_waits_for_its_secrets_and_no_other_does() {
    let held = built(&drive(), &Fetched::default()).held;
    assert_eq!(held.keys().collect::<Vec<_>>(), ["d-one", "d-two", "d-whole"]);
    assert!(
        held.values()
            .all(|waiting| (waiting.condition, waiting.reason) == (ConditionType::SecretsReady, Reason::SecretMissing))
    );
    assert!(
        held["d-one"].message.contains("\"d-jwt\"") && held["d-one"].message.contains("being made"),
        "{}",
        held["d-one"].message
    );
    assert!(
        held["d-two"].message.contains("\"campus-mail\"") && held["d-two"].message.contains("make it"),
        "{}",
        held["d-two"].message
    );
    assert_eq!(built(&drive(), &Fetched::default()).deployments.len(), 4);
}

#[test]
fn a_service_waits_for_a_key_that_is_not_there() {
    let held = built(&drive(), &facts(&[("d-jwt", &[]), ("campus-mail", &[("user", "1")])])).held;
    assert_eq!(held.keys().collect::<Vec<_>>(), ["d-one", "d-two"]);
    assert_eq!(held["d-two"].reason, Reason::SecretKeyMissing);
    for part in ["\"campus-mail\"", "\"password\"", "\"two\""] {
        assert!(held["d-two"].message.contains(part), "{}", held["d-two"].message);
    }
}

#[test]
fn a_missing_secret_does_not_keep_a_drive_from_being_suspended() {
    let mut drive = drive();
    drive.spec.suspend = Some(true);
    assert!(built(&drive, &Fetched::default()).held.is_empty());
}

#[test]
fn generated_secrets_are_frames_and_retained_unless_the_drive_says_otherwise() {
    let mut drive = drive();
    let credential = built(&drive, &all()).credentials.remove(0);
    assert_eq!(
        (credential.keys.as_slice(), credential.length),
        (["key".to_owned()].as_slice(), 32)
    );
    assert_eq!(credential.secret.data, None);
    assert_eq!(credential.secret.metadata.owner_references, None);
    drive.spec.secrets[0].deletion_policy = Some(ras_crds::spec::DeletionPolicy::Delete);
    assert!(
        built(&drive, &all())
            .credentials
            .remove(0)
            .secret
            .metadata
            .owner_references
            .is_some()
    );
}
