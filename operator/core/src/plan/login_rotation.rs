//! Which of the two logins of each owner programs have, and when they get the other one. Pure.
//!
//! A rotation is three steps, each of which is written down before the next one begins, so that it can be cut off
//! anywhere: new passwords are *drawn* for the logins that no pod has, with the rotation's number on their Secrets; the
//! Job makes them *work*; and status says that services *have* them, whereupon they are rolled out. Until then they have
//! the logins before, which nothing of this touches. What is known may be old, and still nobody is locked out:
//!
//! - Numbers on Secrets only grow, each write is refused when its Secret is no longer as it was, and a Secret that bears
//!   the number of a rotation, or a later one, is not drawn for it again.
//! - Passwords are drawn only for logins that no pod has, by what Deployments say and not by what status does.
//! - A status that was lost, or is older than the Secrets or Deployments, is not believed. Services that have the logins
//!   that were drawn last keep them and never go back; where none has, they keep those before, for these work in any case.
//! - No Deployment is changed to logins of which neither status nor the Job says that they work.
//! - Before a password is drawn over another the drive, its Deployments and its Jobs are read live: see
//!   [`confirm`](ras_operator::controller::live_read).
//!
//! A rotation whose pods crash is rolled back. That is a further generation, with the passwords of the one before: numbers grow
//! here, too, and everything above holds. In this table services have generation `n`, and `n + 2` is drawn over the
//! passwords of `n`.
//!
//! | state | what says so | next, and when |
//! |---|---|---|
//! | `n` in use | no Secret has a higher number | *drawing*: a rotation is due or requested, and nothing is in the way |
//! | drawing | status has `n` | *preparing*: each Secret of `n + 1` has its number |
//! | preparing | a Secret has `n + 1`, and status has `n` | *ready*: the Job has found that each login works |
//! | ready | the same | *moving*: the calendar permits it |
//! | moving | status has `n + 1`; its `awaits` are the services that were ready before | `n + 1` *in use*: each of them is ready. *Rolling back*: a pod of one of them that has the login of `n + 1` crashes, the logins of `n` work, nothing is drawn over them |
//! | rolling back | a pod crashes | *rolled back*: a Secret of `n + 1` says so |
//! | rolled back | a Secret of `n + 1` says so, and none has a higher number; status follows and has `n + 2` | like `n + 2` *in use*, with the passwords of `n`. The request of `n + 1` counts as done, and its period begins with `n + 1`. The next rotation draws `n + 3` over the passwords of `n + 1` |
//!
//! - The note on a Secret comes first, and is refused if the Secret changed. Status may be lost or old: while the note is there, no
//!   service gets the login of `n + 1` again, so no pod starts with a login that the next rotation draws.
//! - The passwords of `n` are in force: `n + 2` would have been drawn over them, and no Secret has that number. Once one has it, a
//!   note on a Secret of `n + 1` counts for nothing.
//! - As after each rotation, nothing is drawn before the pods with the login of `n + 1` have ended.

use std::collections::BTreeSet;

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use ras_crds::DatabaseLoginStatus;

use super::migration;
use crate::database::report::Report;
use crate::fetched::jobs::PREPARE;
use crate::fetched::{Crash, JobFacts, JobOutcome, PodRun, SecretFacts};
use crate::plan::database_job;
use crate::plan::database_job::{Preparation, Progress};
use crate::plan::secret_rotation::{Policy, RotationSchedule};
use crate::valid::{DatabaseLogin, ValidDatabase, ValidDrive};
use crate::validate::databases::PASSWORD;

/// What follows the owner's name in the name of its second login.
pub const SUFFIX: &str = "_2";

/// How the passwords of a drive's databases stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RotationPhase {
    /// Services have what was drawn last, and this is when the next rotation begins.
    InUse(RotationSchedule),
    /// The next rotation is due, and first status has to say how it stands.
    Unrecorded,
    /// New passwords are drawn now.
    Drawing,
    /// They are drawn, and the server does not have them yet.
    Preparing,
    /// They work, and the calendar forbids that services get them.
    Ready(RotationSchedule),
    /// They work, and services get them once status says so.
    Moving,
    /// Services have them, and pods crash with them: services get the logins before again.
    RollingBack,
}

impl RotationPhase {
    /// When it goes on by itself, where that is known.
    pub fn next(&self) -> Option<Timestamp> {
        match self {
            Self::InUse(verdict) | Self::Ready(verdict) => verdict.next(),
            Self::Unrecorded | Self::Drawing | Self::Preparing | Self::Moving | Self::RollingBack => None,
        }
    }

    /// What it waits for, for people.
    pub fn waits(&self) -> Option<&str> {
        match self {
            Self::InUse(RotationSchedule::Waits { why, .. }) | Self::Ready(RotationSchedule::Waits { why, .. }) => {
                Some(why)
            }
            _ => None,
        }
    }

    /// Whether it goes on as soon as status says what is known.
    pub fn goes_on(&self) -> bool {
        matches!(self, Self::Unrecorded | Self::Moving)
    }
}

/// Whether programs log in as owners themselves in this generation.
pub fn is_first(generation: u64) -> bool {
    generation.is_multiple_of(2)
}

/// The generation that services have and the one that was drawn last, from what status says, the highest number on a
/// Secret, and whether a program uses the logins of a generation.
///
/// The present logins never go back to earlier ones: a pod that is ending is in no count, so a program that went back and
/// forth could have one with a password that the next rotation replaces. A Deployment is given the logins of a generation
/// only after status said that they work, and nothing is drawn while one has the logins to be drawn. So a Deployment that
/// has the newest ones proves that a status that says less is old.
pub fn whereabouts(recorded: Option<u64>, newest: u64, uses: impl Fn(u64) -> bool) -> (u64, u64) {
    if let Some(current) = recorded
        && newest <= current
    {
        return (current, current);
    }
    if uses(newest) {
        return (newest, newest);
    }
    if let Some(current) = recorded
        && newest <= current.saturating_add(1)
    {
        return (current, newest);
    }
    // Status was lost, or is older than the Secrets. Nothing was drawn after `newest`, so the logins before work.
    match newest.checked_sub(1) {
        Some(before) if uses(before) => (before, newest),
        Some(_) | None => (newest, newest),
    }
}

/// One Secret of a login, and what is to be done with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoginSecret<'a> {
    /// Its name.
    pub name: &'a str,
    /// The number of the rotation that its password is, or will be, of.
    pub generation: u64,
    /// Whether a new password is drawn though it has one.
    pub draw: bool,
    /// Whether it is noted that this rotation is rolled back.
    pub roll_back: bool,
}

/// The Secrets that there have to be, each once.
pub fn secrets<'a>(drive: &ValidDrive, database: &'a ValidDatabase, standing: &RotationPhase) -> Vec<LoginSecret<'a>> {
    let rotation = &database.rotation;
    let begins = *standing == RotationPhase::Drawing;
    let theirs = if begins {
        rotation.current + 1
    } else if rotation.drawn > rotation.current {
        rotation.drawn
    } else {
        rotation.current.saturating_sub(1)
    };
    let is_under_way = theirs > rotation.current;
    let others = database.others.iter().filter(|_| begins || rotation.drawn > 0);
    let mut all: Vec<LoginSecret<'a>> = Vec::new();
    for (login, generation, may_draw) in database
        .logins
        .iter()
        .map(|login| (login, rotation.current, false))
        .chain(others.map(|login| (login, theirs, is_under_way)))
    {
        if all.iter().any(|known| known.name == login.secret_name) {
            continue;
        }
        let facts = drive.secrets.get(&login.secret_name);
        all.push(LoginSecret {
            name: &login.secret_name,
            generation,
            draw: may_draw
                && facts.is_some_and(|facts| facts.generation.unwrap_or_default() < generation)
                && !is_used(database, &login.secret_name),
            roll_back: *standing == RotationPhase::RollingBack
                && generation == rotation.current
                && facts.is_some_and(|facts| facts.generation == Some(generation)),
        });
    }
    all.sort_by_key(|secret| secret.name);
    all
}

/// How it stands.
pub fn standing(drive: &ValidDrive) -> RotationPhase {
    let (Some(database), Some(preparation)) = (&drive.database, database_job::of(drive)) else {
        return RotationPhase::InUse(RotationSchedule::Unscheduled);
    };
    let rotation = &database.rotation;
    if rotation.drawn > rotation.current {
        return under_way(drive, database, &preparation);
    }
    if crash(drive, database).is_some() && works(&preparation.progress) {
        return RotationPhase::RollingBack;
    }
    // What was rolled back is not tried again before its own period is over.
    let rolled_back = rolled_back(drive, database).filter_map(|facts| facts.drawn_at);
    let Some(last) = drawn_at(drive, database).into_iter().chain(rolled_back).max() else {
        return RotationPhase::InUse(RotationSchedule::Unscheduled);
    };
    let asked = is_asked(drive, database);
    // New passwords for logins that nobody has restart nothing: what is kept while the drive is open is that services
    // get them.
    let policy = Policy {
        keep_while_open: false,
        ..rotation.policy
    };
    let uid = drive.uid.as_deref().unwrap_or_default();
    let verdict = drive.calendar.verdict(policy, last, asked, uid);
    if verdict != RotationSchedule::Now {
        return RotationPhase::InUse(verdict);
    }
    let wish = if asked {
        "it was asked to rotate"
    } else {
        "it is due to rotate"
    };
    let waits = |until, why: &str| {
        RotationPhase::InUse(RotationSchedule::Waits {
            until,
            why: format!("{wish}, and {why}"),
        })
    };
    if let Some(why) = obstacle(drive, database) {
        return waits(None, &why);
    }
    if matches!(preparation.progress, Progress::Done(_)) {
        return RotationPhase::Unrecorded;
    }
    if !works(&preparation.progress) {
        let why = "waits until every login works: the condition DatabaseReady says what is in the way";
        return waits(None, why);
    }
    let Some(recorded) = recorded(database) else {
        return RotationPhase::Unrecorded;
    };
    if rotation.current > 0 {
        // A pod that is ending is in no count, and may still open a connection.
        let Some(settled_at) = &recorded.settled_at else {
            return RotationPhase::Unrecorded;
        };
        let ended = settled_at.0.checked_add(longest_end(drive)).unwrap_or(Timestamp::MAX);
        if ended > drive.calendar.now {
            return waits(
                Some(ended),
                &format!("waits until {ended}, when the last pods with the logins before have ended for certain"),
            );
        }
    }
    RotationPhase::Drawing
}

/// Passwords are drawn that services do not have yet.
fn under_way(drive: &ValidDrive, database: &ValidDatabase, preparation: &Preparation) -> RotationPhase {
    if undrawn(drive, database) || !works(&preparation.progress) {
        return RotationPhase::Preparing;
    }
    let policy = database.rotation.policy;
    match drive.calendar.permit(policy, "the next login of each owner works") {
        RotationSchedule::Now => RotationPhase::Moving,
        verdict => RotationPhase::Ready(verdict),
    }
}

/// Whether a password of the rotation that is under way has still to be drawn.
pub fn undrawn(drive: &ValidDrive, database: &ValidDatabase) -> bool {
    let rotation = &database.rotation;
    rotation.drawn > rotation.current
        && database.others.iter().any(|login| {
            let facts = drive.secrets.get(&login.secret_name);
            facts.and_then(|facts| facts.generation).unwrap_or_default() < rotation.drawn
        })
}

/// Whether nothing says yet that the logins that services have after a rotation work: status does not know of that
/// rotation, and the Job has not found that they do.
pub fn is_unproven(drive: &ValidDrive, database: &ValidDatabase) -> bool {
    database.rotation.current > 0
        && recorded(database).is_none()
        && database_job::of(drive).is_some_and(|preparation| !works(&preparation.progress))
}

/// Whether every login that is asked for works, though something else may not be as asked.
fn works(progress: &Progress) -> bool {
    match progress {
        Progress::Recorded | Progress::Checking | Progress::Done(_) => true,
        Progress::Failed {
            report: Some(report), ..
        } => only_databases_have_problems(report),
        Progress::Failed { report: None, .. } | Progress::BlockedBy(_) | Progress::Running(_) => false,
    }
}

fn only_databases_have_problems(report: &Report) -> bool {
    report.server_version.is_some()
        && report.problems_more == 0
        && report
            .problems
            .iter()
            .all(|problem| problem.role.is_none() && problem.database.is_some())
}

/// When the passwords that services have were drawn: the oldest of them.
pub fn drawn_at(drive: &ValidDrive, database: &ValidDatabase) -> Option<Timestamp> {
    facts_of(drive, &database.logins)
        .filter_map(|facts| facts.drawn_at)
        .min()
}

/// Whether the annotation asks for something that was not done yet.
fn is_asked(drive: &ValidDrive, database: &ValidDatabase) -> bool {
    let Some(wish) = &database.rotation.wish else {
        return false;
    };
    let in_status = recorded(database).and_then(|login| login.answered.as_ref());
    // The Secrets tell it when status was lost. One alone may be that of an owner who was added since.
    let on_secrets = facts_of(drive, &database.logins).all(|facts| facts.rotated_for.as_ref() == Some(wish));
    let was_rolled_back = rolled_back(drive, database).any(|facts| facts.rotated_for.as_ref() == Some(wish));
    in_status != Some(wish) && !on_secrets && !was_rolled_back
}

/// The Secrets of the rotation that was rolled back, if it is the last one.
fn rolled_back<'a>(drive: &'a ValidDrive, database: &'a ValidDatabase) -> impl Iterator<Item = &'a SecretFacts> {
    let number = database.rotation.rolled_back;
    facts_of(drive, &database.others).filter(move |facts| number.is_some() && facts.generation == number)
}

/// The pod that crashes with a login of the last rotation, where that can be rolled back.
fn crash<'a>(drive: &'a ValidDrive, database: &'a ValidDatabase) -> Option<&'a Crash> {
    let rotation = &database.rotation;
    let is_there = |login: &DatabaseLogin| {
        let facts = drive.secrets.get(&login.secret_name);
        facts.is_some_and(|facts| facts.keys.as_ref().is_none_or(|keys| keys.contains_key(PASSWORD)))
    };
    let can = rotation.current > 0
        && rotation.drawn == rotation.current
        && rotation.rolled_back.is_none()
        && !drive.suspended
        // Programs that wait for their server crash, too.
        && (!database.is_managed() || database.facts.serves)
        && database.others.iter().all(is_there);
    let awaits = awaits(drive, database);
    let awaited = drive.services.iter().filter(|service| awaits.contains(&service.name));
    awaited
        .filter_map(|service| crash_of(database, &service.child, &database.logins))
        .find(|_| can)
}

/// A pod of a program that crashes with one of these logins.
fn crash_of<'a>(database: &'a ValidDatabase, child: &str, logins: &[DatabaseLogin]) -> Option<&'a Crash> {
    let secrets = names(logins);
    let mut crashes = database.facts.programs.get(child)?.crashes.iter();
    crashes.find(|crash| crash.passwords.iter().any(|name| secrets.contains(name.as_str())))
}

/// Why the last rotation was rolled back, in words, as far as it can still be seen.
pub fn why_rolled_back(drive: &ValidDrive, database: &ValidDatabase) -> String {
    let mut crashes = drive.services.iter().filter_map(|service| {
        let crash = crash_of(database, &service.child, &database.others)?;
        let mut databases = database.databases.iter();
        let owner = databases.find(|one| service.databases.contains(&one.name))?.user();
        let used = database.others.iter().find(|login| login.owner == owner);
        let role = used.map(|login| login.role.as_str()).unwrap_or_default();
        Some(format!(
            "service {:?} crashed with the login {role:?}: {}",
            service.name, crash.text
        ))
    });
    let unknown = || {
        let roles: Vec<&str> = database.others.iter().map(|login| login.role.as_str()).collect();
        format!("a service crashed with the login {}", roles.join(" or "))
    };
    crashes.next().unwrap_or_else(unknown)
}

/// Services that were ready before the last rotation, and are not yet with its logins.
pub fn awaits(drive: &ValidDrive, database: &ValidDatabase) -> Vec<String> {
    let recorded = recorded(database)
        .map(|login| login.awaits.as_slice())
        .unwrap_or_default();
    let is_awaited = |child: &String| {
        let program = database.facts.programs.get(child);
        program.is_some_and(|program| {
            let has = |logins: &[DatabaseLogin]| {
                logins
                    .iter()
                    .any(|login| program.passwords.contains(&login.secret_name))
            };
            program.wanted && (has(&database.others) || has(&database.logins) && !program.serves)
        })
    };
    let services = drive.services.iter().filter(|service| recorded.contains(&service.name));
    services
        .filter(|service| is_awaited(&service.child))
        .map(|service| service.name.clone())
        .collect()
}

/// Services that are ready now, and get the logins of the next rotation.
pub fn will_await(drive: &ValidDrive, database: &ValidDatabase) -> Vec<String> {
    let secrets = names(&database.logins);
    let services = drive.services.iter().filter(|service| {
        let program = database.facts.programs.get(&service.child);
        program.is_some_and(|program| {
            let is_ready = program.serves || drive.suspended && program.wanted;
            is_ready && program.passwords.iter().any(|name| secrets.contains(name.as_str()))
        })
    });
    services.map(|service| service.name.clone()).collect()
}

fn facts_of<'a>(drive: &'a ValidDrive, logins: &'a [DatabaseLogin]) -> impl Iterator<Item = &'a SecretFacts> {
    logins.iter().filter_map(|login| drive.secrets.get(&login.secret_name))
}

/// What keeps a rotation from beginning, beside the calendar.
fn obstacle(drive: &ValidDrive, database: &ValidDatabase) -> Option<String> {
    if let Some(why) = &database.rotation.obstacle {
        return Some(format!("cannot: {why}"));
    }
    if drive.suspended {
        return Some("waits until the drive is no longer suspended".to_owned());
    }
    if let Some(job) = at_work(drive, PREPARE) {
        return Some(format!("waits for Job {job}, which prepares the databases, to end"));
    }
    if let Some(job) = at_work(drive, migration::PURPOSE) {
        return Some(format!("waits for Job {job}, which migrates, to end"));
    }
    let awaited = || {
        let service = awaits(drive, database).into_iter().next()?;
        Some(format!("service {service:?} is not ready with the present login yet"))
    };
    let why = unsettled(drive, database).or_else(awaited);
    why.map(|why| format!("waits: {why}"))
}

/// A Job of this purpose that is not over. One that ended late with a password of before would set that one again.
fn at_work<'a>(drive: &'a ValidDrive, purpose: &str) -> Option<&'a str> {
    let is_open = |job: &JobFacts| job.purpose == purpose && job.outcome == JobOutcome::Open;
    let job = drive.jobs.iter().find(|(_, job)| is_open(job)).map(|(name, _)| name);
    let pod = drive
        .job_pods
        .iter()
        .find(|pod| pod.purpose == purpose && pod.run == PodRun::Running)
        .map(|pod| &pod.job);
    job.or(pod).map(String::as_str)
}

/// The first program of which a pod may have another login than services have now, in words.
pub fn unsettled(drive: &ValidDrive, database: &ValidDatabase) -> Option<String> {
    let recorded = recorded(database);
    let known = recorded.is_some_and(|login| login.settled_at.is_some()) || database.rotation.current == 0;
    let others: BTreeSet<&str> = names(&database.others);
    let own: BTreeSet<&str> = names(&database.logins);
    database.facts.programs.iter().find_map(|(child, program)| {
        let uses = |secrets: &BTreeSet<&str>| program.passwords.iter().any(|name| secrets.contains(name.as_str()));
        let has_another = uses(&others);
        // Once all were settled, only a program that uses a database can have had one of its logins since.
        let may_have = !program.settled && (!known || uses(&own));
        if !has_another && !may_have {
            return None;
        }
        let service = drive.services.iter().find(|service| service.child == *child);
        let what = service.map_or_else(
            || format!("Deployment {child:?}"),
            |service| format!("service {:?}", service.name),
        );
        Some(if has_another {
            format!("{what} is not rolled out with the present login yet, and status.services says why")
        } else {
            format!("{what} has pods of an earlier version, which the one that replaces them has to follow first")
        })
    })
}

/// Whether a program would start, or has started, with this Secret.
fn is_used(database: &ValidDatabase, secret: &str) -> bool {
    let mut programs = database.facts.programs.values();
    programs.any(|program| program.passwords.contains(secret))
}

fn names(logins: &[DatabaseLogin]) -> BTreeSet<&str> {
    logins.iter().map(|login| login.secret_name.as_str()).collect()
}

/// What status says of the logins that services have. What it says of others is old.
pub fn recorded(database: &ValidDatabase) -> Option<&DatabaseLoginStatus> {
    let recorded = database.facts.recorded.login.as_ref()?;
    (u64::try_from(recorded.generation) == Ok(database.rotation.current)).then_some(recorded)
}

/// Whether a program has the login of its owner that services do not have now.
pub fn strays(database: &ValidDatabase) -> bool {
    database
        .others
        .iter()
        .any(|login| is_used(database, &login.secret_name))
}

/// The longest that a pod of the drive's may take to end.
fn longest_end(drive: &ValidDrive) -> SignedDuration {
    let services = drive.services.iter();
    let seconds = services.map(|service| service.termination_grace_period_seconds).max();
    SignedDuration::from_secs(seconds.unwrap_or_default().saturating_add(1))
}
