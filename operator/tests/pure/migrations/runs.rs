//! When a migration runs, when it runs again, and what waits for it.

use std::collections::BTreeMap;

use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use ras_core::database::report::Report;
use ras_core::fetched::{JobFacts, JobOutcome, JobPod, PodRun};
use ras_core::plan::migration::MigrationPhase;
use ras_core::report::migrations;
use ras_crds::labels::RUN_MIGRATION;
use ras_crds::{ConditionType, MigrationState, MigrationStatus, Reason};

use super::migration_jobs;
use super::world::{World, at, drive, facts, held, valid};
use crate::drives::{facts_for, with_spec};
use crate::planned::{Planned, build, job_of};

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
    let mut known = facts_for(&drive);
    known.database.recorded.databases[0].identity = Some("7/16384".to_owned());
    known.migrations = [("api".to_owned(), recorded.clone())].into();
    let prepared = JobFacts {
        outcome: JobOutcome::Succeeded { at: Some(at(90)) },
        report: Some(Report {
            system_identifier: Some("7".to_owned()),
            oids: [("portal".to_owned(), 16_999)].into(),
            ..Report::default()
        }),
        ..JobFacts::default()
    };
    let job = job_of(&valid(&drive, &known)).unwrap().job;
    known.jobs.insert(job, prepared);
    assert_eq!(standing(&valid(&drive, &known)), MigrationPhase::Due);

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
    migration_jobs(&build(valid)).cloned().collect()
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
