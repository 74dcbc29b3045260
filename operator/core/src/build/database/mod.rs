//! A database server of the drive's own, and the Job that makes databases and logins on whichever server there is.

mod backup;
mod cluster;
mod constants;
mod job;
mod network_policy;
mod server;
mod service;
mod volume_claim;

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim, Service};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use ras_crds::spec::DeletionPolicy;

use super::secret;
use crate::build::desired::Credential;
use crate::fetched::facts::PASSWORD;
use crate::foreign::cloud_native_pg::{Cluster, ScheduledBackup};
use crate::plan::{DatabasePlan, Plan};
use crate::valid::{DatabaseServer, GeneratedSecret, Policy, UsedSecret, ValidDatabase, ValidStandalone, ValueFormat};
use constants::SERVICE;

/// Characters of a password: 190 bits.
const PASSWORD_LENGTH: usize = 32;

/// What a drive's database becomes, beside the Job.
#[derive(Debug, Default)]
pub(super) struct Parts {
    pub(super) credentials: Vec<Credential>,
    pub(super) volume_claim: Option<PersistentVolumeClaim>,
    pub(super) network_policy: Option<NetworkPolicy>,
    pub(super) service: Option<Service>,
    pub(super) server: Option<StatefulSet>,
    pub(super) cluster: Option<Cluster>,
    pub(super) scheduled_backup: Option<ScheduledBackup>,
    pub(super) config_map: Option<ConfigMap>,
    pub(super) job: Option<Job>,
}

pub(super) fn build(plan: &Plan<'_>) -> Parts {
    let drive = plan.drive;
    let Some((at, decided)) = plan.database() else {
        return Parts::default();
    };
    let database = at.database;
    let job = &decided.job;
    let mut parts = Parts {
        credentials: passwords(plan, database, decided),
        config_map: Some(job::config_map(drive, database, job)),
        job: (!decided.job_is_outdated && job.needs_job()).then(|| job::build(&at, job)),
        ..Parts::default()
    };
    if let DatabaseServer::Standalone(standalone) = &database.server {
        parts.credentials.push(superuser(plan, standalone));
        parts.volume_claim = Some(volume_claim::build(drive, standalone));
        parts.network_policy = Some(network_policy::build(drive, database));
        parts.service = Some(service::build(drive, database));
        parts.server = Some(server::build(plan, database, standalone));
    }
    if let DatabaseServer::CloudNativePG(asked) = &database.server {
        parts.cluster = cluster::build(plan, database, asked);
        parts.scheduled_backup = backup::build(plan, database, asked);
    }
    parts
}

/// Secrets of the logins, each once. They stay as long as the data: a login that works is how a drive that is made anew
/// proves that the roles of its earlier life are its own.
fn passwords(plan: &Plan<'_>, database: &ValidDatabase, decided: &DatabasePlan) -> Vec<Credential> {
    let deletion_policy = match &database.server {
        DatabaseServer::Standalone(standalone) => standalone.deletion_policy,
        DatabaseServer::CloudNativePG(cluster) => cluster.deletion_policy,
        DatabaseServer::External(_) => DeletionPolicy::Retain,
    };
    let secrets = decided.secrets.iter();
    secrets
        .map(|asked| {
            let mut made = credential(plan, &asked.name, deletion_policy);
            made.rotate = asked.draw;
            made.roll_back = asked.roll_back;
            made.notes.request.clone_from(&database.rotation.request);
            made.notes.generation = (asked.generation > 0).then_some(asked.generation);
            made
        })
        .collect()
}

/// The administrator's Secret stays as long as the volume does.
fn superuser(plan: &Plan<'_>, standalone: &ValidStandalone) -> Credential {
    let UsedSecret { secret_name, .. } = &standalone.superuser;
    credential(plan, secret_name, standalone.deletion_policy)
}

fn credential(plan: &Plan<'_>, name: &str, deletion_policy: DeletionPolicy) -> Credential {
    let secret = GeneratedSecret {
        name: SERVICE.to_owned(),
        secret_name: name.to_owned(),
        keys: vec![PASSWORD.to_owned()],
        // Needs no escaping, in a URL or anywhere else.
        value_format: ValueFormat::Alphanumeric(PASSWORD_LENGTH),
        policy: Policy::default(),
        rotates: false,
        request: None,
        deletion_policy,
    };
    secret::build(plan, &secret)
}
