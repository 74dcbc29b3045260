//! Databases that a drive's services use: a PostgreSQL server with one or more databases in it.

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{DatabaseBackup, DeletionPolicy, ExistingSecret, Resources, Rotation, bounds, parameters};
use crate::Quantity;

/// A PostgreSQL server, made for the drive or there already, and the databases in it. Each database and its owner are
/// made when they are missing. Nothing is ever dropped: what is taken out here stays on the server.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.managed) != has(self.external)")
    .message("database has exactly one of managed and external: set one of them"))]
#[x_kube(validation = Rule::new("has(self.managed) == has(oldSelf.managed)")
    .message("database.managed and external cannot replace each other, or services would find empty databases: make a new drive with the other one and copy the data, as docs/databases.md shows"))]
#[x_kube(validation = Rule::new("(has(self.credentials) ? self.credentials : 'PerDatabase') == (has(oldSelf.credentials) ? oldSelf.credentials : 'PerDatabase')")
    .message("database.credentials cannot be changed, for running programs would be locked out: set what it was, or make a new drive and copy the data")
    .field_path(".credentials"))]
#[x_kube(validation = Rule::new("!has(self.deletionPolicy) || has(self.managed)")
    .message("database.deletionPolicy goes with managed, for nothing of an external server is ever deleted: remove deletionPolicy")
    .field_path(".deletionPolicy"))]
#[x_kube(validation = Rule::new("self.databases.all(d, !has(d.user) || !self.databases.exists(e, (has(e.owner) ? e.owner : e.name) == d.user))")
    .message("database.databases[].user may not be an owner of databases, who could do more than use this one: choose another name")
    .field_path(".databases"))]
#[x_kube(validation = Rule::new("!has(self.credentials) || self.credentials != 'Shared' || self.databases.all(d, !has(d.user))")
    .message("database.databases[].user goes with credentials PerDatabase, for with one password for all whoever has the user's has the owner's: remove user, or make a drive with PerDatabase")
    .field_path(".databases"))]
#[x_kube(validation = Rule::new("!has(self.rotate) || self.databases.all(d, (has(d.owner) ? d.owner : d.name).size() <= 61 && (!has(d.user) || d.user.size() <= 61))")
    .message("database.rotate needs owners and users of at most 61 characters, for each has a second login with _2 after its name: remove rotate, or use a database whose owner and user have shorter names")
    .field_path(".rotate"))]
#[x_kube(validation = Rule::new("!has(self.rotate) || self.databases.all(d, !self.databases.exists(e, (has(e.owner) ? e.owner : e.name) == (has(d.owner) ? d.owner : d.name) + '_2' || has(d.user) && (has(e.owner) ? e.owner : e.name) == d.user + '_2' || has(e.user) && (e.user == (has(d.owner) ? d.owner : d.name) + '_2' || has(d.user) && e.user == d.user + '_2')))")
    .message("database.rotate gives each owner and user a second login with _2 after its name, and another one of that name is there: remove rotate, or choose other names")
    .field_path(".rotate"))]
pub struct Database {
    /// A server of the drive's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub managed: Option<ManagedDatabase>,

    /// A server that somebody else keeps, such as RDS: a Secret of this namespace with the keys `host`, `username`
    /// and `password` and, where they are needed, `port`, `sslmode` and `ca` (certificates, PEM). Without `sslmode` the
    /// Job verifies the server's certificate, by `ca` or by public authorities. The user must be allowed to make roles and databases.
    /// The operator does not read the Secret; pods do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external: Option<ExistingSecret>,

    /// The databases on the server. One that is taken out stays on the server and is reported as no longer managed.
    #[schemars(length(min = 1, max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    #[x_kube(validation = Rule::new("self.all(d, self.exists_one(e, e.name.replace('-', '_') == d.name.replace('-', '_')))")
        .message("database.databases[].name must differ from the others in more than '-' and '_', for variables are named after it: rename one of them"))]
    pub databases: Vec<LogicalDatabase>,

    /// Whether each owner has a password of its own, or all have one. Absent: `PerDatabase`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<DatabaseCredentials>,

    /// When programs get new passwords. Each owner has two logins that take turns, so nobody is locked out: the next
    /// one works before the first pod is replaced, and the last one works until the next rotation. With
    /// `keepWhileOpen` the next login is made ready at any time, and programs get it when the drive is closed.
    /// Absent: only when asked to, by the annotation `ras.dev/rotate` with the name `database`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotate: Option<Rotation>,

    /// What happens to the volume and the passwords of a managed server when the drive no longer asks
    /// for it or is deleted. Absent: Retain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion_policy: Option<DeletionPolicy>,
}

/// A PostgreSQL server of the drive's own.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self.provider == oldSelf.provider")
    .message("database.managed.provider cannot be changed, or services would find empty databases: make a new drive with the other provider and copy the data, as docs/databases.md shows")
    .field_path(".provider"))]
#[x_kube(validation = Rule::new("self.provider != 'Standalone' || !has(self.instances) || self.instances == 1")
    .message("database.managed.instances of Standalone is 1, for it has no copies: remove instances, or make a new drive with provider CloudNativePG")
    .field_path(".instances"))]
#[x_kube(validation = Rule::new("self.provider != 'Standalone' || !has(self.backup)")
    .message("database.managed.backup goes with CloudNativePG, for Standalone has no backups of its own: remove backup and copy with pg_dump, or make a new drive with provider CloudNativePG")
    .field_path(".backup"))]
#[x_kube(validation = Rule::new("self.version >= oldSelf.version")
    .message("database.managed.version can never go down, for an older PostgreSQL cannot read the files: set the version it had")
    .field_path(".version"))]
#[x_kube(validation = Rule::new("self.provider != 'Standalone' || self.version <= oldSelf.version")
    .message("database.managed.version of Standalone stays, for it cannot convert the files: set the version it had, or make a new drive (with provider CloudNativePG, which can) and copy the data")
    .field_path(".version"))]
#[x_kube(validation = Rule::new("!isQuantity(string(self.size)) || (quantity(string(self.size)).compareTo(quantity('1')) >= 0 && quantity(string(self.size)).isLessThan(quantity('8Ei')))")
    .message("database.managed.size counts bytes, from 1 to 8Ei, and m means thousandths of one: set 10Gi, for instance")
    .field_path(".size"))]
#[x_kube(validation = Rule::new("!has(oldSelf.storageClassName) || !has(self.storageClassName) || self.storageClassName == oldSelf.storageClassName")
    .message("database.managed.storageClassName cannot be changed: remove it, which keeps the class that the volume has, or make a new drive and copy the data")
    .field_path(".storageClassName"))]
pub struct ManagedDatabase {
    /// Who runs the server.
    pub provider: DatabaseProvider,

    /// Major version of PostgreSQL. Its minor version is the newest that the image of this version has.
    #[schemars(range(min = 14, max = 18))]
    pub version: i32,

    /// How many servers hold the data: one that is written to, and copies that take its place. Absent: 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 9))]
    pub instances: Option<i32>,

    /// Size of each server's volume, for instance `20Gi`. It can grow later where the storage
    /// class allows it, and never gets smaller than it is.
    pub size: Quantity,

    /// Storage class. Absent: the platform's, or the cluster's default. A volume that exists keeps the one it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = bounds::LONGEST_OBJECT_NAME),
        regex(pattern = bounds::OBJECT_NAME)
    )]
    pub storage_class_name: Option<String>,

    /// CPU and memory of each server. Absent: requests of 250m CPU and 512Mi memory, a limit of 1Gi memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,

    /// Parameters of the server, such as `max_connections`, as PostgreSQL writes them. A change restarts the server where
    /// PostgreSQL needs that, and always where it is Standalone. docs/databases.md lists the parameters that may be set.
    /// Absent: PostgreSQL's own defaults.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 64, "additionalProperties" = {"type": "string", "maxLength": parameters::LONGEST_VALUE}))]
    #[x_kube(validation = Rule::new(parameters::rule_of_names())
        .message("database.managed.parameters may hold only parameters for size, speed, time limits and logging, such as max_connections, because others run programs, read files or open the server: remove the others (docs/databases.md lists what may be set)"))]
    #[x_kube(validation = Rule::new(parameters::rule_of_values())
        .message("database.managed.parameters must have values as PostgreSQL writes them and within its bounds, such as max_connections '200', shared_buffers 256MB, statement_timeout 30s and jit off: correct the value (docs/databases.md lists the kinds)"))]
    pub parameters: BTreeMap<String, String>,

    /// Backups, of servers that CloudNativePG runs. Absent: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup: Option<DatabaseBackup>,
}

/// Who runs a managed server.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DatabaseProvider {
    /// One server from the official image, on one volume: for starting out and for a small campus. It has no copy and no
    /// backup of its own.
    #[default]
    Standalone,
    /// The operator CloudNativePG, which has to be installed: copies that take over, backups, new versions.
    CloudNativePG,
}

impl DatabaseProvider {
    /// The word as it stands in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Standalone => "Standalone",
            Self::CloudNativePG => "CloudNativePG",
        }
    }
}

/// One database on the server.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("(has(self.owner) ? self.owner : self.name) == (has(oldSelf.owner) ? oldSelf.owner : oldSelf.name)")
    .message("database.databases[].owner cannot be changed, for what is in the database belongs to it: set what it was, or add a database of another name")
    .field_path(".owner"))]
pub struct LogicalDatabase {
    /// Name of the database on the server, unique in the drive; services refer to it.
    #[schemars(length(min = 1, max = 63), regex(pattern = bounds::DATABASE_NAME))]
    #[x_kube(validation = Rule::new("!(self in ['postgres', 'template0', 'template1', 'public', 'none', 'rdsadmin']) && !self.startsWith('pg_')")
        .message("database.databases[].name may not be one that PostgreSQL keeps for itself (postgres, template0, template1, public, none, pg_…): choose another name"))]
    pub name: String,

    /// The role that owns the database, and as which programs log in: since PostgreSQL 15 only the owner may make
    /// tables without more grants. Several databases may have one owner. Absent: a role of the database's own name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = bounds::DATABASE_NAME))]
    #[x_kube(validation = Rule::new("!(self in ['postgres', 'template0', 'template1', 'public', 'none', 'rdsadmin']) && !self.startsWith('pg_')")
        .message("database.databases[].owner may not be one that PostgreSQL keeps for itself (postgres, public, none, pg_…): choose another name"))]
    pub owner: Option<String>,

    /// The role as which programs log in where they should not change tables: it may read and write the rows of what its
    /// owner makes in the schema `public`, and no more. Migrations log in as the owner. It is made when it is not there;
    /// several databases may have one. Needs PostgreSQL 15 or later to keep it from making tables of its own.
    /// Absent: programs log in as the owner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = bounds::DATABASE_NAME))]
    #[x_kube(validation = Rule::new("!(self in ['postgres', 'template0', 'template1', 'public', 'none', 'rdsadmin']) && !self.startsWith('pg_')")
        .message("database.databases[].user may not be one that PostgreSQL keeps for itself (postgres, public, none, pg_…): choose another name"))]
    pub user: Option<String>,

    /// Extensions to have in the database, for instance `pg_trgm`. One that is taken out stays. Absent: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 16),
        inner(length(min = 1, max = 63), regex(pattern = bounds::EXTENSION))
    )]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub extensions: Vec<String>,
}

impl LogicalDatabase {
    /// The role that owns it.
    pub fn owner(&self) -> &str {
        self.owner.as_deref().unwrap_or(&self.name)
    }

    /// The roles that somebody logs in as: the owner, and the user where there is one.
    pub fn roles(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.owner()).chain(self.user.as_deref())
    }
}

/// How many passwords there are.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DatabaseCredentials {
    /// Each owner has its own: what one service leaks opens no other's database.
    #[default]
    PerDatabase,
    /// All owners have one, for programs that know one password only.
    Shared,
}

/// Something of one of the drive's databases, for an environment variable.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct DatabaseKeyRef {
    /// Name of an entry in `spec.database.databases`.
    #[schemars(length(min = 1, max = 63))]
    pub name: String,

    /// What of it.
    pub key: DatabaseKey,
}

/// What a program may need to know of a database.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub enum DatabaseKey {
    /// Host name of the server.
    Host,
    /// Port of the server.
    Port,
    /// Name of the database.
    Name,
    /// Role to log in as.
    User,
    /// What follows the database's name in the role's name, for programs that make user names of the two: `admin` where
    /// `rcadmin` logs in to `rc`, and `admin_2` after a rotation. The owner's (or user's) name must begin with the
    /// database's.
    UserSuffix,
    /// Password of that role, from a Secret.
    Password,
    /// All of it: `postgresql://user:password@host:port/name?sslmode=…`.
    Url,
    /// How far TLS is asked for, in libpq's words: `disable`, `require`, `verify-full` and so on.
    Sslmode,
    /// File in the container with the certificates by which the server is known. Only where the server has some.
    CaFile,
}
