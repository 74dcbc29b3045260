//! What a drive promises about secrets that live outside the cluster.

use std::sync::Arc;

use kube::{Api, Client};
use ras_crds::ConditionType;
use ras_tests::{
    Error, apply_yaml,
    control_plane::{KubernetesVersion, Tools},
    eventually,
};

use crate::{
    drive::{Drive, PATIENCE},
    images::{EXTERNAL_SECRETS, PORTAL},
    runner::{Scenario, ScenarioResult, Steps},
    scenarios,
    world::World,
};

pub fn all() -> Vec<Scenario> {
    scenarios![a_value_in_a_store_reaches_the_environment_of_a_running_program]
}

async fn a_value_in_a_store_reaches_the_environment_of_a_running_program(
    world: Arc<World>,
    steps: Steps,
) -> ScenarioResult {
    let drive = Drive::new(&world, "store").await?;
    let image = PORTAL[0];
    let namespace = drive.namespace.name();
    // Before the other operator is there: the drive says what is missing, and goes on by itself.
    let spec = format!(
        "  services:
  - name: portal
    image: {image}
    ports: [{{name: http, port: 8080, path: /}}]
    probe: {{port: http, path: /, periodSeconds: 1}}
    env: [{{name: MAIL_PASSWORD, secret: {{name: mail, key: password}}}}]
  secrets:
  - name: mail
    external: {{store: campus-vault, key: {namespace}/mail, refreshInterval: 1s}}
"
    );
    drive.apply(&spec).await?;
    let message = drive.condition(ConditionType::SecretsReady, "False").await?;
    assert!(message.contains("External Secrets"), "{message}");
    steps.done("told that External Secrets is missing");

    install(&world.client()?).await?;
    steps.done("its operator runs");
    fill(&world.client()?, namespace, "first-password").await?;
    drive.ready().await?;
    let variable = "/variable?name=MAIL_PASSWORD";
    assert_eq!(drive.get("portal", variable).await?, "first-password");
    steps.done("from the store into a variable");

    fill(&world.client()?, namespace, "second-password").await?;
    eventually(PATIENCE, "the program to have the new value", async || {
        match drive.get("portal", variable).await? {
            value if value == "second-password" => Ok(()),
            value => Err(value.to_string().into()),
        }
    })
    .await?;
    drive.ready().await?;
    steps.done("a new value in the store reaches the program");
    Ok(())
}

/// A store of the provider for tests: what is in it stands in the object itself.
async fn fill(client: &Client, namespace: &str, password: &str) -> Result<(), Error> {
    let value = format!(r#"{{\"password\": \"{password}\"}}"#);
    let store = format!(
        "apiVersion: external-secrets.io/v1beta1
kind: ClusterSecretStore
metadata: {{name: campus-vault}}
spec: {{provider: {{fake: {{data: [{{key: {namespace}/mail, value: \"{value}\"}}]}}}}}}
"
    );
    apply_yaml(client, "default", &store).await.map(drop)
}

/// The kinds of External Secrets and its operator, as a pod that may do everything: its rights are not what is tried here.
async fn install(client: &Client) -> Result<(), Error> {
    let kinds = Tools::find(KubernetesVersion::from_environment()?)?.path("crds/external-secrets-v1beta1")?;
    let reading = |error: std::io::Error| Error::Io {
        what: format!("reading {}", kinds.display()),
        message: error.to_string(),
    };
    for file in std::fs::read_dir(&kinds).map_err(reading)? {
        let text = std::fs::read_to_string(file.map_err(reading)?.path()).map_err(reading)?;
        apply_yaml(client, "default", &text).await?;
    }
    let objects = format!(
        "
apiVersion: v1
kind: Namespace
metadata: {{name: external-secrets}}
---
apiVersion: v1
kind: ServiceAccount
metadata: {{name: external-secrets, namespace: external-secrets}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {{name: external-secrets}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}}
subjects: [{{kind: ServiceAccount, name: external-secrets, namespace: external-secrets}}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {{name: external-secrets, namespace: external-secrets}}
spec:
  selector: {{matchLabels: {{app: external-secrets}}}}
  template:
    metadata: {{labels: {{app: external-secrets}}}}
    spec:
      serviceAccountName: external-secrets
      containers:
      - name: operator
        image: {EXTERNAL_SECRETS}
        args:
        - --enable-cluster-external-secret-reconciler=false
        - --enable-push-secret-reconciler=false
        - --store-requeue-interval=5s
"
    );
    apply_yaml(client, "external-secrets", &objects).await?;
    let deployments: Api<k8s_openapi::api::apps::v1::Deployment> = Api::namespaced(client.clone(), "external-secrets");
    eventually(PATIENCE, "the operator of External Secrets to run", async || {
        let status = deployments.get("external-secrets").await?.status.unwrap_or_default();
        match status.ready_replicas {
            Some(1) => Ok(()),
            _ => Err(format!("{:?}", status.conditions).into()),
        }
    })
    .await
}
