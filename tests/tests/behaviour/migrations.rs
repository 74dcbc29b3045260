//! Migrations: what waits for them, what is kept of a failed one, and what never runs twice.

use k8s_openapi::api::{
    apps::v1::Deployment,
    batch::v1::Job,
    core::v1::{Pod, Service},
};
use kube::{
    Api, ResourceExt as _,
    api::{DeleteParams, ListParams, Patch, PatchParams},
};
use ras_crds::{ConditionType, MigrationState, MigrationStatus, Reason};
use ras_tests::{AuditMark, Error, OperatorOptions, PATIENCE, ROLES, TestEnv, eventually};
use serde_json::{Value, json};

use crate::{
    children::{at_rest, failed},
    seen::{
        IMAGE, asked, because, because_with, becomes, kubectl, kubectl_with_input, look, mark, of_deployment,
        restart_operator, writes_children,
    },
};

/// Without a migration.
const FIRST: &str = "
apiVersion: ras.dev/v1alpha1
kind: RecruitmentDrive
metadata: {name: spring}
spec:
  services:
  - name: api
    image: registry.example.com/ats:1
    ports: [{name: http, port: 8080, path: /}]
    replicas: 2
    env: [{name: PASSWORD, secret: {name: app, key: password}}]
    files: [{path: /app/config.yaml, content: 'version: 1'}]
  - name: worker
    image: registry.example.com/ats:1
  - name: site
    image: registry.example.com/site:1
  secrets:
  - {name: app, generate: {keys: [password]}}
  - {name: owner, generate: {keys: [password]}}
";

/// The next version, whose migration no node runs: its pod does what the test says.
fn second() -> String {
    FIRST
        .replace("ats:1", "ats:2")
        .replace("site:1", "site:2")
        .replace("port: 8080", "port: 9090")
        .replace("version: 1", "version: 2")
        .replace(
            "    replicas: 2\n",
            "    replicas: 2
    scheduling: {nodeSelector: {example.com/nowhere: here}}
    migrate:
      command: [ats, migrate]
      env: [{name: PASSWORD, secret: {name: owner, key: password}}]
",
        )
}

/// The same on nodes that there are: they end every Job well.
fn mended() -> String {
    second().replace("    scheduling: {nodeSelector: {example.com/nowhere: here}}\n", "")
}

/// The Jobs of a drive, by name.
async fn jobs(test_env: &TestEnv, drive: &str) -> Result<Vec<Job>, Error> {
    let of_drive = ListParams::default().labels(&format!("ras.dev/drive={drive},ras.dev/job=migrate"));
    let api: Api<Job> = test_env.namespace.api();
    let mut list = api.list(&of_drive).await.map_err(failed("listing Jobs"))?.items;
    list.sort_by_key(|job| job.metadata.creation_timestamp.clone());
    Ok(list)
}

async fn migration(test_env: &TestEnv, drive: &str, service: &str) -> Result<MigrationStatus, Error> {
    let drive = test_env
        .drives()
        .get(drive)
        .await
        .map_err(failed("looking at the drive"))?;
    let services = drive.status.unwrap_or_default().services;
    let shown = services.into_iter().find(|shown| shown.name == service);
    Ok(shown.and_then(|shown| shown.migration).unwrap_or_default())
}

/// Waits for the pod of a Job that is not one of `before`, and returns the Job's name and the pod.
async fn next_pod(test_env: &TestEnv, before: &[String]) -> Result<(String, Pod), Error> {
    eventually(PATIENCE, "the pod of a migration", async || {
        for job in jobs(test_env, "spring").await? {
            let name = job.name_any();
            if before.contains(&name) {
                continue;
            }
            let pods: Api<Pod> = test_env.namespace.api();
            let of_job = ListParams::default().labels(&format!("job-name={name}"));
            if let Some(pod) = pods.list(&of_job).await?.items.pop() {
                return Ok((name, pod));
            }
        }
        Err("none yet".into())
    })
    .await
    .map_err(|error| error.with_log(&test_env.operator.log()))
}

/// Ends a pod as a kubelet does whose container failed.
async fn fails(test_env: &TestEnv, pod: &Pod, said: &str) -> Result<(), Error> {
    let ended = json!({"status": {"phase": "Failed", "containerStatuses": [{
        "name": "migrate", "image": "registry.example.com/ats:2", "imageID": "", "ready": false, "started": false, "restartCount": 0,
        "state": {"terminated": {"exitCode": 3, "reason": "Error", "message": said,
            "startedAt": "2026-07-01T10:00:00Z", "finishedAt": "2026-07-01T10:00:05Z"}},
    }]}});
    let pods: Api<Pod> = test_env.namespace.api();
    let patched = pods
        .patch_status(&pod.name_any(), &PatchParams::default(), &Patch::Merge(&ended))
        .await;
    patched.map(drop).map_err(failed("ending the pod"))
}

/// Jobs that the operator made since then: a name more than once is one that was made again.
async fn made(test_env: &TestEnv, since: AuditMark) -> Result<Vec<String>, Error> {
    let asked = asked(test_env, since, |event| event.resource == "jobs" && event.code == 201).await?;
    Ok(asked.into_iter().map(|event| event.name).collect())
}

#[tokio::test]
async fn a_failing_migration_leaves_the_old_version_serving_and_one_fix_carries_on() -> Result<(), Error> {
    let mut test_env = TestEnv::start("migration-fails").await?;
    test_env.apply(FIRST).await?;
    test_env.ready("spring").await?;
    let before = of_deployment(&test_env, "spring-api", "/metadata/generation").await?;
    let service = |service: Option<Value>| service.and_then(|service| service.pointer("/spec/ports").cloned());
    let ports = service(look::<Service>(&test_env, "spring-api").await?);

    test_env.apply(&second()).await?;
    let (job, pod) = next_pod(&test_env, &[]).await?;
    assert!(
        !pod.labels().contains_key("ras.dev/service"),
        "no Service may send requests to it"
    );
    // Another operator takes over while it runs.
    restart_operator(&mut test_env, &OperatorOptions::with_roles(ROLES)).await?;
    because(
        &test_env,
        "spring",
        ConditionType::MigrationsReady,
        Reason::MigrationRunning,
    )
    .await?;
    becomes(&test_env, "spring-site", IMAGE, &json!("registry.example.com/site:2")).await?;

    let said = "connecting to postgres://owner:hunter2@database/ats\nrelation \"applications\" exists\n";
    fails(&test_env, &pod, said).await?;
    let condition = because_with(
        &test_env,
        "spring",
        ConditionType::MigrationsReady,
        Reason::MigrationFailed,
        &[
            &*job,
            "service api",
            "exit code 3",
            "relation \"applications\" exists",
            "ras.dev/run-migration",
        ],
    )
    .await?;
    assert!(!condition.message.contains("hunter2"), "{}", condition.message);
    test_env.condition("spring", ConditionType::Stalled, "True").await?;
    let shown = migration(&test_env, "spring", "api").await?;
    assert_eq!((shown.state, shown.exit_code), (MigrationState::Failed, Some(3)));

    // Nothing of what serves has changed, and nothing is tried again.
    let since = mark(&test_env).await?;
    at_rest(&test_env, "spring").await?;
    assert_eq!(
        of_deployment(&test_env, "spring-api", "/metadata/generation").await?,
        before
    );
    assert_eq!(
        of_deployment(&test_env, "spring-api", "/status/readyReplicas").await?,
        json!(2)
    );
    assert_eq!(service(look::<Service>(&test_env, "spring-api").await?), ports);
    assert_eq!(
        of_deployment(&test_env, "spring-worker", IMAGE).await?,
        json!("registry.example.com/ats:1")
    );
    let files = look::<k8s_openapi::api::core::v1::ConfigMap>(&test_env, "spring-api").await?;
    assert_eq!(files.unwrap()["data"], json!({"app_config.yaml": "version: 1"}));
    let written = asked(&test_env, since, ras_tests::AuditEvent::is_write).await?;
    assert!(written.is_empty(), "{written:#?}");
    assert!(!test_env.operator.log().contains("hunter2"));
    let events = kubectl(&test_env, &["get", "events.events.k8s.io", "--output=yaml"]).await?;
    assert!(
        events.contains("MigrationFailed") && !events.contains("hunter2"),
        "{events}"
    );
    let (_, metrics) = test_env.operator.get("/metrics").await?;
    let failed_one = metrics
        .lines()
        .find(|line| line.starts_with("ras_service_migration_failed{"));
    assert!(failed_one.is_some_and(|line| line.ends_with(" 1")), "{failed_one:?}");

    test_env.apply(&mended()).await?;
    test_env.ready("spring").await?;
    for deployment in ["spring-api", "spring-worker"] {
        assert_eq!(
            of_deployment(&test_env, deployment, IMAGE).await?,
            json!("registry.example.com/ats:2")
        );
    }
    assert_ne!(service(look::<Service>(&test_env, "spring-api").await?), ports);
    let left = jobs(&test_env, "spring").await?;
    assert_eq!(left.len(), 1, "{left:?}");
    assert_ne!(left[0].name_any(), job, "what failed is no evidence any more");
    Ok(())
}

#[tokio::test]
async fn nothing_starts_before_its_first_migration_and_a_person_may_ask_for_it_again() -> Result<(), Error> {
    let test_env = TestEnv::start("migration-again").await?;
    test_env.apply(&second()).await?;
    let (first, pod) = next_pod(&test_env, &[]).await?;
    assert!(
        look::<Service>(&test_env, "spring-api").await?.is_some(),
        "what needs no program is there"
    );
    let site = test_env.namespace.api::<Deployment>();
    eventually(PATIENCE, "the site, which has another image", async || {
        Ok(site.get("spring-site").await?)
    })
    .await?;
    for deployment in ["spring-api", "spring-worker"] {
        assert!(
            look::<Deployment>(&test_env, deployment).await?.is_none(),
            "{deployment}"
        );
    }
    fails(&test_env, &pod, "no such role").await?;
    because(
        &test_env,
        "spring",
        ConditionType::MigrationsReady,
        Reason::MigrationFailed,
    )
    .await?;
    at_rest(&test_env, "spring").await?;
    assert_eq!(jobs(&test_env, "spring").await?.len(), 1);

    kubectl(
        &test_env,
        &["annotate", "drive", "spring", "ras.dev/run-migration=api@1"],
    )
    .await?;
    let (second, pod) = next_pod(&test_env, std::slice::from_ref(&first)).await?;
    assert_eq!(jobs(&test_env, "spring").await?.len(), 2, "the first one is evidence");
    fails(&test_env, &pod, "no such role").await?;
    eventually(PATIENCE, "the second failure to be told", async || {
        let shown = migration(&test_env, "spring", "api").await?;
        if shown.state == MigrationState::Failed && shown.job.as_ref() == Some(&second) {
            Ok(())
        } else {
            Err(format!("{shown:?}").into())
        }
    })
    .await?;

    // Whoever deletes a failed Job asks for it again as well.
    let old = jobs(&test_env, "spring").await?.pop().unwrap().uid();
    let background = DeleteParams::background();
    let api: Api<Job> = test_env.namespace.api();
    api.delete(&second, &background)
        .await
        .map_err(failed("deleting the Job"))?;
    eventually(PATIENCE, "the Job to be made again", async || {
        match api.get(&second).await {
            Ok(job) if job.uid() != old => Ok(()),
            other => Err(format!("{:?}", other.map(|job| job.uid())).into()),
        }
    })
    .await
    .map_err(|error| error.with_log(&test_env.operator.log()))?;
    Ok(())
}

#[tokio::test]
async fn what_was_migrated_once_is_never_migrated_again_by_itself() -> Result<(), Error> {
    let mut test_env = TestEnv::start("migration-once").await?;
    let since = mark(&test_env).await?;
    test_env.apply(&mended()).await?;
    test_env.ready("spring").await?;
    let first = jobs(&test_env, "spring").await?.pop().unwrap().name_any();

    // Somebody tidies up, while the operator is there and while it is not.
    let api: Api<Job> = test_env.namespace.api();
    let background = DeleteParams::background();
    api.delete(&first, &background)
        .await
        .map_err(failed("deleting the Job"))?;
    at_rest(&test_env, "spring").await?;
    test_env.ready("spring").await?;
    restart_operator(&mut test_env, &OperatorOptions::with_roles(ROLES)).await?;
    let restarted = mark(&test_env).await?;
    at_rest(&test_env, "spring").await?;
    let written = asked(&test_env, restarted, writes_children).await?;
    assert!(written.is_empty(), "{written:#?}");

    test_env.apply(&mended().replace("ats:2", "ats:3")).await?;
    becomes(&test_env, "spring-api", IMAGE, &json!("registry.example.com/ats:3")).await?;
    test_env.ready("spring").await?;
    let second = jobs(&test_env, "spring").await?.pop().unwrap().name_any();

    // Back, at once, and forward again.
    for image in ["ats:2", "ats:3"] {
        test_env.apply(&mended().replace("ats:2", image)).await?;
        becomes(
            &test_env,
            "spring-api",
            IMAGE,
            &json!(format!("registry.example.com/{image}")),
        )
        .await?;
        test_env.ready("spring").await?;
    }
    assert_eq!(made(&test_env, since).await?, [first, second]);
    let remembered = migration(&test_env, "spring", "api").await?.succeeded;
    assert_eq!(remembered.len(), 2, "{remembered:?}");
    Ok(())
}

#[tokio::test]
async fn two_drives_of_a_namespace_never_share_a_migration() -> Result<(), Error> {
    let test_env = TestEnv::start("migration-two").await?;
    let drive = |name: &str, service: &str| {
        format!(
            "
apiVersion: ras.dev/v1alpha1
kind: RecruitmentDrive
metadata: {{name: {name}}}
spec:
  services:
  - {{name: {service}, image: 'registry.example.com/ats:1', migrate: {{command: [ats, migrate]}}}}
  - {{name: {service}-migrate, image: 'registry.example.com/other:1'}}
"
        )
    };
    test_env.apply(&drive("x", "y-z")).await?;
    test_env.apply(&drive("x-y", "w")).await?;
    test_env.apply(&drive("x-y-z", "w")).await?;
    for name in ["x", "x-y", "x-y-z"] {
        test_env.ready(name).await?;
        let all = jobs(&test_env, name).await?;
        assert_eq!(all.len(), 1, "{name}: {all:?}");
        assert_eq!(all[0].owner_references()[0].name, name);
    }
    // One that goes takes its own along, and no other's.
    kubectl(&test_env, &["delete", "drive", "x-y", "--wait=false"]).await?;
    eventually(crate::seen::COLLECTED, "its Job to go", async || {
        let left = jobs(&test_env, "x-y").await?.len();
        if left == 0 {
            Ok(())
        } else {
            Err(left.to_string().into())
        }
    })
    .await?;
    for name in ["x", "x-y-z"] {
        assert_eq!(jobs(&test_env, name).await?.len(), 1);
    }
    Ok(())
}

/// `kubectl apply` keeps a copy of the drive in an annotation, which the operator does not: it must not take that for a change.
#[tokio::test]
async fn a_migration_starts_for_a_drive_that_kubectl_applied_on_the_client() -> Result<(), Error> {
    let test_env = TestEnv::start("client-side").await?;
    kubectl_with_input(&test_env, &["apply", "-f", "-"], &mended()).await?;
    test_env.ready("spring").await?;
    assert_eq!(jobs(&test_env, "spring").await?.len(), 1);
    Ok(())
}

#[tokio::test]
async fn a_suspended_drive_migrates_when_it_comes_back() -> Result<(), Error> {
    let test_env = TestEnv::start("migration-suspended").await?;
    let suspended = mended().replace("  services:\n", "  suspend: true\n  services:\n");
    test_env.apply(&suspended).await?;
    because(&test_env, "spring", ConditionType::Ready, Reason::Suspended).await?;
    at_rest(&test_env, "spring").await?;
    assert!(jobs(&test_env, "spring").await?.is_empty());
    test_env
        .apply(&suspended.replace("suspend: true", "suspend: false"))
        .await?;
    test_env.ready("spring").await?;
    assert_eq!(jobs(&test_env, "spring").await?.len(), 1);
    becomes(&test_env, "spring-api", "/status/readyReplicas", &json!(2)).await
}

#[tokio::test]
async fn a_suspended_drive_comes_back_in_the_version_that_served_while_the_next_ones_migration_fails()
-> Result<(), Error> {
    let test_env = TestEnv::start("migration-suspend").await?;
    let suspended = |text: &str| text.replace("spec:\n", "spec:\n  suspend: true\n");
    let resumed = |text: &str| text.replace("spec:\n", "spec:\n  suspend: false\n");
    let all = async |image: &str, api: i32, worker: i32| -> Result<(), Error> {
        for (deployment, count) in [("spring-api", api), ("spring-worker", worker)] {
            becomes(&test_env, deployment, "/spec/replicas", &json!(count)).await?;
            let ready = if count == 0 { Value::Null } else { json!(count) };
            eventually(PATIENCE, &format!("{count} pods of {deployment}"), async || {
                let found = look::<Deployment>(&test_env, deployment).await?.unwrap_or_default();
                let now = found.pointer("/status/readyReplicas").cloned().unwrap_or_default();
                if now == ready { Ok(()) } else { Err(now.into()) }
            })
            .await?;
            let found = of_deployment(&test_env, deployment, IMAGE).await?;
            assert_eq!(found, json!(format!("registry.example.com/{image}")), "{deployment}");
        }
        Ok(())
    };
    test_env.apply(FIRST).await?;
    test_env.ready("spring").await?;
    kubectl(&test_env, &["scale", "deployment/spring-worker", "--replicas=3"]).await?;
    all("ats:1", 2, 3).await?;

    test_env.apply(&second()).await?;
    let (_, pod) = next_pod(&test_env, &[]).await?;
    fails(&test_env, &pod, "no such role").await?;
    let failed_one = async || {
        because(
            &test_env,
            "spring",
            ConditionType::MigrationsReady,
            Reason::MigrationFailed,
        )
        .await
    };
    failed_one().await?;
    test_env.apply(&suspended(&second())).await?;
    all("ats:1", 0, 0).await?;
    because(&test_env, "spring", ConditionType::ServicesReady, Reason::Suspended).await?;
    test_env.apply(&resumed(&second())).await?;
    all("ats:1", 2, 3).await?;
    failed_one().await?;
    let files = look::<k8s_openapi::api::core::v1::ConfigMap>(&test_env, "spring-api").await?;
    assert_eq!(files.unwrap()["data"], json!({"app_config.yaml": "version: 1"}));
    let since = mark(&test_env).await?;
    at_rest(&test_env, "spring").await?;
    let written = asked(&test_env, since, writes_children).await?;
    assert!(written.is_empty(), "{written:#?}");

    // Back to what served, and awake again, in one step.
    test_env.apply(&suspended(&second())).await?;
    all("ats:1", 0, 0).await?;
    test_env.apply(&resumed(FIRST)).await?;
    test_env.ready("spring").await?;
    all("ats:1", 2, 3).await?;

    // And a version that comes while it sleeps is migrated to when it wakes up.
    test_env.apply(&suspended(FIRST)).await?;
    all("ats:1", 0, 0).await?;
    test_env.apply(&suspended(&mended())).await?;
    at_rest(&test_env, "spring").await?;
    all("ats:1", 0, 0).await?;
    test_env.apply(&resumed(&mended())).await?;
    test_env.ready("spring").await?;
    all("ats:2", 2, 3).await
}
