//! Drives whose pods run: from the first one's creation until all are Ready, with every controller's part in it.

use kube::api::{ListParams, PostParams};
use kube::{Api, ResourceExt};
use ras_crds::{ConditionType, RecruitmentDrive};
use ras_tests::{Error, Operator, eventually};

use crate::audit::{between, counts, is_single};
use crate::bare;
use crate::bench::{Bench, options};
use crate::machine::mib;
use crate::portals;
use crate::table::Figures;

impl Bench<'_> {
    /// In a namespace of its own, with an operator of its own; the one of the other measurements ends.
    pub async fn ready(&mut self, figures: &mut Figures) -> Result<(), Error> {
        let namespace = self.cluster.namespace("ready").await?;
        self.operator.kill();
        self.operator = Operator::start(self.cluster, &namespace, &options()).await?;
        self.is_up().await?;
        let api: Api<RecruitmentDrive> = namespace.api();
        let since = self.mark().await?;
        bare::many((0..self.drives).map(|number| {
            let api = &api;
            async move {
                let drive = portals::running(&format!("drive-{number}"))?;
                let made = api.create(&PostParams::default(), &drive).await;
                made.map(drop)
                    .map_err(Error::api(format!("creating {}", drive.name_any())))
            }
        }))
        .await?;
        eventually(self.patience, "all drives to be Ready", async || {
            let list = api.list(&ListParams::default()).await?;
            let ready = list.iter().filter(|drive| is_ready(drive)).count();
            if ready == self.drives {
                Ok(())
            } else {
                Err(format!("{ready} of {}", self.drives).into())
            }
        })
        .await?;
        let resident = self.operator.memory()?.resident;
        self.quiet().await?;
        let all = self.asked(since).await?;
        let first = self.cluster.audit()?.events_since(since, |event| {
            event.resource == "recruitmentdrives" && event.verb == "create"
        })?;
        let first = first.iter().map(|event| event.received.0).min();
        // What is told of the last drive that became Ready.
        let last = all
            .iter()
            .filter(|event| event.subresource == "status")
            .map(|event| event.received.0)
            .max();
        figures.ready_seconds = first.zip(last).map(|(first, last)| between(first, last).as_secs_f64());
        figures.ready_requests = Some(counts(all.iter().filter(|event| is_single(event))));
        figures.ready_resident_mib = Some(mib(resident));
        Ok(())
    }
}

fn is_ready(drive: &RecruitmentDrive) -> bool {
    let conditions = drive.status.iter().flat_map(|status| &status.conditions);
    let mut ready = conditions.filter(|condition| condition.type_ == ConditionType::Ready.as_str());
    ready.next().is_some_and(ras_crds::Condition::is_true)
}
