//! What is told about the database server and the databases on it.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use ras_crds::{ConditionType, DatabaseBackupStatus, DatabaseState, DatabaseStatus, Reason, RecruitmentDriveStatus};

use super::{Finding, Observed, logins};
use crate::cluster::record::ChildKey;
use crate::database::report::Report;
use crate::drive::apply::Blocked;
use crate::drive::fetched::JobOutcome;
use crate::drive::preparation::{self, Preparation, Progress};
use crate::drive::valid::{DatabaseServer, ValidDatabase, ValidDrive};

/// How it is set going once more.
const AGAIN: &str =
    "it is tried again every few minutes, and at once when the annotation ras.dev/prepare-database gets a new value";

/// What status says.
pub fn status(valid: &ValidDrive) -> Option<DatabaseStatus> {
    let database = valid.database.as_ref()?;
    let preparation = preparation::of(valid)?;
    let recorded = &database.facts.recorded;
    let mut status = DatabaseStatus {
        databases: preparation.databases(database),
        ..recorded.clone()
    };
    match &preparation.progress {
        Progress::Recorded => {
            // What an earlier version of the operator recorded lacks it.
            status.storage = status.storage.or_else(|| database.facts.storage.clone());
        }
        Progress::Checking | Progress::Waiting(_) | Progress::Running(_) => {}
        Progress::Done(report) => {
            status.prepared = Some(preparation.work.clone());
            status.storage.clone_from(&database.facts.storage);
            status.checked_at = Some(ended(valid, &preparation));
            status.failed = None;
            status.message = None;
            status.done = done(report);
        }
        Progress::Failed { report, .. } => {
            status.failed = Some(preparation.work.clone());
            status.message = Some(failure(&preparation).1);
            if let Some(report) = report {
                status.done = done(report);
            }
        }
    }
    if let Some(version) = preparation.report().and_then(|report| report.server_version.clone()) {
        status.server_version = Some(version);
    }
    status.backup = backup(database);
    status.primary = database.facts.cluster.as_ref().and_then(|state| state.primary.clone());
    status.login = logins::status(valid, database);
    Some(status)
}

/// What is told of backups, where the drive asks for some.
fn backup(database: &ValidDatabase) -> Option<DatabaseBackupStatus> {
    let DatabaseServer::CloudNativePG(cluster) = &database.server else {
        return None;
    };
    cluster.backup.as_ref()?;
    let said = database.facts.cluster.as_ref().map(|state| &state.backup);
    Some(DatabaseBackupStatus {
        last_successful: said.and_then(|said| said.last_successful).map(Time),
        message: said.and_then(|said| said.trouble.clone()),
    })
}

/// When the Job ended, in whole seconds as all times in status.
fn ended(valid: &ValidDrive, preparation: &Preparation) -> Time {
    let at = valid.jobs.get(&preparation.job).and_then(|job| match job.outcome {
        JobOutcome::Succeeded { at } | JobOutcome::Failed { at, .. } => at,
        JobOutcome::Open => None,
    });
    let at = at.unwrap_or(valid.calendar.now);
    Time(Timestamp::from_second(at.as_second()).unwrap_or(at))
}

fn done(report: &Report) -> Vec<String> {
    let more = (report.done_more > 0).then(|| format!("and {} more", report.done_more));
    report.done.iter().cloned().chain(more).take(64).collect()
}

/// `DatabaseReady`, where the drive has databases.
pub fn finding(
    valid: &ValidDrive,
    observed: &Observed,
    blocked: &[&Blocked],
    before: &RecruitmentDriveStatus,
) -> Option<Finding> {
    let type_ = ConditionType::DatabaseReady;
    let database = valid.database.as_ref()?;
    let preparation = preparation::of(valid)?;
    if let Some((reason, message)) = server(database, observed, blocked, valid) {
        return Some(Finding::new(type_, false, reason, message));
    }
    let finding = |reason, message: String| Some(Finding::new(type_, false, reason, message));
    match &preparation.progress {
        Progress::Recorded | Progress::Checking => {
            Some(available(valid, database, database.facts.recorded.checked_at.as_ref()))
        }
        Progress::Done(_) => Some(available(valid, database, Some(&ended(valid, &preparation)))),
        Progress::Waiting(waiting) => finding(waiting.reason, waiting.message.clone()),
        Progress::Running(why) => {
            let recorded = &database.facts.recorded;
            let told = before
                .conditions
                .iter()
                .find(|condition| condition.type_ == type_.as_str());
            if let (true, Some(message), Some(told)) = (
                recorded.failed.as_ref() == Some(&preparation.work),
                &recorded.message,
                told,
            ) && let Some(reason) = Reason::ALL.iter().find(|reason| reason.as_str() == told.reason)
            {
                // The same is tried once more: nothing is better before it is known to be.
                return finding(*reason, message.clone());
            }
            match why {
                _ if is_beside_what_works(&preparation, database) => {
                    Some(available(valid, database, database.facts.recorded.checked_at.as_ref()))
                }
                Some(why) => finding(
                    Reason::DatabasePending,
                    format!(
                        "Job {} prepares the databases and has not started: {why}",
                        preparation.job
                    ),
                ),
                None => finding(
                    Reason::DatabasePending,
                    format!("Job {} prepares the databases", preparation.job),
                ),
            }
        }
        Progress::Failed { .. } => {
            let (reason, message) = failure(&preparation);
            finding(reason, message)
        }
    }
}

/// What is told when all is well. A backup that fails takes nothing from those who use the portal, so it is told beside it.
fn available(valid: &ValidDrive, database: &ValidDatabase, checked_at: Option<&Time>) -> Finding {
    let mut message = "every database is there, and its login works".to_owned();
    if let Some(checked_at) = checked_at {
        message.push_str(&format!(" (checked at {})", checked_at.0));
    }
    if let Some(more) = logins::message(valid, database) {
        message.push_str("; passwords: ");
        message.push_str(&more);
    }
    if let Some(trouble) = backup(database).and_then(|backup| backup.message) {
        message.push_str("; ");
        message.push_str(&trouble);
        message.push_str(": `kubectl get backup.postgresql.cnpg.io -n ");
        message.push_str(&valid.namespace);
        message.push_str("` tells more");
    }
    Finding::new(ConditionType::DatabaseReady, true, Reason::DatabasesAvailable, message)
}

/// Whether the Job makes the next logins beside those that services have: these work all the time.
fn is_beside_what_works(preparation: &Preparation, database: &ValidDatabase) -> bool {
    let rotation = &database.rotation;
    rotation.drawn > rotation.current
        && preparation
            .databases(database)
            .iter()
            .all(|line| matches!(line.state, DatabaseState::Ready | DatabaseState::Retained))
}

/// What is wrong with a server of the drive's own, if anything is.
fn server(
    database: &ValidDatabase,
    observed: &Observed,
    blocked: &[&Blocked],
    valid: &ValidDrive,
) -> Option<(Reason, String)> {
    if !database.is_managed() || database.facts.serves || valid.suspended {
        return None;
    }
    let in_the_way = blocked.iter().find(|one| is_named(&one.child, &database.child));
    if let Some(one) = in_the_way {
        return Some((one.reason, format!("the database server: {}", one.message)));
    }
    if matches!(database.server, DatabaseServer::CloudNativePG(_)) {
        return Some(preparation::cluster_trouble(valid, database));
    }
    let trouble = observed
        .troubles
        .iter()
        .find(|trouble| trouble.service == preparation::OF)?;
    Some((
        Reason::DatabaseFailing,
        format!(
            "the database server: pod {}: {}: {}",
            trouble.pod, trouble.reason, trouble.message
        ),
    ))
}

fn is_named(child: &ChildKey, name: &str) -> bool {
    *child.name == *name
}

/// Why the Job did not do what is asked.
fn failure(preparation: &Preparation) -> (Reason, String) {
    let Progress::Failed { report, said } = &preparation.progress else {
        return (Reason::DatabasePending, String::new());
    };
    let Some(report) = report else {
        let message = format!("Job {} failed: {said}; {AGAIN}", preparation.job);
        return (Reason::DatabaseRefused, message);
    };
    let mut messages: Vec<&str> = report.problems.iter().map(|problem| problem.message.as_str()).collect();
    messages.dedup();
    let more = match report.problems_more {
        0 => String::new(),
        count => format!("; and {count} more"),
    };
    let reason = report
        .problems
        .first()
        .map_or(Reason::DatabaseRefused, |problem| preparation::reason(problem.cause));
    (reason, format!("{}{more}; {AGAIN}", messages.join("; ")))
}
