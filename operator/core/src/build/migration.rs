//! `Job`: what has to run before a version of a service starts, with the files it reads and its `NetworkPolicy`.

use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::api::networking::v1::NetworkPolicy;

use crate::build::{bindings, config_map, job, labels, metadata, network_policy, pod};
use crate::fetched::jobs::MIGRATE;
use crate::names;
use crate::plan::Plan;
use crate::plan::migration::{Identity, shared_volumes};
use crate::valid::{ValidDrive, ValidMigration, ValidService, ValidVolume};

/// Jobs to make now.
pub fn jobs(plan: &Plan<'_>) -> Vec<Job> {
    starting(plan).filter_map(|task| job(plan, &task)).collect()
}

/// The files that these Jobs read. They have their own: the service's stay as the pods that run know them.
pub fn config_maps(plan: &Plan<'_>) -> Vec<ConfigMap> {
    starting(plan).filter_map(|task| templates(plan.drive, &task)).collect()
}

/// What the Jobs' pods may connect to; nobody connects to them.
pub fn network_policies(plan: &Plan<'_>) -> Vec<NetworkPolicy> {
    let drive = plan.drive;
    let services = plan.services.iter();
    services
        .filter_map(|service| {
            let migration = service.migration.as_ref()?;
            let name = names::migration(&drive.name, &service.name);
            let mut metadata = metadata::of_drive(drive, name);
            metadata.labels = Some(labels::of_job(drive, MIGRATE, &service.name));
            let selector = labels::select_job(drive, MIGRATE, &service.name);
            let egress = migration.egress.as_deref();
            Some(network_policy::of_job(drive, metadata, selector, egress))
        })
        .collect()
}

/// A migration that starts, with its service.
struct Starting<'a> {
    service: &'a ValidService,
    identity: &'a Identity,
}

fn starting<'a>(plan: &'a Plan<'_>) -> impl Iterator<Item = Starting<'a>> {
    let migrations = plan.migrations.iter();
    migrations
        .filter(|migration| plan.migrating.contains(&migration.service))
        .filter_map(|migration| {
            let service = plan.services.iter().find(|service| service.name == migration.service)?;
            Some(Starting {
                service,
                identity: &migration.identity,
            })
        })
}

fn job(plan: &Plan<'_>, starting: &Starting<'_>) -> Option<Job> {
    let Starting { service, identity } = starting;
    let migration = service.migration.as_ref()?;
    let program = as_it_runs(service, migration, identity.job.clone());
    let mut spec = pod::spec(plan, &program);
    // There is one pod, so there is nothing to spread.
    spec.topology_spread_constraints = None;
    let task = job::Task {
        name: identity.job.clone(),
        purpose: MIGRATE,
        of: &service.name,
        work: &identity.work,
        pod: spec,
        retries: migration.retries,
        timeout_seconds: migration.timeout_seconds,
    };
    let mut job = job::build(plan.drive, task);
    if let Some(metadata) = job.spec.as_mut().and_then(|spec| spec.template.metadata.as_mut()) {
        // Files of bindings that are no secrets, and where its volumes are.
        let annotations = metadata.annotations.get_or_insert_default();
        annotations.extend(bindings::annotations(&program));
        let labels = metadata.labels.get_or_insert_default();
        labels.extend(labels::of_one_node(&program));
    }
    Some(job)
}

fn templates(drive: &ValidDrive, starting: &Starting<'_>) -> Option<ConfigMap> {
    let Starting { service, identity } = starting;
    let metadata = metadata::of_job(drive, identity.job.clone(), MIGRATE, &service.name, &identity.work);
    config_map::of(metadata, service)
}

/// The service as its migration runs it: another program, alone in its pod, that nobody probes.
fn as_it_runs(service: &ValidService, migration: &ValidMigration, job: String) -> ValidService {
    ValidService {
        child: job,
        container: migration.container.clone(),
        sidecars: Vec::new(),
        init_containers: Vec::new(),
        hostname: None,
        metrics: None,
        // Its pod ends by itself. One that is stopped early should stop at once.
        pre_stop_sleep_seconds: Some(0),
        volumes: shared_volumes(service)
            .cloned()
            .map(|volume| ValidVolume {
                // Only the service's own image has the files that belong into the volume.
                from_image: volume.from_image && migration.container.image == service.container.image,
                ..volume
            })
            .collect(),
        databases: migration.databases.clone(),
        database_authority: migration.database_authority.clone(),
        bindings: migration.bindings.clone(),
        ..service.clone()
    }
}
