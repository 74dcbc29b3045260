//! What does not serve is not Ready, says why, and wants a person once waiting does not help.

use std::time::Duration;

use k8s_openapi::{
    api::{
        apps::v1::{Deployment, StatefulSet},
        batch::v1::Job,
        core::v1::{LimitRange, Pod},
    },
    jiff::Timestamp,
};
use kube::api::{ListParams, Patch, PatchParams};
use ras_crds::{ConditionType, DatabaseState, Reason};
use ras_tests::{Error, PATIENCE, TestEnv, eventually};
use serde_json::{Value, json};

use crate::{
    children::failed,
    databases::Databases,
    seen::{because, becomes, kubectl, look, of_deployment},
};

const DRIVE: &str = "
apiVersion: ras.dev/v1alpha1
kind: RecruitmentDrive
metadata: {name: spring}
spec:
  services:
  - {name: web, image: 'registry.example.com/web:1', replicas: 1}
";

const OWN: &str = "managed: {provider: Standalone, version: 17, size: 1Gi}";

/// The only pod of a service.
async fn pod_of(test_env: &TestEnv, service: &str) -> Result<Pod, Error> {
    eventually(PATIENCE, &format!("one pod of {service}"), async || {
        let of_service = ListParams::default().labels(&format!("ras.dev/service={service}"));
        let pods = test_env.namespace.api::<Pod>().list(&of_service).await?.items;
        match <[Pod; 1]>::try_from(pods) {
            Ok([pod]) => Ok(pod),
            Err(pods) => Err(format!("{} pods", pods.len()).into()),
        }
    })
    .await
}

/// Writes what a kubelet would: the pod is not ready, because its only container is in this state.
async fn fails(test_env: &TestEnv, service: &str, state: Value) -> Result<String, Error> {
    let pod = pod_of(test_env, service).await?;
    let name = pod.metadata.name.unwrap();
    let container = &pod.spec.unwrap().containers[0];
    let now = Timestamp::now().to_string();
    let status = json!({"status": {
        "conditions": [
            {"type": "Ready", "status": "False", "reason": "ContainersNotReady", "lastTransitionTime": now},
            {"type": "ContainersReady", "status": "False", "reason": "ContainersNotReady", "lastTransitionTime": now},
        ],
        "containerStatuses": [{"name": container.name, "image": container.image, "imageID": "", "ready": false,
            "restartCount": 0, "state": state}],
    }});
    test_env
        .namespace
        .api::<Pod>()
        .patch_status(&name, &PatchParams::default(), &Patch::Strategic(&status))
        .await
        .map_err(failed("writing a pod's status"))?;
    Ok(name)
}

fn waiting(reason: &str, message: &str) -> Value {
    json!({"waiting": {"reason": reason, "message": message}})
}

#[tokio::test]
async fn a_database_server_without_a_ready_pod_is_not_available_and_is_again_when_it_has_one() -> Result<(), Error> {
    let databases = Databases::start("readiness-db").await?;
    let test_env = &databases.test_env;
    test_env.apply(&databases.on(OWN, "spring", &["portal"])).await?;
    databases.ready("spring").await?;
    for (state, words) in [
        // A volume that cannot be mounted.
        (waiting("ContainerCreating", ""), "containers have not started"),
        // A server that was stopped.
        (json!({"running": {}}), "runs and is not ready"),
        (waiting("ErrImagePull", "not found"), "ErrImagePull"),
    ] {
        let pod = fails(test_env, "database", state).await?;
        let condition = test_env
            .condition("spring", ConditionType::DatabaseReady, "False")
            .await?;
        for word in [words, &pod] {
            assert!(condition.message.contains(word), "{word}: {}", condition.message);
        }
        assert!(!condition.message.contains("its login works"), "{}", condition.message);
        let ready = test_env.condition("spring", ConditionType::Ready, "False").await?;
        assert_eq!(ready.reason, condition.reason);
        let status = databases.status("spring").await?;
        assert_eq!(status.databases[0].state, DatabaseState::Failing);
        kubectl(test_env, &["delete", "pod", &pod]).await?;
        databases.ready("spring").await?;
        let status = databases.status("spring").await?;
        assert_eq!(
            (status.databases[0].state, &status.databases[0].message),
            (DatabaseState::Ready, &None)
        );
    }
    let events = kubectl(
        test_env,
        &[
            "get",
            "events",
            "--field-selector=reason=DatabaseFailing",
            "--output=jsonpath={.items[*].type}",
        ],
    )
    .await?;
    assert_eq!(events, "Warning");
    Ok(())
}

#[tokio::test]
async fn a_cache_that_is_not_ready_is_not_available() -> Result<(), Error> {
    let test_env = TestEnv::start("readiness-cache").await?;
    test_env.apply(&DRIVE.replace("spec:", "spec:\n  cache: {}")).await?;
    test_env.ready("spring").await?;
    let pod = fails(&test_env, "cache", waiting("ContainerCreating", "")).await?;
    let condition = test_env
        .condition("spring", ConditionType::ServicesReady, "False")
        .await?;
    assert!(
        condition.message.contains("service cache: 0 of 1 ready"),
        "{}",
        condition.message
    );
    test_env.condition("spring", ConditionType::Ready, "False").await?;
    kubectl(&test_env, &["delete", "pod", &pod]).await?;
    test_env.ready("spring").await.map(drop)
}

#[tokio::test]
async fn pods_that_cannot_start_stall_after_a_while_with_the_next_step_until_they_can() -> Result<(), Error> {
    let test_env = TestEnv::start("readiness-stalled").await?;
    test_env.apply(DRIVE).await?;
    test_env.ready("spring").await?;
    let root = "container has runAsNonRoot and image will run as root";
    fails(&test_env, "web", waiting("CreateContainerConfigError", root)).await?;
    let condition = because(&test_env, "spring", ConditionType::Reconciling, Reason::PodsFailing).await?;
    assert_eq!(condition.status, "True", "waiting may help");
    assert_eq!(
        test_env
            .condition("spring", ConditionType::Stalled, "False")
            .await?
            .reason,
        "NotStalled"
    );
    let condition = test_env.condition("spring", ConditionType::Stalled, "True").await?;
    assert_eq!(condition.reason, "PodsFailing");
    for word in ["service web", root, "podSecurity.runAsUser"] {
        assert!(condition.message.contains(word), "{word}: {}", condition.message);
    }
    test_env
        .condition("spring", ConditionType::Reconciling, "False")
        .await?;

    // The correction counts from its first status on: who waits for Stalled must not see that of the version before.
    let corrected = DRIVE.replace("replicas: 1", "replicas: 1, podSecurity: {runAsUser: 1000}");
    test_env.apply(&corrected).await?;
    let generation = test_env.drives().get("spring").await.unwrap().metadata.generation;
    eventually(PATIENCE, "the correction to be Ready", async || {
        let conditions = test_env
            .drives()
            .get("spring")
            .await?
            .status
            .unwrap_or_default()
            .conditions;
        let seen = |type_: ConditionType| {
            let mut all = conditions.iter();
            all.find(|one| one.type_ == type_.as_str() && one.observed_generation == generation)
        };
        assert!(
            !seen(ConditionType::Stalled).is_some_and(ras_crds::Condition::is_true),
            "{conditions:?}"
        );
        match seen(ConditionType::Ready) {
            Some(ready) if ready.is_true() => Ok(()),
            other => Err(format!("{other:?}").into()),
        }
    })
    .await
}

#[tokio::test]
async fn pods_of_the_version_before_do_not_count_as_ready() -> Result<(), Error> {
    let test_env = TestEnv::start("readiness-counts").await?;
    test_env.apply(DRIVE).await?;
    test_env.ready("spring").await?;
    // Its pod fits on no node; the old one serves on.
    let next = DRIVE.replace(
        "web:1', ",
        "web:2', scheduling: {nodeSelector: {example.com/pool: none}}, ",
    );
    test_env.apply(&next).await?;
    let condition = because(&test_env, "spring", ConditionType::ServicesReady, Reason::PodsFailing).await?;
    assert!(
        condition.message.contains("service web: 0 of 1 ready"),
        "{}",
        condition.message
    );
    becomes(&test_env, "spring-web", "/status/readyReplicas", &json!(1)).await?;
    let status = test_env.drives().get("spring").await.unwrap().status.unwrap();
    assert_eq!((status.services[0].ready, status.services[0].desired), (0, 1));
    assert_eq!(status.services_ready.as_deref(), Some("0/1"));

    test_env
        .apply(&DRIVE.replace("spec:", "spec:\n  suspend: true"))
        .await?;
    because(&test_env, "spring", ConditionType::Ready, Reason::Suspended).await?;
    let status = test_env.drives().get("spring").await.unwrap().status.unwrap();
    assert_eq!((status.services[0].ready, status.services[0].desired), (0, 0));
    assert_eq!(status.services_ready.as_deref(), Some("0/1"), "nothing runs");
    Ok(())
}

#[tokio::test]
async fn a_service_whose_deployment_waits_has_the_number_of_pods_that_it_will_have() -> Result<(), Error> {
    let test_env = TestEnv::start("readiness-held").await?;
    let drive = DRIVE.replace(
        "replicas: 1}",
        "replicas: 3, env: [{name: KEY, secret: {name: jwt, key: key}}]}\n  secrets: [{name: jwt, existing: {secretName: campus}}]",
    );
    test_env.apply(&drive).await?;
    because(&test_env, "spring", ConditionType::Ready, Reason::SecretMissing).await?;
    let status = test_env.drives().get("spring").await.unwrap().status.unwrap();
    assert_eq!((status.services[0].ready, status.services[0].desired), (0, 3));
    Ok(())
}

/// Containers may have no more memory than this.
const LIMIT: &str = "
apiVersion: v1
kind: LimitRange
metadata: {name: small}
spec: {limits: [{type: Container, max: {memory: 64Mi}}]}
";

#[tokio::test]
async fn pods_of_a_stateful_set_and_of_a_job_that_the_api_server_refuses_are_told_in_its_words() -> Result<(), Error> {
    let test_env = TestEnv::start("readiness-refused").await?;
    test_env.apply(LIMIT).await?;
    eventually(PATIENCE, "the API server to know the limit", async || {
        // It reads LimitRanges from a cache of its own.
        let limit = look::<LimitRange>(&test_env, "small").await?;
        if limit.is_some() {
            Ok(())
        } else {
            Err("not there".into())
        }
    })
    .await?;
    let own = DRIVE.replace(
        "spec:",
        &format!("spec:\n  database: {{{OWN}, databases: [{{name: portal}}]}}"),
    );
    test_env.apply(&own).await?;
    let condition = eventually(PATIENCE, "the refusal to be told", async || {
        let condition = test_env
            .condition("spring", ConditionType::DatabaseReady, "False")
            .await?;
        if condition.message.contains("maximum memory usage per Container is 64Mi") {
            Ok(condition)
        } else {
            Err(condition.message.into())
        }
    })
    .await
    .map_err(|error| error.with_log(&test_env.operator.log()))?;
    for word in ["StatefulSet spring-database", "LimitRange"] {
        assert!(condition.message.contains(word), "{word}: {}", condition.message);
    }
    test_env.condition("spring", ConditionType::Stalled, "True").await?;

    // The Job of a migration has no pod either.
    let migrating = DRIVE.replace("name: spring", "name: autumn").replace(
        "replicas: 1",
        "replicas: 1, migrate: {command: [web, migrate]}, resources: {limits: {memory: 1Gi}}",
    );
    test_env.apply(&migrating).await?;
    let condition = test_env.condition("autumn", ConditionType::Stalled, "True").await?;
    for word in ["Job autumn-", "maximum memory usage per Container is 64Mi"] {
        assert!(condition.message.contains(word), "{word}: {}", condition.message);
    }

    kubectl(&test_env, &["delete", "limitrange", "small"]).await?;
    // The controllers' own pauses have grown meanwhile; objects that are made again are tried at once.
    kubectl(&test_env, &["delete", "statefulset/spring-database", "--wait=false"]).await?;
    eventually(PATIENCE, "the server to start", async || {
        let server = look::<StatefulSet>(&test_env, "spring-database")
            .await?
            .unwrap_or_default();
        match server.pointer("/status/readyReplicas") {
            Some(count) if *count == 1 => Ok(()),
            other => Err(format!("{other:?}").into()),
        }
    })
    .await?;
    test_env
        .condition("spring", ConditionType::Stalled, "False")
        .await
        .map(drop)
}

#[tokio::test]
async fn a_job_whose_image_cannot_be_pulled_stalls() -> Result<(), Error> {
    let test_env = TestEnv::start("readiness-job").await?;
    // Fits on no node, so no kubelet here can complete it before it fails.
    let migrating = DRIVE.replace(
        "replicas: 1",
        "replicas: 1, migrate: {command: [web, migrate]}, scheduling: {nodeSelector: {example.com/pool: none}}",
    );
    test_env.apply(&migrating).await?;
    let pod = eventually(PATIENCE, "the Job's pod", async || {
        let of_jobs = ListParams::default().labels("ras.dev/job=migrate");
        let pods = test_env.namespace.api::<Pod>().list(&of_jobs).await?.items;
        pods.into_iter().next().ok_or_else(|| "none".into())
    })
    .await?;
    let (name, image) = (pod.metadata.name.unwrap(), "registry.example.com/web:1");
    let status = json!({"status": {"containerStatuses": [{"name": pod.spec.unwrap().containers[0].name, "image": image,
        "imageID": "", "ready": false, "restartCount": 0, "state": waiting("ImagePullBackOff", "not found")}]}});
    test_env
        .namespace
        .api::<Pod>()
        .patch_status(&name, &PatchParams::default(), &Patch::Strategic(&status))
        .await
        .map_err(failed("writing a pod's status"))?;
    let condition = test_env.condition("spring", ConditionType::Stalled, "True").await?;
    for word in ["Job spring-web-", "ImagePullBackOff", image] {
        assert!(condition.message.contains(word), "{word}: {}", condition.message);
    }
    assert!(look::<Deployment>(&test_env, "spring-web").await?.is_none());
    Ok(())
}

/// Requests that an idle drive must not cause: see `rejections`.
#[tokio::test]
async fn events_are_read_only_while_a_part_has_no_pod() -> Result<(), Error> {
    let databases = Databases::start("readiness-events").await?;
    let test_env = &databases.test_env;
    let since = crate::seen::mark(test_env).await?;
    test_env.apply(&databases.on(OWN, "spring", &["portal"])).await?;
    databases.ready("spring").await?;
    let jobs: usize = test_env
        .namespace
        .api::<Job>()
        .list(&ListParams::default())
        .await
        .map_err(failed("listing Jobs"))?
        .items
        .len();
    assert_eq!(jobs, 1);
    tokio::time::sleep(Duration::from_secs(5)).await;
    let read = crate::seen::asked(test_env, since, |event| event.resource == "events" && !event.is_write()).await?;
    assert!(read.is_empty(), "{read:?}");
    of_deployment(test_env, "spring-portal", "/spec").await.map(drop)
}
