//! One rotation after the other: when it begins, what it waits for, and what stays as it is meanwhile.

use std::collections::BTreeSet;

use k8s_openapi::jiff::SignedDuration;
use ras_core::fetched::JobFacts;
use ras_core::names;
use ras_core::plan::login_rotation::RotationPhase;
use ras_core::platform::PlatformConfig;
use ras_core::report;
use ras_core::report::Observed;
use ras_crds::spec::DatabaseCredentials;
use ras_crds::{DatabaseLoginStatus, DatabaseStatus, RecruitmentDriveStatus};

use super::drive;
use super::world::{Memory, Work, World};
use crate::planned::{Planned, job_of, phase_of, validate};

pub fn users(world: &World) -> BTreeSet<String> {
    world
        .programs
        .values()
        .flat_map(|environment| environment.keys().cloned())
        .collect()
}

#[test]
fn rotations_go_to_the_second_login_and_back_to_the_first_with_a_third_password() {
    let mut world = World::settled(drive(""));
    assert_eq!(
        world.status.login, None,
        "nothing rotates, and nothing of it is reported"
    );
    let first = names::database_password("d", DatabaseCredentials::PerDatabase, "a");
    let password = world.secrets[&first].value;
    let both = |suffix: &str| BTreeSet::from(["a", "badmin"].map(|owner| format!("{owner}{suffix}")));
    assert_eq!(users(&world), both(""));
    world.wish(1);
    world.runs(20);
    assert_eq!(users(&world), both("_2"));
    assert_eq!(world.secrets[&first].value, password, "the one before goes on working");
    assert_eq!(world.server["a"], password);
    world.wish(2);
    world.runs(20);
    assert_eq!(users(&world), both(""));
    assert_ne!(world.secrets[&first].value, password);
    let login = world.status.login.clone().unwrap();
    assert_eq!((login.generation, login.answered.as_deref()), (2, Some("database@2")));
    assert!(
        login.settled_at.is_some() && login.since < login.settled_at,
        "{login:?}"
    );
}

#[test]
fn a_rotation_by_time_tells_when_the_next_is_and_happens_once() {
    let mut world = World::settled(drive(", rotate: {every: 90d}"));
    let next = world.status.login.clone().unwrap().next_rotation.unwrap();
    let days = next.0.duration_since(world.now).as_hours() / 24;
    assert!((89..=90).contains(&days), "{days}");
    world.pass(89 * 86_400);
    world.runs(5);
    assert_eq!(world.status.login.clone().unwrap().generation, 0);
    world.pass(2 * 86_400);
    world.runs(30);
    let login = world.status.login.clone().unwrap();
    assert_eq!(login.generation, 1);
    assert!(login.next_rotation.unwrap().0 > world.now + SignedDuration::from_hours(89 * 24));
}

#[test]
fn a_freeze_and_an_open_drive_keep_programs_as_they_are() {
    let mut frozen = drive("");
    frozen.spec.freezes =
        serde_yaml::from_str("[{name: day-one, startsAt: '2026-06-01T00:00:00Z', endsAt: '2026-07-02T00:00:00Z'}]")
            .unwrap();
    let mut world = World::settled(frozen);
    world.wish(1);
    let drawn = world.drawn;
    world.runs(10);
    assert_eq!(world.drawn, drawn, "not even a password is drawn");
    let message = world.status.login.clone().unwrap().message.unwrap();
    assert!(message.contains("\"day-one\""), "{message}");
    world.pass(86_400);
    world.runs(10);
    assert_eq!(world.status.login.clone().unwrap().generation, 1);

    // While it is open the next login is made ready, and no program hears of it.
    let mut world = World::settled(drive(", rotate: {keepWhileOpen: true}"));
    let open = world.programs.clone();
    world.wish(1);
    world.runs(10);
    assert_eq!(world.programs, open);
    let login = world.status.login.clone().unwrap();
    assert_eq!(login.generation, 0);
    assert!(login.message.clone().unwrap().contains("keepWhileOpen"), "{login:?}");
    assert!(world.server.contains_key("a_2"));
    world.drive.spec.suspend = Some(true);
    world.runs(3);
    assert_eq!(world.status.login.clone().unwrap().generation, 1);
    assert_eq!(users(&world), BTreeSet::from(["a_2".to_owned(), "badmin_2".to_owned()]));
}

/// The obstacle of a requested rotation, as the status shows it.
fn waits(world: &mut World) -> String {
    let drawn = world.drawn;
    for _ in 0..3 {
        world.walk(Memory::Whole, usize::MAX);
    }
    assert_eq!(world.drawn, drawn, "it has begun");
    world.status.login.clone().unwrap().message.unwrap()
}

#[test]
fn what_a_rotation_waits_for_is_named() {
    let mut world = World::settled(drive(""));
    world.wish(1);
    let mut asked = world.clone();
    let migrates = JobFacts {
        purpose: "migrate".to_owned(),
        of: "api".to_owned(),
        ..JobFacts::default()
    };
    let work = Work {
        request: job_of(&world.valid(Memory::Whole)).unwrap().request,
        facts: migrates,
        mounted: None,
        lingers: false,
    };
    asked.jobs.insert("d-api-migrate-1".to_owned(), work);
    // The operator would remove what it does not know, and a migration's Job is none of this world's.
    let phase = phase_of(&asked.valid(Memory::Whole));
    assert!(phase.waits().unwrap().contains("d-api-migrate-1"), "{phase:?}");

    let mut suspended = world.clone();
    suspended.drive.spec.suspend = Some(true);
    assert!(waits(&mut suspended).contains("suspended"));

    // The pods that are there first have to be of one version.
    let mut rolling = world.clone();
    rolling
        .programs
        .get_mut("d-api")
        .unwrap()
        .insert("other".to_owned(), "rds".to_owned());
    let phase = phase_of(&rolling.valid(Memory::Whole));
    assert!(phase.waits().unwrap().contains("service \"api\""), "{phase:?}");

    // And what was replaced has to be gone, by the clock too.
    world.runs(2);
    while world.status.login.as_ref().is_none_or(|login| login.generation == 0) {
        world.walk(Memory::Whole, usize::MAX);
        world.begin_job(0);
        world.end_job(0, true);
    }
    world.walk(Memory::Whole, usize::MAX);
    world.wish(2);
    let message = waits(&mut world);
    assert!(
        message.contains("service \"api\" has pods of an earlier version"),
        "{message}"
    );
    for _ in 0..6 {
        world.roll(0);
    }
    let message = waits(&mut world);
    assert!(message.contains("have ended for certain"), "{message}");
    world.runs(20);
    assert_eq!(world.status.login.clone().unwrap().generation, 2);
}

#[test]
fn a_job_that_fails_leaves_programs_with_the_login_they_have() {
    let mut world = World::settled(drive(""));
    let before = world.programs.clone();
    world.wish(1);
    for _ in 0..4 {
        world.walk(Memory::Whole, usize::MAX);
        world.begin_job(0);
        world.end_job(0, false);
    }
    assert_eq!(world.programs, before);
    assert_eq!(world.locked_out(), None);
    let message = world.status.login.clone().unwrap().message.unwrap();
    assert!(message.contains("DatabaseReady"), "{message}");
    let name = world.nth_job(0, false).unwrap();
    world.forget(&name);
    world.runs(10);
    assert_eq!(world.status.login.clone().unwrap().generation, 1);
}

#[test]
fn a_drive_is_ready_all_the_time_that_its_next_logins_are_made() {
    let mut world = World::settled(drive(""));
    let condition = |world: &World| {
        let valid = world.valid(Memory::Whole);
        let before = RecruitmentDriveStatus::default();
        report::database::condition(&valid.plan(), &Observed::default(), None, &[], &before).unwrap()
    };
    world.wish(1);
    for _ in 0..3 {
        world.walk(Memory::Whole, usize::MAX);
        let condition = condition(&world);
        assert!(condition.status, "{condition:?}");
    }
    assert_eq!(world.standing(), RotationPhase::Preparing);
    assert!(
        condition(&world)
            .message
            .contains("the next login of each owner is made ready"),
        "{:?}",
        condition(&world)
    );
    // But one that cannot be made is reported.
    world.begin_job(0);
    world.end_job(0, false);
    assert!(!condition(&world).status, "{:?}", condition(&world));
}

#[test]
fn a_drive_that_is_made_anew_goes_on_with_the_login_that_was_last() {
    let mut world = World::settled(drive(""));
    world.wish(1);
    world.runs(20);
    let secrets = world.secrets.clone();
    let mut anew = World::new(drive(""));
    anew.secrets = secrets;
    anew.server = world.server.clone();
    anew.runs(20);
    assert_eq!(users(&anew), BTreeSet::from(["a_2".to_owned(), "badmin_2".to_owned()]));
    assert_eq!(anew.locked_out(), None);
    assert_eq!(anew.status.login.clone().unwrap().generation, 1);
}

#[test]
fn an_owner_who_is_added_later_has_both_logins() {
    let mut world = World::settled(drive(""));
    world.wish(1);
    world.runs(20);
    let database = world.drive.spec.database.as_mut().unwrap();
    database.databases.push(serde_yaml::from_str("{name: c}").unwrap());
    world.drive.spec.services[0]
        .uses
        .as_mut()
        .unwrap()
        .databases
        .push("c".to_owned());
    world.runs(10);
    assert!(users(&world).contains("c_2"));
    assert_eq!(world.locked_out(), None);
    assert_eq!(world.status.login.clone().unwrap().generation, 1, "that is no rotation");
    world.wish(2);
    world.runs(20);
    assert_eq!(users(&world), BTreeSet::from(["a", "badmin", "c"].map(str::to_owned)));
    assert_eq!(world.locked_out(), None);
}

#[test]
fn a_status_that_was_lost_moves_no_pod() {
    let mut world = World::settled(drive(""));
    world.wish(1);
    world.runs(20);
    let before = (world.programs.clone(), world.drawn);
    world.status = DatabaseStatus::default();
    world.runs(10);
    assert_eq!((world.programs.clone(), world.drawn), before);
    let login: DatabaseLoginStatus = world.status.login.clone().unwrap();
    assert_eq!(login.generation, 1);
}

#[test]
fn a_migration_is_the_same_whichever_login_it_has() {
    let mut migrating = drive("");
    migrating.spec.services[0].migrate = Some(serde_yaml::from_str("{command: [migrate]}").unwrap());
    let valid = |generation: Option<i64>| {
        let mut fetched = World::settled(drive("")).seen(Memory::Whole);
        fetched.database.recorded.login = generation.map(|generation| DatabaseLoginStatus {
            generation,
            ..DatabaseLoginStatus::default()
        });
        validate(&migrating, &fetched, &PlatformConfig::default()).unwrap()
    };
    let identity = |drive: &Planned| drive.migration().identity;
    let (first, second) = (valid(None), valid(Some(1)));
    let env = |drive: &Planned| drive.plan().services[0].migration.clone().unwrap().container.env;
    assert_ne!(env(&first), env(&second), "it logs in as the second");
    assert_eq!(identity(&first), identity(&second));
}
