//! How many pods: what is sent, what is left to others, and what is handed over between the two.

use std::collections::BTreeMap;

use ras_crds::ConditionType;

use super::{Scale, Waiting};
use crate::drive::fetched::DeploymentFacts;
use crate::drive::valid::{Replicas, ValidDrive, ValidService};

/// `spec.replicas` to send. Nothing where an autoscaler or a person decides, except when the Deployment is
/// made: it would begin with one pod and wait for the autoscaler's first look.
pub(super) fn sent(drive: &ValidDrive, service: &ValidService) -> Option<i32> {
    if drive.suspended {
        return Some(0);
    }
    match &service.replicas {
        Replicas::Fixed(count) => Some(*count),
        Replicas::Open | Replicas::Autoscaled { .. } => {
            let is_new = !drive.deployments.contains_key(&service.child);
            let initial = service.replicas.initial();
            (is_new && initial != 1).then_some(initial)
        }
    }
}

/// While suspended: the count to come back with, where the spec does not tell it.
pub(super) fn before_suspend(drive: &ValidDrive, service: &ValidService) -> Option<i32> {
    if !drive.suspended || matches!(service.replicas, Replicas::Fixed(_)) {
        return None;
    }
    // A Deployment that is made while the drive is suspended never had a count: it begins as any other.
    Some(
        drive
            .deployments
            .get(&service.child)
            .map_or(service.replicas.initial(), |live| {
                live.replicas_before_suspend.unwrap_or(live.replicas)
            }),
    )
}

/// For each Deployment that exists and whose `replicas` is not sent: the count it should have at the moment
/// the operator lets go of the field. Without it, it would fall to one for a moment.
pub(super) fn handovers(drive: &ValidDrive) -> BTreeMap<String, i32> {
    drive
        .services
        .iter()
        .filter(|service| sent(drive, service).is_none())
        .filter_map(|service| {
            let live = drive.deployments.get(&service.child)?;
            Some((service.child.clone(), handover(&service.replicas, live)))
        })
        .collect()
}

fn handover(replicas: &Replicas, live: &DeploymentFacts) -> i32 {
    let resuming = live.replicas_before_suspend.filter(|_| live.replicas == 0);
    let count = resuming.unwrap_or(live.replicas);
    match replicas {
        // At nothing an autoscaler is switched off and never comes back by itself.
        Replicas::Autoscaled { min, max, .. } => count.clamp(*min, (*max).max(*min)),
        Replicas::Fixed(_) | Replicas::Open => count,
    }
}

/// How many pods of the version before there should be, where the version that is asked for waits for a migration and that is
/// another number than there is. The whole Deployment cannot be applied then: that would be the next version.
pub(super) fn scales(drive: &ValidDrive, held: &BTreeMap<String, Waiting>) -> BTreeMap<String, Scale> {
    let waits = |child: &String| {
        held.get(child)
            .is_some_and(|waiting| waiting.condition == ConditionType::MigrationsReady)
    };
    drive
        .services
        .iter()
        .filter(|service| waits(&service.child))
        .filter_map(|service| {
            let live = drive.deployments.get(&service.child)?;
            let scale = if drive.suspended {
                (live.replicas > 0).then_some(Scale::Stop(live.replicas))
            } else {
                back(&service.replicas, live).map(Scale::Resume)
            };
            Some((service.child.clone(), scale?))
        })
        .collect()
}

/// Pods that come back, of a Deployment that has none.
fn back(replicas: &Replicas, live: &DeploymentFacts) -> Option<i32> {
    let before = live.replicas_before_suspend.filter(|before| *before > 0);
    let count = match replicas {
        Replicas::Fixed(count) => Some(*count),
        Replicas::Open => before,
        Replicas::Autoscaled { min, max, .. } => before.map(|before| before.clamp(*min, (*max).max(*min))),
    };
    count.filter(|count| *count > 0 && live.replicas == 0)
}
