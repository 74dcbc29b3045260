//! Runs in the container: files in, termination message and exit code out.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use tokio::signal::unix::{SignalKind, signal};

use crate::inputs::{Admin, Password, password};
use crate::plan::plan;
use crate::postgres::Postgres;
use crate::step::ServerStep;
use ras_core::database::report::{Cause, ExitCode, Problem, Report};
use ras_core::database::request::{OLDEST_VERSION, Request};

/// More than any plan needs: one for the server, one for the content of new databases, one to see that all is done.
const MAX_OBSERVATIONS: usize = 10;

const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

#[derive(Clone, Debug)]
pub struct Options {
    pub request: PathBuf,
    /// The folder with the administrator's connection.
    pub admin: PathBuf,
    /// The folder with the files of passwords.
    pub passwords: PathBuf,
    pub report: PathBuf,
    /// How long to retry temporary failures.
    pub patience: Duration,
}

/// Fulfils the request, and reports on standard error and in the report.
pub async fn run(options: Options) -> ExitCode {
    let mut report = Report::default();
    // The first process of a container ignores signals that it does not handle.
    let stopped = async {
        match signal(SignalKind::terminate()) {
            Ok(mut signal) => drop(signal.recv().await),
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        () = prepare(&options, &mut report) => {}
        () = stopped => report.problems.push(problem(
            Cause::Busy,
            "the program was stopped before it was done; the next run continues".to_owned(),
        )),
    }
    let report = report.plain();
    if let Some(warning) = &report.warning {
        tracing::warn!("{warning}");
    }
    for problem in &report.problems {
        tracing::error!(cause = ?problem.cause, database = problem.database, role = problem.role, "{}", problem.message);
    }
    for database in &report.no_longer_managed {
        tracing::info!(database, "database {database} is no longer requested, and retained");
    }
    if report.problems.is_empty() && report.done.is_empty() {
        tracing::info!("all was as asked");
    }
    if let Err(error) = std::fs::write(&options.report, report.message()) {
        tracing::error!("{} cannot be written: {error}", options.report.display());
    }
    report.exit_code()
}

async fn prepare(options: &Options, report: &mut Report) {
    let (request, admin, passwords) = match read(options) {
        Ok(inputs) => inputs,
        Err(problems) => {
            report.problems = problems;
            return;
        }
    };
    report.warning = admin.warning();
    let began = Instant::now();
    let mut pause = FIRST_PAUSE;
    loop {
        report.problems = match Postgres::connect(&admin, &request, &passwords).await {
            Ok(postgres) => attempt(postgres, &request, report).await,
            Err(problem) => vec![problem],
        };
        let may_pass = report.problems.iter().any(|problem| problem.cause.may_pass());
        let left = options.patience.saturating_sub(began.elapsed());
        if !may_pass || left.is_zero() {
            return;
        }
        for problem in &report.problems {
            tracing::warn!(cause = ?problem.cause, "{}", problem.message);
        }
        tokio::time::sleep(pause.min(left)).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

type Inputs = (Request, Admin, BTreeMap<String, Password>);

/// Reads every file, or returns the problems of all of them.
fn read(options: &Options) -> Result<Inputs, Vec<Problem>> {
    let text = std::fs::read_to_string(&options.request).map_err(|error| error.to_string());
    let request = text.and_then(|text| Request::parse(&text)).map_err(|error| {
        let message = format!("{}: {error}", options.request.display());
        vec![problem(Cause::BadRequest, message)]
    })?;
    let mut problems = Vec::new();
    let admin = Admin::read(&options.admin, &request).map_err(|problem| problems.push(problem));
    let mut passwords = BTreeMap::new();
    for login in &request.logins {
        match password(&options.passwords, &login.password_file, login.in_url) {
            Ok(password) => drop(passwords.insert(login.role.clone(), password)),
            Err(problem) => problems.push(Problem {
                role: Some(login.role.clone()),
                ..problem
            }),
        }
    }
    match admin {
        Ok(admin) if problems.is_empty() => Ok((request, admin, passwords)),
        _ => Err(problems),
    }
}

/// Observes, plans and executes until the plan is empty. Returns what could not be fulfilled.
async fn attempt(mut postgres: Postgres<'_>, request: &Request, report: &mut Report) -> Vec<Problem> {
    report.server_version = Some(postgres.facts().version.clone());
    let oldest = request.minimum_version.unwrap_or(OLDEST_VERSION).max(OLDEST_VERSION);
    if let Err(problem) = postgres.begin(oldest).await {
        return vec![problem];
    }
    let problems = work(&mut postgres, request, report).await;
    (report.system_identifier, report.oids) = postgres.identities().await;
    problems
}

async fn work(postgres: &mut Postgres<'_>, request: &Request, report: &mut Report) -> Vec<Problem> {
    let mut taken = BTreeSet::new();
    let mut problems = Vec::new();
    for _ in 0..MAX_OBSERVATIONS {
        let observed = match postgres.observe().await {
            Ok((observed, unseen)) => {
                problems = unseen;
                observed
            }
            Err(problem) => return vec![problem],
        };
        let plan = plan(request, &observed);
        report.no_longer_managed = plan.no_longer_managed;
        problems.extend(plan.problems);
        let mut moved = false;
        let mut failed: Vec<ServerStep> = Vec::new();
        for step in plan.steps {
            if failed.iter().any(|earlier| blocks(earlier, &step)) {
                failed.push(step);
                continue;
            }
            if taken.contains(&step) {
                problems.push(ineffective(&step));
                continue;
            }
            match postgres.execute(&step).await {
                Ok(()) => {
                    tracing::info!(database = step.database(), role = step.role(), "{step}");
                    report.done.push(step.to_string());
                    taken.insert(step);
                    moved = true;
                }
                Err(problem) if problem.cause.may_pass() => return vec![problem],
                Err(problem) => {
                    problems.push(problem);
                    failed.push(step);
                }
            }
        }
        if !moved {
            break;
        }
    }
    problems
}

/// `step` is impossible after `failed` failed.
fn blocks(failed: &ServerStep, step: &ServerStep) -> bool {
    match failed {
        // A login that cannot become its owner must not get a password.
        ServerStep::CreateRole { role } | ServerStep::JoinOwner { role, .. } | ServerStep::BecomeOwner { role, .. } => {
            step.roles().contains(&role.as_str())
        }
        ServerStep::ActAsOwner { owner, .. } => {
            matches!(step, ServerStep::CreateDatabase { owner: of, .. } if of == owner)
        }
        ServerStep::CreateDatabase { database, .. } => step.database() == Some(database),
        _ => false,
    }
}

/// The problem of a step that succeeded and is planned again.
fn ineffective(step: &ServerStep) -> Problem {
    let (cause, message) = match step {
        ServerStep::SetPassword { role } => (
            Cause::WrongPassword,
            format!(
                "the password of role {role} was set, and the server still does not accept it: see whether the role has \
                 expired (VALID UNTIL), and whether pg_hba.conf asks for another proof than a password"
            ),
        ),
        _ => (
            Cause::MissingRight,
            format!(
                "the server agreed to this step and nothing came of it ({step}): give the administrator {}",
                step.needs()
            ),
        ),
    };
    Problem {
        cause,
        database: step.database().map(str::to_owned),
        role: step.role().map(str::to_owned),
        message,
    }
}

fn problem(cause: Cause, message: String) -> Problem {
    Problem {
        cause,
        database: None,
        role: None,
        message,
    }
}
