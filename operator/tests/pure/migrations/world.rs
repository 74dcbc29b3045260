//! A drive with a migration, and a cluster that runs its Jobs.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::jiff::Timestamp;
use ras_core::build::Desired;
use ras_core::fetched::{Fetched, JobFacts, JobOutcome, JobPod, PodEnd, PodRun};
use ras_core::platform::PlatformConfig;
use ras_core::report::migrations;
use ras_crds::labels::{RUN_MIGRATION, WORK};
use ras_crds::{MigrationStatus, RecruitmentDrive};

use crate::drives::{facts_for, with_spec};
use crate::planned::{Planned, build, validate};

const API: &str = "
services:
- name: api
  image: ats:1
  env:
  - {name: ROLE, value: app}
  - {name: PASSWORD, secret: {name: app, key: password}}
  - {name: URL, value: postgres://$(ROLE):$(PASSWORD)@database/ats}
  files: [{path: /app/config.yaml, content: 'url: $(URL)'}]
  migrate:
    command: [ats, migrate]
    env:
    - {name: ROLE, value: owner}
    - {name: PASSWORD, secret: {name: owner, key: password}}
    - {name: LOCK, value: 'yes'}
- name: worker
  image: ats:1
- name: site
  image: site:1
secrets:
- {name: app, generate: {keys: [password]}}
- {name: owner, generate: {keys: [password]}}
";

pub fn drive() -> RecruitmentDrive {
    with_spec(API)
}

pub fn valid(drive: &RecruitmentDrive, fetched: &Fetched) -> Planned {
    validate(drive, fetched, &PlatformConfig::default()).unwrap()
}

pub fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_780_000_000 + second).unwrap()
}

/// The cluster and what status says, as a sequence of walks sees and changes them.
pub struct World {
    pub drive: RecruitmentDrive,
    pub jobs: BTreeMap<String, JobFacts>,
    pub pods: Vec<JobPod>,
    pub status: BTreeMap<String, MigrationStatus>,
    /// Every status that was written over, the oldest first.
    pub history: Vec<BTreeMap<String, MigrationStatus>>,
    pub clock: i64,
    /// Names of all Jobs that were ever made, in order.
    pub made: Vec<String>,
}

impl World {
    pub fn new(drive: RecruitmentDrive) -> Self {
        Self {
            drive,
            jobs: BTreeMap::new(),
            pods: Vec::new(),
            status: BTreeMap::new(),
            history: Vec::new(),
            clock: 0,
            made: Vec::new(),
        }
    }

    pub fn valid(&self) -> Planned {
        self.valid_by(&self.status)
    }

    pub fn valid_by(&self, status: &BTreeMap<String, MigrationStatus>) -> Planned {
        let fetched = Fetched {
            jobs: self.jobs.clone(),
            job_pods: self.pods.clone(),
            migrations: status.clone(),
            ..facts_for(&self.drive)
        };
        valid(&self.drive, &fetched)
    }

    /// The status of so many writes ago.
    pub fn old(&self, ago: usize) -> BTreeMap<String, MigrationStatus> {
        let at = self.history.len().checked_sub(ago);
        at.and_then(|at| self.history.get(at)).unwrap_or(&self.status).clone()
    }

    pub fn walk(&mut self) -> Desired {
        let status = self.status.clone();
        self.walk_by(&status)
    }

    /// One walk: Jobs are made and removed as `apply` does it, and status is written. A Job starts only, and status is
    /// written only, when the status that this was decided by is the stored one.
    pub fn walk_by(&mut self, status: &BTreeMap<String, MigrationStatus>) -> Desired {
        let valid = self.valid_by(status);
        let desired = build(&valid);
        let is_current = *status == self.status;
        let starts = |job: &Job| !self.jobs.contains_key(job.metadata.name.as_ref().unwrap());
        if !is_current && desired.jobs.iter().any(starts) {
            return desired;
        }
        let made: BTreeSet<String> = desired
            .jobs
            .iter()
            .map(|job| job.metadata.name.clone().unwrap())
            .collect();
        self.jobs
            .retain(|name, _| made.contains(name) || desired.kept_jobs.contains(name));
        for job in &desired.jobs {
            let name = job.metadata.name.clone().unwrap();
            if !self.jobs.contains_key(&name) {
                self.made.push(name.clone());
                self.jobs.insert(name, facts(job));
            }
        }
        if is_current {
            self.history.push(self.status.clone());
            for migration in valid.plan().migrations {
                self.status
                    .insert(migration.service.clone(), migrations::status(&migration));
            }
        }
        desired
    }

    pub fn last(&self) -> String {
        self.made.last().cloned().unwrap()
    }

    pub fn starts(&mut self, name: &str) {
        self.jobs.get_mut(name).unwrap().pods = vec![PodRun::Running];
    }

    pub fn ends(&mut self, name: &str, succeeds: bool) {
        self.clock += 60;
        let time = Some(at(self.clock));
        let job = self.jobs.get_mut(name).unwrap();
        if succeeds {
            job.outcome = JobOutcome::Succeeded { at: time };
            job.pods = vec![PodRun::Ended(None)];
        } else {
            let reason = "BackoffLimitExceeded".to_owned();
            job.outcome = JobOutcome::Failed { at: time, reason };
            job.pods = vec![PodRun::Ended(Some(PodEnd {
                exit_code: Some(3),
                reason: None,
                said: "relation exists".to_owned(),
                at: time,
            }))];
        }
    }

    pub fn image(&mut self, image: &str) {
        for service in &mut self.drive.spec.services {
            if service.image.starts_with("ats:") {
                service.image = image.to_owned();
            }
        }
    }

    pub fn asks(&mut self, request: Option<&str>) {
        let annotations = self.drive.metadata.annotations.get_or_insert_default();
        match request {
            Some(request) => annotations.insert(RUN_MIGRATION.to_owned(), request.to_owned()),
            None => annotations.remove(RUN_MIGRATION),
        };
    }

    /// Migrates what is asked for now.
    pub fn migrated(&mut self) {
        self.walk();
        let job = self.last();
        self.ends(&job, true);
        self.walk();
    }
}

pub fn facts(job: &Job) -> JobFacts {
    let labels = job.metadata.labels.clone().unwrap();
    JobFacts {
        purpose: labels["ras.dev/job"].clone(),
        of: labels["ras.dev/job-of"].clone(),
        work: job.metadata.annotations.clone().unwrap()[WORK].clone(),
        ..JobFacts::default()
    }
}

pub fn held(desired: &Desired) -> Vec<&str> {
    desired.blocked.keys().map(String::as_str).collect()
}
