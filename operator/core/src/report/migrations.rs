//! Status and conditions of migrations.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use ras_crds::labels::RUN_MIGRATION;
use ras_crds::{ConditionType, MigrationState, MigrationStatus, Reason};

use super::condition_update::ConditionUpdate;
use crate::applied::ApplyOutcome;
use crate::kind::Kind;
use crate::plan::Plan;
use crate::plan::migration::{Failure, MigrationPhase, MigrationPlan};
use crate::valid::ValidDrive;

/// One migration as it is shown, with what status remembers of those before it.
pub fn status(plan: &MigrationPlan) -> MigrationStatus {
    let mut shown = MigrationStatus {
        image: plan.image.clone(),
        succeeded: plan.succeeded.clone(),
        request: plan.identity.request.clone(),
        ..MigrationStatus::default()
    };
    match &plan.phase {
        MigrationPhase::Done { at } => {
            shown.state = MigrationState::Succeeded;
            shown.finished_at = at.map(Time);
        }
        MigrationPhase::Due => shown.message = Some("it has not begun".to_owned()),
        MigrationPhase::Behind { job } => {
            shown.message = Some(format!("it waits for an earlier one to end (Job {job})"));
        }
        MigrationPhase::Running { job, waits } => {
            shown.state = MigrationState::Running;
            shown.job = Some(job.clone());
            shown.message.clone_from(waits);
        }
        MigrationPhase::Failed { job, failure } => {
            let Failure { at, exit_code, why } = failure;
            shown.state = MigrationState::Failed;
            shown.job = Some(job.clone());
            shown.finished_at = at.map(Time);
            shown.exit_code = *exit_code;
            shown.message = Some(why.clone());
        }
    }
    shown
}

/// `MigrationsReady`, where a service has a migration.
pub fn condition(plan: &Plan<'_>, outcome: Option<&ApplyOutcome>) -> Option<ConditionUpdate> {
    let type_ = ConditionType::MigrationsReady;
    let mut failed = Vec::new();
    let mut open = Vec::new();
    let mut stalls = false;
    for migration in &plan.migrations {
        let of = &migration.service;
        match &migration.phase {
            MigrationPhase::Done { .. } => {}
            MigrationPhase::Failed { job, failure } => failed.push(failure_message(plan.drive, of, job, failure)),
            MigrationPhase::Due => {
                let why = outcome.and_then(|outcome| outcome.obstacle(Kind::Job, &migration.identity.job));
                let why = why.map_or_else(String::new, |(_, why)| format!(": {why}"));
                open.push(format!("the migration of service {of} has not begun{why}"));
            }
            MigrationPhase::Behind { job } => {
                open.push(format!(
                    "the migration of service {of} waits for an earlier one to end (Job {job})"
                ));
            }
            MigrationPhase::Running { job, waits: None } => {
                open.push(format!("the migration of service {of} runs (Job {job})"));
            }
            MigrationPhase::Running { job, waits: Some(why) } => {
                stalls |= migration.stalls;
                open.push(format!(
                    "the migration of service {of} (Job {job}) does not start: {why}"
                ));
            }
        }
    }
    if plan.migrations.is_empty() {
        return None;
    }
    Some(if !failed.is_empty() {
        ConditionUpdate::new(type_, false, Reason::MigrationFailed, failed.join("; ")).stalling(true)
    } else if open.is_empty() {
        ConditionUpdate::new(
            type_,
            true,
            Reason::MigrationsSucceeded,
            "every migration has succeeded",
        )
    } else if plan.drive.suspended {
        let message = "nothing is migrated while the drive is suspended";
        ConditionUpdate::new(type_, true, Reason::Suspended, message)
    } else {
        ConditionUpdate::new(type_, false, Reason::MigrationRunning, open.join("; ")).stalling(stalls)
    })
}

fn failure_message(drive: &ValidDrive, of: &str, job: &str, failure: &Failure) -> String {
    let ValidDrive { name, namespace, .. } = drive;
    format!(
        "the migration of service {of} (Job {job}) failed: {why}. Running pods keep serving. View the full log with \
         `kubectl -n {namespace} logs job/{job}`, then correct the spec, or let it run again with \
         `kubectl -n {namespace} annotate --overwrite drive {name} {RUN_MIGRATION}={of}@$(date +%s)`",
        why = failure.why
    )
}
