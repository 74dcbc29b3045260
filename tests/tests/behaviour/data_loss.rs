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
use ras_tests::{Error, OperatorOptions, PATIENCE, ROLES, Season, eventually};
use serde_json::{Value, json};

use crate::{
    children::{EVERY_CHILD, at_rest, failed, season_with_every_child},
    seen::{because, kubectl, look, restart_operator},
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

fn claims(season: &Season) -> Api<PersistentVolumeClaim> {
    season.namespace.api()
}

/// UID of a claim, and whether it is being deleted; nothing when it is not there.
async fn claim(season: &Season, name: &str) -> Result<Option<(String, bool)>, Error> {
    let found = claims(season)
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
async fn remembered(season: &Season, name: &str) -> Result<String, Error> {
    eventually(PATIENCE, &format!("status to remember {name}"), async || {
        let drive = season.drives().get("season").await.map_err(|error| error.to_string())?;
        let data = drive.status.unwrap_or_default().data;
        match data.iter().find(|one| one.name == name) {
            Some(one) if one.state == DataState::Kept => Ok(one.uid.clone()),
            _ => Err(format!("{data:?}").into()),
        }
    })
    .await
    .map_err(|error| error.with_log(&season.operator.log()))
}

async fn delete_claim(season: &Season, name: &str) -> Result<(), Error> {
    kubectl(season, &["delete", "pvc", name, "--wait=false"])
        .await
        .map(drop)
}

/// Waits until the drive is Stalled for this reason, and returns why.
async fn stalled(season: &Season, reason: Reason) -> Result<String, Error> {
    let ready = because(season, "season", ConditionType::Ready, reason).await?;
    assert_eq!(ready.status, "False");
    let stalled = because(season, "season", ConditionType::Stalled, reason).await?;
    assert_eq!(stalled.status, "True");
    let at_risk = because(season, "season", ConditionType::DataAtRisk, reason).await?;
    assert_eq!(at_risk.status, "True");
    Ok(stalled.message)
}

/// Reasons and notes of the Warnings about the drive so far.
async fn warnings(season: &Season) -> Result<String, Error> {
    let template = "{range .items[*]}{.reason}: {.message}{\"\\n\"}{end}";
    let output = format!("jsonpath={template}");
    kubectl(
        season,
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

async fn warned(season: &Season, reason: Reason, words: &str) -> Result<(), Error> {
    eventually(PATIENCE, &format!("a Warning {reason}"), async || {
        let all = warnings(season).await.map_err(|error| error.to_string())?;
        let is_it = |line: &str| line.starts_with(&format!("{reason}: ")) && line.contains(words);
        if all.lines().any(is_it) {
            Ok(())
        } else {
            Err(all.into())
        }
    })
    .await
    .map_err(|error| error.with_log(&season.operator.log()))
}

/// What would be another if a workload had been written or its pod replaced.
async fn running(season: &Season, service: &str) -> Result<(Value, Vec<String>), Error> {
    let name = format!("season-{service}");
    let object = match look::<Deployment>(season, &name).await? {
        Some(found) => found,
        None => look::<StatefulSet>(season, &name).await?.unwrap_or_default(),
    };
    let of_service = ListParams::default().labels(&format!("ras.dev/service={service}"));
    let pods = season.namespace.api::<Pod>().list(&of_service).await;
    let pods = pods.map_err(failed("listing pods"))?;
    let uids = pods.items.iter().map(|pod| pod.uid().unwrap_or_default()).collect();
    Ok((json!([object["metadata"]["generation"], object["spec"]]), uids))
}

/// Runs the command that a message names.
async fn follow(season: &Season, message: &str) -> Result<(), Error> {
    let command = message
        .split('`')
        .find(|part| part.starts_with("kubectl annotate"))
        .unwrap();
    let arguments: Vec<&str> = command
        .split(' ')
        .skip(1)
        .filter(|part| *part != "-n" && *part != season.namespace.name())
        .collect();
    kubectl(season, &arguments).await.map(drop)
}

async fn stop_pods(season: &Season, service: &str) -> Result<(), Error> {
    let of_service = ListParams::default().labels(&format!("ras.dev/service={service}"));
    let pods: Api<Pod> = season.namespace.api();
    let deleted = pods
        .delete_collection(&DeleteParams::default().grace_period(0), &of_service)
        .await;
    deleted.map(drop).map_err(failed("deleting pods"))
}

async fn image_becomes(season: &Season, service: &str, image: &str) -> Result<(), Error> {
    let pointer = "/spec/template/spec/containers/0/image";
    crate::seen::becomes(season, &format!("season-{service}"), pointer, &json!(image)).await
}

#[tokio::test]
async fn a_volume_in_deletion_stops_every_change_and_its_loss_is_for_a_person_to_accept() -> Result<(), Error> {
    let mut season = Season::start("volume-lost").await?;
    season.apply(DRIVE).await?;
    season.ready("season").await?;
    let uid = remembered(&season, CLAIM).await?;
    at_rest(&season, "season").await?;
    let before = running(&season, "store").await?;

    delete_claim(&season, CLAIM).await?;
    let message = stalled(&season, Reason::DataBeingDeleted).await?;
    assert!(
        message.contains("its data is deleted when the pod stops: copy it now"),
        "{message}"
    );
    warned(&season, Reason::DataBeingDeleted, CLAIM).await?;

    // A rollout, and a suspension, would stop the pod. Other services go on.
    let changed = DRIVE.replace("store:1", "store:2").replace("web:1", "web:2");
    season.apply(&changed).await?;
    image_becomes(&season, "web", "registry.example.com/web:2").await?;
    stalled(&season, Reason::DataBeingDeleted).await?;
    season
        .apply(&changed.replace("spec:\n", "spec:\n  suspend: true\n"))
        .await?;
    stalled(&season, Reason::DataBeingDeleted).await?;
    crate::seen::becomes(&season, "season-web", "/spec/replicas", &json!(0)).await?;
    assert_eq!(running(&season, "store").await?, before);
    season
        .apply(&changed.replace("spec:\n", "spec:\n  suspend: false\n"))
        .await?;
    crate::seen::becomes(&season, "season-web", "/spec/replicas", &json!(1)).await?;
    // Nor does a restarted operator, which knows it from what is there.
    restart_operator(&mut season, &OperatorOptions::with_roles(ROLES)).await?;
    stalled(&season, Reason::DataBeingDeleted).await?;
    at_rest(&season, "season").await?;
    assert_eq!(running(&season, "store").await?, before);
    assert_eq!(claim(&season, CLAIM).await?, Some((uid.clone(), true)));

    // The pod stops for a reason of its own, and takes the volume with it.
    stop_pods(&season, "store").await?;
    let message = stalled(&season, Reason::VolumeLost).await?;
    warned(&season, Reason::VolumeLost, CLAIM).await?;
    restart_operator(&mut season, &OperatorOptions::with_roles(ROLES)).await?;
    stalled(&season, Reason::VolumeLost).await?;
    at_rest(&season, "season").await?;
    assert_eq!(
        claim(&season, CLAIM).await?,
        None,
        "an empty volume would look like the old one"
    );
    assert_eq!(running(&season, "store").await?.0, before.0);
    let services = season
        .drives()
        .get("season")
        .await
        .map_err(failed("looking at the drive"))?
        .status
        .unwrap_or_default();
    assert_eq!(services.services_ready.as_deref(), Some("1/2"));

    follow(&season, &message).await?;
    season.ready("season").await?;
    image_becomes(&season, "store", "registry.example.com/store:2").await?;
    let new = remembered(&season, CLAIM).await?;
    assert_ne!(new, uid);

    // The word stands for that loss alone.
    at_rest(&season, "season").await?;
    delete_claim(&season, CLAIM).await?;
    stalled(&season, Reason::DataBeingDeleted).await?;
    stop_pods(&season, "store").await?;
    let message = stalled(&season, Reason::VolumeLost).await?;
    assert!(message.contains(&new) && !message.contains(&uid), "{message}");
    Ok(())
}

#[tokio::test]
async fn a_claim_of_somebody_else_that_two_services_mount_is_looked_after_just_so() -> Result<(), Error> {
    let season = Season::start("shared-claim").await?;
    let shared = "{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: shared}, spec: {accessModes: [ReadWriteMany], \
                  resources: {requests: {storage: 1Gi}}}}";
    season.apply(shared).await?;
    let mount = "volumes: [{name: files, path: /files, existing: {claimName: shared}}]";
    let drive = DRIVE
        .replace("volumes: [{name: data, path: /data, size: 1Gi}]", mount)
        .replace("web:1\n", &format!("web:1\n    {mount}\n"));
    season.apply(&drive).await?;
    season.ready("season").await?;
    let uid = remembered(&season, "shared").await?;
    at_rest(&season, "season").await?;
    let before = (running(&season, "store").await?, running(&season, "web").await?);

    delete_claim(&season, "shared").await?;
    stalled(&season, Reason::DataBeingDeleted).await?;
    season
        .apply(&drive.replace("store:1", "store:2").replace("web:1", "web:2"))
        .await?;
    stalled(&season, Reason::DataBeingDeleted).await?;
    at_rest(&season, "season").await?;
    assert_eq!(
        (running(&season, "store").await?, running(&season, "web").await?),
        before
    );

    // Its owner makes another in its place: whether that has the data only a person knows.
    stop_pods(&season, "store").await?;
    stop_pods(&season, "web").await?;
    stalled(&season, Reason::VolumeLost).await?;
    season.apply(shared).await?;
    let message = eventually(PATIENCE, "the other claim to be noticed", async || {
        let message = stalled(&season, Reason::VolumeLost)
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
    follow(&season, &message).await?;
    season.ready("season").await?;
    image_becomes(&season, "web", "registry.example.com/web:2").await
}

#[tokio::test]
async fn the_volume_of_a_database_server_is_not_released_by_the_operator() -> Result<(), Error> {
    let season = season_with_every_child("database-lost").await?;
    let name = "season-database-data";
    remembered(&season, name).await?;
    let before = running(&season, "database").await?;
    assert!(!before.1.is_empty(), "it has a pod");
    delete_claim(&season, name).await?;
    stalled(&season, Reason::DataBeingDeleted).await?;
    let database = because(
        &season,
        "season",
        ConditionType::DatabaseReady,
        Reason::DataBeingDeleted,
    )
    .await?;
    assert_eq!(database.status, "False");
    let resources = "resources: {requests: {memory: 300Mi}}";
    season
        .apply(&EVERY_CHILD.replace(
            "version: 17, size: 1Gi",
            &format!("version: 17, size: 1Gi, {resources}"),
        ))
        .await?;
    stalled(&season, Reason::DataBeingDeleted).await?;
    at_rest(&season, "season").await?;
    assert_eq!(running(&season, "database").await?, before);
    stop_pods(&season, "database").await?;
    stalled(&season, Reason::VolumeLost).await?;
    assert_eq!(claim(&season, name).await?, None);
    Ok(())
}

#[tokio::test]
async fn a_generated_secret_in_deletion_stops_its_users_and_new_values_come_with_a_warning() -> Result<(), Error> {
    let season = season_with_every_child("secret-lost").await?;
    let before = running(&season, "web").await?;
    let old = remembered(&season, "season-jwt").await?;
    let secrets: Api<Secret> = season.namespace.api();
    let finalizers = async |list: Value| {
        let patch = Patch::Merge(json!({"metadata": {"finalizers": list}}));
        let done = secrets.patch("season-jwt", &PatchParams::default(), &patch).await;
        done.map(drop).map_err(failed("setting finalizers"))
    };
    finalizers(json!(["example.com/backup"])).await?;
    kubectl(&season, &["delete", "secret", "season-jwt", "--wait=false"]).await?;
    let message = stalled(&season, Reason::DataBeingDeleted).await?;
    assert!(message.contains("copy them now"), "{message}");
    warned(&season, Reason::DataBeingDeleted, "Secret/season-jwt").await?;
    season.apply(&EVERY_CHILD.replace("web:1", "web:2")).await?;
    stalled(&season, Reason::DataBeingDeleted).await?;
    at_rest(&season, "season").await?;
    assert_eq!(running(&season, "web").await?, before);

    // Gone, it is generated again: deleting it is how new values are asked for. It may have been an accident.
    finalizers(Value::Null).await?;
    season.ready("season").await?;
    assert_ne!(remembered(&season, "season-jwt").await?, old);
    eventually(PATIENCE, "a Warning that its values are new", async || {
        let all = warnings(&season).await.map_err(|error| error.to_string())?;
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
    let season = Season::start("paused-lost").await?;
    season.apply(DRIVE).await?;
    season.ready("season").await?;
    remembered(&season, CLAIM).await?;
    season
        .apply(&DRIVE.replace("spec:\n", "spec:\n  paused: true\n"))
        .await?;
    because(&season, "season", ConditionType::Ready, Reason::Paused).await?;
    delete_claim(&season, CLAIM).await?;
    stalled(&season, Reason::DataBeingDeleted).await?;
    warned(&season, Reason::DataBeingDeleted, CLAIM).await
}

#[tokio::test]
async fn a_drive_that_is_deleted_with_its_data_warns_of_nothing() -> Result<(), Error> {
    for (prefix, policy) in [
        ("gone-background", PropagationPolicy::Background),
        ("gone-foreground", PropagationPolicy::Foreground),
    ] {
        let season = Season::start(prefix).await?;
        season
            .apply(&DRIVE.replace("size: 1Gi}", "size: 1Gi, deletionPolicy: Delete}"))
            .await?;
        season.ready("season").await?;
        remembered(&season, CLAIM).await?;
        let parameters = DeleteParams {
            propagation_policy: Some(policy),
            ..DeleteParams::default()
        };
        let deleted = season.drives().delete("season", &parameters).await;
        deleted.map(drop).map_err(failed("deleting the drive"))?;
        eventually(
            crate::seen::COLLECTED,
            "the volume to go with the drive",
            async || match claim(&season, CLAIM).await.map_err(|error| error.to_string())? {
                None => Ok(()),
                found => Err(format!("{found:?}").into()),
            },
        )
        .await?;
        assert_eq!(warnings(&season).await?, "");
    }
    Ok(())
}
