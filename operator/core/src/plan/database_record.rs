//! The record of the databases: what status says was prepared, on which server, and when. The next reconcile decides by it.
//!
//! | the Job | the record |
//! |---|---|
//! | recorded, checks, waits or runs | stays |
//! | succeeded | says that its work is done, on which storage and when |
//! | failed | says which work failed and why; what was done before stays done |

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use ras_crds::{DatabaseBackupStatus, DatabaseLoginStatus, DatabaseState, DatabaseStatus, Reason};

use crate::database::report::Report;
use crate::fetched::JobOutcome;
use crate::plan::database_job::{self, DatabaseJob, JobProgress, SERVER_DOWN};
use crate::plan::input::DatabaseInput;
use crate::valid::DatabaseServer;
use crate::whole_seconds::whole_seconds;

/// How it is set going once more.
const AGAIN: &str =
    "it is tried again every few minutes, and at once when the annotation ras.dev/prepare-database gets a new value";

pub fn record(at: &DatabaseInput<'_>, preparation: &DatabaseJob, login: Option<DatabaseLoginStatus>) -> DatabaseStatus {
    let recorded = &at.facts.recorded;
    let mut databases = preparation.databases(at);
    if is_down(at) {
        let ready = databases.iter_mut().filter(|line| line.state == DatabaseState::Ready);
        for line in ready {
            line.state = DatabaseState::Failing;
            line.message = Some(SERVER_DOWN.to_owned());
        }
    }
    let mut status = DatabaseStatus {
        databases,
        ..recorded.clone()
    };
    match &preparation.progress {
        JobProgress::Recorded => {
            // What an earlier version of the operator recorded lacks it.
            status.storage = status.storage.or_else(|| at.facts.storage.clone());
        }
        JobProgress::Checking | JobProgress::BlockedBy(_) | JobProgress::Running(_) => {}
        JobProgress::Done(report) => {
            status.prepared = Some(preparation.work.clone());
            status.storage.clone_from(&at.facts.storage);
            status.checked_at = Some(ended(at, preparation));
            status.failed = None;
            status.message = None;
            status.done = done(report);
            status.warning = report.warning.as_ref().map(|warning| with_secret(warning, at));
        }
        JobProgress::Failed { report, .. } => {
            status.failed = Some(preparation.work.clone());
            status.message = Some(failure(preparation, at).1);
            if let Some(report) = report {
                status.done = done(report);
            }
        }
    }
    if let Some(version) = preparation.report().and_then(|report| report.server_version.clone()) {
        status.server_version = Some(version);
    }
    status.backup = backup(at);
    status.primary = at.facts.cluster.as_ref().and_then(|state| state.primary.clone());
    status.login = login;
    status
}

/// The status of backups. Absent: the drive has none.
pub fn backup(at: &DatabaseInput<'_>) -> Option<DatabaseBackupStatus> {
    let DatabaseServer::CloudNativePG(cluster) = &at.database.server else {
        return None;
    };
    cluster.backup.as_ref()?;
    let said = at.facts.cluster.as_ref().map(|state| &state.backup);
    Some(DatabaseBackupStatus {
        last_successful: said.and_then(|said| said.last_successful).map(Time),
        message: said.and_then(|said| said.trouble.clone()),
    })
}

/// When the Job ended, in whole seconds as all times in status.
pub fn ended(at: &DatabaseInput<'_>, preparation: &DatabaseJob) -> Time {
    let ended = at.fetched.jobs.get(&preparation.job).and_then(|job| match job.outcome {
        JobOutcome::Succeeded { at } | JobOutcome::Failed { at, .. } => at,
        JobOutcome::Open => None,
    });
    whole_seconds(ended.unwrap_or(at.calendar.now))
}

fn done(report: &Report) -> Vec<String> {
    let more = (report.done_more > 0).then(|| format!("and {} more", report.done_more));
    report.done.iter().cloned().chain(more).take(64).collect()
}

/// True if a managed server should run and is not ready.
pub fn is_down(at: &DatabaseInput<'_>) -> bool {
    at.database.is_managed() && !at.facts.serves && !at.drive.suspended
}

/// The Job sees the administrator's Secret as a directory, so the name of the Secret is added here.
fn with_secret(message: &str, at: &DatabaseInput<'_>) -> String {
    let name = match &at.database.server {
        DatabaseServer::External(external) => &external.secret.secret_name,
        DatabaseServer::Standalone(standalone) => &standalone.superuser.secret_name,
        DatabaseServer::CloudNativePG(cluster) => &cluster.admin,
    };
    let known = "the administrator's Secret";
    message.replacen(known, &format!("{known} {name:?}"), 1)
}

/// How the message on a Job begins that ended without a report: its program did not start, or not to its end.
pub fn never_ran(preparation: &DatabaseJob) -> String {
    format!("Job {} failed", preparation.job)
}

/// Why the Job did not do what is asked.
pub fn failure(preparation: &DatabaseJob, at: &DatabaseInput<'_>) -> (Reason, String) {
    let JobProgress::Failed { report, said } = &preparation.progress else {
        return (Reason::DatabasePending, String::new());
    };
    let Some(report) = report else {
        let message = format!("{}: {said}; {AGAIN}", never_ran(preparation));
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
        .map_or(Reason::DatabaseRefused, |problem| database_job::reason(problem.cause));
    let message = format!("{}{more}; {AGAIN}", messages.join("; "));
    (reason, with_secret(&message, at))
}
