//! Secrets from an external store.

use ras_core::fetched::{Apis, ExternalFacts, ExternalSecretsVersion, Fetched, ForeignState};
use ras_core::plan::external_secret::trouble;
use ras_core::platform;
use ras_crds::{ConditionType, Reason, RecruitmentDrive};
use serde_json::{Value, json};

use super::facts;
use crate::drives::with_spec;
use crate::planned::{Planned, build, validate};

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

/// The reason why the service of an external Secret waits, if it does, and the condition about that Secret.
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
    let (held, reported) = waits(&facts);
    assert_eq!(held, Some(Reason::ExternalSecretsMissing));
    assert!(reported.unwrap().1.contains("install it"));

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
    let (held, reported) = waits(&facts);
    assert_eq!(held, Some(Reason::ExternalSecretFailing));
    let (_, message) = reported.unwrap();
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
    let (held, reported) = waits(&facts);
    assert_eq!(held, None);
    assert!(reported.unwrap().1.contains("continue with the values"));
    facts.external.insert("d-mail".to_owned(), state(Some(true)));
    assert_eq!(waits(&facts), (None, None));

    // It is there and lacks a key.
    facts.secrets = self::facts(&[("d-mail", &[("user", "1")])]).secrets;
    assert_eq!(waits(&facts).0, Some(Reason::SecretKeyMissing));

    // Somebody else's Secret has the name: it is neither used nor handed to their operator.
    facts.external.get_mut("d-mail").unwrap().unowned = Some("was not created by this operator".to_owned());
    let (held, reported) = waits(&facts);
    assert_eq!(held, Some(Reason::ForeignObject));
    assert!(reported.unwrap().1.contains("kubectl delete secret d-mail"));
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
