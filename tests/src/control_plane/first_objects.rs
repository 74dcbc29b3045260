use std::time::Duration;

use k8s_openapi::api::{
    core::v1::{Node, ServiceAccount},
    storage::v1::StorageClass,
};
use kube::{
    Api, Client,
    api::{ListParams, PostParams},
};
use serde_json::{from_value, json};

use crate::{Error, eventually};

/// One in each zone, so that spreading over zones can be seen.
const ZONES: [&str; 3] = ["z1", "z2", "z3"];

/// Creates the fake nodes and the default `StorageClass`.
pub(super) async fn create(client: &Client) -> Result<(), Error> {
    let nodes: Api<Node> = Api::all(client.clone());
    for (number, zone) in (1..).zip(ZONES) {
        let name = format!("node-{number}");
        let room = json!({"cpu": "1000", "memory": "4Ti", "pods": "10000", "ephemeral-storage": "100Ti"});
        let node: Node = from_value(json!({
            "metadata": {
                "name": name,
                "annotations": {"kwok.x-k8s.io/node": "fake"},
                "labels": {
                    "kubernetes.io/arch": "amd64",
                    "kubernetes.io/hostname": name,
                    "kubernetes.io/os": "linux",
                    "topology.kubernetes.io/region": "r1",
                    "topology.kubernetes.io/zone": zone,
                },
            },
            "status": {"allocatable": room, "capacity": room},
        }))
        .map_err(Error::unreadable("the fake node"))?;
        nodes
            .create(&PostParams::default(), &node)
            .await
            .map_err(Error::api(format!("creating Node {name}")))?;
    }
    // Its name and provisioner are those that kwok's volume stages look for.
    let class: StorageClass = from_value(json!({
        "metadata": {
            "name": "kwok-volume",
            "annotations": {"storageclass.kubernetes.io/is-default-class": "true"},
        },
        "provisioner": "kwok.x-k8s.io/volume",
        "volumeBindingMode": "Immediate",
    }))
    .map_err(Error::unreadable("the StorageClass"))?;
    let classes: Api<StorageClass> = Api::all(client.clone());
    classes
        .create(&PostParams::default(), &class)
        .await
        .map_err(Error::api("creating the StorageClass"))?;
    Ok(())
}

/// Waits until the nodes are Ready (so kwok works) and a namespace has its `ServiceAccount` (so the controllers do).
pub(super) async fn wait(client: &Client, limit: Duration) -> Result<(), Error> {
    let nodes: Api<Node> = Api::all(client.clone());
    eventually(limit, "three Ready nodes", async || {
        let ready = nodes
            .list(&ListParams::default())
            .await?
            .into_iter()
            .filter(is_ready)
            .count();
        if ready == ZONES.len() {
            Ok(())
        } else {
            Err(format!("{ready} Ready nodes").into())
        }
    })
    .await?;
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), "default");
    eventually(limit, "the ServiceAccount `default`", async || {
        Ok(accounts.get("default").await?)
    })
    .await?;
    Ok(())
}

fn is_ready(node: &Node) -> bool {
    let conditions = node.status.as_ref().and_then(|status| status.conditions.as_ref());
    conditions
        .into_iter()
        .flatten()
        .any(|condition| condition.type_ == "Ready" && condition.status == "True")
}
