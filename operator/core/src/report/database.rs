//! Status and conditions of the database server and its databases.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use ras_crds::{ConditionType, DatabaseState, Reason, RecruitmentDriveStatus};

use super::condition_update::ConditionUpdate;
use super::observed::Observed;
use crate::applied::{ApplyOutcome, Blocked};
use crate::fetched::pods::worst;
use crate::fetched::record::ChildKey;
use crate::kind::Kind;
use crate::plan::database_job;
use crate::plan::database_job::{DatabaseJob, JobProgress, SERVER_DOWN};
use crate::plan::database_record::{backup, ended, failure, is_down, never_ran};
use crate::plan::input::DatabaseInput;
use crate::plan::{DatabasePlan, Plan};
use crate::valid::DatabaseServer;

/// `DatabaseReady`, where the drive has databases.
pub fn condition(
    plan: &Plan<'_>,
    observed: &Observed,
    outcome: Option<&ApplyOutcome>,
    blocked: &[&Blocked],
    before: &RecruitmentDriveStatus,
) -> Option<ConditionUpdate> {
    let type_ = ConditionType::DatabaseReady;
    let (at, decided) = plan.database()?;
    let (valid, database, preparation) = (plan.drive, at.database, &decided.job);
    if valid.suspended && database.is_managed() {
        let message = "the database server is stopped while the drive is suspended; its data is kept";
        return Some(ConditionUpdate::new(type_, false, Reason::Suspended, message));
    }
    if let Some(condition) = server(&at, observed, blocked) {
        return Some(condition);
    }
    let condition = |reason, message: String| Some(ConditionUpdate::new(type_, false, reason, message));
    if let Some(one) = password(preparation, &at, blocked) {
        return condition(one.reason, one.text());
    }
    match &preparation.progress {
        JobProgress::Recorded | JobProgress::Checking => {
            Some(available(&at, decided, at.facts.recorded.checked_at.as_ref()))
        }
        JobProgress::Done(_) => Some(available(&at, decided, Some(&ended(&at, preparation)))),
        JobProgress::BlockedBy(waiting) => condition(waiting.reason, waiting.message.clone()),
        JobProgress::Running(why) => {
            let recorded = &at.facts.recorded;
            let reported = before
                .conditions
                .iter()
                .find(|condition| condition.type_ == type_.as_str());
            if let (true, Some(message), Some(reported)) = (
                recorded.failed.as_ref() == Some(&preparation.work),
                &recorded.message,
                reported,
            ) && let Some(reason) = Reason::ALL.iter().find(|reason| reason.as_str() == reported.reason)
            {
                // The same is tried once more: nothing is better before it is known to be.
                let stalls = message.starts_with(&never_ran(preparation));
                return condition(*reason, message.clone()).map(|condition| condition.stalling(stalls));
            }
            match why {
                _ if is_beside_what_works(decided) => {
                    Some(available(&at, decided, at.facts.recorded.checked_at.as_ref()))
                }
                Some(why) => condition(
                    Reason::DatabasePending,
                    format!(
                        "Job {} prepares the databases and has not started: {why}",
                        preparation.job
                    ),
                )
                .map(|condition| condition.stalling(preparation.is_stalled(&at))),
                None => {
                    let (reason, message) = job(&at, preparation, outcome);
                    condition(reason, message)
                }
            }
        }
        JobProgress::Failed { .. } => {
            let (reason, message) = failure(preparation, &at);
            let stalls = message.starts_with(&never_ran(preparation));
            condition(reason, message).map(|condition| condition.stalling(stalls))
        }
    }
}

/// A Secret with a password that the Job needs and that could not be written. An existing Secret serves until the Job
/// has to run with it, unless it is unowned.
fn password<'a>(preparation: &DatabaseJob, at: &DatabaseInput<'_>, blocked: &[&'a Blocked]) -> Option<&'a Blocked> {
    let is_done = matches!(
        preparation.progress,
        JobProgress::Recorded | JobProgress::Checking | JobProgress::Done(_)
    );
    let keys = database_job::keys_of(at);
    let needed = |one: &&&Blocked| {
        one.child.kind == Kind::Secret
            && (one.reason == Reason::ForeignObject || !is_done)
            && keys.iter().any(|(name, _)| **name == *one.child.name)
    };
    blocked.iter().find(needed).copied()
}

/// The progress of the Job, or why it does not exist.
fn job(at: &DatabaseInput<'_>, preparation: &DatabaseJob, outcome: Option<&ApplyOutcome>) -> (Reason, String) {
    let name = &preparation.job;
    if let Some(obstacle) = outcome.and_then(|outcome| outcome.obstacle(Kind::Job, name)) {
        return obstacle;
    }
    let is_it = |child: &ChildKey| child.kind == Kind::Job && *child.name == **name;
    let is_created = outcome.is_some_and(|outcome| outcome.changes.created.iter().any(is_it));
    let message = if is_created || at.fetched.jobs.get(name).is_some_and(|job| !job.deleting) {
        format!("Job {name} prepares the databases")
    } else {
        format!("Job {name}, which prepares the databases, has not been created yet")
    };
    (Reason::DatabasePending, message)
}

/// The condition when all is well. A failing backup does not affect users of the portal, so it is only added to the
/// message.
fn available(at: &DatabaseInput<'_>, decided: &DatabasePlan, checked_at: Option<&Time>) -> ConditionUpdate {
    let mut message = "every database exists and its login works".to_owned();
    if let Some(checked_at) = checked_at {
        message = format!("{message} (checked at {})", checked_at.0);
    }
    if let Some(more) = &decided.rotation_message {
        message.push_str("; passwords: ");
        message.push_str(more);
    }
    if let Some(warning) = &decided.record.warning {
        message.push_str("; warning: ");
        message.push_str(warning);
    }
    if let Some(trouble) = backup(at).and_then(|backup| backup.message) {
        message.push_str("; ");
        message.push_str(&trouble);
        message.push_str(": `kubectl get backup.postgresql.cnpg.io -n ");
        message.push_str(&at.drive.namespace);
        message.push_str("` tells more");
    }
    ConditionUpdate::new(ConditionType::DatabaseReady, true, Reason::DatabasesAvailable, message)
}

/// True if the Job prepares the next logins while services keep theirs, which work all the time.
fn is_beside_what_works(decided: &DatabasePlan) -> bool {
    decided.turn.drawn > decided.turn.current
        && decided
            .databases
            .iter()
            .all(|line| matches!(line.state, DatabaseState::Ready | DatabaseState::Retained))
}

/// The problem of a managed server, if it has one. A server that is not ready is not available, whatever the cause.
fn server(at: &DatabaseInput<'_>, observed: &Observed, blocked: &[&Blocked]) -> Option<ConditionUpdate> {
    let (valid, database) = (at.drive, at.database);
    let condition = |reason, message| ConditionUpdate::new(ConditionType::DatabaseReady, false, reason, message);
    if !is_down(at) {
        return None;
    }
    let in_the_way = blocked.iter().find(|one| is_named(&one.child, &database.child));
    if let Some(one) = in_the_way {
        return Some(condition(one.reason, format!("the database server: {}", one.text())));
    }
    if matches!(database.server, DatabaseServer::CloudNativePG(_)) {
        let (reason, message) = database_job::cluster_trouble(at);
        return Some(condition(reason, message));
    }
    let now = at.calendar.now;
    let written = observed.server.as_ref().and_then(|server| server.written_at);
    let pod_failures = observed.pod_failures.iter();
    let trouble = worst(pod_failures.filter(|trouble| trouble.service == database_job::OF));
    let is_first_start = at.facts.recorded.prepared.is_none();
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
