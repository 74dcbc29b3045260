//! Room 3, `build`: every Kubernetes object a drive asks for, one file a kind. Pure: the same drive and the
//! same facts always give the same objects.
//!
//! Objects are sent by server-side apply, so what is not mentioned is left alone: no empty lists or maps, no
//! field that another controller owns, no default that does not matter.

mod autoscaler;
mod bindings;
mod config_map;
mod container;
mod database;
mod deployment;
mod desired;
mod disruption_budget;
mod external_secret;
mod ingress;
mod job;
pub mod labels;
mod metadata;
pub mod migration;
pub mod names;
mod network_policy;
mod pod;
mod pod_volumes;
mod probe;
mod prometheus_rule;
mod secret;
mod secrets_hash;
mod service;
mod service_account;
mod service_monitor;
mod stopping;
mod volume_claim;

pub use desired::{BlockedBy, Credential, CredentialNotes, Desired, DesiredObject, NotJson, Scale};
pub use names::children;

use crate::plan::{blocked, scales};
use crate::valid::ValidDrive;

/// Builds everything that a drive asks for.
pub fn build(drive: &ValidDrive) -> Desired {
    let services = &drive.services;
    let database = database::build(drive);
    let held = blocked::held(drive);
    Desired {
        service_account: service_account::build(drive),
        credentials: drive
            .generated_secrets
            .iter()
            .map(|secret| secret::build(drive, secret))
            .chain(database.credentials)
            .collect(),
        external_secrets: drive
            .external_secrets
            .iter()
            .filter_map(|external| external_secret::build(drive, external))
            .collect(),
        config_maps: services
            .iter()
            .filter_map(|service| config_map::build(drive, service))
            .chain(migration::config_maps(drive))
            .chain(database.config_map)
            .collect(),
        volume_claims: services
            .iter()
            .flat_map(|service| volume_claim::build(drive, service))
            .chain(database.volume_claim)
            .collect(),
        network_policies: services
            .iter()
            .map(|service| network_policy::build(drive, service))
            .chain(migration::network_policies(drive))
            .chain(database.network_policy)
            .collect(),
        services: services
            .iter()
            .filter_map(|service| service::build(drive, service))
            .chain(database.service)
            .collect(),
        stateful_sets: database.server.into_iter().collect(),
        clusters: database.cluster.into_iter().collect(),
        scheduled_backups: database.scheduled_backup.into_iter().collect(),
        jobs: database.job.into_iter().chain(migration::jobs(drive)).collect(),
        deployments: services
            .iter()
            .map(|service| deployment::build(drive, service))
            .collect(),
        autoscalers: services
            .iter()
            .filter_map(|service| autoscaler::build(drive, service))
            .collect(),
        disruption_budgets: services
            .iter()
            .filter_map(|service| disruption_budget::build(drive, service))
            .collect(),
        ingress: ingress::build(drive),
        service_monitors: services
            .iter()
            .filter_map(|service| service_monitor::build(drive, service))
            .collect(),
        prometheus_rule: prometheus_rule::build(drive),
        buckets: drive.buckets.iter().map(|bucket| bucket.request.clone()).collect(),
        bucket_removals: drive.bucket_removals.clone(),
        scales: scales::scales(drive, &held),
        held,
        kept_jobs: crate::plan::migration::kept(drive)
            .into_iter()
            .chain(database.kept_job)
            .collect(),
        replica_handovers: scales::handovers(drive),
    }
}

/// The list, unless it is empty: an empty list that is sent is a field that is owned.
fn unless_empty<T>(list: impl IntoIterator<Item = T>) -> Option<Vec<T>> {
    let list: Vec<T> = list.into_iter().collect();
    if list.is_empty() { None } else { Some(list) }
}
