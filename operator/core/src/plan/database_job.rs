//! The Job that prepares databases: whether it has to run, and how far it is. Pure.
//!
//! | state | when | next, and when |
//! |---|---|---|
//! | `BlockedBy` | a Secret, key or server that the Job needs is missing | `Running`: it exists |
//! | `Running` | the Job is to be created or is open | `Done` or `Failed`: the Job ends |
//! | `Done` | the Job succeeded | `Recorded`: the status has its work |
//! | `Failed` | the Job failed | `Running`: its request, a Secret or the annotation changes, or Kubernetes removes the Job after some minutes |
//! | `Recorded` | the status has just this work, on this storage | `Checking`: a check is due. `Running`: the work changes |
//! | `Checking` | the same, and the Job verifies that it still holds | `Done` or `Failed`: the Job ends |
//!
//! *Work* is a hash of the request, of when each Secret was written, and of the annotation's token: a Job of the same work does the
//! same. [`database_record`](super::database_record) writes the record.

mod request;

pub use request::keys_of;

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use ras_crds::{ConditionType, DatabaseState, LogicalDatabaseStatus, Reason};

use self::request::{request, work};
use super::migration::{cannot_pull_other_than, waits};
use crate::database::report::{Cause, Report};
use crate::database::request::Request;
use crate::fetched::jobs::PREPARE;
use crate::fetched::{JobOutcome, PodRun};
use crate::names;
use crate::plan::blocked_by::BlockedBy;
use crate::plan::input::DatabaseInput;
use crate::plan::login_rotation;
use crate::valid::{DatabaseServer, ValidLogicalDatabase};

/// For which part of the drive the Job works.
pub const OF: &str = "database";

/// Seconds after which a server is asked whether what status says still holds.
const CHECK_EVERY: u64 = 86_400;

/// Most seconds by which drives that were checked together are checked apart.
const CHECK_SPREAD: u64 = 3_600;

/// Seconds from one drive's check to the next one's after a start.
const SECONDS_A_CHECK: u64 = 2;

/// The request to the database server, and the progress of its Job.
#[derive(Clone, Debug, PartialEq)]
pub struct DatabaseJob {
    /// Name of the Job that does it.
    pub job: String,
    /// Hash of what is asked and of when each Secret was written: a Job of the same work does the same.
    pub work: String,
    /// The request. It contains no secret.
    pub request: Request,
    /// How far it is.
    pub progress: JobProgress,
    /// When the server is next asked whether what status says still holds.
    pub next_check: Option<Timestamp>,
}

/// How far it is.
#[derive(Clone, Debug, PartialEq)]
pub enum JobProgress {
    /// Status says that just this was done.
    Recorded,
    /// Status says that just this was done, and the Job finds out whether that still holds.
    Checking,
    /// It cannot begin yet.
    BlockedBy(BlockedBy),
    /// It is under way; why its pod has not started, where there is a reason that a person should know.
    Running(Option<String>),
    Done(Report),
    /// It was not done, or not all of it.
    Failed {
        /// The report, if the Job wrote one.
        report: Option<Report>,
        said: String,
    },
}

/// Plans the Job.
pub fn of(at: &DatabaseInput<'_>) -> DatabaseJob {
    let request = request(at);
    let work = work(at, &request);
    let check_at = check_at(at).filter(|_| is_recorded(at, &work));
    let is_due = check_at.is_some_and(|due| due <= at.calendar.now);
    let job = names::job(&at.drive.name, PREPARE, OF, &run(at, &work, is_due));
    DatabaseJob {
        progress: progress(at, &job, &work, is_due),
        request,
        work,
        job,
        next_check: check_at.filter(|_| !is_due),
    }
}

/// Tells the runs of the same work apart: the Job that sets up a new server is another than the one that did so for the
/// server before, and each check is another.
fn run(at: &DatabaseInput<'_>, work: &str, is_due: bool) -> String {
    let recorded = &at.facts.recorded;
    let storage = at.facts.storage.as_deref().filter(|_| is_replaced(at));
    let checked = recorded.checked_at.as_ref().map(|time| time.0.to_string());
    match (storage, is_due) {
        (Some(storage), _) => names::hash(&[work, "storage", storage], 16),
        (None, true) => names::hash(&[work, "check", checked.as_deref().unwrap_or_default()], 16),
        (None, false) => work.to_owned(),
    }
}

/// True if a managed server has another volume or `Cluster` than when its databases were prepared. Then the record in
/// the status describes other databases.
pub fn is_replaced(at: &DatabaseInput<'_>) -> bool {
    match (&at.facts.storage, &at.facts.recorded.storage) {
        (Some(now), Some(then)) => now != then,
        _ => false,
    }
}

fn is_recorded(at: &DatabaseInput<'_>, work: &str) -> bool {
    at.facts.recorded.prepared.as_deref() == Some(work) && !is_replaced(at)
}

/// When the server is checked again. A database may be dropped, or another server may get the same name, and no event
/// in the cluster reports it. So every server is checked once a day, and an external one also after each start of the
/// operator, one drive after the other.
fn check_at(at: &DatabaseInput<'_>) -> Option<Timestamp> {
    let watch = at.facts.watch.as_ref()?;
    let checked = at.facts.recorded.checked_at.as_ref().map(|time| time.0);
    let mut hasher = DefaultHasher::new();
    at.drive.uid.hash(&mut hasher);
    let place = hasher.finish();
    let after = |time: Timestamp, seconds: u64| {
        let seconds = SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX));
        time.checked_add(seconds).unwrap_or(Timestamp::MAX)
    };
    let daily = after(checked.unwrap_or(watch.since), CHECK_EVERY + place % CHECK_SPREAD);
    let is_old = checked.is_none_or(|checked| checked < watch.since);
    let at_start = (!at.database.is_managed() && is_old)
        .then(|| after(watch.since, place % watch.drives.saturating_mul(SECONDS_A_CHECK).max(1)));
    Some(at_start.map_or(daily, |at| at.min(daily)))
}

fn progress(at: &DatabaseInput<'_>, job: &str, work: &str, is_due: bool) -> JobProgress {
    let is_recorded = is_recorded(at, work);
    if is_recorded && !is_due {
        return JobProgress::Recorded;
    }
    // A check that failed is tried again, and until it succeeds nothing is known to be well.
    let is_well = is_recorded && at.facts.recorded.failed.as_deref() != Some(work);
    let Some(facts) = at.fetched.jobs.get(job).filter(|facts| !facts.deleting) else {
        return match waiting(at) {
            Some(_) if is_well => JobProgress::Recorded,
            Some(waiting) => JobProgress::BlockedBy(waiting),
            None if is_well => JobProgress::Checking,
            None => JobProgress::Running(None),
        };
    };
    match (&facts.outcome, &facts.report) {
        (JobOutcome::Open, _) | (JobOutcome::Succeeded { .. }, None) if is_well => JobProgress::Checking,
        (JobOutcome::Succeeded { .. }, Some(report)) => JobProgress::Done(report.clone()),
        (JobOutcome::Failed { reason, .. }, report) => JobProgress::Failed {
            report: report.clone().filter(|report| !report.problems.is_empty()),
            said: said(reason, &facts.pods),
        },
        // The event of the pod may arrive after that of its Job.
        (JobOutcome::Succeeded { .. }, None) => JobProgress::Running(None),
        (JobOutcome::Open, _) => JobProgress::Running(waits(facts, at.calendar.now)),
    }
}

fn said(reason: &str, pods: &[PodRun]) -> String {
    let last = pods.iter().rev().find_map(|pod| match pod {
        PodRun::Ended(Some(end)) => Some(end),
        PodRun::Ended(None) | PodRun::Running | PodRun::BlockedBy(_) => None,
    });
    match last.map(|end| (end.exit_code, end.said.as_str())) {
        Some((_, said)) if !said.is_empty() => format!("{reason}: {said}"),
        Some((Some(code), _)) => format!("{reason}: its program ended with {code}"),
        Some((None, _)) | None => reason.to_owned(),
    }
}

/// The first obstacle that keeps the Job from starting.
fn waiting(at: &DatabaseInput<'_>) -> Option<BlockedBy> {
    let wait = |reason, message: String| {
        Some(BlockedBy {
            condition: ConditionType::DatabaseReady,
            reason,
            message,
        })
    };
    if at.drive.suspended {
        return wait(
            Reason::Suspended,
            "databases are prepared when the drive is no longer suspended".to_owned(),
        );
    }
    if let Some(waiting) = cluster(at) {
        return Some(waiting);
    }
    for (secret, key) in keys_of(at) {
        let theirs =
            matches!(&at.database.server, DatabaseServer::External(server) if server.secret.secret_name == secret);
        let Some(facts) = at.fetched.secrets.get(secret) else {
            let next = if theirs {
                format!(
                    "make it in namespace {:?} with the keys host, username and password, or correct \
                     spec.database.external.secretName",
                    at.drive.namespace
                )
            } else {
                "it is being made".to_owned()
            };
            return wait(
                Reason::SecretMissing,
                format!("Secret {secret:?}, which the database needs, does not exist: {next}"),
            );
        };
        if facts.keys.as_ref().is_some_and(|keys| !keys.contains_key(key)) {
            let next = if theirs {
                format!("add the key to the Secret in namespace {:?}", at.drive.namespace)
            } else {
                "it is being made".to_owned()
            };
            return wait(
                Reason::SecretKeyMissing,
                format!("Secret {secret:?} has no key {key:?}, which the database needs: {next}"),
            );
        }
    }
    if login_rotation::undrawn(at) {
        return wait(
            Reason::DatabasePending,
            "the passwords of the next logins are being drawn".to_owned(),
        );
    }
    if at.database.is_managed() && !at.facts.serves {
        return wait(Reason::DatabasePending, "the database server is starting".to_owned());
    }
    None
}

/// The next thing that CloudNativePG has to do.
fn cluster(at: &DatabaseInput<'_>) -> Option<BlockedBy> {
    if !matches!(at.database.server, DatabaseServer::CloudNativePG(_)) || at.facts.serves {
        return None;
    }
    let (reason, message) = cluster_trouble(at);
    Some(BlockedBy {
        condition: ConditionType::DatabaseReady,
        reason,
        message,
    })
}

/// Why servers that CloudNativePG runs do not serve.
pub fn cluster_trouble(at: &DatabaseInput<'_>) -> (Reason, String) {
    let name = &at.database.child;
    if !at.fetched.apis.clusters {
        return (
            Reason::CloudNativePGMissing,
            "spec.database.managed.provider is CloudNativePG, and the operator CloudNativePG (cloudnative-pg.io) is not installed: \
             install it, and the database is made within a minute"
                .to_owned(),
        );
    }
    let namespace = &at.drive.namespace;
    match &at.facts.cluster {
        Some(state) if !state.message.is_empty() => (
            Reason::DatabasePending,
            format!(
                "Cluster {name:?} is not ready: CloudNativePG reports: {}. `kubectl describe cluster.postgresql.cnpg.io {name} -n \
                 {namespace}` tells more",
                state.message
            ),
        ),
        _ => (
            Reason::DatabasePending,
            format!(
                "Cluster {name:?} waits for CloudNativePG, which has not reported yet: if that does not change, check that its operator \
                 runs"
            ),
        ),
    }
}

/// Message of each database while the server is down. When it is up again, the state before is restored.
pub const SERVER_DOWN: &str = "the database server is not ready";

impl DatabaseJob {
    /// True if the existing Job cannot pull an image that the current Job would not use. Then it is replaced.
    pub fn is_outdated(&self, at: &DatabaseInput<'_>) -> bool {
        let job = at.fetched.jobs.get(&self.job);
        job.is_some_and(|job| cannot_pull_other_than(job, &[&at.drive.operator_image]))
    }

    /// True if the Job's pod cannot start and waiting is unlikely to help.
    pub fn is_stalled(&self, at: &DatabaseInput<'_>) -> bool {
        let trouble = at.fetched.jobs.get(&self.job).and_then(|job| job.trouble.as_ref());
        trouble.is_some_and(|trouble| trouble.is_lasting(None, at.calendar.now))
    }

    /// True if the Job has to exist: it is created, or it continues.
    pub fn needs_job(&self) -> bool {
        !matches!(self.progress, JobProgress::Recorded | JobProgress::BlockedBy(_))
    }

    /// The requested databases, then the retained ones.
    pub fn databases(&self, at: &DatabaseInput<'_>) -> Vec<LogicalDatabaseStatus> {
        let report = self.report();
        let asked = at
            .database
            .databases
            .iter()
            .map(|one| line(at, one, report, &self.progress));
        let kept = self
            .no_longer_managed(at)
            .into_iter()
            .map(|name| LogicalDatabaseStatus {
                name,
                state: DatabaseState::Retained,
                user: None,
                identity: None,
                message: Some("no longer managed: it is kept on the server with all that is in it".to_owned()),
            });
        asked.chain(kept).collect()
    }

    /// The report of the Job, if it wrote one.
    pub fn report(&self) -> Option<&Report> {
        match &self.progress {
            JobProgress::Done(report) => Some(report),
            JobProgress::Failed { report, .. } => report.as_ref(),
            JobProgress::Recorded | JobProgress::Checking | JobProgress::BlockedBy(_) | JobProgress::Running(_) => None,
        }
    }

    fn no_longer_managed(&self, at: &DatabaseInput<'_>) -> BTreeSet<String> {
        let recorded = || at.facts.recorded.databases.iter().map(|line| line.name.clone());
        let all: Vec<String> = match self.report().filter(|report| report.server_version.is_some()) {
            Some(report) if report.no_longer_managed_more == 0 => report.no_longer_managed.clone(),
            Some(report) => recorded().chain(report.no_longer_managed.iter().cloned()).collect(),
            None => recorded().collect(),
        };
        let asked: BTreeSet<&str> = at.database.databases.iter().map(|one| one.name.as_str()).collect();
        all.into_iter().filter(|name| !asked.contains(name.as_str())).collect()
    }
}

/// One database's line in status.
fn line(
    at: &DatabaseInput<'_>,
    one: &ValidLogicalDatabase,
    report: Option<&Report>,
    progress: &JobProgress,
) -> LogicalDatabaseStatus {
    let mut recorded = at.facts.recorded.databases.iter();
    let recorded = recorded.find(|line| line.name == one.name);
    // What was there was there in another object.
    let before = recorded.filter(|_| !is_replaced(at));
    let was_there = before.is_some_and(|line| matches!(line.state, DatabaseState::Ready | DatabaseState::Failing));
    let login = at.turn.present.iter().find(|login| login.owner == one.user());
    let mut line = LogicalDatabaseStatus {
        name: one.name.clone(),
        user: login.map(|login| login.role.clone()),
        identity: report
            .and_then(|report| report.identity(&one.name))
            .or_else(|| recorded.and_then(|line| line.identity.clone())),
        state: if was_there {
            DatabaseState::Failing
        } else {
            DatabaseState::Pending
        },
        message: None,
    };
    let logs_in = |own: &str, role: &str| {
        let mut logins = at.turn.present.iter();
        logins.any(|login| login.owner == own && login.role == role)
    };
    let problem = report.and_then(|report| {
        report
            .problems
            .iter()
            .find(|problem| match (&problem.database, &problem.role) {
                (None, None) => true,
                (name, role) => {
                    name.as_ref() == Some(&one.name)
                        || role
                            .as_ref()
                            .is_some_and(|role| one.roles().any(|own| own == role || logs_in(own, role)))
                }
            })
    });
    match (progress, problem) {
        (_, Some(problem)) => line.message = Some(problem.message.clone()),
        // Only what was done whole is recorded as done.
        (JobProgress::Done(_) | JobProgress::Recorded, None) => line.state = DatabaseState::Ready,
        // Other databases have problems. If the report was cut, a database that it does not name keeps its state.
        (
            JobProgress::Failed {
                report: Some(report), ..
            },
            None,
        ) if report.server_version.is_some() && report.problems_more == 0 => {
            line.state = DatabaseState::Ready;
        }
        (
            JobProgress::Checking | JobProgress::BlockedBy(_) | JobProgress::Running(_) | JobProgress::Failed { .. },
            None,
        ) => {
            if before.is_some_and(|before| before.message.as_deref() == Some(SERVER_DOWN)) {
                line.state = DatabaseState::Ready;
            } else if let Some(before) = before.filter(|line| line.state != DatabaseState::Retained) {
                line.state = before.state;
                line.message.clone_from(&before.message);
            }
        }
    }
    line
}

/// The condition's reason for a problem.
pub fn reason(cause: Cause) -> Reason {
    match cause {
        Cause::Unreachable | Cause::Starting | Cause::TooManyConnections | Cause::ReadOnly | Cause::Busy => {
            Reason::DatabaseUnreachable
        }
        Cause::TlsRefused | Cause::TlsRequired | Cause::UnsafeAuthentication | Cause::CertificateRefused => {
            Reason::DatabaseTlsFailed
        }
        Cause::WrongPassword | Cause::NotLetIn | Cause::MissingRight => Reason::DatabaseDenied,
        Cause::WrongVersion => Reason::WrongDatabaseVersion,
        Cause::MissingKey => Reason::SecretKeyMissing,
        Cause::NotOurs => Reason::DatabaseNotOurs,
        Cause::ExtensionMissing => Reason::ExtensionMissing,
        Cause::DatabaseMissing | Cause::BadValue | Cause::BadRequest | Cause::Refused => Reason::DatabaseRefused,
    }
}
