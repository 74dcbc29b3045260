//! `PersistentVolumeClaim` of the database server: it outlives the drive unless the drive says otherwise.
//!
//! A claim of its own and not one of the `StatefulSet`'s templates, which can neither grow nor be kept or deleted as
//! the drive says.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{PersistentVolumeClaim, PersistentVolumeClaimSpec, VolumeResourceRequirements};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use super::constants::SERVICE;
use crate::build::{labels, metadata};
use crate::valid::{ValidDrive, ValidStandalone};

pub(super) fn build(drive: &ValidDrive, standalone: &ValidStandalone) -> PersistentVolumeClaim {
    PersistentVolumeClaim {
        metadata: metadata::kept(
            drive,
            standalone.claim.clone(),
            labels::of_service(drive, SERVICE),
            standalone.deletion_policy,
        ),
        spec: Some(PersistentVolumeClaimSpec {
            access_modes: Some(vec!["ReadWriteOnce".to_owned()]),
            storage_class_name: standalone.storage_class.clone(),
            resources: Some(VolumeResourceRequirements {
                requests: Some(BTreeMap::from([(
                    "storage".to_owned(),
                    Quantity(standalone.size.clone()),
                )])),
                ..VolumeResourceRequirements::default()
            }),
            ..PersistentVolumeClaimSpec::default()
        }),
        ..PersistentVolumeClaim::default()
    }
}
