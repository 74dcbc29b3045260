//! `ScheduledBackup`: has CloudNativePG copy what its servers hold, and what the `Cluster` says of it.
//!
//! What it made stays: nothing of ours owns a backup, so that one is there when it is needed most.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::LocalObjectReference;

use crate::build::{labels, metadata};
use crate::foreign::cloud_native_pg::{
    Backup, Plugin, PluginReference, ScheduledBackup, ScheduledBackupSpec, VolumeSnapshot,
};
use crate::plan::Plan;
use crate::valid::{BackupPlace, ValidBackup, ValidCluster, ValidDatabase};

/// CloudNativePG's plugin for object stores (<https://cloudnative-pg.io/plugin-barman-cloud/>). What CloudNativePG can do
/// itself for them is deprecated since its release 1.26.
const BARMAN_CLOUD: &str = "barman-cloud.cloudnative-pg.io";

pub(super) fn build(plan: &Plan<'_>, database: &ValidDatabase, cluster: &ValidCluster) -> Option<ScheduledBackup> {
    let drive = plan.drive;
    let backup = cluster
        .backup
        .as_ref()
        .filter(|_| plan.fetched.apis.scheduled_backups)?;
    let (method, plugin) = match &backup.place {
        BackupPlace::VolumeSnapshot { .. } => ("volumeSnapshot", None),
        BackupPlace::ObjectStore { .. } => ("plugin", Some(BARMAN_CLOUD)),
    };
    Some(ScheduledBackup::new(
        metadata::part(drive, database.child.clone(), labels::of_drive(drive)),
        ScheduledBackupSpec {
            schedule: format!("0 {}", backup.schedule),
            // Whether it works is known today and not at night.
            immediate: true,
            // Of servers that hibernate nothing can be taken.
            suspend: drive.suspended,
            cluster: LocalObjectReference {
                name: database.child.clone(),
            },
            method: method.to_owned(),
            plugin_configuration: plugin.map(|name| PluginReference { name: name.to_owned() }),
            backup_owner_reference: "none".to_owned(),
        },
    ))
}

/// What of the `Cluster` says how snapshots are taken.
pub(super) fn of_cluster(backup: Option<&ValidBackup>) -> Option<Backup> {
    match &backup?.place {
        BackupPlace::VolumeSnapshot { class_name } => Some(Backup {
            volume_snapshot: VolumeSnapshot {
                class_name: class_name.clone(),
                // Who deletes a `Backup` means what it stands for.
                snapshot_owner_reference: "backup".to_owned(),
            },
        }),
        BackupPlace::ObjectStore { .. } => None,
    }
}

/// What of the `Cluster` says where changes are sent.
pub(super) fn plugins(backup: Option<&ValidBackup>) -> Vec<Plugin> {
    let place = backup.map(|backup| &backup.place);
    let Some(BackupPlace::ObjectStore { name }) = place else {
        return Vec::new();
    };
    vec![Plugin {
        name: BARMAN_CLOUD.to_owned(),
        is_wal_archiver: true,
        parameters: BTreeMap::from([("barmanObjectName".to_owned(), name.clone())]),
    }]
}
