use std::{fs, time::Duration};

use k8s_openapi::api::core::v1::Node;
use kube::{Api, Client};
use serde_json::json;

use super::Site;
use crate::{Error, apply::apply_document, eventually};

/// How many volumes can be claimed. One costs an object and a folder.
const VOLUMES: usize = 48;
/// The class of all volumes.
const CLASS: &str = "folder";

/// Permissions of the DNS server, as in a cluster made by kubeadm.
const DNS_RIGHTS: &str = "
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: coredns}
rules:
- {apiGroups: [''], resources: [endpoints, services, pods, namespaces], verbs: [list, watch]}
- {apiGroups: [discovery.k8s.io], resources: [endpointslices], verbs: [list, watch]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: coredns}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: coredns}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: coredns}]
";

/// Creates the DNS server's rights, the default `StorageClass` and its volumes.
///
/// They are `local` volumes and not `hostPath` ones, because only for those the kubelet gives the pod's group the right to write,
/// as it does for disks of a cloud.
pub(super) async fn create(client: &Client, site: &Site) -> Result<(), Error> {
    for document in crate::documents(DNS_RIGHTS)? {
        apply_document(client, "", document).await?;
    }
    let class = json!({
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {
            "name": CLASS,
            "annotations": {"storageclass.kubernetes.io/is-default-class": "true"},
        },
        "provisioner": "kubernetes.io/no-provisioner",
        "volumeBindingMode": "WaitForFirstConsumer",
    });
    apply_document(client, "", class).await?;
    for number in 1..=VOLUMES {
        let name = format!("folder-{number}");
        let path = site.path("volumes").join(&name);
        fs::create_dir_all(&path).map_err(Error::io(format!("creating {}", path.display())))?;
        let volume = json!({
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {"name": name},
            "spec": {
                "accessModes": ["ReadWriteOnce"],
                // It is not measured.
                "capacity": {"storage": "1Ti"},
                "local": {"path": path},
                "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [
                    {"key": "kubernetes.io/hostname", "operator": "In", "values": [Site::NODE]},
                ]}]}},
                "persistentVolumeReclaimPolicy": "Retain",
                "storageClassName": CLASS,
            },
        });
        apply_document(client, "", volume).await?;
    }
    Ok(())
}

/// Waits until the node is Ready.
pub(super) async fn wait(client: &Client, limit: Duration) -> Result<(), Error> {
    let nodes: Api<Node> = Api::all(client.clone());
    eventually(limit, "the node to be Ready", async || {
        let node = nodes.get(Site::NODE).await?;
        let conditions = node.status.and_then(|status| status.conditions).unwrap_or_default();
        match conditions.iter().find(|condition| condition.type_ == "Ready") {
            Some(condition) if condition.status == "True" => Ok(()),
            Some(condition) => Err(condition.message.clone().unwrap_or_default().into()),
            None => Err("no condition Ready".into()),
        }
    })
    .await
}
