use std::{
    fmt::{self, Write as _},
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use futures::{StreamExt as _, stream};
use ras_tests::Error;

use crate::{operators, world::World};

/// How many of the slowest steps are shown in the end.
const SLOWEST: usize = 8;

/// Why a scenario did not pass.
pub enum Failure {
    /// Its promise was not kept.
    Broken(String),
    /// It cannot be tried here.
    NotRun(String),
}

/// Why something cannot be tried here. (It is no `Display` itself: that is what makes the conversion from everything else possible.)
pub struct NotRun(pub &'static str);

impl From<NotRun> for Failure {
    fn from(NotRun(reason): NotRun) -> Self {
        Self::NotRun(reason.to_owned())
    }
}

impl<T: fmt::Display> From<T> for Failure {
    fn from(reason: T) -> Self {
        Self::Broken(reason.to_string())
    }
}

pub type ScenarioResult = Result<(), Failure>;
type Running = Pin<Box<dyn Future<Output = ScenarioResult> + Send>>;

/// One promise.
pub struct Scenario {
    pub name: &'static str,
    pub turn: Turn,
    pub run: fn(Arc<World>, Steps) -> Running,
}

/// When a scenario runs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// Beside others: all it touches is its own.
    Together,
    /// After all those, when nothing else runs: it breaks what everybody uses, or takes times that others would spoil.
    Alone,
}

/// A list of scenarios, each named after the function that it is, that run side by side; or, after `alone:`, one after the other.
#[macro_export]
macro_rules! scenarios {
    (alone: $($name:ident),+ $(,)?) => { $crate::scenarios!(@Alone $($name),+) };
    ($($name:ident),+ $(,)?) => { $crate::scenarios!(@Together $($name),+) };
    (@$turn:ident $($name:ident),+) => {
        vec![$($crate::runner::Scenario {
            name: stringify!($name),
            turn: $crate::runner::Turn::$turn,
            run: |world, steps| Box::pin($name(world, steps)),
        }),+]
    };
}

/// Tells what a scenario has done, with the time it took.
#[derive(Clone)]
pub struct Steps {
    scenario: &'static str,
    seen: Arc<Mutex<Seen>>,
}

struct Seen {
    last: Instant,
    steps: Vec<(String, Duration)>,
}

impl Steps {
    fn new(scenario: &'static str) -> Self {
        let seen = Seen {
            last: Instant::now(),
            steps: Vec::new(),
        };
        Self {
            scenario,
            seen: Arc::new(Mutex::new(seen)),
        }
    }

    /// Says that something is done that began at the last step.
    pub fn done(&self, what: &str) {
        let mut seen = self.seen.lock().unwrap();
        let took = seen.last.elapsed();
        seen.last = Instant::now();
        seen.steps.push((what.to_owned(), took));
    }

    fn taken(&self) -> Vec<(String, Duration)> {
        self.seen.lock().unwrap().steps.clone()
    }
}

/// Sets the cluster up, runs all scenarios, takes the cluster down, and says whether all passed.
pub async fn run(chosen: Vec<Scenario>, jobs: usize) -> Result<bool, Error> {
    let started = Instant::now();
    let steps = Steps::new("setting up");
    println!("== end to end: {} scenarios", chosen.len());
    let world = World::start().await?;
    steps.done("a cluster");
    if let Err(error) = world.prepare(&steps).await {
        show(&steps, &Err(error.into()));
        world.stop().await?;
        return Ok(false);
    }
    show(&steps, &Ok(()));
    let world = Arc::new(world);

    let (together, alone): (Vec<_>, Vec<_>) = chosen.into_iter().partition(|scenario| scenario.turn == Turn::Together);
    let mut all: Vec<(Steps, ScenarioResult)> = stream::iter(together)
        .map(|scenario| one(Arc::clone(&world), scenario))
        .buffer_unordered(jobs.max(1))
        .collect()
        .await;
    for scenario in alone {
        all.push(one(Arc::clone(&world), scenario).await);
    }

    let down = Steps::new("taking down");
    let left = match Arc::into_inner(world) {
        Some(world) => world.stop().await?,
        None => vec!["the cluster, which somebody still uses".to_owned()],
    };
    let clean = if left.is_empty() {
        down.done("no process, mount, network device, cgroup or file of it is left");
        Ok(())
    } else {
        Err(Failure::from(format!("left on this machine: {}", left.join("; "))))
    };
    show(&down, &clean);
    slowest(all.iter().map(|(steps, _)| steps).chain([&steps, &down]));
    let count = |kind: fn(&ScenarioResult) -> bool| all.iter().filter(|(_, outcome)| kind(outcome)).count();
    let failed = count(|outcome| matches!(outcome, Err(Failure::Broken(_))));
    let not_run = count(|outcome| matches!(outcome, Err(Failure::NotRun(_))));
    println!(
        "== end to end: {} passed, {failed} failed, {not_run} not run, {:.0} s",
        all.len() - failed - not_run,
        started.elapsed().as_secs_f64()
    );
    Ok(failed == 0 && clean.is_ok())
}

async fn one(world: Arc<World>, scenario: Scenario) -> (Steps, ScenarioResult) {
    let steps = Steps::new(scenario.name);
    // A task of its own, so that a panic ends this scenario and no other.
    let task = tokio::spawn((scenario.run)(Arc::clone(&world), steps.clone()));
    let outcome = task.await.unwrap_or_else(|panic| Err(panic.into()));
    show(&steps, &outcome);
    if let (Err(Failure::Broken(_)), Ok(client)) = (&outcome, world.client()) {
        print!("{}", operators::said_last(&client).await);
    }
    (steps, outcome)
}

/// One scenario at once, so that those that run side by side do not mix.
fn show(steps: &Steps, outcome: &ScenarioResult) {
    let taken = steps.taken();
    let total: Duration = taken.iter().map(|(_, took)| *took).sum();
    let (result, reason) = match outcome {
        Ok(()) => ("ok     ", None),
        Err(Failure::Broken(reason)) => ("FAILED ", Some(reason)),
        Err(Failure::NotRun(reason)) => ("not run", Some(reason)),
    };
    let mut text = format!("{result} {:6.1} s  {}\n", total.as_secs_f64(), steps.scenario);
    for (what, took) in taken {
        let _ = writeln!(text, "          {:6.1} s  {what}", took.as_secs_f64());
    }
    if let Some(reason) = reason {
        let _ = writeln!(text, "        then: {reason}");
    }
    print!("{text}");
}

fn slowest<'a>(all: impl Iterator<Item = &'a Steps>) {
    let mut steps: Vec<_> = all
        .flat_map(|steps| {
            steps
                .taken()
                .into_iter()
                .map(|(what, took)| (took, what, steps.scenario))
        })
        .collect();
    steps.sort_by_key(|(took, ..)| std::cmp::Reverse(*took));
    println!("slowest steps:");
    for (took, what, scenario) in steps.into_iter().take(SLOWEST) {
        // What comes after a colon is figures.
        let what = what.split(':').next().unwrap_or_default();
        println!("{:6.1} s  {what}  ({scenario})", took.as_secs_f64());
    }
}
