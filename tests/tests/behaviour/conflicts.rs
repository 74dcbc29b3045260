//! Other controllers that insist on what the drive sets: who they are is told, and nobody fights without end.

use std::{
    fmt::Debug,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use k8s_openapi::api::{apps::v1::Deployment, core::v1::Secret};
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use ras_crds::{Condition, ConditionType, Reason};
use ras_tests::{AuditMark, Error, OperatorOptions, ROLES, TestEnv, eventually};
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::{
    children::{at_rest, failed},
    seen::{
        IMAGE, REPLICAS, asked, because_with, becomes, becomes_within, kubectl, kubectl_with_input, mark,
        of_deployment, restart_operator, writes_children,
    },
};

fn drive(image: u32) -> String {
    format!(
        "
apiVersion: ras.dev/v1alpha1
kind: RecruitmentDrive
metadata: {{name: spring}}
spec:
  services:
  - name: web
    image: registry.example.com/web:{image}
    replicas: 1
    ports: [{{name: http, port: 8080}}]
"
    )
}

const AUTOSCALER: &str = "
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: somebodys}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: spring-web}
  minReplicas: 3
  maxReplicas: 5
  metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 70}}}]
";

/// The longest pause that a test may meet, and some patience.
const A_PAUSE: Duration = Duration::from_secs(150);

async fn settles_with_three(test_env: &TestEnv) -> Result<(), Error> {
    becomes(test_env, "spring-web", REPLICAS, &json!(3)).await?;
    test_env.ready("spring").await?;
    because_with(
        test_env,
        "spring",
        ConditionType::FieldConflict,
        Reason::FieldConflict,
        &[
            "Deployment/spring-web",
            "somebodys",
            "kube-controller-manager",
            "spec.replicas",
            "autoscaling",
        ],
    )
    .await?;
    at_rest(test_env, "spring").await.map(drop)
}

#[tokio::test]
async fn somebodys_own_autoscaler_is_named_and_keeps_the_number_and_the_drive_stays_ready() -> Result<(), Error> {
    let mut test_env = TestEnv::start("fight-scale").await?;
    test_env.apply(&drive(1)).await?;
    test_env.ready("spring").await?;
    kubectl_with_input(&test_env, &["apply", "-f", "-"], AUTOSCALER).await?;
    settles_with_three(&test_env).await?;
    let ready = test_env.ready("spring").await?;
    let since = mark(&test_env).await?;
    tokio::time::sleep(Duration::from_secs(10)).await;
    let written = asked(&test_env, since, writes_children).await?;
    assert!(written.is_empty(), "{written:#?}");
    assert_eq!(
        test_env.ready("spring").await?.last_transition_time,
        ready.last_transition_time
    );

    // What else the drive changes is applied, and the number stays.
    test_env.apply(&drive(2)).await?;
    becomes(&test_env, "spring-web", IMAGE, &json!("registry.example.com/web:2")).await?;
    assert_eq!(of_deployment(&test_env, "spring-web", REPLICAS).await?, 3);
    settles_with_three(&test_env).await?;

    // Another operator, which remembers nothing, ends no pod either.
    let since = mark(&test_env).await?;
    restart_operator(&mut test_env, &OperatorOptions::with_roles(ROLES)).await?;
    settles_with_three(&test_env).await?;
    let written = asked(&test_env, since, writes_children).await?;
    assert!(written.is_empty(), "{written:#?}");

    kubectl(&test_env, &["delete", "hpa", "somebodys"]).await?;
    becomes_within(A_PAUSE, &test_env, "spring-web", REPLICAS, &json!(1)).await?;
    no_conflict(&test_env).await
}

async fn no_conflict(test_env: &TestEnv) -> Result<(), Error> {
    eventually(A_PAUSE, "the conflict to be over", async || {
        let status = test_env.drives().get("spring").await?.status.unwrap_or_default();
        let mut conditions = status.conditions.into_iter();
        match conditions.find(|one| one.type_ == ConditionType::FieldConflict.as_str()) {
            None => Ok(()),
            Some(condition) => Err(condition.message.into()),
        }
    })
    .await
    .map_err(|error| error.with_log(&test_env.operator.log()))
}

/// Sets a label of a child whenever it has another value, as the field manager `manager`, as long as it is wanted.
async fn insist<K>(api: Api<K>, child: &'static str, manager: &'static str, wanted: Arc<AtomicBool>)
where
    K: Clone + DeserializeOwned + Debug,
{
    let params = PatchParams {
        field_manager: Some(manager.to_owned()),
        ..PatchParams::default()
    };
    let patch = Patch::Merge(json!({"metadata": {"labels": {"app.kubernetes.io/part-of": "cost-center"}}}));
    while wanted.load(Ordering::Acquire) {
        let _ = api.patch(child, &params, &patch).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Waits until the drive names the child and the manager that insists on its label, and sees that it is put back less and less
/// often, while the drive stays ready as it was.
async fn is_fought_over_less_and_less(
    test_env: &TestEnv,
    (child, manager): (&str, &str),
    since: AuditMark,
    ready: &Condition,
) -> Result<(), Error> {
    because_with(
        test_env,
        "spring",
        ConditionType::FieldConflict,
        Reason::FieldConflict,
        &[child, manager, "metadata.labels[app.kubernetes.io/part-of]"],
    )
    .await?;
    tokio::time::sleep(Duration::from_secs(10)).await;
    let written = asked(test_env, since, writes_children).await?;
    assert!((3..=4).contains(&written.len()), "{written:#?}");
    assert_eq!(
        test_env.ready("spring").await?.last_transition_time,
        ready.last_transition_time
    );
    Ok(())
}

#[tokio::test]
async fn a_field_that_another_controller_insists_on_is_put_back_less_and_less_often_and_both_are_named()
-> Result<(), Error> {
    const LABEL: &str = "/metadata/labels/app.kubernetes.io~1part-of";
    let test_env = TestEnv::start("fight-label").await?;
    test_env.apply(&drive(1)).await?;
    let ready = test_env.ready("spring").await?;
    let right = of_deployment(&test_env, "spring-web", LABEL).await?;
    let since = mark(&test_env).await?;
    let wanted = Arc::new(AtomicBool::new(true));
    let api: Api<Deployment> = test_env.namespace.api();
    let tool = tokio::spawn(insist(api, "spring-web", "cost-tool", Arc::clone(&wanted)));
    is_fought_over_less_and_less(&test_env, ("Deployment/spring-web", "cost-tool"), since, &ready).await?;
    let events = kubectl(&test_env, &["get", "events", "--output=yaml"]).await?;
    assert!(
        events.contains("reason: FieldConflict") && events.contains("type: Warning"),
        "{events}"
    );

    // Another child is no part of it.
    let elsewhere = r#"--patch={"spec":{"selector":{"ras.dev/service":"elsewhere"}}}"#;
    kubectl(
        &test_env,
        &["patch", "service", "spring-web", "--type=merge", elsewhere],
    )
    .await?;
    eventually(ras_tests::PATIENCE, "the Service to be put back", async || {
        let service = kubectl(&test_env, &["get", "service", "spring-web", "--output=json"]).await?;
        if service.contains("elsewhere") {
            Err(service.into())
        } else {
            Ok(())
        }
    })
    .await?;

    wanted.store(false, Ordering::Release);
    tool.await.unwrap();
    becomes_within(A_PAUSE, &test_env, "spring-web", LABEL, &right).await?;
    no_conflict(&test_env).await
}

#[tokio::test]
async fn a_change_by_hand_is_put_back_at_once_and_the_event_says_whose_it_was() -> Result<(), Error> {
    let test_env = TestEnv::start("drift-who").await?;
    test_env.apply(&drive(1)).await?;
    test_env.ready("spring").await?;
    let deployments: Api<Deployment> = test_env.namespace.api();
    let params = PatchParams {
        field_manager: Some("somebody".to_owned()),
        ..PatchParams::default()
    };
    let patch = Patch::Strategic(json!({"spec": {"template": {"spec": {"containers": [
        {"name": "web", "image": "registry.example.com/evil:1"}]}}}}));
    let patched = deployments.patch("spring-web", &params, &patch).await;
    patched.map_err(failed("changing the image"))?;
    becomes(&test_env, "spring-web", IMAGE, &json!("registry.example.com/web:1")).await?;
    eventually(ras_tests::PATIENCE, "an event that says who", async || {
        let events = kubectl(&test_env, &["get", "events", "--output=json"]).await?;
        if events.contains("spec.template.spec.containers[web].image by somebody") {
            Ok(())
        } else {
            Err(events.into())
        }
    })
    .await
}

const WITH_SECRET: &str = "
apiVersion: ras.dev/v1alpha1
kind: RecruitmentDrive
metadata: {name: spring}
spec:
  services:
  - name: web
    image: registry.example.com/web:1
    env: [{name: KEY, secret: {name: jwt, key: key}}]
  secrets: [{name: jwt, generate: {keys: [key]}}]
";

#[tokio::test]
async fn a_label_of_a_secret_that_another_controller_insists_on_is_put_back_less_often_and_no_value_is_asked_for()
-> Result<(), Error> {
    const LABEL: &str = "jsonpath={.metadata.labels.app\\.kubernetes\\.io/part-of}";
    let label = async |test_env: &TestEnv| kubectl(test_env, &["get", "secret", "spring-jwt", "-o", LABEL]).await;
    let test_env = TestEnv::start("fight-secret").await?;
    test_env.apply(WITH_SECRET).await?;
    let ready = test_env.ready("spring").await?;
    let right = label(&test_env).await?;
    assert!(!right.is_empty(), "it has no such label");
    let since = mark(&test_env).await?;
    let wanted = Arc::new(AtomicBool::new(true));
    let api: Api<Secret> = test_env.namespace.api();
    let tool = tokio::spawn(insist(api, "spring-jwt", "label-tool", Arc::clone(&wanted)));
    is_fought_over_less_and_less(&test_env, ("Secret/spring-jwt", "label-tool"), since, &ready).await?;

    // A key that is lacking comes all the same.
    test_env
        .apply(&WITH_SECRET.replace("keys: [key]", "keys: [key, refresh]"))
        .await?;
    eventually(ras_tests::PATIENCE, "the second key", async || {
        let secret = test_env.namespace.api::<Secret>().get("spring-jwt").await?;
        if secret.data.is_some_and(|data| data.contains_key("refresh")) {
            Ok(())
        } else {
            Err("only one".into())
        }
    })
    .await
    .map_err(|error| error.with_log(&test_env.operator.log()))?;

    let gets = asked(&test_env, since, |event| {
        event.resource == "secrets" && matches!(event.verb.as_str(), "get" | "list")
    })
    .await?;
    assert!(gets.is_empty(), "{gets:#?}");

    wanted.store(false, Ordering::Release);
    tool.await.unwrap();
    eventually(A_PAUSE, "the label to be put back", async || {
        let now = label(&test_env).await?;
        if now == right { Ok(()) } else { Err(now.into()) }
    })
    .await
    .map_err(|error| error.with_log(&test_env.operator.log()))?;
    no_conflict(&test_env).await
}
