//! Passwords of databases that take turns: whatever happens in whichever order, no pod is locked out.

mod reconcile;
mod refusals;
mod rollback;
mod rotation;
mod world;

use proptest::prelude::*;
use ras_core::names;
use ras_core::plan::login_rotation::RotationPhase;
use ras_core::plan::secret_rotation::RotationSchedule;
use ras_core::plan::turn;
use ras_crds::RecruitmentDrive;
use ras_crds::labels::PREPARE_DATABASE;
use ras_crds::spec::DatabaseCredentials;

use self::world::{Environment, Memory, World};
use crate::drives::with_spec;
use crate::seeds::run_of;

fn drive(database: &str) -> RecruitmentDrive {
    with_spec(&format!(
        "{{services: [{{name: api, image: 'api:1', uses: {{databases: [a]}}}}, {{name: both, image: 'both:1', uses: {{databases: [b, a]}}}}, \
         {{name: web, image: 'web:1'}}], database: {{external: {{secretName: rds}}, databases: [{{name: a}}, {{name: b, owner: badmin}}]{database}}}}}"
    ))
}

#[derive(Clone, Debug)]
enum Happening {
    Walks { memory: Memory, writes: usize },
    JobBegins(usize),
    JobEnds(usize, bool),
    JobIsForgotten(usize),
    AsksToPrepare(u8),
    GoesItsWay(usize),
    Rolls(usize),
    Restarts(usize),
    Crashes(usize),
    FollowsNoLogin(bool),
    Wish(u8),
    Passes(i64),
}

fn happening() -> impl Strategy<Value = Happening> {
    let memory = prop_oneof![
        12 => Just(Memory::Whole),
        1 => Just(Memory::Lost),
        2 => (0..6_usize).prop_map(Memory::Old),
    ];
    let writes = prop_oneof![3 => Just(usize::MAX), 2 => 0..8_usize];
    prop_oneof![
        8 => (memory, writes).prop_map(|(memory, writes)| Happening::Walks { memory, writes }),
        4 => (0..4_usize).prop_map(Happening::JobBegins),
        4 => (0..4_usize, prop::bool::weighted(0.8)).prop_map(|(which, well)| Happening::JobEnds(which, well)),
        1 => (0..4_usize).prop_map(Happening::JobIsForgotten),
        1 => any::<u8>().prop_map(Happening::AsksToPrepare),
        3 => (1..6_usize).prop_map(Happening::GoesItsWay),
        5 => (0..8_usize).prop_map(Happening::Rolls),
        3 => (0..8_usize).prop_map(Happening::Restarts),
        1 => (0..8_usize).prop_map(Happening::Crashes),
        2 => prop::bool::weighted(0.6).prop_map(Happening::FollowsNoLogin),
        2 => (0..4_u8).prop_map(Happening::Wish),
        2 => prop_oneof![Just(1_i64), Just(20), Just(40), Just(91 * 86_400)].prop_map(Happening::Passes),
    ]
}

fn happens(world: &mut World, happening: &Happening) {
    match happening {
        Happening::Walks { memory, writes } => world.walk(*memory, *writes),
        Happening::JobBegins(which) => world.begin_job(*which),
        Happening::JobEnds(which, well) => world.end_job(*which, *well),
        Happening::JobIsForgotten(which) => {
            if let Some(name) = world.nth_job(*which, false) {
                world.forget(&name);
            }
        }
        Happening::AsksToPrepare(mark) => world.annotate(PREPARE_DATABASE, mark.to_string()),
        Happening::GoesItsWay(rounds) => world.runs(*rounds),
        Happening::Rolls(which) => world.roll(*which),
        Happening::Restarts(which) => world.restart(*which),
        Happening::Crashes(which) => world.crash(*which),
        Happening::FollowsNoLogin(crash) => world.follows_no_login = *crash,
        Happening::Wish(mark) => world.wish(*mark),
        Happening::Passes(seconds) => world.pass(*seconds),
    }
}

proptest! {
    #![proptest_config(run_of("no_pod_is_ever_locked_out_whatever_happens_in_whichever_order", 1_000))]

    /// Operators that die between any two writes, that find an old status or none, Jobs that linger, programs that start
    /// at any time, programs that crash with one login and rotations that are rolled back: whatever a pod was started with works for as long as it is there.
    #[test]
    fn no_pod_is_ever_locked_out_whatever_happens_in_whichever_order(
        shared in any::<bool>(),
        every in any::<bool>(),
        happenings in prop::collection::vec(happening(), 1..100),
    ) {
        let credentials = if shared { ", credentials: Shared" } else { "" };
        let rotate = if every { ", rotate: {every: 90d}" } else { "" };
        let mut world = World::settled(drive(&format!("{credentials}{rotate}")));
        for (at, happening) in happenings.iter().enumerate() {
            happens(&mut world, happening);
            let out = world.trouble.take().or_else(|| world.locked_out());
            prop_assert!(out.is_none(), "{} cannot log in after {at}: {happening:?}\n{world:#?}", out.unwrap());
        }
        // And when nothing is in the way any more, what was asked for is done, once.
        world.mend();
        world.wish(200);
        world.runs(24);
        prop_assert_eq!(world.trouble.take().or_else(|| world.locked_out()), None);
        let login = world.status.login.clone().unwrap();
        prop_assert_eq!(login.answered.as_deref(), Some("database@200"));
        prop_assert!(matches!(world.standing(), RotationPhase::InUse(RotationSchedule::Unscheduled | RotationSchedule::At(_))), "{:?}", world.standing());
        let before = (world.drawn, login.generation);
        world.runs(4);
        prop_assert_eq!((world.drawn, world.status.login.clone().unwrap().generation), before);
    }
}

/// Found by the property. An operator that found the status before a rotation took every program back to the login before,
/// the next one took them forward again, and a third, whose status said that no pod of before was left, drew a password
/// over that of a pod that was ending.
#[test]
fn a_status_from_before_a_rotation_takes_no_program_back_to_the_login_before() {
    let mut world = World::settled(drive(""));
    world.wish(0);
    world.walk(Memory::Whole, usize::MAX);
    world.runs(5);
    let moved = world.programs.clone();
    world.walk(Memory::Lost, usize::MAX);
    assert_eq!(world.programs, moved);
    world.wish(1);
    world.walk(Memory::Whole, usize::MAX);
    world.walk(Memory::Old(4), usize::MAX);
    assert_eq!(world.programs, moved);
    world.runs(3);
    world.walk(Memory::Old(4), usize::MAX);
    assert_eq!(world.trouble.take().or_else(|| world.locked_out()), None);
    world.runs(24);
    assert_eq!(world.trouble.take().or_else(|| world.locked_out()), None);
    assert_eq!(
        world.status.login.clone().unwrap().answered.as_deref(),
        Some("database@1")
    );
}

#[test]
fn whatever_status_says_the_logins_of_programs_never_go_back() {
    let has = |generation: u64| move |asked: u64| asked % 2 == generation % 2;
    for generation in 1..6_u64 {
        for recorded in (0..=generation).map(Some).chain([None]) {
            let (current, drawn) = turn::locate(recorded, generation, has(generation));
            assert_eq!((current, drawn), (generation, generation), "{recorded:?}");
            // Drawn and not moved yet: what programs have stays, and what is drawn is not drawn again.
            let (current, drawn) = turn::locate(recorded.filter(|r| *r < generation), generation, has(generation - 1));
            assert_eq!((current, drawn), (generation - 1, generation), "{recorded:?}");
        }
    }
}

#[test]
fn no_program_gets_a_login_of_which_nothing_says_that_it_works() {
    let mut world = World::settled(drive(""));
    world.wish(1);
    for _ in 0..3 {
        world.walk(Memory::Whole, usize::MAX);
    }
    assert_eq!(world.standing(), RotationPhase::Preparing);
    // By hand, before the Job has made the next login work, and the status was lost, too.
    let second = names::second_password("d", DatabaseCredentials::PerDatabase, "a");
    world
        .programs
        .insert("d-api".to_owned(), Environment::from([("a_2".to_owned(), second)]));
    let before = world.programs["d-both"].clone();
    world.walk(Memory::Lost, usize::MAX);
    assert_eq!(world.programs["d-both"], before);
    world.begin_job(0);
    world.end_job(0, true);
    world.walk(Memory::Whole, usize::MAX);
    assert_ne!(world.programs["d-both"], before);
}
