//! Which Deployments have to wait for a secret, a bucket, a database or a migration.
//!
//! Pods that start without it would fail again and again, and pods that start before its stamp is known
//! would be replaced at once.

use std::collections::{BTreeMap, BTreeSet};

use ras_crds::{ConditionType, DatabaseState, Reason};

use crate::fetched::facts::PASSWORD;
use crate::plan::blocked_by::BlockedBy;
use crate::plan::database_job::DatabaseJob;
use crate::plan::external_secret;
use crate::plan::input::{DatabaseInput, Input};
use crate::plan::login_rotation;
use crate::plan::migration::{self, MigrationPlan};
use crate::plan::{first_start, hosts};
use crate::valid::{DatabaseServer, EnvSource, SecretOrigin, UsedSecret, ValidService};

/// The Deployments and database servers that must not be applied yet, by name, each with the reason.
pub fn blocked(
    input: &Input<'_>,
    database: Option<(&DatabaseInput<'_>, &DatabaseJob)>,
    migrations: &[MigrationPlan],
) -> BTreeMap<String, BlockedBy> {
    // A suspended drive starts no pods, and a missing secret must not keep it from stopping them. But what waits for a migration
    // keeps the version that it is to come back with.
    if input.drive.suspended {
        let services = input.services.iter();
        return services
            .filter_map(|service| Some((service.child.clone(), migration::waiting(migrations, service)?)))
            .collect();
    }
    let server = database.and_then(|(at, _)| server(at));
    let waiting =
        |service: &ValidService| lacking(input, database, service).or_else(|| migration::waiting(migrations, service));
    input
        .services
        .iter()
        .filter_map(|service| Some((service.child.clone(), waiting(service)?)))
        .chain(server)
        .collect()
}

/// A database server whose administrator's password is not there yet.
fn server(at: &DatabaseInput<'_>) -> Option<(String, BlockedBy)> {
    let DatabaseServer::Standalone(standalone) = &at.database.server else {
        return None;
    };
    let secret = &standalone.superuser.secret_name;
    let keys = at.fetched.secrets.get(secret).map(|facts| &facts.keys);
    let is_there = keys.is_some_and(|keys| keys.as_ref().is_none_or(|keys| keys.contains_key(PASSWORD)));
    (!is_there).then(|| {
        let waiting = BlockedBy {
            condition: ConditionType::DatabaseReady,
            reason: Reason::SecretMissing,
            message: format!("Secret {secret:?} of the database server is being made"),
        };
        (at.database.child.clone(), waiting)
    })
}

/// A login of which nothing says that it works. What runs keeps the one that it has.
fn login(database: Option<(&DatabaseInput<'_>, &DatabaseJob)>, service: &ValidService) -> Option<BlockedBy> {
    let (at, job) = database?;
    let is_affected = !service.databases.is_empty() && login_rotation::is_unproven(at, job);
    is_affected.then(|| BlockedBy {
        condition: ConditionType::DatabaseReady,
        reason: Reason::DatabasePending,
        message: format!(
            "service {:?} waits until the Job has checked that the present login of each owner works",
            service.name
        ),
    })
}

/// A database that was never there. One that was holds up nothing: the program may well serve again before we know.
fn databases(database: Option<(&DatabaseInput<'_>, &DatabaseJob)>, service: &ValidService) -> Option<BlockedBy> {
    let (at, job) = database?;
    let known = job.databases(at);
    let is_there = |name: &str| {
        known
            .iter()
            .any(|line| line.name == name && matches!(line.state, DatabaseState::Ready | DatabaseState::Failing))
    };
    let of_migration = service.migration.iter().flat_map(|migration| &migration.databases);
    let used: BTreeSet<&String> = service.databases.iter().chain(of_migration).collect();
    let missing: Vec<String> = used
        .into_iter()
        .filter(|name| !is_there(name))
        .map(|name| format!("service {:?} waits for database {name:?}", service.name))
        .collect();
    (!missing.is_empty()).then(|| BlockedBy {
        condition: ConditionType::DatabaseReady,
        reason: Reason::DatabasePending,
        message: missing.join("; "),
    })
}

/// A Secret, key, bucket or database that a service or its migration needs and that does not exist.
pub fn lacking(
    input: &Input<'_>,
    database: Option<(&DatabaseInput<'_>, &DatabaseJob)>,
    service: &ValidService,
) -> Option<BlockedBy> {
    secrets(input, service)
        .or_else(|| hosts::waiting(input.drive, input.fetched))
        .or_else(|| first_start::waiting(input.drive, input.fetched, service))
        .or_else(|| databases(database, service))
        .or_else(|| login(database, service))
}

fn secrets(input: &Input<'_>, service: &ValidService) -> Option<BlockedBy> {
    let mut uses: Vec<(&UsedSecret, Option<&str>)> = Vec::new();
    let migration = service.migration.as_ref().map(|migration| &migration.container);
    for container in service.containers().chain(migration) {
        uses.extend(container.env_from.iter().map(|whole| (&whole.secret, None)));
        uses.extend(container.env.iter().filter_map(|variable| match &variable.source {
            EnvSource::Secret { secret, key } => Some((secret, Some(key.as_str()))),
            EnvSource::Value(_) => None,
        }));
    }
    uses.extend(service.secret_files().map(|(_, secret, key)| (secret, Some(key))));
    let of_migration = service.migration.iter().flat_map(|migration| &migration.bindings);
    for binding in service.bindings.iter().chain(of_migration) {
        uses.push((&binding.secret, None));
        uses.extend(
            binding
                .keys
                .iter()
                .map(|(_, from)| (&binding.secret, Some(from.as_str()))),
        );
    }
    let mut missing: Vec<(Reason, String)> = Vec::new();
    for (secret, key) in uses {
        let Some(lack) = lack(input, service, secret, key) else {
            continue;
        };
        if !missing.contains(&lack) {
            missing.push(lack);
        }
    }
    if missing.is_empty() {
        return bucket(input, service);
    }
    let reason = missing.first()?.0;
    let message = missing
        .into_iter()
        .map(|(_, message)| message)
        .collect::<Vec<_>>()
        .join("; ");
    Some(BlockedBy {
        condition: ConditionType::SecretsReady,
        reason,
        message,
    })
}

/// A bucket that is not there yet, or is lost. One that was there once and is only not reached holds up nothing: the program may
/// well do without.
fn bucket(input: &Input<'_>, service: &ValidService) -> Option<BlockedBy> {
    let is_there = |name: &String| input.fetched.buckets.get(name).is_some_and(|facts| facts.there);
    let of_migration = service.migration.iter().flat_map(|migration| &migration.buckets);
    let used: BTreeSet<&String> = service.buckets.iter().chain(of_migration).collect();
    let is_lost = |name: &String| {
        let mut facts = input.fetched.buckets.get(name).into_iter();
        facts.any(|facts| facts.lost)
    };
    let missing: Vec<&String> = used.into_iter().filter(|name| !is_there(name)).collect();
    let reason = if missing.iter().any(|name| is_lost(name)) {
        Reason::BucketLost
    } else {
        Reason::BucketsPending
    };
    let missing: Vec<String> = missing
        .into_iter()
        .map(|name| format!("service {:?} waits for bucket {name:?}", service.name))
        .collect();
    (!missing.is_empty()).then(|| BlockedBy {
        condition: ConditionType::StorageReady,
        reason,
        message: missing.join("; "),
    })
}

fn lack(input: &Input<'_>, service: &ValidService, secret: &UsedSecret, key: Option<&str>) -> Option<(Reason, String)> {
    let (used, namespace, service) = (&secret.secret_name, &input.drive.namespace, &service.name);
    // An existing Secret serves, but not an unowned one: its values are not those of the store.
    let from_store = input
        .drive
        .external_secrets
        .iter()
        .find(|external| secret.origin == SecretOrigin::External && external.secret_name == *used);
    let is_unowned = || {
        let facts = input.fetched.external.get(used);
        facts.is_some_and(|facts| facts.unowned.is_some())
    };
    if let Some(external) = from_store
        && (is_unowned() || !input.fetched.secrets.contains_key(used))
    {
        let (reason, message) = external_secret::trouble(input.drive, input.fetched, external)?;
        return Some((reason, format!("service {service:?} waits: {message}")));
    }
    let Some(facts) = input.fetched.secrets.get(used) else {
        let next = match secret.origin {
            SecretOrigin::Generated => "it is being made".to_owned(),
            SecretOrigin::External => "it is being fetched".to_owned(),
            SecretOrigin::Binding => format!(
                "the operator of the backing service makes it in namespace {namespace:?} once that is up; or correct secretName of the \
                 binding {name:?}",
                name = secret.name
            ),
            SecretOrigin::Existing => format!(
                "make it in namespace {namespace:?}, or correct spec.secrets[{name:?}].existing.secretName",
                name = secret.name
            ),
            SecretOrigin::ObjectStore => format!(
                "make it in namespace {namespace:?} with the keys AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or correct the name in {name}",
                name = secret.name
            ),
            SecretOrigin::DatabaseServer => format!(
                "make it in namespace {namespace:?} with the keys host, username and password, or correct \
                 spec.database.external.secretName"
            ),
        };
        return Some((
            Reason::SecretMissing,
            format!("Secret {used:?}, which service {service:?} uses, does not exist: {next}"),
        ));
    };
    let (key, keys) = (key?, facts.keys.as_ref()?);
    if keys.contains_key(key) {
        return None;
    }
    let next = match secret.origin {
        SecretOrigin::Generated => "it is being made".to_owned(),
        SecretOrigin::External => format!(
            "add it in the store or in external.keys of the entry {name:?} of spec.secrets, or correct it in the service's env",
            name = secret.name
        ),
        SecretOrigin::Binding => format!(
            "say in keys of the binding {name:?} which key of the Secret it is (`kubectl describe secret {used} -n {namespace}` tells the \
             keys), or in values what it holds if it is no secret",
            name = secret.name
        ),
        SecretOrigin::Existing | SecretOrigin::ObjectStore | SecretOrigin::DatabaseServer => {
            format!("add the key to the Secret in namespace {namespace:?}, or correct it in the service's env")
        }
    };
    Some((
        Reason::SecretKeyMissing,
        format!("Secret {used:?} has no key {key:?}, which service {service:?} uses: {next}"),
    ))
}
