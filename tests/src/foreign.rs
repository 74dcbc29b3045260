use std::{fs, time::Duration};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{Api, Client, api::DeleteParams};
use serde_json::Value;

use crate::{
    Cluster, Error, apply_yaml,
    control_plane::{KubernetesVersion, Tools},
    documents, eventually, kubectl,
};

/// Another project whose CRDs the operator uses where they are installed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForeignProject {
    /// `ServiceMonitor`, `PodMonitor`, `PrometheusRule`.
    PrometheusOperator,
    /// `Certificate`, `Issuer`, `ClusterIssuer`, and what they are worked out through.
    CertManager,
    /// `ExternalSecret`, `SecretStore`, `ClusterSecretStore`, as its operators of today serve them: `v1`.
    ExternalSecrets,
    /// The same, as the operator that the tests run serves them: `v1beta1`.
    ExternalSecretsBeta,
    /// `Cluster`, and what belongs to it.
    CloudNativePG,
}

impl ForeignProject {
    fn folder(self) -> &'static str {
        match self {
            Self::PrometheusOperator => "crds/prometheus-operator",
            Self::CertManager => "crds/cert-manager",
            Self::ExternalSecrets => "crds/external-secrets",
            Self::ExternalSecretsBeta => "crds/external-secrets-v1beta1",
            Self::CloudNativePG => "crds/cloudnative-pg",
        }
    }

    /// Its CRDs as YAML, each of them one document.
    pub fn crds(self, tools: &Tools) -> Result<Vec<String>, Error> {
        let folder = tools.path(self.folder())?;
        let listing = || format!("listing {}", folder.display());
        let mut texts = Vec::new();
        for entry in fs::read_dir(&folder).map_err(Error::io(listing()))? {
            let path = entry.map_err(Error::io(listing()))?.path();
            texts.push(fs::read_to_string(&path).map_err(Error::io(format!("reading {}", path.display())))?);
        }
        Ok(texts)
    }
}

impl Cluster {
    /// Installs a project's CRDs and waits until their kinds can be used. The cluster is shared: every test in this
    /// process sees them from then on.
    pub async fn install(&self, project: ForeignProject) -> Result<(), Error> {
        let client = self.client()?;
        for text in project.crds(&self.tools())? {
            for object in apply_yaml(&client, "default", &text).await? {
                established(&client, &object.metadata.name.unwrap_or_default()).await?;
            }
        }
        Ok(())
    }

    /// Removes a project's CRDs again, and with them every object of their kinds.
    pub async fn uninstall(&self, project: ForeignProject) -> Result<(), Error> {
        let crds: Api<CustomResourceDefinition> = Api::all(self.client()?);
        for text in project.crds(&self.tools())? {
            for document in documents(&text)? {
                let name = document
                    .pointer("/metadata/name")
                    .and_then(Value::as_str)
                    .unwrap_or_default();
                match crds.delete(name, &DeleteParams::default()).await {
                    Ok(_) => {}
                    Err(kube::Error::Api(status)) if status.code == 404 => {}
                    Err(error) => return Err(Error::api(format!("deleting {name}"))(error)),
                }
            }
        }
        Ok(())
    }
}

/// Waits until the API server serves the kind that a CRD defines.
pub(crate) async fn established(client: &Client, name: &str) -> Result<(), Error> {
    let crds: Api<CustomResourceDefinition> = Api::all(client.clone());
    eventually(
        Duration::from_secs(20),
        &format!("{name} to be Established"),
        async || {
            let conditions = crds
                .get(name)
                .await?
                .status
                .and_then(|status| status.conditions)
                .unwrap_or_default();
            if conditions
                .iter()
                .any(|condition| condition.type_ == "Established" && condition.status == "True")
            {
                Ok(())
            } else {
                Err("not yet".into())
            }
        },
    )
    .await
}

/// Parses the YAML documents in `text` with Go's YAML reader, which `kubectl`, Argo CD and Flux use. Needs no cluster.
pub async fn read_yaml_with_go(text: &str) -> Result<Vec<Value>, Error> {
    let tools = Tools::find(KubernetesVersion::from_environment()?)?;
    let output = kubectl::run(&tools.path("go-yaml")?, &[], &[], text).await?;
    if !output.success {
        return Err(Error::Unreadable {
            what: "the YAML, by Go's reader,".to_owned(),
            message: output.stderr,
        });
    }
    let lines = output.stdout.lines();
    lines
        .map(|line| serde_json::from_str(line).map_err(Error::unreadable("a line of JSON")))
        .collect()
}
