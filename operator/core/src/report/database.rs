//! What is told about the database server and the databases on it.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use ras_crds::{ConditionType, DatabaseBackupStatus, DatabaseState, DatabaseStatus, Reason, RecruitmentDriveStatus};

use super::{ConditionUpdate, Observed, logins};
use crate::applied::{Blocked, Outcome};
use crate::database::report::Report;
use crate::fetched::JobOutcome;
use crate::fetched::pods::worst;
use crate::fetched::record::ChildKey;
use crate::kind::Kind;
use crate::plan::database_job;
use crate::plan::database_job::{Preparation, Progress, SERVER_DOWN};
use crate::valid::{DatabaseServer, ValidDatabase, ValidDrive};

/// How it is set going once more.
const AGAIN: &str =
    "it is tried again every few minutes, and at once when the annotation ras.dev/prepare-database gets a new value";

/// What status says.
pub fn status(valid: &ValidDrive) -> Option<DatabaseStatus> {
    let database = valid.database.as_ref()?;
    let preparation = database_job::of(valid)?;
    let recorded = &database.facts.recorded;
    let mut databases = preparation.databases(database);
    if is_down(valid, database) {
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
        Progress::Recorded => {
            // What an earlier version of the operator recorded lacks it.
            status.storage = status.storage.or_else(|| database.facts.storage.clone());
        }
        Progress::Checking | Progress::BlockedBy(_) | Progress::Running(_) => {}
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
            status.message = Some(failure(&preparation, database).1);
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
pub fn condition(
    valid: &ValidDrive,
    observed: &Observed,
    outcome: Option<&Outcome>,
    blocked: &[&Blocked],
    before: &RecruitmentDriveStatus,
) -> Option<ConditionUpdate> {
    let type_ = ConditionType::DatabaseReady;
    let database = valid.database.as_ref()?;
    let preparation = database_job::of(valid)?;
    if valid.suspended && database.is_managed() {
        let message = "the database server is stopped while the drive is suspended; its data is kept";
        return Some(ConditionUpdate::new(type_, false, Reason::Suspended, message));
    }
    if let Some(condition) = server(database, observed, blocked, valid) {
        return Some(condition);
    }
    let condition = |reason, message: String| Some(ConditionUpdate::new(type_, false, reason, message));
    if let Some(one) = password(&preparation, database, blocked) {
        return condition(one.reason, one.told());
    }
    match &preparation.progress {
        Progress::Recorded | Progress::Checking => {
            Some(available(valid, database, database.facts.recorded.checked_at.as_ref()))
        }
        Progress::Done(_) => Some(available(valid, database, Some(&ended(valid, &preparation)))),
        Progress::BlockedBy(waiting) => condition(waiting.reason, waiting.message.clone()),
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
                let stalls = message.starts_with(&never_ran(&preparation));
                return condition(*reason, message.clone()).map(|condition| condition.stalling(stalls));
            }
            match why {
                _ if is_beside_what_works(&preparation, database) => {
                    Some(available(valid, database, database.facts.recorded.checked_at.as_ref()))
                }
                Some(why) => condition(
                    Reason::DatabasePending,
                    format!(
                        "Job {} prepares the databases and has not started: {why}",
                        preparation.job
                    ),
                )
                .map(|condition| condition.stalling(preparation.is_stalled(valid))),
                None => {
                    let (reason, message) = job(valid, &preparation, outcome);
                    condition(reason, message)
                }
            }
        }
        Progress::Failed { .. } => {
            let (reason, message) = failure(&preparation, database);
            let stalls = message.starts_with(&never_ran(&preparation));
            condition(reason, message).map(|condition| condition.stalling(stalls))
        }
    }
}

/// A Secret with a password that the Job needs and that could not be written. One that is there serves those who have it
/// until something has to be prepared with it, unless somebody else put it there.
fn password<'a>(preparation: &Preparation, database: &ValidDatabase, blocked: &[&'a Blocked]) -> Option<&'a Blocked> {
    let is_done = matches!(
        preparation.progress,
        Progress::Recorded | Progress::Checking | Progress::Done(_)
    );
    let keys = database_job::keys_of(database);
    let needed = |one: &&&Blocked| {
        one.child.kind == Kind::Secret
            && (one.reason == Reason::ForeignObject || !is_done)
            && keys.iter().any(|(name, _)| **name == *one.child.name)
    };
    blocked.iter().find(needed).copied()
}

/// What the Job does, or why it is not there.
fn job(valid: &ValidDrive, preparation: &Preparation, outcome: Option<&Outcome>) -> (Reason, String) {
    let name = &preparation.job;
    if let Some(obstacle) = outcome.and_then(|outcome| outcome.obstacle(Kind::Job, name)) {
        return obstacle;
    }
    let is_it = |child: &ChildKey| child.kind == Kind::Job && *child.name == **name;
    let is_created = outcome.is_some_and(|outcome| outcome.changes.created.iter().any(is_it));
    let message = if is_created || valid.jobs.get(name).is_some_and(|job| !job.deleting) {
        format!("Job {name} prepares the databases")
    } else {
        format!("Job {name}, which prepares the databases, has not been created yet")
    };
    (Reason::DatabasePending, message)
}

/// What is told when all is well. A backup that fails takes nothing from those who use the portal, so it is told beside it.
fn available(valid: &ValidDrive, database: &ValidDatabase, checked_at: Option<&Time>) -> ConditionUpdate {
    let mut message = "every database is there, and its login works".to_owned();
    if let Some(checked_at) = checked_at {
        message = format!("{message} (checked at {})", checked_at.0);
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
    ConditionUpdate::new(ConditionType::DatabaseReady, true, Reason::DatabasesAvailable, message)
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

/// Whether a server of the drive's own should run and is not ready.
pub fn is_down(valid: &ValidDrive, database: &ValidDatabase) -> bool {
    database.is_managed() && !database.facts.serves && !valid.suspended
}

/// What is wrong with a server of the drive's own, if anything is. One that is not ready is not available, whatever the cause.
fn server(
    database: &ValidDatabase,
    observed: &Observed,
    blocked: &[&Blocked],
    valid: &ValidDrive,
) -> Option<ConditionUpdate> {
    let condition = |reason, message| ConditionUpdate::new(ConditionType::DatabaseReady, false, reason, message);
    if !is_down(valid, database) {
        return None;
    }
    let in_the_way = blocked.iter().find(|one| is_named(&one.child, &database.child));
    if let Some(one) = in_the_way {
        return Some(condition(one.reason, format!("the database server: {}", one.told())));
    }
    if matches!(database.server, DatabaseServer::CloudNativePG(_)) {
        let (reason, message) = database_job::cluster_trouble(valid, database);
        return Some(condition(reason, message));
    }
    let now = valid.calendar.now;
    let written = observed.server.as_ref().and_then(|server| server.written_at);
    let pod_failures = observed.pod_failures.iter();
    let trouble = worst(pod_failures.filter(|trouble| trouble.service == database_job::OF));
    let is_first_start = database.facts.recorded.prepared.is_none();
    match trouble {
        Some(trouble) if trouble.is_shown(now) => {
            let message = format!("{SERVER_DOWN}: {}", trouble.text());
            let stalls = trouble.is_lasting(written, now);
            Some(condition(Reason::DatabaseFailing, message).stalling(stalls))
        }
        // The Job that prepares the databases waits for it, and says so.
        _ if is_first_start => None,
        Some(trouble) => {
            let message = format!("{SERVER_DOWN}: {}", trouble.text());
            Some(condition(Reason::DatabasePending, message))
        }
        None => {
            let message = format!(
                "{SERVER_DOWN}: it has no pod that runs; `kubectl -n {} describe statefulset {}` shows why",
                valid.namespace, database.child
            );
            Some(condition(Reason::DatabasePending, message))
        }
    }
}

fn is_named(child: &ChildKey, name: &str) -> bool {
    *child.name == *name
}

/// The Job sees the administrator's Secret as a directory, so the name of the Secret is added here.
fn with_secret(message: &str, database: &ValidDatabase) -> String {
    let name = match &database.server {
        DatabaseServer::External(external) => &external.secret.secret_name,
        DatabaseServer::Standalone(standalone) => &standalone.superuser.secret_name,
        DatabaseServer::CloudNativePG(cluster) => &cluster.admin,
    };
    let known = "the administrator's Secret";
    message.replacen(known, &format!("{known} {name:?}"), 1)
}

/// How the message on a Job begins that ended without a report: its program did not start, or not to its end.
fn never_ran(preparation: &Preparation) -> String {
    format!("Job {} failed", preparation.job)
}

/// Why the Job did not do what is asked.
fn failure(preparation: &Preparation, database: &ValidDatabase) -> (Reason, String) {
    let Progress::Failed { report, said } = &preparation.progress else {
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
    (reason, with_secret(&message, database))
}
