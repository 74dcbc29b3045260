//! Passwords of databases that take turns: whatever happens in whichever order, no pod is locked out.

use crate::planned::{Planned, build, job_of, phase_of, record_of, validate};
use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::Container;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use ras_core::build::Credential;
use ras_core::database::report::{Cause, Problem, Report};
use ras_core::database::request::Request;
use ras_core::fetched::{
    Crash, DatabaseFacts, Fetched, JobFacts, JobOutcome, JobPod, PodRun, ProgramFacts, SecretFacts,
};
use ras_core::names;
use ras_core::plan::login_rotation::RotationPhase;
use ras_core::plan::secret_rotation::RotationSchedule;
use ras_core::plan::turn;
use ras_core::platform::PlatformConfig;
use ras_core::report;
use ras_core::report::Observed;
use ras_core::valid::SUFFIX;
use ras_crds::labels::{PREPARE_DATABASE, ROTATE};
use ras_crds::spec::DatabaseCredentials;
use ras_crds::{DatabaseLoginStatus, DatabaseStatus, RecruitmentDrive, RecruitmentDriveStatus};

use crate::drives::with_spec;
use crate::seeds::run_of;

/// Seconds a pod gets to end.
const GRACE: i64 = 30;

fn drive(database: &str) -> RecruitmentDrive {
    with_spec(&format!(
        "{{services: [{{name: api, image: 'api:1', uses: {{databases: [a]}}}}, {{name: both, image: 'both:1', uses: {{databases: [b, a]}}}}, \
         {{name: web, image: 'web:1'}}], database: {{external: {{secretName: rds}}, databases: [{{name: a}}, {{name: b, owner: badmin}}]{database}}}}}"
    ))
}

/// A Secret as it is, with a value that the operator never sees.
#[derive(Clone, Debug)]
struct Stored {
    value: u32,
    version: u64,
    facts: SecretFacts,
}

/// What a version of a program reads: users and the Secrets of their passwords.
type Environment = BTreeMap<String, String>;

#[derive(Clone, Debug)]
struct Pod {
    environment: Environment,
    /// What it was started with, by user.
    has: BTreeMap<String, u32>,
    /// When it has ended, of one that was replaced.
    ends: Option<Timestamp>,
    /// Whether its program crashes, for a reason of its own.
    crashes: bool,
}

#[derive(Clone, Debug)]
struct Work {
    request: Request,
    facts: JobFacts,
    /// What it was started with, by role.
    mounted: Option<BTreeMap<String, u32>>,
    /// Whether its Job is gone and its program has not heard of it.
    lingers: bool,
}

/// A cluster with a server, as far as passwords go.
#[derive(Clone, Debug)]
struct World {
    drive: RecruitmentDrive,
    now: Timestamp,
    drawn: u32,
    secrets: BTreeMap<String, Stored>,
    server: BTreeMap<String, u32>,
    programs: BTreeMap<String, Environment>,
    pods: BTreeMap<String, Vec<Pod>>,
    jobs: BTreeMap<String, Work>,
    status: DatabaseStatus,
    history: Vec<DatabaseStatus>,
    /// Who could not log in while all went its way.
    trouble: Option<String>,
    /// Whether programs crash with the second login, because they make up the name of their user.
    follows_no_login: bool,
}

/// Which status an operator that has just started finds.
#[derive(Clone, Copy, Debug)]
enum Memory {
    Whole,
    Lost,
    /// So many writes ago.
    Old(usize),
}

impl World {
    fn new(drive: RecruitmentDrive) -> Self {
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
    fn settled(drive: RecruitmentDrive) -> Self {
        let mut world = Self::new(drive);
        world.runs(4);
        assert_eq!(world.programs.len(), 3, "{world:#?}");
        world
    }

    fn seen(&self, memory: Memory) -> Fetched {
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

    fn living(&self, child: &str) -> impl Iterator<Item = &Pod> {
        self.pods[child].iter().filter(|pod| pod.ends.is_none())
    }

    fn has_crashed(&self, pod: &Pod) -> bool {
        let is_second = |user: &String| user.ends_with(SUFFIX);
        pod.crashes || self.follows_no_login && pod.environment.keys().any(is_second)
    }

    /// One pod crashes from now on, or no longer.
    fn crash(&mut self, which: usize) {
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
    fn mend(&mut self) {
        self.follows_no_login = false;
        for pod in self.pods.values_mut().flatten() {
            pod.crashes = false;
        }
    }

    fn valid(&self, memory: Memory) -> Planned {
        validate(&self.drive, &self.seen(memory), &PlatformConfig::default()).unwrap()
    }

    fn standing(&self) -> RotationPhase {
        phase_of(&self.valid(Memory::Whole))
    }

    /// Whether a Secret is to be written.
    fn lacks(&self, credential: &Credential) -> bool {
        let known = self.secrets.get(credential.secret.metadata.name.as_ref().unwrap());
        let Some(facts) = known.map(|stored| &stored.facts) else {
            return true;
        };
        let asked = credential.notes.generation;
        if credential.roll_back {
            return facts.generation == asked && facts.rolled_back != asked;
        }
        credential.rotate && facts.generation.unwrap_or_default() < asked.unwrap_or_default()
    }

    /// Writes a Secret: new values, or that their rotation is rolled back.
    fn place(&mut self, credential: &Credential) {
        let name = credential.secret.metadata.name.clone().unwrap();
        let known = self.secrets.get(&name).cloned();
        let version = known.as_ref().map_or(0, |stored| stored.version) + 1;
        // Who writes a note moves the times of all that it wrote, and notes are merged into what is there.
        let keys = Some(BTreeMap::from([("password".to_owned(), self.now.to_string())]));
        let rolled_back = known.as_ref().and_then(|stored| stored.facts.rolled_back);
        let stored = match known {
            Some(stored) if credential.roll_back => Stored {
                value: stored.value,
                version,
                facts: SecretFacts {
                    keys,
                    rolled_back: credential.notes.generation,
                    ..stored.facts
                },
            },
            _ => {
                self.drawn += 1;
                let facts = SecretFacts {
                    certificate: None,
                    touch: String::new(),
                    keys,
                    version: String::new(),
                    drawn_at: Some(self.now),
                    rotated_for: credential.notes.request.clone(),
                    generation: credential.notes.generation,
                    rolled_back,
                    is_complete: true,
                };
                Stored {
                    value: self.drawn,
                    version,
                    facts,
                }
            }
        };
        self.secrets.insert(name, stored);
    }

    /// One walk of the operator, which dies after so many writes.
    fn walk(&mut self, memory: Memory, mut writes: usize) {
        let valid = self.valid(memory);
        let desired = build(&valid);
        let mut may_write = || {
            let may = writes > 0;
            writes = writes.saturating_sub(1);
            may
        };
        let mut made = false;
        for credential in &desired.credentials {
            if !self.lacks(credential) {
                continue;
            }
            if !may_write() {
                return;
            }
            self.place(credential);
            made = true;
        }
        let preparation = job_of(&valid).unwrap();
        for job in &desired.jobs {
            let name = job.metadata.name.clone().unwrap();
            if self.jobs.contains_key(&name) {
                continue;
            }
            if !may_write() {
                return;
            }
            let facts = JobFacts {
                purpose: "prepare".to_owned(),
                work: preparation.work.clone(),
                pods: vec![PodRun::BlockedBy(None)],
                ..JobFacts::default()
            };
            let request = preparation.request.clone();
            let work = Work {
                request,
                facts,
                mounted: None,
                lingers: false,
            };
            self.jobs.insert(name, work);
        }
        for deployment in &desired.deployments {
            let child = deployment.metadata.name.clone().unwrap();
            let environment = environment(
                &deployment
                    .spec
                    .as_ref()
                    .unwrap()
                    .template
                    .spec
                    .as_ref()
                    .unwrap()
                    .containers,
            );
            if desired.blocked.contains_key(&child) || self.programs.get(&child) == Some(&environment) {
                continue;
            }
            if !may_write() {
                return;
            }
            if self.programs.insert(child.clone(), environment.clone()).is_none() {
                let pods = vec![self.start(&environment), self.start(&environment)];
                self.pods.insert(child, pods);
            }
        }
        let kept: BTreeSet<&String> = desired.kept_jobs.iter().collect();
        let gone: Vec<String> = self.jobs.keys().filter(|name| !kept.contains(name)).cloned().collect();
        for name in gone {
            if !self.jobs[&name].lingers {
                if !may_write() {
                    return;
                }
                self.forget(&name);
            }
        }
        // What was drawn is looked at anew before anything is built.
        if made || !may_write() {
            return;
        }
        let status = record_of(&valid).unwrap();
        if status != self.status {
            self.history.push(std::mem::replace(&mut self.status, status));
        }
    }

    fn start(&self, environment: &Environment) -> Pod {
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
    fn forget(&mut self, name: &str) {
        let Some(work) = self.jobs.get_mut(name) else { return };
        if work.mounted.is_some() && work.facts.outcome == JobOutcome::Open {
            work.lingers = true;
        } else {
            self.jobs.remove(name);
        }
    }

    fn nth_job(&mut self, which: usize, open: bool) -> Option<String> {
        let jobs: Vec<&String> = self
            .jobs
            .iter()
            .filter(|(_, work)| (work.facts.outcome == JobOutcome::Open) == open)
            .map(|(name, _)| name)
            .collect();
        jobs.get(which.checked_rem(jobs.len())?).copied().cloned()
    }

    fn begin_job(&mut self, which: usize) {
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
    fn end_job(&mut self, which: usize, well: bool) {
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
    fn roll(&mut self, which: usize) {
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
    fn restart(&mut self, which: usize) {
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

    fn wish(&mut self, mark: u8) {
        self.annotate(ROTATE, format!("database@{mark}"));
    }

    fn annotate(&mut self, name: &str, value: String) {
        let annotations = self.drive.metadata.annotations.get_or_insert_default();
        annotations.insert(name.to_owned(), value);
    }

    fn pass(&mut self, seconds: i64) {
        self.now += SignedDuration::from_secs(seconds);
        let now = self.now;
        for pods in self.pods.values_mut() {
            pods.retain(|pod| pod.ends.is_none_or(|ends| ends > now));
        }
    }

    /// Lets all go its way for so many rounds.
    fn runs(&mut self, rounds: usize) {
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

    fn locked_out(&self) -> Option<String> {
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

/// Which user has which Secret, by the variables of a program.
fn environment(containers: &[Container]) -> Environment {
    let mut environment = Environment::new();
    for variable in containers.iter().flat_map(|container| container.env.iter().flatten()) {
        let Some(name) = variable.name.strip_suffix("_USER").filter(|name| *name != "DATABASE") else {
            continue;
        };
        let password = format!("{name}_PASSWORD");
        let mut all = containers.iter().flat_map(|container| container.env.iter().flatten());
        let secret = all
            .find(|other| other.name == password)
            .and_then(|other| other.value_from.clone()?.secret_key_ref)
            .unwrap();
        environment.insert(variable.value.clone().unwrap(), secret.name);
    }
    environment
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

fn users(world: &World) -> BTreeSet<String> {
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

/// What a rotation that was asked for says it waits for.
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

fn problems(drive: &RecruitmentDrive) -> String {
    let world = World::new(drive.clone());
    validate(drive, &world.seen(Memory::Whole), &PlatformConfig::default()).map_or_else(
        |problems| problems.to_string(),
        |valid| {
            valid
                .database
                .as_ref()
                .unwrap()
                .rotation
                .obstacle
                .clone()
                .unwrap_or_default()
        },
    )
}

#[test]
fn where_a_second_login_cannot_be_it_is_said_with_the_field() {
    let with = |service: &str, rest: &str| {
        with_spec(&format!(
            "{{services: [{{name: api, image: 'api:1', uses: {{databases: [a]}}, {service}}}], database: {{external: {{secretName: rds}}, {rest}}}}}"
        ))
    };
    let long = "o".repeat(62);
    for (service, databases, field, says) in [
        (
            "",
            format!("[{{name: a, owner: {long}}}]"),
            "spec.database.databases",
            "too long",
        ),
        (
            "",
            "[{name: a}, {name: b, owner: a_2}]".to_owned(),
            "spec.database.databases",
            "second login of \"a\"",
        ),
        (
            "env: [{name: PGUSER, value: a}]",
            "[{name: a}]".to_owned(),
            "spec.services[0].env[0]",
            "{name: a, key: user}",
        ),
        (
            "env: [{name: DSN, value: 'postgresql://a:$(DATABASE_PASSWORD)@host/a'}]",
            "[{name: a}]".to_owned(),
            "spec.services[0].env[0]",
            "DSN tells",
        ),
        (
            "files: [{path: /app/db.conf, content: 'host=x user=a'}]",
            "[{name: a}]".to_owned(),
            "spec.services[0].files[0]",
            "$(DATABASE_USER)",
        ),
    ] {
        for rotate in [", rotate: {every: 90d}", ""] {
            let message = problems(&with(service, &format!("databases: {databases}{rotate}")));
            assert!(
                message.contains(&format!("{field}: ")) && message.contains(says),
                "{message}"
            );
        }
    }
    // What is only called as the owner is nobody's user.
    for service in [
        "env: [{name: PORTAL_ADMIN_USER, value: a}, {name: PGDATABASE, value: a}]",
        "env: [{name: PGUSER, database: {name: a, key: user}}]",
        "files: [{path: /app/db.conf, content: 'user=$(DATABASE_USER) application=user=ab'}]",
    ] {
        let message = problems(&with(service, "databases: [{name: a}], rotate: {every: 90d}"));
        assert_eq!(message, "", "{service}");
    }
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
