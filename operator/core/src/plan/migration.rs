//! Migrations: which one runs, which services wait for it, and which Jobs are kept. Pure.
//!
//! | state | when | next, and when |
//! |---|---|---|
//! | `Due` | this migration never succeeded, no Job of it exists, and no other Job of the service is open | `Running`: `apply` creates its Job |
//! | `Behind` | another Job of the service is open, or a pod of a deleted one still runs: two never run at once | `Due`: that one has ended |
//! | `Running` | its Job is open | `Done` or `Failed`: the Job ends |
//! | `Failed` | its Job failed | `Due`: its Job is deleted, the annotation has a new token, or the spec changes what it does or how it runs |
//! | `Done` | its Job succeeded, or the status records that its content succeeded on these databases | `Due`: the annotation has a new token, its content changes, or a database is replaced |
//!
//! A service waits in every state but `Done`, and so does each service with the same image.
//!
//! Three hashes identify a migration:
//!
//! - *Content* is what it does: image, command, arguments, environment and files. The status records which content succeeded on
//!   which databases, and the same content never runs again on the same databases without a request.
//! - *Work* is the content and the token of the last request, because a user may request the same content again.
//! - *Job*, the name of the Job, is made of the work and of how it runs: resources, time-out, security, scheduling. So a failed
//!   migration runs again when one of these changes, and at no other time: nothing that only the operator decides, such as its own
//!   image, is part of it. A Job whose container has not started, and that cannot pull an image that the current Job would not use,
//!   is replaced.

mod content;

pub use content::shared_volumes;

use std::collections::BTreeSet;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use ras_crds::{ConditionType, LogicalDatabaseStatus, Migrated, MigrationStatus, Reason};

use self::content::{content, way};
use crate::fetched::jobs::MIGRATE;
use crate::fetched::{JobFacts, JobOutcome, PodEnd, PodRun};
use crate::names;
use crate::plan::blocked_by::BlockedBy;
use crate::plan::input::Input;
use crate::valid::{ValidMigration, ValidService};

/// Failed Jobs of one service that are kept, the newest ones.
const EVIDENCE: usize = 3;

/// Migrations that status remembers of one service.
pub const REMEMBERED: usize = 10;

/// The hashes of a migration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Hash of what it does.
    pub content: String,
    /// The token of the annotation.
    pub request: Option<String>,
    /// Hash of the identities of its databases. Absent: one is not known.
    pub databases: Option<String>,
    /// Hash of the two.
    pub work: String,
    /// Name of its Job.
    pub job: String,
}

/// How a migration stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MigrationPhase {
    /// It succeeded, now or earlier.
    Done {
        at: Option<Timestamp>,
    },
    /// It is to be run.
    Due,
    Running {
        job: String,
        /// Why its program has not started, where a person should know.
        waits: Option<String>,
    },
    /// An earlier migration of the same service is not over yet, and two never run at once.
    Behind {
        job: String,
    },
    Failed {
        job: String,
        failure: Failure,
    },
}

/// How a migration failed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Failure {
    pub at: Option<Timestamp>,
    pub exit_code: Option<i32>,
    /// Why, in words; with the last lines it said.
    pub why: String,
}

/// A service with its migration.
#[derive(Clone, Copy, Debug)]
pub struct Migrating<'a> {
    pub input: Input<'a>,
    /// The service, with the first login of each owner: who logs in is no part of what a migration does.
    pub service: &'a ValidService,
    /// The databases as they are known. Absent: the drive has none.
    pub databases: Option<&'a [LogicalDatabaseStatus]>,
    pub migration: &'a ValidMigration,
}

/// Every migration of a drive.
pub fn all<'a>(
    input: Input<'a>,
    databases: Option<&'a [LogicalDatabaseStatus]>,
) -> impl Iterator<Item = Migrating<'a>> {
    input.drive.services.iter().filter_map(move |service| {
        Some(Migrating {
            input,
            service,
            databases,
            migration: service.migration.as_ref()?,
        })
    })
}

impl<'a> Migrating<'a> {
    fn recorded(&self) -> Option<&'a MigrationStatus> {
        self.input.fetched.migrations.get(&self.service.name)
    }

    /// True if the annotation has a new token.
    fn is_asked_anew(&self) -> bool {
        let asked = self.input.drive.migration_requests.get(&self.service.name);
        asked.is_some() && asked != self.recorded().and_then(|recorded| recorded.request.as_ref())
    }

    fn identity(&self) -> Identity {
        let content = content(self.service, self.migration);
        let asked = self.input.drive.migration_requests.get(&self.service.name);
        // A removed annotation requests nothing: the last request stays the last.
        let request = asked
            .or(self.recorded().and_then(|recorded| recorded.request.as_ref()))
            .cloned();
        let mut work = names::hash(&[&content, request.as_deref().unwrap_or_default()], 16);
        let databases = self.databases();
        if let Some(databases) = &databases
            && self.ran_on_others(&content, databases)
        {
            // Or the Job that succeeded on the databases before would count.
            work = names::hash(&[&work, "databases", databases], 16);
        }
        let mut parts = vec![work.clone()];
        way(self.input.drive, self.service, self.migration, &mut parts);
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        let job = names::job(
            &self.input.drive.name,
            MIGRATE,
            &self.service.name,
            &names::hash(&parts, 16),
        );
        Identity {
            content,
            request,
            databases,
            work,
            job,
        }
    }

    /// Hash of the identities of all databases that the service and its migration use. Absent: they use none, or one is
    /// not known yet.
    fn databases(&self) -> Option<String> {
        // With what the Job has just said: nothing wakes the drive once status says it too.
        let known = self.databases?;
        let used: BTreeSet<&String> = self.service.databases.iter().chain(&self.migration.databases).collect();
        let mut parts: Vec<&str> = Vec::new();
        for name in used {
            let line = known.iter().find(|line| line.name == *name)?;
            parts.extend([name.as_str(), line.identity.as_deref()?]);
        }
        (!parts.is_empty()).then(|| names::hash(&parts, 16))
    }

    /// True if this content succeeded on other databases than the current ones.
    fn ran_on_others(&self, content: &str, databases: &str) -> bool {
        let recorded = self.recorded().into_iter().flat_map(|recorded| &recorded.succeeded);
        let mut same = recorded.filter(|past| past.content == content);
        same.any(|past| past.databases.as_deref().is_some_and(|past| past != databases))
    }

    /// The Jobs there are for this service's migrations.
    fn jobs(&self) -> impl Iterator<Item = (&'a String, &'a JobFacts)> {
        let of = self.service.name.as_str();
        self.input
            .fetched
            .jobs
            .iter()
            .filter(move |(_, job)| job.purpose == MIGRATE && job.of == of)
    }

    /// The entry of status that says that this very content succeeded.
    fn success(&self, identity: &Identity) -> Option<&'a Migrated> {
        if self.is_asked_anew() {
            return None;
        }
        let recorded = self.recorded()?;
        let past = recorded
            .succeeded
            .iter()
            .find(|past| past.content == identity.content)?;
        let is_elsewhere = match (&past.databases, &identity.databases) {
            (Some(past), Some(now)) => past != now,
            // What an earlier version of the operator recorded, or a database that does not say what it is.
            _ => false,
        };
        (!is_elsewhere).then_some(past)
    }

    /// How far it is.
    fn phase(&self, identity: &Identity) -> MigrationPhase {
        if let Some(past) = self.success(identity) {
            return MigrationPhase::Done {
                at: past.finished_at.as_ref().map(|time| time.0),
            };
        }
        if let Some(at) = self.jobs().find_map(|(_, job)| match job.outcome {
            JobOutcome::Succeeded { at } if job.work == identity.work => Some(at),
            JobOutcome::Succeeded { .. } | JobOutcome::Open | JobOutcome::Failed { .. } => None,
        }) {
            return MigrationPhase::Done { at };
        }
        if let Some(job) = self.in_the_way(identity) {
            return job;
        }
        let Some(job) = self.input.fetched.jobs.get(&identity.job) else {
            return MigrationPhase::Due;
        };
        match &job.outcome {
            JobOutcome::Failed { at, reason } => MigrationPhase::Failed {
                failure: self.failure(&identity.job, job, *at, reason),
                job: identity.job.clone(),
            },
            JobOutcome::Open | JobOutcome::Succeeded { .. } => MigrationPhase::Running {
                waits: waits(job, self.input.calendar.now),
                job: identity.job.clone(),
            },
        }
    }

    /// True if this Job's pod cannot pull an image that the current Job would not use. Then it is replaced. Its
    /// container has not started, so no migration runs twice.
    fn is_outdated(&self, job: &str) -> bool {
        let now = [&self.input.drive.operator_image, &self.migration.container.image];
        let job = self.input.fetched.jobs.get(job);
        job.is_some_and(|job| cannot_pull_other_than(job, &now))
    }

    /// True if this Job's pod cannot start and waiting is unlikely to help.
    fn is_stalled(&self, job: &str) -> bool {
        let trouble = self.input.fetched.jobs.get(job).and_then(|job| job.trouble.as_ref());
        trouble.is_some_and(|trouble| trouble.is_lasting(None, self.input.calendar.now))
    }

    /// An earlier migration that is not over: a Job that has not ended, or a pod that is still going.
    fn in_the_way(&self, identity: &Identity) -> Option<MigrationPhase> {
        if let Some((name, job)) = self
            .jobs()
            .find(|(name, job)| job.outcome == JobOutcome::Open && (**name != identity.job || job.deleting))
        {
            let name = name.clone();
            // It does the same in another way, and is at it.
            return Some(if job.work == identity.work && has_started(job) && !job.deleting {
                MigrationPhase::Running { job: name, waits: None }
            } else {
                MigrationPhase::Behind { job: name }
            });
        }
        let mut pods = self.input.fetched.job_pods.iter();
        let other = pods.find(|pod| {
            pod.purpose == MIGRATE
                && pod.of == self.service.name
                && pod.run == PodRun::Running
                && !self.input.fetched.jobs.contains_key(&pod.job)
        })?;
        Some(MigrationPhase::Behind { job: other.job.clone() })
    }

    fn failure(&self, name: &str, job: &JobFacts, at: Option<Timestamp>, reason: &str) -> Failure {
        let ends = job.pods.iter().filter_map(|pod| match pod {
            PodRun::Ended(end) => end.as_ref(),
            PodRun::BlockedBy(_) | PodRun::Running => None,
        });
        let Some(last) = ends.max_by_key(|end| end.at) else {
            // Its pod was deleted, for example with its node. The recorded failure stays.
            let recorded = self.recorded().filter(|recorded| recorded.job.as_deref() == Some(name));
            let why = recorded.and_then(|recorded| recorded.message.clone());
            return Failure {
                at,
                exit_code: recorded.and_then(|recorded| recorded.exit_code),
                why: why.unwrap_or_else(|| self.why(reason)),
            };
        };
        Failure {
            at,
            exit_code: last.exit_code,
            why: end_text(last).unwrap_or_else(|| self.why(reason)),
        }
    }

    fn why(&self, reason: &str) -> String {
        match reason {
            "DeadlineExceeded" => format!("it did not end within {} seconds", self.migration.timeout_seconds),
            other => other.to_owned(),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MigrationPlan {
    /// Name of the service.
    pub service: String,
    pub image: String,
    pub identity: Identity,
    /// How far it is.
    pub phase: MigrationPhase,
    /// Its Job's pod cannot start, and waiting is unlikely to help.
    pub stalls: bool,
    /// Successful migrations, the newest first. The next reconcile decides by them.
    pub succeeded: Vec<Migrated>,
}

impl MigrationPlan {
    /// Decides about a migration.
    pub fn of(migrating: &Migrating<'_>) -> Self {
        let identity = migrating.identity();
        let phase = migrating.phase(&identity);
        Self {
            service: migrating.service.name.clone(),
            image: migrating.service.container.image.clone(),
            stalls: matches!(&phase, MigrationPhase::Running { job, waits: Some(_) } if migrating.is_stalled(job)),
            succeeded: remembered(migrating, &identity, &phase),
            identity,
            phase,
        }
    }
}

/// The migration that a service waits for: its own, or one of another service with the same image. A worker of the next
/// version must not run on the tables of the last one.
pub fn waiting(migrations: &[MigrationPlan], service: &ValidService) -> Option<BlockedBy> {
    let mut reason = None;
    let mut lines = Vec::new();
    let gates = migrations
        .iter()
        .filter(|gate| gate.service == service.name || gate.image == service.container.image);
    for gate in gates {
        let of = &gate.service;
        let line = match &gate.phase {
            MigrationPhase::Done { .. } => continue,
            MigrationPhase::Failed { job, .. } => {
                reason = Some(Reason::MigrationFailed);
                format!("the migration of service {of:?} (Job {job}) failed")
            }
            MigrationPhase::Due => format!("the migration of service {of:?} has to run first"),
            MigrationPhase::Running { job, .. } => format!("the migration of service {of:?} runs (Job {job})"),
            MigrationPhase::Behind { job } => {
                format!("the migration of service {of:?} waits for an earlier one to end (Job {job})")
            }
        };
        lines.push(line);
    }
    (!lines.is_empty()).then(|| BlockedBy {
        condition: ConditionType::MigrationsReady,
        reason: reason.unwrap_or(Reason::MigrationRunning),
        message: lines.join("; "),
    })
}

/// Successful migrations, the newest first. One that is requested again is not among them.
fn remembered(migrating: &Migrating<'_>, identity: &Identity, standing: &MigrationPhase) -> Vec<Migrated> {
    let recorded = migrating.input.fetched.migrations.get(&migrating.service.name);
    let mut succeeded = recorded.map(|recorded| recorded.succeeded.clone()).unwrap_or_default();
    if migrating.is_asked_anew() {
        succeeded.retain(|past| past.content != identity.content);
    }
    let MigrationPhase::Done { at } = standing else {
        return succeeded;
    };
    let now = &identity.databases;
    succeeded.retain(|past| {
        past.content != identity.content || past.databases.is_none() || now.is_none() || past.databases == *now
    });
    if let Some(past) = succeeded.iter_mut().find(|past| past.content == identity.content) {
        past.databases = past.databases.take().or_else(|| now.clone());
    } else {
        let new = Migrated {
            content: identity.content.clone(),
            databases: now.clone(),
            image: migrating.service.container.image.clone(),
            finished_at: at.map(Time),
        };
        succeeded.insert(0, new);
        succeeded.truncate(REMEMBERED);
    }
    succeeded
}

/// How a pod ended, in words.
fn end_text(end: &PodEnd) -> Option<String> {
    let code = end.exit_code.map(|code| format!("exit code {code}"));
    let head = match (code, &end.reason) {
        (Some(code), Some(reason)) => format!("{code} ({reason})"),
        (Some(code), None) => code,
        (None, Some(reason)) => reason.clone(),
        (None, None) => return None,
    };
    Some(if end.said.is_empty() {
        head
    } else {
        format!("{head}: {}", end.said)
    })
}

fn has_started(job: &JobFacts) -> bool {
    job.pods.iter().any(|pod| !matches!(pod, PodRun::BlockedBy(_)))
}

/// True if a Job that has not started cannot pull its image, and that image is none of these.
pub fn cannot_pull_other_than(job: &JobFacts, images: &[&String]) -> bool {
    let unpulled = job.trouble.as_ref().and_then(|trouble| trouble.unpulled.as_ref());
    job.outcome == JobOutcome::Open && !has_started(job) && unpulled.is_some_and(|unpulled| !images.contains(&unpulled))
}

/// Why a Job's program has not started, where that is more than an ordinary start.
pub fn waits(job: &JobFacts, now: Timestamp) -> Option<String> {
    let immediate = job.pods.iter().find_map(|pod| match pod {
        PodRun::BlockedBy(why) => why.clone(),
        PodRun::Running | PodRun::Ended(_) => None,
    });
    immediate.or_else(|| {
        let trouble = job.trouble.as_ref().filter(|trouble| trouble.is_shown(now))?;
        Some(trouble.text())
    })
}

/// Names of Jobs that stay where they are there.
///
/// A running Job is never stopped. A failed one is kept until a later one succeeds, and a successful one until its
/// successor has succeeded. A Job whose container never started only blocks its successor, and is removed.
pub fn kept<'a>(input: Input<'a>, migrations: impl IntoIterator<Item = &'a Migrating<'a>>) -> Vec<String> {
    let at_work = input
        .fetched
        .jobs
        .iter()
        .filter(|(_, job)| job.purpose == MIGRATE && job.outcome == JobOutcome::Open && has_started(job))
        .map(|(name, _)| name.clone());
    let mut kept: Vec<String> = at_work.collect();
    for migrating in migrations {
        let identity = migrating.identity();
        if !migrating.is_outdated(&identity.job) {
            kept.push(identity.job.clone());
        }
        let mut succeeded: Vec<(Option<Timestamp>, &String)> = Vec::new();
        let mut failed: Vec<(Option<Timestamp>, &String)> = Vec::new();
        let mut is_done = false;
        for (name, job) in migrating.jobs() {
            match &job.outcome {
                JobOutcome::Succeeded { at } => {
                    is_done |= job.work == identity.work;
                    if job.work == identity.work {
                        kept.push(name.clone());
                    }
                    succeeded.push((*at, name));
                }
                JobOutcome::Failed { at, .. } => failed.push((*at, name)),
                JobOutcome::Open => {}
            }
        }
        let recorded = migrating
            .recorded()
            .into_iter()
            .flat_map(|recorded| &recorded.succeeded);
        let in_status = recorded
            .filter_map(|past| past.finished_at.as_ref().map(|time| time.0))
            .max();
        let last_success = succeeded.iter().filter_map(|(at, _)| *at).max().max(in_status);
        if !is_done {
            kept.extend(succeeded.iter().max().map(|(_, name)| (*name).clone()));
        }
        failed.sort();
        let evidence = failed.iter().rev().filter(|(at, _)| *at > last_success);
        kept.extend(evidence.take(EVIDENCE).map(|(_, name)| (*name).clone()));
    }
    kept
}
