//! The operator in the cluster, installed as people install it: by its two charts.

use std::path::Path;

use kube::Client;
use ras_tests::{Error, Helm, apply_yaml};
use serde_json::json;

use crate::{images, object_store};

/// Where the operator runs.
pub const NAMESPACE: &str = "ras-system";

/// Installs the definition and the operator, for all namespaces, and returns when its pods are ready.
pub async fn install(client: &Client, kubeconfig: &Path) -> Result<(), Error> {
    let namespace = format!(
        "{{apiVersion: v1, kind: Namespace, metadata: {{name: {NAMESPACE}, labels: {{pod-security.kubernetes.io/enforce: restricted}}}}}}"
    );
    apply_yaml(client, NAMESPACE, &namespace).await?;
    object_store::run(client, NAMESPACE).await?;
    let platform = json!({
        "database": {
            "image": images::POSTGRESQL,
            "cloudNativePgImage": images::CLOUD_NATIVE_PG_SERVER,
        },
        "cache": {"image": images::VALKEY},
        "objectStore": object_store::platform(),
    });
    let [volumes, mounts] = object_store::volume();
    // A machine of two cores has other things to do as well.
    let resources = json!({"requests": {"cpu": "10m", "memory": "32Mi"}, "limits": {"memory": "256Mi"}});
    let helm = Helm::with(kubeconfig)?;
    let common = ["--namespace", NAMESPACE, "--wait", "--timeout=50s"];
    let crds = ["upgrade", "--install", "ras-operator-crds", "charts/ras-operator-crds"];
    helm.done(&[&crds[..], &common[..]].concat()).await?;
    let operator = [
        "upgrade",
        "--install",
        "ras-operator",
        "charts/ras-operator",
        "--set-json",
        &format!("platform={platform}"),
        "--set-json",
        &format!("resources={resources}"),
        "--set-json",
        &format!("extraVolumes={volumes}"),
        "--set-json",
        &format!("extraVolumeMounts={mounts}"),
    ];
    helm.done(&[&operator[..], &common[..]].concat()).await.map(drop)
}
