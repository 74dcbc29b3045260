//! What is told about migrations.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use ras_crds::labels::RUN_MIGRATION;
use ras_crds::{ConditionType, Migrated, MigrationState, MigrationStatus, Reason};

use super::ConditionUpdate;
use crate::applied::Outcome;
use crate::kind::Kind;
use crate::plan::migration::{Failure, Identity, Migrating, MigrationPhase, REMEMBERED, all};
use crate::valid::ValidDrive;

/// One migration as it is shown, with what status remembers of those before it.
pub fn status(migrating: &Migrating<'_>) -> MigrationStatus {
    let identity = migrating.identity();
    let standing = migrating.standing();
    let mut shown = MigrationStatus {
        image: migrating.service.container.image.clone(),
        succeeded: remembered(migrating, &identity, &standing),
        request: identity.request,
        ..MigrationStatus::default()
    };
    match standing {
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
            shown.job = Some(job);
            shown.message = waits;
        }
        MigrationPhase::Failed { job, failure } => {
            let Failure { at, exit_code, why } = failure;
            shown.state = MigrationState::Failed;
            shown.job = Some(job);
            shown.finished_at = at.map(Time);
            shown.exit_code = exit_code;
            shown.message = Some(why);
        }
    }
    shown
}

/// What succeeded, the newest first. What a person wants to run again has not.
fn remembered(migrating: &Migrating<'_>, identity: &Identity, standing: &MigrationPhase) -> Vec<Migrated> {
    let recorded = migrating.drive.migrations.get(&migrating.service.name);
    let mut succeeded = recorded.map(|recorded| recorded.succeeded.clone()).unwrap_or_default();
    if migrating.is_asked_anew() {
        succeeded.retain(|past| past.content != identity.content);
    }
    let MigrationPhase::Done { at } = standing else {
        return succeeded;
    };
    let now = &identity.databases;
    succeeded.retain(|past| {
        past.content != identity.content || past.databases.is_none() || now.is_none() || past.databases == *now
    });
    if let Some(past) = succeeded.iter_mut().find(|past| past.content == identity.content) {
        past.databases = past.databases.take().or_else(|| now.clone());
    } else {
        let new = Migrated {
            content: identity.content.clone(),
            databases: now.clone(),
            image: migrating.service.container.image.clone(),
            finished_at: at.map(Time),
        };
        succeeded.insert(0, new);
        succeeded.truncate(REMEMBERED);
    }
    succeeded
}

/// `MigrationsReady`, where a service has a migration.
pub fn condition(valid: &ValidDrive, outcome: Option<&Outcome>) -> Option<ConditionUpdate> {
    let type_ = ConditionType::MigrationsReady;
    let mut failed = Vec::new();
    let mut open = Vec::new();
    let mut count = 0;
    let mut stalls = false;
    for migrating in all(valid) {
        count += 1;
        let of = &migrating.service.name;
        match migrating.standing() {
            MigrationPhase::Done { .. } => {}
            MigrationPhase::Failed { job, failure } => failed.push(told(&migrating, &job, &failure)),
            MigrationPhase::Due => {
                let why = outcome.and_then(|outcome| outcome.obstacle(Kind::Job, &migrating.identity().job));
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
                stalls |= migrating.is_stalled(&job);
                open.push(format!(
                    "the migration of service {of} (Job {job}) does not start: {why}"
                ));
            }
        }
    }
    if count == 0 {
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
    } else if valid.suspended {
        let message = "nothing is migrated while the drive is suspended";
        ConditionUpdate::new(type_, true, Reason::Suspended, message)
    } else {
        ConditionUpdate::new(type_, false, Reason::MigrationRunning, open.join("; ")).stalling(stalls)
    })
}

fn told(migrating: &Migrating<'_>, job: &str, failure: &Failure) -> String {
    let ValidDrive { name, namespace, .. } = migrating.drive;
    let of = &migrating.service.name;
    format!(
        "the migration of service {of} (Job {job}) failed: {why}. The pods that run go on serving. Read all it said with \
         `kubectl -n {namespace} logs job/{job}`, then correct the spec, or let it run again with \
         `kubectl -n {namespace} annotate --overwrite drive {name} {RUN_MIGRATION}={of}@$(date +%s)`",
        why = failure.why
    )
}
