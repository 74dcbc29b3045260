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
    /// Databases and owners that CloudNativePG creates with the first server.
    pub bootstrap: Bootstrap,
    /// The superuser has a password.
    pub enable_superuser_access: bool,
    /// The volume of each server.
    pub storage: Storage,
    /// CPU and memory of each server.
    pub resources: ResourceRequirements,
    /// Settings of PostgreSQL. Absent: CloudNativePG's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub postgresql: Option<Postgresql>,
    /// Absent: Prometheus does not find the servers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub monitoring: Option<Monitoring>,
    /// How backups are made that need no plugin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup: Option<Backup>,
    /// Programs that do what CloudNativePG itself does not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub plugins: Vec<Plugin>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Postgresql {
    /// Its parameters, by name.
    pub parameters: BTreeMap<String, String>,
}

/// Databases and owners that CloudNativePG creates with the first server.
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
    pub owner: String,
    /// Statements that the superuser runs once, when the owner is there.
    #[serde(rename = "postInitSQL")]
    pub post_init_sql: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Storage {
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

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VolumeSnapshot {
    /// Name of a `VolumeSnapshotClass`. Absent: the cluster's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class_name: Option<String>,
    /// With what a snapshot goes.
    pub snapshot_owner_reference: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Plugin {
    pub name: String,
    /// It gets every change of the data.
    #[serde(rename = "isWALArchiver")]
    pub is_wal_archiver: bool,
    pub parameters: BTreeMap<String, String>,
}

/// When copies are taken, of what, and how.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ScheduledBackupSpec {
    /// Six fields: a crontab's, with seconds before them.
    pub schedule: String,
    /// The first one is taken at once.
    pub immediate: bool,
    /// No backups are taken for now.
    pub suspend: bool,
    pub cluster: LocalObjectReference,
    /// `volumeSnapshot` or `plugin`.
    pub method: String,
    /// Which plugin, where it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plugin_configuration: Option<PluginReference>,
    /// The owner of `Backup` objects.
    pub backup_owner_reference: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PluginReference {
    pub name: String,
}
