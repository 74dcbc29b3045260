//! A database server of the drive's own, and the Job that makes databases and logins on whichever server there is.

mod backup;
mod cluster;
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

use super::{Credential, secret};
use crate::foreign::cloud_native_pg::{Cluster, ScheduledBackup};
use crate::plan::database_job;
use crate::plan::login_rotation;
use crate::plan::secret_rotation::RotationSchedule;
use crate::valid::{
    DatabaseServer, GeneratedSecret, UsedSecret, ValidDatabase, ValidDrive, ValidStandalone, ValueFormat,
};
use crate::validate::databases::PASSWORD;

/// Service of the drive that the server counts as, in labels: no other service can have this name.
pub(super) const SERVICE: &str = "database";
/// Port of the server.
const PORT: i32 = 5432;
/// Name of that port.
const PORT_NAME: &str = "postgres";
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
    /// Name of a Job that stays where it is there.
    pub(super) kept_job: Option<String>,
}

pub(super) fn build(drive: &ValidDrive) -> Parts {
    let Some(database) = &drive.database else {
        return Parts::default();
    };
    let preparation = database_job::of(drive);
    let wanted = preparation.as_ref().filter(|all| !all.is_outdated(drive));
    let job = wanted.filter(|all| all.needs_job());
    let mut parts = Parts {
        credentials: passwords(drive, database),
        config_map: preparation.as_ref().map(|all| job::config_map(drive, database, all)),
        job: job.map(|all| job::build(drive, database, all)),
        // It is evidence for as long as Kubernetes keeps it.
        kept_job: wanted.map(|all| all.job.clone()),
        ..Parts::default()
    };
    if let DatabaseServer::Standalone(standalone) = &database.server {
        parts.credentials.push(superuser(drive, standalone));
        parts.volume_claim = Some(volume_claim::build(drive, standalone));
        parts.network_policy = Some(network_policy::build(drive, database));
        parts.service = Some(service::build(drive, database));
        parts.server = Some(server::build(drive, database, standalone));
    }
    if let DatabaseServer::CloudNativePG(asked) = &database.server {
        parts.cluster = cluster::build(drive, database, asked);
        parts.scheduled_backup = backup::build(drive, database, asked);
    }
    parts
}

/// Secrets of the logins, each once. They stay as long as the data: a login that works is how a drive that is made anew
/// proves that the roles of its earlier life are its own.
fn passwords(drive: &ValidDrive, database: &ValidDatabase) -> Vec<Credential> {
    let deletion_policy = match &database.server {
        DatabaseServer::Standalone(standalone) => standalone.deletion_policy,
        DatabaseServer::CloudNativePG(cluster) => cluster.deletion_policy,
        DatabaseServer::External(_) => DeletionPolicy::Retain,
    };
    login_rotation::secrets(drive, database, &login_rotation::standing(drive))
        .into_iter()
        .map(|asked| {
            let mut made = credential(drive, asked.name, deletion_policy);
            made.rotate = asked.draw;
            made.roll_back = asked.roll_back;
            made.notes.wish.clone_from(&database.rotation.wish);
            made.notes.generation = (asked.generation > 0).then_some(asked.generation);
            made
        })
        .collect()
}

/// The administrator's Secret stays as long as the volume does.
fn superuser(drive: &ValidDrive, standalone: &ValidStandalone) -> Credential {
    let UsedSecret { secret_name, .. } = &standalone.superuser;
    credential(drive, secret_name, standalone.deletion_policy)
}

fn credential(drive: &ValidDrive, name: &str, deletion_policy: DeletionPolicy) -> Credential {
    let secret = GeneratedSecret {
        name: SERVICE.to_owned(),
        secret_name: name.to_owned(),
        keys: vec![PASSWORD.to_owned()],
        // Needs no escaping, in a URL or anywhere else.
        value_format: ValueFormat::Alphanumeric(PASSWORD_LENGTH),
        rotation: RotationSchedule::Unscheduled,
        rotates: false,
        wish: None,
        deletion_policy,
    };
    secret::build(drive, &secret)
}
