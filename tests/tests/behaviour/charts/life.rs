//! Installing, upgrading and uninstalling, on a control plane of its own: there is one definition for a whole cluster.

use std::{fs, path::Path, time::Duration};

use k8s_openapi::api::apps::v1::Deployment;
use kube::{Api, ResourceExt as _};
use ras_crds::RecruitmentDrive;
use ras_tests::{Cluster, Error, Helm, PATIENCE, documents, eventually, program_beside, repository};
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
        .args(["run", "--metrics-address=127.0.0.1:0"])
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

#[tokio::test]
async fn kubectl_apply_k_installs_everything_and_a_second_time_changes_nothing() -> Result<(), Error> {
    let cluster = Cluster::start().await?;
    let deploy = repository().join("deploy").display().to_string();
    for arguments in [
        ["apply", "--kustomize", &deploy].as_slice(),
        &["apply", "--server-side", "--force-conflicts", "--kustomize", &deploy],
    ] {
        let output = cluster.kubectl(arguments).await?;
        assert!(output.success, "{}", output.stderr);
        assert!(!output.stderr.contains("Warning"), "{}", output.stderr);
    }
    two_pods(&cluster, "ras-system").await?;
    let arguments = ["diff", "--server-side", "--force-conflicts", "--kustomize", &deploy];
    let output = cluster.kubectl(&arguments).await?;
    assert!(output.success, "{}{}", output.stdout, output.stderr);
    Ok(())
}
