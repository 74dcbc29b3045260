//! Databases: what services learn, what the Job is told, who waits, what status says.

mod checks;
mod job;
mod progress;
mod server;
mod variables;

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::PodSpec;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use ras_core::build::Desired;
use ras_core::database::report::{Cause, Problem, Report};
use ras_core::fetched::{DatabaseFacts, Fetched, JobFacts, JobOutcome};
use ras_core::platform::PlatformConfig;
use ras_core::report;
use ras_core::report::{Observed, ReconcileOutcome};
use ras_crds::{ConditionType, RecruitmentDrive, RecruitmentDriveStatus};

use crate::drives::{facts_for, with_spec};
use crate::planned::{Planned, build, job_of, record_of, validate};

const STANDALONE: &str = "managed: {provider: Standalone, version: 17, size: 10Gi}";

const EXTERNAL: &str = "external: {secretName: rds}";

fn drive(service: &str, server: &str, databases: &str) -> RecruitmentDrive {
    with_spec(&format!(
        "{{services: [{{name: portal, image: 'portal:1', {service}}}], database: {{{server}, databases: [{databases}]}}}}"
    ))
}

fn valid(drive: &RecruitmentDrive, fetched: &Fetched) -> Planned {
    validate(drive, fetched, &PlatformConfig::default()).unwrap()
}

fn built(drive: &RecruitmentDrive, fetched: &Fetched) -> Desired {
    build(&valid(drive, fetched))
}

fn pod(desired: &Desired) -> PodSpec {
    desired.deployments[0].spec.clone().unwrap().template.spec.unwrap()
}

/// Facts in which the external Secret has these keys, too.
fn with_keys(drive: &RecruitmentDrive, keys: &[&str]) -> Fetched {
    let mut fetched = facts_for(drive);
    let known = fetched.secrets.get_mut("rds").unwrap().keys.as_mut().unwrap();
    known.extend(keys.iter().map(|key| ((*key).to_owned(), "then".to_owned())));
    fetched
}

/// The facts after the Job of this drive has ended.
fn after(drive: &RecruitmentDrive, fetched: &Fetched, outcome: JobOutcome, report: Option<Report>) -> Fetched {
    let job = job_of(&valid(drive, fetched)).unwrap().job;
    let facts = JobFacts {
        outcome,
        report,
        ..JobFacts::default()
    };
    Fetched {
        jobs: BTreeMap::from([(job, facts)]),
        ..fetched.clone()
    }
}

fn fresh(drive: &RecruitmentDrive) -> Fetched {
    Fetched {
        database: DatabaseFacts {
            serves: true,
            ..DatabaseFacts::default()
        },
        ..facts_for(drive)
    }
}

fn succeeded() -> JobOutcome {
    JobOutcome::Succeeded { at: None }
}

fn failed() -> JobOutcome {
    JobOutcome::Failed {
        at: None,
        reason: "PodFailurePolicy".to_owned(),
    }
}

fn problem(cause: Cause, database: Option<&str>) -> Problem {
    Problem {
        cause,
        database: database.map(str::to_owned),
        role: None,
        message: format!("{cause:?}: do something"),
    }
}

fn report_of(problems: Vec<Problem>) -> Report {
    Report {
        server_version: Some("17.6".to_owned()),
        done: vec!["created database portal".to_owned()],
        problems,
        ..Report::default()
    }
}

fn status(drive: &RecruitmentDrive, fetched: &Fetched, before: &RecruitmentDriveStatus) -> RecruitmentDriveStatus {
    let valid = valid(drive, fetched);
    let plan = valid.plan();
    let result = ReconcileOutcome::Paused(Some(&plan));
    let now = Time(Timestamp::UNIX_EPOCH);
    let mut status = report::status(drive, &Observed::default(), &result, before, &now);
    status.database = record_of(&valid);
    status
}

fn database_ready(status: &RecruitmentDriveStatus) -> (bool, String, String) {
    let found = status
        .conditions
        .iter()
        .find(|condition| condition.type_ == ConditionType::DatabaseReady.as_str())
        .unwrap();
    (found.is_true(), found.reason.clone(), found.message.clone())
}
