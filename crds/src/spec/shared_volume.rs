//! Volumes that several services of a drive mount.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::{AccessMode, DeletionPolicy, bounds};
use crate::Quantity;

/// A volume that services mount by its name (`services[].volumes[].shared`). Its claim is named `<drive>-<volume>`.
///
/// All pods that mount a `ReadWriteOnce` volume run on one node, because one node alone can mount it.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.size) || !isQuantity(string(self.size)) || (quantity(string(self.size)).compareTo(quantity('1')) >= 0 && quantity(string(self.size)).isLessThan(quantity('8Ei')))")
    .message("spec.volumes[].size counts bytes, from 1 to 8Ei, and m means thousandths of one: set 1Gi, for instance")
    .field_path(".size"))]
#[x_kube(validation = Rule::new("!has(oldSelf.storageClassName) || !has(self.storageClassName) || self.storageClassName == oldSelf.storageClassName")
    .message("spec.volumes[].storageClassName cannot be changed: remove it, which keeps the class that the volume has, or add a volume with another name and copy the data")
    .field_path(".storageClassName"))]
#[x_kube(validation = Rule::new("(has(self.accessMode) ? self.accessMode : 'ReadWriteOnce') == (has(oldSelf.accessMode) ? oldSelf.accessMode : 'ReadWriteOnce')")
    .message("spec.volumes[].accessMode cannot be changed: set what it was, or add a volume with another name and copy the data")
    .field_path(".accessMode"))]
pub struct SharedVolume {
    /// Name of the volume, unique in the drive.
    #[schemars(length(min = 1, max = 40), regex(pattern = bounds::PART_NAME))]
    pub name: String,

    /// Size, for instance `20Gi`. It can grow later where the storage class allows it, and never gets smaller than it is.
    pub size: Quantity,

    /// Storage class. Absent: the platform's, or the cluster's default. A volume that exists keeps the one it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = bounds::LONGEST_OBJECT_NAME),
        regex(pattern = bounds::OBJECT_NAME)
    )]
    pub storage_class_name: Option<String>,

    /// Who may mount it at the same time. Absent: `ReadWriteOnce`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self != 'ReadWriteOncePod'")
        .message("spec.volumes[].accessMode may not be ReadWriteOncePod, with which one pod alone mounts it: set ReadWriteOnce or ReadWriteMany"))]
    pub access_mode: Option<AccessMode>,

    /// What happens to the volume when it is removed from the drive or the drive is deleted. Absent: Retain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion_policy: Option<DeletionPolicy>,
}
