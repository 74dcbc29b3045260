//! Nothing changed, nothing is asked for; one thing changed, one thing is written.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use k8s_openapi::api::core::v1::Pod;
use kube::{ResourceExt as _, api::ListParams};
use ras_core::kind::Kind;
use ras_crds::{ConditionType, Reason};
use ras_tests::{Error, ForeignProject, Operator, OperatorOptions, PATIENCE, ROLES, Shared, TestEnv, eventually};
use serde_json::{Value, json};

use crate::{
    children::{
        EVERY_CHILD, api, at_rest, counts_past, env_with_every_child, failed, kinds, make_every_child, meddle,
        reconciles, versions,
    },
    seen::{IMAGE, asked, because, kubectl, mark},
};

/// The promise is that nothing happens, so there is nothing to wait for but the time itself.
const A_MINUTE: Duration = Duration::from_mins(1);
/// A watch ends, and is asked for anew, about five minutes after it began.
const WATCHES_LAST: Duration = Duration::from_secs(280);

#[tokio::test]
async fn applying_the_same_drive_twice_changes_no_resource_version() -> Result<(), Error> {
    let mut test_env = env_with_every_child("same-twice").await?;
    let before = at_rest(&test_env, "season").await?;
    assert!(before.len() > Kind::ALL.len(), "{before:?}");

    test_env.apply(EVERY_CHILD).await?;
    assert_eq!(at_rest(&test_env, "season").await?, before);

    // The API server keeps such an apply from the operator. A note on the drive it does see, and reconciles all of it.
    let since = mark(&test_env).await?;
    let reconciled = reconciles(&mut test_env.operator).await?;
    kubectl(&test_env, &["annotate", "drive", "season", "example.com/note=seen"]).await?;
    counts_past(&mut test_env.operator, reconciled).await?;
    let mut after = at_rest(&test_env, "season").await?;
    let drive = after.insert("RecruitmentDrive".to_owned(), before["RecruitmentDrive"].clone());
    assert_ne!(
        drive,
        before.get("RecruitmentDrive").cloned(),
        "the note was never written"
    );
    assert_eq!(after, before);
    assert!(
        asked(&test_env, since, |_| true)
            .await?
            .iter()
            .all(|event| !event.is_for_resource()),
        "it asked for something"
    );
    Ok(())
}

#[tokio::test]
async fn an_idle_drive_costs_no_request_for_a_minute() -> Result<(), Error> {
    // For all namespaces, as most will run it. One that may not watch CustomResourceDefinitions asks for them instead.
    let cluster = ras_tests::Cluster::start().await?;
    cluster.install(ForeignProject::PrometheusOperator).await?;
    cluster.install(ForeignProject::ExternalSecrets).await?;
    let started = Instant::now();
    let options = OperatorOptions::with_roles(ROLES).cluster_wide();
    let mut test_env = TestEnv::with(Shared::Own(Box::new(cluster)), "idle", &options).await?;
    make_every_child(&test_env).await?;

    let before = versions(&test_env, "season").await?;
    let since = mark(&test_env).await?;
    let reconciled = reconciles(&mut test_env.operator).await?;
    tokio::time::sleep(A_MINUTE).await;
    let late = started.elapsed() > WATCHES_LAST;
    let asked = asked(&test_env, since, |event| !(late && event.verb == "watch")).await?;
    assert!(asked.is_empty(), "{asked:#?}");
    assert_eq!(
        reconciles(&mut test_env.operator).await?,
        reconciled,
        "it looked at the drive without a reason"
    );
    assert_eq!(versions(&test_env, "season").await?, before);
    Ok(())
}

#[tokio::test]
async fn a_restarted_operator_finds_out_by_lists_alone_that_nothing_changed() -> Result<(), Error> {
    let mut test_env = env_with_every_child("restarted").await?;
    let before = at_rest(&test_env, "season").await?;
    test_env.operator.stop().await?;
    let since = mark(&test_env).await?;
    test_env.operator = start_operator(&test_env).await?;
    counts_past(&mut test_env.operator, 0).await?;
    assert_eq!(at_rest(&test_env, "season").await?, before);

    let asked = asked(&test_env, since, ras_tests::AuditEvent::is_for_resource).await?;
    let lists: BTreeSet<&str> = asked
        .iter()
        .filter(|event| event.verb == "list" || event.verb == "watch")
        .map(|event| &*event.resource)
        .collect();
    for kind in kinds() {
        assert!(
            lists.contains(&*kind.resource().plural),
            "{kind} is not among {lists:?}"
        );
    }
    let others: Vec<_> = asked
        .iter()
        .filter(|event| event.verb != "list" && event.verb != "watch")
        .collect();
    assert!(others.is_empty(), "{others:#?}");
    Ok(())
}

#[tokio::test]
async fn what_drifted_while_the_operator_was_down_is_put_back_when_it_starts() -> Result<(), Error> {
    let mut test_env = env_with_every_child("down").await?;
    test_env.operator.stop().await?;
    let (deployments, services, config_maps) = (
        api(&test_env, Kind::Deployment),
        api(&test_env, Kind::Service),
        api(&test_env, Kind::ConfigMap),
    );
    let image = IMAGE;
    meddle(&deployments, "season-worker", |object| {
        object["spec"]["template"]["spec"]["containers"][0]["image"] = json!("evil:1");
    })
    .await?;
    // Without its label the operator's informers do not see it.
    meddle(&services, "season-web", |object| {
        if let Some(labels) = object.pointer_mut("/metadata/labels").and_then(Value::as_object_mut) {
            labels.remove("app.kubernetes.io/managed-by");
        }
    })
    .await?;
    config_maps
        .delete("season-web", &kube::api::DeleteParams::default())
        .await
        .map_err(failed("deleting the ConfigMap"))?;

    test_env.operator = start_operator(&test_env).await?;
    eventually(PATIENCE, "everything to be as it was", async || {
        let deployment = serde_json::to_value(deployments.get("season-worker").await?)?;
        if deployment.pointer(image) != Some(&json!("registry.example.com/worker:1")) {
            return Err(format!("{:?}", deployment.pointer(image)).into());
        }
        if !services
            .get("season-web")
            .await?
            .labels()
            .contains_key("app.kubernetes.io/managed-by")
        {
            return Err("no label".into());
        }
        config_maps.get("season-web").await?;
        Ok(())
    })
    .await
    .map_err(|error| error.with_log(&test_env.operator.log()))?;
    test_env.ready("season").await.map(drop)
}

#[tokio::test]
async fn a_change_of_one_image_writes_that_deployment_alone() -> Result<(), Error> {
    let test_env = env_with_every_child("one-image").await?;
    let before = pods(&test_env).await?;
    let since = mark(&test_env).await?;

    test_env.apply(&EVERY_CHILD.replace("web:1", "web:2")).await?;
    test_env.ready("season").await?;
    at_rest(&test_env, "season").await?;

    let mut written: BTreeMap<String, u32> = BTreeMap::new();
    for event in asked(&test_env, since, ras_tests::AuditEvent::is_write).await? {
        let resource = [&*event.resource, &event.subresource, &event.name].join("/");
        if event.resource != "events" {
            *written.entry(format!("{} {resource}", event.verb)).or_default() += 1;
        }
    }
    // What it tells of the roll-out depends on how much of it is seen.
    assert!(
        written.remove("patch recruitmentdrives/status/season").is_some(),
        "{written:?}"
    );
    assert_eq!(
        written,
        BTreeMap::from([("patch deployments//season-web".to_owned(), 1)])
    );

    let mut after = pods(&test_env).await?;
    let (old, new) = (
        before["web"].clone(),
        after.insert("web".to_owned(), before["web"].clone()),
    );
    assert_eq!(after, before, "pods of another service were replaced");
    let new = new.unwrap_or_default();
    assert!(new.len() == 2 && new.is_disjoint(&old), "{old:?}, then {new:?}");
    Ok(())
}

#[tokio::test]
async fn a_new_drive_costs_one_write_for_each_child_and_is_told_of_once() -> Result<(), Error> {
    let test_env = TestEnv::start("new-cost").await?;
    let since = mark(&test_env).await?;
    // Suspended, because what is told of programs that start depends on how much of it is seen. Its Secret stands in the
    // Deployment's template by its stamp, and has the drive as its owner: neither may cost a second write.
    test_env
        .apply(
            "
apiVersion: ras.dev/v1alpha1
kind: RecruitmentDrive
metadata: {name: fresh}
spec:
  suspend: true
  services:
  - name: web
    image: registry.example.com/web:1
    replicas: 1
    ports: [{name: http, port: 8080, path: /}]
    env: [{name: KEY, secret: {name: jwt, key: key}}]
    files: [{path: /app/key, content: 'key: $(KEY)'}]
  secrets:
  - {name: jwt, generate: {keys: [key]}, deletionPolicy: Delete}
  exposure: {host: fresh.example.edu}
",
        )
        .await?;
    because(&test_env, "fresh", ConditionType::Ready, Reason::Suspended).await?;
    let children = at_rest(&test_env, "fresh").await?.len() - 1;
    assert!(children >= 7, "the drive became {children} objects");

    let (mut written, mut status_writes, mut events) = (BTreeMap::new(), 0, 0);
    for event in asked(&test_env, since, ras_tests::AuditEvent::is_write).await? {
        match &*event.resource {
            "events" => events += 1,
            "recruitmentdrives" => status_writes += 1,
            resource => *written.entry(format!("{resource}/{}", event.name)).or_insert(0) += 1,
        }
    }
    assert_eq!(written.len(), children, "{written:?}");
    assert!(written.values().all(|times| *times == 1), "{written:?}");
    assert_eq!(events, 1, "what was made is told once");
    // Twice, where the Deployment controller takes its time.
    assert!(
        (1..=2).contains(&status_writes),
        "the status was written {status_writes} times"
    );
    Ok(())
}

/// UIDs of the pods of each service.
async fn pods(test_env: &TestEnv) -> Result<BTreeMap<String, BTreeSet<String>>, Error> {
    let list = test_env
        .namespace
        .api::<Pod>()
        .list(&ListParams::default())
        .await
        .map_err(failed("listing pods"))?;
    let mut pods: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for pod in list
        .items
        .iter()
        .filter(|pod| pod.metadata.deletion_timestamp.is_none())
    {
        let service = pod.labels().get("ras.dev/service").cloned().unwrap_or_default();
        pods.entry(service).or_default().insert(pod.uid().unwrap_or_default());
    }
    Ok(pods)
}

async fn start_operator(test_env: &TestEnv) -> Result<Operator, Error> {
    Operator::start(
        &test_env.cluster,
        &test_env.namespace,
        &OperatorOptions::with_roles(ROLES),
    )
    .await
}
