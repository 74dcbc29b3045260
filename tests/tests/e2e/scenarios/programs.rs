//! What a drive promises to its programs.

use std::{sync::Arc, time::Duration};

use http::Method;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Secret};
use kube::{
    Api, ResourceExt as _,
    api::{DeleteParams, ListParams, LogParams, Patch, PatchParams},
};
use ras_crds::{ConditionType, DataKind};
use ras_tests::{Error, eventually};
use serde_json::json;

use super::portal;
use crate::{
    drive::{Drive, PATIENCE, uids},
    images::{BUSYBOX, FRONTEND, PORTAL},
    runner::{Scenario, ScenarioResult, Steps},
    scenarios,
    world::World,
};

pub fn all() -> Vec<Scenario> {
    scenarios![
        a_rotated_secret_reaches_the_program,
        a_drive_that_is_deleted_and_made_again_finds_its_files,
        files_outlive_pruning_by_label_and_no_rollout_releases_a_volume_in_deletion,
        a_bad_image_never_takes_the_old_version_down,
        a_drive_goes_from_nothing_to_ready_and_answers_under_its_name,
        a_program_that_crashes_is_started_again,
        a_declared_port_on_which_nobody_listens_is_found,
    ]
}

async fn a_drive_goes_from_nothing_to_ready_and_answers_under_its_name(
    world: Arc<World>,
    steps: Steps,
) -> ScenarioResult {
    let drive = Drive::new(&world, "first").await?;
    let spec = portal(
        PORTAL[0],
        "    env:
    - {name: KEY, secret: {name: keys, key: key}}
    files:
    - path: /app/settings.yaml
      content: |
        key: $(KEY)
        price: $$(KEY)
  secrets:
  - {name: keys, generate: {keys: [key], length: 32}}
",
    );
    drive.apply(&spec).await?;
    drive.ready().await?;
    steps.done("Ready");

    // What was rendered inside the pod is what the program reads, beside what its image has.
    let secrets: Api<Secret> = drive.namespace.api();
    let secret = secrets.get("first-keys").await?;
    let key = &secret.data.as_ref().expect("a secret has data")["key"].0;
    let key = String::from_utf8(key.clone())?;
    let settings = drive.get("portal", "/file?path=/app/settings.yaml").await?;
    assert_eq!(settings, format!("key: {key}\nprice: $(KEY)\n"));
    assert_eq!(
        drive.get("portal", "/file?path=/app/beside").await?,
        "a file of the image\n"
    );
    steps.done("it reads its files");

    let url = format!("http://first-portal.{}.svc.cluster.local:8080/", drive.namespace.name());
    let answer = from_a_pod(&drive, &["wget", "-q", "-O", "-", &url]).await?;
    assert_eq!(answer.trim(), r#"{"version":"1"}"#);
    steps.done("another pod reaches it by its name in DNS");
    Ok(())
}

async fn a_program_that_crashes_is_started_again(world: Arc<World>, steps: Steps) -> ScenarioResult {
    let drive = Drive::new(&world, "crash").await?;
    drive.apply(&portal(PORTAL[0], "")).await?;
    drive.ready().await?;
    steps.done("Ready");
    let before = drive.pods_of("portal").await?;

    // No answer comes of it, by design.
    let _ = drive.ask("portal", Method::POST, "/exit", "").await;
    eventually(PATIENCE, "the program to run again", async || {
        let pods = drive.pods_of("portal").await?;
        let status = pods.first().and_then(|pod| pod.status.clone()).unwrap_or_default();
        match status.container_statuses.unwrap_or_default().first() {
            Some(container) if container.restart_count >= 1 && container.ready => Ok(()),
            Some(container) => Err(format!("{:?}", container.state).into()),
            None => Err("no pod".into()),
        }
    })
    .await?;
    drive.get("portal", "/").await?;
    drive.ready().await?;
    let names = |pods: &[_]| pods.iter().map(kube::ResourceExt::name_any).collect::<Vec<_>>();
    assert_eq!(
        names(&before),
        names(&drive.pods_of("portal").await?),
        "in the same pod"
    );
    steps.done("crashed, and Ready again");
    Ok(())
}

async fn a_declared_port_on_which_nobody_listens_is_found(world: Arc<World>, steps: Steps) -> ScenarioResult {
    let drive = Drive::new(&world, "listeners").await?;
    let with = |port: &str, more: &str| portal(PORTAL[0], more).replace("path: /}]", &format!("path: /}}{port}]"));
    drive.apply(&with(", {name: metrics, port: 3000}", "")).await?;
    let message = drive.condition(ConditionType::ListenersReady, "False").await?;
    assert!(message.contains("service portal: port metrics (3000)"), "{message}");
    assert_eq!(drive.condition(ConditionType::Ready, "False").await?, message);
    steps.done("nobody listens on a port, and the drive is not Ready");

    let exporter = format!(
        "    sidecars:
    - name: exporter
      image: {FRONTEND}
      ports: [{{name: metrics, port: 3000}}]
"
    );
    drive.apply(&with("", &exporter)).await?;
    drive.condition(ConditionType::ListenersReady, "True").await?;
    drive.ready().await?;
    steps.done("a helper listens on it, and the drive is Ready");
    Ok(())
}

async fn a_bad_image_never_takes_the_old_version_down(world: Arc<World>, steps: Steps) -> ScenarioResult {
    let drive = Drive::new(&world, "image").await?;
    drive.apply(&portal(PORTAL[0], "")).await?;
    drive.ready().await?;
    steps.done("Ready");

    drive.apply(&portal("localhost/portal:none", "")).await?;
    let message = eventually(PATIENCE, "to be told of the image", async || {
        // At every look the old version has to be there.
        let (code, answer) = drive.ask("portal", Method::GET, "/", "").await?;
        assert_eq!(
            (code, &answer),
            (200, &json!({"version": "1"})),
            "the old version went away"
        );
        let status = drive.drives().get("image").await?.status.unwrap_or_default();
        let services = status
            .conditions
            .iter()
            .find(|one| one.type_ == ConditionType::ServicesReady.as_str());
        match services {
            Some(services) if services.message.contains("localhost/portal:none") => Ok(services.message.clone()),
            Some(services) => Err(services.message.clone().into()),
            None => Err("no condition".into()),
        }
    })
    .await?;
    assert!(message.contains("portal"), "{message}");
    steps.done("told of the bad image, the old version answers");

    drive.apply(&portal(PORTAL[1], "")).await?;
    drive.ready().await?;
    assert_eq!(drive.get("portal", "/").await?, json!({"version": "2"}));
    steps.done("a good image takes over");
    Ok(())
}

async fn a_rotated_secret_reaches_the_program(world: Arc<World>, steps: Steps) -> ScenarioResult {
    let drive = Drive::new(&world, "rotate").await?;
    let secret = |password: &str| {
        format!("{{apiVersion: v1, kind: Secret, metadata: {{name: mail}}, stringData: {{password: {password}}}}}")
    };
    drive.namespace.apply(&secret("first-password")).await?;
    let spec = portal(
        PORTAL[0],
        "    env: [{name: PASSWORD, secret: {name: mail, key: password}}]
    files: [{path: /app/mail.yaml, content: 'password: $(PASSWORD)'}]
  secrets: [{name: mail, existing: {secretName: mail}}]
",
    );
    drive.apply(&spec).await?;
    drive.ready().await?;
    let file = "/file?path=/app/mail.yaml";
    assert_eq!(drive.get("portal", file).await?, "password: first-password");
    steps.done("Ready");

    drive.namespace.apply(&secret("second-password")).await?;
    eventually(PATIENCE, "the program to read the new password", async || {
        let (code, answer) = drive.ask("portal", Method::GET, file, "").await?;
        assert_eq!(code, 200, "nobody answered while the password changed: {answer}");
        let variable = drive.ask("portal", Method::GET, "/variable?name=PASSWORD", "").await?.1;
        match (answer.as_str(), variable.as_str()) {
            (Some("password: second-password"), Some("second-password")) => Ok(()),
            _ => Err(answer.to_string().into()),
        }
    })
    .await?;
    drive.ready().await?;
    steps.done("the program has the new one, and was there all the time");
    Ok(())
}

async fn a_drive_that_is_deleted_and_made_again_finds_its_files(world: Arc<World>, steps: Steps) -> ScenarioResult {
    let drive = Drive::new(&world, "again").await?;
    let spec = portal(
        PORTAL[0],
        "    env: [{name: STORE, value: /data}]
    volumes: [{name: files, path: /data, size: 1Gi}]
",
    );
    drive.apply(&spec).await?;
    drive.ready().await?;
    let stored = drive
        .ask("portal", Method::PUT, "/store/resume", "of a student")
        .await?;
    assert_eq!(stored.0, 200, "{}", stored.1);
    steps.done("Ready, and a file stored");

    drive.delete().await?;
    steps.done("deleted, with its pods");
    drive.apply(&spec).await?;
    drive.ready().await?;
    assert_eq!(drive.get("portal", "/store/resume").await?, "of a student");
    steps.done("made again, and the file is there");
    Ok(())
}

async fn files_outlive_pruning_by_label_and_no_rollout_releases_a_volume_in_deletion(
    world: Arc<World>,
    steps: Steps,
) -> ScenarioResult {
    let drive = Drive::new(&world, "kept").await?;
    let spec = |image: &str| {
        portal(
            image,
            "    env: [{name: STORE, value: /data}, {name: KEY, secret: {name: keys, key: key}}]
    volumes: [{name: files, path: /data, size: 1Gi}]
  secrets: [{name: keys, generate: {keys: [key]}}]
",
        )
    };
    drive.apply(&spec(PORTAL[0])).await?;
    drive.ready().await?;
    let path = "/store/resume";
    drive.done("portal", "http", Method::PUT, path, "of a student").await?;
    let before = uids(&drive.pods_of("portal").await?);
    steps.done("Ready, and a file stored");

    // What Argo CD prunes from an Application named like the drive: all with its label that no object owns.
    let of_application = ListParams::default().labels("app.kubernetes.io/instance=kept");
    let (claims, secrets): (Api<PersistentVolumeClaim>, Api<Secret>) = (drive.namespace.api(), drive.namespace.api());
    for claim in claims.list(&of_application).await? {
        if claim.owner_references().is_empty() {
            claims.delete(&claim.name_any(), &DeleteParams::default()).await?;
        }
    }
    for secret in secrets.list(&of_application).await? {
        if secret.owner_references().is_empty() {
            secrets.delete(&secret.name_any(), &DeleteParams::default()).await?;
        }
    }
    drive.ready().await?;
    assert_eq!(drive.get("portal", path).await?, "of a student");
    assert_eq!(uids(&drive.pods_of("portal").await?), before);
    steps.done("pruned by label, and the file is there");

    let remembered = async || -> Result<Option<String>, Error> {
        let kept = drive.drives().get("kept").await;
        let status = kept
            .map_err(Error::api("reading the drive"))?
            .status
            .unwrap_or_default();
        let one = status
            .data
            .into_iter()
            .find(|one| one.kind == DataKind::PersistentVolumeClaim);
        Ok(one.map(|one| one.uid))
    };
    let uid = eventually(PATIENCE, "status to remember the volume", async || {
        remembered().await?.ok_or_else(|| "nothing".into())
    })
    .await?;
    claims.delete("kept-portal-files", &DeleteParams::default()).await?;
    drive.apply(&spec(PORTAL[1])).await?;
    let message = drive.condition(ConditionType::Stalled, "True").await?;
    assert!(message.contains("copy it now"), "{message}");
    // Longer than a rollout takes.
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(uids(&drive.pods_of("portal").await?), before, "the pod was replaced");
    assert_eq!(drive.get("portal", path).await?, "of a student");
    steps.done("in deletion, Stalled, and the program still has its file");

    let pods = drive.pods();
    for pod in drive.pods_of("portal").await? {
        pods.delete(&pod.name_any(), &DeleteParams::default()).await?;
    }
    drive
        .condition_mentions(ConditionType::Stalled, "was deleted with its data")
        .await?;
    assert!(
        claims.get_opt("kept-portal-files").await?.is_none(),
        "an empty volume would look like the old one"
    );
    steps.done("the volume is gone, and is not replaced by an empty one");

    let accepted =
        json!({"metadata": {"annotations": {"ras.dev/accept-data-loss": format!("kept-portal-files@{uid}")}}});
    drive
        .drives()
        .patch("kept", &PatchParams::default(), &Patch::Merge(accepted))
        .await?;
    drive.ready().await?;
    assert_eq!(drive.ask("portal", Method::GET, path, "").await?.0, 404);
    steps.done("accepted by a person, and Ready with an empty volume");
    Ok(())
}

/// Runs a command in a pod of its own until it succeeds, and returns what it printed.
async fn from_a_pod(drive: &Drive, command: &[&str]) -> Result<String, Error> {
    let pod = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "egress-probe"},
        "spec": {
            "restartPolicy": "OnFailure",
            "securityContext": {"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [{
                "name": "shell",
                "image": BUSYBOX,
                "command": command,
                "securityContext": {
                    "readOnlyRootFilesystem": true,
                    "allowPrivilegeEscalation": false,
                    "capabilities": {"drop": ["ALL"]},
                },
            }],
        },
    });
    // JSON is YAML.
    drive.namespace.apply(&pod.to_string()).await?;
    let pods = drive.pods();
    eventually(PATIENCE, "the probe to finish", async || {
        let status = pods.get("egress-probe").await?.status.unwrap_or_default();
        match status.phase.as_deref() {
            Some("Succeeded") => Ok(pods.logs("egress-probe", &LogParams::default()).await?),
            phase => Err(format!("{phase:?}").into()),
        }
    })
    .await
}
