//! `PersistentVolumeClaim`: storage that outlives pods and, unless the drive says otherwise, the drive.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{PersistentVolumeClaim, PersistentVolumeClaimSpec, VolumeResourceRequirements};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use super::{labels, metadata};
use crate::valid::{ValidClaim, ValidDrive, ValidService, VolumeSource};

/// The claims of one service.
pub(super) fn of_service(drive: &ValidDrive, service: &ValidService) -> Vec<PersistentVolumeClaim> {
    let volumes = service.volumes.iter();
    volumes
        .filter_map(|volume| match &volume.source {
            VolumeSource::Claim(claim) => {
                let labels = labels::of_volume(drive, &service.name, &volume.name);
                Some(of_claim(drive, claim, labels))
            }
            VolumeSource::Shared { .. } | VolumeSource::Existing { .. } | VolumeSource::Scratch { .. } => None,
        })
        .collect()
}

/// The claims that several services may mount.
pub(super) fn shared(drive: &ValidDrive) -> impl Iterator<Item = PersistentVolumeClaim> {
    let volumes = drive.shared_volumes.iter();
    volumes.map(|volume| of_claim(drive, &volume.claim, labels::of_shared_volume(drive, &volume.name)))
}

fn of_claim(drive: &ValidDrive, claim: &ValidClaim, labels: BTreeMap<String, String>) -> PersistentVolumeClaim {
    PersistentVolumeClaim {
        metadata: metadata::kept(drive, claim.claim.clone(), labels, claim.deletion_policy),
        spec: Some(PersistentVolumeClaimSpec {
            access_modes: Some(vec![claim.access_mode.as_str().to_owned()]),
            storage_class_name: claim.storage_class.clone(),
            resources: Some(VolumeResourceRequirements {
                requests: Some(BTreeMap::from([("storage".to_owned(), Quantity(claim.size.clone()))])),
                ..VolumeResourceRequirements::default()
            }),
            ..PersistentVolumeClaimSpec::default()
        }),
        ..PersistentVolumeClaim::default()
    }
}
