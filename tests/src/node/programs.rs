use std::path::Path;

use super::Site;

pub(super) fn containerd(site: &Site) -> Vec<String> {
    vec!["--config".to_owned(), site.text("containerd.toml")]
}

pub(super) fn coredns(site: &Site) -> Vec<String> {
    vec!["-conf".to_owned(), site.text("Corefile")]
}

pub(super) fn kubelet(site: &Site, kubeconfig: &Path) -> Vec<String> {
    vec![
        format!("--config={}", site.text("kubelet.json")),
        format!("--kubeconfig={}", kubeconfig.display()),
        format!("--hostname-override={}", Site::NODE),
        format!("--node-ip={}", site.address),
        format!("--root-dir={}", site.text("kubelet")),
        format!("--cert-dir={}", site.text("kubelet-certificates")),
        "--node-labels=topology.kubernetes.io/region=r1,topology.kubernetes.io/zone=z1".to_owned(),
    ]
}

pub(super) fn kube_proxy(kubeconfig: &Path) -> Vec<String> {
    vec![
        format!("--kubeconfig={}", kubeconfig.display()),
        format!("--hostname-override={}", Site::NODE),
        "--proxy-mode=iptables".to_owned(),
        "--cluster-cidr=10.244.0.0/16".to_owned(),
        // The table's size is the machine's, not the sandbox's.
        "--conntrack-max-per-core=0".to_owned(),
        // Rules follow the objects at once, or a test would measure the pause.
        "--iptables-min-sync-period=0s".to_owned(),
        "--healthz-bind-address=127.0.0.1:10256".to_owned(),
    ]
}
