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
use ras_tests::{AuditMark, Error, OperatorOptions, PATIENCE, ROLES, Season, eventually};
use serde_json::{Value, json};

use crate::{
    children::{at_rest, failed},
    seen::{asked, because, becomes, kubectl, look, mark, of_deployment, restart_operator, writes_children},
};

const IMAGE: &str = "/spec/template/spec/containers/0/image";

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
async fn jobs(season: &Season, drive: &str) -> Result<Vec<Job>, Error> {
    let of_drive = ListParams::default().labels(&format!("ras.dev/drive={drive},ras.dev/job=migrate"));
    let api: Api<Job> = season.namespace.api();
    let mut list = api.list(&of_drive).await.map_err(failed("listing Jobs"))?.items;
    list.sort_by_key(|job| job.metadata.creation_timestamp.clone());
    Ok(list)
}

async fn migration(season: &Season, drive: &str, service: &str) -> Result<MigrationStatus, Error> {
    let drive = season
        .drives()
        .get(drive)
        .await
        .map_err(failed("looking at the drive"))?;
    let services = drive.status.unwrap_or_default().services;
    let shown = services.into_iter().find(|shown| shown.name == service);
    Ok(shown.and_then(|shown| shown.migration).unwrap_or_default())
}

/// Waits for the pod of a Job that is not one of `before`, and returns the Job's name and the pod.
async fn next_pod(season: &Season, before: &[String]) -> Result<(String, Pod), Error> {
    eventually(PATIENCE, "the pod of a migration", async || {
        for job in jobs(season, "spring").await? {
            let name = job.name_any();
            if before.contains(&name) {
                continue;
            }
            let pods: Api<Pod> = season.namespace.api();
            let of_job = ListParams::default().labels(&format!("job-name={name}"));
            if let Some(pod) = pods.list(&of_job).await?.items.pop() {
                return Ok((name, pod));
            }
        }
        Err("none yet".into())
    })
    .await
    .map_err(|error| error.with_log(&season.operator.log()))
}

/// Ends a pod as a kubelet does whose container failed.
async fn fails(season: &Season, pod: &Pod, said: &str) -> Result<(), Error> {
    let ended = json!({"status": {"phase": "Failed", "containerStatuses": [{
        "name": "migrate", "image": "registry.example.com/ats:2", "imageID": "", "ready": false, "started": false, "restartCount": 0,
        "state": {"terminated": {"exitCode": 3, "reason": "Error", "message": said,
            "startedAt": "2026-07-01T10:00:00Z", "finishedAt": "2026-07-01T10:00:05Z"}},
    }]}});
    let pods: Api<Pod> = season.namespace.api();
    let patched = pods
        .patch_status(&pod.name_any(), &PatchParams::default(), &Patch::Merge(&ended))
        .await;
    patched.map(drop).map_err(failed("ending the pod"))
}

/// Jobs that the operator made since then: a name more than once is one that was made again.
async fn made(season: &Season, since: AuditMark) -> Result<Vec<String>, Error> {
    let asked = asked(season, since, |event| event.resource == "jobs" && event.code == 201).await?;
    Ok(asked.into_iter().map(|event| event.name).collect())
}

#[tokio::test]
async fn a_failing_migration_leaves_the_old_version_serving_and_one_fix_carries_on() -> Result<(), Error> {
    let mut season = Season::start("migration-fails").await?;
    season.apply(FIRST).await?;
    season.ready("spring").await?;
    let before = of_deployment(&season, "spring-api", "/metadata/generation").await?;
    let service = |service: Option<Value>| service.and_then(|service| service.pointer("/spec/ports").cloned());
    let ports = service(look::<Service>(&season, "spring-api").await?);

    season.apply(&second()).await?;
    let (job, pod) = next_pod(&season, &[]).await?;
    assert!(
        !pod.labels().contains_key("ras.dev/service"),
        "no Service may send requests to it"
    );
    // Another operator takes over while it runs.
    restart_operator(&mut season, &OperatorOptions::with_roles(ROLES)).await?;
    because(
        &season,
        "spring",
        ConditionType::MigrationsReady,
        Reason::MigrationRunning,
    )
    .await?;
    becomes(&season, "spring-site", IMAGE, &json!("registry.example.com/site:2")).await?;

    let said = "connecting to postgres://owner:hunter2@database/ats\nrelation \"applications\" exists\n";
    fails(&season, &pod, said).await?;
    let told = because(
        &season,
        "spring",
        ConditionType::MigrationsReady,
        Reason::MigrationFailed,
    )
    .await?;
    for part in [
        &*job,
        "service api",
        "exit code 3",
        "relation \"applications\" exists",
        "ras.dev/run-migration",
    ] {
        assert!(told.message.contains(part), "{part}: {}", told.message);
    }
    assert!(!told.message.contains("hunter2"), "{}", told.message);
    season.condition("spring", ConditionType::Stalled, "True").await?;
    let shown = migration(&season, "spring", "api").await?;
    assert_eq!((shown.state, shown.exit_code), (MigrationState::Failed, Some(3)));

    // Nothing of what serves has changed, and nothing is tried again.
    let since = mark(&season).await?;
    at_rest(&season, "spring").await?;
    assert_eq!(
        of_deployment(&season, "spring-api", "/metadata/generation").await?,
        before
    );
    assert_eq!(
        of_deployment(&season, "spring-api", "/status/readyReplicas").await?,
        json!(2)
    );
    assert_eq!(service(look::<Service>(&season, "spring-api").await?), ports);
    assert_eq!(
        of_deployment(&season, "spring-worker", IMAGE).await?,
        json!("registry.example.com/ats:1")
    );
    let files = look::<k8s_openapi::api::core::v1::ConfigMap>(&season, "spring-api").await?;
    assert_eq!(files.unwrap()["data"], json!({"app_config.yaml": "version: 1"}));
    let written = asked(&season, since, ras_tests::AuditEvent::is_write).await?;
    assert!(written.is_empty(), "{written:#?}");
    assert!(!season.operator.log().contains("hunter2"));
    let events = kubectl(&season, &["get", "events.events.k8s.io", "--output=yaml"]).await?;
    assert!(
        events.contains("MigrationFailed") && !events.contains("hunter2"),
        "{events}"
    );
    let (_, metrics) = season.operator.get("/metrics").await?;
    let failed_one = metrics
        .lines()
        .find(|line| line.starts_with("ras_service_migration_failed{"));
    assert!(failed_one.is_some_and(|line| line.ends_with(" 1")), "{failed_one:?}");

    season.apply(&mended()).await?;
    season.ready("spring").await?;
    for deployment in ["spring-api", "spring-worker"] {
        assert_eq!(
            of_deployment(&season, deployment, IMAGE).await?,
            json!("registry.example.com/ats:2")
        );
    }
    assert_ne!(service(look::<Service>(&season, "spring-api").await?), ports);
    let left = jobs(&season, "spring").await?;
    assert_eq!(left.len(), 1, "{left:?}");
    assert_ne!(left[0].name_any(), job, "what failed is no evidence any more");
    Ok(())
}

#[tokio::test]
async fn nothing_starts_before_its_first_migration_and_a_person_may_ask_for_it_again() -> Result<(), Error> {
    let season = Season::start("migration-again").await?;
    season.apply(&second()).await?;
    let (first, pod) = next_pod(&season, &[]).await?;
    assert!(
        look::<Service>(&season, "spring-api").await?.is_some(),
        "what needs no program is there"
    );
    let site = season.namespace.api::<Deployment>();
    eventually(PATIENCE, "the site, which has another image", async || {
        Ok(site.get("spring-site").await?)
    })
    .await?;
    for deployment in ["spring-api", "spring-worker"] {
        assert!(look::<Deployment>(&season, deployment).await?.is_none(), "{deployment}");
    }
    fails(&season, &pod, "no such role").await?;
    because(
        &season,
        "spring",
        ConditionType::MigrationsReady,
        Reason::MigrationFailed,
    )
    .await?;
    at_rest(&season, "spring").await?;
    assert_eq!(jobs(&season, "spring").await?.len(), 1);

    kubectl(&season, &["annotate", "drive", "spring", "ras.dev/run-migration=api@1"]).await?;
    let (second, pod) = next_pod(&season, std::slice::from_ref(&first)).await?;
    assert_eq!(jobs(&season, "spring").await?.len(), 2, "the first one is evidence");
    fails(&season, &pod, "no such role").await?;
    eventually(PATIENCE, "the second failure to be told", async || {
        let shown = migration(&season, "spring", "api").await?;
        if shown.state == MigrationState::Failed && shown.job.as_ref() == Some(&second) {
            Ok(())
        } else {
            Err(format!("{shown:?}").into())
        }
    })
    .await?;

    // Whoever deletes a failed Job asks for it again as well.
    let old = jobs(&season, "spring").await?.pop().unwrap().uid();
    let background = DeleteParams::background();
    let api: Api<Job> = season.namespace.api();
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
    .map_err(|error| error.with_log(&season.operator.log()))?;
    Ok(())
}

#[tokio::test]
async fn what_was_migrated_once_is_never_migrated_again_by_itself() -> Result<(), Error> {
    let mut season = Season::start("migration-once").await?;
    let since = mark(&season).await?;
    season.apply(&mended()).await?;
    season.ready("spring").await?;
    let first = jobs(&season, "spring").await?.pop().unwrap().name_any();

    // Somebody tidies up, while the operator is there and while it is not.
    let api: Api<Job> = season.namespace.api();
    let background = DeleteParams::background();
    api.delete(&first, &background)
        .await
        .map_err(failed("deleting the Job"))?;
    at_rest(&season, "spring").await?;
    season.ready("spring").await?;
    restart_operator(&mut season, &OperatorOptions::with_roles(ROLES)).await?;
    let restarted = mark(&season).await?;
    at_rest(&season, "spring").await?;
    let written = asked(&season, restarted, writes_children).await?;
    assert!(written.is_empty(), "{written:#?}");

    season.apply(&mended().replace("ats:2", "ats:3")).await?;
    becomes(&season, "spring-api", IMAGE, &json!("registry.example.com/ats:3")).await?;
    season.ready("spring").await?;
    let second = jobs(&season, "spring").await?.pop().unwrap().name_any();

    // Back, at once, and forward again.
    for image in ["ats:2", "ats:3"] {
        season.apply(&mended().replace("ats:2", image)).await?;
        becomes(
            &season,
            "spring-api",
            IMAGE,
            &json!(format!("registry.example.com/{image}")),
        )
        .await?;
        season.ready("spring").await?;
    }
    assert_eq!(made(&season, since).await?, [first, second]);
    let remembered = migration(&season, "spring", "api").await?.succeeded;
    assert_eq!(remembered.len(), 2, "{remembered:?}");
    Ok(())
}

#[tokio::test]
async fn two_drives_of_a_namespace_never_share_a_migration() -> Result<(), Error> {
    let season = Season::start("migration-two").await?;
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
    season.apply(&drive("x", "y-z")).await?;
    season.apply(&drive("x-y", "w")).await?;
    season.apply(&drive("x-y-z", "w")).await?;
    for name in ["x", "x-y", "x-y-z"] {
        season.ready(name).await?;
        let all = jobs(&season, name).await?;
        assert_eq!(all.len(), 1, "{name}: {all:?}");
        assert_eq!(all[0].owner_references()[0].name, name);
    }
    // One that goes takes its own along, and no other's.
    kubectl(&season, &["delete", "drive", "x-y", "--wait=false"]).await?;
    eventually(crate::seen::COLLECTED, "its Job to go", async || {
        let left = jobs(&season, "x-y").await?.len();
        if left == 0 {
            Ok(())
        } else {
            Err(left.to_string().into())
        }
    })
    .await?;
    for name in ["x", "x-y-z"] {
        assert_eq!(jobs(&season, name).await?.len(), 1);
    }
    Ok(())
}

#[tokio::test]
async fn a_suspended_drive_migrates_when_it_comes_back() -> Result<(), Error> {
    let season = Season::start("migration-suspended").await?;
    let suspended = mended().replace("  services:\n", "  suspend: true\n  services:\n");
    season.apply(&suspended).await?;
    because(&season, "spring", ConditionType::Ready, Reason::Suspended).await?;
    at_rest(&season, "spring").await?;
    assert!(jobs(&season, "spring").await?.is_empty());
    season
        .apply(&suspended.replace("suspend: true", "suspend: false"))
        .await?;
    season.ready("spring").await?;
    assert_eq!(jobs(&season, "spring").await?.len(), 1);
    becomes(&season, "spring-api", "/status/readyReplicas", &json!(2)).await
}

#[tokio::test]
async fn a_suspended_drive_comes_back_in_the_version_that_served_while_the_next_ones_migration_fails()
-> Result<(), Error> {
    let season = Season::start("migration-suspend").await?;
    let suspended = |text: &str| text.replace("spec:\n", "spec:\n  suspend: true\n");
    let resumed = |text: &str| text.replace("spec:\n", "spec:\n  suspend: false\n");
    let all = async |image: &str, api: i32, worker: i32| -> Result<(), Error> {
        for (deployment, count) in [("spring-api", api), ("spring-worker", worker)] {
            becomes(&season, deployment, "/spec/replicas", &json!(count)).await?;
            let ready = if count == 0 { Value::Null } else { json!(count) };
            eventually(PATIENCE, &format!("{count} pods of {deployment}"), async || {
                let found = look::<Deployment>(&season, deployment).await?.unwrap_or_default();
                let now = found.pointer("/status/readyReplicas").cloned().unwrap_or_default();
                if now == ready { Ok(()) } else { Err(now.into()) }
            })
            .await?;
            let found = of_deployment(&season, deployment, IMAGE).await?;
            assert_eq!(found, json!(format!("registry.example.com/{image}")), "{deployment}");
        }
        Ok(())
    };
    season.apply(FIRST).await?;
    season.ready("spring").await?;
    kubectl(&season, &["scale", "deployment/spring-worker", "--replicas=3"]).await?;
    all("ats:1", 2, 3).await?;

    season.apply(&second()).await?;
    let (_, pod) = next_pod(&season, &[]).await?;
    fails(&season, &pod, "no such role").await?;
    let failed_one = async || {
        because(
            &season,
            "spring",
            ConditionType::MigrationsReady,
            Reason::MigrationFailed,
        )
        .await
    };
    failed_one().await?;
    season.apply(&suspended(&second())).await?;
    all("ats:1", 0, 0).await?;
    because(&season, "spring", ConditionType::ServicesReady, Reason::Suspended).await?;
    season.apply(&resumed(&second())).await?;
    all("ats:1", 2, 3).await?;
    failed_one().await?;
    let files = look::<k8s_openapi::api::core::v1::ConfigMap>(&season, "spring-api").await?;
    assert_eq!(files.unwrap()["data"], json!({"app_config.yaml": "version: 1"}));
    let since = mark(&season).await?;
    at_rest(&season, "spring").await?;
    let written = asked(&season, since, writes_children).await?;
    assert!(written.is_empty(), "{written:#?}");

    // Back to what served, and awake again, in one step.
    season.apply(&suspended(&second())).await?;
    all("ats:1", 0, 0).await?;
    season.apply(&resumed(FIRST)).await?;
    season.ready("spring").await?;
    all("ats:1", 2, 3).await?;

    // And a version that comes while it sleeps is migrated to when it wakes up.
    season.apply(&suspended(FIRST)).await?;
    all("ats:1", 0, 0).await?;
    season.apply(&suspended(&mended())).await?;
    at_rest(&season, "spring").await?;
    all("ats:1", 0, 0).await?;
    season.apply(&resumed(&mended())).await?;
    season.ready("spring").await?;
    all("ats:2", 2, 3).await
}
