//! A cluster with a database server, as far as passwords go: Secrets, Jobs, programs and their pods.

use std::collections::BTreeMap;

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use ras_core::database::report::{Cause, Problem, Report};
use ras_core::database::request::Request;
use ras_core::fetched::{
    Crash, DatabaseFacts, Fetched, JobFacts, JobOutcome, JobPod, PodRun, ProgramFacts, SecretFacts,
};
use ras_core::plan::login_rotation::RotationPhase;
use ras_core::platform::PlatformConfig;
use ras_core::valid::SUFFIX;
use ras_crds::labels::ROTATE;
use ras_crds::{DatabaseStatus, RecruitmentDrive};

use crate::planned::{Planned, phase_of, validate};

/// Seconds a pod gets to end.
const GRACE: i64 = 30;

/// A Secret as it is, with a value that the operator never sees.
#[derive(Clone, Debug)]
pub struct Stored {
    pub value: u32,
    pub version: u64,
    pub facts: SecretFacts,
}

/// Users and the Secrets of their passwords, as one version of a service has them.
pub type Environment = BTreeMap<String, String>;

#[derive(Clone, Debug)]
pub struct Pod {
    pub environment: Environment,
    /// Passwords at its start, by user.
    pub has: BTreeMap<String, u32>,
    /// When it has ended, of one that was replaced.
    pub ends: Option<Timestamp>,
    /// Its container crashes, for another reason than its login.
    pub crashes: bool,
}

#[derive(Clone, Debug)]
pub struct Work {
    pub request: Request,
    pub facts: JobFacts,
    /// Passwords at its start, by role.
    pub mounted: Option<BTreeMap<String, u32>>,
    /// Its Job was deleted, and its pod still runs.
    pub lingers: bool,
}

/// A cluster with a server, as far as passwords go.
#[derive(Clone, Debug)]
pub struct World {
    pub drive: RecruitmentDrive,
    pub now: Timestamp,
    pub drawn: u32,
    pub secrets: BTreeMap<String, Stored>,
    pub server: BTreeMap<String, u32>,
    pub programs: BTreeMap<String, Environment>,
    pub pods: BTreeMap<String, Vec<Pod>>,
    pub jobs: BTreeMap<String, Work>,
    pub status: DatabaseStatus,
    pub history: Vec<DatabaseStatus>,
    /// Who could not log in while all went its way.
    pub trouble: Option<String>,
    /// Containers crash with the second login, because they build the name of their user themselves.
    pub follows_no_login: bool,
}

/// Which status an operator that has just started finds.
#[derive(Clone, Copy, Debug)]
pub enum Memory {
    Whole,
    Lost,
    /// So many writes ago.
    Old(usize),
}

impl World {
    pub fn new(drive: RecruitmentDrive) -> Self {
        let keys = ["host", "username", "password"].map(|key| (key.to_owned(), "then".to_owned()));
        let campus = SecretFacts {
            keys: Some(keys.into()),
            ..SecretFacts::default()
        };
        Self {
            drive,
            now: "2026-07-01T00:00:00Z".parse().unwrap(),
            drawn: 0,
            secrets: BTreeMap::from([(
                "rds".to_owned(),
                Stored {
                    value: 0,
                    version: 0,
                    facts: campus,
                },
            )]),
            server: BTreeMap::new(),
            programs: BTreeMap::new(),
            pods: BTreeMap::new(),
            jobs: BTreeMap::new(),
            status: DatabaseStatus::default(),
            history: Vec::new(),
            trouble: None,
            follows_no_login: false,
        }
    }

    /// One that has run for a while.
    pub fn settled(drive: RecruitmentDrive) -> Self {
        let mut world = Self::new(drive);
        world.runs(4);
        assert_eq!(world.programs.len(), 3, "{world:#?}");
        world
    }

    pub fn seen(&self, memory: Memory) -> Fetched {
        let recorded = match memory {
            Memory::Whole => self.status.clone(),
            Memory::Lost => DatabaseStatus::default(),
            Memory::Old(ago) => {
                let at = self.history.len().checked_sub(ago + 1);
                at.map_or_else(|| self.status.clone(), |at| self.history[at].clone())
            }
        };
        let programs = self.programs.iter().map(|(child, environment)| {
            let facts = ProgramFacts {
                passwords: environment.values().cloned().collect(),
                settled: self.pods[child]
                    .iter()
                    .all(|pod| pod.ends.is_some() || pod.environment == *environment),
                wanted: true,
                serves: self
                    .living(child)
                    .all(|pod| pod.environment == *environment && !self.has_crashed(pod)),
                crashes: self
                    .living(child)
                    .filter(|pod| self.has_crashed(pod))
                    .map(|pod| Crash {
                        passwords: pod.environment.values().cloned().collect(),
                        text: "pod p: CrashLoopBackOff: no user".to_owned(),
                    })
                    .collect(),
            };
            (child.clone(), facts)
        });
        let there = self.jobs.iter().filter(|(_, work)| !work.lingers);
        let lingering = self.jobs.iter().filter(|(_, work)| work.lingers);
        Fetched {
            now: self.now,
            secrets: self
                .secrets
                .iter()
                .map(|(name, stored)| (name.clone(), stored.facts.clone()))
                .collect(),
            jobs: there.map(|(name, work)| (name.clone(), work.facts.clone())).collect(),
            job_pods: lingering
                .map(|(name, work)| JobPod {
                    job: name.clone(),
                    purpose: work.facts.purpose.clone(),
                    of: work.facts.of.clone(),
                    run: PodRun::Running,
                    report: None,
                })
                .collect(),
            database: DatabaseFacts {
                recorded,
                serves: true,
                programs: programs.collect(),
                ..DatabaseFacts::default()
            },
            ..Fetched::default()
        }
    }

    pub fn living(&self, child: &str) -> impl Iterator<Item = &Pod> {
        self.pods[child].iter().filter(|pod| pod.ends.is_none())
    }

    pub fn has_crashed(&self, pod: &Pod) -> bool {
        let is_second = |user: &String| user.ends_with(SUFFIX);
        pod.crashes || self.follows_no_login && pod.environment.keys().any(is_second)
    }

    /// One pod crashes from now on, or no longer.
    pub fn crash(&mut self, which: usize) {
        let mut all: Vec<&mut Pod> = self
            .pods
            .values_mut()
            .flatten()
            .filter(|pod| pod.ends.is_none())
            .collect();
        let Some(at) = which.checked_rem(all.len()) else { return };
        all[at].crashes = !all[at].crashes;
    }

    /// Every program works with every login.
    pub fn mend(&mut self) {
        self.follows_no_login = false;
        for pod in self.pods.values_mut().flatten() {
            pod.crashes = false;
        }
    }

    pub fn valid(&self, memory: Memory) -> Planned {
        validate(&self.drive, &self.seen(memory), &PlatformConfig::default()).unwrap()
    }

    pub fn standing(&self) -> RotationPhase {
        phase_of(&self.valid(Memory::Whole))
    }

    pub fn start(&self, environment: &Environment) -> Pod {
        let has = environment
            .iter()
            .map(|(user, secret)| (user.clone(), self.secrets[secret].value));
        Pod {
            environment: environment.clone(),
            has: has.collect(),
            ends: None,
            crashes: false,
        }
    }

    /// A Job goes; a program of it that has begun may not have heard of it.
    pub fn forget(&mut self, name: &str) {
        let Some(work) = self.jobs.get_mut(name) else { return };
        if work.mounted.is_some() && work.facts.outcome == JobOutcome::Open {
            work.lingers = true;
        } else {
            self.jobs.remove(name);
        }
    }

    pub fn nth_job(&mut self, which: usize, open: bool) -> Option<String> {
        let jobs: Vec<&String> = self
            .jobs
            .iter()
            .filter(|(_, work)| (work.facts.outcome == JobOutcome::Open) == open)
            .map(|(name, _)| name)
            .collect();
        jobs.get(which.checked_rem(jobs.len())?).copied().cloned()
    }

    pub fn begin_job(&mut self, which: usize) {
        let Some(name) = self.nth_job(which, true) else { return };
        let work = self.jobs.get_mut(&name).unwrap();
        if work.mounted.is_none() {
            let mounted = work.request.logins.iter().map(|login| {
                let secret = login.password_file.split('/').next().unwrap();
                (login.role.clone(), self.secrets[secret].value)
            });
            work.mounted = Some(mounted.collect());
            work.facts.pods = vec![PodRun::Running];
        }
    }

    /// A Job does what it is for, with the passwords that it was started with.
    pub fn end_job(&mut self, which: usize, well: bool) {
        let Some(name) = self.nth_job(which, true) else { return };
        let work = self.jobs.get_mut(&name).unwrap();
        let Some(mounted) = &work.mounted else { return };
        let count = if well { mounted.len() } else { 1 };
        self.server.extend(mounted.clone().into_iter().take(count));
        work.facts.pods = vec![PodRun::Ended(None)];
        let report = Report {
            server_version: Some("17.6".to_owned()),
            ..Report::default()
        };
        work.facts.report = Some(report);
        work.facts.outcome = if well {
            JobOutcome::Succeeded { at: None }
        } else {
            work.facts.report.as_mut().unwrap().problems = vec![Problem {
                cause: Cause::Unreachable,
                database: None,
                role: None,
                message: "the server went away".to_owned(),
            }];
            JobOutcome::Failed {
                at: None,
                reason: "BackoffLimitExceeded".to_owned(),
            }
        };
        if work.lingers {
            self.jobs.remove(&name);
        }
    }

    /// Kubernetes replaces one pod of an earlier version.
    pub fn roll(&mut self, which: usize) {
        let mut old = Vec::new();
        for (child, pods) in &self.pods {
            let environment = &self.programs[child];
            old.extend(
                pods.iter()
                    .enumerate()
                    .filter(|(_, pod)| pod.ends.is_none() && pod.environment != *environment)
                    .map(|(at, _)| (child.clone(), at)),
            );
        }
        let Some(at) = which.checked_rem(old.len()) else { return };
        let (child, at) = old[at].clone();
        let new = self.start(&self.programs[&child].clone());
        let ends = self.now + SignedDuration::from_secs(GRACE);
        let pods = self.pods.get_mut(&child).unwrap();
        pods[at].ends = Some(ends);
        pods.push(new);
    }

    /// A container is started anew, with what the Secret has now.
    pub fn restart(&mut self, which: usize) {
        let all: Vec<(String, usize)> = self
            .pods
            .iter()
            .flat_map(|(child, pods)| (0..pods.len()).map(move |at| (child.clone(), at)))
            .collect();
        let Some(at) = which.checked_rem(all.len()) else { return };
        let (child, at) = &all[at];
        let before = self.pods[child][*at].clone();
        let new = self.start(&before.environment);
        self.pods.get_mut(child).unwrap()[*at].has = new.has;
    }

    pub fn wish(&mut self, mark: u8) {
        self.annotate(ROTATE, format!("database@{mark}"));
    }

    pub fn annotate(&mut self, name: &str, value: String) {
        let annotations = self.drive.metadata.annotations.get_or_insert_default();
        annotations.insert(name.to_owned(), value);
    }

    pub fn pass(&mut self, seconds: i64) {
        self.now += SignedDuration::from_secs(seconds);
        let now = self.now;
        for pods in self.pods.values_mut() {
            pods.retain(|pod| pod.ends.is_none_or(|ends| ends > now));
        }
    }

    /// Lets all go its way for so many rounds.
    pub fn runs(&mut self, rounds: usize) {
        for _ in 0..rounds {
            self.walk(Memory::Whole, usize::MAX);
            // Kubernetes removes a Job some minutes after its end.
            while let Some(name) = self.nth_job(0, false) {
                self.forget(&name);
            }
            self.begin_job(0);
            self.end_job(0, true);
            self.trouble = self.trouble.take().or_else(|| self.locked_out());
            for _ in 0..6 {
                self.roll(0);
            }
            self.trouble = self.trouble.take().or_else(|| self.locked_out());
            self.pass(20);
        }
    }

    pub fn locked_out(&self) -> Option<String> {
        self.pods.iter().find_map(|(child, pods)| {
            let user = |pod: &Pod| {
                let mut all = pod.has.iter();
                all.find(|(user, value)| self.server.get(*user) != Some(*value))
                    .map(|(user, _)| format!("a pod of {child} as {user}"))
            };
            pods.iter().find_map(user)
        })
    }
}
