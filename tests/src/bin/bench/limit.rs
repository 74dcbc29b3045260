//! All drives at once against the limit of the API server; then what nothing and what one image cost.

use std::time::Duration;

use kube::{Api, ResourceExt};
use ras_crds::RecruitmentDrive;
use ras_tests::{AuditEvent, Error};

use crate::audit::{asked, counts, is_child_write, is_single, span};
use crate::bare;
use crate::bench::{Bench, create, options};
use crate::machine::{control_plane_time, mib};
use crate::table::Figures;

/// A name that no field of any kind has, because it is replaced in the text of objects.
const MODEL: &str = "modeldrive";
const REST: Duration = Duration::from_secs(30);
/// What controllers do about the objects of one ends before another's turn.
const BREATH: Duration = Duration::from_secs(5);

#[allow(clippy::cast_precision_loss)] // Counts of requests are far below what a float holds exactly.
fn ratio(part: usize, whole: usize) -> f64 {
    part as f64 / whole.max(1) as f64
}

impl Bench<'_> {
    /// A backlog of drives, between two times at which a bare client made the same objects elsewhere. Between, because each
    /// object that there already is makes the next one dearer for the API server.
    pub async fn limit(&mut self, is_compared: bool, figures: &mut Figures) -> Result<(), Error> {
        self.create(MODEL).await?;
        self.quiet().await?;
        let children = bare::children(&self.namespace.client(), self.namespace.name(), MODEL).await?;
        figures.objects_a_drive = children.len();
        self.operator.kill();

        if !is_compared {
            return self.operator_alone(figures).await;
        }
        let before = self.bare("before", &children).await?;
        self.operator_alone(figures).await?;
        let after = self.bare("after", &children).await?;
        figures.bare_seconds = [before.0.as_secs_f64(), after.0.as_secs_f64()];
        figures.bare_control_plane_seconds = (before.1 + after.1).as_secs_f64() / 2.0;
        figures.limit_ratio = (before.0 + after.0).as_secs_f64() / 2.0 / figures.operator_seconds;
        Ok(())
    }

    /// How long a bare client took for the children of as many drives, and what the control plane worked meanwhile.
    async fn bare(&self, name: &str, children: &[bare::Child]) -> Result<(Duration, Duration), Error> {
        let elsewhere = self.cluster.namespace(name).await?;
        // Drives of which no operator knows, because children have owners.
        let owners = self.make_drives(&elsewhere.api()).await?;
        tokio::time::sleep(BREATH).await;
        let since = self.mark().await?;
        let before = control_plane_time(self.cluster)?;
        bare::apply(self.cluster, elsewhere.name(), children, MODEL, &owners).await?;
        let worked = control_plane_time(self.cluster)?.saturating_sub(before);
        let is_bare = |event: &AuditEvent| event.request_uri.contains(bare::MANAGER) && event.code < 300;
        let took = span(&asked(self.cluster, since, is_bare).await?);
        tokio::time::sleep(BREATH).await;
        Ok((took, worked))
    }

    /// What the operator takes for all drives at once, which are there before it starts.
    async fn operator_alone(&mut self, figures: &mut Figures) -> Result<(), Error> {
        let drives = self.drives;
        self.make_drives(&self.api()).await?;
        tokio::time::sleep(BREATH).await;
        let since = self.mark().await?;
        let before = control_plane_time(self.cluster)?;
        self.start_anew(&options()).await?;
        self.quiet().await?;
        figures.operator_control_plane_seconds = control_plane_time(self.cluster)?.saturating_sub(before).as_secs_f64();
        figures.operator_processor_seconds = self.operator.usage()?.processor.as_secs_f64();
        let all = self.asked(since).await?;
        let children: Vec<AuditEvent> = all.iter().filter(|event| is_child_write(event)).cloned().collect();
        figures.operator_seconds = span(&children).as_secs_f64();
        figures.writes_a_drive = ratio(children.len(), drives);
        let single: Vec<&AuditEvent> = all.iter().filter(|event| is_single(event)).collect();
        figures.requests_a_drive = ratio(single.len(), drives);
        figures.requests = counts(single.into_iter());
        Ok(())
    }

    /// Makes all drives, and returns their names and UIDs.
    async fn make_drives(&self, api: &Api<RecruitmentDrive>) -> Result<Vec<(String, String)>, Error> {
        bare::many((0..self.drives).map(|number| async move {
            let made = create(api, &format!("drive-{number}")).await?;
            Ok((made.name_any(), made.uid().unwrap_or_default()))
        }))
        .await
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
