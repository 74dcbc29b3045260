//! Whether each owner can have a second login, as far as the spec tells.

use std::collections::BTreeSet;

use ras_crds::RecruitmentDrive;
use ras_crds::spec::{EnvVar, Service};

use super::databases::LONGEST;
use super::field_errors::FieldErrors;
use super::service::{every_variable, used_databases};
use crate::fetched::Fetched;
use crate::valid::{SUFFIX, ValidDatabase, ValidLogicalDatabase};

/// Parts of names of variables that hold the user of a database.
const OF_DATABASES: [&str; 6] = ["DB", "PG", "SQL", "DATABASE", "DATASOURCE", "POSTGRES"];

/// Refuses what rotation cannot work with: where the spec asks for it or it has begun, else when it is asked for.
pub(super) fn check(
    drive: &RecruitmentDrive,
    database: &mut ValidDatabase,
    fetched: &Fetched,
    found: &mut FieldErrors,
) {
    let mut problems = names(database);
    for (index, service) in drive.spec.services.iter().enumerate() {
        fixed(index, service, database, &mut problems);
    }
    if database.rotation.rotates || has_rotated(database, fetched) {
        for (field, message) in problems {
            found.invalid(field, message);
        }
        return;
    }
    let told: Vec<String> = problems
        .into_iter()
        .map(|(field, message)| format!("{field}: {message}"))
        .collect();
    database.rotation.obstacle = (!told.is_empty()).then(|| told.join("; "));
}

/// Whether a rotation has begun: a Secret of a login, or status, has its number.
fn has_rotated(database: &ValidDatabase, fetched: &Fetched) -> bool {
    let recorded = fetched.database.recorded.login.as_ref();
    let mut logins = database.first.iter().chain(&database.second);
    recorded.is_some_and(|login| login.generation > 0)
        || logins.any(|login| {
            let facts = fetched.secrets.get(&login.secret_name);
            facts.and_then(|facts| facts.generation).unwrap_or_default() > 0
        })
}

type FieldError = (String, String);

fn names(database: &ValidDatabase) -> Vec<FieldError> {
    let roles: BTreeSet<&str> = database
        .databases
        .iter()
        .flat_map(ValidLogicalDatabase::roles)
        .collect();
    let field = "spec.database.databases";
    let mut problems = Vec::new();
    for role in &roles {
        let second = format!("{role}{SUFFIX}");
        if second.len() > LONGEST {
            problems.push((
                field.to_owned(),
                format!(
                    "the role {role:?} is too long for a second login, {second:?}, which may have at most {LONGEST} characters: \
                     remove spec.database.rotate, or use a database whose owner and user have shorter names"
                ),
            ));
        }
        if roles.contains(second.as_str()) {
            problems.push((
                field.to_owned(),
                format!(
                    "the role {second:?} has the name of the second login of {role:?}, by which its password rotates: choose \
                     another name"
                ),
            ));
        }
    }
    problems
}

/// Programs that are told a user's name in so many words, and would have it with the other login's password.
fn fixed(index: usize, service: &Service, database: &ValidDatabase, problems: &mut Vec<FieldError>) {
    let migrate = service.migrate.as_ref();
    let mut used = used_databases(service.uses.as_ref(), every_variable(service));
    if let Some(migrate) = migrate {
        used.extend(used_databases(migrate.uses.as_ref(), &migrate.env));
    }
    let used: Vec<_> = database
        .databases
        .iter()
        .filter(|one| used.contains(&one.name))
        .collect();
    let field = format!("spec.services[{index}]");
    let of_migration = migrate.map(|migrate| (format!("{field}.migrate"), &migrate.env));
    let of_helpers = service
        .sidecars
        .iter()
        .enumerate()
        .map(|(helper, sidecar)| (format!("{field}.sidecars[{helper}]"), &sidecar.env));
    let of_init_containers = service
        .init_containers
        .iter()
        .enumerate()
        .map(|(at, container)| (format!("{field}.initContainers[{at}]"), &container.env));
    let containers = std::iter::once((field.clone(), &service.env))
        .chain(of_migration)
        .chain(of_helpers)
        .chain(of_init_containers);
    for (field, env) in containers {
        for (at, variable) in env.iter().enumerate() {
            let Some(value) = &variable.value else { continue };
            let told = used.iter().find_map(|one| {
                let told = |role: &&str| value == role && names_a_user(variable) || speaks_of(value, role);
                Some((one, one.roles().find(told)?))
            });
            if let Some((one, role)) = told {
                problems.push((
                    format!("{field}.env[{at}]"),
                    format!(
                        "{} tells its program the user {:?} in so many words, and a rotation changes the user: write database: \
                         {{name: {}, key: user}} (or url) instead of value",
                        variable.name, role, one.name
                    ),
                ));
            }
        }
    }
    for (at, file) in service.files.iter().enumerate() {
        let Some(content) = &file.content else { continue };
        let mut roles = used.iter().flat_map(|one| one.roles());
        if let Some(role) = roles.find(|role| speaks_of(content, role)) {
            problems.push((
                format!("{field}.files[{at}]"),
                format!(
                    "the file {:?} tells its program the user {:?} in so many words, and a rotation changes the user: write \
                     $(DATABASE_USER), or a variable of your own",
                    file.path, role
                ),
            ));
        }
    }
}

fn names_a_user(variable: &EnvVar) -> bool {
    let name = variable.name.to_ascii_uppercase();
    name.contains("USER") && OF_DATABASES.iter().any(|part| name.contains(part))
}

/// Whether a text has a URL, or a connection string, with this user.
fn speaks_of(text: &str, user: &str) -> bool {
    text.contains(&format!("://{user}:"))
        || text.contains(&format!("://{user}@"))
        || text
            .split(|c: char| c.is_whitespace() || matches!(c, '\'' | '"' | ';' | '&' | '?'))
            .any(|part| part == format!("user={user}"))
}
