//! The harness's own promises.

use std::{fs, time::Duration};

use k8s_openapi::api::{apps::v1::Deployment, core::v1::PersistentVolumeClaim};
use ras_tests::{
    AuditMark, Cluster, Error, ForeignProject, cluster, control_plane::KubernetesVersion, eventually,
    read_yaml_with_go, repository,
};
use serde_json::json;

const LIMIT: Duration = Duration::from_secs(30);

const DEPLOYMENT: &str = "
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
spec:
  replicas: 3
  selector:
    matchLabels: {app: web}
  template:
    metadata:
      labels: {app: web}
    spec:
      containers:
      - name: web
        image: localhost/web:1
";

#[tokio::test]
async fn a_deployment_becomes_available_and_the_audit_log_says_who_made_its_pods() -> Result<(), Error> {
    let cluster = cluster().await?;
    let namespace = cluster.namespace("available").await?;
    let audit = cluster.audit()?;
    let before = audit.settle().await?;

    namespace.apply(DEPLOYMENT).await?;
    let deployments = namespace.api::<Deployment>();
    eventually(LIMIT, "3 available replicas", async || {
        match deployments
            .get("web")
            .await?
            .status
            .and_then(|status| status.available_replicas)
        {
            Some(3) => Ok(()),
            other => Err(format!("{other:?}").into()),
        }
    })
    .await?;

    audit.settle().await?;
    let here = namespace.name().to_owned();
    let made = audit.events_since(before, |event| {
        event.namespace == here && event.resource == "pods" && event.verb == "create" && event.subresource.is_empty()
    })?;
    assert_eq!(made.len(), 3, "{made:?}");
    for event in made {
        assert_eq!(
            event.username,
            "system:serviceaccount:kube-system:replicaset-controller"
        );
        assert_eq!(event.code, 201);
    }
    let ours = audit.events_since(before, |event| {
        event.namespace == here && event.request_uri.contains("fieldManager=test")
    })?;
    assert_eq!(ours.len(), 1, "{ours:?}");
    let earlier = audit.events_since(AuditMark::START, |event| {
        event.verb == "watch" && event.stage == "ResponseStarted"
    })?;
    assert!(!earlier.is_empty(), "a watch that is still open must be in the log");
    namespace.delete().await
}

#[tokio::test]
async fn a_volume_claim_becomes_bound() -> Result<(), Error> {
    let namespace = cluster().await?.namespace("claim").await?;
    namespace
        .apply(
            "{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: data}, spec: {accessModes: [ReadWriteOnce], \
             resources: {requests: {storage: 1Gi}}}}",
        )
        .await?;
    let claims = namespace.api::<PersistentVolumeClaim>();
    eventually(LIMIT, "the claim to be Bound", async || {
        match claims.get("data").await?.status.and_then(|status| status.phase) {
            Some(phase) if phase == "Bound" => Ok(()),
            other => Err(format!("{other:?}").into()),
        }
    })
    .await
}

#[tokio::test]
async fn a_refusal_is_the_api_servers_own_sentence() -> Result<(), Error> {
    let namespace = cluster().await?.namespace("refused").await?;
    let misspelt = DEPLOYMENT.replace("replicas:", "replica:");
    let refusal = namespace.apply(&misspelt).await.unwrap_err().to_string();
    assert!(
        refusal.contains("spec.replica: field not declared in schema"),
        "{refusal}"
    );
    let negative = DEPLOYMENT.replace("replicas: 3", "replicas: -3");
    let refusal = namespace.apply(&negative).await.unwrap_err().to_string();
    assert!(refusal.contains("must be greater than or equal to 0"), "{refusal}");
    Ok(())
}

#[tokio::test]
async fn kubectl_is_of_the_servers_version() -> Result<(), Error> {
    let cluster = cluster().await?;
    let output = cluster.kubectl(&["version", "--output", "json"]).await?;
    assert!(output.success, "{}", output.stderr);
    let version: serde_json::Value = serde_json::from_str(&output.stdout).unwrap();
    assert_eq!(
        version["serverVersion"]["gitVersion"],
        cluster.description().kubernetes_version
    );
    assert_eq!(version["serverVersion"]["minor"], version["clientVersion"]["minor"]);
    Ok(())
}

#[tokio::test]
async fn other_projects_kinds_can_be_installed() -> Result<(), Error> {
    let cluster = cluster().await?;
    let namespace = cluster.namespace("foreign").await?;
    cluster.install(ForeignProject::CertManager).await?;
    cluster.install(ForeignProject::PrometheusOperator).await?;
    namespace
        .apply(
            "
apiVersion: monitoring.coreos.com/v1
kind: ServiceMonitor
metadata: {name: web}
spec: {selector: {}, endpoints: [{port: http}]}
---
apiVersion: cert-manager.io/v1
kind: Certificate
metadata: {name: web}
spec: {secretName: web-tls, dnsNames: [drive.example.com], issuerRef: {name: ca}}
",
        )
        .await
        .map(drop)
}

#[tokio::test]
async fn a_second_control_plane_is_independent_of_the_first() -> Result<(), Error> {
    let first = cluster().await?;
    let second = Cluster::start().await?;
    assert_ne!(first.description().server, second.description().server);
    second.namespace("alone").await?;
    let folder = second.description().folder.clone();
    drop(second);
    eventually(LIMIT, "its folder to be gone", async || {
        if folder.exists() {
            Err("still there".into())
        } else {
            Ok(())
        }
    })
    .await?;
    first.namespace("unharmed").await.map(drop)
}

#[tokio::test]
async fn what_was_waited_for_and_last_seen_is_told() {
    let waited = eventually::<(), _, _>(Duration::from_millis(300), "the moon", async || Err("a cloud".into())).await;
    let sentence = waited.unwrap_err().to_string();
    assert!(
        sentence.ends_with("still waiting for the moon; last seen: a cloud"),
        "{sentence}"
    );
}

#[tokio::test]
async fn gos_yaml_reader_sees_what_kubectl_would() -> Result<(), Error> {
    let read = read_yaml_with_go("a: on\nb: 'on'\n---\n# nothing\n---\nc: 1_000\n").await?;
    assert_eq!(read, [json!({"a": true, "b": "on"}), json!({"c": 1000})]);
    let refused = read_yaml_with_go("a: 1\na: 2\n").await.unwrap_err().to_string();
    assert!(refused.contains("already set"), "{refused}");
    Ok(())
}

#[test]
fn an_unknown_version_is_refused_with_the_versions_there_are() {
    let refusal = "1.12".parse::<KubernetesVersion>().unwrap_err().to_string();
    assert_eq!(
        refusal,
        "Kubernetes version `1.12` is not one these tests know: set K8S_VERSION to one of 1.34, 1.37"
    );
    for spelling in ["1.34", "v1.34", "1.34.4", "v1.34.4"] {
        assert_eq!(spelling.parse::<KubernetesVersion>().unwrap().minor(), "1.34");
    }
}

#[test]
fn every_version_has_its_go_module() {
    for version in KubernetesVersion::all() {
        let path = repository().join(format!("tests/control-plane/kubernetes-v{}/go.mod", version.minor()));
        let module = fs::read_to_string(&path).unwrap();
        assert!(
            module.contains(&format!("k8s.io/kubernetes v{}\n", version.full())),
            "{}",
            path.display()
        );
    }
}
