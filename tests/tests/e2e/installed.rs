//! The operator in the cluster, installed as people install it: by its two charts.

use std::path::{Path, PathBuf};

use kube::Client;
use ras_tests::{Error, Helm, apply_yaml, program_beside, repository};
use serde_json::json;

use crate::{images, object_store};

/// Where the operator runs.
pub const NAMESPACE: &str = "ras-system";
/// The release of its chart, and what it makes is called so, too.
pub const OPERATOR: &str = "ras-operator";
/// The release of the definition's chart.
pub const CRDS: &str = "ras-operator-crds";

/// Where `make e2e-upgrade` put an earlier version: the folder `charts` and the program `ras-operator`.
const FROM: &str = "E2E_FROM";

/// A version of the operator: its charts, its program, and the tag of the image that this is in.
#[derive(Clone)]
pub struct Version {
    pub charts: PathBuf,
    pub program: PathBuf,
    pub tag: String,
}

impl Version {
    /// The one that is installed first: that of this tree, or the earlier one that was asked for.
    pub fn first() -> Result<Self, Error> {
        match earlier() {
            Some(folder) => Ok(Self {
                charts: folder.join("charts"),
                program: folder.join("ras-operator"),
                tag: "earlier".to_owned(),
            }),
            None => Self::of_this_tree(env!("CARGO_PKG_VERSION")),
        }
    }

    /// The one that it is upgraded to, which is always that of this tree. Where the first one is, too, only the tag differs.
    pub fn next(&self) -> Self {
        let tag = if earlier().is_some() {
            env!("CARGO_PKG_VERSION")
        } else {
            "next"
        };
        Self::of_this_tree(tag).unwrap_or_else(|_| self.clone())
    }

    fn of_this_tree(tag: &str) -> Result<Self, Error> {
        Ok(Self {
            charts: repository().join("charts"),
            program: program_beside("ras-operator")?,
            tag: tag.to_owned(),
        })
    }
}

/// The folder of the earlier version that was asked for, if any.
pub fn earlier() -> Option<PathBuf> {
    let path = std::env::var_os(FROM)?;
    (!path.is_empty()).then(|| PathBuf::from(path))
}

/// Installs the definition and the operator, or upgrades them, and returns when its pods are ready.
pub async fn install(client: &Client, kubeconfig: &Path, version: &Version) -> Result<(), Error> {
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
    let chart = |name: &str| version.charts.join(name).display().to_string();
    let common = ["--namespace", NAMESPACE, "--wait", "--timeout=50s"];
    let crds = ["upgrade", "--install", CRDS, &chart(CRDS)];
    helm.done(&[&crds[..], &common[..]].concat()).await?;
    let operator = [
        "upgrade",
        "--install",
        OPERATOR,
        &chart(OPERATOR),
        "--set-string",
        &format!("image.tag={}", version.tag),
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

/// Uninstalls one of the two.
pub async fn uninstall(kubeconfig: &Path, release: &str) -> Result<(), Error> {
    let arguments = [
        "uninstall",
        release,
        "--namespace",
        NAMESPACE,
        "--wait",
        "--timeout=50s",
    ];
    Helm::with(kubeconfig)?.done(&arguments).await.map(drop)
}
