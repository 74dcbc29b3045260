//! Step 2, `validate`: turns a drive into one that can be built, or reports everything that is wrong with it. Pure: it sees the
//! drive, the platform's settings, and what exists. What exists only refuses: a name that is taken, a volume that cannot shrink.
//!
//! Much of this the API server refuses already by the rules in the CustomResourceDefinition. It is checked
//! again because objects stored before a rule was made are never checked against it, and because `build`
//! relies on it.

mod after;
pub mod bindings;
mod buckets;
mod cache;
mod claims;
mod container;
mod database_backup;
pub mod databases;
mod exposure;
mod external;
pub mod field_errors;
mod files;
mod hosts;
mod labels;
mod logins;
mod migration;
mod monitoring;
mod mounts;
mod pod_metadata;
mod probe;
mod public_ports;
mod quantity;
mod rotation;
mod scheduling;
mod secrets;
mod service;
mod shared_volumes;
pub mod size;
mod sources;
mod tenancy;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use ras_crds::RecruitmentDrive;

use field_errors::FieldErrors;
pub use field_errors::{FieldError, FieldErrorList};

use super::cache::expanded;
use super::fetched::Fetched;
use super::valid::{RemovalRequests, ValidDrive};
use crate::platform::PlatformConfig;
use sources::Sources;

/// Checks a drive, fills in defaults and merges the platform's settings.
///
/// # Errors
/// Every problem at once.
pub fn validate(
    drive: &RecruitmentDrive,
    fetched: &Fetched,
    platform: &PlatformConfig,
) -> Result<ValidDrive, FieldErrorList> {
    let mut found = FieldErrors::default();
    if let Some(why) = size::too_large(&drive.spec) {
        return Err(FieldErrorList::one("spec", why));
    }
    let namespace = drive.metadata.namespace.as_deref().unwrap_or_default();
    tenancy::check(namespace, &drive.spec, &platform.tenancy, &mut found);
    let cache = cache::Cache::read(drive, &mut found);
    let drive = &*expanded(drive, &platform.cache);
    let spec = &drive.spec;
    let name = drive.metadata.name.clone().unwrap_or_default();

    labels::check(drive, fetched, &mut found);
    let freezes = rotation::freezes(drive, &mut found);
    let secrets = secrets::Secrets::read(drive, fetched, platform, &mut found);
    let buckets = buckets::Buckets::read(drive, fetched, platform, &mut found);
    let databases = databases::Databases::read(drive, fetched, platform, &mut found);
    let shared_volumes = shared_volumes::read(drive, fetched, platform, &mut found);
    let hosts = hosts::read(drive, &mut found);
    after::check(drive, &mut found);
    let sources = Sources {
        secrets: &secrets,
        buckets: &buckets,
        databases: &databases,
        cache: cache.as_ref(),
        claims: &fetched.claims,
        shared_volumes: &shared_volumes,
        bindings: &[],
    };
    let services: Vec<_> = spec
        .services
        .iter()
        .enumerate()
        .map(|(index, service)| service::read(&name, index, service, &sources, platform, &mut found))
        .collect();
    if services.is_empty() {
        found.invalid("spec.services", "a drive needs at least one service");
    }
    let exposure = exposure::read(drive, fetched, platform, &mut found);
    let monitoring = monitoring::read(spec, platform, &mut found);

    let mut seen = BTreeSet::new();
    let image_pull_secrets = spec
        .image_pull_secrets
        .iter()
        .chain(&platform.image_pull_secrets)
        .filter(|secret| seen.insert(secret.as_str()))
        .cloned()
        .collect();

    let mut database = databases.into_valid();
    if let Some(database) = &mut database {
        logins::check(drive, database, fetched, &mut found);
    }
    let warnings = secrets.warnings(drive);
    let (generated_secrets, external_secrets) = secrets.into_valid();
    let valid = ValidDrive {
        namespace: drive.metadata.namespace.clone().unwrap_or_default(),
        uid: drive.metadata.uid.clone(),
        generation: drive.metadata.generation,
        freezes,
        suspended: spec.is_suspended(),
        services,
        shared_volumes,
        hosts,
        warnings,
        generated_secrets,
        external_secrets,
        removal_requests: RemovalRequests::read(drive.metadata.annotations.as_ref()),
        database,
        buckets: buckets.into_valid(drive),
        exposure,
        monitoring,
        image_pull_secrets,
        operator_image: platform.operator_image.clone(),
        operator_resources: quantity::given(platform.operator_containers.amounts()),
        listener_checks: platform.listener_checks.enabled,
        network: platform.network.clone(),
        public_ports: platform.public_ports.clone(),
        migration_requests: migration::requests(drive.metadata.annotations.as_ref()),
        name,
    };
    found.unless_any(valid)
}
