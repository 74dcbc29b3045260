//! `PersistentVolumeClaim`: storage that outlives pods and, unless the drive says otherwise, the drive.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{PersistentVolumeClaim, PersistentVolumeClaimSpec, VolumeResourceRequirements};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use super::{labels, metadata};
use crate::valid::{ValidDrive, ValidService, VolumeSource};

pub(super) fn build(drive: &ValidDrive, service: &ValidService) -> Vec<PersistentVolumeClaim> {
    let claim = |name: &str, source: &VolumeSource| match source {
        VolumeSource::Claim {
            claim,
            size,
            storage_class,
            access_mode,
            deletion_policy,
        } => Some(PersistentVolumeClaim {
            metadata: metadata::kept(
                drive,
                claim.clone(),
                labels::of_volume(drive, &service.name, name),
                *deletion_policy,
            ),
            spec: Some(PersistentVolumeClaimSpec {
                access_modes: Some(vec![access_mode.as_str().to_owned()]),
                storage_class_name: storage_class.clone(),
                resources: Some(VolumeResourceRequirements {
                    requests: Some(BTreeMap::from([("storage".to_owned(), Quantity(size.clone()))])),
                    ..VolumeResourceRequirements::default()
                }),
                ..PersistentVolumeClaimSpec::default()
            }),
            ..PersistentVolumeClaim::default()
        }),
        VolumeSource::Existing { .. } | VolumeSource::Scratch { .. } => None,
    };
    service
        .volumes
        .iter()
        .filter_map(|volume| claim(&volume.name, &volume.source))
        .collect()
}
