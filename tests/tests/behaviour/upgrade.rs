//! A new version of the operator restarts nothing.

use std::io::Write as _;

use k8s_openapi::api::{apps::v1::Deployment, batch::v1::Job, core::v1::Pod};
use kube::api::{ListParams, Patch, PatchParams};
use ras_tests::{Error, Operator, OperatorOptions, PATIENCE, ROLES, TENANCY, TestEnv, eventually};
use serde_json::{Value, json};

use crate::{
    children::{at_rest, failed},
    seen::{asked, look, mark},
};

const DRIVE: &str = "
apiVersion: ras.dev/v1alpha1
kind: RecruitmentDrive
metadata: {name: season}
spec:
  services:
  - name: portal
    image: registry.example.com/portal:1
    files:
    - {path: /app/config.yaml, content: \"greeting: hello\"}
";

#[tokio::test]
async fn an_upgrade_of_the_operator_restarts_nothing_and_comes_with_the_next_change() -> Result<(), Error> {
    let (_old, options) = version("registry.example.com/ras-operator:1");
    let mut test_env = TestEnv::with(ras_tests::Shared::All(ras_tests::cluster().await?), "upgrade", &options).await?;
    test_env.apply(DRIVE).await?;
    test_env.ready("season").await?;
    let before = at_rest(&test_env, "season").await?;
    assert_eq!(
        render_image(&test_env).await?.as_deref(),
        Some("registry.example.com/ras-operator:1")
    );

    test_env.operator.stop().await?;
    let since = mark(&test_env).await?;
    let (_new, options) = version("registry.example.com/ras-operator:2");
    test_env.operator = Operator::start(&test_env.cluster, &test_env.namespace, &options).await?;
    assert_eq!(at_rest(&test_env, "season").await?, before);
    let written = asked(&test_env, since, ras_tests::AuditEvent::is_write).await?;
    assert!(written.is_empty(), "{written:#?}");

    test_env.apply(&DRIVE.replace("portal:1", "portal:2")).await?;
    eventually(
        PATIENCE,
        "the new version's image to render files",
        async || match render_image(&test_env).await?.as_deref() {
            Some("registry.example.com/ras-operator:2") => Ok(()),
            other => Err(format!("{other:?}").into()),
        },
    )
    .await
}

/// Writes what a kubelet would: the step that renders files in this pod cannot pull its image.
async fn cannot_pull(test_env: &TestEnv, pod: &Pod) -> Result<(), Error> {
    let containers = pod
        .spec
        .as_ref()
        .and_then(|spec| spec.init_containers.as_ref())
        .unwrap();
    let render = &containers[0];
    let waiting = json!({"waiting": {"reason": "ImagePullBackOff", "message": "not found"}});
    let status = json!({"status": {
        "conditions": [{"type": "Ready", "status": "False"}, {"type": "ContainersReady", "status": "False"}],
        "initContainerStatuses": [{"name": render.name, "image": render.image, "imageID": "", "ready": false,
            "restartCount": 0, "state": waiting}],
    }});
    test_env
        .namespace
        .api::<Pod>()
        .patch_status(
            pod.metadata.name.as_deref().unwrap(),
            &PatchParams::default(),
            &Patch::Strategic(&status),
        )
        .await
        .map(drop)
        .map_err(failed("writing a pod's status"))
}

/// The only pod with this label.
async fn pod_with(test_env: &TestEnv, label: &str) -> Result<Pod, Error> {
    eventually(PATIENCE, &format!("a pod with {label}"), async || {
        let with_label = ListParams::default().labels(label);
        let pods = test_env.namespace.api::<Pod>().list(&with_label).await?.items;
        pods.into_iter().next().ok_or_else(|| "none".into())
    })
    .await
}

#[tokio::test]
async fn an_operator_image_that_cannot_be_pulled_any_more_makes_way_for_the_present_one() -> Result<(), Error> {
    let (_old, options) = version("registry.example.com/ras-operator:1");
    let mut test_env = TestEnv::with(
        ras_tests::Shared::All(ras_tests::cluster().await?),
        "upgrade-gone",
        &options,
    )
    .await?;
    test_env.apply(DRIVE).await?;
    test_env.ready("season").await?;
    test_env.operator.stop().await?;
    let (_new, options) = version("registry.example.com/ras-operator:2");
    test_env.operator = Operator::start(&test_env.cluster, &test_env.namespace, &options).await?;
    test_env.operator.logs(PATIENCE, r#""message":"ready""#).await?;
    test_env.ready("season").await?;
    assert_eq!(
        render_image(&test_env).await?.as_deref(),
        Some("registry.example.com/ras-operator:1"),
        "as long as it works"
    );

    // A pod was replaced, and the registry has the old image no more.
    cannot_pull(&test_env, &pod_with(&test_env, "ras.dev/service=portal").await?).await?;
    eventually(PATIENCE, "the present image", async || {
        match render_image(&test_env).await?.as_deref() {
            Some("registry.example.com/ras-operator:2") => Ok(()),
            other => Err(format!("{other:?}").into()),
        }
    })
    .await
    .map_err(|error| error.with_log(&test_env.operator.log()))?;
    test_env.ready("season").await.map(drop)
}

#[tokio::test]
async fn a_job_that_cannot_pull_a_wrong_operator_image_is_made_again_with_the_corrected_one() -> Result<(), Error> {
    let (_old, options) = version("registry.example.com/typo:1");
    let mut test_env = TestEnv::with(
        ras_tests::Shared::All(ras_tests::cluster().await?),
        "upgrade-job",
        &options,
    )
    .await?;
    // Its pods fit on no node, so no kubelet here completes them.
    let migrating = DRIVE.replace(
        "portal:1\n",
        "portal:1\n    migrate: {command: [portal, migrate]}\n    scheduling: {nodeSelector: {example.com/pool: none}}\n",
    );
    test_env.apply(&migrating).await?;
    let pod = pod_with(&test_env, "ras.dev/job=migrate").await?;
    cannot_pull(&test_env, &pod).await?;
    test_env.operator.stop().await?;
    let (_new, options) = version("registry.example.com/ras-operator:1");
    test_env.operator = Operator::start(&test_env.cluster, &test_env.namespace, &options).await?;
    eventually(PATIENCE, "a Job with the corrected image", async || {
        let jobs = test_env
            .namespace
            .api::<Job>()
            .list(&ListParams::default())
            .await?
            .items;
        let images: Vec<_> = jobs
            .iter()
            .filter_map(|job| {
                job.spec.as_ref()?.template.spec.as_ref()?.init_containers.as_ref()?[0]
                    .image
                    .clone()
            })
            .collect();
        match images.as_slice() {
            [image] if image == "registry.example.com/ras-operator:1" => Ok(()),
            other => Err(format!("{other:?}").into()),
        }
    })
    .await
    .map_err(|error| error.with_log(&test_env.operator.log()))
}

/// How an operator of a version runs: its chart names its own image as the one that renders files.
fn version(image: &str) -> (tempfile::NamedTempFile, OperatorOptions) {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    writeln!(file, "{TENANCY}operatorImage: {image}").unwrap();
    let options = OperatorOptions::with_roles(ROLES)
        .argument("--platform-config")
        .argument(file.path().display().to_string());
    (file, options)
}

async fn render_image(test_env: &TestEnv) -> Result<Option<String>, Error> {
    let deployment = look::<Deployment>(test_env, "season-portal").await?;
    Ok(deployment
        .as_ref()
        .and_then(|found| found.pointer("/spec/template/spec/initContainers/0/image"))
        .and_then(Value::as_str)
        .map(str::to_owned))
}
