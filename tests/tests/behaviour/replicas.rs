//! How many pods: what the drive says, what an autoscaler or a person says, and the moments in between.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use futures::{StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::{apps::v1::Deployment, autoscaling::v2::HorizontalPodAutoscaler, core::v1::Pod};
use kube::{
    ResourceExt as _,
    api::{ListParams, WatchEvent, WatchParams},
};
use ras_tests::{AuditEvent, Error, OperatorOptions, PATIENCE, ROLES, TestEnv, eventually};
use serde_json::{Value, json};

use crate::seen::{
    IMAGE, REPLICAS, TEMPLATE, asked, becomes, changes, kubectl, look, mark, of_deployment, restart_operator,
    writes_children,
};

/// A drive of one service `web`, of which this is said.
fn drive(image: &str, said: &str) -> String {
    format!(
        "
apiVersion: ras.dev/v1alpha1
kind: RecruitmentDrive
metadata: {{name: spring}}
spec:
  services:
  - name: web
    image: registry.example.com/web:{image}
    ports: [{{name: http, port: 8080}}]
    {said}
"
    )
}

const AUTOSCALED: &str = "autoscaling: {minReplicas: 2, maxReplicas: 8, targetCPUUtilization: 70}";

/// True if the operator's entry in `managedFields` has `replicas`: leaving it out would remove it.
fn holds_replicas(deployment: &Value) -> bool {
    let entries = deployment.pointer("/metadata/managedFields").and_then(Value::as_array);
    entries.into_iter().flatten().any(|entry| {
        entry["manager"] == "ras-operator"
            && entry["operation"] == "Apply"
            && entry.get("subresource").is_none()
            && entry.pointer("/fieldsV1/f:spec/f:replicas").is_some()
    })
}

/// Waits until the operator has, or no longer has, a hand on the number, and an autoscaler is there, or not.
async fn settled(test_env: &TestEnv, held: bool, autoscaled: bool) -> Result<(), Error> {
    eventually(
        PATIENCE,
        &format!("the number to be held: {held}, an autoscaler: {autoscaled}"),
        async || {
            let deployment = look::<Deployment>(test_env, "spring-web").await?.unwrap_or_default();
            let found = look::<HorizontalPodAutoscaler>(test_env, "spring-web").await?;
            let seen = (holds_replicas(&deployment), found.is_some());
            if seen == (held, autoscaled) {
                Ok(())
            } else {
                Err(format!("{seen:?}").into())
            }
        },
    )
    .await?;
    test_env.ready("spring").await.map(drop)
}

fn writes_scale(event: &AuditEvent) -> bool {
    event.is_write() && event.subresource == "scale"
}

#[tokio::test]
async fn replicas_under_an_autoscaler_are_never_written() -> Result<(), Error> {
    let mut test_env = TestEnv::start("autoscaled").await?;
    test_env.apply(&drive("1", AUTOSCALED)).await?;
    settled(&test_env, false, true).await?;
    // It begins with the fewest, and not with one until the autoscaler looks.
    assert_eq!(of_deployment(&test_env, "spring-web", REPLICAS).await?, 2);
    let live = mark(&test_env).await?;

    // The real autoscaler raises it to the new floor.
    test_env
        .apply(&drive("1", &AUTOSCALED.replace("minReplicas: 2", "minReplicas: 3")))
        .await?;
    becomes(&test_env, "spring-web", REPLICAS, &json!(3)).await?;
    settled(&test_env, false, true).await?;

    // A number that somebody else sets outlives changes of the drive and another operator.
    kubectl(&test_env, &["scale", "deployment/spring-web", "--replicas=5"]).await?;
    test_env
        .apply(&drive("2", &AUTOSCALED.replace("minReplicas: 2", "minReplicas: 3")))
        .await?;
    becomes(&test_env, "spring-web", IMAGE, &json!("registry.example.com/web:2")).await?;
    settled(&test_env, false, true).await?;
    assert_eq!(of_deployment(&test_env, "spring-web", REPLICAS).await?, 5);
    let scaled = asked(&test_env, live, writes_scale).await?;
    assert!(scaled.is_empty(), "{scaled:?}");
    restart_operator(&mut test_env, &OperatorOptions::with_roles(ROLES)).await?;
    test_env
        .apply(&drive("3", &AUTOSCALED.replace("minReplicas: 2", "minReplicas: 3")))
        .await?;
    becomes(&test_env, "spring-web", IMAGE, &json!("registry.example.com/web:3")).await?;
    settled(&test_env, false, true).await?;
    assert_eq!(of_deployment(&test_env, "spring-web", REPLICAS).await?, 5);
    let scaled = asked(&test_env, live, writes_scale).await?;
    assert!(scaled.is_empty(), "{scaled:?}");
    Ok(())
}

#[tokio::test]
async fn turning_autoscaling_on_or_off_never_dips_below_the_present_count() -> Result<(), Error> {
    let test_env = TestEnv::start("autoscaling-switched").await?;
    test_env.apply(&drive("1", "replicas: 4")).await?;
    settled(&test_env, true, false).await?;
    let counts = record(&test_env).await?;

    test_env.apply(&drive("1", AUTOSCALED)).await?;
    settled(&test_env, false, true).await?;
    test_env.apply(&drive("1", "replicas: 6")).await?;
    settled(&test_env, true, false).await?;
    test_env.apply(&drive("1", "")).await?;
    settled(&test_env, false, false).await?;
    test_env.apply(&drive("1", AUTOSCALED)).await?;
    settled(&test_env, false, true).await?;
    test_env.apply(&drive("1", "")).await?;
    settled(&test_env, false, false).await?;
    // The last one, so that the record is known to be whole.
    test_env.apply(&drive("1", "replicas: 7")).await?;
    settled(&test_env, true, false).await?;

    let mut counts = tokio::time::timeout(PATIENCE, counts).await.unwrap().unwrap()?;
    counts.dedup();
    assert_eq!(counts, [4, 6, 7], "every number the Deployment ever had");
    Ok(())
}

/// Records every number of replicas the Deployment has, until it is 7. A watch tells of every version there is.
async fn record(test_env: &TestEnv) -> Result<tokio::task::JoinHandle<Result<Vec<i64>, Error>>, Error> {
    let failed = |error: kube::Error| Error::Api {
        what: "watching the Deployment".to_owned(),
        message: error.to_string(),
    };
    let api = test_env.namespace.api::<Deployment>();
    let first = api.get("spring-web").await.map_err(failed)?;
    let version = first.metadata.resource_version.unwrap_or_default();
    let params = WatchParams::default().fields("metadata.name=spring-web");
    let mut stream = api.watch(&params, &version).await.map_err(failed)?.boxed();
    let mut counts: Vec<i64> = first
        .spec
        .and_then(|spec| spec.replicas)
        .map(i64::from)
        .into_iter()
        .collect();
    Ok(tokio::spawn(async move {
        while let Some(event) = stream.try_next().await.map_err(failed)? {
            if let WatchEvent::Added(seen) | WatchEvent::Modified(seen) = event {
                counts.extend(seen.spec.and_then(|spec| spec.replicas).map(i64::from));
            }
            if counts.last() == Some(&7) {
                break;
            }
        }
        Ok(counts)
    }))
}

#[tokio::test]
async fn kubectl_scale_works_where_the_drive_leaves_the_number_open() -> Result<(), Error> {
    let mut test_env = TestEnv::start("scaled-by-hand").await?;
    test_env.apply(&drive("1", "")).await?;
    settled(&test_env, false, false).await?;
    assert_eq!(of_deployment(&test_env, "spring-web", REPLICAS).await?, 1);
    let before = mark(&test_env).await?;

    kubectl(&test_env, &["scale", "deployment/spring-web", "--replicas=3"]).await?;
    eventually(PATIENCE, "the status to tell 3 of 3", async || {
        let drive = test_env.drives().get("spring").await?;
        let services = drive.status.unwrap_or_default().services;
        match services.first() {
            Some(service) if (service.ready, service.desired) == (3, 3) => Ok(()),
            other => Err(format!("{other:?}").into()),
        }
    })
    .await?;
    let written = asked(&test_env, before, writes_children).await?;
    assert!(written.is_empty(), "{written:?}");

    test_env.apply(&drive("2", "")).await?;
    becomes(&test_env, "spring-web", IMAGE, &json!("registry.example.com/web:2")).await?;
    restart_operator(&mut test_env, &OperatorOptions::with_roles(ROLES)).await?;
    test_env.apply(&drive("3", "")).await?;
    becomes(&test_env, "spring-web", IMAGE, &json!("registry.example.com/web:3")).await?;
    test_env.ready("spring").await?;
    assert_eq!(of_deployment(&test_env, "spring-web", REPLICAS).await?, 3);
    let scaled = asked(&test_env, before, writes_scale).await?;
    assert!(scaled.is_empty(), "{scaled:?}");

    // Where the drive says the number, the drive is what counts.
    test_env.apply(&drive("3", "replicas: 2")).await?;
    becomes(&test_env, "spring-web", REPLICAS, &json!(2)).await?;
    settled(&test_env, true, false).await?;
    kubectl(&test_env, &["scale", "deployment/spring-web", "--replicas=5"]).await?;
    becomes(&test_env, "spring-web", REPLICAS, &json!(2)).await
}

#[tokio::test]
async fn kubectl_rollout_restart_survives() -> Result<(), Error> {
    const RESTARTED: &str = "/spec/template/metadata/annotations/kubectl.kubernetes.io~1restartedAt";
    let mut test_env = TestEnv::start("restarted").await?;
    test_env.apply(&drive("1", "replicas: 2")).await?;
    test_env.ready("spring").await?;
    let template = of_deployment(&test_env, "spring-web", TEMPLATE).await?;
    let before = mark(&test_env).await?;

    kubectl(&test_env, &["rollout", "restart", "deployment/spring-web"]).await?;
    changes(&test_env, "spring-web", TEMPLATE, &template).await?;
    kubectl(
        &test_env,
        &["rollout", "status", "deployment/spring-web", "--timeout=50s"],
    )
    .await?;
    test_env.ready("spring").await?;
    let restarted = of_deployment(&test_env, "spring-web", RESTARTED).await?;
    let written = asked(&test_env, before, writes_children).await?;
    assert!(written.is_empty(), "a restart is no drift: {written:?}");

    test_env.apply(&drive("2", "replicas: 2")).await?;
    becomes(&test_env, "spring-web", IMAGE, &json!("registry.example.com/web:2")).await?;
    assert_eq!(of_deployment(&test_env, "spring-web", RESTARTED).await?, restarted);
    restart_operator(&mut test_env, &OperatorOptions::with_roles(ROLES)).await?;
    test_env.apply(&drive("3", "replicas: 2")).await?;
    becomes(&test_env, "spring-web", IMAGE, &json!("registry.example.com/web:3")).await?;
    assert_eq!(of_deployment(&test_env, "spring-web", RESTARTED).await?, restarted);
    Ok(())
}

/// The pods of the namespace at each creation of a pod.
#[derive(Clone, Default)]
struct Starts {
    /// How many were created.
    created: usize,
    /// Those that did not serve when another one was created.
    early: Vec<String>,
}

/// Watches the pods from now on, until the test ends.
async fn watch_starts(test_env: &TestEnv) -> Result<Arc<Mutex<Starts>>, Error> {
    let failed = |error: kube::Error| Error::Api {
        what: "watching the pods".to_owned(),
        message: error.to_string(),
    };
    let api = test_env.namespace.api::<Pod>();
    let version = api.list(&ListParams::default()).await.map_err(failed)?.metadata;
    let version = version.resource_version.unwrap_or_default();
    let mut stream = api
        .watch(&WatchParams::default(), &version)
        .await
        .map_err(failed)?
        .boxed();
    let starts = Arc::new(Mutex::new(Starts::default()));
    let shared = Arc::clone(&starts);
    tokio::spawn(async move {
        let mut serving: BTreeMap<String, bool> = BTreeMap::new();
        while let Ok(Some(event)) = stream.try_next().await {
            match event {
                WatchEvent::Added(pod) => {
                    let mut starts = shared.lock().unwrap();
                    starts.created += 1;
                    let others = serving.iter().filter(|(_, serves)| !**serves);
                    let early: Vec<String> = others
                        .map(|(other, _)| format!("{} before {other}", pod.name_any()))
                        .collect();
                    starts.early.extend(early);
                    serving.insert(pod.name_any(), false);
                }
                WatchEvent::Modified(pod) if pod.metadata.deletion_timestamp.is_none() => {
                    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_ref());
                    let ready = conditions
                        .into_iter()
                        .flatten()
                        .any(|one| one.type_ == "Ready" && one.status == "True");
                    serving.insert(pod.name_any(), ready);
                }
                WatchEvent::Modified(pod) | WatchEvent::Deleted(pod) => drop(serving.remove(&pod.name_any())),
                WatchEvent::Bookmark(_) | WatchEvent::Error(_) => {}
            }
        }
    });
    Ok(starts)
}

#[tokio::test]
async fn pods_start_one_at_a_time_also_the_first_ones_those_after_a_suspension_and_further_ones() -> Result<(), Error> {
    let mut test_env = TestEnv::start("one-at-a-time").await?;
    let starts = watch_starts(&test_env).await?;
    let seen = || starts.lock().unwrap().clone();
    let paced = |replicas: i32| format!("replicas: {replicas}\n    rollout: OneAtATime");
    let suspend = async |test_env: &TestEnv, value: bool| {
        let patch = format!("{{\"spec\": {{\"suspend\": {value}}}}}");
        kubectl(
            test_env,
            &["patch", "drive", "spring", "--type=merge", "--patch", &patch],
        )
        .await
    };
    test_env.apply(&drive("1", &paced(3))).await?;
    test_env.ready("spring").await?;
    assert_eq!((seen().created, seen().early), (3, Vec::new()), "the first start");
    assert_eq!(
        of_deployment(&test_env, "spring-web", REPLICAS).await?,
        3,
        "Ready means all of them"
    );

    suspend(&test_env, true).await?;
    eventually(PATIENCE, "no pod to be left", async || {
        match look::<Deployment>(&test_env, "spring-web")
            .await?
            .unwrap_or_default()
            .pointer("/status/replicas")
        {
            None => Ok(()),
            Some(left) => Err(left.to_string().into()),
        }
    })
    .await?;
    suspend(&test_env, false).await?;
    // An operator that begins in the middle goes by what there is.
    restart_operator(&mut test_env, &OperatorOptions::with_roles(ROLES)).await?;
    test_env.ready("spring").await?;
    assert_eq!((seen().created, seen().early), (6, Vec::new()), "after the suspension");

    test_env.apply(&drive("2", &paced(5))).await?;
    test_env.ready("spring").await?;
    assert_eq!(of_deployment(&test_env, "spring-web", REPLICAS).await?, 5);
    assert_eq!(
        of_deployment(&test_env, "spring-web", IMAGE).await?,
        "registry.example.com/web:2"
    );
    assert_eq!(
        (seen().created, seen().early),
        (11, Vec::new()),
        "three of the new version in place of the old ones, and then two more"
    );

    let before = mark(&test_env).await?;
    test_env.apply(&drive("2", &paced(2))).await?;
    test_env.ready("spring").await?;
    assert_eq!(of_deployment(&test_env, "spring-web", REPLICAS).await?, 2);
    let written = asked(&test_env, before, writes_children).await?;
    assert_eq!(written.len(), 1, "fewer pods need no pace: {written:?}");
    Ok(())
}

#[tokio::test]
async fn an_autoscaled_service_starts_its_fewest_pods_one_at_a_time_too() -> Result<(), Error> {
    let test_env = TestEnv::start("one-at-a-time-scaled").await?;
    let starts = watch_starts(&test_env).await?;
    let said = format!(
        "{}\n    rollout: OneAtATime",
        AUTOSCALED.replace("minReplicas: 2", "minReplicas: 3")
    );
    test_env.apply(&drive("1", &said)).await?;
    test_env.ready("spring").await?;
    settled(&test_env, false, true).await?;
    let bounds = look::<HorizontalPodAutoscaler>(&test_env, "spring-web")
        .await?
        .unwrap_or_default();
    assert_eq!(
        (&bounds["spec"]["minReplicas"], &bounds["spec"]["maxReplicas"]),
        (&json!(3), &json!(8))
    );
    assert_eq!(of_deployment(&test_env, "spring-web", REPLICAS).await?, 3);
    let seen = starts.lock().unwrap().clone();
    assert_eq!((seen.created, seen.early), (3, Vec::new()));
    Ok(())
}
