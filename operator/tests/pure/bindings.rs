//! Bindings and the cache: what pods see of them, and who waits or restarts for what.

use crate::planned::{build, validate};
use k8s_openapi::api::core::v1::{PodTemplateSpec, Volume};
use ras_core::fetched::{Fetched, SecretFacts};
use ras_core::platform;
use ras_core::platform::PlatformConfig;
use ras_crds::{ConditionType, Reason, RecruitmentDrive};
use serde_json::{Value, json};

use crate::drives::{built, with_spec};

fn drive() -> RecruitmentDrive {
    with_spec(
        "
        services:
        - name: api
          image: portal:1
          uses:
            bindings:
            - {name: queue, secretName: campus-queue}
            - name: search
              secretName: search-es-elastic-user
              keys: [{name: password, from: elastic}]
              values: [{name: type, value: elasticsearch}, {name: host, value: search-es-http}]
          env:
          - {name: QUEUE_URL, binding: {name: queue, key: uri}}
          - {name: ES_PASSWORD, binding: {name: search, key: password}}
          - {name: ES_HOST, binding: {name: search, key: host}}
          sidecars: [{name: helper, image: helper:1, env: [{name: Q, binding: {name: queue, key: host}}]}]
        - {name: reader, image: portal:1, uses: {bindings: [{name: queue, secretName: campus-queue, onChange: Reload}]}}
        ",
    )
}

fn facts(stamp: &str) -> Fetched {
    let secret = |keys: &[&str]| SecretFacts {
        keys: Some(keys.iter().map(|key| ((*key).to_owned(), stamp.to_owned())).collect()),
        ..SecretFacts::default()
    };
    Fetched {
        secrets: [
            ("campus-queue".to_owned(), secret(&["uri", "host", "type"])),
            ("search-es-elastic-user".to_owned(), secret(&["elastic"])),
        ]
        .into(),
        ..Fetched::default()
    }
}

fn template(drive: &RecruitmentDrive, fetched: &Fetched, service: usize) -> PodTemplateSpec {
    built(drive, fetched)
        .deployments
        .swap_remove(service)
        .spec
        .unwrap()
        .template
}

fn volume(volumes: &[Volume], name: &str) -> Value {
    json!(volumes.iter().find(|volume| volume.name == name).unwrap())
}

#[test]
fn a_binding_is_a_read_only_folder_with_the_keys_under_their_names() {
    let template = template(&drive(), &facts("1"), 0);
    let pod = template.spec.unwrap();
    let volumes = pod.volumes.unwrap();
    assert_eq!(
        volume(&volumes, "binding-queue")["projected"],
        json!({"sources": [{"secret": {"name": "campus-queue"}}]})
    );
    let search = volume(&volumes, "binding-search");
    assert_eq!(
        search["projected"]["sources"][0]["secret"]["items"],
        json!([{"key": "elastic", "path": "password"}])
    );
    let items = &search["projected"]["sources"][1]["downwardAPI"]["items"];
    assert_eq!(items[0]["path"], "type");
    let field = items[0]["fieldRef"]["fieldPath"].as_str().unwrap();
    let annotations = template.metadata.unwrap().annotations.unwrap();
    let value = annotations
        .iter()
        .find(|(name, _)| field.contains(name.as_str()))
        .unwrap()
        .1;
    assert_eq!(value, "elasticsearch");
    let program = json!(pod.containers[0]);
    let mounts = program["volumeMounts"].as_array().unwrap();
    for name in ["queue", "search"] {
        let mount =
            json!({"name": format!("binding-{name}"), "mountPath": format!("/bindings/{name}"), "readOnly": true});
        assert!(mounts.contains(&mount), "{mounts:?}");
    }
    assert!(
        !json!(pod.containers[1]).to_string().contains("/bindings"),
        "a helper has no business with them"
    );
    let variable = |name: &str| {
        let env = program["env"].as_array().unwrap();
        env.iter().find(|variable| variable["name"] == name).unwrap().clone()
    };
    assert_eq!(variable("SERVICE_BINDING_ROOT")["value"], "/bindings");
    assert_eq!(
        variable("QUEUE_URL")["valueFrom"]["secretKeyRef"]["name"],
        "campus-queue"
    );
    assert_eq!(variable("ES_PASSWORD")["valueFrom"]["secretKeyRef"]["key"], "elastic");
    assert_eq!(variable("ES_HOST")["value"], "search-es-http");
}

#[test]
fn who_uses_a_binding_restarts_when_it_changes_unless_it_reads_it_again_by_itself() {
    assert_ne!(template(&drive(), &facts("1"), 0), template(&drive(), &facts("2"), 0));
    // `swap_remove` keeps the other one in its place.
    assert_eq!(template(&drive(), &facts("1"), 1), template(&drive(), &facts("2"), 1));
}

#[test]
fn a_binding_whose_secret_or_key_is_not_there_is_waited_for_by_name() {
    let mut fetched = facts("1");
    fetched.secrets.remove("campus-queue");
    let held = built(&drive(), &fetched).blocked;
    for (child, service) in [("d-api", "\"api\""), ("d-reader", "\"reader\"")] {
        let waiting = &held[child];
        assert_eq!(
            (waiting.condition, waiting.reason),
            (ConditionType::SecretsReady, Reason::SecretMissing)
        );
        for word in [
            "\"campus-queue\"",
            service,
            "operator of the backing service",
            "binding \"queue\"",
        ] {
            assert!(waiting.message.contains(word), "{word}: {}", waiting.message);
        }
    }
    let mut fetched = facts("1");
    fetched
        .secrets
        .get_mut("search-es-elastic-user")
        .unwrap()
        .keys
        .as_mut()
        .unwrap()
        .clear();
    let waiting = &built(&drive(), &fetched).blocked["d-api"];
    assert_eq!(waiting.reason, Reason::SecretKeyMissing);
    assert!(
        waiting.message.contains("\"elastic\"") && waiting.message.contains("keys of the binding \"search\""),
        "{}",
        waiting.message
    );
}

#[test]
fn mistakes_in_bindings_and_the_cache_are_named_with_their_field() {
    let service = |said: &str| format!("services: [{{name: s, image: a, {said}}}]");
    for (spec, field, words) in [
        (
            service("uses: {bindings: [{name: q}]}"),
            "spec.services[0].uses.bindings[0].name",
            "no entry of spec.secrets",
        ),
        (
            service(
                "uses: {bindings: [{name: q, secretName: q, keys: [{name: a, from: b}], values: [{name: a, value: b}]}]}",
            ),
            "spec.services[0].uses.bindings[0].values",
            "twice",
        ),
        (
            service(
                "uses: {bindings: [{name: q, secretName: q, keys: [{name: a, from: b}]}]}, env: [{name: A, binding: {name: q, key: c}}]",
            ),
            "spec.services[0].env[0].binding.key",
            "keys or values",
        ),
        (
            service("env: [{name: A, binding: {name: q, key: c}}]"),
            "spec.services[0].env[0].binding.name",
            "uses.bindings",
        ),
        (
            service(
                "uses: {bindings: [{name: q, secretName: q}]}, volumes: [{name: v, path: /bindings/, scratch: {}}]",
            ),
            "spec.services[0].uses.bindings",
            "/bindings",
        ),
        (
            service("uses: {cache: true}"),
            "spec.services[0].uses.cache",
            "cache: {}",
        ),
        (
            service("env: [{name: A, cache: url}]"),
            "spec.services[0].env[0].cache",
            "cache: {}",
        ),
        (
            format!("{}\ncache: {{memory: 1Mi}}", service("replicas: 1")),
            "spec.cache.memory",
            "32Mi",
        ),
        (
            format!(
                "{}\ncache: {{}}",
                service("replicas: 1").replace("name: s", "name: cache")
            ),
            "spec.services[1].name",
            "twice",
        ),
    ] {
        let problems = validate(&with_spec(&spec), &Fetched::default(), &PlatformConfig::default()).unwrap_err();
        let found = problems
            .iter()
            .any(|problem| problem.field == field && problem.message.contains(words));
        assert!(found, "{field}: {problems}");
    }
}

#[test]
fn a_cache_is_a_service_with_a_password_that_no_argument_holds() {
    let drive = with_spec(
        "
        services:
        - {name: api, image: portal:1, uses: {cache: true}, env: [{name: QUEUE, cache: url}]}
        - {name: own, image: portal:1, env: [{name: CACHE_PASSWORD, value: mine}, {name: QUEUE, cache: url}]}
        cache: {memory: 256Mi, whenFull: Refuse}
        ",
    );
    let settings = platform::parse("cache: {image: registry.example.edu/valkey:8}").unwrap();
    let fetched = Fetched {
        secrets: [(
            "d-cache".to_owned(),
            SecretFacts {
                keys: Some([("password".to_owned(), "1".to_owned())].into()),
                ..SecretFacts::default()
            },
        )]
        .into(),
        ..Fetched::default()
    };
    let desired = build(&validate(&drive, &fetched, &settings).unwrap());
    assert!(desired.blocked.is_empty(), "{:?}", desired.blocked);
    let cache = desired
        .deployments
        .iter()
        .find(|one| one.metadata.name.as_deref() == Some("d-cache"))
        .unwrap();
    let cache = json!(cache);
    assert_eq!(cache["spec"]["strategy"]["type"], "Recreate");
    let pod = &cache["spec"]["template"]["spec"];
    assert_eq!(pod["containers"][0]["image"], "registry.example.edu/valkey:8");
    assert_eq!(
        pod["containers"][0]["command"],
        json!(["valkey-server", "/etc/valkey/valkey.conf"])
    );
    assert_eq!(pod["containers"][0]["securityContext"]["readOnlyRootFilesystem"], true);
    let files = json!(desired.config_maps).to_string();
    assert!(
        files.contains("maxmemory 201326592") && files.contains("noeviction") && files.contains("$(CACHE_PASSWORD)"),
        "{files}"
    );
    assert_eq!(desired.credentials[0].secret.metadata.name.as_deref(), Some("d-cache"));
    let env = |name: &str| {
        let found = desired
            .deployments
            .iter()
            .find(|one| one.metadata.name.as_deref() == Some(name))
            .unwrap();
        let env = json!(found)["spec"]["template"]["spec"]["containers"][0]["env"].clone();
        env.as_array()
            .unwrap()
            .iter()
            .map(|one| (one["name"].as_str().unwrap().to_owned(), one["value"].clone()))
            .collect::<Vec<_>>()
    };
    let url = json!("redis://:$(CACHE_PASSWORD)@d-cache:6379/0");
    assert_eq!(
        env("d-api"),
        [
            ("CACHE_PASSWORD".to_owned(), Value::Null),
            ("CACHE_HOST".to_owned(), json!("d-cache")),
            ("CACHE_PORT".to_owned(), json!("6379")),
            ("REDIS_URL".to_owned(), url.clone()),
            ("QUEUE".to_owned(), url),
        ]
    );
    let own = env("d-own");
    assert_eq!(own[0], ("RAS_CACHE_PASSWORD".to_owned(), Value::Null));
    assert_eq!(own[2].1, json!("redis://:$(RAS_CACHE_PASSWORD)@d-cache:6379/0"));
    let policy = desired
        .network_policies
        .iter()
        .find(|one| one.metadata.name.as_deref() == Some("d-cache"))
        .unwrap();
    assert_eq!(json!(policy)["spec"]["policyTypes"], json!(["Ingress", "Egress"]));
}
