//! All drives at once against the limit of the API server; then what nothing and what one image cost.

use std::time::Duration;

use ras_tests::{AuditEvent, Error};

use crate::audit::{asked, counts, is_child_write, is_single, span};
use crate::bare;
use crate::bench::{Bench, options};
use crate::machine::{control_plane_time, mib};
use crate::table::Figures;

/// A name that no field of any kind has, because it is replaced in the text of objects.
const MODEL: &str = "modeldrive";
const REST: Duration = Duration::from_secs(30);

#[allow(clippy::cast_precision_loss)] // Counts of requests are far below what a float holds exactly.
fn ratio(part: usize, whole: usize) -> f64 {
    part as f64 / whole.max(1) as f64
}

impl Bench<'_> {
    /// A backlog of drives, after a bare client has made the same objects elsewhere.
    pub async fn limit(&mut self, figures: &mut Figures) -> Result<(), Error> {
        let drives = self.drives;
        self.create(MODEL).await?;
        self.quiet().await?;
        let children = bare::children(&self.namespace.client(), self.namespace.name(), MODEL).await?;
        figures.objects_a_drive = children.len();
        self.operator.kill();

        let elsewhere = self.cluster.namespace("bare").await?;
        let since = self.mark().await?;
        let before = control_plane_time(self.cluster)?;
        bare::apply(self.cluster, elsewhere.name(), &children, MODEL, drives).await?;
        figures.bare_control_plane_seconds = control_plane_time(self.cluster)?.saturating_sub(before).as_secs_f64();
        let is_bare = |event: &AuditEvent| event.request_uri.contains(bare::MANAGER) && event.code < 300;
        figures.bare_seconds = span(&asked(self.cluster, since, is_bare).await?).as_secs_f64();

        bare::many((0..drives).map(|number| {
            let this = &*self;
            async move { this.create(&format!("drive-{number}")).await }
        }))
        .await?;
        // What controllers do about the bare client's objects ends before the operator's turn.
        tokio::time::sleep(Duration::from_secs(5)).await;
        let since = self.mark().await?;
        let before = control_plane_time(self.cluster)?;
        self.start_anew(&options()).await?;
        self.quiet().await?;
        figures.operator_control_plane_seconds = control_plane_time(self.cluster)?.saturating_sub(before).as_secs_f64();
        figures.operator_processor_seconds = self.operator.usage()?.processor.as_secs_f64();
        let all = self.asked(since).await?;
        let children: Vec<AuditEvent> = all.iter().filter(|event| is_child_write(event)).cloned().collect();
        figures.operator_seconds = span(&children).as_secs_f64();
        figures.limit_ratio = figures.bare_seconds / figures.operator_seconds;
        figures.writes_a_drive = ratio(children.len(), drives);
        let single: Vec<&AuditEvent> = all.iter().filter(|event| is_single(event)).collect();
        figures.requests_a_drive = ratio(single.len(), drives);
        figures.requests = counts(single.into_iter());
        Ok(())
    }

    /// Nothing, one image, and what all of it takes of memory.
    pub async fn rest(&mut self, figures: &mut Figures) -> Result<(), Error> {
        let since = self.mark().await?;
        tokio::time::sleep(REST).await;
        figures.requests_at_rest_in_30_s = self.asked(since).await?.len();
        let since = self.mark().await?;
        self.change_image("drive-0", "registry.example.com/portal:2").await?;
        self.quiet().await?;
        let asked = self.asked(since).await?;
        figures.requests_for_one_image = asked.len();
        figures.one_image = counts(asked.iter());
        let memory = self.operator.memory()?;
        (figures.resident_mib, figures.highest_mib) = (mib(memory.resident), mib(memory.highest));
        Ok(())
    }
}
