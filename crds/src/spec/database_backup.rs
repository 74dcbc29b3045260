//! Backups of servers that CloudNativePG runs.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::bounds;

/// Backups that CloudNativePG makes by itself, with the first one at once. Where they go and how long they are kept is the platform's
/// matter; nothing of a drive removes one. Copies taken when the drive is suspended would be the same, so none are.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.volumeSnapshot) != has(self.objectStore)")
    .message("database.managed.backup has exactly one of volumeSnapshot and objectStore: set one of them"))]
pub struct DatabaseBackup {
    /// When: minute, hour, day of the month, month and day of the week (0 or `sun` is Sunday), as in a crontab and in
    /// CloudNativePG's time zone, which is UTC unless its Deployment says otherwise. `30 21 * * *` is three in the morning
    /// in India.
    #[schemars(
        length(min = 1, max = 100),
        regex(pattern = bounds::SCHEDULE)
    )]
    #[x_kube(validation = Rule::new("self.matches('^([*?]|0*[0-5]?[0-9](-0*[0-5]?[0-9])?)(/0*[1-9][0-9]?)?(,([*?]|0*[0-5]?[0-9](-0*[0-5]?[0-9])?)(/0*[1-9][0-9]?)?)* ([*?]|0*([01]?[0-9]|2[0-3])(-0*([01]?[0-9]|2[0-3]))?)(/0*[1-9][0-9]?)?(,([*?]|0*([01]?[0-9]|2[0-3])(-0*([01]?[0-9]|2[0-3]))?)(/0*[1-9][0-9]?)?)* ([*?]|0*([1-9]|[12][0-9]|3[01])(-0*([1-9]|[12][0-9]|3[01]))?)(/0*[1-9][0-9]?)?(,([*?]|0*([1-9]|[12][0-9]|3[01])(-0*([1-9]|[12][0-9]|3[01]))?)(/0*[1-9][0-9]?)?)* ([*?]|(0*([1-9]|1[0-2])|(?i:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec))(-(0*([1-9]|1[0-2])|(?i:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)))?)(/0*[1-9][0-9]?)?(,([*?]|(0*([1-9]|1[0-2])|(?i:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec))(-(0*([1-9]|1[0-2])|(?i:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)))?)(/0*[1-9][0-9]?)?)* ([*?]|(0*[0-6]|(?i:sun|mon|tue|wed|thu|fri|sat))(-(0*[0-6]|(?i:sun|mon|tue|wed|thu|fri|sat)))?)(/0*[1-9][0-9]?)?(,([*?]|(0*[0-6]|(?i:sun|mon|tue|wed|thu|fri|sat))(-(0*[0-6]|(?i:sun|mon|tue|wed|thu|fri|sat)))?)(/0*[1-9][0-9]?)?)*$')")
        .message("a schedule has minutes 0-59, hours 0-23, days 1-31, months 1-12 or jan-dec, and days of the week 0-6 or sun-sat: write it like 30 21 * * *"))]
    pub schedule: String,

    /// Snapshots of the volumes, by the storage they are on. No time in between can be gone back to. Nothing removes
    /// old ones by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volume_snapshot: Option<VolumeSnapshotBackup>,

    /// An object store, by CloudNativePG's plugin Barman Cloud, which has to be installed. Every change is sent there too,
    /// so that any time since the first backup can be gone back to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object_store: Option<ObjectStoreBackup>,
}

/// Snapshots of volumes.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct VolumeSnapshotBackup {
    /// Name of a `VolumeSnapshotClass`. Absent: the cluster's default for the storage that the volumes are on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = bounds::LONGEST_OBJECT_NAME),
        regex(pattern = bounds::OBJECT_NAME)
    )]
    pub class_name: Option<String>,
}

/// A place in an object store.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ObjectStoreBackup {
    /// Name of an `ObjectStore` (`barmancloud.cnpg.io`) in the drive's namespace, which the platform's people made: it says
    /// the bucket, its credentials and how long backups are kept.
    #[schemars(
        length(min = 1, max = bounds::LONGEST_OBJECT_NAME),
        regex(pattern = bounds::OBJECT_NAME)
    )]
    pub name: String,
}
