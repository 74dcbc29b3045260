//! Every drive that the API server accepts builds children that the API server accepts.

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt as _, stream};
use kube::{
    Api, Client, Error as KubeError,
    api::{ApiResource, DynamicObject, Patch, PatchParams, TypeMeta, ValidationDirective},
};
use ras_core::build::build;
use ras_core::fetched::{Apis, BucketFacts, DatabaseFacts, ExternalSecretsVersion, Fetched};
use ras_core::names;
use ras_core::plan::plan;
use ras_core::platform::{PlatformConfig, parse};
use ras_core::validate::validate;
use ras_crds::spec::Binding;
use ras_crds::{DatabaseState, DatabaseStatus, LogicalDatabaseStatus, RecruitmentDrive};
use ras_tests::Error;
use serde_json::Value;

use super::{
    cluster::{accepted, drives, schema_cluster, spec_schema},
    random::Random,
};

/// Drives that are tried.
const LEAST: usize = 320;
/// Kinds of children that have to be among them.
const KINDS: usize = 15;
/// Attempts to generate one; from some no drive comes that the API server accepts.
const MOST: u64 = 1_500;
/// Drives that only the operator may refuse, for a reason that no rule of the schema sees.
const MOST_REFUSED: usize = 16;
const AT_A_TIME: usize = 4;

/// Problems that a drive alone does not have: the platform's settings or the cluster decide. Which credentials a bucket has
/// that names none is such a setting.
const OF_THE_PLATFORM: &[&str] = &["platform", "the store", "object store", "have different credentials"];

/// Problems that only the operator looks for: what a reference leads to would cost the API server too much (docs/performance.md),
/// and what drives may use of what they share is the platform's to say.
const OF_THE_OPERATOR: &[&str] = &[
    "is no entry of",
    "a part of a pattern",
    "machines and clusters have for themselves",
    "is no service of this drive",
    "is no container of this service",
    "is the name of another container of this pod",
    "is not the name of one of this container's ports",
    "is no host name",
    "is no key of a Secret",
    "the drive has no cache",
    "where the operator mounts its own files",
    "belongs to the system",
    "is a folder",
    "cannot be a file",
    "another volume is mounted at",
    "give one of them another path",
    "has no ports",
    "wait for one another",
];

/// The result of a drive.
#[derive(Debug)]
enum CaseResult {
    NoDrive,
    Fine {
        children: BTreeSet<String>,
    },
    /// The operator has to say what the API server does not: no rule of the schema sees that much.
    Refused(String),
    Wrong(String),
}

#[tokio::test]
async fn every_drive_that_is_accepted_builds_children_that_are_accepted() -> Result<(), Error> {
    let cluster = schema_cluster().await?;
    let namespace = cluster.namespace("generated").await?;
    let drives = drives(&namespace);
    let schema = spec_schema();
    let seed = Random::seed();
    println!("SCHEMA_SEED={seed}");
    let only: Option<u64> = std::env::var("SCHEMA_CASE").ok().map(|text| text.parse().unwrap());
    let platform =
        parse("objectStore: {endpoint: 'http://minio.storage:9000', programs: {secretName: s3, cidrs: [10.1.0.0/16]}}")
            .unwrap();
    let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
    let (mut fine, mut refused, mut wrong) = (0, Vec::new(), Vec::new());
    let mut outcomes = stream::iter(0..MOST)
        .filter(|case| std::future::ready(only.is_none_or(|only| only == *case)))
        .map(|case| {
            let (drives, schema, platform, client) = (&drives, &schema, &platform, namespace.client());
            async move {
                match accepted(drives, schema, seed, case).await {
                    None => CaseResult::NoDrive,
                    Some(stored) => outcome(case, &stored, platform, client).await,
                }
            }
        })
        .buffer_unordered(AT_A_TIME)
        .boxed_local();
    while (fine < LEAST || kinds.len() < KINDS) && wrong.len() < 20 {
        match outcomes.next().await {
            None => break,
            Some(CaseResult::NoDrive) => {}
            Some(CaseResult::Fine { children }) => {
                fine += 1;
                for kind in children {
                    *kinds.entry(kind).or_default() += 1;
                }
            }
            Some(CaseResult::Refused(what)) => refused.push(what),
            Some(CaseResult::Wrong(what)) => wrong.push(what),
        }
    }
    drop(outcomes);
    println!("{fine} drives; kinds of their children: {kinds:?}");
    println!("the operator alone refuses {}:\n{}", refused.len(), refused.join("\n"));
    assert!(
        wrong.is_empty(),
        "SCHEMA_SEED={seed}, {} are wrong:\n{}",
        wrong.len(),
        wrong.join("\n\n")
    );
    assert!(
        refused.len() <= MOST_REFUSED,
        "SCHEMA_SEED={seed}: the API server accepts {} drives that the operator refuses; it should refuse most of them:\n{}",
        refused.len(),
        refused.join("\n")
    );
    assert!(
        only.is_some() || fine >= LEAST,
        "SCHEMA_SEED={seed}: {fine} drives are too few to say anything"
    );
    assert!(
        only.is_some() || kinds.len() >= KINDS,
        "SCHEMA_SEED={seed}: some kinds are never built: {kinds:?}"
    );
    namespace.delete().await
}

async fn outcome(case: u64, stored: &DynamicObject, platform: &PlatformConfig, client: Client) -> CaseResult {
    let json = serde_json::to_value(stored).unwrap();
    let spec = serde_json::to_string(&json["spec"]).unwrap();
    let mut drive: RecruitmentDrive = match serde_json::from_value(json) {
        Ok(drive) => drive,
        Err(error) => return CaseResult::Wrong(format!("case {case}: the operator cannot read it: {error}: {spec}")),
    };
    drive
        .metadata
        .uid
        .get_or_insert_with(|| "6f1e7a52-0b1c-4c4e-9d57-3a6f0c2b9e11".to_owned());
    let facts = facts(&drive);
    let valid = match validate(&drive, &facts, platform) {
        Ok(valid) => valid,
        Err(problems) => {
            let own: Vec<String> = problems
                .iter()
                .map(ToString::to_string)
                .filter(|problem| {
                    let mut known = OF_THE_PLATFORM.iter().chain(OF_THE_OPERATOR);
                    !known.any(|word| problem.contains(word))
                })
                .collect();
            if own.is_empty() {
                return CaseResult::NoDrive;
            }
            return CaseResult::Refused(format!("case {case}: {own:?}"));
        }
    };
    let namespace = drive.metadata.namespace.clone().unwrap_or_default();
    let mut children = BTreeSet::new();
    for child in build(&plan(&valid, &facts)).manifests().unwrap() {
        children.insert(child["kind"].as_str().unwrap_or_default().to_owned());
        if let Err(refused) = applied(&client, &namespace, &child).await {
            return CaseResult::Wrong(format!("case {case}: {refused}\n  child: {child}\n  spec: {spec}"));
        }
    }
    CaseResult::Fine { children }
}

/// Applies a child as the operator does, without storing it.
async fn applied(client: &Client, namespace: &str, child: &Value) -> Result<(), KubeError> {
    let types = TypeMeta {
        api_version: child["apiVersion"].as_str().unwrap().to_owned(),
        kind: child["kind"].as_str().unwrap().to_owned(),
    };
    let kind = kube::api::GroupVersionKind::try_from(&types).unwrap();
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &ApiResource::from_gvk(&kind));
    let params = PatchParams {
        dry_run: true,
        force: true,
        field_manager: Some("test".to_owned()),
        field_validation: Some(ValidationDirective::Strict),
    };
    let name = child["metadata"]["name"].as_str().unwrap();
    api.patch(name, &params, &Patch::Apply(child)).await.map(drop)
}

/// Facts of a cluster in which everything that the drive uses is there.
fn facts(drive: &RecruitmentDrive) -> Fetched {
    let stamp = || "2026-07-01T00:00:00Z".to_owned();
    let keys = keys(drive);
    let mut fetched = Fetched {
        buckets: drive
            .spec
            .buckets
            .iter()
            .map(|bucket| {
                let there = BucketFacts {
                    there: true,
                    ..BucketFacts::default()
                };
                (bucket.name.clone(), there)
            })
            .collect(),
        database: DatabaseFacts {
            serves: true,
            recorded: DatabaseStatus {
                databases: drive
                    .spec
                    .database
                    .iter()
                    .flat_map(|database| &database.databases)
                    .map(|database| LogicalDatabaseStatus {
                        name: database.name.clone(),
                        state: DatabaseState::Ready,
                        ..LogicalDatabaseStatus::default()
                    })
                    .collect(),
                ..DatabaseStatus::default()
            },
            ..DatabaseFacts::default()
        },
        apis: Apis {
            service_monitors: true,
            prometheus_rules: true,
            certificates: true,
            clusters: true,
            scheduled_backups: true,
            external_secrets: Some(ExternalSecretsVersion::V1),
        },
        ..Fetched::default()
    };
    for secret in secrets(drive) {
        let facts = fetched.secrets.entry(secret).or_default();
        facts
            .keys
            .get_or_insert_default()
            .extend(keys.iter().map(|key| (key.clone(), stamp())));
    }
    fetched
}

/// Every Secret that the drive reads.
fn secrets(drive: &RecruitmentDrive) -> BTreeSet<String> {
    let name = drive.metadata.name.as_deref().unwrap_or_default();
    let mut secrets: BTreeSet<String> = [names::secret(name, "cache"), "s3".to_owned()].into();
    for secret in &drive.spec.secrets {
        secrets.insert(match &secret.existing {
            Some(existing) => existing.secret_name.clone(),
            None => names::secret(name, &secret.name),
        });
    }
    let credentials = drive
        .spec
        .buckets
        .iter()
        .filter_map(|bucket| bucket.credentials.as_ref());
    secrets.extend(credentials.map(|credentials| credentials.secret_name.clone()));
    if let Some(database) = &drive.spec.database {
        secrets.extend(names::database_secrets(name, database));
        secrets.extend(database.external.iter().map(|external| external.secret_name.clone()));
    }
    secrets.extend(bindings(drive).filter_map(|binding| binding.secret_name.clone()));
    secrets
}

/// Every key that the drive reads of some Secret. Each Secret has them all.
fn keys(drive: &RecruitmentDrive) -> BTreeSet<String> {
    let mut keys: BTreeSet<String> = [
        "password",
        "ca.crt",
        "host",
        "port",
        "username",
        "whole",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
    ]
    .map(str::to_owned)
    .into();
    for binding in bindings(drive) {
        keys.extend(binding.keys.iter().map(|key| key.from.clone()));
    }
    for service in &drive.spec.services {
        let env = service
            .env
            .iter()
            .chain(service.sidecars.iter().flat_map(|sidecar| &sidecar.env))
            .chain(service.migrate.iter().flat_map(|migrate| &migrate.env));
        for variable in env {
            keys.extend(variable.secret.iter().map(|secret| secret.key.clone()));
            keys.extend(variable.binding.iter().map(|binding| binding.key.clone()));
        }
    }
    for generate in drive.spec.secrets.iter().filter_map(|secret| secret.generate.as_ref()) {
        for key in &generate.keys {
            keys.extend([key.clone(), format!("{key}.key"), format!("{key}.pub")]);
        }
    }
    keys
}

fn bindings(drive: &RecruitmentDrive) -> impl Iterator<Item = &Binding> {
    drive
        .spec
        .services
        .iter()
        .flat_map(|service| {
            service
                .uses
                .iter()
                .chain(service.migrate.iter().filter_map(|migrate| migrate.uses.as_ref()))
        })
        .flat_map(|uses| &uses.bindings)
}
