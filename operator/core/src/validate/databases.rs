//! The drive's databases: where the server is, which logins there are, and what services learn of them.

use std::collections::{BTreeMap, BTreeSet};

use ras_crds::RecruitmentDrive;
use ras_crds::labels::{PREPARE_DATABASE, ROTATE_DATABASE};
use ras_crds::spec::parameters::parameter;
use ras_crds::spec::{Database, DatabaseCredentials, DatabaseKey, DatabaseProvider, EnvVar, ManagedDatabase};

use super::field_errors::FieldErrors;
use super::quantity::Defaults;
use super::{claims, database_backup, quantity, rotation};
use crate::fetched::Fetched;
use crate::fetched::facts::PASSWORD;
use crate::names as child;
use crate::platform::{PlatformConfig, TenancyConfig};
use crate::valid::{
    CA, CA_FILE, CLUSTER_ADMIN, DatabaseLogin, DatabaseServer, EnvSource, ExternalServer, LoginRotation, SUFFIX,
    SecretOrigin, UsedSecret, ValidAuthority, ValidCluster, ValidDatabase, ValidEnv, ValidLogicalDatabase,
    ValidStandalone, authority, host_of,
};

/// Where PostgreSQL listens.
const PORT: i32 = 5432;

/// Longest name of a role or database, in bytes: PostgreSQL cuts longer ones off without a word.
pub(super) const LONGEST: usize = 63;

/// Longest name of a Cluster, in characters.
const LONGEST_CLUSTER: usize = 50;

/// CPU and memory of a server that says nothing, as `spec.database.managed.resources` documents them.
const SERVER: Defaults = Defaults {
    cpu: "250m",
    memory: "512Mi",
    memory_limit: "1Gi",
};

/// What of a database is a variable by default, with the end of the variable's name. The URL comes last, for it is made
/// of the others.
const PARTS: [(DatabaseKey, &str); 8] = [
    (DatabaseKey::Host, "HOST"),
    (DatabaseKey::Port, "PORT"),
    (DatabaseKey::Name, "NAME"),
    (DatabaseKey::User, "USER"),
    (DatabaseKey::Password, "PASSWORD"),
    (DatabaseKey::Sslmode, "SSLMODE"),
    (DatabaseKey::CaFile, "CA_FILE"),
    (DatabaseKey::Url, "URL"),
];

/// The drive's databases by their names.
pub(super) struct Databases {
    valid: Option<ValidDatabase>,
}

impl Databases {
    /// Reads `spec.database`.
    pub(super) fn read(
        drive: &RecruitmentDrive,
        fetched: &Fetched,
        platform: &PlatformConfig,
        found: &mut FieldErrors,
    ) -> Self {
        let valid = drive
            .spec
            .database
            .as_ref()
            .and_then(|spec| read(drive, spec, fetched, platform, found));
        Self { valid }
    }

    /// Where the value of a variable comes from that asks for `key` of the database `name`.
    pub(super) fn variable(
        &self,
        field: &str,
        name: &str,
        key: DatabaseKey,
        found: &mut FieldErrors,
    ) -> Option<DatabaseSource> {
        let (server, database) = self.find(&format!("{field}.database.name"), name, found)?;
        let part = DatabaseSource::of(server, database, key);
        if part.is_none() && key == DatabaseKey::UserSuffix {
            found.invalid(
                format!("{field}.database.key"),
                format!(
                    "userSuffix is what follows the database's name in the name of its role, and {:?} does not begin with {name:?}: \
                     use key user, or a database whose owner (or user) is named {name}<suffix>",
                    database.user()
                ),
            );
        } else if part.is_none() {
            found.invalid(
                format!("{field}.database.key"),
                "the database server has no certificates of its own: remove this variable, or add the key `ca` to the Secret \
                 that spec.database.external.secretName names",
            );
        }
        part
    }

    /// The variables that come before a container's own `env`: all of the databases it uses, and those of which a URL
    /// among its own is made.
    pub(super) fn defaults(
        &self,
        field: &str,
        used: &[String],
        own: &[EnvVar],
        found: &mut FieldErrors,
    ) -> Vec<ValidEnv> {
        let set: BTreeSet<&str> = own.iter().map(|variable| variable.name.as_str()).collect();
        let mut variables: Vec<ValidEnv> = Vec::new();
        for (index, name) in used.iter().enumerate() {
            let field = format!("{field}.uses.databases[{index}]");
            let Some((server, database)) = self.find(&field, name, found) else {
                continue;
            };
            let prefixes = [
                Some(format!("DATABASE_{}", variable_part(name))),
                (index == 0).then(|| "DATABASE".to_owned()),
            ];
            for prefix in prefixes.into_iter().flatten() {
                for (key, suffix) in PARTS {
                    let variable = format!("{prefix}_{suffix}");
                    // A URL of parts that somebody has set to something else would lead elsewhere, or nowhere.
                    let is_torn = key == DatabaseKey::Url
                        && parts_of_url(server, database).any(|part| set.contains(part.name.as_str()));
                    if !set.contains(variable.as_str()) && !is_torn {
                        variables.extend(
                            DatabaseSource::of(server, database, key).map(|sources| sources.variable(variable)),
                        );
                    }
                }
            }
        }
        for (index, variable) in own.iter().enumerate() {
            let Some(reference) = variable.database.as_ref().filter(|of| of.key == DatabaseKey::Url) else {
                continue;
            };
            // A name that is no database is told where the variable itself is read.
            let Some((server, database)) = self.look(&reference.name) else {
                continue;
            };
            for part in parts_of_url(server, database) {
                if set.contains(part.name.as_str()) {
                    found.invalid(
                        format!("{field}.env[{index}].database.key"),
                        format!(
                            "the URL of {:?} is made of {}, which env sets to something else: give that variable another name",
                            reference.name, part.name
                        ),
                    );
                } else if variables.iter().all(|known| known.name != part.name) {
                    variables.push(part);
                }
            }
        }
        variables
    }

    /// Where the certificates are by which the server is known, where it has some.
    pub(super) fn authority(&self) -> Option<ValidAuthority> {
        authority(&self.valid.as_ref()?.server)
    }

    pub(super) fn into_valid(self) -> Option<ValidDatabase> {
        self.valid
    }

    /// The same as it is for migrations, which work as owners.
    pub(super) fn as_owners(&self) -> Self {
        let as_owner = |database: &ValidLogicalDatabase| ValidLogicalDatabase {
            user: None,
            ..database.clone()
        };
        Self {
            valid: self.valid.as_ref().map(|valid| ValidDatabase {
                databases: valid.databases.iter().map(as_owner).collect(),
                ..valid.clone()
            }),
        }
    }

    fn look(&self, name: &str) -> Option<(&ValidDatabase, &ValidLogicalDatabase)> {
        let server = self.valid.as_ref()?;
        let database = server.databases.iter().find(|database| database.name == name)?;
        Some((server, database))
    }

    fn find(
        &self,
        field: &str,
        name: &str,
        found: &mut FieldErrors,
    ) -> Option<(&ValidDatabase, &ValidLogicalDatabase)> {
        let database = self.look(name);
        if database.is_none() {
            found.invalid(
                field,
                format!("{name:?} is no entry of spec.database.databases: add one, or correct the name"),
            );
        }
        database
    }
}

/// Where the value of a variable about a database comes from.
pub(super) struct DatabaseSource {
    /// While programs use the first login.
    pub(super) first: EnvSource,
    /// While they use the second one, where that is something else.
    pub(super) second: Option<EnvSource>,
}

impl DatabaseSource {
    fn of(server: &ValidDatabase, database: &ValidLogicalDatabase, key: DatabaseKey) -> Option<Self> {
        let first = part(server, &server.first, database, key)?;
        let second = part(server, &server.second, database, key).filter(|second| *second != first);
        Some(Self { first, second })
    }

    /// The variable of this name.
    pub(super) fn variable(self, name: impl Into<String>) -> ValidEnv {
        ValidEnv {
            with_second_login: self.second,
            ..ValidEnv::new(name, self.first)
        }
    }
}

/// What `key` of a database is for programs that use these logins.
fn part(
    server: &ValidDatabase,
    logins: &[DatabaseLogin],
    database: &ValidLogicalDatabase,
    key: DatabaseKey,
) -> Option<EnvSource> {
    let text = |text: &str| Some(EnvSource::Value(text.to_owned()));
    let login = logins.iter().find(|login| login.owner == database.user());
    let of_server = |key: &str, ours: &str| match &server.server {
        DatabaseServer::Standalone(_) | DatabaseServer::CloudNativePG(_) => Some(EnvSource::Value(ours.to_owned())),
        DatabaseServer::External(external) => Some(EnvSource::Secret {
            secret: external.secret.clone(),
            key: key.to_owned(),
        }),
    };
    match key {
        DatabaseKey::Host => of_server("host", &host_of(server)),
        DatabaseKey::Port => match &server.server {
            DatabaseServer::External(external) if external.has_port => of_server("port", ""),
            DatabaseServer::External(_) | DatabaseServer::Standalone(_) | DatabaseServer::CloudNativePG(_) => {
                text(&PORT.to_string())
            }
        },
        DatabaseKey::Name => text(&database.name),
        DatabaseKey::User => text(&login?.role),
        DatabaseKey::UserSuffix => text(login?.role.strip_prefix(&database.name)?),
        DatabaseKey::Password => Some(EnvSource::Secret {
            secret: password(login?),
            key: PASSWORD.to_owned(),
        }),
        DatabaseKey::Sslmode => match &server.server {
            DatabaseServer::Standalone(_) => text("disable"),
            DatabaseServer::External(external) if external.has_sslmode => of_server("sslmode", ""),
            // Nobody's data goes over a network in the clear because nothing was said.
            other if authority(other).is_some() => text("verify-full"),
            DatabaseServer::CloudNativePG(_) | DatabaseServer::External(_) => text("require"),
        },
        DatabaseKey::CaFile => authority(&server.server).and_then(|_| text(CA_FILE)),
        DatabaseKey::Url => url(server, logins, database).map(EnvSource::Value),
    }
}

/// The URL, in which the pod fills in what only it may read. Nothing in it needs escaping: names are bounded by the
/// contract, and passwords are made of letters and digits.
fn url(server: &ValidDatabase, logins: &[DatabaseLogin], database: &ValidLogicalDatabase) -> Option<String> {
    let said = |key: DatabaseKey| match part(server, logins, database, key)? {
        EnvSource::Value(text) => Some(text),
        EnvSource::Secret { .. } => Some(format!("$({})", variable_of(database, key))),
    };
    let certificates = said(DatabaseKey::CaFile).map_or_else(String::new, |file| format!("&sslrootcert={file}"));
    Some(format!(
        "postgresql://{user}:{password}@{host}:{port}/{name}?sslmode={sslmode}{certificates}",
        user = said(DatabaseKey::User)?,
        password = said(DatabaseKey::Password)?,
        host = said(DatabaseKey::Host)?,
        port = said(DatabaseKey::Port)?,
        name = database.name,
        sslmode = said(DatabaseKey::Sslmode)?,
    ))
}

/// The variables that the URL refers to.
fn parts_of_url(server: &ValidDatabase, database: &ValidLogicalDatabase) -> impl Iterator<Item = ValidEnv> {
    let parts: Vec<ValidEnv> = PARTS
        .into_iter()
        .filter(|(key, _)| *key != DatabaseKey::Url)
        .filter_map(|(key, _)| {
            let sources = DatabaseSource::of(server, database, key)?;
            matches!(sources.first, EnvSource::Secret { .. }).then(|| sources.variable(variable_of(database, key)))
        })
        .collect();
    parts.into_iter()
}

fn variable_of(database: &ValidLogicalDatabase, key: DatabaseKey) -> String {
    let suffix = PARTS
        .into_iter()
        .find(|(part, _)| *part == key)
        .map_or("", |(_, suffix)| suffix);
    format!("DATABASE_{}_{suffix}", variable_part(&database.name))
}

fn variable_part(name: &str) -> String {
    name.to_ascii_uppercase().replace('-', "_")
}

/// The Secret of a login, as it is used.
pub fn password(login: &DatabaseLogin) -> UsedSecret {
    UsedSecret {
        name: login.role.clone(),
        secret_name: login.secret_name.clone(),
        origin: SecretOrigin::Generated,
    }
}

fn read(
    drive: &RecruitmentDrive,
    spec: &Database,
    fetched: &Fetched,
    platform: &PlatformConfig,
    found: &mut FieldErrors,
) -> Option<ValidDatabase> {
    let name = drive.metadata.name.as_deref().unwrap_or_default();
    let databases = databases(spec, &platform.tenancy, found);
    let server = match (&spec.managed, &spec.external) {
        (Some(managed), None) if managed.provider == DatabaseProvider::CloudNativePG => {
            cluster(name, spec, managed, fetched, platform, found)
        }
        (Some(managed), None) => standalone(name, spec, managed, fetched, platform, found),
        (None, Some(external)) => {
            if spec.deletion_policy.is_some() {
                found.invalid(
                    "spec.database.deletionPolicy",
                    "goes with managed, for nothing of an external server is ever deleted: remove it",
                );
            }
            let secret = UsedSecret {
                name: "database".to_owned(),
                secret_name: external.secret_name.clone(),
                origin: SecretOrigin::DatabaseServer,
            };
            let keys = fetched
                .secrets
                .get(&secret.secret_name)
                .and_then(|facts| facts.keys.as_ref());
            let has = |key: &str| keys.is_some_and(|keys| keys.contains_key(key));
            DatabaseServer::External(ExternalServer {
                has_port: has("port"),
                has_sslmode: has("sslmode"),
                has_ca: has(CA),
                secret,
            })
        }
        _ => {
            found.invalid(
                "spec.database",
                "needs exactly one of managed and external: set one of them",
            );
            return None;
        }
    };
    let credentials = spec.credentials.unwrap_or_default();
    let roles: BTreeSet<&str> = databases.iter().flat_map(ValidLogicalDatabase::roles).collect();
    let first = roles.iter().map(|role| DatabaseLogin {
        owner: (*role).to_owned(),
        role: (*role).to_owned(),
        secret_name: child::database_password(name, credentials, role),
    });
    let second = roles.iter().map(|role| DatabaseLogin {
        owner: (*role).to_owned(),
        role: format!("{role}{SUFFIX}"),
        secret_name: child::second_password(name, credentials, role),
    });
    let (first, second) = (first.collect(), second.collect());
    let policy = rotation::policy("spec.database.rotate", spec.rotate.as_ref(), found);
    let annotations = drive.metadata.annotations.as_ref();
    Some(ValidDatabase {
        child: child::database(name),
        server,
        databases,
        first,
        second,
        rotation: LoginRotation {
            policy,
            rotates: spec.rotate.is_some(),
            request: rotation::requests(drive).remove(ROTATE_DATABASE),
            obstacle: None,
        },
        again: annotations.and_then(|all| all.get(PREPARE_DATABASE)).cloned(),
    })
}

fn standalone(
    drive: &str,
    spec: &Database,
    managed: &ManagedDatabase,
    fetched: &Fetched,
    platform: &PlatformConfig,
    found: &mut FieldErrors,
) -> DatabaseServer {
    let field = "spec.database.managed";
    if managed.instances.is_some_and(|instances| instances != 1) {
        found.invalid(
            format!("{field}.instances"),
            "Standalone is one server without copies: remove instances, or make a new drive with provider CloudNativePG",
        );
    }
    known_version(managed, found);
    database_backup::refuse(field, managed, found);
    let secret_name = child::database_superuser(drive);
    let claim = child::database_claim(drive);
    let live = fetched.claims.get(&claim);
    let size = quantity::storage(&format!("{field}.size"), &managed.size, found);
    let (asked, default) = (
        managed.storage_class_name.as_ref(),
        platform.storage.class_name.as_ref(),
    );
    claims::allowed(field, asked, platform, found);
    DatabaseServer::Standalone(ValidStandalone {
        image: format!("{}:{}", platform.database.image, managed.version),
        version: managed.version,
        size: claims::size(field, size, live, found),
        storage_class: claims::class(field, asked, default, live, found),
        claim,
        resources: quantity::resources(field, managed.resources.as_ref(), SERVER, found),
        parameters: parameters(field, managed, found),
        superuser: UsedSecret {
            name: "postgres".to_owned(),
            secret_name,
            origin: SecretOrigin::Generated,
        },
        deletion_policy: spec.deletion_policy.unwrap_or_default(),
    })
}

/// The server's parameters. What the definition refuses since may be in objects that were stored before.
fn parameters(field: &str, managed: &ManagedDatabase, found: &mut FieldErrors) -> BTreeMap<String, String> {
    for (name, value) in &managed.parameters {
        let field = format!("{field}.parameters");
        match parameter(name) {
            None => found.invalid(
                field,
                format!(
                    "{name:?} is not a parameter that a drive may set: remove it (docs/databases.md lists those that may be set)"
                ),
            ),
            Some(kind) if !kind.is(value) => found.invalid(
                field,
                format!("{name} is {value:?}, and has to be {}: correct the value", kind.words()),
            ),
            Some(_) => {}
        }
    }
    managed.parameters.clone()
}

fn known_version(managed: &ManagedDatabase, found: &mut FieldErrors) {
    if !(14..=18).contains(&managed.version) {
        found.invalid(
            "spec.database.managed.version",
            format!("{} is no version that is known: 14 to 18", managed.version),
        );
    }
}

fn cluster(
    drive: &str,
    spec: &Database,
    managed: &ManagedDatabase,
    fetched: &Fetched,
    platform: &PlatformConfig,
    found: &mut FieldErrors,
) -> DatabaseServer {
    let field = "spec.database.managed";
    known_version(managed, found);
    let name = child::database(drive);
    if name.len() > LONGEST_CLUSTER {
        found.invalid(
            "metadata.name",
            format!(
                "makes the name of CloudNativePG's Cluster {name:?}, which may have at most {LONGEST_CLUSTER} characters: make \
                 a drive with a shorter name"
            ),
        );
    }
    for database in &spec.databases {
        if database.name == CLUSTER_ADMIN || database.roles().any(|role| role == CLUSTER_ADMIN) {
            found.invalid(
                "spec.database.databases",
                format!("{CLUSTER_ADMIN} is the administrator's name: choose another one"),
            );
        }
    }
    let live = fetched
        .database
        .cluster
        .as_ref()
        .and_then(|cluster| cluster.storage.as_ref());
    let size = quantity::storage(&format!("{field}.size"), &managed.size, found);
    let (asked, default) = (
        managed.storage_class_name.as_ref(),
        platform.storage.class_name.as_ref(),
    );
    claims::allowed(field, asked, platform, found);
    DatabaseServer::CloudNativePG(ValidCluster {
        image: format!("{}:{}", platform.database.cloud_native_pg_image, managed.version),
        instances: managed.instances.unwrap_or(1),
        size: claims::cluster_size(field, size, live, found),
        storage_class: claims::cluster_class(field, asked, default, live, found),
        resources: quantity::resources(field, managed.resources.as_ref(), SERVER, found),
        parameters: parameters(field, managed, found),
        admin: child::cluster_admin(&name),
        authority: child::cluster_authority(&name),
        backup: database_backup::read(field, managed, found),
        deletion_policy: spec.deletion_policy.unwrap_or_default(),
    })
}

fn databases(spec: &Database, tenancy: &TenancyConfig, found: &mut FieldErrors) -> Vec<ValidLogicalDatabase> {
    if spec.databases.is_empty() {
        found.invalid("spec.database.databases", "name at least one database");
    }
    let mut seen: BTreeMap<String, &str> = BTreeMap::new();
    for (index, database) in spec.databases.iter().enumerate() {
        let field = format!("spec.database.databases[{index}]");
        identifier(&format!("{field}.name"), &database.name, found);
        if let Some(owner) = &database.owner {
            identifier(&format!("{field}.owner"), owner, found);
        }
        if let Some(user) = &database.user {
            identifier(&format!("{field}.user"), user, found);
            if spec.databases.iter().any(|other| other.owner() == user) {
                found.invalid(
                    format!("{field}.user"),
                    format!("{user:?} owns databases, and could do more than use this one: choose another name"),
                );
            }
            if spec.credentials == Some(DatabaseCredentials::Shared) {
                found.invalid(
                    format!("{field}.user"),
                    "goes with credentials PerDatabase, for with one password for all whoever has the user's has the owner's: \
                     remove it, or make a drive with PerDatabase",
                );
            }
        }
        for extension in &database.extensions {
            if !is_identifier(extension) {
                found.invalid(
                    format!("{field}.extensions"),
                    format!("{extension:?} is no extension: write it like pg_trgm"),
                );
            } else if !tenancy.allows_extension(extension) {
                found.invalid(
                    format!("{field}.extensions"),
                    format!(
                        "{extension:?} is none that PostgreSQL trusts to any database's owner, and could reach other databases of the \
                         server: remove it, or ask the platform team to list it in tenancy.databaseExtensions"
                    ),
                );
            }
        }
        if let Some(other) = seen.insert(variable_part(&database.name), &database.name) {
            let what = if other == database.name {
                format!("{other:?} is there twice")
            } else {
                format!("{:?} and {other:?} would have the same variables", database.name)
            };
            found.invalid(
                format!("{field}.name"),
                format!("{what}: give one of them another name"),
            );
        }
    }
    spec.databases
        .iter()
        .map(|database| ValidLogicalDatabase {
            name: database.name.clone(),
            owner: database.owner().to_owned(),
            user: database.user.clone(),
            extensions: database.extensions.clone(),
        })
        .collect()
}

fn identifier(field: &str, name: &str, found: &mut FieldErrors) {
    if !is_identifier(name) {
        found.invalid(
            field,
            format!(
                "{name:?} must begin with a lower-case letter, hold only a-z, 0-9, '-' and '_', and have at most {LONGEST} characters"
            ),
        );
    } else if matches!(
        name,
        "postgres" | "template0" | "template1" | "public" | "none" | "rdsadmin"
    ) || name.starts_with("pg_")
    {
        found.invalid(
            field,
            format!("PostgreSQL keeps {name:?} for itself: choose another name"),
        );
    }
}

fn is_identifier(name: &str) -> bool {
    name.len() <= LONGEST
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_'))
}
