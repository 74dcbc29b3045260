//! Volumes: what a program may write to.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{DeletionPolicy, bounds};
use crate::Quantity;

/// One volume of a service: kept storage of a size, a volume of the drive, a claim that is there already, or scratch space.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("[has(self.size), has(self.shared), has(self.existing), has(self.scratch)].exists_one(x, x)")
    .message("volumes[] has exactly one of size, shared, existing and scratch: set one of them"))]
#[x_kube(validation = Rule::new("has(self.size) || !(has(self.storageClassName) || has(self.accessMode) || has(self.deletionPolicy))")
    .message("volumes[] has storageClassName, accessMode and deletionPolicy only with size: set size, or remove them"))]
#[x_kube(validation = Rule::new("!has(self.size) || !isQuantity(string(self.size)) || (quantity(string(self.size)).compareTo(quantity('1')) >= 0 && quantity(string(self.size)).isLessThan(quantity('8Ei')))")
    .message("volumes[].size counts bytes, from 1 to 8Ei, and m means thousandths of one: set 1Gi, for instance")
    .field_path(".size"))]
#[x_kube(validation = Rule::new("!has(self.size) || !has(oldSelf.size) || !has(oldSelf.storageClassName) || !has(self.storageClassName) || self.storageClassName == oldSelf.storageClassName")
    .message("volumes[].storageClassName cannot be changed: remove it, which keeps the class that the volume has, or add a volume with another name and copy the data")
    .field_path(".storageClassName"))]
#[x_kube(validation = Rule::new("!has(self.size) || !has(oldSelf.size) || (has(self.accessMode) ? self.accessMode : 'ReadWriteOnce') == (has(oldSelf.accessMode) ? oldSelf.accessMode : 'ReadWriteOnce')")
    .message("volumes[].accessMode cannot be changed: set what it was, or add a volume with another name and copy the data")
    .field_path(".accessMode"))]
pub struct Volume {
    /// Name of the volume, unique in the service.
    #[schemars(length(min = 1, max = 40), regex(pattern = bounds::PART_NAME))]
    pub name: String,

    /// Folder in the container where it is mounted.
    #[schemars(
        length(min = 2, max = 512),
        regex(pattern = bounds::MOUNT_PATH)
    )]
    #[x_kube(validation = Rule::new("!self.matches('^/(proc|sys)(/|$)') && self != '/dev'")
        .message("volumes[].path may not be /dev, nor in /proc or /sys, for these belong to the system: choose another one"))]
    #[x_kube(validation = Rule::new("!(self + '/').startsWith('/ras/')")
        .message("volumes[].path may not be /ras or below it, where the operator mounts its own files: choose another one"))]
    pub path: String,

    /// Size of a volume that outlives pods, for instance `20Gi`. It can grow later where the storage class
    /// allows it, and never gets smaller than it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<Quantity>,

    /// Name of an entry in `spec.volumes`, which other services may mount, too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 40))]
    pub shared: Option<String>,

    /// A `PersistentVolumeClaim` of this namespace that is there already. It is used and never changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub existing: Option<ExistingClaim>,

    /// Space that is empty when a pod starts and gone when it stops.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scratch: Option<Scratch>,

    /// true: the service reads the volume and never writes to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_only: Option<bool>,

    /// Folder of the volume to mount. Absent: all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255))]
    #[x_kube(validation = Rule::new("!self.startsWith('/') && !self.matches('(^|/)[.][.](/|$)')")
        .message("volumes[].subPath must be a path within the volume, without '..' and without '/' at the beginning: write it like uploads/logos"))]
    pub sub_path: Option<String>,

    /// true: an empty volume is filled with what the image has at `path` before the program starts, as Docker does. The image
    /// needs `sh`, `ls`, `grep` and `cp`. The files `.ras-filling` and `.ras-filled` in the volume record how far that is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_image: Option<bool>,

    /// Storage class. Absent: the platform's, or the cluster's default. A volume that exists keeps the one it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = bounds::LONGEST_OBJECT_NAME),
        regex(pattern = bounds::OBJECT_NAME)
    )]
    pub storage_class_name: Option<String>,

    /// Who may mount it at the same time. Absent: `ReadWriteOnce`, and the service then runs as one replica
    /// whose old pod stops before the new one starts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_mode: Option<AccessMode>,

    /// What happens to the volume when it is removed from the drive or the drive is deleted. Absent: Retain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion_policy: Option<DeletionPolicy>,
}

/// Who may mount a volume at the same time, in Kubernetes' words.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AccessMode {
    /// One node.
    #[default]
    ReadWriteOnce,
    /// One pod.
    ReadWriteOncePod,
    /// Many nodes, where the storage can do that.
    ReadWriteMany,
}

impl AccessMode {
    /// The name Kubernetes uses.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ReadWriteOnce => "ReadWriteOnce",
            Self::ReadWriteOncePod => "ReadWriteOncePod",
            Self::ReadWriteMany => "ReadWriteMany",
        }
    }
}

/// A claim that is there already.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ExistingClaim {
    /// Name of the `PersistentVolumeClaim`.
    #[schemars(
        length(min = 1, max = bounds::LONGEST_OBJECT_NAME),
        regex(pattern = bounds::OBJECT_NAME)
    )]
    pub claim_name: String,
}

/// Space that lives as long as its pod.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.sizeLimit) || !isQuantity(string(self.sizeLimit)) || (quantity(string(self.sizeLimit)).compareTo(quantity('1')) >= 0 && quantity(string(self.sizeLimit)).isLessThan(quantity('8Ei')))")
    .message("scratch.sizeLimit counts bytes, from 1 to 8Ei, and m means thousandths of one: set 1Gi, for instance")
    .field_path(".sizeLimit"))]
pub struct Scratch {
    /// Most it may hold; a pod that exceeds it is evicted. Absent: 1Gi.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size_limit: Option<Quantity>,

    /// true: kept in memory, which counts against the memory limit. Absent: on the node's disk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<bool>,
}
