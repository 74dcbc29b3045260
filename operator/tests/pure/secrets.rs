//! Secrets: who waits for them, and who restarts when they change.

use crate::planned::{Planned, build, validate};
use std::collections::BTreeMap;

use k8s_openapi::jiff::Timestamp;
use ras_core::build::labels::{SECRETS_HASH, SECRETS_KNOWN};
use ras_core::fetched::{Apis, ExternalFacts, ExternalSecretsVersion, Fetched, ForeignState, SecretFacts, StartedBy};
use ras_core::plan::external_secret::trouble;
use ras_core::platform;
use ras_core::valid::ValueFormat;
use ras_crds::{ConditionType, Reason, RecruitmentDrive};
use serde_json::{Value, json};

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
    let told = |entries: Value| -> SecretFacts {
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
        let facts = told(entries);
        assert_eq!((facts.keys, facts.is_complete), (None, false));
    }
    // One key that was written later: others may be there.
    let facts = told(json!([entry("Update", json!({"f:data": {"f:a": {}}}))]));
    assert_eq!(facts.keys.unwrap().into_keys().collect::<Vec<_>>(), ["a"]);
    assert!(!facts.is_complete);
    // Who made it says its type, and then it is known what is not in it.
    let facts = told(json!([entry("Update", json!({"f:type": {}})), entry("Update", label)]));
    assert_eq!((facts.keys, facts.is_complete), (Some(BTreeMap::new()), true));
    let facts = told(json!([entry("Update", json!({"f:type": {}, "f:data": {"f:a": {}}}))]));
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

#[test]
fn generated_secrets_are_frames_and_retained_unless_the_drive_says_otherwise() {
    let mut drive = drive();
    let credential = built(&drive, &all()).credentials.remove(0);
    assert_eq!(
        (credential.keys.as_slice(), credential.value_format),
        (["key".to_owned()].as_slice(), ValueFormat::Alphanumeric(32))
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

fn rotating(annotation: &str) -> RecruitmentDrive {
    let mut drive = with_spec(
        "
        services: [{name: web, image: portal:1}]
        freezes: [{name: day-one, startsAt: '2026-12-01T00:00:00Z', endsAt: '2026-12-03T00:00:00Z'}]
        secrets:
        - {name: jwt, generate: {keys: [key], rotate: {every: 30d, keepWhileOpen: true}}}
        - {name: cookie, generate: {keys: [key], rotate: {every: 30d}}}
        - {name: never, generate: {keys: [key]}}
        ",
    );
    if !annotation.is_empty() {
        drive.metadata.annotations = Some([("ras.dev/rotate".to_owned(), annotation.to_owned())].into());
    }
    drive
}

/// Facts of a drive whose secrets were drawn then, looked at now.
fn drawn(then: &str, now: &str) -> Fetched {
    let mut facts = facts(&[
        ("d-jwt", &[("key", "1")]),
        ("d-cookie", &[("key", "1")]),
        ("d-never", &[("key", "1")]),
    ]);
    for secret in facts.secrets.values_mut() {
        secret.drawn_at = Some(then.parse().unwrap());
    }
    facts.now = now.parse().unwrap();
    facts
}

fn rotated(drive: &RecruitmentDrive, fetched: &Fetched) -> Vec<String> {
    built(drive, fetched)
        .credentials
        .into_iter()
        .filter(|credential| credential.rotate)
        .map(|credential| credential.secret.metadata.name.unwrap())
        .collect()
}

#[test]
fn what_is_due_rotates_and_what_is_kept_while_the_drive_is_open_waits_until_it_is_not() {
    let mut drive = rotating("");
    assert!(rotated(&drive, &drawn("2026-07-01T00:00:00Z", "2026-07-30T00:00:00Z")).is_empty());
    let due = drawn("2026-07-01T00:00:00Z", "2026-08-02T00:00:00Z");
    assert_eq!(rotated(&drive, &due), ["d-cookie"]);
    drive.spec.suspend = Some(true);
    assert_eq!(rotated(&drive, &due), ["d-cookie", "d-jwt"]);
    let frozen = drawn("2026-07-01T00:00:00Z", "2026-12-02T00:00:00Z");
    assert!(rotated(&drive, &frozen).is_empty());
}

#[test]
fn a_wish_is_done_once_and_another_mark_makes_it_another_wish() {
    let mut facts = drawn("2026-07-01T00:00:00Z", "2026-07-02T00:00:00Z");
    assert_eq!(rotated(&rotating("never,cookie@1"), &facts), ["d-cookie", "d-never"]);
    facts.secrets.get_mut("d-never").unwrap().rotated_for = Some("never".to_owned());
    facts.secrets.get_mut("d-cookie").unwrap().rotated_for = Some("cookie@1".to_owned());
    assert!(rotated(&rotating("never,cookie@1"), &facts).is_empty());
    assert!(rotated(&rotating(""), &facts).is_empty());
    assert_eq!(rotated(&rotating("cookie@2"), &facts), ["d-cookie"]);
    // A mistake in it is told, and hinders nothing.
    let valid = validate(&rotating("nevr"), &facts, &platform::PlatformConfig::default()).unwrap();
    assert!(valid.warnings[0].contains("\"nevr\""), "{:?}", valid.warnings);
}

#[test]
fn a_drive_wakes_for_what_rotates_next() {
    let valid = validate(
        &rotating(""),
        &drawn("2026-07-01T00:00:00Z", "2026-07-02T00:00:00Z"),
        &platform::PlatformConfig::default(),
    )
    .unwrap();
    let next = valid.plan().next_wake_up.unwrap();
    let day = |day: &str| -> Timestamp { format!("2026-07-{day}T00:00:00Z").parse().unwrap() };
    assert!(
        next >= day("31") && next.as_second() < day("31").as_second() + 3_600,
        "{next}"
    );
}

fn from_store() -> RecruitmentDrive {
    with_spec(
        "
        services: [{name: web, image: portal:1, env: [{name: PASSWORD, secret: {name: mail, key: password}}]}]
        secrets:
        - {name: mail, external: {store: campus-vault, key: spo/mail}}
        - {name: map, external: {keys: [{name: key, key: spo/map, property: api, version: '3'}], refreshInterval: 1d}}
        ",
    )
}

fn read_store(facts: &Fetched) -> Planned {
    let settings = platform::parse("secrets: {store: campus, storeKind: SecretStore}").unwrap();
    validate(&from_store(), facts, &settings).unwrap()
}

fn served(version: Option<ExternalSecretsVersion>) -> Fetched {
    Fetched {
        apis: Apis {
            external_secrets: version,
            ..Apis::default()
        },
        ..Fetched::default()
    }
}

#[test]
fn a_store_is_asked_in_the_version_that_the_cluster_serves() {
    for (version, written) in [
        (ExternalSecretsVersion::V1, "external-secrets.io/v1"),
        (ExternalSecretsVersion::V1Beta1, "external-secrets.io/v1beta1"),
    ] {
        let desired = build(&read_store(&served(Some(version))));
        let asked: Vec<Value> = desired.external_secrets.iter().map(|one| json!(one)).collect();
        assert_eq!(asked[0]["apiVersion"], written);
        assert_eq!(asked[0]["metadata"]["ownerReferences"][0]["kind"], "RecruitmentDrive");
        let spec = &asked[0]["spec"];
        assert_eq!(
            spec["secretStoreRef"],
            json!({"name": "campus-vault", "kind": "SecretStore"})
        );
        assert_eq!(spec["dataFrom"], json!([{"extract": {"key": "spo/mail"}}]));
        assert_eq!(spec["refreshInterval"], "1h");
        assert_eq!(spec["target"]["name"], "d-mail");
        assert_eq!(
            asked[1]["spec"]["secretStoreRef"]["name"], "campus",
            "the platform's own"
        );
        assert_eq!(asked[1]["spec"]["refreshInterval"], "86400s");
        let value = json!([{"secretKey": "key", "remoteRef": {"key": "spo/map", "property": "api", "version": "3"}}]);
        assert_eq!(asked[1]["spec"]["data"], value);
    }
    assert!(build(&read_store(&served(None))).external_secrets.is_empty());
}

/// What holds the service that uses a secret from a store, if anything does, and what is told of that secret.
fn waits(facts: &Fetched) -> (Option<Reason>, Option<(Reason, String)>) {
    let valid = read_store(facts);
    let held = build(&valid).blocked;
    (
        held.get("d-web").map(|waiting| {
            assert_eq!(waiting.condition, ConditionType::SecretsReady);
            waiting.reason
        }),
        trouble(&valid, facts, &valid.external_secrets[0]),
    )
}

#[test]
fn what_is_in_the_way_of_a_secret_from_a_store_is_told_and_holds_only_who_lacks_it() {
    let mut facts = served(None);
    let (held, told) = waits(&facts);
    assert_eq!(held, Some(Reason::ExternalSecretsMissing));
    assert!(told.unwrap().1.contains("install it"));

    facts = served(Some(ExternalSecretsVersion::V1));
    assert_eq!(waits(&facts).0, Some(Reason::ExternalSecretPending));

    let failing = ForeignState {
        ready: Some(false),
        reason: "SecretSyncedError".to_owned(),
        message: "could not get secret data from provider".to_owned(),
        ..ForeignState::default()
    };
    let state = |ready: Option<bool>| ExternalFacts {
        state: Some(ForeignState {
            ready,
            ..failing.clone()
        }),
        ..ExternalFacts::default()
    };
    facts.external.insert("d-mail".to_owned(), state(Some(false)));
    let (held, told) = waits(&facts);
    assert_eq!(held, Some(Reason::ExternalSecretFailing));
    let (_, message) = told.unwrap();
    for word in [
        "\"d-mail\"",
        "SecretStore \"campus-vault\"",
        "SecretSyncedError: could not get secret data from provider",
        "kubectl describe externalsecret d-mail -n spo",
        "kubectl get secretstore",
        "external.key of",
    ] {
        assert!(message.contains(word), "{word}: {message}");
    }

    // It is there: whatever the store says now, who has it goes on.
    facts.secrets = self::facts(&[("d-mail", &[("password", "1")])]).secrets;
    let (held, told) = waits(&facts);
    assert_eq!(held, None);
    assert!(told.unwrap().1.contains("go on with the values"));
    facts.external.insert("d-mail".to_owned(), state(Some(true)));
    assert_eq!(waits(&facts), (None, None));

    // It is there and lacks a key.
    facts.secrets = self::facts(&[("d-mail", &[("user", "1")])]).secrets;
    assert_eq!(waits(&facts).0, Some(Reason::SecretKeyMissing));

    // Somebody else's Secret has the name: it is neither used nor handed to their operator.
    facts.external.get_mut("d-mail").unwrap().unowned = Some("was made by somebody else".to_owned());
    let (held, told) = waits(&facts);
    assert_eq!(held, Some(Reason::ForeignObject));
    assert!(told.unwrap().1.contains("kubectl delete secret d-mail"));
    let asked = build(&read_store(&facts)).external_secrets;
    assert_eq!(asked.len(), 1, "the other one alone");
}

#[test]
fn a_secret_from_a_store_needs_a_store_and_a_key_that_is_taken() {
    let problems = validate(&from_store(), &Fetched::default(), &platform::PlatformConfig::default()).unwrap_err();
    let fields: Vec<_> = problems.iter().map(|problem| problem.field.clone()).collect();
    assert_eq!(fields, ["spec.secrets[1].external.store"]);
    let drive = with_spec(
        "
        services: [{name: web, image: portal:1, env: [{name: A, secret: {name: map, key: other}}]}]
        secrets: [{name: map, external: {store: v, keys: [{name: key, key: spo/map}]}}]
        ",
    );
    let problems = validate(&drive, &Fetched::default(), &platform::PlatformConfig::default()).unwrap_err();
    assert!(problems.to_string().contains("external.keys"), "{problems}");
}
