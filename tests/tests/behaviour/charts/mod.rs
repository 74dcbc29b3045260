//! The charts, and `kubectl apply -k deploy`: what they make is what the API server takes in a namespace with the strictest
//! pod security, with the rights of `deploy/rbac` and no other, and what they refuse they refuse with a sentence.

mod life;
mod refusals;
mod rendered;
mod rights;

use std::io::Write as _;

use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use ras_tests::{Cluster, Error, Helm, TestNamespace, documents, repository};
use serde_json::{Value, json};

const OPERATOR: &str = "charts/ras-operator";
const CRDS: &str = "charts/ras-operator-crds";

/// Values that a platform team may set, from none to all. `NAMESPACE` is that of the release.
const VALUES: [(&str, &str); 6] = [
    ("defaults", ""),
    (
        "namespaced",
        "{watch: {namespaces: [NAMESPACE, default]}, image: {registry: 'mirror.example.com:5000/ras', tag: v1}}",
    ),
    (
        "alone",
        "{replicas: 1, leaderElection: {enabled: false}, podDisruptionBudget: {enabled: false}, networkPolicy: {enabled: false}}",
    ),
    (
        "given rights",
        "{rbac: {create: false}, serviceAccount: {create: false, name: somebody}, fullnameOverride: portals}",
    ),
    (
        "handed over",
        "
platformFile: |
  apiVersion: ras.dev/platform/v1
  operatorImage: registry.example.com/ras-operator:9
  objectStore: {region: ap-south-1, bucketPrefix: ras, programs: {cidrs: [52.219.0.0/16, 169.254.170.23/32]}}
platform:
  ingress: {className: traefik}
  objectStore: {requestsPerSecond: 5}
",
    ),
    (
        "everything",
        "
replicas: 3
image: {repository: registry.example.com/ras-operator, digest: 'sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef'}
imagePullSecrets: [registry]
platform:
  imagePullSecrets: [registry]
  ingress: {className: nginx, annotations: {a: b}, controllerNamespace: ingress-nginx, issuerKind: ClusterIssuer}
  storage: {className: gp3}
  monitoring: {namespace: monitoring, labels: {release: prometheus}}
  objectStore:
    endpoint: https://s3.example.edu
    caFile: /etc/s3/ca.crt
    credentialsDirectory: /etc/s3-credentials
    checkEvery: 6h
    usage: {every: 24h, maxPages: 10}
leaderElection: {leaseDuration: 30s, renewDeadline: 20s, retryPeriod: 4s}
logLevel: ras_operator=debug,kube=info
serviceAccount: {annotations: {eks.amazonaws.com/role-arn: 'arn:aws:iam::111122223333:role/ras'}}
rbac: {aggregate: true}
podDisruptionBudget: {maxUnavailable: 50%}
networkPolicy:
  metricsFrom: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: monitoring}}}]
  egress: [{ports: [{port: 443}, {port: 6443}]}, {ports: [{port: 53, protocol: UDP}]}]
metrics:
  port: 9090
  serviceMonitor: {enabled: true, labels: {release: prometheus}}
  prometheusRule: {enabled: true, labels: {release: prometheus}}
  dashboard: {enabled: true}
podLabels: {team: platform}
podAnnotations: {note: 'yes'}
priorityClassName: system-cluster-critical
nodeSelector: {kubernetes.io/os: linux}
tolerations: [{key: infra, operator: Exists}]
affinity: {podAntiAffinity: {}}
topologySpreadConstraints:
- {maxSkew: 1, topologyKey: topology.kubernetes.io/zone, whenUnsatisfiable: ScheduleAnyway, labelSelector: {matchLabels: {team: platform}}}
extraEnv: [{name: HTTPS_PROXY, value: 'http://proxy.example.edu:3128'}]
extraVolumes:
- {name: s3-ca, configMap: {name: s3-ca}}
- {name: s3-credentials, secret: {secretName: s3-credentials}}
extraVolumeMounts:
- {name: s3-ca, mountPath: /etc/s3, readOnly: true}
- {name: s3-credentials, mountPath: /etc/s3-credentials, readOnly: true}
",
    ),
];

/// Values in a file, as people give them.
fn values(text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    write!(file, "{text}").unwrap();
    file.flush().unwrap();
    file
}

/// The operator's chart, rendered with values.
async fn template(release: &str, namespace: &str, text: &str) -> Result<String, Error> {
    let file = values(&text.replace("NAMESPACE", namespace));
    let path = file.path().display().to_string();
    Helm::offline()?
        .done(&[
            "template",
            release,
            OPERATOR,
            "--namespace",
            namespace,
            "--values",
            &path,
        ])
        .await
}

/// A namespace that lets in nothing but restricted pods.
async fn restricted(cluster: &Cluster, prefix: &str) -> Result<TestNamespace, Error> {
    let namespace = cluster.namespace(prefix).await?;
    let labels = json!({"metadata": {"labels": {
        "pod-security.kubernetes.io/enforce": "restricted",
        "pod-security.kubernetes.io/warn": "restricted",
    }}});
    let namespaces: Api<Namespace> = Api::all(namespace.client());
    namespaces
        .patch(namespace.name(), &PatchParams::default(), &Patch::Merge(&labels))
        .await
        .map_err(|error| Error::Api {
            what: format!("labels of namespace {}", namespace.name()),
            message: error.to_string(),
        })?;
    Ok(namespace)
}

/// The rules of a file in `deploy/rbac`.
fn rules(file: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(repository().join("deploy/rbac").join(file)).unwrap();
    let role = documents(&text).unwrap().remove(0);
    role["rules"].as_array().unwrap().clone()
}

fn of_kind<'a>(objects: &'a [Value], kind: &'a str) -> impl Iterator<Item = &'a Value> {
    objects.iter().filter(move |object| object["kind"] == kind)
}
