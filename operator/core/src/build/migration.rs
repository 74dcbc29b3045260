//! `Job`: what has to run before a version of a service starts, with the files it reads and its `NetworkPolicy`.

use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::api::networking::v1::NetworkPolicy;
use ras_crds::{ConditionType, Reason};

use crate::build::{BlockedBy, bindings, config_map, job, labels, metadata, names, network_policy, pod};
use crate::plan::blocked;
use crate::plan::migration::{Migrating, MigrationPhase, PURPOSE, all, gates, shared_volumes};
use crate::valid::{Probe, ValidDrive, ValidService};

/// Jobs to make now: of migrations that are due and have all that they and their services need. A program that could
/// not start anyway need not have its tables changed.
pub fn jobs(drive: &ValidDrive) -> Vec<Job> {
    due(drive).map(|migrating| build(&migrating)).collect()
}

/// The files that these Jobs read. They have their own: the service's stay as the pods that run know them.
pub fn config_maps(drive: &ValidDrive) -> Vec<ConfigMap> {
    due(drive).filter_map(|migrating| templates(&migrating)).collect()
}

/// What the Jobs' pods may connect to; nobody connects to them.
pub fn network_policies(drive: &ValidDrive) -> Vec<NetworkPolicy> {
    all(drive)
        .map(|Migrating { service, migration, .. }| {
            let name = names::migration(&drive.name, &service.name);
            let mut metadata = metadata::of_drive(drive, name);
            metadata.labels = Some(labels::of_job(drive, PURPOSE, &service.name));
            let selector = labels::select_job(drive, PURPOSE, &service.name);
            network_policy::of_job(drive, metadata, selector, migration.egress.as_deref())
        })
        .collect()
}

/// What a service waits for, when it waits for a migration.
pub fn waiting(drive: &ValidDrive, service: &ValidService) -> Option<BlockedBy> {
    let mut reason = None;
    let mut lines = Vec::new();
    for gate in gates(drive, service) {
        let of = &gate.service.name;
        let line = match gate.standing() {
            MigrationPhase::Done { .. } => continue,
            MigrationPhase::Failed { job, .. } => {
                reason = Some(Reason::MigrationFailed);
                format!("the migration of service {of:?} (Job {job}) failed")
            }
            MigrationPhase::Due => format!("the migration of service {of:?} has to run first"),
            MigrationPhase::Running { job, .. } => format!("the migration of service {of:?} runs (Job {job})"),
            MigrationPhase::Behind { job } => {
                format!("the migration of service {of:?} waits for an earlier one to end (Job {job})")
            }
        };
        lines.push(line);
    }
    (!lines.is_empty()).then(|| BlockedBy {
        condition: ConditionType::MigrationsReady,
        reason: reason.unwrap_or(Reason::MigrationRunning),
        message: lines.join("; "),
    })
}

fn due(drive: &ValidDrive) -> impl Iterator<Item = Migrating<'_>> {
    // A suspended drive starts nothing.
    all(drive).filter(|migrating| {
        !drive.suspended
            && migrating.standing() == MigrationPhase::Due
            && blocked::lacking(drive, migrating.service).is_none()
    })
}

fn build(migrating: &Migrating<'_>) -> Job {
    let Migrating {
        drive,
        service,
        migration,
    } = migrating;
    let identity = migrating.identity();
    let program = as_it_runs(migrating, identity.job.clone());
    let mut spec = pod::spec(drive, &program);
    // There is one pod, so there is nothing to spread.
    spec.topology_spread_constraints = None;
    let task = job::Task {
        name: identity.job,
        purpose: PURPOSE,
        of: &service.name,
        work: &identity.work,
        pod: spec,
        retries: migration.retries,
        timeout_seconds: migration.timeout_seconds,
    };
    let mut job = job::build(drive, task);
    if let Some(metadata) = job.spec.as_mut().and_then(|spec| spec.template.metadata.as_mut()) {
        // Files of bindings that are no secrets.
        let annotations = metadata.annotations.get_or_insert_default();
        annotations.extend(bindings::annotations(&program));
    }
    job
}

fn templates(migrating: &Migrating<'_>) -> Option<ConfigMap> {
    let Migrating { drive, service, .. } = migrating;
    let identity = migrating.identity();
    let metadata = metadata::of_job(drive, identity.job, PURPOSE, &service.name, &identity.work);
    config_map::of(metadata, service)
}

/// The service as its migration runs it: another program, alone in its pod, that nobody probes.
fn as_it_runs(migrating: &Migrating<'_>, job: String) -> ValidService {
    let service = migrating.service;
    ValidService {
        child: job,
        container: migrating.migration.container.clone(),
        sidecars: Vec::new(),
        probe: Probe::None,
        metrics: None,
        // Its pod ends by itself. One that is stopped early should stop at once.
        pre_stop_sleep_seconds: Some(0),
        volumes: shared_volumes(service).cloned().collect(),
        databases: migrating.migration.databases.clone(),
        database_authority: migrating.migration.database_authority.clone(),
        bindings: migrating.migration.bindings.clone(),
        ..service.clone()
    }
}
