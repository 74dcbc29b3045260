//! What is reported of programs and servers that do not serve: counts, causes, and whether waiting helps.

use crate::planned::{Planned, build, job_of, record_of, validate};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use ras_core::fetched::pods::{PodFailure, PodFailureKind};
use ras_core::fetched::record::{DeploymentState, StatefulSetState};
use ras_core::fetched::{Fetched, JobFacts, PodRun};
use ras_core::platform::PlatformConfig;
use ras_core::report;
use ras_core::report::{ConditionUpdate, Observed, ReconcileOutcome};
use ras_crds::{DatabaseState, Reason, RecruitmentDrive, RecruitmentDriveStatus};

use crate::drives::{facts_for, with_spec};

const SERVICES: &str = "services: [{name: web, image: 'web:2', replicas: 2}]";
const STANDALONE: &str = "services: [{name: web, image: 'web:2'}], \
    database: {managed: {provider: Standalone, version: 17, size: 1Gi}, databases: [{name: portal}]}";

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_000_000 + seconds).unwrap()
}

fn drive(spec: &str) -> RecruitmentDrive {
    with_spec(&format!("{{{spec}}}"))
}

fn valid(drive: &RecruitmentDrive, facts: &Fetched) -> Planned {
    validate(drive, facts, &PlatformConfig::default()).unwrap()
}

fn trouble(service: &str, course: PodFailureKind) -> PodFailure {
    PodFailure {
        service: service.to_owned(),
        pod: "p".to_owned(),
        reason: "Because".to_owned(),
        message: "of this".to_owned(),
        course,
        since: Some(at(0)),
        unpulled: None,
        passwords: Box::default(),
    }
}

/// The status of the services, and their condition.
fn services(
    drive: &RecruitmentDrive,
    observed: &Observed,
    now: Timestamp,
) -> (RecruitmentDriveStatus, ConditionUpdate) {
    let facts = Fetched {
        now,
        ..facts_for(drive)
    };
    let valid = valid(drive, &facts);
    let plan = valid.plan();
    let result = ReconcileOutcome::Paused(Some(&plan));
    let before = RecruitmentDriveStatus::default();
    let shown = report::services::statuses(drive, observed, &result, &before, now);
    let condition = report::services::condition(drive, &shown);
    (report::status(drive, observed, &result, &before, &Time(now)), condition)
}

fn with(state: DeploymentState, pod_failures: Vec<PodFailure>) -> Observed {
    Observed {
        deployments: [("d-web".to_owned(), state)].into(),
        pod_failures,
        ..Observed::default()
    }
}

fn counts(status: &RecruitmentDriveStatus) -> (i32, i32, &str) {
    let web = &status.services[0];
    (web.ready, web.desired, status.services_ready.as_deref().unwrap())
}

/// Two pods of the present version that are ready.
fn complete() -> DeploymentState {
    DeploymentState {
        generation: 1,
        observed_generation: 1,
        replicas: 2,
        current: 2,
        updated: 2,
        ready: 2,
        available: 2,
        ..DeploymentState::default()
    }
}

/// A new version of which the first pod does not become ready.
fn rolling_out() -> DeploymentState {
    DeploymentState {
        current: 3,
        updated: 1,
        ..complete()
    }
}

#[test]
fn counts_are_of_the_version_asked_for_and_never_say_that_all_are_ready_while_one_is_not() {
    let drive = drive(SERVICES);
    let (status, condition) = services(&drive, &with(complete(), vec![]), at(0));
    assert_eq!(counts(&status), (2, 2, "1/1"));
    assert!(condition.status);

    let failing = with(rolling_out(), vec![trouble("web", PodFailureKind::Unpulled)]);
    let (status, condition) = services(&drive, &failing, at(1));
    assert_eq!(counts(&status), (0, 2, "0/1"));
    assert_eq!(condition.message, "service web: 0 of 2 ready, pod p: Because: of this");

    let made_soon = services(&drive, &Observed::default(), at(0)).0;
    assert_eq!(counts(&made_soon), (0, 2, "0/1"));

    let old_goes = DeploymentState {
        current: 3,
        ready: 3,
        available: 3,
        ..complete()
    };
    let (_, condition) = services(&drive, &with(old_goes, vec![]), at(0));
    assert_eq!(
        condition.message,
        "service web: 2 of 2 ready, pods of the version before are being stopped"
    );
}

#[test]
fn nothing_of_a_suspended_drive_counts_as_ready() {
    let drive = drive(&format!("suspend: true, {SERVICES}"));
    let stopped = DeploymentState {
        generation: 1,
        observed_generation: 1,
        ..DeploymentState::default()
    };
    let (status, condition) = services(&drive, &with(stopped, vec![]), at(0));
    assert_eq!(counts(&status), (0, 0, "0/1"));
    assert_eq!((condition.status, condition.reason), (true, Reason::Suspended));
    assert_eq!(counts(&services(&drive, &Observed::default(), at(0)).0).1, 0);
}

#[test]
fn pods_that_cannot_start_stall_after_a_while_and_not_right_after_a_change() {
    let drive = drive(SERVICES);
    for (course, patience) in [
        (PodFailureKind::Refused, 30),
        (PodFailureKind::Unpulled, 30),
        (PodFailureKind::Crashing, 45),
    ] {
        let observed = with(rolling_out(), vec![trouble("web", course)]);
        let stalls = |observed: &Observed, now| services(&drive, observed, at(now)).1.stalls;
        assert!(!stalls(&observed, patience - 1), "{course:?}");
        assert!(stalls(&observed, patience), "{course:?}");
        let valid = valid(&drive, &facts_for(&drive));
        let wakes = |now| observed.changes_at(&drive, Some(&valid.plan()), at(now));
        assert_eq!(wakes(1), Some(at(patience)), "nobody else would look again");
        assert_eq!(wakes(patience), None, "nothing is left to wait for");

        let corrected = DeploymentState {
            written_at: Some(at(patience)),
            ..rolling_out()
        };
        let corrected = with(corrected, vec![trouble("web", course)]);
        assert!(
            !stalls(&corrected, patience + 1),
            "{course:?}: its new pods have their own time"
        );
    }
    for course in [PodFailureKind::Unready, PodFailureKind::Unreachable] {
        let observed = with(rolling_out(), vec![trouble("web", course)]);
        assert!(!services(&drive, &observed, at(100_000)).1.stalls, "{course:?}");
    }
}

#[test]
fn a_roll_out_that_is_stuck_and_pods_that_are_refused_stall() {
    let drive = drive(SERVICES);
    let stuck = DeploymentState {
        stuck: Some("it has timed out progressing.".into()),
        ..rolling_out()
    };
    let (_, condition) = services(&drive, &with(stuck.clone(), vec![]), at(0));
    assert_eq!((condition.reason, condition.stalls), (Reason::RolloutStuck, true));
    let seen_later = DeploymentState { generation: 2, ..stuck };
    let (_, condition) = services(&drive, &with(seen_later, vec![]), at(0));
    assert_eq!(
        (condition.reason, condition.stalls),
        (Reason::RollingOut, false),
        "that was the version before"
    );

    let refused = DeploymentState {
        cannot_create: Some("exceeded quota: small".into()),
        cannot_create_since: Some(at(0)),
        ..rolling_out()
    };
    let observed = with(refused, vec![]);
    assert!(!services(&drive, &observed, at(29)).1.stalls);
    let (_, condition) = services(&drive, &observed, at(30));
    assert!(
        condition.stalls && condition.message.contains("exceeded quota: small"),
        "{condition:?}"
    );
    assert_eq!(observed.changes_at(&drive, None, at(0)), Some(at(30)));
}

/// Conditions of a prepared database whose server is in this state.
fn database(observed: &Observed, ready: bool, now: i64) -> (ConditionUpdate, DatabaseState) {
    let drive = drive(STANDALONE);
    let mut facts = Fetched {
        now: at(now),
        ..facts_for(&drive)
    };
    let work = job_of(&valid(&drive, &facts)).unwrap().work;
    facts.database.recorded.prepared = Some(work);
    facts.database.serves = ready;
    let valid = valid(&drive, &facts);
    let found =
        report::database::condition(&valid.plan(), observed, None, &[], &RecruitmentDriveStatus::default()).unwrap();
    let status = record_of(&valid).unwrap();
    (found, status.databases[0].state)
}

fn server(course: Option<PodFailureKind>) -> Observed {
    Observed {
        pod_failures: course.map(|course| trouble("database", course)).into_iter().collect(),
        server: Some(StatefulSetState::default()),
        ..Observed::default()
    }
}

#[test]
fn a_database_server_that_is_not_ready_is_not_available_whatever_the_cause() {
    let (found, state) = database(&server(None), true, 0);
    assert!(found.status && found.message.contains("its login works"), "{found:?}");
    assert_eq!(state, DatabaseState::Ready);
    for course in [
        None,
        Some(PodFailureKind::Refused),
        Some(PodFailureKind::Unpulled),
        Some(PodFailureKind::Crashing),
        Some(PodFailureKind::Unscheduled),
        Some(PodFailureKind::Unreachable),
        Some(PodFailureKind::Creating),
        Some(PodFailureKind::Unready),
    ] {
        let (found, state) = database(&server(course), false, 5);
        assert!(!found.status, "{course:?}");
        assert!(
            found.message.starts_with("the database server is not ready: "),
            "{}",
            found.message
        );
        assert!(!found.message.contains("its login works"), "{}", found.message);
        assert_eq!(state, DatabaseState::Failing, "{course:?}");
    }
    let creating = server(Some(PodFailureKind::Creating));
    assert_eq!(database(&creating, false, 5).0.reason, Reason::DatabasePending);
    assert_eq!(database(&creating, false, 60).0.reason, Reason::DatabaseFailing);
    assert!(!database(&creating, false, 599).0.stalls);
    assert!(
        database(&creating, false, 600).0.stalls,
        "a volume that cannot be mounted"
    );
    assert!(database(&server(Some(PodFailureKind::Unpulled)), false, 30).0.stalls);
}

#[test]
fn databases_are_told_as_ready_again_when_their_server_is() {
    let drive = drive(STANDALONE);
    let mut facts = facts_for(&drive);
    facts.database.recorded.prepared = Some(job_of(&valid(&drive, &facts)).unwrap().work);
    facts.database.serves = false;
    let down = record_of(&valid(&drive, &facts)).unwrap();
    assert_eq!(down.databases[0].state, DatabaseState::Failing);
    facts.database.recorded = down;
    facts.database.serves = true;
    let up = record_of(&valid(&drive, &facts)).unwrap();
    assert_eq!(
        (up.databases[0].state, &up.databases[0].message),
        (DatabaseState::Ready, &None)
    );
}

#[test]
fn a_suspended_drive_does_not_claim_that_its_database_server_answers() {
    let drive = drive(&format!("suspend: true, {STANDALONE}"));
    let facts = facts_for(&drive);
    let found = report::database::condition(
        &valid(&drive, &facts).plan(),
        &server(None),
        None,
        &[],
        &RecruitmentDriveStatus::default(),
    )
    .unwrap();
    assert_eq!((found.status, found.reason), (false, Reason::Suspended));
}

#[test]
fn a_job_that_cannot_pull_an_image_that_it_would_not_have_now_makes_way() {
    let spec = "services: [{name: web, image: 'web:2', migrate: {args: [migrate]}}], \
        database: {external: {secretName: rds}, databases: [{name: portal}]}";
    let drive = drive(spec);
    let mut facts = facts_for(&drive);
    facts.database.recorded.prepared = None;
    let known = valid(&drive, &facts);
    let prepare = job_of(&known).unwrap();
    let migration = known.migration().identity;
    for (unpulled, is_kept) in [
        (Some("registry.example.com/typo:1".to_owned()), false),
        // Another Job would not pull this either.
        (Some(known.operator_image.clone()), true),
        (None, true),
    ] {
        let facts_of = |purpose: &str, of: &str, work: &String| JobFacts {
            purpose: purpose.to_owned(),
            of: of.to_owned(),
            work: work.clone(),
            pods: vec![PodRun::BlockedBy(None)],
            trouble: Some(PodFailure {
                unpulled: unpulled.clone(),
                ..trouble(of, PodFailureKind::Unpulled)
            }),
            ..JobFacts::default()
        };
        facts.jobs = [
            (prepare.job.clone(), facts_of("prepare", "database", &prepare.work)),
            (migration.job.clone(), facts_of("migrate", "web", &migration.work)),
        ]
        .into();
        let desired = build(&valid(&drive, &facts));
        for job in [&prepare.job, &migration.job] {
            assert_eq!(desired.kept_jobs.contains(job), is_kept, "{job}: {unpulled:?}");
        }
        let made = |job: &String| desired.jobs.iter().any(|made| made.metadata.name.as_ref() == Some(job));
        assert_eq!(made(&prepare.job), is_kept, "it is there, and nothing is to be done");
        assert!(!made(&migration.job), "not before the other is gone");
    }
}

#[test]
fn pods_of_jobs_that_cannot_start_stall() {
    let spec = "services: [{name: web, image: 'web:2', migrate: {args: [migrate]}, uses: {databases: [portal]}}],         database: {external: {secretName: rds}, databases: [{name: portal}]}";
    let drive = drive(spec);
    let mut facts = facts_for(&drive);
    facts.database.recorded.prepared = None;
    let pod = |job: String, purpose: &str, of: &str, work: String| {
        let stuck = trouble(of, PodFailureKind::Unpulled);
        let facts = JobFacts {
            purpose: purpose.to_owned(),
            of: of.to_owned(),
            work,
            pods: vec![PodRun::BlockedBy(Some(stuck.text()))],
            trouble: Some(stuck),
            ..JobFacts::default()
        };
        (job, facts)
    };
    let known = valid(&drive, &facts);
    let prepare = job_of(&known).unwrap();
    let migration = known.migration().identity;
    facts.jobs = [
        pod(prepare.job, "prepare", "database", prepare.work),
        pod(migration.job, "migrate", "web", migration.work),
    ]
    .into();
    let updates = |now: i64| {
        let facts = Fetched {
            now: at(now),
            ..facts.clone()
        };
        let valid = valid(&drive, &facts);
        let before = RecruitmentDriveStatus::default();
        let database = report::database::condition(&valid.plan(), &Observed::default(), None, &[], &before).unwrap();
        [database, report::migrations::condition(&valid.plan(), None).unwrap()]
    };
    for condition in updates(29) {
        assert!(
            !condition.stalls && condition.message.contains("pod p: Because"),
            "{condition:?}"
        );
    }
    for condition in updates(30) {
        assert!(condition.stalls, "{condition:?}");
    }
    let valid = valid(&drive, &facts);
    assert_eq!(
        Observed::default().changes_at(&drive, Some(&valid.plan()), at(1)),
        Some(at(30))
    );
}
