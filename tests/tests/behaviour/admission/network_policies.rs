//! A service, a database server and a migration start only after their `NetworkPolicies` were accepted.

use k8s_openapi::api::{
    apps::v1::{Deployment, StatefulSet},
    batch::v1::Job,
    networking::v1::NetworkPolicy,
};
use kube::{Api, api::ListParams};
use ras_crds::{ConditionType, Reason};
use ras_tests::{Error, PATIENCE, TestEnv, eventually};
use serde_json::json;

use super::{DRIVE, IMAGE, Rule, WORDS};
use crate::{
    children::{at_rest, failed},
    seen::{because_with, becomes, look, of_deployment},
};

#[tokio::test]
async fn a_service_starts_only_with_its_network_policy_and_the_others_without_waiting() -> Result<(), Error> {
    let test_env = TestEnv::start("policy-first").await?;
    let rule = Rule::policies(&test_env, "object.metadata.name != 'spring-api'", "spring-api").await?;
    test_env.apply(DRIVE).await?;
    because_with(
        &test_env,
        "spring",
        ConditionType::Ready,
        Reason::Refused,
        &["NetworkPolicy/spring-api", WORDS],
    )
    .await?;
    becomes(&test_env, "spring-site", IMAGE, &json!("registry.example.com/site:1")).await?;
    because_with(
        &test_env,
        "spring",
        ConditionType::ServicesReady,
        Reason::Refused,
        &[
            "service api",
            "Deployment/spring-api waits for NetworkPolicy/spring-api",
        ],
    )
    .await?;
    at_rest(&test_env, "spring").await?;
    assert!(look::<Deployment>(&test_env, "spring-api").await?.is_none());

    rule.lift().await?;
    test_env.ready("spring").await?;
    assert!(look::<NetworkPolicy>(&test_env, "spring-api").await?.is_some());
    Ok(())
}

#[tokio::test]
async fn a_service_does_not_roll_out_under_the_policy_of_the_version_before() -> Result<(), Error> {
    let test_env = TestEnv::start("policy-update").await?;
    test_env.apply(DRIVE).await?;
    test_env.ready("spring").await?;
    let running = of_deployment(&test_env, "spring-api", "/spec").await?;
    let policy = look::<NetworkPolicy>(&test_env, "spring-api").await?;

    let rule = Rule::policies(&test_env, "object.metadata.name != 'spring-api'", "spring-api").await?;
    let next = DRIVE
        .replace("api:1", "api:2")
        .replace("site:1", "site:2")
        .replace("10.20.0.0/24", "10.30.0.0/24");
    test_env.apply(&next).await?;
    becomes(&test_env, "spring-site", IMAGE, &json!("registry.example.com/site:2")).await?;
    because_with(
        &test_env,
        "spring",
        ConditionType::ServicesReady,
        Reason::Refused,
        &[
            "service api",
            "the requested version is not rolled out",
            "NetworkPolicy/spring-api",
        ],
    )
    .await?;
    at_rest(&test_env, "spring").await?;
    assert_eq!(of_deployment(&test_env, "spring-api", "/spec").await?, running);
    assert_eq!(look::<NetworkPolicy>(&test_env, "spring-api").await?, policy);

    // What is to stop needs no policy.
    let spec = "spec:\n  suspend: true\n";
    test_env.apply(&next.replace("spec:\n", spec)).await?;
    becomes(&test_env, "spring-api", "/spec/replicas", &0.into()).await?;
    test_env.apply(&next).await?;
    becomes(&test_env, "spring-site", "/spec/replicas", &1.into()).await?;
    at_rest(&test_env, "spring").await?;
    assert_eq!(of_deployment(&test_env, "spring-api", "/spec/replicas").await?, 0);

    rule.lift().await?;
    // What a policy refused is tried again later each time: it waits about as long as the rule stood.
    eventually(4 * PATIENCE, "the drive to go on", async || {
        let ready = test_env.drives().get("spring").await?.status.unwrap_or_default();
        let ready = ready.conditions.iter().any(|one| one.type_ == "Ready" && one.is_true());
        ready.then_some(()).ok_or_else(|| "it is not ready".into())
    })
    .await?;
    becomes(&test_env, "spring-api", IMAGE, &json!("registry.example.com/api:2")).await
}

const SERVER: &str = "
apiVersion: ras.dev/v1alpha1
kind: RecruitmentDrive
metadata: {name: spring}
spec:
  services:
  - name: api
    image: registry.example.com/api:1
    migrate: {command: [api, migrate]}
  database:
    managed: {provider: Standalone, version: 16, size: 1Gi}
    databases: [{name: portal}]
";

#[tokio::test]
async fn a_database_server_and_the_job_of_a_migration_wait_for_their_network_policies() -> Result<(), Error> {
    let test_env = TestEnv::start("policy-jobs").await?;
    let rule = Rule::policies(&test_env, "object.metadata.name == 'spring-api'", "spring-x").await?;
    test_env.apply(SERVER).await?;
    because_with(
        &test_env,
        "spring",
        ConditionType::DatabaseReady,
        Reason::Refused,
        &["NetworkPolicy/spring-database", WORDS],
    )
    .await?;
    because_with(
        &test_env,
        "spring",
        ConditionType::MigrationsReady,
        Reason::MigrationRunning,
        &[
            "the migration of service api has not begun: Job/",
            "waits for NetworkPolicy/",
        ],
    )
    .await?;
    at_rest(&test_env, "spring").await?;
    assert!(look::<StatefulSet>(&test_env, "spring-database").await?.is_none());
    let jobs: Api<Job> = test_env.namespace.api();
    let all = jobs
        .list(&ListParams::default())
        .await
        .map_err(failed("listing Jobs"))?;
    assert!(all.items.is_empty(), "{:?}", all.items);

    rule.lift().await?;
    eventually(PATIENCE, "the database server and the migration", async || {
        let server = look::<StatefulSet>(&test_env, "spring-database").await?;
        let migrations = ListParams::default().labels("ras.dev/job=migrate");
        let migrations = jobs.list(&migrations).await?.items.len();
        match (server.is_some(), migrations) {
            (true, 1) => Ok(()),
            other => Err(format!("{other:?}").into()),
        }
    })
    .await
    .map_err(|error| error.with_log(&test_env.operator.log()))
}
