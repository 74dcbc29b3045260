//! What is told about the logins of databases: which services have, and when they get the next ones. Never a password.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use ras_crds::{DatabaseLoginStatus, DatabaseRollbackStatus};

use crate::drive::login::{self, Standing};
use crate::drive::preparation::{self, Progress};
use crate::drive::rotation::Verdict;
use crate::drive::valid::{ValidDatabase, ValidDrive};

/// What status says, where passwords rotate, have rotated, or were asked to.
pub(super) fn status(valid: &ValidDrive, database: &ValidDatabase) -> Option<DatabaseLoginStatus> {
    let rotation = &database.rotation;
    let standing = login::standing(valid);
    let is_quiet = matches!(standing, Standing::InUse(Verdict::Unscheduled | Verdict::At(_)));
    if is_quiet && !rotation.rotates && rotation.current == 0 {
        return None;
    }
    let now = valid.calendar.now;
    if standing == Standing::Moving {
        return Some(DatabaseLoginStatus {
            generation: number(rotation.drawn),
            since: Some(whole_seconds(now)),
            settled_at: None,
            awaits: login::will_await(valid, database),
            rolled_back: None,
            answered: answered(valid, database),
            next_rotation: None,
            message: None,
        });
    }
    let recorded = login::recorded(database);
    let rolled_back = rolled_back(valid, database);
    let settled_at = recorded.and_then(|login| login.settled_at.clone()).or_else(|| {
        let is_settled = rotation.current > 0 && login::unsettled(valid, database).is_none();
        is_settled.then(|| whole_seconds(now))
    });
    Some(DatabaseLoginStatus {
        generation: number(rotation.current),
        since: recorded
            .and_then(|login| login.since.clone())
            .or_else(|| rolled_back.as_ref().and_then(|rolled_back| rolled_back.at.clone()))
            .or_else(|| login::drawn_at(valid, database).map(whole_seconds)),
        // Who took a program back by hand has to wait for its pods once more.
        settled_at: settled_at.filter(|_| !login::strays(database)),
        awaits: login::awaits(valid, database),
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
    let more = message_of(valid, database, &login::standing(valid));
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
        message: login::why_rolled_back(valid, database),
    };
    Some(known.filter(|known| known.generation == generation).unwrap_or_else(new))
}

fn message_of(valid: &ValidDrive, database: &ValidDatabase, standing: &Standing) -> Option<String> {
    if let Some(why) = standing.waits() {
        return Some(why.to_owned());
    }
    match standing {
        Standing::Preparing => Some(preparing(valid)),
        Standing::InUse(_) if database.rotation.current > 0 => {
            let why = login::unsettled(valid, database)?;
            Some(format!(
                "services are rolled out with the present login of each owner: {why}"
            ))
        }
        Standing::RollingBack => Some("pods crash with the present login, and the rotation is rolled back".to_owned()),
        Standing::InUse(_) | Standing::Ready(_) | Standing::Unrecorded | Standing::Drawing | Standing::Moving => None,
    }
}

fn preparing(valid: &ValidDrive) -> String {
    let what = "the next login of each owner is made ready, and services keep the present one until it works";
    let Some(preparation) = preparation::of(valid) else {
        return what.to_owned();
    };
    match &preparation.progress {
        Progress::Running(None) => format!("{what} (Job {})", preparation.job),
        Progress::Running(Some(why)) => format!("{what} (Job {} has not started: {why})", preparation.job),
        Progress::Waiting(waiting) => format!("{what}: {}", waiting.message),
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
