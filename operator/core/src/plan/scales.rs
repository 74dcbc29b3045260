//! How many pods: what is sent, what is left to others, and what is handed over between the two.

use std::collections::BTreeMap;

use ras_crds::ConditionType;
use ras_crds::spec::RolloutStrategy;

use crate::build::{BlockedBy, Scale};
use crate::fetched::DeploymentFacts;
use crate::valid::{Replicas, ValidDrive, ValidService};

/// `spec.replicas` to send. Nothing where an autoscaler or a person decides, except when the Deployment is
/// made: it would begin with one pod and wait for the autoscaler's first look.
pub fn sent(drive: &ValidDrive, service: &ValidService) -> Option<i32> {
    if drive.suspended {
        return Some(0);
    }
    if let Some(step) = step(drive, service) {
        return Some(step.next);
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

/// A service whose pods start one at a time, and that has fewer than it is to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// How many pods there should be now.
    pub next: i32,
    /// How many there should be in the end.
    pub last: i32,
}

/// Kubernetes replaces pods one at a time with [`RolloutStrategy::OneAtATime`], but starts all that are missing at once: when
/// a service starts for the first time, when it comes back from suspension, and when it gets more replicas. So the number
/// grows by one whenever every pod that there is serves in the present version. It never falls here.
pub fn step(drive: &ValidDrive, service: &ValidService) -> Option<Step> {
    if drive.suspended || service.rollout != RolloutStrategy::OneAtATime {
        return None;
    }
    let live = drive.deployments.get(&service.child);
    let there = live.map_or(0, |live| live.replicas);
    let before = live.and_then(|live| live.replicas_before_suspend);
    let last = match &service.replicas {
        Replicas::Fixed(count) => *count,
        Replicas::Open => before?,
        // An autoscaler at nothing was switched off by a person.
        Replicas::Autoscaled { .. } if live.is_some() && there == 0 && before.is_none() => return None,
        Replicas::Autoscaled { min, max, .. } => before.unwrap_or(*min).clamp(*min, (*max).max(*min)),
    };
    if there >= last || (live.is_none() && last == 1) {
        return None;
    }
    let serves = there == 0 || live.is_some_and(|live| live.complete);
    let next = if serves { there.saturating_add(1) } else { there };
    Some(Step { next, last })
}

/// While suspended: the count to come back with, where the spec does not tell it.
pub fn before_suspend(drive: &ValidDrive, service: &ValidService) -> Option<i32> {
    if matches!(service.replicas, Replicas::Fixed(_)) {
        return None;
    }
    if !drive.suspended {
        // Until all of them are back.
        step(drive, service)?;
        return drive.deployments.get(&service.child)?.replicas_before_suspend;
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
pub fn handovers(drive: &ValidDrive) -> BTreeMap<String, i32> {
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
pub fn scales(drive: &ValidDrive, held: &BTreeMap<String, BlockedBy>) -> BTreeMap<String, Scale> {
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
