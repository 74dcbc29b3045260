//! Bindings to what other operators keep, and the drive's own cache.

use std::time::Duration;

use k8s_openapi::api::{apps::v1::Deployment, core::v1::Secret};
use ras_crds::{ConditionType, Reason};
use ras_tests::{Error, PATIENCE, Season, eventually};

use crate::children::at_rest;
use crate::seen::{asked, because, changes, kubectl, look, mark, of_deployment};

const TEMPLATE: &str = "/spec/template";

/// `managedFields` tell times in whole seconds, so a second write within the second of the first looks like one.
const A_SECOND: Duration = Duration::from_millis(1_100);

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
    let season = Season::start("bound").await?;
    let start = mark(&season).await?;
    season.apply(BOUND).await?;
    let told = because(&season, "spring", ConditionType::SecretsReady, Reason::SecretMissing).await?;
    for word in [
        "\"campus-es-elastic-user\"",
        "\"search\"",
        "secretName of the binding \"elasticsearch\"",
    ] {
        assert!(told.message.contains(word), "{word}: {}", told.message);
    }
    assert!(look::<Deployment>(&season, "spring-web").await?.is_some());
    assert!(look::<Deployment>(&season, "spring-search").await?.is_none());

    season.apply(&secret("elastico", "first-of-elastic")).await?;
    let told = because(&season, "spring", ConditionType::SecretsReady, Reason::SecretKeyMissing).await?;
    assert!(told.message.contains("\"elastic\""), "{}", told.message);

    season.apply(&secret("elastic", "first-of-elastic")).await?;
    season.ready("spring").await?;
    at_rest(&season, "spring").await?;
    let search = of_deployment(&season, "spring-search", TEMPLATE).await?;
    let reader = of_deployment(&season, "spring-reader", TEMPLATE).await?;
    tokio::time::sleep(A_SECOND).await;
    season.apply(&secret("elastic", "second-of-elastic")).await?;
    changes(&season, "spring-search", TEMPLATE, &search).await?;
    season.ready("spring").await?;
    assert_eq!(
        of_deployment(&season, "spring-reader", TEMPLATE).await?,
        reader,
        "it reads the files again by itself"
    );

    let reads = asked(&season, start, |event| {
        event.resource == "secrets" && event.verb == "get"
    })
    .await?;
    assert!(reads.is_empty(), "{reads:?}");
    let log = season.operator.log();
    let events = kubectl(&season, &["get", "events", "-o", "json"]).await?;
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
    let season = Season::start("cached").await?;
    season.apply(CACHED).await?;
    season.ready("spring").await?;
    let status = season
        .drives()
        .get("spring")
        .await
        .map_err(crate::children::failed("reading"))?
        .status;
    let status = status.unwrap_or_default();
    assert_eq!(status.services_ready.as_deref(), Some("2/2"));
    assert_eq!(status.services[1].name, "cache");
    assert!(look::<Secret>(&season, "spring-cache").await?.is_some());
    let url = of_deployment(&season, "spring-api", "/spec/template/spec/containers/0/env/3/value").await?;
    assert_eq!(url, "redis://:$(CACHE_PASSWORD)@spring-cache:6379/0");
    at_rest(&season, "spring").await?;

    season
        .apply(
            &CACHED
                .replace("  cache: {}\n", "")
                .replace("uses: {cache: true}", "replicas: 1"),
        )
        .await?;
    eventually(PATIENCE, "the cache to go", async || {
        let pods = look::<Deployment>(&season, "spring-cache").await?;
        let secret = look::<Secret>(&season, "spring-cache").await?;
        if pods.is_none() && secret.is_none() {
            Ok(())
        } else {
            Err("it is there".into())
        }
    })
    .await
    .map_err(|error| error.with_log(&season.operator.log()))?;
    season.ready("spring").await.map(drop)
}
