//! What cannot work is told, all of it at once, and harms nothing that runs.

use k8s_openapi::api::{apps::v1::Deployment, core::v1::Pod};
use kube::api::{ListParams, Patch, PatchParams};
use ras_crds::{ConditionType, Reason};
use ras_tests::{Error, PATIENCE, TestEnv, eventually};
use serde_json::{Value, json};

use crate::seen::{
    COLLECTED, IMAGE, asked, because, because_with, becomes, becomes_within, kubectl, look, mark, next_second,
    of_deployment, writes_children,
};

const GOOD: &str = "
apiVersion: ras.dev/v1alpha1
kind: RecruitmentDrive
metadata: {name: spring}
spec:
  services:
  - name: api
    image: registry.example.com/api:1
    ports: [{name: http, port: 8080, path: /api}]
    env: [{name: KEY, secret: {name: jwt, key: key}}]
  - name: web
    image: registry.example.com/web:1
    ports: [{name: http, port: 8080, path: /}]
    resources: {limits: {memory: 64Mi}}
    sidecars: [{name: helper, image: registry.example.com/helper:1, ports: [{name: help, port: 8081, path: /help}]}]
  secrets: [{name: jwt, generate: {keys: [key]}}]
  exposure: {host: spring.example.edu}
";

#[tokio::test]
async fn all_problems_are_told_at_once_and_what_runs_goes_on() -> Result<(), Error> {
    let test_env = TestEnv::start("invalid").await?;
    test_env.apply(GOOD).await?;
    test_env.ready("spring").await?;
    let specs = async || {
        Ok::<_, Error>([
            of_deployment(&test_env, "spring-api", "/spec").await?,
            of_deployment(&test_env, "spring-web", "/spec").await?,
        ])
    };
    let running = specs().await?;

    // Two mistakes that the API server does not see, and a new version that must not be mixed with them.
    let before = mark(&test_env).await?;
    let bad = GOOD
        .replace("secret: {name: jwt, key: key}", "secret: {name: jwt, key: kye}")
        .replace("path: /help", "path: /api")
        .replace("api:1", "api:2");
    test_env.apply(&bad).await?;
    let condition = because(&test_env, "spring", ConditionType::Stalled, Reason::InvalidSpec).await?;
    assert_eq!(condition.status, "True");
    for field in [
        "spec.services[0].env[0].secret.key",
        "spec.services[1].sidecars[0].ports[0].path",
    ] {
        assert!(condition.message.contains(field), "{field}: {}", condition.message);
    }
    assert!(
        condition.message.contains("Running workloads are not changed"),
        "{}",
        condition.message
    );
    assert_eq!(
        because(&test_env, "spring", ConditionType::Ready, Reason::InvalidSpec)
            .await?
            .status,
        "False"
    );
    assert_eq!(
        test_env
            .condition("spring", ConditionType::ServicesReady, "True")
            .await?
            .reason,
        "ServicesAvailable"
    );
    assert_eq!(specs().await?, running);
    let written = asked(&test_env, before, writes_children).await?;
    assert!(written.is_empty(), "{written:?}");

    test_env.apply(&GOOD.replace("api:1", "api:3")).await?;
    becomes(&test_env, "spring-api", IMAGE, &json!("registry.example.com/api:3")).await?;
    test_env.ready("spring").await?;
    assert_eq!(
        test_env
            .condition("spring", ConditionType::Stalled, "False")
            .await?
            .reason,
        "NotStalled"
    );
    Ok(())
}

#[tokio::test]
async fn a_drive_that_is_too_large_is_reported_and_harms_no_other() -> Result<(), Error> {
    let test_env = TestEnv::start("large").await?;
    let drive = |name: &str, image: &str, files: usize| {
        let files: Vec<Value> = (0..files)
            .map(|number| json!({"path": format!("/etc/portal/{number}"), "content": "x".repeat(50_000)}))
            .collect();
        json!({
            "apiVersion": "ras.dev/v1alpha1",
            "kind": "RecruitmentDrive",
            "metadata": {"name": name},
            "spec": {"services": [{"name": "web", "image": format!("registry.example.com/web:{image}"), "files": files}]},
        })
        .to_string()
    };
    test_env.apply(&drive("grown", "1", 1)).await?;
    test_env.ready("grown").await?;

    // It grew, and stays as it was.
    test_env.apply(&drive("grown", "2", 6)).await?;
    let ready = ready_of_any(&test_env, "grown", "InvalidSpec").await?;
    let message = ready["message"].as_str().unwrap_or_default();
    for words in [
        "spec: is larger than 256 KiB",
        "split the drive",
        "running workloads are not changed",
    ] {
        assert!(message.contains(words), "{message}");
    }
    assert_eq!(
        of_deployment(&test_env, "grown-web", IMAGE).await?,
        "registry.example.com/web:1"
    );

    // Thirty more of them take no memory while they are at rest.
    let before = test_env.operator.memory()?;
    for number in 0..30 {
        test_env.apply(&drive(&format!("large-{number}"), "1", 12)).await?;
    }
    for number in 0..30 {
        ready_of_any(&test_env, &format!("large-{number}"), "InvalidSpec").await?;
    }
    let after = test_env.operator.memory()?;
    println!(
        "30 drives of 600 KB: {} KiB before, {} KiB after",
        before.own, after.own
    );
    assert!(after.own < before.own + 16 * 1024, "{before:?} {after:?}");
    test_env.apply(&drive("well", "1", 1)).await?;
    test_env.ready("well").await?;

    test_env.apply(&drive("grown", "2", 1)).await?;
    test_env.ready("grown").await?;
    assert_eq!(
        of_deployment(&test_env, "grown-web", IMAGE).await?,
        "registry.example.com/web:2"
    );
    Ok(())
}

const OLDER: &str = "
apiVersion: ras.dev/v1alpha1
kind: RecruitmentDrive
metadata: {name: spring}
spec: {services: [{name: web-site, image: 'registry.example.com/older:1'}, {name: api, image: 'registry.example.com/api:1'}]}
";

const YOUNGER: &str = "
apiVersion: ras.dev/v1alpha1
kind: RecruitmentDrive
metadata: {name: spring-web}
spec: {services: [{name: site, image: 'registry.example.com/younger:1'}]}
";

#[tokio::test]
async fn the_younger_of_two_colliding_drives_is_refused_with_the_name_of_the_older() -> Result<(), Error> {
    let test_env = TestEnv::start("collision").await?;
    test_env.apply(OLDER).await?;
    test_env.ready("spring").await?;
    let older_claimant = look::<Deployment>(&test_env, "spring-web-site").await?;
    // Of two drives that were created within one second, their UIDs decide.
    next_second().await;
    let before = mark(&test_env).await?;
    test_env.apply(YOUNGER).await?;

    let condition = because(&test_env, "spring-web", ConditionType::Stalled, Reason::NameTaken).await?;
    assert_eq!(condition.status, "True");
    for word in ["\"spring\"", "spring-web-site", "rename"] {
        assert!(condition.message.contains(word), "{word}: {}", condition.message);
    }
    assert_eq!(
        test_env
            .condition("spring-web", ConditionType::Ready, "False")
            .await?
            .reason,
        "NameTaken"
    );
    test_env.ready("spring").await?;
    assert_eq!(
        look::<Deployment>(&test_env, "spring-web-site").await?,
        older_claimant,
        "not a byte of it"
    );
    let written = asked(&test_env, before, writes_children).await?;
    assert!(written.is_empty(), "{written:?}");

    // The older drive releases the name, and the operator then rolls out the younger one.
    test_env.apply(&OLDER.replace("web-site", "portal")).await?;
    becomes(
        &test_env,
        "spring-web-site",
        IMAGE,
        &json!("registry.example.com/younger:1"),
    )
    .await?;
    test_env.ready("spring-web").await?;
    test_env.ready("spring").await?;
    assert!(look::<Deployment>(&test_env, "spring-portal").await?.is_some());

    // It does not get it back, for now the name is taken from the other side: age counts, not who was there first.
    kubectl(&test_env, &["delete", "drive", "spring-web", "--timeout=50s"]).await?;
    test_env.apply(OLDER).await?;
    becomes_within(
        COLLECTED,
        &test_env,
        "spring-web-site",
        IMAGE,
        &json!("registry.example.com/older:1"),
    )
    .await?;
    test_env.ready("spring").await?;
    test_env.apply(YOUNGER).await?;
    because(&test_env, "spring-web", ConditionType::Ready, Reason::NameTaken).await?;
    kubectl(&test_env, &["delete", "drive", "spring", "--timeout=50s"]).await?;
    becomes_within(
        COLLECTED,
        &test_env,
        "spring-web-site",
        IMAGE,
        &json!("registry.example.com/younger:1"),
    )
    .await?;
    test_env.ready("spring-web").await.map(drop)
}

#[tokio::test]
async fn pods_that_cannot_start_are_named_with_the_reason() -> Result<(), Error> {
    let test_env = TestEnv::start("failing").await?;
    test_env.apply(GOOD).await?;
    test_env.ready("spring").await?;
    let pods = test_env.namespace.api::<Pod>();
    let web = ListParams::default().labels("ras.dev/service=web");
    let pod = pods
        .list(&web)
        .await
        .unwrap()
        .items
        .into_iter()
        .find_map(|pod| pod.metadata.name)
        .unwrap();

    // No kubelet is here that could fail to pull an image; this is what one would write.
    let words = "Back-off pulling image \"registry.example.com/web:1\"";
    let waiting = json!({"status": {
        "conditions": [{"type": "Ready", "status": "False"}, {"type": "ContainersReady", "status": "False"}],
        "containerStatuses": [{
            "name": "web", "image": "registry.example.com/web:1", "imageID": "", "ready": false, "restartCount": 0,
            "state": {"waiting": {"reason": "ImagePullBackOff", "message": words}},
        }],
    }});
    pods.patch_status(&pod, &PatchParams::default(), &Patch::Strategic(&waiting))
        .await
        .unwrap();
    because_with(
        &test_env,
        "spring",
        ConditionType::ServicesReady,
        Reason::PodsFailing,
        &["service web: 0 of 1 ready", &pod, "ImagePullBackOff", words],
    )
    .await?;
    assert_eq!(
        test_env
            .condition("spring", ConditionType::Ready, "False")
            .await?
            .reason,
        "PodsFailing"
    );
    let services =
        serde_json::to_value(test_env.drives().get("spring").await.unwrap().status.unwrap().services).unwrap();
    assert!(
        services[1]["message"].as_str().unwrap().contains("ImagePullBackOff"),
        "{services}"
    );
    assert_eq!(services[0].get("message"), None, "the other service is well");

    kubectl(&test_env, &["delete", "pod", &pod]).await?;
    test_env.ready("spring").await.map(drop)
}

#[tokio::test]
async fn a_service_that_fits_on_no_node_is_told_as_such() -> Result<(), Error> {
    let test_env = TestEnv::start("unschedulable").await?;
    let drive = GOOD.replace(
        "resources: {limits: {memory: 64Mi}}",
        "scheduling: {nodeSelector: {example.com/pool: none}}",
    );
    test_env.apply(&drive).await?;
    becomes(&test_env, "spring-api", "/status/readyReplicas", &1.into()).await?;
    let condition = eventually(PATIENCE, "nothing but the service that fits nowhere", async || {
        let condition = because(&test_env, "spring", ConditionType::ServicesReady, Reason::PodsFailing).await?;
        if condition.message.contains("service api") {
            Err(condition.message.into())
        } else {
            Ok(condition)
        }
    })
    .await?;
    for word in ["service web", "Unschedulable", "nodes are available"] {
        assert!(condition.message.contains(word), "{word}: {}", condition.message);
    }
    test_env.apply(GOOD).await?;
    test_env.ready("spring").await.map(drop)
}

/// A drive as anybody sees it who does not insist on its type.
pub async fn ready_of_any(test_env: &TestEnv, drive: &str, reason: &str) -> Result<Value, Error> {
    eventually(PATIENCE, &format!("Ready of {drive} to say {reason}"), async || {
        let seen: Value = serde_json::from_str(&kubectl(test_env, &["get", "drive", drive, "--output=json"]).await?)?;
        let conditions = seen.pointer("/status/conditions").and_then(Value::as_array);
        let ready = conditions
            .into_iter()
            .flatten()
            .find(|condition| condition["type"] == "Ready");
        match ready {
            Some(ready)
                if ready["reason"] == reason && ready["observedGeneration"] == seen["metadata"]["generation"] =>
            {
                Ok(ready.clone())
            }
            other => Err(format!("{other:?}").into()),
        }
    })
    .await
    .map_err(|error| error.with_log(&test_env.operator.log()))
}
