//! `kubectl ras drain`: empties a cluster of all that lives outside it, so that destroying it strands nothing.
//!
//! `read` lists objects into an `Inventory`, `plan` decides, `delete` deletes, and `report` prints. The policies of drives and the
//! reclaim policies of volumes decide what is kept. The command keeps no state, so it can be run again at any time.

mod delete;
mod foreign;
mod inventory;
mod item;
mod plan;
mod read;
mod report;
mod session;

use std::io::Write as _;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use kube::Client;
use ras_crds::Duration as Span;

use plan::DrainPlan;
use report::End;
use session::DrainSession;

/// Pause between two inventories.
const PAUSE: Duration = Duration::from_secs(1);
/// Wait before the last inventory, so that events under way arrive.
const SETTLE: Duration = Duration::from_secs(1);

/// Empties the cluster of everything that lives outside it and would outlive it or keep it from being destroyed: drives
/// with their buckets, load balancers, disks. Without --yes it only says what it would do.
///
/// Exit code: 0 when it is safe to destroy the cluster, 1 when not (and why is said), 2 for wrong arguments.
#[derive(Debug, Args)]
pub struct Drain {
    /// Do it. Without this nothing is changed.
    #[arg(long)]
    yes: bool,
    /// How long to wait for everything to go, such as 15m or 90s.
    #[arg(long, value_name = "DURATION", default_value = "15m", value_parser = span)]
    timeout: Duration,
    /// How to print the report. Progress goes to standard error.
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    Text,
    Json,
}

fn span(text: &str) -> Result<Duration, String> {
    let seconds = Span::new(text).seconds();
    let seconds = seconds.ok_or_else(|| format!("{text:?} is no duration: write it like 15m or 90s"))?;
    Ok(Duration::from_secs(seconds))
}

impl Drain {
    /// Does it. An error is a cluster that could not be asked at all.
    pub async fn run(&self, client: &Client) -> Result<ExitCode, String> {
        let (plan, end) = self.drain(client).await.map_err(|error| {
            format!("the cluster could not be inspected, so it is unknown whether it is safe to destroy: {error}")
        })?;
        let report = match self.output {
            Output::Text => report::text(&plan, end),
            Output::Json => report::json(&plan, end).map_err(|error| error.to_string())?,
        };
        std::io::stdout()
            .write_all(report.as_bytes())
            .map_err(|error| format!("standard output: {error}"))?;
        Ok(if plan.is_safe() {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    }

    async fn drain(&self, client: &Client) -> Result<(DrainPlan, End), kube::Error> {
        let started = Instant::now();
        let mut session = DrainSession::default();
        let mut before = DrainPlan::default();
        let mut stuck = false;
        loop {
            let now = match observe(client, &mut session).await {
                Ok(now) => now,
                // Once it has begun, an API server that is out for a while is waited for.
                Err(error) if before != DrainPlan::default() && started.elapsed() < self.timeout => {
                    progress(&[format!("the API server does not answer: {error}")]);
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
                Err(error) => return Err(error),
            };
            if !self.yes {
                return Ok((now, End::DryRun));
            }
            progress(&report::progress(&before, &now));
            if now.is_safe() {
                tokio::time::sleep(SETTLE).await;
                let last = observe(client, &mut session).await?;
                if last.is_safe() {
                    return Ok((last, End::Done));
                }
            }
            // Twice, because the responsible controller may not have begun at the first inventory.
            if now.is_stuck() && stuck {
                return Ok((now, End::Stuck));
            }
            if started.elapsed() >= self.timeout {
                return Ok((now, End::OutOfTime));
            }
            stuck = now.is_stuck();
            for id in now.next() {
                progress(&[format!("deleting {id}")]);
                match delete::delete(client, id).await {
                    Ok(refused) => session.deleted(id, refused),
                    Err(error) => progress(&[format!("{id} could not be deleted yet: {error}")]),
                }
            }
            before = now;
            tokio::time::sleep(PAUSE).await;
        }
    }
}

async fn observe(client: &Client, session: &mut DrainSession) -> Result<DrainPlan, kube::Error> {
    let inventory = read::inventory(client).await?;
    session.saw(&inventory);
    Ok(plan::drain_plan(&inventory, session))
}

fn progress(lines: &[String]) {
    for line in lines {
        // If standard error is closed, there is no place to report to.
        let _ = writeln!(std::io::stderr(), "{line}");
    }
}
