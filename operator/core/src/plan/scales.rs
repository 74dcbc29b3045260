//! How many pods: what is sent, what is left to others, and what is handed over between the two.

use std::collections::BTreeMap;

use ras_crds::ConditionType;
use ras_crds::spec::RolloutStrategy;

use crate::fetched::DeploymentFacts;
use crate::plan::blocked_by::BlockedBy;
use crate::plan::input::Input;
use crate::valid::{Replicas as Asked, ValidService};

/// Another number of pods for a Deployment that stays as it is otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// None, with the number that it has now, to be noted.
    Stop(i32),
    /// This many again.
    Resume(i32),
}

/// How many pods a Deployment has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Replicas {
    /// `spec.replicas` to send. Absent: an autoscaler or a person decides.
    pub sent: Option<i32>,
    /// The replica count to restore after suspension, if the spec has none.
    pub before_suspend: Option<i32>,
    /// The next step of a service whose pods start one at a time.
    pub step: Option<ScaleStep>,
    /// The count to hand over with, where the Deployment exists and `replicas` is not sent: without it the Deployment would
    /// fall to one pod for a moment.
    pub handover: Option<i32>,
}

/// How many pods each Deployment has, by its name.
pub fn replicas(input: &Input<'_>) -> BTreeMap<String, Replicas> {
    let of = |service: &ValidService| {
        let live = input.fetched.deployments.get(&service.child);
        let sent = sent(input, service);
        Replicas {
            sent,
            before_suspend: before_suspend(input, service),
            step: step(input, service),
            handover: live
                .filter(|_| sent.is_none())
                .map(|live| handover(&service.replicas, live)),
        }
    };
    let services = input.services.iter();
    services.map(|service| (service.child.clone(), of(service))).collect()
}

/// `spec.replicas` to send. Nothing where an autoscaler or a person decides, except when the Deployment is
/// made: it would begin with one pod and wait for the autoscaler's first look.
fn sent(input: &Input<'_>, service: &ValidService) -> Option<i32> {
    if input.drive.suspended {
        return Some(0);
    }
    if let Some(step) = step(input, service) {
        return Some(step.next);
    }
    match &service.replicas {
        Asked::Fixed(count) => Some(*count),
        Asked::Open | Asked::Autoscaled { .. } => {
            let is_new = !input.fetched.deployments.contains_key(&service.child);
            let initial = service.replicas.initial();
            (is_new && initial != 1).then_some(initial)
        }
    }
}

/// A service whose pods start one at a time, and that has fewer than it is to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScaleStep {
    /// How many pods there should be now.
    pub next: i32,
    /// How many there should be in the end.
    pub last: i32,
}

/// Kubernetes replaces pods one at a time with [`RolloutStrategy::OneAtATime`], but starts all that are missing at once: when
/// a service starts for the first time, when it comes back from suspension, and when it gets more replicas. So the number
/// grows by one whenever every pod that there is serves in the present version. It never falls here.
fn step(input: &Input<'_>, service: &ValidService) -> Option<ScaleStep> {
    if input.drive.suspended || service.rollout != RolloutStrategy::OneAtATime {
        return None;
    }
    let live = input.fetched.deployments.get(&service.child);
    let there = live.map_or(0, |live| live.replicas);
    let before = live.and_then(|live| live.replicas_before_suspend);
    let last = match &service.replicas {
        Asked::Fixed(count) => *count,
        Asked::Open => before?,
        // An autoscaler at nothing was switched off by a person.
        Asked::Autoscaled { .. } if live.is_some() && there == 0 && before.is_none() => return None,
        Asked::Autoscaled { min, max, .. } => before.unwrap_or(*min).clamp(*min, (*max).max(*min)),
    };
    if there >= last || (live.is_none() && last == 1) {
        return None;
    }
    let serves = there == 0 || live.is_some_and(|live| live.complete);
    let next = if serves { there.saturating_add(1) } else { there };
    Some(ScaleStep { next, last })
}

/// While suspended: the replica count to restore, if the spec has none.
fn before_suspend(input: &Input<'_>, service: &ValidService) -> Option<i32> {
    if matches!(service.replicas, Asked::Fixed(_)) {
        return None;
    }
    if !input.drive.suspended {
        // Until all of them are back.
        step(input, service)?;
        return input.fetched.deployments.get(&service.child)?.replicas_before_suspend;
    }
    // A Deployment that is made while the drive is suspended never had a count: it begins as any other.
    Some(
        input
            .fetched
            .deployments
            .get(&service.child)
            .map_or(service.replicas.initial(), |live| {
                live.replicas_before_suspend.unwrap_or(live.replicas)
            }),
    )
}

fn handover(replicas: &Asked, live: &DeploymentFacts) -> i32 {
    let resuming = live.replicas_before_suspend.filter(|_| live.replicas == 0);
    let count = resuming.unwrap_or(live.replicas);
    match replicas {
        // At 0 replicas an autoscaler is disabled, and it never scales up again.
        Asked::Autoscaled { min, max, .. } => count.clamp(*min, (*max).max(*min)),
        Asked::Fixed(_) | Asked::Open => count,
    }
}

/// How many pods of the version before there should be, where the version that is asked for waits for a migration and that is
/// another number than there is. The whole Deployment cannot be applied then: that would be the next version.
pub fn scales(input: &Input<'_>, held: &BTreeMap<String, BlockedBy>) -> BTreeMap<String, Scale> {
    let waits = |child: &String| {
        held.get(child)
            .is_some_and(|waiting| waiting.condition == ConditionType::MigrationsReady)
    };
    input
        .services
        .iter()
        .filter(|service| waits(&service.child))
        .filter_map(|service| {
            let live = input.fetched.deployments.get(&service.child)?;
            let scale = if input.drive.suspended {
                (live.replicas > 0).then_some(Scale::Stop(live.replicas))
            } else {
                back(&service.replicas, live).map(Scale::Resume)
            };
            Some((service.child.clone(), scale?))
        })
        .collect()
}

/// Pods that come back, of a Deployment that has none.
fn back(replicas: &Asked, live: &DeploymentFacts) -> Option<i32> {
    let before = live.replicas_before_suspend.filter(|before| *before > 0);
    let count = match replicas {
        Asked::Fixed(count) => Some(*count),
        Asked::Open => before,
        Asked::Autoscaled { min, max, .. } => before.map(|before| before.clamp(*min, (*max).max(*min))),
    };
    count.filter(|count| *count > 0 && live.replicas == 0)
}
