use std::{
    fmt::{self, Write as _},
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use futures::{StreamExt as _, stream};
use ras_tests::Error;

use crate::world::World;

/// How many of the slowest steps are shown in the end.
const SLOWEST: usize = 8;

/// Why a scenario failed.
pub struct Failure(String);

impl<T: fmt::Display> From<T> for Failure {
    fn from(reason: T) -> Self {
        Self(reason.to_string())
    }
}

/// What a scenario returns.
pub type Outcome = Result<(), Failure>;
type Running = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// One promise.
pub struct Scenario {
    pub name: &'static str,
    pub run: fn(Arc<World>, Steps) -> Running,
}

/// A list of scenarios, each named after the function that it is.
#[macro_export]
macro_rules! scenarios {
    ($($name:ident),+ $(,)?) => {
        vec![$($crate::runner::Scenario {
            name: stringify!($name),
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
        show(&steps, Some(&error.to_string()));
        world.stop().await?;
        return Ok(false);
    }
    show(&steps, None);
    let world = Arc::new(world);

    let all: Vec<(Steps, Option<String>)> = stream::iter(chosen)
        .map(|scenario| one(Arc::clone(&world), scenario))
        .buffer_unordered(jobs.max(1))
        .collect()
        .await;

    let failed = all.iter().filter(|(_, failure)| failure.is_some()).count();
    let down = Steps::new("taking down");
    if let Some(world) = Arc::into_inner(world) {
        world.stop().await?;
    }
    down.done("nothing of the cluster is left");
    show(&down, None);
    slowest(all.iter().map(|(steps, _)| steps).chain([&steps, &down]));
    println!(
        "== end to end: {} passed, {failed} failed, {:.0} s",
        all.len() - failed,
        started.elapsed().as_secs_f64()
    );
    Ok(failed == 0)
}

async fn one(world: Arc<World>, scenario: Scenario) -> (Steps, Option<String>) {
    let steps = Steps::new(scenario.name);
    // A task of its own, so that a panic ends this scenario and no other.
    let task = tokio::spawn((scenario.run)(world, steps.clone()));
    let failure = match task.await {
        Ok(Ok(())) => None,
        Ok(Err(Failure(reason))) => Some(reason),
        Err(panic) => Some(panic.to_string()),
    };
    show(&steps, failure.as_deref());
    (steps, failure)
}

/// One scenario at once, so that those that run side by side do not mix.
fn show(steps: &Steps, failure: Option<&str>) {
    let taken = steps.taken();
    let total: Duration = taken.iter().map(|(_, took)| *took).sum();
    let verdict = if failure.is_none() { "ok    " } else { "FAILED" };
    let mut text = format!("{verdict}  {:6.1} s  {}\n", total.as_secs_f64(), steps.scenario);
    for (what, took) in taken {
        let _ = writeln!(text, "          {:6.1} s  {what}", took.as_secs_f64());
    }
    if let Some(reason) = failure {
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
        println!("{:6.1} s  {what}  ({scenario})", took.as_secs_f64());
    }
}
