//! Migrations: what runs when, what waits for it, and what is kept of it.

use crate::planned::{Planned, build, job_of, validate};
use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use proptest::prelude::*;
use ras_core::build::Desired;
use ras_core::database::report::Report;
use ras_core::fetched::{Fetched, JobFacts, JobOutcome, JobPod, PodEnd, PodRun, SecretFacts};
use ras_core::plan::migration::MigrationPhase;
use ras_core::platform::PlatformConfig;
use ras_core::report::migrations;
use ras_core::valid::EnvSource;
use ras_crds::labels::{RUN_MIGRATION, WORK};
use ras_crds::{ConditionType, MigrationState, MigrationStatus, Reason, RecruitmentDrive};

use crate::drives::{facts_for, valid_drive, with_spec};
use crate::seeds::run_of;

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

fn drive() -> RecruitmentDrive {
    with_spec(API)
}

fn valid(drive: &RecruitmentDrive, fetched: &Fetched) -> Planned {
    validate(drive, fetched, &PlatformConfig::default()).unwrap()
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_780_000_000 + second).unwrap()
}

/// The cluster and what status says, as a sequence of walks sees and changes them.
struct World {
    drive: RecruitmentDrive,
    jobs: BTreeMap<String, JobFacts>,
    pods: Vec<JobPod>,
    status: BTreeMap<String, MigrationStatus>,
    /// Every status that was written over, the oldest first.
    history: Vec<BTreeMap<String, MigrationStatus>>,
    clock: i64,
    /// Names of all Jobs that were ever made, in order.
    made: Vec<String>,
}

impl World {
    fn new(drive: RecruitmentDrive) -> Self {
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

    fn valid(&self) -> Planned {
        self.valid_by(&self.status)
    }

    fn valid_by(&self, status: &BTreeMap<String, MigrationStatus>) -> Planned {
        let fetched = Fetched {
            jobs: self.jobs.clone(),
            job_pods: self.pods.clone(),
            migrations: status.clone(),
            ..facts_for(&self.drive)
        };
        valid(&self.drive, &fetched)
    }

    /// The status of so many writes ago.
    fn old(&self, ago: usize) -> BTreeMap<String, MigrationStatus> {
        let at = self.history.len().checked_sub(ago);
        at.and_then(|at| self.history.get(at)).unwrap_or(&self.status).clone()
    }

    fn walk(&mut self) -> Desired {
        let status = self.status.clone();
        self.walk_by(&status)
    }

    /// One walk: Jobs are made and removed as `apply` does it, and status is written. A Job starts only, and status is
    /// written only, when the status that this was decided by is the stored one.
    fn walk_by(&mut self, status: &BTreeMap<String, MigrationStatus>) -> Desired {
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

    fn last(&self) -> String {
        self.made.last().cloned().unwrap()
    }

    fn starts(&mut self, name: &str) {
        self.jobs.get_mut(name).unwrap().pods = vec![PodRun::Running];
    }

    fn ends(&mut self, name: &str, succeeds: bool) {
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

    fn image(&mut self, image: &str) {
        for service in &mut self.drive.spec.services {
            if service.image.starts_with("ats:") {
                service.image = image.to_owned();
            }
        }
    }

    fn asks(&mut self, request: Option<&str>) {
        let annotations = self.drive.metadata.annotations.get_or_insert_default();
        match request {
            Some(request) => annotations.insert(RUN_MIGRATION.to_owned(), request.to_owned()),
            None => annotations.remove(RUN_MIGRATION),
        };
    }

    /// Migrates what is asked for now.
    fn migrated(&mut self) {
        self.walk();
        let job = self.last();
        self.ends(&job, true);
        self.walk();
    }
}

fn facts(job: &Job) -> JobFacts {
    let labels = job.metadata.labels.clone().unwrap();
    JobFacts {
        purpose: labels["ras.dev/job"].clone(),
        of: labels["ras.dev/job-of"].clone(),
        work: job.metadata.annotations.clone().unwrap()[WORK].clone(),
        ..JobFacts::default()
    }
}

fn held(desired: &Desired) -> Vec<&str> {
    desired.blocked.keys().map(String::as_str).collect()
}

#[test]
fn a_version_waits_for_its_migration_and_so_does_whatever_has_the_same_image() {
    let mut world = World::new(drive());
    let desired = world.walk();
    assert_eq!(held(&desired), ["d-api", "d-worker"], "the site has another image");
    assert_eq!(desired.blocked["d-worker"].condition, ConditionType::MigrationsReady);
    assert_eq!(desired.jobs.len(), 1);
    let job = world.last();
    assert!(job.starts_with("d-api-migrate-"), "{job}");
    world.starts(&job);
    assert_eq!(held(&world.walk()), ["d-api", "d-worker"]);
    world.ends(&job, true);
    assert!(world.walk().blocked.is_empty());
    assert_eq!(world.made.len(), 1);
    assert_eq!(world.status["api"].state, MigrationState::Succeeded);

    // Its Job is gone, by hand or by whoever tidies up: what status says is enough.
    world.jobs.clear();
    let desired = world.walk();
    assert!(desired.blocked.is_empty() && desired.jobs.is_empty());
    assert_eq!(world.made.len(), 1);
}

#[test]
fn the_job_has_the_owners_variables_in_the_places_of_the_programs() {
    let mut world = World::new(drive());
    let desired = world.walk();
    let pod = desired.jobs[0].spec.clone().unwrap().template.spec.unwrap();
    let env = pod.containers[0].env.clone().unwrap();
    let shown: Vec<(String, Option<String>)> = env
        .iter()
        .map(|variable| {
            let secret = variable
                .value_from
                .as_ref()
                .and_then(|from| from.secret_key_ref.as_ref());
            (
                variable.name.clone(),
                variable.value.clone().or(secret.map(|secret| secret.name.clone())),
            )
        })
        .collect();
    let some = |name: &str, value: &str| (name.to_owned(), Some(value.to_owned()));
    assert_eq!(
        shown,
        [
            some("ROLE", "owner"),
            some("PASSWORD", "d-owner"),
            some("URL", "postgres://$(ROLE):$(PASSWORD)@database/ats"),
            some("LOCK", "yes"),
        ]
    );
    // Its files are rendered with the same environment, from templates of its own.
    let render = &pod.init_containers.as_ref().unwrap()[0];
    assert_eq!(render.env.as_ref(), Some(&env));
    let templates = pod
        .volumes
        .unwrap()
        .iter()
        .find_map(|volume| volume.config_map.clone())
        .unwrap();
    assert_eq!(Some(&templates.name), desired.jobs[0].metadata.name.as_ref());
    assert!(
        desired
            .config_maps
            .iter()
            .any(|map| map.metadata.name.as_ref() == Some(&templates.name))
    );
    assert_eq!(pod.restart_policy.as_deref(), Some("Never"));
    for container in pod.containers.iter().chain(pod.init_containers.iter().flatten()) {
        assert_eq!(
            container.termination_message_policy.as_deref(),
            Some("FallbackToLogsOnError")
        );
    }
}

#[test]
fn what_is_wrong_with_a_migrations_variables_is_told_where_it_was_written() {
    let drive = with_spec(
        "
        services:
        - name: api
          image: ats:1
          env: [{name: A, value: a}, {name: KEY, secret: {name: none, key: x}}]
          migrate:
            command: [migrate]
            env: [{name: A, value: b}, {name: B, secret: {name: lost, key: x}}, {name: C, bucket: {name: gone, key: name}}]
        ",
    );
    let problems = validate(&drive, &Fetched::default(), &PlatformConfig::default()).unwrap_err();
    let fields: Vec<&str> = problems.iter().map(|problem| problem.field.as_str()).collect();
    assert_eq!(
        fields,
        [
            "spec.services[0].env[1].secret.name",
            "spec.services[0].migrate.env[1].secret.name",
            "spec.services[0].migrate.env[2].bucket.name",
        ]
    );
}

#[test]
fn a_url_of_the_owners_password_comes_after_the_password() {
    let drive = with_spec(
        "
        database: {managed: {provider: Standalone, version: 17, size: 1Gi}, databases: [{name: ats, owner: owner}]}
        services:
        - name: api
          image: ats:1
          env: [{name: DATABASE_URL, value: elsewhere}]
          migrate:
            command: [migrate]
            env: [{name: DATABASE_URL, database: {name: ats, key: url}}]
        ",
    );
    let valid = valid(&drive, &facts_for(&drive));
    let env = &valid.services[0].migration.as_ref().unwrap().container.env;
    let names: Vec<&str> = env.iter().map(|variable| variable.name.as_str()).collect();
    assert_eq!(names, ["DATABASE_ATS_PASSWORD", "DATABASE_URL"]);
    let EnvSource::Value(url) = &env[1].source else {
        unreachable!("{env:?}")
    };
    assert!(url.contains("://owner:$(DATABASE_ATS_PASSWORD)@"), "{url}");
}

#[test]
fn a_failed_migration_stays_failed_and_its_evidence_stays_until_a_fix_succeeded() {
    let mut world = World::new(drive());
    world.migrated();
    let first = world.last();
    world.image("ats:2");
    world.walk();
    let second = world.last();
    world.ends(&second, false);
    for _ in 0..3 {
        let desired = world.walk();
        assert_eq!(desired.blocked["d-api"].reason, Reason::MigrationFailed);
        assert!(desired.jobs.is_empty());
    }
    assert!(world.jobs.contains_key(&first) && world.jobs.contains_key(&second));
    let shown = world.status["api"].clone();
    assert_eq!(shown.state, MigrationState::Failed);
    assert_eq!(shown.exit_code, Some(3));
    assert_eq!(shown.message.as_deref(), Some("exit code 3: relation exists"));

    // The node with its pod is gone; what was told of it stays told.
    world.jobs.get_mut(&second).unwrap().pods.clear();
    world.walk();
    assert_eq!(world.status["api"], shown);

    world.drive.spec.services[0].migrate.as_mut().unwrap().args = vec!["--skip-broken".to_owned()];
    world.walk();
    let third = world.last();
    assert_eq!(world.jobs.len(), 3, "evidence goes only when there is a success");
    world.ends(&third, true);
    assert!(world.walk().blocked.is_empty());
    assert_eq!(world.jobs.keys().collect::<Vec<_>>(), [&third]);
}

#[test]
fn what_a_failed_migration_lacked_is_a_reason_to_run_it_again_and_what_a_done_one_had_is_none() {
    let mut world = World::new(drive());
    world.walk();
    let first = world.last();
    world.ends(&first, false);
    world.walk();
    let more = serde_yaml::from_str("{limits: {memory: 2Gi}}").unwrap();
    world.drive.spec.services[0].migrate.as_mut().unwrap().resources = Some(more);
    world.walk();
    assert_eq!(world.made.len(), 2, "it may have lacked memory");
    let second = world.last();
    world.ends(&second, true);
    world.walk();
    world.drive.spec.services[0].migrate.as_mut().unwrap().timeout = Some(ras_crds::Duration::new("2h"));
    assert!(world.walk().blocked.is_empty());
    assert_eq!(world.made.len(), 2, "it did what it had to");
}

#[test]
fn going_back_to_a_version_that_was_migrated_runs_nothing() {
    let mut world = World::new(drive());
    world.migrated();
    world.image("ats:2");
    world.migrated();
    world.image("ats:1");
    let desired = world.walk();
    assert!(desired.blocked.is_empty() && desired.jobs.is_empty());
    world.image("ats:2");
    assert!(world.walk().blocked.is_empty());
    assert_eq!(world.made.len(), 2);
    assert_eq!(world.status["api"].succeeded.len(), 2);
}

#[test]
fn going_back_from_a_failed_migration_serves_at_once_and_keeps_the_evidence() {
    let mut world = World::new(drive());
    world.migrated();
    world.image("ats:2");
    world.walk();
    let failed = world.last();
    world.ends(&failed, false);
    world.walk();
    world.image("ats:1");
    assert!(world.walk().blocked.is_empty());
    assert!(world.jobs.contains_key(&failed));
    assert_eq!(world.status["api"].state, MigrationState::Succeeded);
}

#[test]
fn a_person_may_ask_for_it_again_and_is_heard_once() {
    let mut world = World::new(drive());
    world.walk();
    let first = world.last();
    world.ends(&first, false);
    world.walk();
    world.asks(Some("api"));
    world.walk();
    assert_eq!(world.made.len(), 2);
    let second = world.last();
    assert!(world.jobs.contains_key(&first), "evidence");
    world.ends(&second, false);
    for _ in 0..3 {
        world.walk();
    }
    assert_eq!(world.made.len(), 2, "the same annotation asks for nothing more");
    world.asks(Some("site, api@again"));
    world.walk();
    assert_eq!(world.made.len(), 3);
    let third = world.last();
    world.ends(&third, true);
    world.walk();

    // Also what succeeded: a database may have been restored from a backup.
    world.asks(Some("api@restored"));
    assert_eq!(held(&world.walk()), ["d-api", "d-worker"]);
    assert_eq!(world.made.len(), 4);
    let fourth = world.last();
    world.walk();
    world.ends(&fourth, true);
    assert!(world.walk().blocked.is_empty());
    for request in [Some("api@restored"), None, Some("worker")] {
        world.asks(request);
        assert!(world.walk().blocked.is_empty());
        assert!(world.walk().jobs.is_empty());
    }
    assert_eq!(world.made.len(), 4);
}

#[test]
fn deleting_a_failed_job_asks_for_it_again() {
    let mut world = World::new(drive());
    world.walk();
    let job = world.last();
    world.ends(&job, false);
    world.walk();
    world.jobs.remove(&job);
    world.walk();
    assert_eq!(world.made, [job.clone(), job]);
}

#[test]
fn two_migrations_of_a_service_never_run_at_once() {
    let mut world = World::new(drive());
    world.walk();
    let first = world.last();
    world.starts(&first);
    world.image("ats:2");
    for _ in 0..2 {
        let desired = world.walk();
        assert!(desired.jobs.is_empty() && desired.kept_jobs.contains(&first));
    }
    assert!(
        world.status["api"]
            .message
            .as_ref()
            .is_some_and(|message| message.contains(&first))
    );
    world.ends(&first, true);
    world.walk();
    assert_eq!(world.made.len(), 2);
    let second = world.last();

    // Somebody deleted a running one: its pod is still being stopped.
    world.starts(&second);
    let facts = world.jobs.remove(&second).unwrap();
    world.pods = vec![JobPod {
        job: second.clone(),
        purpose: facts.purpose,
        of: facts.of,
        run: PodRun::Running,
        report: None,
    }];
    world.walk();
    assert_eq!(world.made.len(), 2);
    world.pods.clear();
    world.walk();
    assert_eq!(world.made.len(), 3);
}

#[test]
fn one_whose_program_never_started_makes_way_for_the_fix() {
    let mut world = World::new(drive());
    world.walk();
    let first = world.last();
    world.jobs.get_mut(&first).unwrap().pods = vec![PodRun::BlockedBy(Some("pod p: ImagePullBackOff: x".to_owned()))];
    world.walk();
    assert_eq!(
        world.status["api"].message.as_deref(),
        Some("pod p: ImagePullBackOff: x")
    );
    world.image("ats:2");
    assert!(world.walk().jobs.is_empty(), "not before the other is gone");
    assert!(!world.jobs.contains_key(&first));
    assert_eq!(world.walk().jobs.len(), 1);
}

#[test]
fn a_suspended_drive_starts_none_and_keeps_the_version_before() {
    let mut world = World::new(drive());
    world.drive.spec.suspend = Some(true);
    let desired = world.walk();
    assert!(desired.jobs.is_empty());
    assert_eq!(desired.blocked["d-api"].condition, ConditionType::MigrationsReady);
    let condition = migrations::condition(&world.valid().plan(), None).unwrap();
    assert_eq!((condition.status, condition.reason), (true, Reason::Suspended));
    world.drive.spec.suspend = None;
    let desired = world.walk();
    assert_eq!(desired.jobs.len(), 1);
    // What is at work is not stopped.
    let job = world.last();
    world.starts(&job);
    world.drive.spec.suspend = Some(true);
    assert!(world.walk().kept_jobs.contains(&job));
}

#[test]
fn it_does_not_begin_before_its_service_has_all_it_needs() {
    let drive = drive();
    let mut facts = facts_for(&drive);
    facts.secrets.remove("d-owner");
    let desired = build(&valid(&drive, &facts));
    assert!(desired.jobs.is_empty());
    let waiting = &desired.blocked["d-api"];
    assert_eq!(waiting.condition, ConditionType::SecretsReady);
    assert!(waiting.message.contains("d-owner"), "{}", waiting.message);
    assert_eq!(desired.blocked["d-worker"].condition, ConditionType::MigrationsReady);
}

#[test]
fn a_failed_one_is_told_with_its_job_what_it_said_and_the_next_step() {
    let mut world = World::new(drive());
    world.walk();
    let job = world.last();
    world.ends(&job, false);
    world.walk();
    let condition = migrations::condition(&world.valid().plan(), None).unwrap();
    assert_eq!(
        (condition.type_, condition.status, condition.reason),
        (ConditionType::MigrationsReady, false, Reason::MigrationFailed)
    );
    for part in [
        &*job,
        "service api",
        "exit code 3: relation exists",
        "kubectl -n spo logs",
        RUN_MIGRATION,
    ] {
        assert!(condition.message.contains(part), "{part}: {}", condition.message);
    }
}

#[test]
fn volumes_that_one_pod_writes_are_left_to_the_pod_that_serves() {
    let drive = with_spec(
        "
        services:
        - name: cdn
          image: cdn:1
          volumes:
          - {name: files, path: /files, size: 1Gi}
          - {name: shared, path: /shared, size: 1Gi, accessMode: ReadWriteMany}
          migrate: {command: [migrate]}
        ",
    );
    let desired = build(&valid(&drive, &facts_for(&drive)));
    let pod = desired.jobs[0].spec.clone().unwrap().template.spec.unwrap();
    let names: Vec<_> = pod.volumes.unwrap().into_iter().map(|volume| volume.name).collect();
    assert_eq!(names, ["volume-shared", "tmp"]);
}

#[test]
fn a_migration_finds_the_bindings_of_its_service_and_another_binding_is_another_migration() {
    let drive = |value: &str| {
        with_spec(&format!(
            "
            services:
            - name: api
              image: ats:1
              uses: {{bindings: [{{name: broker, secretName: broker, values: [{{name: type, value: {value}}}]}}]}}
              migrate: {{command: [migrate]}}
            "
        ))
    };
    let job = |value: &str| {
        let drive = drive(value);
        let mut facts = facts_for(&drive);
        facts.secrets.insert("broker".to_owned(), SecretFacts::default());
        build(&valid(&drive, &facts)).jobs.remove(0)
    };
    let kafka = job("kafka");
    let template = kafka.spec.clone().unwrap().template;
    let annotations = template.metadata.unwrap().annotations.unwrap();
    assert_eq!(annotations["bindings.ras.dev/broker.type"], "kafka");
    let volumes = template.spec.unwrap().volumes.unwrap();
    assert!(
        volumes.iter().any(|volume| volume.name == "binding-broker"),
        "{volumes:?}"
    );
    assert_ne!(job("redis").metadata.name, kafka.metadata.name);
}

#[test]
fn a_migration_runs_again_on_a_database_that_was_made_again_and_not_on_the_same() {
    let drive = with_spec(
        "
        services:
        - name: api
          image: ats:1
          uses: {databases: [portal]}
          migrate: {command: [migrate]}
        database: {external: {secretName: campus}, databases: [{name: portal}]}
        ",
    );
    let facts = |identity: Option<&str>, recorded: Option<&MigrationStatus>, jobs: &BTreeMap<String, JobFacts>| {
        let mut facts = facts_for(&drive);
        facts.database.recorded.databases[0].identity = identity.map(str::to_owned);
        facts.migrations = recorded
            .map(|status| ("api".to_owned(), status.clone()))
            .into_iter()
            .collect();
        facts.jobs.clone_from(jobs);
        valid(&drive, &facts)
    };
    let status_of = |valid: &Planned| migrations::status(&valid.migration());
    let standing = |valid: &Planned| valid.migration().phase;
    let none = BTreeMap::new();
    let run = |valid: &Planned| {
        let job = migrations_of(valid).remove(0);
        let done = JobFacts {
            outcome: JobOutcome::Succeeded { at: Some(at(60)) },
            ..self::facts(&job)
        };
        BTreeMap::from([(job.metadata.name.unwrap(), done)])
    };
    let jobs = run(&facts(Some("7/16384"), None, &none));
    let recorded = status_of(&facts(Some("7/16384"), None, &jobs));
    assert!(recorded.succeeded[0].databases.is_some(), "{recorded:?}");
    for jobs in [&none, &jobs] {
        assert!(matches!(
            standing(&facts(Some("7/16384"), Some(&recorded), jobs)),
            MigrationPhase::Done { .. }
        ));
        // Nothing is known of it just now: that is no other database.
        assert!(matches!(
            standing(&facts(None, Some(&recorded), jobs)),
            MigrationPhase::Done { .. }
        ));
        let replaced = facts(Some("7/16999"), Some(&recorded), jobs);
        assert_eq!(
            standing(&replaced),
            MigrationPhase::Due,
            "nor does the Job of the one before count"
        );
        assert!(
            build(&replaced).blocked.contains_key("d-api"),
            "no program starts on empty tables"
        );
    }
    // It is due in the very walk in which the Job says so, because nothing wakes the drive after it.
    let mut told = facts_for(&drive);
    told.database.recorded.databases[0].identity = Some("7/16384".to_owned());
    told.migrations = [("api".to_owned(), recorded.clone())].into();
    let prepared = JobFacts {
        outcome: JobOutcome::Succeeded { at: Some(at(90)) },
        report: Some(Report {
            system_identifier: Some("7".to_owned()),
            oids: [("portal".to_owned(), 16_999)].into(),
            ..Report::default()
        }),
        ..JobFacts::default()
    };
    let job = job_of(&valid(&drive, &told)).unwrap().job;
    told.jobs.insert(job, prepared);
    assert_eq!(standing(&valid(&drive, &told)), MigrationPhase::Due);

    let again = run(&facts(Some("7/16999"), Some(&recorded), &none));
    let recorded = status_of(&facts(Some("7/16999"), Some(&recorded), &again));
    assert_eq!(recorded.succeeded.len(), 1);
    for jobs in [&none, &again] {
        assert!(matches!(
            standing(&facts(Some("7/16999"), Some(&recorded), jobs)),
            MigrationPhase::Done { .. }
        ));
    }
    // What an earlier version of the operator recorded names no database, and is completed.
    let mut old = recorded.clone();
    old.succeeded[0].databases = None;
    let upgraded = facts(Some("7/16999"), Some(&old), &none);
    assert!(matches!(standing(&upgraded), MigrationPhase::Done { .. }));
    assert_eq!(status_of(&upgraded).succeeded, recorded.succeeded);
}

fn migrations_of(valid: &Planned) -> Vec<Job> {
    migrations(&build(valid)).cloned().collect()
}

#[test]
fn status_remembers_ten() {
    let mut world = World::new(drive());
    for version in 0..14 {
        world.image(&format!("ats:{version}"));
        world.migrated();
    }
    let remembered = &world.status["api"].succeeded;
    assert_eq!(remembered.len(), 10);
    assert_eq!(remembered[0].image, "ats:13");
    assert_eq!(world.jobs.len(), 1);
    assert_eq!(remembered[0].finished_at, Some(Time(at(14 * 60))));
}

/// What can happen between two walks.
#[derive(Clone, Debug)]
enum Event {
    Image(u8),
    DriveCache(u8),
    Asked(u8),
    NotAsked,
    Suspended(bool),
    Starts,
    Ends(bool),
    Deleted,
    /// The operator, and all it remembered, starts anew; status stays.
    Nothing,
    /// An operator looks whose informers tell of a status of so many writes ago.
    LagsBehind(usize),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        3 => (0..4_u8).prop_map(Event::Image),
        1 => (1..4_u8).prop_map(Event::DriveCache),
        1 => (0..3_u8).prop_map(Event::Asked),
        1 => Just(Event::NotAsked),
        1 => any::<bool>().prop_map(Event::Suspended),
        3 => Just(Event::Starts),
        6 => any::<bool>().prop_map(Event::Ends),
        1 => Just(Event::Deleted),
        2 => Just(Event::Nothing),
        2 => (1..6_usize).prop_map(Event::LagsBehind),
    ]
}

/// The Jobs that migrate, and not those that prepare databases.
fn migrations(desired: &Desired) -> impl Iterator<Item = &Job> {
    let is_migration = |job: &&Job| job.metadata.labels.as_ref().unwrap()["ras.dev/job"] == "migrate";
    desired.jobs.iter().filter(is_migration)
}

proptest! {
    #![proptest_config(run_of("no_version_runs_before_its_migration_succeeded", 1_000))]

    /// Whatever happens: no program of a version starts before its migration succeeded, no two run at once, nothing that
    /// runs is stopped, and what succeeded does not run again unless somebody asks.
    #[test]
    fn no_version_runs_before_its_migration_succeeded(events in prop::collection::vec(event(), 1..40)) {
        let mut world = World::new(drive());
        let mut succeeded: BTreeSet<String> = BTreeSet::new();
        for event in events {
            let open: Vec<String> = world.jobs.iter()
                .filter(|(_, job)| job.outcome == JobOutcome::Open).map(|(name, _)| name.clone()).collect();
            match event {
                Event::Image(image) => world.image(&format!("ats:{image}")),
                Event::DriveCache(gigabytes) => {
                    let amounts = serde_yaml::from_str(&format!("{{limits: {{memory: {gigabytes}Gi}}}}")).unwrap();
                    world.drive.spec.services[0].migrate.as_mut().unwrap().resources = Some(amounts);
                }
                Event::Asked(word) => world.asks(Some(&format!("api@{word}"))),
                Event::NotAsked => world.asks(None),
                Event::Suspended(suspended) => world.drive.spec.suspend = Some(suspended),
                Event::Starts => open.iter().for_each(|name| world.starts(name)),
                Event::Ends(succeeds) => {
                    for name in &open {
                        world.starts(name);
                        world.ends(name, succeeds);
                        if succeeds {
                            succeeded.insert(name.clone());
                        }
                    }
                }
                Event::Deleted => world.jobs.retain(|_, job| job.outcome == JobOutcome::Open),
                Event::Nothing | Event::LagsBehind(_) => {}
            }
            let seen = match event {
                Event::LagsBehind(ago) => world.old(ago),
                _ => world.status.clone(),
            };
            let is_current = seen == world.status;
            let before = world.valid_by(&seen);
            let running: Vec<String> = world.jobs.iter()
                .filter(|(_, job)| job.outcome == JobOutcome::Open && !job.pods.is_empty()).map(|(name, _)| name.clone()).collect();
            let made = world.made.len();
            let desired = world.walk_by(&seen);

            let migration = before.migration();
            let is_done = matches!(migration.phase, MigrationPhase::Done { .. });
            prop_assert_eq!(desired.blocked.contains_key("d-api"), !is_done);
            if is_done {
                let recorded = before.fetched.migrations.get("api").is_some_and(|status| {
                    status.succeeded.iter().any(|past| past.content == migration.identity.content)
                });
                let job = before.fetched.jobs.values().any(|job| {
                    matches!(job.outcome, JobOutcome::Succeeded { .. }) && job.work == migration.identity.work
                });
                prop_assert!(recorded || job, "nothing says that it succeeded");
                let is_kept = !is_current || world.status["api"].succeeded.iter().any(|past| past.content == migration.identity.content);
                prop_assert!(is_kept, "what succeeded is forgotten");
                prop_assert_eq!(world.made.len(), made, "what is done is done again");
            }
            for name in &running {
                prop_assert!(world.jobs.contains_key(name), "{} was stopped", name);
            }
            let open = world.jobs.values().filter(|job| job.outcome == JobOutcome::Open).count();
            prop_assert!(open <= 1, "{} at once", open);
            prop_assert!(!before.suspended || world.made.len() == made);
            prop_assert!(is_current || world.made.len() == made, "a Job starts by an old status");
            prop_assert!(world.jobs.len() <= 6, "{} Jobs are kept", world.jobs.len());
            prop_assert!(world.status.get("api").is_none_or(|status| status.succeeded.len() <= 10));
        }
    }

}

proptest! {
    #![proptest_config(run_of("what holds for the migrations of every drive", 200))]

    #[test]
    fn names_of_jobs_do_not_change_with_what_the_operator_alone_decides(drive in valid_drive()) {
        let names = |fetched: &Fetched, platform: &PlatformConfig| -> Vec<_> {
            let desired = build(&validate(&drive, fetched, platform).unwrap());
            migrations(&desired).map(|job| job.metadata.name.clone().unwrap()).collect()
        };
        let (facts, platform) = (facts_for(&drive), PlatformConfig::default());
        let other = PlatformConfig { operator_image: "ras-operator:2".to_owned(), ..platform.clone() };
        let mut rotated = facts.clone();
        for secret in rotated.secrets.values_mut() {
            for stamp in secret.keys.iter_mut().flat_map(BTreeMap::values_mut) {
                stamp.push('x');
            }
        }
        let names_now = names(&facts, &platform);
        prop_assert_eq!(&names(&facts, &other), &names_now);
        prop_assert_eq!(&names(&rotated, &platform), &names_now);
        if !drive.spec.is_suspended() {
            let migrating = drive.spec.services.iter().filter(|service| service.migrate.is_some()).count();
            prop_assert_eq!(names_now.len(), migrating);
        }
    }

    #[test]
    fn a_migration_is_as_restricted_as_its_service(drive in valid_drive()) {
        let desired = build(&valid(&drive, &facts_for(&drive)));
        let services = drive.spec.services.iter().filter(|service| service.migrate.is_some());
        for (service, job) in services.zip(migrations(&desired)) {
            let spec = job.spec.clone().unwrap();
            prop_assert!(spec.active_deadline_seconds.is_some_and(|seconds| seconds > 0));
            prop_assert!(spec.backoff_limit.is_some());
            let pod = spec.template.spec.unwrap();
            let asked = service.pod_security.clone().unwrap_or_default();
            prop_assert_eq!(pod.security_context.unwrap().run_as_non_root, (asked.allow_root != Some(true)).then_some(true));
            prop_assert_eq!(pod.automount_service_account_token, Some(false));
            prop_assert_eq!(pod.containers.len(), 1);
            prop_assert!(pod.containers[0].ports.is_none() && pod.containers[0].readiness_probe.is_none());
            let security = pod.containers[0].security_context.clone().unwrap();
            prop_assert_eq!(security.allow_privilege_escalation, Some(false));
            prop_assert_eq!(security.read_only_root_filesystem, Some(asked.writable_root_filesystem != Some(true)));
        }
    }
}
