//! How far the databases of a drive are, from what is known of its Secrets, its server and the Job that prepares
//! them. Pure.

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

/// What is asked of the database server, and how far it is.
#[derive(Clone, Debug, PartialEq)]
pub struct DatabaseJob {
    /// Name of the Job that does it.
    pub job: String,
    /// Hash of what is asked and of when each Secret was written: a Job of the same work does the same.
    pub work: String,
    /// What is asked. No secret is in it.
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
    /// It was done.
    Done(Report),
    /// It was not done, or not all of it.
    Failed {
        /// What it said, where it came to say something.
        report: Option<Report>,
        /// What Kubernetes says.
        said: String,
    },
}

/// What is to be prepared.
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

/// Whether the data of the server in the cluster is in another object than when its databases were set up: whatever status
/// says of them is said of others.
pub fn is_replaced(at: &DatabaseInput<'_>) -> bool {
    match (&at.facts.storage, &at.facts.recorded.storage) {
        (Some(now), Some(then)) => now != then,
        _ => false,
    }
}

fn is_recorded(at: &DatabaseInput<'_>, work: &str) -> bool {
    at.facts.recorded.prepared.as_deref() == Some(work) && !is_replaced(at)
}

/// When the server is to be asked once more. Somebody may drop a database, or put another server behind the same name, and
/// nothing in the cluster tells of it. A server outside is asked after each start of the operator, one drive after the other,
/// and every server once a day.
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
        // News of the pod may come after news of its Job.
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

/// What the Job has to wait for.
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
                format!("Secret {secret:?}, which the database needs, is not there: {next}"),
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

/// What CloudNativePG has still to do.
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
                "Cluster {name:?} is not ready: CloudNativePG says: {}. `kubectl describe cluster.postgresql.cnpg.io {name} -n \
                 {namespace}` tells more",
                state.message
            ),
        ),
        _ => (
            Reason::DatabasePending,
            format!(
                "Cluster {name:?} waits for CloudNativePG, which has not said anything yet: if it does not, see that its operator \
                 runs"
            ),
        ),
    }
}

/// What each database's line says while the server is down. What the line said before is as true as before once it is up.
pub const SERVER_DOWN: &str = "the database server is not ready";

impl DatabaseJob {
    /// Whether the Job that is there cannot pull an image that it would not have now: it makes way for one that can.
    pub fn is_outdated(&self, at: &DatabaseInput<'_>) -> bool {
        let job = at.fetched.jobs.get(&self.job);
        job.is_some_and(|job| cannot_pull_other_than(job, &[&at.drive.operator_image]))
    }

    /// Whether the Job's pod cannot start, and waiting did not help.
    pub fn is_stalled(&self, at: &DatabaseInput<'_>) -> bool {
        let trouble = at.fetched.jobs.get(&self.job).and_then(|job| job.trouble.as_ref());
        trouble.is_some_and(|trouble| trouble.is_lasting(None, at.calendar.now))
    }

    /// Whether the Job has to be there: it is made, or it goes on.
    pub fn needs_job(&self) -> bool {
        !matches!(self.progress, JobProgress::Recorded | JobProgress::BlockedBy(_))
    }

    /// Each database as it is known to be, then those that are kept and no longer asked for.
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

    /// What the Job said, when it said something.
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
        // Others have problems, and what is not told is left open when not all of it was told.
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
