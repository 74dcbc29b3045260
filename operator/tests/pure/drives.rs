//! Drives for tests: read from YAML, or drawn at random.

mod random;
mod repair;
mod services;

pub use random::any_drive;
pub use repair::valid_drive;

use std::collections::BTreeMap;

use ras_core::build::Desired;
use ras_core::fetched::{
    Apis, BucketFacts, DatabaseFacts, DeploymentFacts, ExternalSecretsVersion, Fetched, SecretFacts,
};
use ras_core::names;
use ras_core::platform::PlatformConfig;
use ras_crds::spec::*;
use ras_crds::{DatabaseState, DatabaseStatus, LogicalDatabaseStatus, RecruitmentDrive, RecruitmentDriveSpec};

use crate::planned::{build, validate};

/// A drive as it would be stored.
pub fn read(yaml: &str) -> RecruitmentDrive {
    let mut drive: RecruitmentDrive = serde_yaml::from_str(yaml).unwrap();
    drive.metadata.uid = Some("6f1e7a52-0b1c-4c4e-9d57-3a6f0c2b9e11".to_owned());
    drive
}

/// A drive `d` in namespace `spo` with this spec.
pub fn with_spec(spec: &str) -> RecruitmentDrive {
    let spec: RecruitmentDriveSpec = serde_yaml::from_str(spec).unwrap();
    let mut drive = RecruitmentDrive::new("d", spec);
    drive.metadata.namespace = Some("spo".to_owned());
    drive.metadata.uid = Some("uid-1".to_owned());
    drive
}

/// Builds a valid drive.
pub fn built(drive: &RecruitmentDrive, fetched: &Fetched) -> Desired {
    build(&validate(drive, fetched, &PlatformConfig::default()).unwrap())
}

/// Facts of a cluster in which every secret that the drive uses is there with every key, every bucket, and every API.
#[allow(clippy::too_many_lines, reason = "one step for each kind of fact")]
pub fn facts_for(drive: &RecruitmentDrive) -> Fetched {
    let name = drive.metadata.name.as_deref().unwrap_or_default();
    let kubernetes_name = |secret: &SecretSource| match &secret.existing {
        Some(existing) => existing.secret_name.clone(),
        None => names::secret(name, &secret.name),
    };
    let mut secrets: BTreeMap<String, SecretFacts> = BTreeMap::new();
    for secret in &drive.spec.secrets {
        let keys = secrets
            .entry(kubernetes_name(secret))
            .or_default()
            .keys
            .get_or_insert_default();
        let generated = secret.generate.iter().flat_map(|generate| &generate.keys);
        let used = drive.spec.services.iter().flat_map(|service| {
            let env = service
                .env
                .iter()
                .chain(service.sidecars.iter().flat_map(|sidecar| &sidecar.env))
                .chain(service.migrate.iter().flat_map(|migrate| &migrate.env));
            env.filter_map(|variable| variable.secret.as_ref())
                .filter(|used| used.name == secret.name)
                .map(|used| &used.key)
        });
        // Whoever uses the whole secret uses this.
        keys.insert("whole".to_owned(), "2026-07-01T00:00:00Z".to_owned());
        let pairs = generated
            .clone()
            .flat_map(|key| [format!("{key}.key"), format!("{key}.pub")]);
        keys.extend(
            generated
                .chain(used)
                .cloned()
                .chain(pairs)
                .map(|key| (key, "2026-07-01T00:00:00Z".to_owned())),
        );
    }
    let of_store =
        ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"].map(|key| (key.to_owned(), "2026-07-01T00:00:00Z".to_owned()));
    secrets
        .entry("s3".to_owned())
        .or_default()
        .keys
        .get_or_insert_default()
        .extend(of_store);
    if drive.spec.cache.is_some() {
        let keys = secrets
            .entry(names::secret(name, "cache"))
            .or_default()
            .keys
            .get_or_insert_default();
        keys.insert("password".to_owned(), "2026-07-01T00:00:00Z".to_owned());
    }
    if let Some(database) = &drive.spec.database {
        let stamp = "2026-07-01T00:00:00Z".to_owned();
        for name in names::database_secrets(name, database) {
            let keys = secrets.entry(name).or_default().keys.get_or_insert_default();
            keys.extend(["password", "ca.crt"].map(|key| (key.to_owned(), stamp.clone())));
        }
        let of_server = ["host", "port", "username", "password"].map(|key| (key.to_owned(), stamp.clone()));
        let external = database.external.iter().map(|external| external.secret_name.clone());
        for name in external {
            let keys = secrets.entry(name).or_default().keys.get_or_insert_default();
            keys.extend(of_server.clone());
        }
    }
    let there = BucketFacts {
        there: true,
        ..BucketFacts::default()
    };
    let buckets = drive
        .spec
        .buckets
        .iter()
        .map(|bucket| (bucket.name.clone(), there.clone()));
    let services = drive
        .spec
        .services
        .iter()
        .map(|service| names::of_service(name, &service.name));
    let addresses = || vec!["10.96.0.10".to_owned()];
    let running = DeploymentFacts {
        replicas: 1,
        ready: 1,
        complete: true,
        ..DeploymentFacts::default()
    };
    // Those that others wait for run already. Of the others nothing is there yet.
    let waited_for: Vec<&String> = drive.spec.services.iter().flat_map(|service| &service.after).collect();
    let deployments = waited_for
        .into_iter()
        .map(|other| (names::of_service(name, other), running.clone()));
    Fetched {
        secrets,
        service_addresses: services
            .chain([names::database(name)])
            .map(|service| (service, addresses()))
            .collect(),
        deployments: deployments.collect(),
        buckets: buckets.collect(),
        database: database_facts(drive),
        apis: Apis {
            service_monitors: true,
            prometheus_rules: true,
            certificates: true,
            clusters: true,
            scheduled_backups: true,
            external_secrets: Some(ExternalSecretsVersion::V1),
        },
        ..Fetched::default()
    }
}

/// Facts of a server that is ready and has every database.
fn database_facts(drive: &RecruitmentDrive) -> DatabaseFacts {
    let databases = drive.spec.database.iter().flat_map(|database| &database.databases);
    DatabaseFacts {
        serves: true,
        recorded: DatabaseStatus {
            databases: databases
                .map(|one| LogicalDatabaseStatus {
                    name: one.name.clone(),
                    state: DatabaseState::Ready,
                    ..LogicalDatabaseStatus::default()
                })
                .collect(),
            ..DatabaseStatus::default()
        },
        ..DatabaseFacts::default()
    }
}
