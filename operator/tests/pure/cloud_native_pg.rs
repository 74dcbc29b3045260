//! Database servers that CloudNativePG runs.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use ras_crds::{ConditionType, RecruitmentDrive, RecruitmentDriveStatus};
use ras_operator::drive::build::{Desired, Prepared, build};
use ras_operator::drive::fetched::{Apis, Fetched, ForeignState, SecretFacts};
use ras_operator::drive::preparation::{self, Progress};
use ras_operator::drive::report::{self, Observed, Verdict};
use ras_operator::drive::validate::validate;
use ras_operator::platform::{self, PlatformConfig};
use serde_json::json;

use crate::drives::{facts_for, with_spec};

const MANAGED: &str = "provider: CloudNativePG, version: 17, instances: 3, size: 20Gi";

fn drive(managed: &str, rest: &str) -> RecruitmentDrive {
    with_spec(&format!(
        "{{services: [{{name: portal, image: 'portal:1', uses: {{databases: [portal]}}}}], {rest} \
         database: {{managed: {{{managed}}}, databases: [{{name: portal}}]}}}}"
    ))
}

/// What is known when nothing was made yet.
fn fresh(drive: &RecruitmentDrive, said: Option<ForeignState>) -> Fetched {
    let mut facts = facts_for(drive);
    facts.database.recorded = ras_crds::DatabaseStatus::default();
    facts.database.serves = said.as_ref().is_some_and(|state| state.ready == Some(true));
    facts.database.cluster = said;
    facts
}

fn said(ready: bool, message: &str) -> ForeignState {
    ForeignState {
        ready: Some(ready),
        reason: "ClusterIsNotReady".to_owned(),
        message: message.to_owned(),
        primary: Some("d-database-1".to_owned()),
    }
}

fn built(drive: &RecruitmentDrive, facts: &Fetched, platform: &PlatformConfig) -> Desired<Prepared> {
    build(&validate(drive, facts, platform).unwrap())
}

fn told(drive: &RecruitmentDrive, facts: &Fetched) -> (RecruitmentDriveStatus, String, String) {
    let valid = validate(drive, facts, &PlatformConfig::default()).unwrap();
    let held = build(&valid).held;
    let verdict = Verdict::Paused {
        asked: Some((&valid, &held)),
    };
    let (before, now) = (RecruitmentDriveStatus::default(), Time(facts.now));
    let mut status = report::status(drive, &Observed::default(), &verdict, &before, &now);
    status.database = report::database::status(&valid);
    let type_ = ConditionType::DatabaseReady.as_str();
    let condition = status.conditions.iter().find(|one| one.type_ == type_).unwrap().clone();
    (status, condition.reason, condition.message)
}

#[test]
fn a_cluster_has_an_administrator_of_its_own_and_no_superuser() {
    let drive = drive(MANAGED, "monitoring: {},");
    let platform =
        platform::parse("{database: {cloudNativePgImage: localhost/postgresql}, storage: {className: fast}}").unwrap();
    let desired = built(&drive, &fresh(&drive, None), &platform);
    let [cluster] = desired.clusters.as_slice() else {
        panic!("one cluster: {:?}", desired.clusters)
    };
    let cluster = serde_json::to_value(cluster).unwrap();
    assert_eq!(cluster["metadata"]["name"], "d-database");
    assert_eq!(
        cluster["metadata"]["ownerReferences"],
        json!(null),
        "it is kept with its volumes"
    );
    let resources = &cluster["spec"]["resources"];
    assert_eq!(resources["requests"], json!({"cpu": "250m", "memory": "512Mi"}));
    let expected = json!({
        "instances": 3,
        "imageName": "localhost/postgresql:17",
        "bootstrap": {"initdb": {
            "database": "ras_operator",
            "owner": "ras_operator",
            "postInitSQL": ["ALTER ROLE ras_operator CREATEDB CREATEROLE"],
        }},
        "enableSuperuserAccess": false,
        "storage": {"size": "20Gi", "storageClass": "fast"},
        "resources": resources,
        "monitoring": {"enablePodMonitor": true},
    });
    assert_eq!(cluster["spec"], expected);
    assert!(desired.stateful_sets.is_empty() && desired.volume_claims.is_empty());
}

#[test]
fn a_cluster_goes_with_the_drive_only_where_the_drive_says_so() {
    let mut drive = drive(MANAGED, "");
    drive.spec.database.as_mut().unwrap().deletion_policy = Some(ras_crds::spec::DeletionPolicy::Delete);
    let desired = built(&drive, &fresh(&drive, None), &PlatformConfig::default());
    let owners = desired.clusters[0].metadata.owner_references.clone().unwrap();
    assert_eq!(owners[0].kind, "RecruitmentDrive");
}

#[test]
fn without_cloud_native_pg_it_is_told_what_to_install_and_nothing_is_asked() {
    let drive = drive(MANAGED, "");
    let mut facts = fresh(&drive, None);
    facts.apis = Apis::default();
    let desired = built(&drive, &facts, &PlatformConfig::default());
    assert!(desired.clusters.is_empty() && desired.jobs.is_empty());
    let (_, reason, message) = told(&drive, &facts);
    assert_eq!(reason, "CloudNativePGMissing");
    assert!(message.contains("install it"), "{message}");
}

#[test]
fn what_cloud_native_pg_says_is_told_until_it_serves_and_only_then_databases_are_prepared() {
    let drive = drive(MANAGED, "");
    let waiting = fresh(&drive, Some(said(false, "Setting up primary")));
    assert!(built(&drive, &waiting, &PlatformConfig::default()).jobs.is_empty());
    let (status, reason, message) = told(&drive, &waiting);
    assert_eq!(reason, "DatabasePending");
    assert!(
        message.contains("Setting up primary") && message.contains("kubectl describe"),
        "{message}"
    );
    assert_eq!(status.database.unwrap().primary.as_deref(), Some("d-database-1"));

    let mut serving = fresh(&drive, Some(said(true, "Cluster in healthy state")));
    serving
        .secrets
        .insert("d-database-app".to_owned(), SecretFacts::default());
    let desired = built(&drive, &serving, &PlatformConfig::default());
    let job = serde_json::to_value(&desired.jobs[0]).unwrap();
    let volumes = job["spec"]["template"]["spec"]["volumes"].to_string();
    assert!(
        volumes.contains("d-database-app"),
        "the administrator's password is CloudNativePG's: {volumes}"
    );
    let config = desired.config_maps[0].data.clone().unwrap();
    assert_eq!(
        (config["host"].as_str(), config["username"].as_str()),
        ("d-database-rw", "ras_operator")
    );
    assert!(
        config["request.json"].contains(r#""sslmode":"require""#),
        "{}",
        config["request.json"]
    );
}

#[test]
fn the_secret_that_cloud_native_pg_makes_is_waited_for_by_name() {
    let drive = drive(MANAGED, "");
    let mut serving = fresh(&drive, Some(said(true, "Cluster in healthy state")));
    serving.secrets.remove("d-database-app");
    let valid = validate(&drive, &serving, &PlatformConfig::default()).unwrap();
    let Progress::Waiting(waiting) = preparation::of(&valid).unwrap().progress else {
        panic!("it waits")
    };
    assert!(waiting.message.contains("d-database-app"), "{}", waiting.message);
}

#[test]
fn programs_find_whichever_server_is_written_to_and_never_in_the_clear() {
    let drive = drive(MANAGED, "");
    let desired = built(&drive, &facts_for(&drive), &PlatformConfig::default());
    let pod = serde_json::to_value(&desired.deployments[0]).unwrap();
    let variables = pod["spec"]["template"]["spec"]["containers"][0]["env"].to_string();
    assert!(
        variables.contains(r#"{"name":"DATABASE_HOST","value":"d-database-rw"}"#),
        "{variables}"
    );
    assert!(
        variables.contains(r#"{"name":"DATABASE_SSLMODE","value":"require"}"#),
        "{variables}"
    );
}

#[test]
fn a_suspended_drive_s_servers_hibernate_and_keep_their_volumes() {
    let drive = drive(MANAGED, "suspend: true,");
    let desired = built(&drive, &facts_for(&drive), &PlatformConfig::default());
    let annotations = desired.clusters[0].metadata.annotations.clone().unwrap();
    assert_eq!(annotations["cnpg.io/hibernation"], "on");
}

#[test]
fn a_name_that_cloud_native_pg_refuses_is_told_before_it_does() {
    let mut long = drive(MANAGED, "");
    long.metadata.name = Some("d".repeat(45));
    let problems = validate(&long, &facts_for(&long), &PlatformConfig::default()).unwrap_err();
    assert!(problems.to_string().contains("50 characters"), "{problems}");
}
