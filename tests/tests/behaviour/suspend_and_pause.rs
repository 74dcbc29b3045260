//! `suspend`: nothing runs and everything is kept. `paused`: the operator changes nothing.

use std::time::Duration;

use k8s_openapi::api::{
    apps::v1::Deployment,
    autoscaling::v2::HorizontalPodAutoscaler,
    core::v1::{ConfigMap, PersistentVolumeClaim, Pod, Secret, Service},
    networking::v1::Ingress,
};
use ras_crds::{ConditionType, Phase, Reason};
use ras_tests::{Error, PATIENCE, TestEnv, eventually};
use serde_json::{Value, json};

use crate::seen::{
    COLLECTED, IMAGE, REPLICAS, asked, because, becomes, kubectl, look, mark, of_deployment, writes_children,
};

const DRIVE: &str = "
apiVersion: ras.dev/v1alpha1
kind: RecruitmentDrive
metadata: {name: spring}
spec:
  suspend: false
  paused: false
  services:
  - name: fixed
    image: registry.example.com/fixed:1
    ports: [{name: http, port: 8080, path: /}]
    replicas: 2
    env: [{name: KEY, secret: {name: jwt, key: key}}]
    files: [{path: /app/settings.yaml, content: 'key: $(KEY)'}]
  - name: scaled
    image: registry.example.com/scaled:1
    autoscaling: {minReplicas: 2, maxReplicas: 8, targetCPUUtilization: 70}
  - name: open
    image: registry.example.com/open:1
  - name: store
    image: registry.example.com/store:1
    volumes: [{name: data, path: /data, size: 1Gi}]
  secrets: [{name: jwt, generate: {keys: [key]}}]
  exposure: {host: spring.example.edu}
";

const NUMBERS: [(&str, i64); 4] = [
    ("spring-fixed", 2),
    ("spring-scaled", 4),
    ("spring-open", 3),
    ("spring-store", 1),
];

/// UID and content of objects that must not change.
async fn kept(test_env: &TestEnv) -> Result<Vec<Value>, Error> {
    let part = |object: Option<Value>| {
        let part = |pointer: &str| object.as_ref().and_then(|object| object.pointer(pointer)).cloned();
        json!([part("/metadata/uid"), part("/spec"), part("/data")])
    };
    Ok(vec![
        part(look::<PersistentVolumeClaim>(test_env, "spring-store-data").await?),
        part(look::<Secret>(test_env, "spring-jwt").await?),
        part(look::<ConfigMap>(test_env, "spring-fixed").await?),
        part(look::<Ingress>(test_env, "spring").await?),
        part(look::<Service>(test_env, "spring-fixed").await?),
        part(look::<HorizontalPodAutoscaler>(test_env, "spring-scaled").await?),
    ])
}

#[tokio::test]
async fn a_suspended_drive_runs_nothing_keeps_everything_and_comes_back_as_it_was() -> Result<(), Error> {
    let test_env = TestEnv::start("suspended").await?;
    test_env.apply(DRIVE).await?;
    test_env.ready("spring").await?;
    kubectl(&test_env, &["scale", "deployment/spring-scaled", "--replicas=4"]).await?;
    kubectl(&test_env, &["scale", "deployment/spring-open", "--replicas=3"]).await?;
    for (deployment, count) in NUMBERS {
        becomes(&test_env, deployment, "/status/readyReplicas", &json!(count)).await?;
    }
    let before = kept(&test_env).await?;
    assert!(before.iter().all(|object| object[0].is_string()), "{before:?}");

    test_env
        .apply(&DRIVE.replace("suspend: false", "suspend: true"))
        .await?;
    let condition = because(&test_env, "spring", ConditionType::Ready, Reason::Suspended).await?;
    assert_eq!(condition.status, "False");
    assert!(
        condition.message.contains("spec.suspend"),
        "the next step: {}",
        condition.message
    );
    for (deployment, _) in NUMBERS {
        becomes(&test_env, deployment, REPLICAS, &json!(0)).await?;
    }
    eventually(PATIENCE, "all pods to be gone", async || {
        let pods = test_env
            .namespace
            .api::<Pod>()
            .list(&kube::api::ListParams::default())
            .await?
            .items
            .len();
        if pods == 0 { Ok(()) } else { Err(pods.into()) }
    })
    .await?;
    let status = test_env.drives().get("spring").await.unwrap().status.unwrap();
    assert_eq!(status.phase, Some(Phase::Suspended));
    assert_eq!(
        test_env
            .condition("spring", ConditionType::Stalled, "False")
            .await?
            .reason,
        "NotStalled"
    );
    assert_eq!(
        test_env
            .condition("spring", ConditionType::Reconciling, "False")
            .await?
            .reason,
        "AllReady"
    );
    assert_eq!(kept(&test_env).await?, before);

    // Somebody who starts a pod by hand meanwhile does not change what the drive comes back with.
    kubectl(&test_env, &["scale", "deployment/spring-open", "--replicas=7"]).await?;
    becomes(&test_env, "spring-open", REPLICAS, &json!(0)).await?;

    test_env.apply(DRIVE).await?;
    test_env.ready("spring").await?;
    for (deployment, count) in NUMBERS {
        assert_eq!(
            of_deployment(&test_env, deployment, REPLICAS).await?,
            count,
            "{deployment}"
        );
        becomes(&test_env, deployment, "/status/readyReplicas", &json!(count)).await?;
    }
    assert_eq!(
        test_env.drives().get("spring").await.unwrap().status.unwrap().phase,
        Some(Phase::Open)
    );
    assert_eq!(kept(&test_env).await?, before);
    Ok(())
}

#[tokio::test]
async fn a_paused_drive_is_left_alone_until_it_goes_on() -> Result<(), Error> {
    let test_env = TestEnv::start("paused").await?;
    test_env.apply(DRIVE).await?;
    test_env.ready("spring").await?;
    let paused = DRIVE
        .replace("paused: false", "paused: true")
        .replace("fixed:1", "fixed:2");
    let before = mark(&test_env).await?;
    test_env.apply(&paused).await?;

    let condition = because(&test_env, "spring", ConditionType::Ready, Reason::Paused).await?;
    assert_eq!(condition.status, "True", "it serves as before");
    assert!(condition.message.contains("spec.paused"), "{}", condition.message);
    kubectl(&test_env, &["scale", "deployment/spring-fixed", "--replicas=5"]).await?;
    kubectl(&test_env, &["delete", "service/spring-fixed", "configmap/spring-fixed"]).await?;
    kubectl(
        &test_env,
        &["label", "--overwrite", "ingress/spring", "ras.dev/drive-uid=meddled"],
    )
    .await?;
    // The promise is that nothing happens, and drift is repaired within a second where it is repaired at all.
    tokio::time::sleep(Duration::from_secs(4)).await;
    let written = asked(&test_env, before, writes_children).await?;
    assert!(written.is_empty(), "{written:?}");
    assert_eq!(
        of_deployment(&test_env, "spring-fixed", IMAGE).await?,
        "registry.example.com/fixed:1"
    );
    because(&test_env, "spring", ConditionType::Stalled, Reason::Paused).await?;

    test_env.apply(&paused.replace("paused: true", "paused: false")).await?;
    becomes(&test_env, "spring-fixed", REPLICAS, &json!(2)).await?;
    becomes(&test_env, "spring-fixed", IMAGE, &json!("registry.example.com/fixed:2")).await?;
    test_env.ready("spring").await?;
    assert!(look::<Service>(&test_env, "spring-fixed").await?.is_some());
    assert!(look::<ConfigMap>(&test_env, "spring-fixed").await?.is_some());
    let ingress = look::<Ingress>(&test_env, "spring").await?.unwrap();
    let drive = test_env.drives().get("spring").await.unwrap();
    assert_eq!(
        ingress["metadata"]["labels"]["ras.dev/drive-uid"],
        json!(drive.metadata.uid)
    );
    Ok(())
}

#[tokio::test]
async fn a_paused_drive_tells_of_a_secret_that_is_missing() -> Result<(), Error> {
    let test_env = TestEnv::start("paused-secret").await?;
    let drive = DRIVE.replace(
        "{name: jwt, generate: {keys: [key]}}",
        "{name: jwt, existing: {secretName: campus-jwt}}",
    );
    test_env.apply(&drive.replace("paused: false", "paused: true")).await?;
    let condition = because(&test_env, "spring", ConditionType::SecretsReady, Reason::SecretMissing).await?;
    assert!(condition.message.contains("campus-jwt"), "{}", condition.message);
    Ok(())
}

#[tokio::test]
async fn a_paused_drive_can_be_deleted() -> Result<(), Error> {
    let test_env = TestEnv::start("paused-deleted").await?;
    test_env.apply(DRIVE).await?;
    test_env.ready("spring").await?;
    test_env.apply(&DRIVE.replace("paused: false", "paused: true")).await?;
    because(&test_env, "spring", ConditionType::Ready, Reason::Paused).await?;

    kubectl(&test_env, &["delete", "drive", "spring", "--timeout=50s"]).await?;
    eventually(COLLECTED, "its children to be gone", async || {
        let left = test_env
            .namespace
            .api::<Deployment>()
            .list(&kube::api::ListParams::default())
            .await?
            .items
            .len();
        if left == 0 && look::<Ingress>(&test_env, "spring").await?.is_none() {
            Ok(())
        } else {
            Err(left.into())
        }
    })
    .await?;
    assert!(
        look::<PersistentVolumeClaim>(&test_env, "spring-store-data")
            .await?
            .is_some(),
        "data is kept"
    );
    assert!(
        look::<Secret>(&test_env, "spring-jwt").await?.is_some(),
        "credentials are kept"
    );
    Ok(())
}
