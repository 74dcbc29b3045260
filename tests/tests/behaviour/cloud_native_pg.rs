//! Database servers that CloudNativePG runs: what it is asked for, and what is told of its answers. Its operator is played
//! here, by the status that it sets; its definitions are its own.

use std::collections::BTreeMap;

use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::api::{ApiResource, DeleteParams, DynamicObject, ListParams, Patch, PatchParams};
use kube::core::GroupVersionKind;
use kube::{Api, ResourceExt};
use ras_crds::{Condition, ConditionType, DataKind, DataStatus, Reason};
use ras_tests::{Error, ForeignProject, OperatorOptions, PATIENCE, ROLES, TestEnv, eventually};
use serde_json::{Value, json};

use crate::children::failed;
use crate::seen::{because, because_with, kubectl, look};

const DRIVE: &str = "
apiVersion: ras.dev/v1alpha1
kind: RecruitmentDrive
metadata: {name: spring}
spec:
  services:
  - {name: web, image: 'registry.example.com/web:1', uses: {databases: [application]}}
  database:
    managed: {provider: CloudNativePG, version: 17, instances: 2, size: 20Gi}
    databases: [{name: application, owner: applicationadmin}]
";

/// The same, with backups.
fn backed_up(place: &str) -> String {
    DRIVE.replace(
        "    managed: {provider: CloudNativePG, version: 17, instances: 2, size: 20Gi}\n",
        &format!(
            "    managed:
      {{provider: CloudNativePG, version: 17, instances: 2, size: 20Gi, backup: {{schedule: '30 21 * * *', {place}}}}}
"
        ),
    )
}

const CLUSTER: &str = "spring-database";

fn of_kind(test_env: &TestEnv, kind: &str) -> Api<DynamicObject> {
    let kind = ApiResource::from_gvk(&GroupVersionKind::gvk("postgresql.cnpg.io", "v1", kind));
    Api::namespaced_with(test_env.namespace.client(), test_env.namespace.name(), &kind)
}

fn clusters(test_env: &TestEnv) -> Api<DynamicObject> {
    of_kind(test_env, "Cluster")
}

/// Waits until `DatabaseReady` has this reason and a message with all of these words.
async fn database_ready(test_env: &TestEnv, reason: Reason, words: &[&str]) -> Result<Condition, Error> {
    because_with(test_env, "spring", ConditionType::DatabaseReady, reason, words).await
}

/// Waits until `wanted` holds, and returns the `Cluster`.
async fn cluster(
    test_env: &TestEnv,
    what: &str,
    wanted: impl Fn(&DynamicObject) -> bool,
) -> Result<DynamicObject, Error> {
    eventually(PATIENCE, what, async || {
        let found = clusters(test_env)
            .get(CLUSTER)
            .await
            .map_err(|error| error.to_string())?;
        if wanted(&found) {
            Ok(found)
        } else {
            Err(format!("{:?} {}", found.metadata, found.data).into())
        }
    })
    .await
    .map_err(|error| error.with_log(&test_env.operator.log()))
}

/// Says of the Cluster what its operator says.
async fn says(test_env: &TestEnv, ready: bool, phase: &str, reason: &str, primary: &str) -> Result<(), Error> {
    let (status, why) = if ready {
        ("True", "ClusterIsReady")
    } else {
        ("False", "ClusterIsNotReady")
    };
    let condition = json!({
        "type": "Ready", "status": status, "reason": why, "message": "Cluster Is Not Ready",
        "lastTransitionTime": "2026-07-01T00:00:00Z",
    });
    let patch = json!({"status": {
        "conditions": [condition], "phase": phase, "phaseReason": reason, "currentPrimary": primary,
        "targetPrimary": primary, "instances": 2, "readyInstances": 2, "writeService": format!("{CLUSTER}-rw"),
    }});
    clusters(test_env)
        .patch_status(CLUSTER, &PatchParams::default(), &Patch::Merge(&patch))
        .await
        .map(drop)
        .map_err(failed("setting the status"))
}

/// Has the API server judge what the operator sends, with nothing that the definition does not know.
async fn is_accepted_strictly(test_env: &TestEnv, kind: &str, made: &DynamicObject) -> Result<(), Error> {
    let owned = made
        .managed_fields()
        .iter()
        .find(|entry| entry.manager.as_deref() == Some("ras-operator"));
    let fields = owned
        .and_then(|entry| entry.fields_v1.clone())
        .expect("the operator's fields")
        .0;
    let mut sent: BTreeMap<&str, Value> = BTreeMap::new();
    for name in fields["f:spec"].as_object().expect("a spec").keys() {
        let name = name.strip_prefix("f:").expect("a field");
        sent.insert(name, made.data["spec"][name].clone());
    }
    assert!(sent.len() > 4, "{sent:?}");
    let again = json!({
        "apiVersion": "postgresql.cnpg.io/v1", "kind": kind, "metadata": {"name": "strict"}, "spec": sent,
    });
    test_env.apply(&again.to_string()).await?;
    let deleted = of_kind(test_env, kind).delete("strict", &DeleteParams::default()).await;
    deleted.map(drop).map_err(failed("deleting"))
}

/// Waits until status names the server that is written to.
async fn primary(test_env: &TestEnv, name: &str) -> Result<(), Error> {
    eventually(PATIENCE, "status to name the primary", async || {
        let drive = test_env
            .drives()
            .get("spring")
            .await
            .map_err(|error| error.to_string())?;
        let found = drive.status.and_then(|status| status.database?.primary);
        if found.as_deref() == Some(name) {
            Ok(())
        } else {
            Err(format!("{found:?}").into())
        }
    })
    .await
    .map_err(|error| error.with_log(&test_env.operator.log()))
}

#[tokio::test]
async fn servers_are_asked_of_cloud_native_pg_and_what_it_says_is_told() -> Result<(), Error> {
    let test_env = TestEnv::alone("cnpg", &OperatorOptions::with_roles(ROLES).cluster_wide()).await?;
    test_env.apply(DRIVE).await?;
    database_ready(
        &test_env,
        Reason::CloudNativePGMissing,
        &["cloudnative-pg.io", "install it"],
    )
    .await?;

    test_env.cluster.install(ForeignProject::CloudNativePG).await?;
    let made = cluster(&test_env, "the Cluster to be made", |_| true).await?;
    database_ready(&test_env, Reason::DatabasePending, &[CLUSTER, "has not reported yet"]).await?;
    assert_eq!(
        made.metadata.owner_references, None,
        "it stays, with its volumes, when the drive goes"
    );
    assert_eq!(made.data["spec"]["instances"], 2);
    assert_eq!(made.data["spec"]["enableSuperuserAccess"], false);

    is_accepted_strictly(&test_env, "Cluster", &made).await?;

    says(
        &test_env,
        false,
        "Setting up primary",
        "Creating primary instance spring-database-1",
        "",
    )
    .await?;
    database_ready(
        &test_env,
        Reason::DatabasePending,
        &[
            "Setting up primary: Creating primary instance spring-database-1",
            "kubectl describe",
        ],
    )
    .await?;

    // It serves, and its operator has made the administrator's Secret.
    says(&test_env, true, "Cluster in healthy state", "", "spring-database-1").await?;
    database_ready(&test_env, Reason::SecretMissing, &["spring-database-app"]).await?;
    test_env
        .apply("{apiVersion: v1, kind: Secret, metadata: {name: spring-database-ca}, stringData: {ca.crt: theirs, ca.key: secret}}")
        .await?;
    test_env
        .apply(
            "{apiVersion: v1, kind: Secret, metadata: {name: spring-database-app}, type: kubernetes.io/basic-auth, \
             stringData: {username: ras_operator, password: drawn-by-cnpg}}",
        )
        .await?;
    let job = eventually(PATIENCE, "the Job that prepares the databases", async || {
        let jobs: Api<Job> = test_env.namespace.api();
        let list = jobs
            .list(&ListParams::default())
            .await
            .map_err(|error| error.to_string())?;
        list.items.into_iter().next().ok_or_else(|| "no Job yet".into())
    })
    .await
    .map_err(|error| error.with_log(&test_env.operator.log()))?;
    let volumes = serde_json::to_string(&job.spec.expect("a spec").template.spec.expect("a pod").volumes);
    assert!(volumes.expect("JSON").contains("spring-database-app"));
    let connection = look::<ConfigMap>(&test_env, CLUSTER).await?.expect("the connection");
    assert_eq!(connection["data"]["host"], "spring-database-rw");

    // The other server takes over, which status shows.
    primary(&test_env, "spring-database-1").await?;
    says(
        &test_env,
        false,
        "Failing over",
        "Failing over from spring-database-1 to spring-database-2",
        "spring-database-2",
    )
    .await?;
    database_ready(&test_env, Reason::DatabasePending, &["Failing over from"]).await?;
    primary(&test_env, "spring-database-2").await?;

    Ok(())
}

#[tokio::test]
async fn servers_hibernate_with_their_drive_and_outlive_it() -> Result<(), Error> {
    let test_env = TestEnv::alone("cnpg-kept", &OperatorOptions::with_roles(ROLES).cluster_wide()).await?;
    test_env.cluster.install(ForeignProject::CloudNativePG).await?;
    test_env.apply(DRIVE).await?;
    let made = cluster(&test_env, "the Cluster to be made", |_| true).await?;

    // A suspended drive's servers hibernate, and wake up with it.
    let suspended = DRIVE.replace("spec:\n", "spec:\n  suspend: true\n");
    test_env.apply(&suspended).await?;
    let hibernates =
        |cluster: &DynamicObject| cluster.annotations().get("cnpg.io/hibernation").map(String::as_str) == Some("on");
    cluster(&test_env, "the servers to hibernate", hibernates).await?;
    test_env
        .apply(&DRIVE.replace("spec:\n", "spec:\n  suspend: false\n"))
        .await?;
    cluster(&test_env, "the servers to wake up", |cluster| !hibernates(cluster)).await?;

    // The drive goes. Its data stays, and the Secret of its passwords.
    test_env
        .drives()
        .delete("spring", &DeleteParams::default())
        .await
        .map_err(failed("deleting the drive"))?;
    eventually(PATIENCE, "the drive to go with its Job", async || {
        let drive = test_env
            .drives()
            .get_opt("spring")
            .await
            .map_err(|error| error.to_string())?;
        let config = look::<ConfigMap>(&test_env, CLUSTER)
            .await
            .map_err(|error| error.to_string())?;
        if drive.is_none() && config.is_none() {
            Ok(())
        } else {
            Err("it is there".into())
        }
    })
    .await?;
    let kept = cluster(&test_env, "the Cluster", |_| true).await?;
    assert_eq!((kept.uid(), kept.metadata.deletion_timestamp), (made.uid(), None));
    assert!(
        look::<Secret>(&test_env, "spring-database-role-applicationadmin")
            .await?
            .is_some()
    );
    Ok(())
}

#[tokio::test]
async fn a_cluster_goes_with_its_drive_where_the_drive_says_so() -> Result<(), Error> {
    let test_env = TestEnv::alone("cnpg-delete", &OperatorOptions::with_roles(ROLES).cluster_wide()).await?;
    test_env.cluster.install(ForeignProject::CloudNativePG).await?;
    let text = DRIVE.replace("    databases: [", "    deletionPolicy: Delete\n    databases: [");
    test_env.apply(&text).await?;
    let owned = |cluster: &DynamicObject| {
        cluster
            .owner_references()
            .iter()
            .any(|owner| owner.kind == "RecruitmentDrive")
    };
    cluster(&test_env, "the Cluster to belong to the drive", owned).await?;
    // Changed its mind in time: the Cluster is let go.
    test_env.apply(&text.replace("Delete", "Retain")).await?;
    cluster(&test_env, "the Cluster to belong to nobody", |cluster| !owned(cluster)).await?;
    // And without a database at all, what is kept stays.
    let without = &text[..text.find("  database:").expect("there")].replace(", uses: {databases: [application]}", "");
    test_env.apply(without).await?;
    eventually(PATIENCE, "the request to go", async || {
        let config = look::<ConfigMap>(&test_env, CLUSTER)
            .await
            .map_err(|error| error.to_string())?;
        if config.is_none() {
            Ok(())
        } else {
            Err("it is there".into())
        }
    })
    .await
    .map_err(|error| error.with_log(&test_env.operator.log()))?;
    cluster(&test_env, "the Cluster to stay", |cluster| {
        cluster.metadata.deletion_timestamp.is_none()
    })
    .await?;
    Ok(())
}

/// Waits until `wanted` holds, and returns the `ScheduledBackup`.
async fn backups(
    test_env: &TestEnv,
    what: &str,
    wanted: impl Fn(Option<&DynamicObject>) -> bool,
) -> Result<Option<DynamicObject>, Error> {
    eventually(PATIENCE, what, async || {
        let found = of_kind(test_env, "ScheduledBackup").get_opt(CLUSTER).await;
        let found = found.map_err(|error| error.to_string())?;
        if wanted(found.as_ref()) {
            Ok(found)
        } else {
            Err(format!("{:?}", found.map(|found| found.data)).into())
        }
    })
    .await
    .map_err(|error| error.with_log(&test_env.operator.log()))
}

#[tokio::test]
async fn backups_are_asked_of_cloud_native_pg_and_what_it_says_of_them_is_told() -> Result<(), Error> {
    let test_env = TestEnv::alone("cnpg-backup", &OperatorOptions::with_roles(ROLES).cluster_wide()).await?;
    test_env.cluster.install(ForeignProject::CloudNativePG).await?;
    test_env.apply(&backed_up("volumeSnapshot: {className: fast}")).await?;
    let made = cluster(&test_env, "the Cluster to be made", |_| true).await?;
    assert_eq!(made.data["spec"]["backup"]["volumeSnapshot"]["className"], "fast");
    is_accepted_strictly(&test_env, "Cluster", &made).await?;
    let asked = backups(&test_env, "the backups to be asked for", |found| found.is_some())
        .await?
        .expect("there");
    assert_eq!(asked.data["spec"]["method"], "volumeSnapshot");
    is_accepted_strictly(&test_env, "ScheduledBackup", &asked).await?;

    // One is done, and one fails.
    says(&test_env, true, "Cluster in healthy state", "", "spring-database-1").await?;
    let failing = json!({
        "type": "LastBackupSucceeded", "status": "False", "reason": "LastBackupFailed",
        "message": "no VolumeSnapshotClass fast", "lastTransitionTime": "2026-07-01T21:30:00Z",
    });
    let ready = json!({
        "type": "Ready", "status": "True", "reason": "ClusterIsReady", "message": "",
        "lastTransitionTime": "2026-07-01T00:00:00Z",
    });
    let patch = json!({"status": {"conditions": [ready, failing], "lastSuccessfulBackup": "2026-06-30T21:30:00Z"}});
    clusters(&test_env)
        .patch_status(CLUSTER, &PatchParams::default(), &Patch::Merge(&patch))
        .await
        .map_err(failed("setting the status"))?;
    eventually(PATIENCE, "status to tell of the backups", async || {
        let drive = test_env
            .drives()
            .get("spring")
            .await
            .map_err(|error| error.to_string())?;
        let reported = drive
            .status
            .and_then(|status| status.database?.backup)
            .map(|reported| json!(reported));
        let expected = json!({
            "lastSuccessful": "2026-06-30T21:30:00Z",
            "message": "the last backup failed: no VolumeSnapshotClass fast",
        });
        if reported.as_ref() == Some(&expected) {
            Ok(())
        } else {
            Err(format!("{reported:?}").into())
        }
    })
    .await
    .map_err(|error| error.with_log(&test_env.operator.log()))?;

    // Elsewhere from now on.
    test_env.apply(&backed_up("objectStore: {name: campus}")).await?;
    let plugin =
        |cluster: &DynamicObject| cluster.data["spec"]["plugins"][0]["parameters"]["barmanObjectName"] == "campus";
    let made = cluster(&test_env, "the plugin to be asked for", plugin).await?;
    assert_eq!(made.data["spec"]["backup"], Value::Null);
    is_accepted_strictly(&test_env, "Cluster", &made).await?;
    let by_plugin = |found: Option<&DynamicObject>| found.is_some_and(|found| found.data["spec"]["method"] == "plugin");
    let asked = backups(&test_env, "backups by the plugin", by_plugin)
        .await?
        .expect("there");
    is_accepted_strictly(&test_env, "ScheduledBackup", &asked).await?;

    // And none any more: what was made is nobody's to remove.
    test_env.apply(DRIVE).await?;
    backups(&test_env, "the backups to end", |found| found.is_none()).await?;
    cluster(&test_env, "the plugin to go", |cluster| {
        cluster.data["spec"]["plugins"].is_null()
    })
    .await?;
    Ok(())
}

#[tokio::test]
async fn a_deleted_cluster_is_created_again_only_when_a_person_accepts_the_loss() -> Result<(), Error> {
    let test_env = TestEnv::alone("cnpg-lost", &OperatorOptions::with_roles(ROLES).cluster_wide()).await?;
    test_env.cluster.install(ForeignProject::CloudNativePG).await?;
    test_env.apply(DRIVE).await?;
    let made = cluster(&test_env, "the Cluster", |_| true).await?;
    says(&test_env, true, "Cluster in healthy state", "", "spring-database-1").await?;
    eventually(PATIENCE, "status to remember the Cluster", async || {
        let drive = test_env
            .drives()
            .get("spring")
            .await
            .map_err(|error| error.to_string())?;
        let data = drive.status.unwrap_or_default().data;
        let is_it = |one: &DataStatus| one.kind == DataKind::Cluster && Some(&one.uid) == made.uid().as_ref();
        if data.iter().any(is_it) {
            Ok(())
        } else {
            Err(format!("{data:?}").into())
        }
    })
    .await?;

    // CloudNativePG needs a moment to take its servers apart.
    let finalizers = async |list: Value| {
        let patch = Patch::Merge(json!({"metadata": {"finalizers": list}}));
        let done = clusters(&test_env)
            .patch(CLUSTER, &PatchParams::default(), &patch)
            .await;
        done.map(drop).map_err(failed("setting finalizers"))
    };
    finalizers(json!(["example.com/servers"])).await?;
    let deleted = clusters(&test_env).delete(CLUSTER, &DeleteParams::default()).await;
    deleted.map(drop).map_err(failed("deleting"))?;
    let stalled = because(&test_env, "spring", ConditionType::Stalled, Reason::DataBeingDeleted).await?;
    assert!(stalled.message.contains("copy it now"), "{}", stalled.message);
    database_ready(&test_env, Reason::DataBeingDeleted, &["Cluster/spring-database"]).await?;

    finalizers(Value::Null).await?;
    let stalled = because(&test_env, "spring", ConditionType::Stalled, Reason::VolumeLost).await?;
    let there = clusters(&test_env).get_opt(CLUSTER).await.map_err(failed("looking"))?;
    assert!(there.is_none(), "an empty one would look like the old one");
    let uid = made.uid().unwrap_or_default();
    assert!(stalled.message.contains(&uid), "{}", stalled.message);
    let accepted = format!("ras.dev/accept-data-loss={CLUSTER}@{uid}");
    kubectl(&test_env, &["annotate", "recruitmentdrive", "spring", &accepted]).await?;
    let again = cluster(&test_env, "another Cluster", |_| true).await?;
    assert_ne!(again.uid(), made.uid());
    Ok(())
}
