//! What is told about the services.

use ras_crds::{ConditionType, Reason, RecruitmentDrive, RecruitmentDriveStatus, ServiceStatus};

use super::{Finding, Observed, Verdict, migrations};
use crate::drive::build::names;
use crate::drive::migration;

/// One service as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// What is shown.
    pub status: ServiceStatus,
    /// Whether the present version runs with all its pods.
    pub complete: bool,
    /// Why it is not, when it is not.
    reason: Reason,
}

/// Every service of the drive, in the spec's order.
pub fn statuses(
    drive: &RecruitmentDrive,
    observed: &Observed,
    verdict: &Verdict<'_>,
    before: &RecruitmentDriveStatus,
) -> Vec<Shown> {
    let (valid, held) = match verdict {
        Verdict::Applied { valid, outcome } => (Some(*valid), Some(&outcome.desired.held)),
        Verdict::Paused { asked } => (asked.map(|asked| asked.0), asked.map(|asked| asked.1)),
        Verdict::Invalid(_) => (None, None),
    };
    let migration = |name: &str| {
        let Some(valid) = valid else {
            // What succeeded must not be forgotten because of a mistake elsewhere in the spec.
            let shown = before.services.iter().find(|service| service.name == name)?;
            return shown.migration.clone();
        };
        let service = valid.services.iter().find(|service| service.name == name)?;
        Some(migrations::status(&migration::of(valid, service)?))
    };
    let drive_name = drive.metadata.name.as_deref().unwrap_or_default();
    drive
        .spec
        .services
        .iter()
        .map(|service| {
            let child = names::of_service(drive_name, &service.name);
            let deployment = observed.deployments.get(&child);
            let waiting = held
                .and_then(|held| held.get(&child))
                .filter(|waiting| waiting.condition == ConditionType::MigrationsReady);
            let mut status = ServiceStatus {
                name: service.name.clone(),
                image: service.image.clone(),
                migration: migration(&service.name),
                ..ServiceStatus::default()
            };
            // With no pods there is no version that could be the wrong one.
            let suspended = drive.spec.is_suspended() && waiting.is_some();
            let Some(state) = deployment else {
                if let Some((reason, message)) = observed.data.freezes(&child) {
                    status.message = Some(format!("its Deployment is not created: {message}"));
                    return Shown {
                        status,
                        complete: false,
                        reason,
                    };
                }
                status.message = Some(waiting.map_or_else(
                    || "its Deployment has not been made yet".to_owned(),
                    |waiting| waiting.message.clone(),
                ));
                return Shown {
                    status,
                    complete: suspended,
                    reason: Reason::RollingOut,
                };
            };
            status.ready = state.ready_of_present();
            status.desired = state.replicas;
            if let Some((reason, message)) = observed.data.freezes(&child) {
                status.message = Some(format!("it is not changed: {message}"));
                return Shown {
                    status,
                    complete: false,
                    reason,
                };
            }
            if let Some(waiting) = waiting.filter(|_| !suspended) {
                status.message = Some(format!(
                    "the version asked for is not rolled out yet: {}",
                    waiting.message
                ));
                return Shown {
                    status,
                    complete: false,
                    reason: Reason::RollingOut,
                };
            }
            if state.is_complete() {
                return Shown {
                    status,
                    complete: true,
                    reason: Reason::ServicesAvailable,
                };
            }
            let trouble = observed.troubles.iter().find(|trouble| trouble.service == service.name);
            let (reason, message) = if let Some(trouble) = trouble {
                (
                    Reason::PodsFailing,
                    format!("pod {}: {}: {}", trouble.pod, trouble.reason, trouble.message),
                )
            } else if let Some(why) = &state.cannot_create {
                (Reason::PodsFailing, format!("its pods cannot be made: {why}"))
            } else if let Some(why) = &state.stuck {
                (Reason::RolloutStuck, format!("{why} See `kubectl describe deployment`"))
            } else {
                (Reason::RollingOut, "its pods are starting".to_owned())
            };
            status.message = Some(message);
            Shown {
                status,
                complete: false,
                reason,
            }
        })
        .collect()
}

/// ServicesReady.
pub fn finding(drive: &RecruitmentDrive, services: &[Shown]) -> Finding {
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
        return Finding::new(ConditionType::ServicesReady, true, reason, message);
    }
    // The worst tells the reason: what fails by itself never gets better by waiting.
    let reason = [
        Reason::VolumeLost,
        Reason::DataBeingDeleted,
        Reason::PodsFailing,
        Reason::RolloutStuck,
    ]
    .into_iter()
    .find(|bad| lacking.iter().any(|service| service.reason == *bad))
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
    Finding::new(ConditionType::ServicesReady, false, reason, message.join("; "))
}
