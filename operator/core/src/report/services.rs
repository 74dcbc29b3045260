//! Status and conditions of services.

use k8s_openapi::jiff::Timestamp;
use ras_crds::spec::{Service, Volume};
use ras_crds::{ConditionType, Reason, RecruitmentDrive, RecruitmentDriveStatus, ServiceStatus, VolumeStatus};

use super::condition_update::ConditionUpdate;
use super::migrations;
use super::observed::Observed;
use super::outcome::ReconcileOutcome;
use crate::fetched::pods;
use crate::fetched::pods::{PodFailure, PodFailureKind, worst};
use crate::fetched::record::DeploymentState;
use crate::kind::Kind;
use crate::names;
use crate::plan::Plan;

/// The message on a service that has no other trouble.
const STARTING: &str = "its pods are starting";

/// One service as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    pub status: ServiceStatus,
    /// All pods run the current version.
    pub complete: bool,
    /// Why it is not, when it is not.
    reason: Reason,
    /// It stays as it is until a person changes something.
    stalls: bool,
}

/// Every service of the drive, in the spec's order.
#[allow(clippy::too_many_lines)] // One branch for each state of a service, the one that hides the others first.
pub fn statuses(
    drive: &RecruitmentDrive,
    observed: &Observed,
    result: &ReconcileOutcome<'_>,
    before: &RecruitmentDriveStatus,
    now: Timestamp,
) -> Vec<Shown> {
    let plan = result.plan();
    let migration = |name: &str| {
        let Some(plan) = plan else {
            // What succeeded must not be forgotten because of a mistake elsewhere in the spec.
            let shown = before.services.iter().find(|service| service.name == name)?;
            return shown.migration.clone();
        };
        let migration = plan.migrations.iter().find(|migration| migration.service == name)?;
        Some(migrations::status(migration))
    };
    let drive_name = drive.metadata.name.as_deref().unwrap_or_default();
    drive
        .spec
        .services
        .iter()
        .map(|service| {
            let child = names::of_service(drive_name, &service.name);
            let deployment = observed.deployments.get(&child);
            let waiting = plan.and_then(|plan| plan.blocked.get(&child)).filter(|waiting| {
                matches!(
                    waiting.condition,
                    ConditionType::MigrationsReady | ConditionType::ServicesReady
                )
            });
            let mut status = ServiceStatus {
                name: service.name.clone(),
                image: service.image.clone(),
                migration: migration(&service.name),
                volumes: volumes(drive_name, service),
                public_addresses: observed.public_addresses.get(&service.name).cloned().unwrap_or_default(),
                ..ServiceStatus::default()
            };
            let applied = result.applied();
            let obstacle = applied.and_then(|outcome| outcome.obstacle(Kind::Deployment, &child));
            // With no pods there is no version that could be the wrong one.
            let suspended = drive.spec.is_suspended() && waiting.is_some();
            let unfinished = |status| Shown {
                status,
                complete: false,
                reason: Reason::RollingOut,
                stalls: false,
            };
            let Some(state) = deployment else {
                status.desired = desired(drive, plan, service);
                if let Some((reason, message)) = observed.data.freezes(&child) {
                    status.message = Some(format!("its Deployment is not created: {message}"));
                    return Shown {
                        reason,
                        ..unfinished(status)
                    };
                }
                let waits = waiting.map(|waiting| match waiting.condition {
                    ConditionType::ServicesReady => (waiting.reason, waiting.message.clone()),
                    _ => (Reason::RollingOut, waiting.message.clone()),
                });
                let (reason, message) = waits
                    .or(obstacle)
                    .unwrap_or_else(|| (Reason::RollingOut, "its Deployment has not been created yet".to_owned()));
                status.message = Some(message);
                return Shown {
                    complete: suspended,
                    reason,
                    ..unfinished(status)
                };
            };
            status.desired = state.replicas;
            if let Some((reason, message)) = observed.data.freezes(&child) {
                status.ready = state.ready_of_present();
                status.message = Some(format!("it is not changed: {message}"));
                return Shown {
                    reason,
                    ..unfinished(status)
                };
            }
            if let Some(waiting) = waiting.filter(|_| !suspended) {
                // Whatever is ready is of the version before.
                status.message = Some(format!(
                    "the requested version is not rolled out yet: {}",
                    waiting.message
                ));
                return unfinished(status);
            }
            let step = plan.and_then(|plan| plan.replicas.get(&child)?.step);
            if let Some(step) = step {
                status.desired = step.last;
            }
            if let Some((reason, why)) = obstacle {
                status.message = Some(format!("the requested version is not rolled out: {why}"));
                return Shown {
                    reason,
                    ..unfinished(status)
                };
            }
            status.ready = state.ready_of_present();
            if state.is_complete() && step.is_none() {
                let asked = plan.and_then(|plan| plan.services.iter().find(|one| one.name == service.name));
                let is_public = asked.is_some_and(|asked| asked.ports().any(|port| port.public.is_some()));
                if is_public && status.public_addresses.is_empty() && !drive.spec.is_suspended() {
                    let name = names::public_service(drive_name, &service.name);
                    status.message = Some(format!(
                        "no load balancer has given Service {name} an address yet: see `kubectl describe service {name}`"
                    ));
                    return Shown {
                        reason: Reason::WaitingFor,
                        ..unfinished(status)
                    };
                }
                return Shown {
                    complete: true,
                    reason: Reason::ServicesAvailable,
                    ..unfinished(status)
                };
            }
            let (reason, mut message, stalls) = trouble(&service.name, state, observed, now);
            if step.is_some() && message == STARTING {
                "its pods start one at a time (rollout: OneAtATime)".clone_into(&mut message);
            }
            status.message = Some(message);
            Shown {
                reason,
                stalls,
                ..unfinished(status)
            }
        })
        .collect()
}

/// The PVCs of a service, by their volumes.
fn volumes(drive: &str, service: &Service) -> Vec<VolumeStatus> {
    let claim = |volume: &Volume| match (&volume.size, &volume.shared, &volume.existing) {
        (Some(_), _, _) => Some(names::volume_claim(drive, &service.name, &volume.name)),
        (None, Some(shared), _) => Some(names::shared_claim(drive, shared)),
        (None, None, Some(existing)) => Some(existing.claim_name.clone()),
        (None, None, None) => None,
    };
    let volumes = service.volumes.iter();
    volumes
        .filter_map(|volume| {
            Some(VolumeStatus {
                name: volume.name.clone(),
                claim_name: claim(volume)?,
            })
        })
        .collect()
}

/// Pods that there are to be of a service whose Deployment has yet to be made.
fn desired(drive: &RecruitmentDrive, plan: Option<&Plan<'_>>, service: &Service) -> i32 {
    if drive.spec.is_suspended() {
        return 0;
    }
    let of_valid = plan.and_then(|plan| plan.services.iter().find(|one| one.name == service.name));
    of_valid.map_or_else(
        || {
            let least = service
                .autoscaling
                .as_ref()
                .and_then(|autoscaling| autoscaling.min_replicas);
            least.or(service.replicas).unwrap_or(1)
        },
        |service| service.replicas.initial(),
    )
}

/// When it counts as lasting that the API server does not accept a Deployment's pods.
pub(super) fn refused_for_good_at(state: &DeploymentState) -> Option<Timestamp> {
    state.cannot_create.as_ref()?;
    let begin = state.cannot_create_since.max(state.written_at)?;
    Some(pods::after(begin, PodFailureKind::Refused.patience()?))
}

/// Why a service is not complete, in words, and whether waiting does not help.
fn trouble(name: &str, state: &DeploymentState, observed: &Observed, now: Timestamp) -> (Reason, String, bool) {
    let is_seen = state.observed_generation >= state.generation;
    let is_stuck = is_seen && state.stuck.is_some();
    let of_service = observed.pod_failures.iter().filter(|trouble| trouble.service == name);
    let shown = worst(of_service.filter(|trouble| trouble.is_shown(now)));
    if let Some(trouble) = shown.filter(|trouble| trouble.course < PodFailureKind::Creating) {
        let stalls = is_stuck || trouble.is_lasting(state.written_at, now);
        return (Reason::PodsFailing, trouble.text(), stalls);
    }
    if let Some(why) = &state.cannot_create {
        let stalls = is_stuck || refused_for_good_at(state).is_some_and(|at| is_seen && at <= now);
        return (Reason::PodsFailing, format!("its pods cannot be made: {why}"), stalls);
    }
    let slow = shown.map(PodFailure::text);
    if let Some(why) = state.stuck.as_ref().filter(|_| is_seen) {
        let detail = slow.unwrap_or_else(|| "See `kubectl describe deployment`".to_owned());
        return (Reason::RolloutStuck, format!("{why} {detail}"), true);
    }
    let message = slow.unwrap_or_else(|| {
        let is_ready = is_seen && state.ready_of_present() >= state.replicas;
        if is_ready && state.current > state.updated {
            "pods of the version before are being stopped".to_owned()
        } else if is_ready && state.current > state.replicas {
            "surplus pods are being stopped".to_owned()
        } else {
            STARTING.to_owned()
        }
    });
    let stalls = shown.is_some_and(|trouble| trouble.is_lasting(state.written_at, now));
    (Reason::RollingOut, message, stalls)
}

pub fn condition(drive: &RecruitmentDrive, services: &[Shown]) -> ConditionUpdate {
    let lacking: Vec<&Shown> = services.iter().filter(|service| !service.complete).collect();
    if lacking.is_empty() {
        let (reason, message) = if drive.spec.is_suspended() {
            (Reason::Suspended, "every service is scaled to nothing".to_owned())
        } else {
            (
                Reason::ServicesAvailable,
                "every service runs with all its pods".to_owned(),
            )
        };
        return ConditionUpdate::new(ConditionType::ServicesReady, true, reason, message);
    }
    // The worst service sets the reason: a crash does not recover by waiting.
    let reason = [
        Reason::VolumeLost,
        Reason::DataBeingDeleted,
        Reason::PodsFailing,
        Reason::RolloutStuck,
    ]
    .into_iter()
    .find(|bad| lacking.iter().any(|service| service.reason == *bad))
    .or_else(|| {
        let mut others = lacking.iter().map(|service| service.reason);
        others.find(|reason| *reason != Reason::RollingOut)
    })
    .unwrap_or(Reason::RollingOut);
    let message: Vec<String> = lacking
        .iter()
        .map(|service| {
            let status = &service.status;
            let why = status.message.as_deref().unwrap_or_default();
            format!(
                "service {}: {} of {} ready, {why}",
                status.name, status.ready, status.desired
            )
        })
        .collect();
    let stalls = lacking.iter().any(|service| service.stalls);
    ConditionUpdate::new(ConditionType::ServicesReady, false, reason, message.join("; ")).stalling(stalls)
}
