//! Database servers that CloudNativePG runs.

use crate::planned::{build, job_of, record_of, validate};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use ras_core::build::Desired;
use ras_core::fetched::{Apis, BackupState, Fetched, ForeignState, SecretFacts};
use ras_core::plan::database_job::JobProgress;
use ras_core::platform;
use ras_core::platform::PlatformConfig;
use ras_core::report;
use ras_core::report::{Observed, ReconcileOutcome};
use ras_crds::{ConditionType, RecruitmentDrive, RecruitmentDriveStatus};
use serde_json::json;

use crate::drives::{facts_for, with_spec};

const MANAGED: &str = "provider: CloudNativePG, version: 17, instances: 3, size: 20Gi";

fn drive(managed: &str, rest: &str) -> RecruitmentDrive {
    with_spec(&format!(
        "{{services: [{{name: portal, image: 'portal:1', uses: {{databases: [portal]}}}}], {rest} \
         database: {{managed: {{{managed}}}, databases: [{{name: portal}}]}}}}"
    ))
}

/// Facts of a new drive.
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
        backup: BackupState::default(),
        storage: None,
    }
}

fn built(drive: &RecruitmentDrive, facts: &Fetched, platform: &PlatformConfig) -> Desired {
    build(&validate(drive, facts, platform).unwrap())
}

fn reported(drive: &RecruitmentDrive, facts: &Fetched) -> (RecruitmentDriveStatus, String, String) {
    let valid = validate(drive, facts, &PlatformConfig::default()).unwrap();
    let plan = valid.plan();
    let result = ReconcileOutcome::Paused(Some(&plan));
    let (before, now) = (RecruitmentDriveStatus::default(), Time(facts.now));
    let mut status = report::status(drive, &Observed::default(), &result, &before, &now);
    status.database = record_of(&valid);
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
    let (_, reason, message) = reported(&drive, &facts);
    assert_eq!(reason, "CloudNativePGMissing");
    assert!(message.contains("install it"), "{message}");
}

#[test]
fn what_cloud_native_pg_says_is_told_until_it_serves_and_only_then_databases_are_prepared() {
    let drive = drive(MANAGED, "");
    let waiting = fresh(&drive, Some(said(false, "Setting up primary")));
    assert!(built(&drive, &waiting, &PlatformConfig::default()).jobs.is_empty());
    let (status, reason, message) = reported(&drive, &waiting);
    assert_eq!(reason, "DatabasePending");
    assert!(
        message.contains("Setting up primary") && message.contains("kubectl describe"),
        "{message}"
    );
    assert_eq!(status.database.unwrap().primary.as_deref(), Some("d-database-1"));

    let mut serving = fresh(&drive, Some(said(true, "Cluster in healthy state")));
    for name in ["d-database-app", "d-database-ca"] {
        serving.secrets.insert(name.to_owned(), SecretFacts::default());
    }
    let desired = built(&drive, &serving, &PlatformConfig::default());
    let job = serde_json::to_value(&desired.jobs[0]).unwrap();
    let volumes = job["spec"]["template"]["spec"]["volumes"].to_string();
    assert!(
        volumes.contains("d-database-app"),
        "the administrator's password is CloudNativePG's: {volumes}"
    );
    assert!(
        volumes.contains(r#""secret":{"items":[{"key":"ca.crt","path":"ca"}],"name":"d-database-ca"}"#),
        "and so is the authority: {volumes}"
    );
    let config = desired.config_maps[0].data.clone().unwrap();
    assert_eq!(
        (config["host"].as_str(), config["username"].as_str()),
        ("d-database-rw", "ras_operator")
    );
    assert!(
        config["request.json"].contains(r#""sslmode":"verify-full""#),
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
    let JobProgress::BlockedBy(waiting) = job_of(&valid).unwrap().progress else {
        panic!("it waits")
    };
    assert!(waiting.message.contains("d-database-app"), "{}", waiting.message);
}

#[test]
fn programs_find_whichever_server_is_written_to_and_believe_no_other() {
    let drive = drive(MANAGED, "");
    let desired = built(&drive, &facts_for(&drive), &PlatformConfig::default());
    let pod = serde_json::to_value(&desired.deployments[0]).unwrap();
    let variables = pod["spec"]["template"]["spec"]["containers"][0]["env"].to_string();
    assert!(
        variables.contains(r#"{"name":"DATABASE_HOST","value":"d-database-rw"}"#),
        "{variables}"
    );
    for expected in [
        r#"{"name":"DATABASE_SSLMODE","value":"verify-full"}"#,
        r#"{"name":"DATABASE_CA_FILE","value":"/ras/database/ca.crt"}"#,
        "sslmode=verify-full&sslrootcert=/ras/database/ca.crt",
    ] {
        assert!(variables.contains(expected), "no {expected}: {variables}");
    }
    let volumes = pod["spec"]["template"]["spec"]["volumes"].to_string();
    assert!(
        volumes.contains(r#""secret":{"items":[{"key":"ca.crt","path":"ca.crt"}],"secretName":"d-database-ca"}"#),
        "the authority's certificate without its key: {volumes}"
    );
}

#[test]
fn a_renewed_authority_restarts_the_programs_that_may_have_read_it_once_and_nobody_else() {
    let mut drive = drive(MANAGED, "");
    let mut other = drive.spec.services[0].clone();
    other.name = "site".to_owned();
    other.uses = None;
    drive.spec.services.push(other);
    let templates = |facts: &Fetched| {
        let all = built(&drive, facts, &PlatformConfig::default()).deployments;
        all.iter()
            .map(|one| json!(one.spec.clone().unwrap().template))
            .collect::<Vec<_>>()
    };
    let before = facts_for(&drive);
    let mut renewed = before.clone();
    let keys = renewed.secrets.get_mut("d-database-ca").unwrap().keys.as_mut().unwrap();
    keys.insert("ca.crt".to_owned(), "later".to_owned());
    assert_ne!(templates(&before)[0], templates(&renewed)[0]);
    assert_eq!(templates(&before)[1], templates(&renewed)[1]);
}

fn with_backup(place: &str, rest: &str) -> RecruitmentDrive {
    drive(
        &format!("{MANAGED}, backup: {{schedule: '30 21 * * *', {place}}}"),
        rest,
    )
}

#[test]
fn snapshots_are_taken_when_asked_and_outlive_everything_but_their_record() {
    let drive = with_backup("volumeSnapshot: {className: fast}", "");
    let desired = built(&drive, &facts_for(&drive), &PlatformConfig::default());
    let cluster = json!(desired.clusters[0].spec);
    assert_eq!(
        cluster["backup"],
        json!({"volumeSnapshot": {"className": "fast", "snapshotOwnerReference": "backup"}})
    );
    assert_eq!(cluster["plugins"], json!(null));
    let asked = json!(desired.scheduled_backups[0]);
    assert_eq!(asked["metadata"]["name"], "d-database");
    assert_eq!(
        asked["spec"],
        json!({
            "schedule": "0 30 21 * * *",
            "immediate": true,
            "suspend": false,
            "cluster": {"name": "d-database"},
            "method": "volumeSnapshot",
            "backupOwnerReference": "none",
        })
    );
}

#[test]
fn an_object_store_gets_backups_and_every_change_in_between() {
    let drive = with_backup("objectStore: {name: campus}", "suspend: true,");
    let desired = built(&drive, &facts_for(&drive), &PlatformConfig::default());
    let cluster = json!(desired.clusters[0].spec);
    assert_eq!(cluster["backup"], json!(null));
    assert_eq!(
        cluster["plugins"],
        json!([{
            "name": "barman-cloud.cloudnative-pg.io",
            "isWALArchiver": true,
            "parameters": {"barmanObjectName": "campus"},
        }])
    );
    let asked = json!(desired.scheduled_backups[0].spec);
    assert_eq!(asked["method"], "plugin");
    assert_eq!(
        asked["pluginConfiguration"],
        json!({"name": "barman-cloud.cloudnative-pg.io"})
    );
    assert_eq!(asked["suspend"], true, "servers that hibernate hold nothing new");
}

#[test]
fn a_backup_that_failed_is_told_and_the_databases_stay_ready() {
    let drive = with_backup("volumeSnapshot: {}", "");
    let mut facts = facts_for(&drive);
    let mut state = said(true, "Cluster in healthy state");
    state.backup = BackupState {
        last_successful: Some("2026-07-01T21:30:00Z".parse().unwrap()),
        trouble: Some("the last backup failed: no VolumeSnapshot support".to_owned()),
    };
    facts.database.cluster = Some(state);
    let valid = validate(&drive, &facts, &PlatformConfig::default()).unwrap();
    facts.database.recorded.prepared = Some(job_of(&valid).unwrap().work);
    let (status, reason, message) = reported(&drive, &facts);
    assert_eq!(reason, "DatabasesAvailable");
    for word in ["no VolumeSnapshot support", "kubectl get backup.postgresql.cnpg.io"] {
        assert!(message.contains(word), "{message}");
    }
    let backup = json!(status.database.unwrap().backup);
    assert_eq!(backup["lastSuccessful"], "2026-07-01T21:30:00Z");

    // A cluster that somebody backs up in a way of their own is their matter.
    let plain = self::drive(MANAGED, "");
    let (status, _, message) = reported(&plain, &facts);
    assert!(status.database.unwrap().backup.is_none() && !message.contains("backup"));
}

#[test]
fn what_of_a_backup_cannot_be_is_refused_with_the_way_out() {
    let problems = |drive: &RecruitmentDrive| {
        validate(drive, &facts_for(drive), &PlatformConfig::default())
            .unwrap_err()
            .to_string()
    };
    let mut both = with_backup("volumeSnapshot: {}, objectStore: {name: campus}", "");
    assert!(problems(&both).contains("exactly one of volumeSnapshot and objectStore"));
    both.spec.database.as_mut().unwrap().managed.as_mut().unwrap().provider =
        ras_crds::spec::DatabaseProvider::Standalone;
    assert!(problems(&both).contains("pg_dump"), "{}", problems(&both));
    let mut wrong = with_backup("volumeSnapshot: {}", "");
    let managed = wrong.spec.database.as_mut().unwrap().managed.as_mut().unwrap();
    managed.backup.as_mut().unwrap().schedule = "30 24 * * *".to_owned();
    assert!(problems(&wrong).contains("hour"), "{}", problems(&wrong));
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

#[test]
fn parameters_are_cloud_native_pgs_and_absent_without_any() {
    let postgresql = |managed: &str| {
        let drive = drive(managed, "");
        let desired = built(&drive, &fresh(&drive, None), &PlatformConfig::default());
        serde_json::to_value(&desired.clusters[0]).unwrap()["spec"]["postgresql"].clone()
    };
    assert_eq!(postgresql(MANAGED), json!(null));
    assert_eq!(
        postgresql(&format!("{MANAGED}, parameters: {{max_connections: '300'}}")),
        json!({"parameters": {"max_connections": "300"}})
    );
}
