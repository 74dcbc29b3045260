//! The rotation of database logins: which of two logins of each owner services use, and when they get the other one. Pure.
//!
//! A rotation has three steps, and each is recorded before the next one begins, so that it can be interrupted anywhere:
//!
//! 1. New passwords are generated for the logins that no pod uses. Their Secrets get the number of the rotation.
//! 2. The Job sets these passwords on the server.
//! 3. The status records that services use these logins, and they are rolled out.
//!
//! Until then services use the previous logins, which no step touches. Nobody is locked out even if the operator decides by old facts:
//!
//! - Numbers on Secrets only grow. A write is refused if its Secret has changed since, and a Secret with the number of a rotation, or a
//!   later one, gets no password for it again.
//! - Passwords are generated only for logins that no Deployment uses, whatever the status says.
//! - A status that was lost, or is older than the Secrets or Deployments, is ignored. Services with the newest logins keep them and never
//!   go back. If no service has them, services keep the previous ones, which work in any case.
//! - No Deployment gets logins before the status or the Job shows that they work.
//! - Before a password is overwritten, the drive, its Deployments and its Jobs are read live: see `live_read` in the operator's
//!   controller.
//!
//! A rotation whose pods crash is rolled back. That is one more generation with the passwords of the one before, so numbers still grow
//! and all of the above holds. In this table services have generation `n`, and `n + 2` overwrites the passwords of `n`.
//!
//! | state | recorded by | next, and when |
//! |---|---|---|
//! | `n` in use | no Secret has a higher number | *drawing*: a rotation is due or requested, and there is no obstacle |
//! | drawing | the status has `n` | *preparing*: each Secret of `n + 1` has its number |
//! | preparing | a Secret has `n + 1`, and the status has `n` | *ready*: the Job has verified each login |
//! | ready | the same | *moving*: the calendar permits it |
//! | moving | the status has `n + 1`; its `awaits` are the services that were ready before | `n + 1` *in use*: each of them is ready. *Rolling back*: a pod of one of them that has the login of `n + 1` crashes, and the logins of `n` work and were not overwritten |
//! | rolling back | a pod crashes | *rolled back*: a Secret of `n + 1` has the note |
//! | rolled back | a Secret of `n + 1` has the note, and none has a higher number; the status follows and has `n + 2` | like `n + 2` *in use*, with the passwords of `n`. The request of `n + 1` counts as done, and its period begins with `n + 1`. The next rotation is `n + 3`, which overwrites the passwords of `n + 1` |
//!
//! - The note on a Secret comes first, and its write is refused if the Secret changed. The status may be lost or old: while the note
//!   exists, no service gets the login of `n + 1` again, so no pod starts with a login that the next rotation overwrites.
//! - The passwords of `n` are valid: `n + 2` would have overwritten them, and no Secret has that number. Once one has it, a note on a
//!   Secret of `n + 1` is ignored.
//! - As after each rotation, nothing is generated before the pods with the login of `n + 1` have ended.

use std::collections::BTreeSet;

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use ras_crds::DatabaseLoginStatus;

use crate::database::report::Report;
use crate::fetched::facts::PASSWORD;
use crate::fetched::jobs::{MIGRATE, PREPARE};
use crate::fetched::{Crash, JobFacts, JobOutcome, PodRun, SecretFacts};
use crate::plan::database_job::{DatabaseJob, JobProgress};
use crate::plan::input::DatabaseInput;
use crate::plan::secret_rotation::RotationSchedule;
use crate::valid::{DatabaseLogin, Policy};

/// How the passwords of a drive's databases stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RotationPhase {
    /// Services have the newest passwords, and this is when the next rotation begins.
    InUse(RotationSchedule),
    /// The next rotation is due, and first status has to say how it stands.
    Unrecorded,
    /// New passwords are generated now.
    Drawing,
    /// They are generated, and the server does not have them yet.
    Preparing,
    /// They work, and the calendar forbids that services get them.
    Ready(RotationSchedule),
    /// They work, and services get them once status says so.
    Moving,
    /// Services have them, and pods crash with them: services get the logins before again.
    RollingBack,
}

impl RotationPhase {
    /// When it continues without any event, if that is known.
    pub fn next(&self) -> Option<Timestamp> {
        match self {
            Self::InUse(schedule) | Self::Ready(schedule) => schedule.next(),
            Self::Unrecorded | Self::Drawing | Self::Preparing | Self::Moving | Self::RollingBack => None,
        }
    }

    /// The obstacle, as text for the status.
    pub fn waits(&self) -> Option<&str> {
        match self {
            Self::InUse(RotationSchedule::Waits { why, .. }) | Self::Ready(RotationSchedule::Waits { why, .. }) => {
                Some(why)
            }
            _ => None,
        }
    }

    /// True if the next step only needs the record in the status.
    pub fn goes_on(&self) -> bool {
        matches!(self, Self::Unrecorded | Self::Moving)
    }
}

/// One Secret of a login, and what is to be done with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoginSecret {
    pub name: String,
    /// The number of the rotation that its password is, or will be, of.
    pub generation: u64,
    /// A new password replaces the existing one.
    pub draw: bool,
    /// The Secret records that this rotation is rolled back.
    pub roll_back: bool,
}

/// The Secrets that there have to be, each once.
pub fn secrets(at: &DatabaseInput<'_>, standing: &RotationPhase) -> Vec<LoginSecret> {
    let turn = at.turn;
    let begins = *standing == RotationPhase::Drawing;
    let theirs = if begins {
        turn.current + 1
    } else if turn.drawn > turn.current {
        turn.drawn
    } else {
        turn.current.saturating_sub(1)
    };
    let is_under_way = theirs > turn.current;
    let others = at.turn.others.iter().filter(|_| begins || turn.drawn > 0);
    let mut all: Vec<LoginSecret> = Vec::new();
    for (login, generation, may_draw) in turn
        .present
        .iter()
        .map(|login| (login, turn.current, false))
        .chain(others.map(|login| (login, theirs, is_under_way)))
    {
        if all.iter().any(|known| known.name == login.secret_name) {
            continue;
        }
        let facts = at.fetched.secrets.get(&login.secret_name);
        all.push(LoginSecret {
            name: login.secret_name.clone(),
            generation,
            draw: may_draw
                && facts.is_some_and(|facts| facts.generation.unwrap_or_default() < generation)
                && !is_used(at, &login.secret_name),
            roll_back: *standing == RotationPhase::RollingBack
                && generation == turn.current
                && facts.is_some_and(|facts| facts.generation == Some(generation)),
        });
    }
    all.sort_by(|a, b| a.name.cmp(&b.name));
    all
}

/// The phase of the rotation, given how far the Job is.
pub fn phase(at: &DatabaseInput<'_>, preparation: &DatabaseJob) -> RotationPhase {
    let (rotation, turn) = (&at.database.rotation, at.turn);
    if turn.drawn > turn.current {
        return under_way(at, preparation);
    }
    if crash(at).is_some() && works(&preparation.progress) {
        return RotationPhase::RollingBack;
    }
    // What was rolled back is not tried again before its own period is over.
    let rolled_back = rolled_back(at).filter_map(|facts| facts.drawn_at);
    let Some(last) = drawn_at(at).into_iter().chain(rolled_back).max() else {
        return RotationPhase::InUse(RotationSchedule::Unscheduled);
    };
    let asked = is_asked(at);
    // New passwords for unused logins restart nothing. While the drive is open, only their rollout to services waits.
    let policy = Policy {
        keep_while_open: false,
        ..rotation.policy
    };
    let uid = at.drive.uid.as_deref().unwrap_or_default();
    let schedule = at.calendar.schedule(policy, last, asked, uid);
    if schedule != RotationSchedule::Now {
        return RotationPhase::InUse(schedule);
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
    if let Some(why) = obstacle(at) {
        return waits(None, &why);
    }
    if matches!(preparation.progress, JobProgress::Done(_)) {
        return RotationPhase::Unrecorded;
    }
    if !works(&preparation.progress) {
        let why = "waits until every login works: the condition DatabaseReady shows the cause";
        return waits(None, why);
    }
    let Some(recorded) = recorded(at) else {
        return RotationPhase::Unrecorded;
    };
    if turn.current > 0 {
        // A pod that is ending is in no count, and may still open a connection.
        let Some(settled_at) = &recorded.settled_at else {
            return RotationPhase::Unrecorded;
        };
        let ended = settled_at.0.checked_add(longest_end(at)).unwrap_or(Timestamp::MAX);
        if ended > at.calendar.now {
            return waits(
                Some(ended),
                &format!("waits until {ended}, when the last pods with the logins before have ended for certain"),
            );
        }
    }
    RotationPhase::Drawing
}

/// Services do not have the newest passwords yet.
fn under_way(at: &DatabaseInput<'_>, preparation: &DatabaseJob) -> RotationPhase {
    if undrawn(at) || !works(&preparation.progress) {
        return RotationPhase::Preparing;
    }
    let policy = at.database.rotation.policy;
    match at.calendar.permit(policy, "the next login of each owner works") {
        RotationSchedule::Now => RotationPhase::Moving,
        schedule => RotationPhase::Ready(schedule),
    }
}

/// True while a password of the current rotation still has to be generated.
pub fn undrawn(at: &DatabaseInput<'_>) -> bool {
    let turn = at.turn;
    turn.drawn > turn.current
        && at.turn.others.iter().any(|login| {
            let facts = at.fetched.secrets.get(&login.secret_name);
            facts.and_then(|facts| facts.generation).unwrap_or_default() < turn.drawn
        })
}

/// True while the logins of a rotation are not proven to work: the status has no record of the rotation, and the Job
/// has not verified them.
pub fn is_unproven(at: &DatabaseInput<'_>, preparation: &DatabaseJob) -> bool {
    at.turn.current > 0 && recorded(at).is_none() && !works(&preparation.progress)
}

/// True if every requested login works, even if another part of the request failed.
fn works(progress: &JobProgress) -> bool {
    match progress {
        JobProgress::Recorded | JobProgress::Checking | JobProgress::Done(_) => true,
        JobProgress::Failed {
            report: Some(report), ..
        } => only_databases_have_problems(report),
        JobProgress::Failed { report: None, .. } | JobProgress::BlockedBy(_) | JobProgress::Running(_) => false,
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

/// When the passwords that services have were generated: the oldest of them.
pub fn drawn_at(at: &DatabaseInput<'_>) -> Option<Timestamp> {
    facts_of(at, &at.turn.present).filter_map(|facts| facts.drawn_at).min()
}

/// True if the annotation has a request that was not carried out yet.
fn is_asked(at: &DatabaseInput<'_>) -> bool {
    let Some(wish) = &at.database.rotation.request else {
        return false;
    };
    let in_status = recorded(at).and_then(|login| login.answered.as_ref());
    // If the status was lost, the Secrets have it. A single Secret may be that of an owner who was added since.
    let on_secrets = facts_of(at, &at.turn.present).all(|facts| facts.rotated_for.as_ref() == Some(wish));
    let was_rolled_back = rolled_back(at).any(|facts| facts.rotated_for.as_ref() == Some(wish));
    in_status != Some(wish) && !on_secrets && !was_rolled_back
}

/// The Secrets of the rotation that was rolled back, if it is the last one.
fn rolled_back<'a>(at: &DatabaseInput<'a>) -> impl Iterator<Item = &'a SecretFacts> {
    let number = at.turn.rolled_back;
    facts_of(at, &at.turn.others).filter(move |facts| number.is_some() && facts.generation == number)
}

/// The pod that crashes with a login of the last rotation, where that can be rolled back.
fn crash<'a>(at: &DatabaseInput<'a>) -> Option<&'a Crash> {
    let turn = at.turn;
    let is_there = |login: &DatabaseLogin| {
        let facts = at.fetched.secrets.get(&login.secret_name);
        facts.is_some_and(|facts| facts.keys.as_ref().is_none_or(|keys| keys.contains_key(PASSWORD)))
    };
    let can = turn.current > 0
        && turn.drawn == turn.current
        && turn.rolled_back.is_none()
        && !at.drive.suspended
        // Programs that wait for their server crash, too.
        && (!at.database.is_managed() || at.facts.serves)
        && at.turn.others.iter().all(is_there);
    let awaits = awaits(at);
    let awaited = at.services.iter().filter(|service| awaits.contains(&service.name));
    awaited
        .filter_map(|service| crash_of(at, &service.child, &at.turn.present))
        .find(|_| can)
}

/// A pod of a program that crashes with one of these logins.
fn crash_of<'a>(at: &DatabaseInput<'a>, child: &str, logins: &[DatabaseLogin]) -> Option<&'a Crash> {
    let secrets = names(logins);
    let mut crashes = at.facts.programs.get(child)?.crashes.iter();
    crashes.find(|crash| crash.passwords.iter().any(|name| secrets.contains(name.as_str())))
}

/// Why the last rotation was rolled back, in words, as far as it can still be seen.
pub fn why_rolled_back(at: &DatabaseInput<'_>) -> String {
    let mut crashes = at.services.iter().filter_map(|service| {
        let crash = crash_of(at, &service.child, &at.turn.others)?;
        let mut databases = at.database.databases.iter();
        let owner = databases.find(|one| service.databases.contains(&one.name))?.user();
        let used = at.turn.others.iter().find(|login| login.owner == owner);
        let role = used.map(|login| login.role.as_str()).unwrap_or_default();
        Some(format!(
            "service {:?} crashed with the login {role:?}: {}",
            service.name, crash.text
        ))
    });
    let unknown = || {
        let roles: Vec<&str> = at.turn.others.iter().map(|login| login.role.as_str()).collect();
        format!("a service crashed with the login {}", roles.join(" or "))
    };
    crashes.next().unwrap_or_else(unknown)
}

/// Services that were ready before the last rotation, and are not yet with its logins.
pub fn awaits(at: &DatabaseInput<'_>) -> Vec<String> {
    let recorded = recorded(at).map(|login| login.awaits.as_slice()).unwrap_or_default();
    let is_awaited = |child: &String| {
        let program = at.facts.programs.get(child);
        program.is_some_and(|program| {
            let has = |logins: &[DatabaseLogin]| {
                logins
                    .iter()
                    .any(|login| program.passwords.contains(&login.secret_name))
            };
            program.wanted && (has(&at.turn.others) || has(&at.turn.present) && !program.serves)
        })
    };
    let services = at.services.iter().filter(|service| recorded.contains(&service.name));
    services
        .filter(|service| is_awaited(&service.child))
        .map(|service| service.name.clone())
        .collect()
}

/// Services that are ready now, and get the logins of the next rotation.
pub fn will_await(at: &DatabaseInput<'_>) -> Vec<String> {
    let secrets = names(&at.turn.present);
    let services = at.services.iter().filter(|service| {
        let program = at.facts.programs.get(&service.child);
        program.is_some_and(|program| {
            let is_ready = program.serves || at.drive.suspended && program.wanted;
            is_ready && program.passwords.iter().any(|name| secrets.contains(name.as_str()))
        })
    });
    services.map(|service| service.name.clone()).collect()
}

fn facts_of<'a>(at: &DatabaseInput<'a>, logins: &'a [DatabaseLogin]) -> impl Iterator<Item = &'a SecretFacts> {
    logins
        .iter()
        .filter_map(|login| at.fetched.secrets.get(&login.secret_name))
}

/// The obstacle that keeps a rotation from beginning, apart from the calendar.
fn obstacle(at: &DatabaseInput<'_>) -> Option<String> {
    if let Some(why) = &at.database.rotation.obstacle {
        return Some(format!("cannot: {why}"));
    }
    if at.drive.suspended {
        return Some("waits until the drive is no longer suspended".to_owned());
    }
    if let Some(job) = at_work(at, PREPARE) {
        return Some(format!("waits for Job {job}, which prepares the databases, to end"));
    }
    if let Some(job) = at_work(at, MIGRATE) {
        return Some(format!("waits for Job {job}, which migrates, to end"));
    }
    let awaited = || {
        let service = awaits(at).into_iter().next()?;
        Some(format!("service {service:?} is not ready with the present login yet"))
    };
    let why = unsettled(at).or_else(awaited);
    why.map(|why| format!("waits: {why}"))
}

/// A Job of this purpose that is not over. One that ended late with a password of before would set that one again.
fn at_work<'a>(at: &DatabaseInput<'a>, purpose: &str) -> Option<&'a str> {
    let is_open = |job: &JobFacts| job.purpose == purpose && job.outcome == JobOutcome::Open;
    let job = at
        .fetched
        .jobs
        .iter()
        .find(|(_, job)| is_open(job))
        .map(|(name, _)| name);
    let pod = at
        .fetched
        .job_pods
        .iter()
        .find(|pod| pod.purpose == purpose && pod.run == PodRun::Running)
        .map(|pod| &pod.job);
    job.or(pod).map(String::as_str)
}

/// The first program of which a pod may have another login than services have now, in words.
pub fn unsettled(at: &DatabaseInput<'_>) -> Option<String> {
    let recorded = recorded(at);
    let known = recorded.is_some_and(|login| login.settled_at.is_some()) || at.turn.current == 0;
    let others: BTreeSet<&str> = names(&at.turn.others);
    let own: BTreeSet<&str> = names(&at.turn.present);
    at.facts.programs.iter().find_map(|(child, program)| {
        let uses = |secrets: &BTreeSet<&str>| program.passwords.iter().any(|name| secrets.contains(name.as_str()));
        let has_another = uses(&others);
        // Once all were settled, only a program that uses a database can have had one of its logins since.
        let may_have = !program.settled && (!known || uses(&own));
        if !has_another && !may_have {
            return None;
        }
        let service = at.services.iter().find(|service| service.child == *child);
        let what = service.map_or_else(
            || format!("Deployment {child:?}"),
            |service| format!("service {:?}", service.name),
        );
        Some(if has_another {
            format!("{what} does not run with the current login yet; status.services shows why")
        } else {
            format!("{what} has pods of an earlier version, which the one that replaces them has to follow first")
        })
    })
}

/// True if a pod uses this Secret, or would when it starts.
fn is_used(at: &DatabaseInput<'_>, secret: &str) -> bool {
    let mut programs = at.facts.programs.values();
    programs.any(|program| program.passwords.contains(secret))
}

fn names(logins: &[DatabaseLogin]) -> BTreeSet<&str> {
    logins.iter().map(|login| login.secret_name.as_str()).collect()
}

/// The record of the rotation in the status, if it is about the logins that services have. Any other record is
/// outdated.
pub fn recorded<'a>(at: &DatabaseInput<'a>) -> Option<&'a DatabaseLoginStatus> {
    let recorded = at.facts.recorded.login.as_ref()?;
    (u64::try_from(recorded.generation) == Ok(at.turn.current)).then_some(recorded)
}

/// True if a pod has a login that services do not use now.
pub fn strays(at: &DatabaseInput<'_>) -> bool {
    at.turn.others.iter().any(|login| is_used(at, &login.secret_name))
}

/// The longest that a pod of the drive's may take to end.
fn longest_end(at: &DatabaseInput<'_>) -> SignedDuration {
    let services = at.services.iter();
    let seconds = services.map(|service| service.termination_grace_period_seconds).max();
    SignedDuration::from_secs(seconds.unwrap_or_default().saturating_add(1))
}
