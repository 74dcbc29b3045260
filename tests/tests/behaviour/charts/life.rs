//! Installing, upgrading and uninstalling, on a control plane of its own: there is one definition for a whole cluster.

use std::{fs, path::Path, time::Duration};

use k8s_openapi::api::apps::v1::Deployment;
use kube::{Api, ResourceExt as _};
use ras_crds::RecruitmentDrive;
use ras_tests::{
    Cluster, Error, Helm, PATIENCE,
    control_plane::{KubernetesVersion, Tools},
    documents, eventually, program_beside, repository,
};
use serde_json::{Value, json};

use super::{CRDS, OPERATOR};

const DRIVE: &str = "
apiVersion: ras.dev/v1alpha1
kind: RecruitmentDrive
metadata: {name: spring, namespace: default}
spec: {services: [{name: web, image: 'registry.example.com/web:1', replicas: 1}]}
";
/// The field that an older definition does not have.
const URL: &str = "/spec/versions/0/schema/openAPIV3Schema/properties/status/properties";

/// The chart of the definition as an earlier release may have had it.
fn older_chart(folder: &Path) -> String {
    let chart = folder.join("ras-operator-crds");
    fs::create_dir_all(chart.join("templates")).unwrap();
    for file in ["Chart.yaml", "values.yaml", "values.schema.json"] {
        fs::copy(repository().join(CRDS).join(file), chart.join(file)).unwrap();
    }
    let text = fs::read_to_string(repository().join("crds/recruitmentdrives.yaml")).unwrap();
    let mut definition = documents(&text).unwrap().remove(0);
    definition["metadata"]["annotations"] = json!({"helm.sh/resource-policy": "keep"});
    let removed = definition
        .pointer_mut(URL)
        .and_then(Value::as_object_mut)
        .unwrap()
        .remove("url");
    assert!(removed.is_some(), "the test has to find another field");
    fs::write(chart.join("templates/definition.yaml"), definition.to_string()).unwrap();
    chart.display().to_string()
}

async fn knows_url(cluster: &Cluster) -> Result<bool, Error> {
    let arguments = [
        "get",
        "customresourcedefinition",
        "recruitmentdrives.ras.dev",
        "--output=json",
    ];
    let text = cluster.kubectl(&arguments).await?.stdout;
    let definition: Value = serde_json::from_str(&text).unwrap_or_default();
    Ok(definition
        .pointer(URL)
        .is_some_and(|fields| fields.get("url").is_some()))
}

/// Runs the program against a cluster where it cannot go on, and returns what it says.
async fn refusal(cluster: &Cluster) -> String {
    let mut command = tokio::process::Command::new(program_beside("ras-operator").unwrap());
    command
        .args(["run", "--metrics-address=127.0.0.1:0", "--probes-address=127.0.0.1:0"])
        .env("KUBECONFIG", &cluster.description().kubeconfig)
        .kill_on_drop(true);
    let output = tokio::time::timeout(Duration::from_secs(60), command.output()).await;
    let output = output.expect("it must end by itself").unwrap();
    assert_eq!(output.status.code(), Some(1));
    String::from_utf8_lossy(&output.stderr).into_owned()
}

async fn two_pods(cluster: &Cluster, namespace: &str) -> Result<(), Error> {
    let deployments: Api<Deployment> = Api::namespaced(cluster.client()?, namespace);
    eventually(PATIENCE, "two ready pods of the operator", async || {
        let status = deployments.get("ras-operator").await?.status.unwrap_or_default();
        if status.ready_replicas == Some(2) {
            Ok(())
        } else {
            Err(format!("{status:?}").into())
        }
    })
    .await
}

#[tokio::test]
async fn an_upgrade_keeps_drives_and_uninstalling_leaves_them_and_the_definition() -> Result<(), Error> {
    let cluster = Cluster::start().await?;
    let helm = Helm::of(&cluster)?;
    let folder = tempfile::tempdir().unwrap();
    helm.done(&["install", "crds", &older_chart(folder.path()), "--namespace=default"])
        .await?;
    let drives: Api<RecruitmentDrive> = Api::namespaced(cluster.client()?, "default");
    eventually(PATIENCE, "the kind to be served", async || {
        let applied = cluster.kubectl_with_input(&["apply", "--filename=-"], DRIVE).await;
        match applied {
            Ok(output) if output.success => Ok(()),
            other => Err(format!("{other:?}").into()),
        }
    })
    .await?;
    let before = drives.get("spring").await.expect("the drive");
    assert!(!knows_url(&cluster).await?);
    let said = refusal(&cluster).await;
    assert!(
        said.contains("lacks status.url") && said.contains("ras-operator-crds"),
        "{said}"
    );

    helm.done(&["upgrade", "crds", CRDS, "--namespace=default"]).await?;
    assert!(knows_url(&cluster).await?, "the definition is upgraded");
    let after = drives.get("spring").await.expect("the drive");
    assert_eq!(before.uid(), after.uid());

    let install = [
        "install",
        "ras-operator",
        OPERATOR,
        "--namespace=ras",
        "--create-namespace",
    ];
    helm.done(&install).await?;
    two_pods(&cluster, "ras").await?;
    helm.done(&["uninstall", "ras-operator", "--namespace=ras"]).await?;
    helm.done(&["uninstall", "crds", "--namespace=default"]).await?;
    assert!(knows_url(&cluster).await?, "the definition stays");
    let left = drives.get("spring").await.expect("the drive");
    assert_eq!((left.uid(), left.metadata.deletion_timestamp), (before.uid(), None));

    // A definition that was left behind does not stand in the way of the next installation.
    let again = ["install", "crds", CRDS, "--namespace=default"];
    helm.done(&again).await.map(drop)
}

/// Directories for `kubectl apply -k`: the CRD, and the operator.
fn folders() -> [String; 2] {
    ["crds", "deploy"].map(|folder| repository().join(folder).display().to_string())
}

#[tokio::test]
async fn kubectl_apply_k_installs_everything_and_a_second_time_changes_nothing() -> Result<(), Error> {
    let cluster = Cluster::start().await?;
    for arguments in [
        ["apply", "--kustomize"].as_slice(),
        &["apply", "--server-side", "--force-conflicts", "--kustomize"],
    ] {
        for folder in folders() {
            let output = cluster.kubectl(&[arguments, &[&folder]].concat()).await?;
            assert!(output.success, "{}", output.stderr);
            assert!(!output.stderr.contains("Warning"), "{}", output.stderr);
        }
    }
    two_pods(&cluster, "ras-system").await?;
    for folder in folders() {
        let arguments = ["diff", "--server-side", "--force-conflicts", "--kustomize", &folder];
        let output = cluster.kubectl(&arguments).await?;
        assert!(output.success, "{}{}", output.stdout, output.stderr);
    }
    Ok(())
}

#[tokio::test]
async fn kubectl_delete_k_takes_the_operator_away_and_leaves_every_drive() -> Result<(), Error> {
    let cluster = Cluster::start().await?;
    let [crds, deploy] = folders();
    for folder in [&crds, &deploy] {
        let output = cluster
            .kubectl(&["apply", "--server-side", "--kustomize", folder])
            .await?;
        assert!(output.success, "{}", output.stderr);
    }
    two_pods(&cluster, "ras-system").await?;
    let drives: Api<RecruitmentDrive> = Api::namespaced(cluster.client()?, "default");
    let before = eventually(PATIENCE, "a drive to be accepted", async || {
        let applied = cluster.kubectl_with_input(&["apply", "--filename=-"], DRIVE).await?;
        if !applied.success {
            return Err(applied.stderr.into());
        }
        Ok(drives.get("spring").await?)
    })
    .await?;

    let output = cluster
        .kubectl(&["delete", "--kustomize", &deploy, "--timeout=60s"])
        .await?;
    assert!(output.success, "{}", output.stderr);
    assert!(!output.stdout.contains("customresourcedefinition"), "{}", output.stdout);
    let left = drives.get("spring").await.expect("the drive");
    assert_eq!((left.uid(), left.metadata.deletion_timestamp), (before.uid(), None));

    let output = cluster
        .kubectl(&["apply", "--server-side", "--kustomize", &deploy])
        .await?;
    assert!(output.success, "installed again: {}", output.stderr);
    two_pods(&cluster, "ras-system").await
}

#[tokio::test]
async fn the_image_in_the_kustomization_renders_files_too() -> Result<(), Error> {
    let tools = Tools::find(KubernetesVersion::from_environment()?)?;
    let copy = tempfile::tempdir().unwrap();
    let built = async |folder: &str| {
        let mut kubectl = tokio::process::Command::new(tools.path("kubectl")?);
        let output = kubectl
            .arg("kustomize")
            .arg(copy.path().join(folder))
            .output()
            .await
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let made = documents(&String::from_utf8_lossy(&output.stdout))?;
        let find = |kind: &str| made.iter().find(|object| object["kind"] == kind).cloned();
        assert_eq!(
            find("CustomResourceDefinition"),
            None,
            "{folder} would delete every drive"
        );
        let pod = find("Deployment").unwrap()["spec"]["template"]["spec"].clone();
        let text = find("ConfigMap").unwrap()["data"]["platform.yaml"].clone();
        let settings = ras_core::platform::parse(text.as_str().unwrap()).unwrap();
        Ok::<_, Error>((pod["containers"][0]["image"].clone(), settings))
    };
    let copied = tokio::process::Command::new("cp")
        .arg("-r")
        .arg(repository().join("deploy"))
        .arg(copy.path())
        .status();
    assert!(copied.await.unwrap().success());
    let (image, settings) = built("deploy").await?;
    assert_eq!(image, settings.operator_image.as_str());

    // Settings of one's own below, and an image.
    let platform = copy.path().join("deploy/platform.yaml");
    let own = "    storage: {className: \"fast\"}\n";
    fs::write(&platform, fs::read_to_string(&platform).unwrap() + own).unwrap();
    let kustomization = copy.path().join("deploy/kustomization.yaml");
    let images = "images: [{name: ras-operator, newName: registry.example.com/ras-operator, newTag: \"9\"}]\n";
    fs::write(&kustomization, fs::read_to_string(&kustomization).unwrap() + images).unwrap();
    let (image, settings) = built("deploy").await?;
    assert_eq!(image, "registry.example.com/ras-operator:9");
    assert_eq!(image, settings.operator_image.as_str());
    assert_eq!(settings.storage.class_name.as_deref(), Some("fast"));

    // An overlay as docs/operations.md shows it.
    let docs = fs::read_to_string(repository().join("docs/operations.md")).unwrap();
    let overlay = docs
        .split("```yaml\n")
        .find(|block| block.starts_with("# overlay/kustomization.yaml"))
        .unwrap();
    let overlay = overlay.split("```").next().unwrap();
    fs::create_dir(copy.path().join("overlay")).unwrap();
    fs::write(
        copy.path().join("overlay/kustomization.yaml"),
        overlay.replace(
            "name: ras-operator, newName",
            "name: registry.example.com/ras-operator, newName",
        ),
    )
    .unwrap();
    let (image, settings) = built("overlay").await?;
    assert_eq!(image, "registry.example.com/ras-operator:0.1.0");
    assert_eq!(image, settings.operator_image.as_str());
    Ok(())
}
