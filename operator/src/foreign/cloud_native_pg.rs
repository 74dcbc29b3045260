//! `Cluster` (`postgresql.cnpg.io`): PostgreSQL servers that the operator CloudNativePG runs.

use k8s_openapi::api::core::v1::{LocalObjectReference, ResourceRequirements};
use serde::{Deserialize, Serialize};

super::foreign_kind! {
    /// PostgreSQL servers: one that is written to, and copies that take its place.
    Cluster, spec: ClusterSpec, group: "postgresql.cnpg.io", version: "v1", plural: "clusters"
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
    /// Whether Prometheus finds the servers. Absent: it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub monitoring: Option<Monitoring>,
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
