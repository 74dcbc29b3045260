//! What is told about the logins of databases: which services have, and when they get the next ones. Never a password.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use ras_crds::DatabaseLoginStatus;

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
            answered: answered(valid, database),
            next_rotation: None,
            message: None,
        });
    }
    let recorded = login::recorded(database);
    let settled_at = recorded.and_then(|login| login.settled_at.clone()).or_else(|| {
        let is_settled = rotation.current > 0 && login::unsettled(valid, database).is_none();
        is_settled.then(|| whole_seconds(now))
    });
    Some(DatabaseLoginStatus {
        generation: number(rotation.current),
        since: recorded
            .and_then(|login| login.since.clone())
            .or_else(|| login::drawn_at(valid, database).map(whole_seconds)),
        // Who took a program back by hand has to wait for its pods once more.
        settled_at: settled_at.filter(|_| !login::strays(database)),
        answered: recorded.and_then(|login| login.answered.clone()),
        next_rotation: standing.next().map(whole_seconds),
        message: message_of(valid, database, &standing),
    })
}

/// How far a rotation is, or what one that is due waits for.
pub(super) fn message(valid: &ValidDrive, database: &ValidDatabase) -> Option<String> {
    message_of(valid, database, &login::standing(valid))
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
