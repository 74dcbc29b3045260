//! The record of the logins of databases: which ones services have, and when they get the next ones. Never a password.

use ras_crds::{DatabaseLoginStatus, DatabaseRollbackStatus};

use crate::plan::database_job::{DatabaseJob, JobProgress};
use crate::plan::input::DatabaseInput;
use crate::plan::login_rotation;
use crate::plan::login_rotation::RotationPhase;
use crate::plan::secret_rotation::RotationSchedule;
use crate::whole_seconds::whole_seconds;

/// The record of the rotation in the status. Absent: passwords do not rotate, never did, and no rotation was requested.
pub fn record(
    at: &DatabaseInput<'_>,
    standing: &RotationPhase,
    preparation: &DatabaseJob,
) -> Option<DatabaseLoginStatus> {
    let (rotation, turn) = (&at.database.rotation, at.turn);
    let is_quiet = matches!(
        standing,
        RotationPhase::InUse(RotationSchedule::Unscheduled | RotationSchedule::At(_))
    );
    if is_quiet && !rotation.rotates && turn.current == 0 {
        return None;
    }
    let now = at.calendar.now;
    if *standing == RotationPhase::Moving {
        return Some(DatabaseLoginStatus {
            generation: number(turn.drawn),
            since: Some(whole_seconds(now)),
            settled_at: None,
            awaits: login_rotation::will_await(at),
            rolled_back: None,
            answered: answered(at),
            next_rotation: None,
            message: None,
        });
    }
    let recorded = login_rotation::recorded(at);
    let rolled_back = rolled_back(at);
    let settled_at = recorded.and_then(|login| login.settled_at.clone()).or_else(|| {
        let is_settled = turn.current > 0 && login_rotation::unsettled(at).is_none();
        is_settled.then(|| whole_seconds(now))
    });
    Some(DatabaseLoginStatus {
        generation: number(turn.current),
        since: recorded
            .and_then(|login| login.since.clone())
            .or_else(|| rolled_back.as_ref().and_then(|rolled_back| rolled_back.at.clone()))
            .or_else(|| login_rotation::drawn_at(at).map(whole_seconds)),
        // Who took a program back by hand has to wait for its pods once more.
        settled_at: settled_at.filter(|_| !login_rotation::strays(at)),
        awaits: login_rotation::awaits(at),
        answered: recorded
            .and_then(|login| login.answered.clone())
            .or_else(|| rolled_back.as_ref().and_then(|_| answered(at))),
        rolled_back,
        next_rotation: standing.next().map(whole_seconds),
        message: message_of(at, standing, preparation),
    })
}

/// How far a rotation is, or what one that is due waits for; and that the last one was rolled back.
pub fn message(at: &DatabaseInput<'_>, standing: &RotationPhase, preparation: &DatabaseJob) -> Option<String> {
    let rollback = rolled_back(at).map(|rolled_back| after_rollback(&rolled_back));
    let more = message_of(at, standing, preparation);
    let parts: Vec<String> = rollback.into_iter().chain(more).collect();
    (!parts.is_empty()).then(|| parts.join("; "))
}

/// That a rotation was rolled back, why, and what to do.
pub fn after_rollback(rolled_back: &DatabaseRollbackStatus) -> String {
    format!(
        "rotation {} was rolled back, and services use the login before it again, because {}. Let the program read its user from DATABASE_USER or DATABASE_URL, or from a variable with key: user or key: userSuffix, and then request the rotation again with another value of the annotation ras.dev/rotate",
        rolled_back.generation, rolled_back.message
    )
}

/// The last rotation, if it was rolled back. What status said of the crash stays: the pod is gone by now.
fn rolled_back(at: &DatabaseInput<'_>) -> Option<DatabaseRollbackStatus> {
    let generation = number(at.turn.rolled_back?);
    let known = at.facts.recorded.login.as_ref();
    let known = known.and_then(|login| login.rolled_back.clone());
    let new = || DatabaseRollbackStatus {
        generation,
        at: Some(whole_seconds(at.calendar.now)),
        message: login_rotation::why_rolled_back(at),
    };
    Some(known.filter(|known| known.generation == generation).unwrap_or_else(new))
}

fn message_of(at: &DatabaseInput<'_>, standing: &RotationPhase, preparation: &DatabaseJob) -> Option<String> {
    if let Some(why) = standing.waits() {
        return Some(why.to_owned());
    }
    match standing {
        RotationPhase::Preparing => Some(preparing(preparation)),
        RotationPhase::InUse(_) if at.turn.current > 0 => {
            let why = login_rotation::unsettled(at)?;
            Some(format!(
                "services are rolled out with the current login of each owner: {why}"
            ))
        }
        RotationPhase::RollingBack => {
            Some("pods crash with the present login, and the rotation is rolled back".to_owned())
        }
        RotationPhase::InUse(_)
        | RotationPhase::Ready(_)
        | RotationPhase::Unrecorded
        | RotationPhase::Drawing
        | RotationPhase::Moving => None,
    }
}

fn preparing(preparation: &DatabaseJob) -> String {
    let what = "the next login of each owner is made ready, and services keep the present one until it works";
    match &preparation.progress {
        JobProgress::Running(None) => format!("{what} (Job {})", preparation.job),
        JobProgress::Running(Some(why)) => format!("{what} (Job {} has not started: {why})", preparation.job),
        JobProgress::BlockedBy(waiting) => format!("{what}: {}", waiting.message),
        JobProgress::Failed { .. } => format!("{what}: the Job failed; the condition DatabaseReady shows why"),
        JobProgress::Recorded | JobProgress::Checking | JobProgress::Done(_) => what.to_owned(),
    }
}

/// The request that the passwords of the current rotation were generated for.
fn answered(at: &DatabaseInput<'_>) -> Option<String> {
    let mut secrets = at.turn.others.iter();
    secrets.find_map(|login| at.fetched.secrets.get(&login.secret_name)?.rotated_for.clone())
}

fn number(generation: u64) -> i64 {
    i64::try_from(generation).unwrap_or(i64::MAX)
}
