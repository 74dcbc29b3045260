//! Bindings to what other operators keep, and the drive's own cache.

use k8s_openapi::api::{apps::v1::Deployment, core::v1::Secret};
use ras_crds::{ConditionType, Reason};
use ras_tests::{Error, PATIENCE, TestEnv, eventually};

use crate::children::at_rest;
use crate::seen::{TEMPLATE, asked, because, because_with, changes, kubectl, look, mark, next_second, of_deployment};

const BOUND: &str = "
apiVersion: ras.dev/v1alpha1
kind: RecruitmentDrive
metadata: {name: spring}
spec:
  services:
  - name: search
    image: registry.example.com/search:1
    uses:
      bindings:
      - name: elasticsearch
        secretName: campus-es-elastic-user
        keys: [{name: password, from: elastic}]
        values: [{name: type, value: elasticsearch}]
    env: [{name: ELASTIC_PASSWORD, binding: {name: elasticsearch, key: password}}]
  - name: reader
    image: registry.example.com/reader:1
    uses: {bindings: [{name: elasticsearch, secretName: campus-es-elastic-user, onChange: Reload}]}
  - name: web
    image: registry.example.com/web:1
";

fn secret(key: &str, value: &str) -> String {
    format!(
        "{{apiVersion: v1, kind: Secret, metadata: {{name: campus-es-elastic-user}}, stringData: {{{key}: {value}}}}}"
    )
}

#[tokio::test]
async fn a_binding_is_waited_for_by_name_and_restarts_who_uses_it_when_it_changes() -> Result<(), Error> {
    let test_env = TestEnv::start("bound").await?;
    let start = mark(&test_env).await?;
    test_env.apply(BOUND).await?;
    because_with(
        &test_env,
        "spring",
        ConditionType::SecretsReady,
        Reason::SecretMissing,
        &[
            "\"campus-es-elastic-user\"",
            "\"search\"",
            "secretName of the binding \"elasticsearch\"",
        ],
    )
    .await?;
    assert!(look::<Deployment>(&test_env, "spring-web").await?.is_some());
    assert!(look::<Deployment>(&test_env, "spring-search").await?.is_none());

    test_env.apply(&secret("elastico", "first-of-elastic")).await?;
    let condition = because(
        &test_env,
        "spring",
        ConditionType::SecretsReady,
        Reason::SecretKeyMissing,
    )
    .await?;
    assert!(condition.message.contains("\"elastic\""), "{}", condition.message);

    test_env.apply(&secret("elastic", "first-of-elastic")).await?;
    test_env.ready("spring").await?;
    at_rest(&test_env, "spring").await?;
    let search = of_deployment(&test_env, "spring-search", TEMPLATE).await?;
    let reader = of_deployment(&test_env, "spring-reader", TEMPLATE).await?;
    next_second().await;
    test_env.apply(&secret("elastic", "second-of-elastic")).await?;
    changes(&test_env, "spring-search", TEMPLATE, &search).await?;
    test_env.ready("spring").await?;
    assert_eq!(
        of_deployment(&test_env, "spring-reader", TEMPLATE).await?,
        reader,
        "it reads the files again by itself"
    );

    let reads = asked(&test_env, start, |event| {
        event.resource == "secrets" && event.verb == "get"
    })
    .await?;
    assert!(reads.is_empty(), "{reads:?}");
    let log = test_env.operator.log();
    let events = kubectl(&test_env, &["get", "events", "-o", "json"]).await?;
    assert!(!log.contains("of-elastic") && !events.contains("of-elastic"));
    Ok(())
}

const CACHED: &str = "
apiVersion: ras.dev/v1alpha1
kind: RecruitmentDrive
metadata: {name: spring}
spec:
  cache: {}
  services:
  - name: api
    image: registry.example.com/api:1
    uses: {cache: true}
";

#[tokio::test]
async fn a_cache_is_ready_with_its_drive_and_goes_with_its_field() -> Result<(), Error> {
    let test_env = TestEnv::start("cached").await?;
    test_env.apply(CACHED).await?;
    test_env.ready("spring").await?;
    let status = test_env
        .drives()
        .get("spring")
        .await
        .map_err(crate::children::failed("reading"))?
        .status;
    let status = status.unwrap_or_default();
    assert_eq!(status.services_ready.as_deref(), Some("2/2"));
    assert_eq!(status.services[1].name, "cache");
    assert!(look::<Secret>(&test_env, "spring-cache").await?.is_some());
    let url = of_deployment(&test_env, "spring-api", "/spec/template/spec/containers/0/env/3/value").await?;
    assert_eq!(url, "redis://:$(CACHE_PASSWORD)@spring-cache:6379/0");
    at_rest(&test_env, "spring").await?;

    test_env
        .apply(
            &CACHED
                .replace("  cache: {}\n", "")
                .replace("uses: {cache: true}", "replicas: 1"),
        )
        .await?;
    eventually(PATIENCE, "the cache to go", async || {
        let pods = look::<Deployment>(&test_env, "spring-cache").await?;
        let secret = look::<Secret>(&test_env, "spring-cache").await?;
        if pods.is_none() && secret.is_none() {
            Ok(())
        } else {
            Err("it is there".into())
        }
    })
    .await
    .map_err(|error| error.with_log(&test_env.operator.log()))?;
    test_env.ready("spring").await.map(drop)
}
