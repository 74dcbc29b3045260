//! What is told about the logins of databases: which services have, and when they get the next ones. Never a password.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use ras_crds::{DatabaseLoginStatus, DatabaseRollbackStatus};

use crate::plan::database_job;
use crate::plan::database_job::Progress;
use crate::plan::login_rotation;
use crate::plan::login_rotation::RotationPhase;
use crate::plan::secret_rotation::RotationSchedule;
use crate::valid::{ValidDatabase, ValidDrive};

/// What status says, where passwords rotate, have rotated, or were asked to.
pub(super) fn status(valid: &ValidDrive, database: &ValidDatabase) -> Option<DatabaseLoginStatus> {
    let rotation = &database.rotation;
    let standing = login_rotation::standing(valid);
    let is_quiet = matches!(
        standing,
        RotationPhase::InUse(RotationSchedule::Unscheduled | RotationSchedule::At(_))
    );
    if is_quiet && !rotation.rotates && rotation.current == 0 {
        return None;
    }
    let now = valid.calendar.now;
    if standing == RotationPhase::Moving {
        return Some(DatabaseLoginStatus {
            generation: number(rotation.drawn),
            since: Some(whole_seconds(now)),
            settled_at: None,
            awaits: login_rotation::will_await(valid, database),
            rolled_back: None,
            answered: answered(valid, database),
            next_rotation: None,
            message: None,
        });
    }
    let recorded = login_rotation::recorded(database);
    let rolled_back = rolled_back(valid, database);
    let settled_at = recorded.and_then(|login| login.settled_at.clone()).or_else(|| {
        let is_settled = rotation.current > 0 && login_rotation::unsettled(valid, database).is_none();
        is_settled.then(|| whole_seconds(now))
    });
    Some(DatabaseLoginStatus {
        generation: number(rotation.current),
        since: recorded
            .and_then(|login| login.since.clone())
            .or_else(|| rolled_back.as_ref().and_then(|rolled_back| rolled_back.at.clone()))
            .or_else(|| login_rotation::drawn_at(valid, database).map(whole_seconds)),
        // Who took a program back by hand has to wait for its pods once more.
        settled_at: settled_at.filter(|_| !login_rotation::strays(database)),
        awaits: login_rotation::awaits(valid, database),
        answered: recorded
            .and_then(|login| login.answered.clone())
            .or_else(|| rolled_back.as_ref().and_then(|_| answered(valid, database))),
        rolled_back,
        next_rotation: standing.next().map(whole_seconds),
        message: message_of(valid, database, &standing),
    })
}

/// How far a rotation is, or what one that is due waits for; and that the last one was rolled back.
pub(super) fn message(valid: &ValidDrive, database: &ValidDatabase) -> Option<String> {
    let told = rolled_back(valid, database).map(|rolled_back| after_rollback(&rolled_back));
    let more = message_of(valid, database, &login_rotation::standing(valid));
    let parts: Vec<String> = told.into_iter().chain(more).collect();
    (!parts.is_empty()).then(|| parts.join("; "))
}

/// That a rotation was rolled back, why, and what to do.
pub fn after_rollback(rolled_back: &DatabaseRollbackStatus) -> String {
    format!(
        "rotation {} was rolled back, and services use the login before it again, because {}. Let the program read its user from          DATABASE_USER or DATABASE_URL, or from a variable with key: user or key: userSuffix, and then request the rotation again          with another value of the annotation ras.dev/rotate",
        rolled_back.generation, rolled_back.message
    )
}

/// The last rotation, if it was rolled back. What status said of the crash stays: the pod is gone by now.
fn rolled_back(valid: &ValidDrive, database: &ValidDatabase) -> Option<DatabaseRollbackStatus> {
    let generation = number(database.rotation.rolled_back?);
    let known = database.facts.recorded.login.as_ref();
    let known = known.and_then(|login| login.rolled_back.clone());
    let new = || DatabaseRollbackStatus {
        generation,
        at: Some(whole_seconds(valid.calendar.now)),
        message: login_rotation::why_rolled_back(valid, database),
    };
    Some(known.filter(|known| known.generation == generation).unwrap_or_else(new))
}

fn message_of(valid: &ValidDrive, database: &ValidDatabase, standing: &RotationPhase) -> Option<String> {
    if let Some(why) = standing.waits() {
        return Some(why.to_owned());
    }
    match standing {
        RotationPhase::Preparing => Some(preparing(valid)),
        RotationPhase::InUse(_) if database.rotation.current > 0 => {
            let why = login_rotation::unsettled(valid, database)?;
            Some(format!(
                "services are rolled out with the present login of each owner: {why}"
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

fn preparing(valid: &ValidDrive) -> String {
    let what = "the next login of each owner is made ready, and services keep the present one until it works";
    let Some(preparation) = database_job::of(valid) else {
        return what.to_owned();
    };
    match &preparation.progress {
        Progress::Running(None) => format!("{what} (Job {})", preparation.job),
        Progress::Running(Some(why)) => format!("{what} (Job {} has not started: {why})", preparation.job),
        Progress::BlockedBy(waiting) => format!("{what}: {}", waiting.message),
        Progress::Failed { .. } => format!("{what}: the Job failed, and the condition DatabaseReady says why"),
        Progress::Recorded | Progress::Checking | Progress::Done(_) => what.to_owned(),
    }
}

/// The wish that the passwords that services get now were drawn for.
fn answered(valid: &ValidDrive, database: &ValidDatabase) -> Option<String> {
    let mut secrets = database.others.iter();
    secrets.find_map(|login| valid.secrets.get(&login.secret_name)?.rotated_for.clone())
}

fn number(generation: u64) -> i64 {
    i64::try_from(generation).unwrap_or(i64::MAX)
}

/// What is stored has whole seconds; anything finer would look like a change at each look.
fn whole_seconds(time: Timestamp) -> Time {
    Time(Timestamp::from_second(time.as_second()).unwrap_or(time))
}
