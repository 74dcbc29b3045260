//! Secrets: who waits for them, and who restarts when they change.

mod external;
mod generated;
mod restarts;

use ras_core::fetched::{Fetched, SecretFacts};
use ras_crds::{ConditionType, Reason, RecruitmentDrive};

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
                        ..SecretFacts::default()
                    },
                )
            })
            .collect(),
        ..Fetched::default()
    }
}

fn all() -> Fetched {
    facts(&[
        ("d-jwt", &[("key", "1")]),
        ("campus-mail", &[("user", "1"), ("password", "1"), ("other", "1")]),
    ])
}

#[test]
fn a_service_waits_for_its_secrets_and_no_other_does() {
    let held = built(&drive(), &Fetched::default()).blocked;
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
    let held = built(&drive(), &facts(&[("d-jwt", &[]), ("campus-mail", &[("user", "1")])])).blocked;
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
    assert!(built(&drive, &Fetched::default()).blocked.is_empty());
}
