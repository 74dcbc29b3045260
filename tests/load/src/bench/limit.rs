//! All drives at once against the limit of the API server; then what nothing and what one image cost.

use std::time::Duration;

use kube::{Api, ResourceExt};
use ras_crds::RecruitmentDrive;
use ras_tests::{AuditEvent, Error};

use crate::audit::{asked, counts, is_child_write, is_single, span};
use crate::bare;
use crate::bench::{Bench, create, options};
use crate::machine::{control_plane_time, mib};
use crate::table::{Backlog, Figures, Idle, Turns};

/// A name that no field of any kind has, because it is replaced in the text of objects.
const MODEL: &str = "modeldrive";
const REST: Duration = Duration::from_secs(30);
/// Pause, so that controllers finish their work on the objects of one operator before the next one starts.
const BREATH: Duration = Duration::from_secs(5);

/// How long something took, and the CPU time of the control plane meanwhile.
type Turn = (Duration, Duration);

impl Turns {
    fn of(turns: &[Turn]) -> Self {
        Self {
            seconds: turns.iter().map(|turn| turn.0.as_secs_f64()).collect(),
            control_plane_seconds: turns.iter().map(|turn| turn.1.as_secs_f64()).collect(),
        }
    }
}

impl Backlog {
    fn with(self, turns: &[Turn]) -> Self {
        Self {
            turns: Turns::of(turns),
            ..self
        }
    }
}

#[allow(clippy::cast_precision_loss)] // Counts of requests are far below what a float holds exactly.
fn ratio(part: usize, whole: usize) -> f64 {
    part as f64 / whole.max(1) as f64
}

impl Bench<'_> {
    /// A backlog of drives, in turns with a bare client that makes the same objects elsewhere. What a turn made is deleted
    /// before the next, but for the operator's last, which the other measurements use.
    pub async fn limit(&mut self, pairs: usize, figures: &mut Figures) -> Result<(), Error> {
        self.create(MODEL).await?;
        self.quiet().await?;
        let children = bare::children(&self.namespace.client(), self.namespace.name(), MODEL).await?;
        figures.objects_a_drive = Some(children.len());
        self.operator.kill();

        if pairs == 0 {
            let (turn, backlog) = self.operator_alone().await?;
            figures.backlog = Some(backlog.with(&[turn]));
            return Ok(());
        }
        let mut bare = vec![self.bare("bare-0", &children).await?];
        let mut turns = Vec::new();
        for pair in 1..=pairs {
            if pair > 1 {
                let next = self.cluster.namespace(&format!("bench-{pair}")).await?;
                // Without an operator and without finalizers, so nothing writes while it is deleted.
                self.operator.kill();
                let before = std::mem::replace(&mut self.namespace, next);
                before.delete_whole(self.patience).await?;
            }
            let (turn, backlog) = self.operator_alone().await?;
            turns.push(turn);
            figures.backlog = Some(backlog.with(&turns));
            bare.push(self.bare(&format!("bare-{pair}"), &children).await?);
            figures.bare = Some(Turns::of(&bare));
        }
        Ok(())
    }

    /// How long a bare client took for the children of as many drives, and what the control plane worked meanwhile.
    async fn bare(&self, name: &str, children: &[bare::Child]) -> Result<Turn, Error> {
        let elsewhere = self.cluster.namespace(name).await?;
        // Drives of which no operator knows, because children have owners.
        let owners = self.make_drives(&elsewhere.api()).await?;
        tokio::time::sleep(BREATH).await;
        let since = self.mark().await?;
        let before = control_plane_time(self.cluster)?;
        bare::apply(self.cluster, elsewhere.name(), children, MODEL, &owners).await?;
        let worked = control_plane_time(self.cluster)?.saturating_sub(before);
        let is_bare = |event: &AuditEvent| event.request_uri.contains(bare::MANAGER) && event.code < 300;
        let took = span("the bare client's writes", &asked(self.cluster, since, is_bare).await?)?;
        elsewhere.delete_whole(self.patience).await?;
        tokio::time::sleep(BREATH).await;
        Ok((took, worked))
    }

    /// Measures an operator that starts with all drives present.
    async fn operator_alone(&mut self) -> Result<(Turn, Backlog), Error> {
        let drives = self.drives;
        self.make_drives(&self.api()).await?;
        tokio::time::sleep(BREATH).await;
        let since = self.mark().await?;
        let before = control_plane_time(self.cluster)?;
        self.start_anew(&options()).await?;
        self.quiet().await?;
        let worked = control_plane_time(self.cluster)?.saturating_sub(before);
        let all = self.asked(since).await?;
        let children: Vec<AuditEvent> = all.iter().filter(|event| is_child_write(event)).cloned().collect();
        let single: Vec<&AuditEvent> = all.iter().filter(|event| is_single(event)).collect();
        let backlog = Backlog {
            turns: Turns::default(),
            operator_cpu_seconds: self.operator.usage()?.processor.as_secs_f64(),
            requests_a_drive: ratio(single.len(), drives),
            writes_a_drive: ratio(children.len(), drives),
            requests: counts(single.into_iter()),
        };
        Ok(((span("the operator's writes", &children)?, worked), backlog))
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
        let requests_in_30_s = self.asked(since).await?.len();
        let since = self.mark().await?;
        self.change_image("drive-0", "registry.example.com/portal:2").await?;
        self.quiet().await?;
        let asked = self.asked(since).await?;
        let memory = self.operator.memory()?;
        figures.idle = Some(Idle {
            requests_in_30_s,
            requests_for_one_image: asked.len(),
            one_image: counts(asked.iter()),
            resident_mib: mib(memory.resident),
            highest_mib: mib(memory.highest),
        });
        Ok(())
    }
}
