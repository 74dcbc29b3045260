use std::{cell::RefCell, time::Duration};

use kube::{
    Api,
    api::{ApiResource, DynamicObject},
    core::GroupVersionKind,
};
use serde_json::Value;

use crate::{Cluster, Error, ForeignProject, ProcessGuard, apply_yaml, control_plane::Description, eventually};

/// Namespace for the secrets of a ClusterIssuer, and the issuer that the examples name. It is self-signed, so it needs
/// no other service.
const FIRST_OBJECTS: &str = "
apiVersion: v1
kind: Namespace
metadata: {name: cert-manager}
---
apiVersion: cert-manager.io/v1
kind: ClusterIssuer
metadata: {name: letsencrypt}
spec: {selfSigned: {}}
";

/// Controllers that turn an Ingress into a certificate. The others need the internet.
const CONTROLLERS: &str = "issuers,clusterissuers,ingress-shim,certificates-trigger,certificates-issuing,\
    certificates-key-manager,certificates-readiness,certificates-request-manager,certificates-revision-manager,\
    certificaterequests-approver,certificaterequests-issuer-ca,certificaterequests-issuer-selfsigned";

const START_LIMIT: Duration = Duration::from_secs(60);

/// cert-manager's own controller, which issues certificates as long as this value lives.
#[must_use = "certificates are issued only as long as this lives"]
pub struct CertManager {
    process: ProcessGuard,
}

impl CertManager {
    /// The end of what it wrote: why a certificate is not issued.
    pub fn end_of_log(&self) -> String {
        self.process.end_of_log()
    }
}

impl Cluster {
    /// Installs cert-manager's kinds, runs its controller (once a cluster is enough), and returns when the
    /// `ClusterIssuer` `letsencrypt` works, which here signs with each certificate's own key.
    pub async fn issue_certificates(&self) -> Result<CertManager, Error> {
        self.install(ForeignProject::CertManager).await?;
        let client = self.client()?;
        apply_yaml(&client, "cert-manager", FIRST_OBJECTS).await?;

        let Description { kubeconfig, folder, .. } = self.description();
        let arguments = [
            format!("--kubeconfig={}", kubeconfig.display()),
            "--leader-elect=false".to_owned(),
            "--cluster-resource-namespace=cert-manager".to_owned(),
            "--metrics-listen-address=127.0.0.1:0".to_owned(),
            format!("--controllers={CONTROLLERS}"),
        ];
        let program = self.tools().path("cert-manager-controller")?;
        let log = folder.join("logs/cert-manager.log");
        let process = RefCell::new(ProcessGuard::start("cert-manager", &program, arguments, &[], &log)?);

        let kind = ApiResource::from_gvk(&GroupVersionKind::gvk("cert-manager.io", "v1", "ClusterIssuer"));
        let issuers: Api<DynamicObject> = Api::all_with(client, &kind);
        let works = eventually(START_LIMIT, "cert-manager to take the issuer", async || {
            if let Err(died) = process.borrow_mut().check_running() {
                return Ok(Err(died));
            }
            let issuer = issuers.get("letsencrypt").await?;
            let conditions = issuer.data.pointer("/status/conditions").and_then(Value::as_array);
            let ready = |condition: &Value| condition["type"] == "Ready" && condition["status"] == "True";
            if conditions.is_some_and(|conditions| conditions.iter().any(ready)) {
                Ok(Ok(()))
            } else {
                Err(process.borrow().end_of_log().into())
            }
        });
        works.await??;
        Ok(CertManager {
            process: process.into_inner(),
        })
    }
}
