//! Step 4, `build`: every Kubernetes object a drive asks for, one file a kind. Pure: it renders what `plan` decided, so the same
//! plan always gives the same objects.
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
mod lists;
mod metadata;
pub mod migration;
mod network_policy;
mod pod;
mod pod_volumes;
mod probe;
mod prometheus_rule;
mod secret;

mod service;
mod service_account;
mod service_monitor;
mod stopping;
mod volume_claim;

pub use crate::names::children;
pub use desired::{Credential, CredentialNotes, Desired, DesiredObject, NotJson};

use crate::plan::Plan;

/// Builds everything that a drive asks for.
pub fn build(plan: &Plan<'_>) -> Desired {
    let (drive, services) = (plan.drive, &plan.services);
    let database = database::build(plan);
    Desired {
        service_account: service_account::build(drive),
        credentials: drive
            .generated_secrets
            .iter()
            .map(|secret| secret::build(plan, secret))
            .chain(database.credentials)
            .collect(),
        external_secrets: drive
            .external_secrets
            .iter()
            .filter_map(|external| external_secret::build(plan, external))
            .collect(),
        config_maps: services
            .iter()
            .filter_map(|service| config_map::build(drive, service))
            .chain(migration::config_maps(plan))
            .chain(database.config_map)
            .collect(),
        volume_claims: services
            .iter()
            .flat_map(|service| volume_claim::of_service(drive, service))
            .chain(volume_claim::shared(drive))
            .chain(database.volume_claim)
            .collect(),
        network_policies: services
            .iter()
            .map(|service| network_policy::build(plan, service))
            .chain(migration::network_policies(plan))
            .chain(database.network_policy)
            .collect(),
        services: services
            .iter()
            .filter_map(|service| service::build(drive, service))
            .chain(services.iter().filter_map(|service| service::public(drive, service)))
            .chain(database.service)
            .collect(),
        stateful_sets: database.server.into_iter().collect(),
        clusters: database.cluster.into_iter().collect(),
        scheduled_backups: database.scheduled_backup.into_iter().collect(),
        jobs: database.job.into_iter().chain(migration::jobs(plan)).collect(),
        deployments: services
            .iter()
            .map(|service| deployment::build(plan, service))
            .collect(),
        autoscalers: services
            .iter()
            .filter_map(|service| autoscaler::build(plan, service))
            .collect(),
        disruption_budgets: services
            .iter()
            .filter_map(|service| disruption_budget::build(drive, service))
            .collect(),
        ingress: ingress::build(drive),
        service_monitors: services
            .iter()
            .filter_map(|service| service_monitor::build(plan, service))
            .collect(),
        prometheus_rule: prometheus_rule::build(plan),
        buckets: drive.buckets.iter().map(|bucket| bucket.request.clone()).collect(),
        bucket_removals: plan.bucket_removals.clone(),
        blocked: plan.blocked.clone(),
        scales: plan.scales.clone(),
        kept_jobs: plan.kept_jobs.clone(),
        replica_handovers: plan
            .replicas
            .iter()
            .filter_map(|(child, replicas)| Some((child.clone(), replicas.handover?)))
            .collect(),
    }
}
