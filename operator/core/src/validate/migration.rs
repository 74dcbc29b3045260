//! What has to run before a version of a service starts.

use std::collections::BTreeMap;

use ras_crds::labels::RUN_MIGRATION;
use ras_crds::spec::{EnvVar, Migrate, Service, Uses};

use super::field_errors::FieldErrors;
use super::quantity::{self, PROGRAM};
use super::service::{used_buckets, used_databases, with_store};
use super::sources::Sources;
use super::{bindings, container};
use crate::fetched::jobs::MIGRATE;
use crate::valid::{Probe, ValidContainer, ValidEnv, ValidMigration};

/// Seconds a migration may take when the spec says nothing.
const TIMEOUT: u64 = 3_600;
/// Most seconds it may take.
const LONGEST: u64 = 7 * 86_400;

/// Reads `migrate` of a service whose program is `program`.
pub(super) fn read(
    field: &str,
    service: &Service,
    program: &ValidContainer,
    sources: &Sources<'_>,
    found: &mut FieldErrors,
) -> Option<ValidMigration> {
    let migrate = service.migrate.as_ref()?;
    let field = format!("{field}.migrate");
    if migrate.command.is_empty() && migrate.args.is_empty() && migrate.image.is_none() {
        found.invalid(
            &field,
            "needs image, command or args, or its Job would run the program itself and never end: say what migrates",
        );
    }
    if let Some(image) = &migrate.image {
        container::image(&field, image, found);
    }
    let uses = migrate.uses.as_ref().or(service.uses.as_ref());
    let bindings = match &migrate.uses {
        Some(uses) => bindings::read(&field, Some(uses), sources, found),
        None => sources.bindings.to_vec(),
    };
    let as_owners = sources.databases.as_owners();
    let sources = &Sources {
        bindings: &bindings,
        databases: &as_owners,
        ..*sources
    };
    let (variables, origins) = merged(&service.env, &migrate.env);
    let buckets = used_buckets(uses, &variables);
    let databases = used_databases(uses, &variables);
    let retries = migrate.retries.unwrap_or(0);
    if !(0..=10).contains(&retries) {
        found.invalid(
            format!("{field}.retries"),
            format!("{retries} is out of range: 0 to 10"),
        );
    }
    Some(ValidMigration {
        timeout_seconds: timeout(&field, migrate, found),
        retries: retries.clamp(0, 10),
        egress: service.egress.clone().map(|asked| with_store(asked, &buckets, sources)),
        buckets,
        database_authority: sources.databases.authority().filter(|_| !databases.is_empty()),
        databases,
        bindings: bindings.clone(),
        container: ValidContainer {
            name: MIGRATE.to_owned(),
            command: migrate.command.clone(),
            args: migrate.args.clone(),
            working_dir: container::working_dir(&field, migrate.working_dir.as_deref(), found)
                .or_else(|| program.working_dir.clone()),
            env: env(&field, uses, &variables, &origins, sources, found),
            ports: Vec::new(),
            probe: Probe::None,
            image: migrate.image.clone().unwrap_or_else(|| program.image.clone()),
            resources: match &migrate.resources {
                Some(asked) => quantity::resources(&field, Some(asked), PROGRAM, found),
                None => program.resources.clone(),
            },
            ..program.clone()
        },
    })
}

fn timeout(field: &str, migrate: &Migrate, found: &mut FieldErrors) -> i64 {
    let field = format!("{field}.timeout");
    let seconds = migrate
        .timeout
        .as_ref()
        .map_or(TIMEOUT, |timeout| quantity::seconds(&field, timeout, found));
    if !(1..=LONGEST).contains(&seconds) {
        found.invalid(field, format!("{seconds} seconds is out of range: 1s to 7d"));
    }
    i64::try_from(seconds.clamp(1, LONGEST)).unwrap_or(i64::MAX)
}

/// The service's variables with the migration's in their places, and where each of them is among the migration's.
fn merged(service: &[EnvVar], own: &[EnvVar]) -> (Vec<EnvVar>, Vec<Option<usize>>) {
    let place = |name: &str| own.iter().position(|variable| variable.name == name);
    let of_service = service.iter().map(|variable| match place(&variable.name) {
        Some(index) => (own.get(index).unwrap_or(variable).clone(), Some(index)),
        None => (variable.clone(), None),
    });
    let others = own
        .iter()
        .enumerate()
        .filter(|(_, variable)| service.iter().all(|of_service| of_service.name != variable.name));
    of_service
        .chain(others.map(|(index, variable)| (variable.clone(), Some(index))))
        .unzip()
}

/// Reads the variables, and tells what is wrong with them where a person wrote it.
fn env(
    field: &str,
    uses: Option<&Uses>,
    variables: &[EnvVar],
    origins: &[Option<usize>],
    sources: &Sources<'_>,
    found: &mut FieldErrors,
) -> Vec<ValidEnv> {
    let mut of_all = FieldErrors::default();
    let valid = container::env_with_defaults(field, uses, variables, sources, &mut of_all);
    for mut problem in of_all.into_problems() {
        let place = problem
            .field
            .strip_prefix(field)
            .and_then(|rest| rest.strip_prefix(".env["));
        if let Some((index, rest)) = place.and_then(|place| place.split_once(']')) {
            let origin = index.parse().ok().and_then(|index: usize| *origins.get(index)?);
            problem.field = match origin {
                Some(own) => format!("{field}.env[{own}]{rest}"),
                None => format!("{field}.env"),
            };
        }
        // What is wrong with the service's own variables was told with the service.
        if !found.says(field.trim_end_matches(".migrate"), &problem.message) {
            found.add(problem);
        }
    }
    valid
}

/// What an annotation asks for, by service: `api`, or `api@again` for those who ask twice.
pub(super) fn requests(annotations: Option<&BTreeMap<String, String>>) -> BTreeMap<String, String> {
    let asked = annotations.and_then(|all| all.get(RUN_MIGRATION));
    asked
        .into_iter()
        .flat_map(|text| text.split(','))
        .map(str::trim)
        .filter_map(|request| {
            let service = request.split('@').next().filter(|name| !name.is_empty())?;
            Some((service.to_owned(), request.chars().take(128).collect()))
        })
        .collect()
}
