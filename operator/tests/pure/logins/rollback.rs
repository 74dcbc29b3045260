//! A rotation whose pods crash is rolled back.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::jiff::SignedDuration;
use ras_core::names;
use ras_crds::DatabaseStatus;
use ras_crds::spec::DatabaseCredentials;

use super::drive;
use super::rotation::users;
use super::world::{Environment, Memory, World};

/// A world with a rotation that its programs cannot follow, and the programs from before.
fn crashing() -> (World, BTreeMap<String, Environment>) {
    let mut world = World::settled(drive(", rotate: {every: 90d}"));
    let before = world.programs.clone();
    world.follows_no_login = true;
    world.wish(1);
    (world, before)
}

#[test]
fn a_rotation_whose_pods_crash_is_rolled_back_once_and_waits_for_another_request() {
    let (mut world, before) = crashing();
    world.runs(20);
    assert_eq!(world.trouble, None);
    assert_eq!(world.programs, before);
    let login = world.status.login.clone().unwrap();
    assert_eq!((login.generation, login.answered.as_deref()), (2, Some("database@1")));
    let rolled_back = login.rolled_back.unwrap();
    assert_eq!(rolled_back.generation, 1);
    for word in ["service \"api\"", "a_2", "no user"] {
        assert!(rolled_back.message.contains(word), "{}", rolled_back.message);
    }
    assert!(login.next_rotation.unwrap().0 > world.now + SignedDuration::from_hours(89 * 24));

    // Neither time nor another operator, with or without its status, tries it again.
    let drawn = world.drawn;
    world.runs(10);
    world.status = DatabaseStatus::default();
    world.runs(10);
    for ago in 0..6 {
        world.walk(Memory::Old(ago), usize::MAX);
        assert_eq!(world.programs, before, "{ago}");
    }
    world.runs(5);
    assert_eq!((&world.programs, world.drawn), (&before, drawn));
    assert_eq!(world.trouble.take().or_else(|| world.locked_out()), None);

    // The next request draws another password for the second login.
    let second = names::second_password("d", DatabaseCredentials::PerDatabase, "a");
    let password = world.secrets[&second].value;
    world.mend();
    world.wish(2);
    world.runs(20);
    assert_eq!(users(&world), BTreeSet::from(["a_2".to_owned(), "badmin_2".to_owned()]));
    assert_ne!(world.secrets[&second].value, password);
    let login = world.status.login.clone().unwrap();
    assert_eq!((login.generation, login.rolled_back), (3, None));
    assert_eq!(world.trouble.take().or_else(|| world.locked_out()), None);
}

#[test]
fn no_password_is_drawn_over_that_of_a_crashed_pod_before_the_pod_has_ended() {
    let (mut world, before) = crashing();
    let works = |world: &mut World| {
        world.walk(Memory::Whole, usize::MAX);
        world.begin_job(0);
        world.end_job(0, true);
    };
    while world.programs == before {
        works(&mut world);
    }
    // One pod of each version runs when it is rolled back.
    world.roll(0);
    world.roll(1);
    while world.programs != before {
        works(&mut world);
    }
    for _ in 0..6 {
        world.roll(0);
    }
    let second = names::second_password("d", DatabaseCredentials::PerDatabase, "a");
    let password = world.secrets[&second].value;
    world.mend();
    world.wish(2);
    for _ in 0..6 {
        works(&mut world);
    }
    assert_eq!(world.secrets[&second].value, password);
    let message = world.status.login.clone().unwrap().message.unwrap();
    assert!(message.contains("have ended for certain"), "{message}");
    world.runs(20);
    assert_ne!(world.secrets[&second].value, password);
    assert_eq!(world.status.login.clone().unwrap().generation, 3);
    assert_eq!(world.trouble.take().or_else(|| world.locked_out()), None);
}

#[test]
fn a_rotation_that_was_rolled_back_begins_again_after_its_period() {
    let (mut world, before) = crashing();
    world.runs(20);
    assert_eq!(world.programs, before);
    world.mend();
    world.pass(92 * 86_400);
    world.runs(20);
    assert_eq!(world.status.login.clone().unwrap().generation, 3);
    assert_eq!(world.trouble.take().or_else(|| world.locked_out()), None);
}

#[test]
fn what_crashed_before_a_rotation_or_after_it_rolls_nothing_back() {
    let mut world = World::settled(drive(""));
    let own = |world: &mut World, crash: bool| {
        for pod in world.pods.get_mut("d-api").unwrap() {
            pod.crashes = crash;
        }
    };
    own(&mut world, true);
    world.wish(1);
    for _ in 0..20 {
        world.runs(1);
        own(&mut world, true);
    }
    assert_eq!(world.status.login.clone().unwrap().generation, 1, "it crashed before");
    world.mend();
    world.runs(3);
    let login = world.status.login.clone().unwrap();
    assert!(login.settled_at.is_some() && login.awaits.is_empty(), "{login:?}");
    world.follows_no_login = true;
    world.runs(10);
    assert_eq!(world.status.login.clone().unwrap().generation, 1, "it worked since");
}
