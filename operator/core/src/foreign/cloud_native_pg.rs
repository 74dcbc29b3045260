//! `Cluster` and `ScheduledBackup` (`postgresql.cnpg.io`): PostgreSQL servers that the operator CloudNativePG runs, and
//! copies of what is on them.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{LocalObjectReference, ResourceRequirements};
use serde::{Deserialize, Serialize};

super::foreign_kind! {
    /// PostgreSQL servers: one that is written to, and copies that take its place.
    Cluster, spec: ClusterSpec, group: "postgresql.cnpg.io", version: "v1", plural: "clusters"
}

super::foreign_kind! {
    /// Copies that are taken time and again.
    ScheduledBackup, spec: ScheduledBackupSpec, group: "postgresql.cnpg.io", version: "v1", plural: "scheduledbackups"
}

/// What we ask of the servers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClusterSpec {
    /// How many servers hold the data.
    pub instances: i32,
    /// Image of the servers.
    pub image_name: String,
    /// Names of Secrets with which images are pulled.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub image_pull_secrets: Vec<LocalObjectReference>,
    /// What is made when the first server starts.
    pub bootstrap: Bootstrap,
    /// Whether the superuser has a password.
    pub enable_superuser_access: bool,
    /// The volume of each server.
    pub storage: Storage,
    /// CPU and memory of each server.
    pub resources: ResourceRequirements,
    /// Settings of PostgreSQL. Absent: CloudNativePG's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub postgresql: Option<Postgresql>,
    /// Whether Prometheus finds the servers. Absent: it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub monitoring: Option<Monitoring>,
    /// How backups are made that need no plugin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup: Option<Backup>,
    /// Programs that do what CloudNativePG itself does not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub plugins: Vec<Plugin>,
}

/// Settings of PostgreSQL.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Postgresql {
    /// Its parameters, by name.
    pub parameters: BTreeMap<String, String>,
}

/// What is made when the first server starts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Bootstrap {
    /// A new, empty server.
    pub initdb: InitDb,
}

/// The first database and its owner, whose password CloudNativePG draws.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InitDb {
    /// Name of the database.
    pub database: String,
    /// Its owner.
    pub owner: String,
    /// Statements that the superuser runs once, when the owner is there.
    #[serde(rename = "postInitSQL")]
    pub post_init_sql: Vec<String>,
}

/// A volume.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Storage {
    /// Its size.
    pub size: String,
    /// Its storage class. Absent: the cluster's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage_class: Option<String>,
}

/// How Prometheus finds the servers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Monitoring {
    /// A `PodMonitor` of CloudNativePG's.
    pub enable_pod_monitor: bool,
}

/// How backups are made that need no plugin.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Backup {
    /// By snapshots of the volumes.
    pub volume_snapshot: VolumeSnapshot,
}

/// Snapshots of volumes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VolumeSnapshot {
    /// Name of a `VolumeSnapshotClass`. Absent: the cluster's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class_name: Option<String>,
    /// With what a snapshot goes.
    pub snapshot_owner_reference: String,
}

/// One plugin.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Plugin {
    /// Its name.
    pub name: String,
    /// Whether it gets every change of the data.
    #[serde(rename = "isWALArchiver")]
    pub is_wal_archiver: bool,
    /// What it is told.
    pub parameters: BTreeMap<String, String>,
}

/// When copies are taken, of what, and how.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ScheduledBackupSpec {
    /// Six fields: a crontab's, with seconds before them.
    pub schedule: String,
    /// Whether the first one is taken at once.
    pub immediate: bool,
    /// Whether none are taken for now.
    pub suspend: bool,
    /// The servers.
    pub cluster: LocalObjectReference,
    /// `volumeSnapshot` or `plugin`.
    pub method: String,
    /// Which plugin, where it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plugin_configuration: Option<PluginReference>,
    /// What takes the record of a backup along when it goes.
    pub backup_owner_reference: String,
}

/// Which plugin.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PluginReference {
    /// Its name.
    pub name: String,
}
