//! The platform's object store: versitygw in a pod of its own, which forgets everything with the pod.

use kube::Client;
use ras_tests::{Error, apply_yaml};
use serde_json::{Value, json};

use crate::images::{BUSYBOX, OBJECT_STORE};

/// Where it runs, and its name there.
const NAMESPACE: &str = "e2e-store";
/// The Secret with the keys, in the operator's namespace and in those of drives.
const SECRET: &str = "s3-credentials";
/// Where the operator finds its keys.
const CREDENTIALS: &str = "/var/run/secrets/s3";
const REGION: &str = "us-east-1";
/// They open a store that lives as long as the tests.
const ACCESS_KEY: &str = "e2e";
const SECRET_KEY: &str = "only-for-these-tests";

/// Starts it, and gives the operator its keys; does not wait, because nobody asks it for anything before a drive has a bucket.
pub async fn run(client: &Client, operator: &str) -> Result<(), Error> {
    let objects = format!(
        "
apiVersion: v1
kind: Namespace
metadata: {{name: {NAMESPACE}, labels: {{pod-security.kubernetes.io/enforce: restricted}}}}
---
apiVersion: v1
kind: Service
metadata: {{name: s3, namespace: {NAMESPACE}}}
spec: {{selector: {{app: s3}}, ports: [{{port: 80, targetPort: 7070}}]}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {{name: s3, namespace: {NAMESPACE}}}
spec:
  selector: {{matchLabels: {{app: s3}}}}
  template:
    metadata: {{labels: {{app: s3}}}}
    spec:
      automountServiceAccountToken: false
      securityContext: {{runAsNonRoot: true, runAsUser: 65534, fsGroup: 65534, seccompProfile: {{type: RuntimeDefault}}}}
      initContainers:
      - name: folders
        image: {BUSYBOX}
        command: [mkdir, -p, /store/buckets, /store/versions]
        securityContext: &restricted {{allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {{drop: [ALL]}}}}
        volumeMounts: &store [{{name: store, mountPath: /store}}]
      containers:
      - name: versitygw
        image: {OBJECT_STORE}
        args: [--port, ':7070', posix, --versioning-dir, /store/versions, /store/buckets]
        env:
        - {{name: ROOT_ACCESS_KEY, value: {ACCESS_KEY}}}
        - {{name: ROOT_SECRET_KEY, value: {SECRET_KEY}}}
        - {{name: VGW_REGION, value: {REGION}}}
        readinessProbe: {{tcpSocket: {{port: 7070}}, periodSeconds: 1}}
        securityContext: *restricted
        volumeMounts: *store
      volumes: [{{name: store, emptyDir: {{}}}}]
"
    );
    apply_yaml(client, NAMESPACE, &objects).await?;
    apply_yaml(client, operator, &secret()).await.map(drop)
}

/// The keys, for whatever namespace it is applied in.
pub fn secret() -> String {
    format!(
        "{{apiVersion: v1, kind: Secret, metadata: {{name: {SECRET}}}, stringData: {{AWS_ACCESS_KEY_ID: {ACCESS_KEY}, AWS_SECRET_ACCESS_KEY: {SECRET_KEY}}}}}"
    )
}

pub fn platform() -> Value {
    json!({
        "endpoint": format!("http://s3.{NAMESPACE}.svc.cluster.local"),
        "region": REGION,
        "credentialsDirectory": CREDENTIALS,
        "bucketPrefix": "e2e",
        "programs": {"secretName": SECRET},
    })
}

/// The chart's values `extraVolumes` and `extraVolumeMounts` with the operator's keys.
pub fn volume() -> [Value; 2] {
    [
        json!([{"name": "s3", "secret": {"secretName": SECRET}}]),
        json!([{"name": "s3", "mountPath": CREDENTIALS, "readOnly": true}]),
    ]
}
