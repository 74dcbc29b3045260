use std::path::Path;

use super::{Nodes, certificates::Certificates, ports::Ports};

/// Metadata of every request: who, what, when and with which result, but no body, hence no secret.
/// `RequestReceived` is left out because each request would then be there twice; `ResponseStarted` stays because it is
/// all that is ever written of a watch that is still open.
pub(super) const AUDIT_POLICY: &str = r#"{"apiVersion":"audit.k8s.io/v1","kind":"Policy","omitStages":["RequestReceived"],"rules":[{"level":"Metadata"}]}"#;

/// Arguments of etcd. It does not wait for the disk: what is in it lives as long as the test.
pub(super) fn etcd(folder: &Path, ports: &Ports) -> Vec<String> {
    let clients = format!("http://127.0.0.1:{}", ports.etcd);
    let peers = format!("http://127.0.0.1:{}", ports.etcd_peers);
    vec![
        "--name=test".to_owned(),
        format!("--data-dir={}", folder.join("etcd").display()),
        format!("--listen-client-urls={clients}"),
        format!("--advertise-client-urls={clients}"),
        format!("--listen-peer-urls={peers}"),
        format!("--initial-advertise-peer-urls={peers}"),
        format!("--initial-cluster=test={peers}"),
        "--unsafe-no-fsync".to_owned(),
    ]
}

/// Arguments of kube-apiserver. The admission plugins are the default ones, `PodSecurity` among them.
pub(super) fn kube_apiserver(folder: &Path, ports: &Ports, certificates: &Certificates, nodes: &Nodes) -> Vec<String> {
    let file = |name: &str| certificates.path(name).display().to_string();
    let mut arguments = match nodes {
        Nodes::Simulated => vec![
            "--bind-address=127.0.0.1".to_owned(),
            "--advertise-address=127.0.0.1".to_owned(),
            // Endpoints may not hold a loopback address, so the `kubernetes` Service goes without.
            "--endpoint-reconciler-type=none".to_owned(),
        ],
        // It is alone in its network, and both pods and tests come from outside of 127.0.0.1.
        Nodes::Real(site) => vec![
            "--bind-address=0.0.0.0".to_owned(),
            format!("--advertise-address={}", site.address),
            format!("--kubelet-client-certificate={}", file("kubelet-client.crt")),
            format!("--kubelet-client-key={}", file("kubelet-client.key")),
            // Names of nodes are not in any DNS here.
            "--kubelet-preferred-address-types=InternalIP".to_owned(),
            "--enable-admission-plugins=NodeRestriction".to_owned(),
        ],
    };
    arguments.extend([
        format!("--etcd-servers=http://127.0.0.1:{}", ports.etcd),
        format!("--secure-port={}", ports.apiserver),
        format!("--tls-cert-file={}", file("apiserver.crt")),
        format!("--tls-private-key-file={}", file("apiserver.key")),
        format!("--client-ca-file={}", file("ca.crt")),
        "--authorization-mode=Node,RBAC".to_owned(),
        "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
        format!("--service-account-key-file={}", file("service-account.pub")),
        format!("--service-account-signing-key-file={}", file("service-account.key")),
        "--service-cluster-ip-range=10.96.0.0/16".to_owned(),
        // Without these the server slows down tests that run side by side, and a test would measure that.
        "--max-requests-inflight=2000".to_owned(),
        "--max-mutating-requests-inflight=1000".to_owned(),
        format!("--audit-policy-file={}", folder.join("audit-policy.json").display()),
        format!("--audit-log-path={}", folder.join("audit.log").display()),
        // Megabytes. Positions in the log are remembered, so it must not be rotated.
        "--audit-log-maxsize=10000".to_owned(),
    ]);
    arguments
}

/// Arguments of kube-controller-manager. Each controller has its own `ServiceAccount`, as in a real cluster, so that
/// the audit log distinguishes them.
pub(super) fn kube_controller_manager(kubeconfig: &Path, certificates: &Certificates) -> Vec<String> {
    let file = |name: &str| certificates.path(name).display().to_string();
    vec![
        format!("--kubeconfig={}", kubeconfig.display()),
        "--secure-port=0".to_owned(),
        "--leader-elect=false".to_owned(),
        "--use-service-account-credentials=true".to_owned(),
        format!("--service-account-private-key-file={}", file("service-account.key")),
        format!("--root-ca-file={}", file("ca.crt")),
        format!("--cluster-signing-cert-file={}", file("ca.crt")),
        format!("--cluster-signing-key-file={}", file("ca.key")),
        "--kube-api-qps=500".to_owned(),
        "--kube-api-burst=1000".to_owned(),
        "--concurrent-deployment-syncs=20".to_owned(),
        "--concurrent-replicaset-syncs=20".to_owned(),
        // There is no metrics API here, but minReplicas and maxReplicas are enforced without one, within this time.
        "--horizontal-pod-autoscaler-sync-period=2s".to_owned(),
    ]
}

pub(super) fn kube_scheduler(kubeconfig: &Path) -> Vec<String> {
    vec![
        format!("--kubeconfig={}", kubeconfig.display()),
        "--secure-port=0".to_owned(),
        "--leader-elect=false".to_owned(),
        "--kube-api-qps=500".to_owned(),
        "--kube-api-burst=1000".to_owned(),
    ]
}

/// Arguments of kwok. `stages` are the rules by which it moves nodes, pods and volume claims along.
pub(super) fn kwok(kubeconfig: &Path, stages: &[String]) -> Vec<String> {
    let mut arguments = vec![
        format!("--kubeconfig={}", kubeconfig.display()),
        "--manage-all-nodes=true".to_owned(),
        "--node-lease-duration-seconds=40".to_owned(),
    ];
    arguments.extend(stages.iter().map(|stage| format!("--config={stage}")));
    arguments
}
