//! Data that is being deleted, or is gone: nothing that mounts it changes, the drive is Stalled with the next step, and it
//! continues only when a person says so. Pods are played by kwok; what keeps a claim until no pod mounts it is Kubernetes' own.

use k8s_openapi::api::{
    apps::v1::{Deployment, StatefulSet},
    core::v1::{PersistentVolumeClaim, Pod, Secret},
};
use kube::{
    Api, ResourceExt as _,
    api::{DeleteParams, ListParams, Patch, PatchParams, PropagationPolicy},
};
use ras_crds::{ConditionType, DataState, Reason};
use ras_tests::{Error, OperatorOptions, PATIENCE, ROLES, TestEnv, eventually};
use serde_json::{Value, json};

use crate::{
    children::{EVERY_CHILD, at_rest, env_with_every_child, failed},
    seen::{IMAGE, because, kubectl, look, restart_operator},
};

const DRIVE: &str = "
apiVersion: ras.dev/v1alpha1
kind: RecruitmentDrive
metadata: {name: season}
spec:
  services:
  - name: store
    image: registry.example.com/store:1
    volumes: [{name: data, path: /data, size: 1Gi}]
  - name: web
    image: registry.example.com/web:1
";
const CLAIM: &str = "season-store-data";

fn claims(test_env: &TestEnv) -> Api<PersistentVolumeClaim> {
    test_env.namespace.api()
}

/// UID of a claim, and whether it is being deleted; nothing when it is not there.
async fn claim(test_env: &TestEnv, name: &str) -> Result<Option<(String, bool)>, Error> {
    let found = claims(test_env)
        .get_opt(name)
        .await
        .map_err(failed("looking at the claim"))?;
    Ok(found.map(|claim| {
        (
            claim.uid().unwrap_or_default(),
            claim.metadata.deletion_timestamp.is_some(),
        )
    }))
}

/// Applies a drive and waits until status remembers this object, by which a loss will be noticed.
async fn remembered(test_env: &TestEnv, name: &str) -> Result<String, Error> {
    eventually(PATIENCE, &format!("status to remember {name}"), async || {
        let drive = test_env
            .drives()
            .get("season")
            .await
            .map_err(|error| error.to_string())?;
        let data = drive.status.unwrap_or_default().data;
        match data.iter().find(|one| one.name == name) {
            Some(one) if one.state == DataState::Kept => Ok(one.uid.clone()),
            _ => Err(format!("{data:?}").into()),
        }
    })
    .await
    .map_err(|error| error.with_log(&test_env.operator.log()))
}

async fn delete_claim(test_env: &TestEnv, name: &str) -> Result<(), Error> {
    kubectl(test_env, &["delete", "pvc", name, "--wait=false"])
        .await
        .map(drop)
}

/// Waits until the drive is Stalled for this reason, and returns why.
async fn stalled(test_env: &TestEnv, reason: Reason) -> Result<String, Error> {
    let ready = because(test_env, "season", ConditionType::Ready, reason).await?;
    assert_eq!(ready.status, "False");
    let stalled = because(test_env, "season", ConditionType::Stalled, reason).await?;
    assert_eq!(stalled.status, "True");
    let at_risk = because(test_env, "season", ConditionType::DataAtRisk, reason).await?;
    assert_eq!(at_risk.status, "True");
    Ok(stalled.message)
}

/// Reasons and notes of the Warnings about the drive so far.
async fn warnings(test_env: &TestEnv) -> Result<String, Error> {
    let template = "{range .items[*]}{.reason}: {.message}{\"\\n\"}{end}";
    let output = format!("jsonpath={template}");
    kubectl(
        test_env,
        &[
            "get",
            "events",
            "--field-selector=type=Warning,involvedObject.kind=RecruitmentDrive",
            "-o",
            &output,
        ],
    )
    .await
}

async fn warned(test_env: &TestEnv, reason: Reason, words: &str) -> Result<(), Error> {
    eventually(PATIENCE, &format!("a Warning {reason}"), async || {
        let all = warnings(test_env).await.map_err(|error| error.to_string())?;
        let is_it = |line: &str| line.starts_with(&format!("{reason}: ")) && line.contains(words);
        if all.lines().any(is_it) {
            Ok(())
        } else {
            Err(all.into())
        }
    })
    .await
    .map_err(|error| error.with_log(&test_env.operator.log()))
}

/// Versions that change if a workload is written or a pod is replaced.
async fn running(test_env: &TestEnv, service: &str) -> Result<(Value, Vec<String>), Error> {
    let name = format!("season-{service}");
    let object = match look::<Deployment>(test_env, &name).await? {
        Some(found) => found,
        None => look::<StatefulSet>(test_env, &name).await?.unwrap_or_default(),
    };
    let of_service = ListParams::default().labels(&format!("ras.dev/service={service}"));
    let pods = test_env.namespace.api::<Pod>().list(&of_service).await;
    let pods = pods.map_err(failed("listing pods"))?;
    let uids = pods.items.iter().map(|pod| pod.uid().unwrap_or_default()).collect();
    Ok((json!([object["metadata"]["generation"], object["spec"]]), uids))
}

/// Runs the command that a message names.
async fn follow(test_env: &TestEnv, message: &str) -> Result<(), Error> {
    let command = message
        .split('`')
        .find(|part| part.starts_with("kubectl annotate"))
        .unwrap();
    let arguments: Vec<&str> = command
        .split(' ')
        .skip(1)
        .filter(|part| *part != "-n" && *part != test_env.namespace.name())
        .collect();
    kubectl(test_env, &arguments).await.map(drop)
}

async fn stop_pods(test_env: &TestEnv, service: &str) -> Result<(), Error> {
    let of_service = ListParams::default().labels(&format!("ras.dev/service={service}"));
    let pods: Api<Pod> = test_env.namespace.api();
    let deleted = pods
        .delete_collection(&DeleteParams::default().grace_period(0), &of_service)
        .await;
    deleted.map(drop).map_err(failed("deleting pods"))
}

async fn image_becomes(test_env: &TestEnv, service: &str, image: &str) -> Result<(), Error> {
    let pointer = IMAGE;
    crate::seen::becomes(test_env, &format!("season-{service}"), pointer, &json!(image)).await
}

#[tokio::test]
async fn a_volume_in_deletion_stops_every_change_and_its_loss_is_for_a_person_to_accept() -> Result<(), Error> {
    let mut test_env = TestEnv::start("volume-lost").await?;
    test_env.apply(DRIVE).await?;
    test_env.ready("season").await?;
    let uid = remembered(&test_env, CLAIM).await?;
    at_rest(&test_env, "season").await?;
    let before = running(&test_env, "store").await?;

    delete_claim(&test_env, CLAIM).await?;
    let message = stalled(&test_env, Reason::DataBeingDeleted).await?;
    assert!(
        message.contains("its data is deleted when the pod stops: copy it now"),
        "{message}"
    );
    warned(&test_env, Reason::DataBeingDeleted, CLAIM).await?;

    // A rollout, and a suspension, would stop the pod. Other services go on.
    let changed = DRIVE.replace("store:1", "store:2").replace("web:1", "web:2");
    test_env.apply(&changed).await?;
    image_becomes(&test_env, "web", "registry.example.com/web:2").await?;
    stalled(&test_env, Reason::DataBeingDeleted).await?;
    test_env
        .apply(&changed.replace("spec:\n", "spec:\n  suspend: true\n"))
        .await?;
    stalled(&test_env, Reason::DataBeingDeleted).await?;
    crate::seen::becomes(&test_env, "season-web", "/spec/replicas", &json!(0)).await?;
    assert_eq!(running(&test_env, "store").await?, before);
    test_env
        .apply(&changed.replace("spec:\n", "spec:\n  suspend: false\n"))
        .await?;
    crate::seen::becomes(&test_env, "season-web", "/spec/replicas", &json!(1)).await?;
    // Nor does a restarted operator, which knows it from what is there.
    restart_operator(&mut test_env, &OperatorOptions::with_roles(ROLES)).await?;
    stalled(&test_env, Reason::DataBeingDeleted).await?;
    at_rest(&test_env, "season").await?;
    assert_eq!(running(&test_env, "store").await?, before);
    assert_eq!(claim(&test_env, CLAIM).await?, Some((uid.clone(), true)));

    // The pod stops for a reason of its own, and takes the volume with it.
    stop_pods(&test_env, "store").await?;
    let message = stalled(&test_env, Reason::VolumeLost).await?;
    warned(&test_env, Reason::VolumeLost, CLAIM).await?;
    restart_operator(&mut test_env, &OperatorOptions::with_roles(ROLES)).await?;
    stalled(&test_env, Reason::VolumeLost).await?;
    at_rest(&test_env, "season").await?;
    assert_eq!(
        claim(&test_env, CLAIM).await?,
        None,
        "an empty volume would look like the old one"
    );
    assert_eq!(running(&test_env, "store").await?.0, before.0);
    let services = test_env
        .drives()
        .get("season")
        .await
        .map_err(failed("looking at the drive"))?
        .status
        .unwrap_or_default();
    assert_eq!(services.services_ready.as_deref(), Some("1/2"));

    follow(&test_env, &message).await?;
    test_env.ready("season").await?;
    image_becomes(&test_env, "store", "registry.example.com/store:2").await?;
    let new = remembered(&test_env, CLAIM).await?;
    assert_ne!(new, uid);

    // The word stands for that loss alone.
    at_rest(&test_env, "season").await?;
    delete_claim(&test_env, CLAIM).await?;
    stalled(&test_env, Reason::DataBeingDeleted).await?;
    stop_pods(&test_env, "store").await?;
    let message = stalled(&test_env, Reason::VolumeLost).await?;
    assert!(message.contains(&new) && !message.contains(&uid), "{message}");
    Ok(())
}

#[tokio::test]
async fn a_claim_of_somebody_else_that_two_services_mount_is_looked_after_just_so() -> Result<(), Error> {
    let test_env = TestEnv::start("shared-claim").await?;
    let shared = "{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: shared}, spec: {accessModes: [ReadWriteMany], \
                  resources: {requests: {storage: 1Gi}}}}";
    test_env.apply(shared).await?;
    let mount = "volumes: [{name: files, path: /files, existing: {claimName: shared}}]";
    let drive = DRIVE
        .replace("volumes: [{name: data, path: /data, size: 1Gi}]", mount)
        .replace("web:1\n", &format!("web:1\n    {mount}\n"));
    test_env.apply(&drive).await?;
    test_env.ready("season").await?;
    let uid = remembered(&test_env, "shared").await?;
    at_rest(&test_env, "season").await?;
    let before = (running(&test_env, "store").await?, running(&test_env, "web").await?);

    delete_claim(&test_env, "shared").await?;
    stalled(&test_env, Reason::DataBeingDeleted).await?;
    test_env
        .apply(&drive.replace("store:1", "store:2").replace("web:1", "web:2"))
        .await?;
    stalled(&test_env, Reason::DataBeingDeleted).await?;
    at_rest(&test_env, "season").await?;
    assert_eq!(
        (running(&test_env, "store").await?, running(&test_env, "web").await?),
        before
    );

    // Its owner makes another in its place: whether that has the data only a person knows.
    stop_pods(&test_env, "store").await?;
    stop_pods(&test_env, "web").await?;
    stalled(&test_env, Reason::VolumeLost).await?;
    test_env.apply(shared).await?;
    let message = eventually(PATIENCE, "the other claim to be noticed", async || {
        let message = stalled(&test_env, Reason::VolumeLost)
            .await
            .map_err(|error| error.to_string())?;
        if message.contains("another object has its name") {
            Ok(message)
        } else {
            Err(message.into())
        }
    })
    .await?;
    assert!(message.contains(&format!("shared@{uid}")), "{message}");
    follow(&test_env, &message).await?;
    test_env.ready("season").await?;
    image_becomes(&test_env, "web", "registry.example.com/web:2").await
}

#[tokio::test]
async fn the_volume_of_a_database_server_is_not_released_by_the_operator() -> Result<(), Error> {
    let test_env = env_with_every_child("database-lost").await?;
    let name = "season-database-data";
    remembered(&test_env, name).await?;
    let before = running(&test_env, "database").await?;
    assert!(!before.1.is_empty(), "it has a pod");
    delete_claim(&test_env, name).await?;
    stalled(&test_env, Reason::DataBeingDeleted).await?;
    let database = because(
        &test_env,
        "season",
        ConditionType::DatabaseReady,
        Reason::DataBeingDeleted,
    )
    .await?;
    assert_eq!(database.status, "False");
    let resources = "resources: {requests: {memory: 300Mi}}";
    test_env
        .apply(&EVERY_CHILD.replace(
            "version: 17, size: 1Gi",
            &format!("version: 17, size: 1Gi, {resources}"),
        ))
        .await?;
    stalled(&test_env, Reason::DataBeingDeleted).await?;
    at_rest(&test_env, "season").await?;
    assert_eq!(running(&test_env, "database").await?, before);
    stop_pods(&test_env, "database").await?;
    stalled(&test_env, Reason::VolumeLost).await?;
    assert_eq!(claim(&test_env, name).await?, None);
    Ok(())
}

#[tokio::test]
async fn a_generated_secret_in_deletion_stops_its_users_and_new_values_come_with_a_warning() -> Result<(), Error> {
    let test_env = env_with_every_child("secret-lost").await?;
    let before = running(&test_env, "web").await?;
    let old = remembered(&test_env, "season-jwt").await?;
    let secrets: Api<Secret> = test_env.namespace.api();
    let finalizers = async |list: Value| {
        let patch = Patch::Merge(json!({"metadata": {"finalizers": list}}));
        let done = secrets.patch("season-jwt", &PatchParams::default(), &patch).await;
        done.map(drop).map_err(failed("setting finalizers"))
    };
    finalizers(json!(["example.com/backup"])).await?;
    kubectl(&test_env, &["delete", "secret", "season-jwt", "--wait=false"]).await?;
    let message = stalled(&test_env, Reason::DataBeingDeleted).await?;
    assert!(message.contains("copy them now"), "{message}");
    warned(&test_env, Reason::DataBeingDeleted, "Secret/season-jwt").await?;
    test_env.apply(&EVERY_CHILD.replace("web:1", "web:2")).await?;
    stalled(&test_env, Reason::DataBeingDeleted).await?;
    at_rest(&test_env, "season").await?;
    assert_eq!(running(&test_env, "web").await?, before);

    // Gone, it is generated again: deleting it is how new values are asked for. It may have been an accident.
    finalizers(Value::Null).await?;
    test_env.ready("season").await?;
    assert_ne!(remembered(&test_env, "season-jwt").await?, old);
    eventually(PATIENCE, "a Warning that its values are new", async || {
        let all = warnings(&test_env).await.map_err(|error| error.to_string())?;
        if all.contains("SecretRegenerated: Secret/season-jwt was deleted") {
            Ok(())
        } else {
            Err(all.into())
        }
    })
    .await
}

#[tokio::test]
async fn a_paused_or_wrong_drive_says_that_its_data_is_being_deleted() -> Result<(), Error> {
    let test_env = TestEnv::start("paused-lost").await?;
    test_env.apply(DRIVE).await?;
    test_env.ready("season").await?;
    remembered(&test_env, CLAIM).await?;
    test_env
        .apply(&DRIVE.replace("spec:\n", "spec:\n  paused: true\n"))
        .await?;
    because(&test_env, "season", ConditionType::Ready, Reason::Paused).await?;
    delete_claim(&test_env, CLAIM).await?;
    stalled(&test_env, Reason::DataBeingDeleted).await?;
    warned(&test_env, Reason::DataBeingDeleted, CLAIM).await
}

#[tokio::test]
async fn a_drive_that_is_deleted_with_its_data_warns_of_nothing() -> Result<(), Error> {
    for (prefix, policy) in [
        ("gone-background", PropagationPolicy::Background),
        ("gone-foreground", PropagationPolicy::Foreground),
    ] {
        let test_env = TestEnv::start(prefix).await?;
        test_env
            .apply(&DRIVE.replace("size: 1Gi}", "size: 1Gi, deletionPolicy: Delete}"))
            .await?;
        test_env.ready("season").await?;
        remembered(&test_env, CLAIM).await?;
        // On a busy machine a volume may be bound late, which is a warning of its own.
        let before = warnings(&test_env).await?;
        let parameters = DeleteParams {
            propagation_policy: Some(policy),
            ..DeleteParams::default()
        };
        let deleted = test_env.drives().delete("season", &parameters).await;
        deleted.map(drop).map_err(failed("deleting the drive"))?;
        eventually(
            crate::seen::COLLECTED,
            "the volume to go with the drive",
            async || match claim(&test_env, CLAIM).await.map_err(|error| error.to_string())? {
                None => Ok(()),
                found => Err(format!("{found:?}").into()),
            },
        )
        .await?;
        let after = warnings(&test_env).await?;
        let new: Vec<&str> = after.lines().filter(|line| !before.contains(line)).collect();
        assert_eq!(new, Vec::<&str>::new());
    }
    Ok(())
}
