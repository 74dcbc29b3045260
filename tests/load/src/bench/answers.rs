//! How soon the operator answers: a new drive, a deleted child, with and without drives that fail, with Secrets of others.

use std::time::Duration;

use k8s_openapi::ByteString;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Secret, Service};
use kube::api::{DeleteParams, ObjectMeta, PostParams};
use kube::{Api, ResourceExt};
use ras_tests::{AuditEvent, AuditMark, Error, eventually};
use serde_json::json;

use crate::audit::{between, is_child_write, percentiles};
use crate::bare;
use crate::bench::Bench;
use crate::machine::mib;
use crate::table::Figures;

/// Between two of them, so that each finds the operator at rest.
const PAUSE: Duration = Duration::from_millis(200);
const BROKEN: usize = 50;

impl Bench<'_> {
    /// Pick-up and drift beside drives at rest.
    pub async fn answers(&mut self, figures: &mut Figures) -> Result<(), Error> {
        figures.pick_up = percentiles(self.pick_ups("new").await?);
        figures.drift = percentiles(self.drifts().await?);
        Ok(())
    }

    /// The same pick-up beside drives that fail all the time.
    pub async fn broken(&mut self, figures: &mut Figures) -> Result<(), Error> {
        self.break_some().await?;
        let since = self.mark().await?;
        figures.pick_up_with_broken = percentiles(self.pick_ups("late").await?);
        let about_broken = self
            .asked(since)
            .await?
            .iter()
            .filter(|event| event.name.starts_with("broken-"))
            .count();
        figures.requests_of_broken = Some(about_broken);
        Ok(())
    }

    /// Secrets of a megabyte that no drive uses.
    pub async fn secrets(&mut self, secrets: usize, figures: &mut Figures) -> Result<(), Error> {
        self.quiet_but_for(|event| !is_child_write(event)).await?;
        figures.resident_mib_before_secrets = Some(mib(self.operator.memory()?.resident));
        let api: Api<Secret> = self.namespace.api();
        for number in 0..secrets {
            let secret = Secret {
                metadata: ObjectMeta {
                    name: Some(format!("unrelated-{number}")),
                    ..ObjectMeta::default()
                },
                data: Some([("blob".to_owned(), ByteString(vec![b'x'; 1_000_000]))].into()),
                ..Secret::default()
            };
            let made = api.create(&PostParams::default(), &secret).await;
            made.map(drop)
                .map_err(Error::api(format!("creating Secret {number}")))?;
        }
        tokio::time::sleep(Duration::from_secs(5)).await;
        figures.resident_mib_with_secrets = Some(mib(self.operator.memory()?.resident));
        Ok(())
    }

    /// From the creation of a drive to its first child, one drive after the other.
    async fn pick_ups(&self, prefix: &str) -> Result<Vec<Duration>, Error> {
        let since = self.mark().await?;
        for number in 0..self.times {
            self.create(&format!("{prefix}-{number}")).await?;
            tokio::time::sleep(PAUSE).await;
        }
        let names: Vec<String> = (0..self.times).map(|number| format!("{prefix}-{number}")).collect();
        self.all_answered(since, &names, |event, name| {
            event.resource == "recruitmentdrives" && event.verb == "create" && event.name == name
        })
        .await
    }

    /// From the deletion of a Deployment to its return.
    async fn drifts(&self) -> Result<Vec<Duration>, Error> {
        self.quiet().await?;
        let since = self.mark().await?;
        let deployments: Api<Deployment> = self.namespace.api();
        let names: Vec<String> = (0..self.times).map(|number| format!("new-{number}-backend")).collect();
        for name in &names {
            let deleted = deployments.delete(name, &DeleteParams::background()).await;
            deleted.map(drop).map_err(Error::api(format!("deleting {name}")))?;
            tokio::time::sleep(PAUSE).await;
        }
        self.all_answered(since, &names, |event, name| {
            event.verb == "delete" && event.name == name
        })
        .await
    }

    /// From what somebody does about each name to the operator's first write for it.
    async fn all_answered(
        &self,
        since: AuditMark,
        names: &[String],
        is_question: impl Fn(&AuditEvent, &str) -> bool,
    ) -> Result<Vec<Duration>, Error> {
        eventually(self.patience, "an answer for each", async || {
            let audit = self.cluster.audit()?;
            audit.settle().await?;
            let namespace = self.namespace.name();
            let events = audit.events_since(since, |event| event.is_write() && event.namespace == namespace)?;
            let times: Vec<Duration> = names
                .iter()
                .filter_map(|name| self.answered(&events, name, &is_question))
                .collect();
            if times.len() == names.len() {
                Ok(times)
            } else {
                Err(format!("{} of {}", times.len(), names.len()).into())
            }
        })
        .await
    }

    fn answered(
        &self,
        events: &[AuditEvent],
        name: &str,
        is_question: impl Fn(&AuditEvent, &str) -> bool,
    ) -> Option<Duration> {
        let user = self.operator.user();
        let asked = events
            .iter()
            .find(|event| event.username != user && is_question(event, name))?
            .received
            .0;
        let is_about = |event: &&AuditEvent| {
            let rest = event.name.strip_prefix(name);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
        };
        let answered = events
            .iter()
            .filter(|event| event.username == user && is_child_write(event));
        let first = answered
            .filter(is_about)
            .map(|event| event.received.0)
            .filter(|time| *time >= asked)
            .min()?;
        Some(between(asked, first))
    }

    /// Drives that fail all the time: a Service that is not theirs is in their way.
    async fn break_some(&self) -> Result<(), Error> {
        let services: Api<Service> = self.namespace.api();
        bare::many((0..BROKEN).map(|number| {
            let services = &services;
            async move {
                let name = format!("broken-{number}");
                let service =
                    json!({"metadata": {"name": format!("{name}-backend")}, "spec": {"ports": [{"port": 1}]}});
                let service: Service = serde_json::from_value(service).map_err(Error::unreadable("a Service"))?;
                let made = services.create(&PostParams::default(), &service).await;
                made.map_err(Error::api(format!("creating {}", service.name_any())))?;
                self.create(&name).await
            }
        }))
        .await?;
        // Making what of them can be made is a storm, and not what is measured here; they go on failing after it.
        self.quiet_but_for(|event| !is_child_write(event)).await
    }
}
