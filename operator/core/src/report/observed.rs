//! What the status shows of a drive's programs.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::jiff::Timestamp;
use ras_crds::RecruitmentDrive;

use crate::fetched::pods::PodFailure;
use crate::fetched::record::{ChildKey, DeploymentState, StatefulSetState};
use crate::kind::Kind;
use crate::names;
use crate::plan::Plan;
use crate::plan::data::Data;
use crate::plan::listeners::Seen;
use crate::report::{listeners, services};

/// The running state of a drive, which the status shows.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    /// Its Deployments, by their name in Kubernetes.
    pub deployments: BTreeMap<String, DeploymentState>,
    /// Where load balancers publish ports, by the names of the services in the drive.
    pub public_addresses: BTreeMap<String, Vec<String>>,
    pub pod_failures: Vec<PodFailure>,
    pub data: Data,
    /// Its own database server, where the operator runs one.
    pub server: Option<StatefulSetState>,
    /// When events are read next of a part that has no pod.
    pub reads_at: Option<Timestamp>,
    /// Of a paused drive: the existing children of [`Observed::KINDS`].
    pub children: BTreeSet<ChildKey>,
    /// Results of the port checks. Absent: ports are not checked.
    pub listeners: Option<Seen>,
    /// Since when status says that a port refuses connections.
    pub refused_before: Option<Timestamp>,
}

impl Observed {
    /// When what is reported changes next although nothing else does: a start takes too long, or waiting did not help.
    pub fn changes_at(&self, drive: &RecruitmentDrive, plan: Option<&Plan<'_>>, now: Timestamp) -> Option<Timestamp> {
        let name = drive.metadata.name.as_deref().unwrap_or_default();
        let pods = self.pod_failures.iter().filter_map(|trouble| {
            let changed = if trouble.service == crate::plan::database_job::OF {
                self.server.as_ref().and_then(|server| server.written_at)
            } else {
                let child = names::of_service(name, &trouble.service);
                self.deployments.get(&child).and_then(|state| state.written_at)
            };
            trouble.changes_at(changed, now)
        });
        let refused = self.deployments.values().filter_map(services::refused_for_good_at);
        let jobs = plan.into_iter().flat_map(|plan| plan.fetched.jobs.values());
        let jobs = jobs.filter_map(|job| job.trouble.as_ref()?.changes_at(None, now));
        let listeners = self.listeners.as_ref();
        let listeners = listeners.and_then(|seen| listeners::stalls_at(seen, self.refused_before));
        pods.chain(refused)
            .chain(jobs)
            .chain(listeners)
            .chain(self.reads_at)
            .filter(|at| *at > now)
            .min()
    }

    /// Kinds whose presence a condition claims though nothing more of them is watched.
    pub const KINDS: [Kind; 4] = [Kind::Service, Kind::Ingress, Kind::ServiceMonitor, Kind::PrometheusRule];

    /// True if this child exists and is not being deleted.
    pub fn has(&self, kind: Kind, name: &str) -> bool {
        let mut children = self.children.iter();
        children.any(|child| child.kind == kind && *child.name == *name)
    }
}
