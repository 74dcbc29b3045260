//! A drive's database server, and what is on it.

use std::collections::BTreeMap;

use ras_crds::spec::DeletionPolicy;

use crate::names;

use super::{Policy, UsedSecret, ValidResources};

/// Suffix of the second login of an owner.
pub const SUFFIX: &str = "_2";

/// Where programs find the certificates of their database server.
pub const CA_FILE: &str = "/ras/database/ca.crt";

/// Key of an external server's Secret with these certificates.
pub const CA: &str = "ca";

/// Key of the Secret in which CloudNativePG keeps them.
pub const CLUSTER_CA: &str = "ca.crt";

/// The administrator of servers that CloudNativePG runs, and its database: CloudNativePG makes one of each in any case.
pub const CLUSTER_ADMIN: &str = "ras_operator";

/// A database server with the databases on it.
#[derive(Clone, Debug, PartialEq)]
pub struct ValidDatabase {
    /// Name of everything there is one of: the server with its Service, the Job's `ConfigMap`.
    pub child: String,
    /// Where the server is from.
    pub server: DatabaseServer,
    /// The databases, in the spec's order.
    pub databases: Vec<ValidLogicalDatabase>,
    /// The first login of each owner and user: the role itself.
    pub first: Vec<DatabaseLogin>,
    /// The second login of each of them, which is made when the passwords rotate for the first time.
    pub second: Vec<DatabaseLogin>,
    /// When programs change from one to the other.
    pub rotation: LoginRotation,
    /// The token of the annotation `ras.dev/prepare-database`.
    pub again: Option<String>,
}

impl ValidDatabase {
    /// True if the operator or CloudNativePG runs the server.
    pub fn is_managed(&self) -> bool {
        !matches!(self.server, DatabaseServer::External(_))
    }
}

/// When programs change from one login to the other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoginRotation {
    pub policy: Policy,
    /// The spec has a schedule.
    pub rotates: bool,
    /// The request to rotate that stands in the drive's annotations.
    pub request: Option<String>,
    /// Why there cannot be a second login, where there cannot.
    pub obstacle: Option<String>,
}

/// Where a database server is from.
#[derive(Clone, Debug, PartialEq)]
pub enum DatabaseServer {
    /// One server of ours on one volume.
    Standalone(ValidStandalone),
    /// Servers that CloudNativePG runs for us.
    CloudNativePG(ValidCluster),
    /// A server that the operator does not run.
    External(ExternalServer),
}

/// One server of ours on one volume.
#[derive(Clone, Debug, PartialEq)]
pub struct ValidStandalone {
    /// Image of the server, with the major version as its tag.
    pub image: String,
    pub version: i32,
    /// Name of the volume's claim.
    pub claim: String,
    /// Size of the volume.
    pub size: String,
    /// Storage class; absent: the cluster's default.
    pub storage_class: Option<String>,
    pub resources: ValidResources,
    /// Parameters of the server, by name.
    pub parameters: BTreeMap<String, String>,
    /// Secret with the administrator's password, which is made.
    pub superuser: UsedSecret,
    /// For the volume and that Secret.
    pub deletion_policy: DeletionPolicy,
}

/// Servers that CloudNativePG runs for us.
#[derive(Clone, Debug, PartialEq)]
pub struct ValidCluster {
    /// Image of the servers, with the major version as its tag.
    pub image: String,
    pub instances: i32,
    /// Size of each one's volume.
    pub size: String,
    /// Storage class; absent: the cluster's default.
    pub storage_class: Option<String>,
    /// CPU and memory of each.
    pub resources: ValidResources,
    /// Parameters of the server, by name.
    pub parameters: BTreeMap<String, String>,
    /// Name of the Secret with the administrator's password, which CloudNativePG makes.
    pub admin: String,
    /// Name of the Secret with the authority that signs the servers' certificates, which CloudNativePG makes.
    pub authority: String,
    /// When and where to what they hold is copied.
    pub backup: Option<ValidBackup>,
    /// For the servers and their volumes.
    pub deletion_policy: DeletionPolicy,
}

/// When and where to what servers hold is copied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValidBackup {
    /// Five fields, as in a crontab.
    pub schedule: String,
    pub place: BackupPlace,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BackupPlace {
    /// In the storage of the volumes.
    VolumeSnapshot {
        /// Name of a `VolumeSnapshotClass`; absent: the cluster's default.
        class_name: Option<String>,
    },
    /// In an object store.
    ObjectStore {
        /// Name of an `ObjectStore` of the plugin Barman Cloud.
        name: String,
    },
}

/// Where the certificates are by which a server is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValidAuthority {
    /// Name of the Secret.
    pub secret_name: String,
    pub key: String,
}

/// A server that the operator does not run, by the metadata of its Secret.
#[derive(Clone, Debug, PartialEq)]
pub struct ExternalServer {
    /// Secret with the administrator's connection.
    pub secret: UsedSecret,
    /// It has the key `port`. Otherwise the port is 5432.
    pub has_port: bool,
    /// It has the key `sslmode`.
    pub has_sslmode: bool,
    /// It has the key `ca`.
    pub has_ca: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValidLogicalDatabase {
    /// Name on the server, and in the drive.
    pub name: String,
    /// Role that owns it.
    pub owner: String,
    /// Role that programs work as, where it is not the owner.
    pub user: Option<String>,
    /// Extensions to have in it.
    pub extensions: Vec<String>,
}

impl ValidLogicalDatabase {
    /// The role that programs work as.
    pub fn user(&self) -> &str {
        self.user.as_deref().unwrap_or(&self.owner)
    }

    /// The roles that log in.
    pub fn roles(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.owner.as_str()).chain(self.user.as_deref())
    }
}

/// One login that must work.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DatabaseLogin {
    /// Owner, or user, that it works as.
    pub owner: String,
    /// Role that logs in.
    pub role: String,
    /// Secret with its password, which is made; several logins may share one.
    pub secret_name: String,
}

/// Where the certificates are by which a server is known, where it has some.
pub fn authority(server: &DatabaseServer) -> Option<ValidAuthority> {
    let (secret_name, key) = match server {
        DatabaseServer::External(external) if external.has_ca => (&external.secret.secret_name, CA),
        DatabaseServer::CloudNativePG(cluster) => (&cluster.authority, CLUSTER_CA),
        DatabaseServer::External(_) | DatabaseServer::Standalone(_) => return None,
    };
    Some(ValidAuthority {
        secret_name: secret_name.clone(),
        key: key.to_owned(),
    })
}

/// Where programs find a server of the drive's own: CloudNativePG's Service leads to whichever is written to.
pub fn host_of(database: &ValidDatabase) -> String {
    match &database.server {
        DatabaseServer::CloudNativePG(_) => names::cluster_service(&database.child),
        DatabaseServer::Standalone(_) | DatabaseServer::External(_) => database.child.clone(),
    }
}
