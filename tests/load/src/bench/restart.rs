//! The operator ends and begins again, or another takes over.

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use ras_tests::{AuditMark, Error, Operator, OperatorOptions, eventually};

use crate::audit::{between, is_child_write};
use crate::bench::{Bench, options};
use crate::table::{Figures, Restart};

/// Beginning of each line of the log.
const TIME: &str = r#""timestamp":""#;

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}

/// When the operator's process was started.
fn start_of(operator: &Operator) -> Result<Timestamp, Error> {
    Timestamp::try_from(operator.started()).map_err(Error::unreadable("the operator's start"))
}

/// When the operator said something for the first time.
fn said(operator: &Operator, text: &str) -> Result<Timestamp, Error> {
    let log = operator.log();
    let line = log.lines().find(|line| line.contains(text)).unwrap_or_default();
    let time = line.split_once(TIME).and_then(|(_, rest)| rest.split_once('"'));
    let (time, _) = time.unwrap_or_default();
    time.parse()
        .map_err(Error::unreadable(format!("the time at which the operator said {text}")))
}

impl Bench<'_> {
    /// Killed and started again: nothing is written when nothing changed, and soon when something did.
    pub async fn restart(&mut self, figures: &mut Figures) -> Result<(), Error> {
        self.quiet().await?;
        self.operator.kill();
        let since = self.mark().await?;
        self.start_anew(&options()).await?;
        self.is_up().await?;
        self.quiet().await?;
        let asked = self.asked(since).await?;
        let start = start_of(&self.operator)?;
        let mut restart = Restart {
            start_to_answering: milliseconds(between(start, said(&self.operator, "answers /metrics")?)),
            to_listed: milliseconds(between(start, said(&self.operator, r#""message":"ready""#)?)),
            cpu_seconds: self.operator.usage()?.processor.as_secs_f64(),
            requests: asked.len(),
            writes: asked.iter().filter(|event| event.is_write()).count(),
            ..Restart::default()
        };

        self.operator.kill();
        self.change_image("drive-0", "registry.example.com/portal:3").await?;
        let since = self.mark().await?;
        self.start_anew(&options()).await?;
        let first = self.first_write(since).await?;
        restart.to_first_write = milliseconds(between(start_of(&self.operator)?, first));
        figures.restart = Some(restart);
        self.quiet().await
    }

    /// From a leader's end to what another writes first. A drive is changed when nobody leads.
    pub async fn failover(&mut self, figures: &mut Figures) -> Result<(), Error> {
        self.start_anew(&elected("a")).await?;
        self.leads().await?;
        self.quiet().await?;

        let standby = self.standby("b").await?;
        let asked = Timestamp::now();
        let (since, _) = (self.mark().await?, self.operator.stop().await?);
        self.operator = standby;
        self.change_image("drive-0", "registry.example.com/portal:4").await?;
        let first = self.first_write(since).await?;
        figures.failover_asked = Some(milliseconds(between(asked, first)));
        self.quiet().await?;

        let standby = self.standby("c").await?;
        let since = self.mark().await?;
        let killed = Timestamp::now();
        self.operator.kill();
        self.operator = standby;
        self.change_image("drive-0", "registry.example.com/portal:5").await?;
        let first = self.first_write(since).await?;
        figures.failover_killed = Some(milliseconds(between(killed, first)));
        self.start_anew(&options()).await?;
        self.is_up().await?;
        self.quiet().await
    }

    async fn leads(&mut self) -> Result<(), Error> {
        self.operator.logs(self.patience, r#""message":"leads""#).await
    }

    /// Starts another operator that knows what there is and waits for the lease.
    async fn standby(&self, name: &str) -> Result<Operator, Error> {
        let mut standby = Operator::start(self.cluster, &self.namespace, &elected(name)).await?;
        standby.logs(self.patience, r#""message":"stands by""#).await?;
        Ok(standby)
    }

    async fn first_write(&self, since: AuditMark) -> Result<Timestamp, Error> {
        eventually(self.patience, "the first useful write", async || {
            let asked = self.asked(since).await?;
            let first = asked.iter().find(|event| is_child_write(event));
            first.map(|event| event.received.0).ok_or_else(|| "none yet".into())
        })
        .await
    }
}

fn elected(name: &str) -> OperatorOptions {
    options().account(&format!("operator-{name}")).elected(name)
}
