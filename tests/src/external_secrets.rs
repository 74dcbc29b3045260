use std::{cell::RefCell, time::Duration};

use kube::{
    Api,
    api::{ApiResource, DynamicObject},
    core::GroupVersionKind,
};
use serde_json::Value;

use crate::{Cluster, Error, ForeignProject, ProcessGuard, apply_yaml, control_plane::Description, eventually};

const START_LIMIT: Duration = Duration::from_secs(60);

/// The External Secrets operator itself, which fills Secrets from stores as long as this value lives.
#[must_use = "Secrets are filled only as long as this lives"]
pub struct ExternalSecretsOperator {
    process: ProcessGuard,
}

impl ExternalSecretsOperator {
    /// The end of what it wrote: why a Secret is not filled.
    pub fn end_of_log(&self) -> String {
        self.process.end_of_log()
    }
}

impl Cluster {
    /// Installs the kinds of External Secrets, runs its operator (once a cluster is enough), and returns when the
    /// `ClusterSecretStore` of this name, one of its provider for tests with these values, works.
    ///
    /// `values` are pairs of a place and what is there.
    pub async fn fetch_from_stores(
        &self,
        store: &str,
        values: &[(&str, &str)],
    ) -> Result<ExternalSecretsOperator, Error> {
        self.install(ForeignProject::ExternalSecretsBeta).await?;
        self.fill_store(store, values).await?;

        let Description { kubeconfig, folder, .. } = self.description();
        let arguments = [
            "--metrics-addr=127.0.0.1:0".to_owned(),
            "--enable-cluster-external-secret-reconciler=false".to_owned(),
            "--enable-push-secret-reconciler=false".to_owned(),
            "--store-requeue-interval=5s".to_owned(),
            "--concurrent=4".to_owned(),
        ];
        let environment = [("KUBECONFIG".to_owned(), kubeconfig.display().to_string())];
        let program = self.tools().path("external-secrets")?;
        let log = folder.join("logs/external-secrets.log");
        let process = RefCell::new(ProcessGuard::start(
            "external-secrets",
            &program,
            arguments,
            &environment,
            &log,
        )?);

        let kind = ApiResource::from_gvk(&GroupVersionKind::gvk(
            "external-secrets.io",
            "v1beta1",
            "ClusterSecretStore",
        ));
        let stores: Api<DynamicObject> = Api::all_with(self.client()?, &kind);
        let works = eventually(
            START_LIMIT,
            "the External Secrets operator to take the store",
            async || {
                if let Err(died) = process.borrow_mut().check_running() {
                    return Ok(Err(died));
                }
                let found = stores.get(store).await?;
                let conditions = found.data.pointer("/status/conditions").and_then(Value::as_array);
                let ready = |condition: &Value| condition["type"] == "Ready" && condition["status"] == "True";
                if conditions.is_some_and(|conditions| conditions.iter().any(ready)) {
                    Ok(Ok(()))
                } else {
                    Err(process.borrow().end_of_log().into())
                }
            },
        );
        works.await??;
        Ok(ExternalSecretsOperator {
            process: process.into_inner(),
        })
    }

    /// Makes a store of the provider for tests, or changes what is in it.
    pub async fn fill_store(&self, store: &str, values: &[(&str, &str)]) -> Result<(), Error> {
        let data: Vec<Value> = values
            .iter()
            .map(|(key, value)| serde_json::json!({"key": key, "value": value}))
            .collect();
        let object = serde_json::json!({
            "apiVersion": "external-secrets.io/v1beta1",
            "kind": "ClusterSecretStore",
            "metadata": {"name": store},
            "spec": {"provider": {"fake": {"data": data}}},
        });
        apply_yaml(&self.client()?, "default", &object.to_string())
            .await
            .map(drop)
    }
}
