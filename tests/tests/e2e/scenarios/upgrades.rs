//! What a drive promises to whoever asks its programs while their image changes.

use std::sync::Arc;

use kube::api::ListParams;
use ras_crds::ConditionType;
use ras_tests::{Error, eventually};

use crate::{
    drive::{Drive, PATIENCE},
    images::{BROKEN_PORTAL, PORTAL, POSTGRESQL_VERSION},
    load_generator::LoadGenerator,
    runner::{Scenario, ScenarioResult, Steps},
    scenarios,
    world::World,
};

pub fn all() -> Vec<Scenario> {
    scenarios![no_request_fails_while_a_new_version_migrates_and_takes_over_or_turns_out_to_be_bad]
}

/// A portal of two pods with a database, which each version changes before it starts.
fn portal(image: &str, statements: &str) -> String {
    format!(
        "  services:
  - name: portal
    image: {image}
    replicas: 2
    ports: [{{name: http, port: 8080, path: /}}]
    probe: {{port: http, path: /, periodSeconds: 1}}
    uses: {{databases: [main]}}
    migrate:
      args: [migrate, DATABASE_MAIN_URL, \"{statements}\"]
    resources: {{requests: {{cpu: 10m, memory: 16Mi}}, limits: {{memory: 64Mi}}}}
  database:
    managed:
      provider: Standalone
      version: {POSTGRESQL_VERSION}
      size: 1Gi
      resources: {{requests: {{cpu: 10m, memory: 64Mi}}, limits: {{memory: 512Mi}}}}
    databases: [{{name: main}}]
"
    )
}

async fn no_request_fails_while_a_new_version_migrates_and_takes_over_or_turns_out_to_be_bad(
    world: Arc<World>,
    steps: Steps,
) -> ScenarioResult {
    let drive = Drive::new(&world, "load").await?;
    drive
        .apply(&portal(PORTAL[0], "CREATE TABLE student (name text)"))
        .await?;
    drive.ready().await?;
    let load_generator =
        LoadGenerator::start(&drive, "load-generator", LoadGenerator::address(&drive, "portal")).await?;
    load_generator.meet(1).await?;
    steps.done("Ready, and the load generator gets answers");

    // Long enough to be seen.
    let second = portal(
        PORTAL[1],
        "ALTER TABLE student ADD COLUMN resume text; SELECT pg_sleep(2)",
    );
    drive.apply(&second).await?;
    drive.condition_mentions(ConditionType::MigrationsReady, "runs").await?;
    let counts = load_generator.go_on().await?;
    assert_eq!(
        counts.answered.len(),
        1,
        "the old version serves while the tables change: {counts:?}"
    );
    drive.ready().await?;
    load_generator.meet(2).await?;
    gone_old(&drive).await?;
    steps.done(&format!(
        "migrated, and rolled: {}",
        load_generator.go_on().await?.none_failed()?
    ));

    drive.apply(&portal("localhost/portal:none", "SELECT 1")).await?;
    drive
        .condition_mentions(ConditionType::MigrationsReady, "localhost/portal:none")
        .await?;
    steps.done(&format!(
        "no such image: {}",
        load_generator.go_on().await?.none_failed()?
    ));

    drive
        .apply(&portal(BROKEN_PORTAL, "ALTER TABLE student ADD COLUMN grade text"))
        .await?;
    eventually(PATIENCE, "the broken version to crash", async || {
        let pods = drive.pods_of("portal").await?;
        let restarts = pods
            .iter()
            .filter_map(|pod| pod.status.as_ref()?.container_statuses.as_ref()?.first());
        match restarts.map(|status| status.restart_count).max() {
            Some(count) if count >= 2 => Ok(()),
            count => Err(format!("{count:?} restarts").into()),
        }
    })
    .await?;
    steps.done(&format!(
        "a version that crashes: {}",
        load_generator.go_on().await?.none_failed()?
    ));

    drive.apply(&second).await?;
    drive.ready().await?;
    assert_eq!(
        migrated(&drive).await?,
        3,
        "of the versions that there were each migrated once, and going back migrates nothing"
    );
    steps.done(&format!("back: {}", load_generator.leave().await?.none_failed()?));
    Ok(())
}

/// How many migrations succeeded.
async fn migrated(drive: &Drive) -> Result<usize, kube::Error> {
    let status = drive.drives().get(&drive.name).await?.status.unwrap_or_default();
    let migrations = status.services.iter().filter_map(|service| service.migration.as_ref());
    Ok(migrations.map(|migration| migration.succeeded.len()).sum())
}

/// Waits until no pod of an old version is left, not even one that is on its way out.
async fn gone_old(drive: &Drive) -> Result<(), Error> {
    eventually(PATIENCE, "the old pods to be gone", async || {
        let pods = drive
            .pods()
            .list(&ListParams::default().labels("ras.dev/service=portal"))
            .await?
            .items;
        match pods
            .iter()
            .filter(|pod| pod.metadata.deletion_timestamp.is_some())
            .count()
        {
            0 => Ok(()),
            going => Err(format!("{going} are going").into()),
        }
    })
    .await
}
