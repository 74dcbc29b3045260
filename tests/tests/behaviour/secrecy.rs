//! The whole of it, seen from outside: whatever a drive has that takes part in secrets, the operator fetches none, and none
//! appears where people look.
//!
//! The operator speaks to the API server through a [`RecordingProxy`], which keeps every byte both ways, answers of watches included.

use std::collections::BTreeSet;

use k8s_openapi::{ByteString, api::core::v1::Secret};
use kube::{
    Api, ResourceExt as _,
    api::{ApiResource, DynamicObject, GroupVersionKind, ListParams, Patch, PatchParams},
};
use ras_crds::ConditionType;
use ras_tests::{
    Cluster, Error, ForeignProject, OperatorOptions, PATIENCE, ROLES, RecordingProxy, Shared, TestEnv, eventually,
};
use serde_json::json;

use crate::{
    children::failed,
    seen::{IMAGE, asked, becomes, kubectl, mark, restart_operator},
};

/// Everything of a drive that has to do with a secret.
const DRIVE: &str = "
apiVersion: ras.dev/v1alpha1
kind: RecruitmentDrive
metadata: {name: spring}
spec:
  database:
    managed: {provider: Standalone, version: 15, size: 1Gi}
    databases: [{name: portal, owner: portaladmin}, {name: auth}]
  services:
  - name: api
    image: registry.example.com/ats:1
    env:
    - {name: JWT_KEY, secret: {name: jwt, key: key}}
    - {name: MAIL_PASSWORD, secret: {name: mail, key: password}}
    - {name: REDIS_URL, cache: url}
    - {name: AUTH_URL, database: {name: auth, key: url}}
    - {name: BROKER_PASSWORD, binding: {name: broker, key: password}}
    uses: {databases: [portal], bindings: [{name: broker, secretName: broker, values: [{name: type, value: kafka}]}]}
    envFrom: [{secret: calendar, prefix: CALENDAR_}]
    files: [{path: /app/secret.yaml, content: 'key: $(JWT_KEY), url: $(AUTH_URL), mail: $(MAIL_PASSWORD)'}]
    migrate:
      command: [ats, migrate]
      env: [{name: OWNER_PASSWORD, secret: {name: owner, key: password}}]
  - name: worker
    image: registry.example.com/ats:1
    env: [{name: SIGNING_KEY, secret: {name: signing, key: sign.key}}]
  secrets:
  - {name: jwt, generate: {keys: [key, refresh], length: 48}}
  - {name: owner, existing: {secretName: owner}}
  - {name: calendar, existing: {secretName: calendar}}
  - {name: mail, external: {store: campus-vault, key: spo/mail}}
  - {name: signing, generate: {keys: [sign], format: Ed25519KeyPair}}
  cache: {}
  monitoring: {}
";

/// Secrets of users and other operators, whose values the operator must not read.
const GIVEN: [&str; 7] = [
    "hunter2-of-nobody",
    "hunter3-of-the-owner",
    "hunter4-of-the-calendar",
    "hunter5-of-the-mail",
    "hunter6-of-the-owner-again",
    "hunter7-that-nobody-uses",
    "hunter8-of-the-message-broker",
];

async fn give(test_env: &TestEnv, name: &str, key: &str, value: &str) -> Result<(), Error> {
    let data = json!({key: value});
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": data});
    test_env.apply(&secret.to_string()).await
}

/// The values of all Secrets of the namespace, which the test may read and the operator may not.
async fn values(test_env: &TestEnv) -> Result<BTreeSet<String>, Error> {
    let api: Api<Secret> = test_env.namespace.api();
    let all = api
        .list(&ListParams::default())
        .await
        .map_err(failed("listing Secrets"))?;
    let values = all
        .items
        .into_iter()
        .flat_map(|secret| secret.data.unwrap_or_default().into_values());
    let values = values.map(|value| String::from_utf8_lossy(&value.0).into_owned());
    // Neither a host's name nor a port is a secret.
    Ok(values.filter(|value| value.len() >= 16).collect())
}

/// A value as it may stand in a text: as it is, as JSON writes it, and in base64.
fn forms(value: &str) -> [String; 3] {
    let encoded = serde_json::to_value(ByteString(value.as_bytes().to_vec())).unwrap();
    let quoted = json!(value).to_string();
    [
        value.to_owned(),
        quoted.trim_matches('"').to_owned(),
        encoded.as_str().unwrap_or_default().trim_end_matches('=').to_owned(),
    ]
}

fn is_in(text: &str, value: &str) -> bool {
    forms(value).iter().any(|form| text.contains(form))
}

#[tokio::test]
#[allow(clippy::too_many_lines, reason = "one life of one drive, and what was seen of it")]
async fn the_operator_fetches_no_secret_and_shows_none_whatever_a_drive_has() -> Result<(), Error> {
    let cluster = Cluster::start().await?;
    for project in [ForeignProject::PrometheusOperator, ForeignProject::ExternalSecrets] {
        cluster.install(project).await?;
    }
    let description = cluster.description();
    let proxy = RecordingProxy::start(&description.server, &description.certificate_authority).await?;
    let options = OperatorOptions::with_roles(ROLES)
        .by_way_of(proxy.url())
        .environment("RAS_LOG", "trace");
    let mut test_env = TestEnv::with(Shared::Own(Box::new(cluster)), "secrecy", &options).await?;
    let since = mark(&test_env).await?;
    for (name, key, value) in [
        ("nobody", "password", GIVEN[0]),
        ("broker", "password", GIVEN[6]),
        ("owner", "password", GIVEN[1]),
        ("calendar", "token", GIVEN[2]),
        ("nobodys", "password", GIVEN[5]),
    ] {
        give(&test_env, name, key, value).await?;
    }
    test_env.apply(DRIVE).await?;
    // As their operator does it.
    let asked_of_store: Api<DynamicObject> = Api::namespaced_with(
        test_env.namespace.client(),
        test_env.namespace.name(),
        &ApiResource::from_gvk(&GroupVersionKind::gvk("external-secrets.io", "v1", "ExternalSecret")),
    );
    let asked_for = eventually(PATIENCE, "what is asked of the store", async || {
        Ok(asked_of_store.get("spring-mail").await?)
    })
    .await
    .map_err(|error| error.with_log(&test_env.operator.log()))?;
    let owner = json!({"apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret", "name": "spring-mail", "uid": asked_for.uid()});
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "spring-mail", "ownerReferences": [owner]},
        "stringData": {"password": GIVEN[3]}});
    test_env.apply(&secret.to_string()).await?;
    let ready = json!([{"type": "Ready", "status": "True", "reason": "SecretSynced", "lastTransitionTime": "2026-07-01T00:00:00Z"}]);
    let status = json!({"status": {"conditions": ready, "refreshTime": "2026-07-01T00:00:00Z"}});
    asked_of_store
        .patch_status("spring-mail", &PatchParams::default(), &Patch::Merge(&status))
        .await
        .map_err(failed("saying that the secret is there"))?;
    test_env.ready("spring").await?;
    let mut known = values(&test_env).await?;

    // A life that touches them all: a new value, a loss, a new version, somebody who asks again, another operator, an end.
    give(&test_env, "owner", "password", GIVEN[4]).await?;
    kubectl(&test_env, &["delete", "secret", "spring-jwt"]).await?;
    test_env.apply(&DRIVE.replace("ats:1", "ats:2")).await?;
    becomes(&test_env, "spring-api", IMAGE, &json!("registry.example.com/ats:2")).await?;
    kubectl(
        &test_env,
        &["annotate", "drive", "spring", "ras.dev/run-migration=api@again"],
    )
    .await?;
    test_env
        .condition("spring", ConditionType::MigrationsReady, "True")
        .await?;
    test_env.ready("spring").await?;
    known.extend(values(&test_env).await?);
    let mut log = test_env.operator.log();
    restart_operator(&mut test_env, &options).await?;
    test_env.ready("spring").await?;
    let kinds = "recruitmentdrives,configmaps,deployments,replicasets,jobs,pods,services,serviceaccounts,networkpolicies,\
                 externalsecrets,prometheusrules";
    let objects = kubectl(&test_env, &["get", kinds, "--output=json", "--show-managed-fields"]).await?;
    let events = kubectl(&test_env, &["get", "events.events.k8s.io", "--output=json"]).await?;
    let metrics = test_env.operator.get("/metrics").await?.1;
    log.push_str(&test_env.operator.log());

    for value in GIVEN {
        known.insert(value.to_owned());
    }
    assert!(known.len() >= GIVEN.len() + 6, "{} values are looked for", known.len());

    // What the API server answered, in lists, watches and to writes.
    let answered = proxy.answered();
    assert!(
        answered.contains("spring-jwt") && answered.contains("nobodys"),
        "it watches Secrets, by their metadata"
    );
    for value in &known {
        assert!(!is_in(&answered, value), "a value was answered");
    }
    // What the operator said: what it draws itself goes out once, when it makes it, and nothing that others gave ever does.
    let sent = proxy.sent();
    for value in GIVEN {
        assert!(!is_in(&sent, value), "a value was sent");
    }
    // In which form it asks: every request for Secrets asks for their metadata.
    let requests = proxy.requests();
    let of_secrets: Vec<&String> = requests
        .iter()
        .filter(|head| head.lines().next().is_some_and(|line| line.contains("/secrets")))
        .collect();
    assert!(of_secrets.len() > 6, "{of_secrets:#?}");
    for head in of_secrets {
        let accept = head
            .lines()
            .find(|line| line.to_ascii_lowercase().starts_with("accept:"));
        assert!(
            accept.is_some_and(|line| line.contains("as=PartialObjectMetadata")),
            "{}",
            head.lines().next().unwrap()
        );
    }
    // The API server's own record agrees with ours.
    let gets = asked(&test_env, since, |event| {
        event.resource == "secrets" && event.verb == "get"
    })
    .await?;
    let gets_on_wire = requests.iter().filter(|head| {
        head.lines()
            .next()
            .is_some_and(|line| line.starts_with("GET ") && line.contains("/secrets/"))
    });
    assert_eq!(gets.len(), gets_on_wire.count());

    // What people see.
    assert!(
        log.contains("\"level\":\"TRACE\""),
        "the log must tell all there is for this to mean anything"
    );
    assert!(objects.contains("JWT_KEY") && events.contains("spring") && metrics.contains("spring"));
    for (place, text) in [
        ("log", log),
        ("objects", objects),
        ("events", events),
        ("metrics", metrics),
    ] {
        for value in &known {
            assert!(!is_in(&text, value), "a value is in the {place}");
        }
    }
    Ok(())
}

/// Or the test above could not fail: a value that is fetched through the proxy is recorded.
#[tokio::test]
async fn a_value_that_is_fetched_is_recorded_by_the_proxy() -> Result<(), Error> {
    let test_env = TestEnv::start("secrecy-control").await?;
    give(&test_env, "seen", "password", GIVEN[0]).await?;
    let description = test_env.cluster.description();
    let proxy = RecordingProxy::start(&description.server, &description.certificate_authority).await?;
    let (code, body) = proxy
        .get(
            test_env.operator.token(),
            &format!("/api/v1/namespaces/{}/secrets/seen", test_env.namespace.name()),
        )
        .await?;
    assert_eq!(code, 200, "{body}");
    assert!(is_in(&proxy.answered(), GIVEN[0]));
    assert_eq!(proxy.requests().len(), 1);
    Ok(())
}
