//! What the CRD makes the API server accept, refuse and show.

#![allow(
    clippy::indexing_slicing,
    reason = "what is not in the JSON of these tests is a mistake in them"
)]

mod documented;
mod kubectl;
mod rules;

use std::time::Duration;

use kube::{
    Api,
    api::{ApiResource, DynamicObject, GroupVersionKind, Patch, PatchParams, ValidationDirective},
};
use ras_tests::{Cluster, Error, TestNamespace, cluster, eventually, repository};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

const LIMIT: Duration = Duration::from_secs(30);

fn a_good_drive() -> Value {
    json!({
        "apiVersion": "ras.dev/v1alpha1",
        "kind": "RecruitmentDrive",
        "metadata": {"name": "placements-2026"},
        "spec": {
            "services": [{
                "name": "web",
                "image": "registry.example.com/web:1",
                "ports": [
                    {"name": "http", "port": 8080, "path": "/"},
                    {"name": "time", "port": 123, "protocol": "UDP"},
                ],
            }],
            "secrets": [{"name": "jwt", "generate": {"keys": ["key"]}}],
        },
    })
}

/// The cluster, with the definition in it.
async fn cluster_with_drives() -> Result<&'static Cluster, Error> {
    static INSTALLED: OnceCell<Result<(), Error>> = OnceCell::const_new();
    let cluster = cluster().await?;
    let install = || async {
        let file = repository().join("crds/recruitmentdrives.yaml").display().to_string();
        let output = cluster
            .kubectl(&["apply", "--server-side", "--force-conflicts", "-f", &file])
            .await?;
        assert!(output.success && output.stderr.is_empty(), "{output:?}");
        // `api-resources` asks the server anew, and so refreshes what `kubectl` remembers of its kinds.
        eventually(LIMIT, "kubectl to know the kind", async || {
            let known = cluster
                .kubectl(&["api-resources", "--api-group=ras.dev", "--output=name"])
                .await?
                .stdout;
            if known.contains("recruitmentdrives.ras.dev") {
                Ok(())
            } else {
                Err(known.into())
            }
        })
        .await
    };
    INSTALLED.get_or_init(install).await.clone()?;
    Ok(cluster)
}

fn drives(namespace: &TestNamespace) -> Api<DynamicObject> {
    let kind = GroupVersionKind::gvk("ras.dev", "v1alpha1", "RecruitmentDrive");
    Api::namespaced_with(namespace.client(), namespace.name(), &ApiResource::from_gvk(&kind))
}

/// Applies a drive without storing it, and tells the API server's refusal.
async fn tried(drives: &Api<DynamicObject>, drive: &Value) -> Result<(), String> {
    let params = PatchParams {
        dry_run: true,
        force: true,
        field_manager: Some("test".to_owned()),
        field_validation: Some(ValidationDirective::Strict),
    };
    let name = drive["metadata"]["name"].as_str().unwrap_or_default();
    drives
        .patch(name, &params, &Patch::Apply(drive))
        .await
        .map(drop)
        .map_err(|error| error.to_string())
}
