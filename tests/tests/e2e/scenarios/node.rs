//! What a drive promises when the programs of its node die.

use std::sync::Arc;

use k8s_openapi::{
    api::{coordination::v1::Lease, core::v1::Node},
    jiff::Timestamp,
};
use kube::Api;
use ras_crds::ConditionType;
use ras_tests::{
    Error,
    control_plane::Fate::{Killed, Started},
    eventually,
    node::Site,
};
use serde_json::json;

use super::portal;
use crate::{
    drive::{Drive, PATIENCE},
    images::PORTAL,
    load_generator::LoadGenerator,
    runner::{Scenario, ScenarioResult, Steps},
    scenarios,
    world::World,
};

pub fn all() -> Vec<Scenario> {
    scenarios![alone:
        programs_outlive_containerd_and_an_edit_waits_for_it,
        programs_outlive_a_kubelet_that_is_missed_and_an_edit_waits_for_it,
    ]
}

async fn programs_outlive_containerd_and_an_edit_waits_for_it(world: Arc<World>, steps: Steps) -> ScenarioResult {
    let cluster = world.own()?;
    let drive = Drive::new(&world, "containerd").await?;
    drive.apply(&portal(PORTAL[0], "")).await?;
    drive.ready().await?;
    let load_generator =
        LoadGenerator::start(&drive, "load-generator", LoadGenerator::address(&drive, "portal")).await?;
    steps.done("Ready, and the load generator gets answers");

    cluster.order(Killed, "containerd").await?;
    drive.apply(&portal(PORTAL[1], "")).await?;
    another_pod_waits(&drive).await?;
    let counts = load_generator.go_on().await?;
    assert_eq!(counts.answered.len(), 1, "nothing new can have started: {counts:?}");
    steps.done(&format!(
        "containerd is killed, the new pod waits: {}",
        counts.none_failed()?
    ));

    cluster.order(Started, "containerd").await?;
    drive.ready().await?;
    node_is(&world, "True").await?;
    load_generator.meet(2).await?;
    assert_eq!(drive.get("portal", "/").await?, json!({"version": "2"}));
    steps.done(&format!(
        "it is back, and the edit is carried out: {}",
        load_generator.leave().await?.none_failed()?
    ));
    Ok(())
}

async fn programs_outlive_a_kubelet_that_is_missed_and_an_edit_waits_for_it(
    world: Arc<World>,
    steps: Steps,
) -> ScenarioResult {
    let cluster = world.own()?;
    let drive = Drive::new(&world, "kubelet").await?;
    drive.apply(&portal(PORTAL[0], "")).await?;
    drive.ready().await?;
    let load_generator =
        LoadGenerator::start(&drive, "load-generator", LoadGenerator::address(&drive, "portal")).await?;
    let pods = drive.pods_of("portal").await?;
    let pod = pods.first().ok_or("no pod")?;
    let address = pod
        .status
        .as_ref()
        .and_then(|status| status.pod_ip.as_ref())
        .ok_or("no address")?;
    let neighbours = LoadGenerator::start(&drive, "neighbours", format!("http://{address}:8080/")).await?;
    steps.done("Ready, and the load generator gets answers");

    cluster.order(Killed, "kubelet").await?;
    load_generator.go_on().await?;
    cluster.order(Started, "kubelet").await?;
    kubelet_looks(&world).await?;
    drive.ready().await?;
    steps.done(&format!(
        "it is killed and started at once: {}",
        load_generator.leave().await?.none_failed()?
    ));

    cluster.order(Killed, "kubelet").await?;
    node_is(&world, "Unknown").await?;
    let message = drive
        .condition_mentions(ConditionType::ServicesReady, "does not report")
        .await?;
    // Kubernetes sends nobody to a pod of a node that is not heard of; whoever knows its address finds that it goes on.
    let counts = neighbours.go_on().await?;
    steps.done(&format!(
        "it is killed and missed, and the program goes on: {}; the drive says: {message}",
        counts.none_failed()?
    ));

    drive.apply(&portal(PORTAL[1], "")).await?;
    another_pod_waits(&drive).await?;
    cluster.order(Started, "kubelet").await?;
    node_is(&world, "True").await?;
    drive.ready().await?;
    assert_eq!(drive.get("portal", "/").await?, json!({"version": "2"}));
    steps.done("it is back, and the edit is carried out");
    Ok(())
}

/// Waits until there is a second pod of the portal, which does not run.
async fn another_pod_waits(drive: &Drive) -> Result<(), Error> {
    eventually(PATIENCE, "a new pod that waits", async || {
        let pods = drive.pods_of("portal").await?;
        let phases: Vec<_> = pods
            .iter()
            .filter_map(|pod| pod.status.as_ref()?.phase.clone())
            .collect();
        if phases.iter().any(|phase| phase == "Pending") && phases.len() == 2 {
            Ok(())
        } else {
            Err(format!("{phases:?}").into())
        }
    })
    .await
}

/// Waits until the kubelet has said something of its node since now.
async fn kubelet_looks(world: &World) -> Result<(), Error> {
    let leases: Api<Lease> = Api::namespaced(world.client()?, "kube-node-lease");
    let now = Timestamp::now();
    eventually(PATIENCE, "the kubelet to be heard of", async || {
        let lease = leases.get(Site::NODE).await?;
        match lease.spec.and_then(|spec| spec.renew_time) {
            Some(renewed) if renewed.0 > now => Ok(()),
            renewed => Err(format!("{renewed:?}").into()),
        }
    })
    .await
}

async fn node_is(world: &World, ready: &str) -> Result<(), Error> {
    let nodes: Api<Node> = Api::all(world.client()?);
    eventually(PATIENCE, &format!("the node's Ready to be {ready}"), async || {
        let node = nodes.get(Site::NODE).await?;
        let conditions = node.status.and_then(|status| status.conditions).unwrap_or_default();
        match conditions.iter().find(|condition| condition.type_ == "Ready") {
            Some(condition) if condition.status == ready => Ok(()),
            Some(condition) => Err(format!("{}: {:?}", condition.status, condition.message).into()),
            None => Err("no condition".into()),
        }
    })
    .await
}
