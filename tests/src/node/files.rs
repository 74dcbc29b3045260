use std::{fs, net::Ipv4Addr, path::Path};

use serde_json::{Value, json};

use super::{Site, machine};
use crate::Error;

/// Network of the pods; it is seen inside the sandbox alone, so all clusters have the same.
const PODS: &str = "10.244.0.0/24";
/// Name under which the image of a pod's own container is imported.
pub(super) const PAUSE_IMAGE: &str = "localhost/pause:1";

/// Writes the settings of all programs of the node.
pub(super) fn write(site: &Site, certificate_authority: &Path) -> Result<(), Error> {
    for folder in ["cni", "volumes", "plugins", "pod-logs"] {
        let path = site.path(folder);
        fs::create_dir_all(&path).map_err(Error::io(format!("creating {}", path.display())))?;
    }
    let cni = machine::cni_folder().unwrap_or_else(|| Path::new("/opt/cni/bin"));
    text(site, "containerd.toml", &containerd(site, cni))?;
    text(site, "cni/10-bridge.conflist", &network(site).to_string())?;
    text(site, "kubelet.json", &kubelet(site, certificate_authority).to_string())?;
    text(site, "Corefile", &dns(site))?;
    // Pods use the cluster's DNS server, and none of this machine.
    text(site, "resolv.conf", "")
}

fn text(site: &Site, name: &str, text: &str) -> Result<(), Error> {
    let path = site.path(name);
    fs::write(&path, text).map_err(Error::io(format!("writing {}", path.display())))
}

/// `restrict_oom_score_adj`: without `CAP_SYS_RESOURCE`, which a container that plays a machine may lack, every pod would die
/// with "can't get final child's PID from pipe: EOF". The image of a pod's own container is pinned, so it is never looked for
/// in a registry, nor ever deleted for want of space.
///
/// `volatile` and `no_sync`: whenever a container ended the kernel would else write to disk all that is to be written to it, of
/// whomever on the machine, and so the end of a pod took as long as others' builds made it. A cluster that ends with its machine
/// has nothing to keep from that.
fn containerd(site: &Site, cni: &Path) -> String {
    format!(
        "version = 3
root = '{root}'
state = '{state}'
[grpc]
  address = '{socket}'
[plugins.'io.containerd.metadata.v1.bolt']
  no_sync = true
[plugins.'io.containerd.snapshotter.v1.overlayfs']
  mount_options = ['volatile']
[plugins.'io.containerd.cri.v1.images']
  snapshotter = 'overlayfs'
  [plugins.'io.containerd.cri.v1.images'.pinned_images]
    sandbox = '{PAUSE_IMAGE}'
[plugins.'io.containerd.cri.v1.runtime']
  restrict_oom_score_adj = true
[plugins.'io.containerd.cri.v1.runtime'.cni]
  bin_dirs = ['{cni}']
  conf_dir = '{conf}'
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
  runtime_type = 'io.containerd.runc.v2'
  [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
    SystemdCgroup = false
",
        root = site.text("containerd"),
        state = site.text("containerd-state"),
        socket = site.containerd().display(),
        cni = cni.display(),
        conf = site.text("cni"),
    )
}

fn network(site: &Site) -> Value {
    json!({
        "cniVersion": "1.0.0",
        "name": "pods",
        "plugins": [
            {
                "type": "bridge",
                "bridge": "pods",
                "isGateway": true,
                "ipMasq": true,
                // A pod may be reached through its own Service.
                "hairpinMode": true,
                "ipam": {
                    "type": "host-local",
                    "dataDir": site.path("addresses"),
                    "ranges": [[{"subnet": PODS}]],
                    "routes": [{"dst": "0.0.0.0/0"}],
                },
            },
            {"type": "portmap", "capabilities": {"portMappings": true}},
        ],
    })
}

fn kubelet(site: &Site, certificate_authority: &Path) -> Value {
    json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {
            "anonymous": {"enabled": false},
            "webhook": {"enabled": true},
            "x509": {"clientCAFile": certificate_authority},
        },
        "authorization": {"mode": "Webhook"},
        "containerRuntimeEndpoint": format!("unix://{}", site.containerd().display()),
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": format!("/{}", site.cgroup()),
        "failCgroupV1": false,
        "failSwapOn": false,
        "clusterDNS": [site.address],
        "clusterDomain": "cluster.local",
        "resolvConf": site.path("resolv.conf"),
        "podLogsDir": site.path("pod-logs"),
        "volumePluginDir": site.path("plugins"),
        // A disk that is nearly full would make it delete the images that were imported, and evict pods.
        "evictionHard": {"nodefs.available": "1%", "imagefs.available": "1%", "memory.available": "50Mi"},
        "imageGCHighThresholdPercent": 100,
        // A crashed program is started again after 1, 2, 4 … seconds in a test, and not after minutes.
        "crashLoopBackOff": {"maxContainerRestartPeriod": "5s"},
        "syncFrequency": "10s",
        "registryPullQPS": 0,
        "healthzPort": 0,
        "serializeImagePulls": false,
    })
}

fn dns(site: &Site) -> String {
    let Site { address, .. } = site;
    let kubeconfig = site.text("coredns.kubeconfig");
    format!(
        ".:53 {{
    bind {address}
    errors
    kubernetes cluster.local in-addr.arpa {{
        kubeconfig {kubeconfig} test
        pods verified
        ttl 1
    }}
}}
"
    )
}

/// The address of the API server for pods: the first one of the range for Services.
pub(crate) const API_SERVICE: Ipv4Addr = Ipv4Addr::new(10, 96, 0, 1);
