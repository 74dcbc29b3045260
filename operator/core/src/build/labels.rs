//! Labels and annotations of everything a drive makes.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
pub use ras_crds::labels::{
    APPLIED, ARGO_CD_KEEP, ARGO_CD_SYNC_OPTIONS, DRIVE, DRIVE_UID, FILES_HASH, FLUX_KEEP, FLUX_PRUNE, INSTANCE, JOB,
    JOB_OF, MANAGED_BY, MANAGER, REPLICAS_BEFORE_SUSPEND, SECRETS_HASH, SECRETS_KNOWN, SERVICE, SHARED_VOLUME, VOLUME,
    WORK,
};

use crate::valid::{ValidDrive, ValidService, VolumeSource};

/// Labels of what belongs to a drive as a whole.
pub fn of_drive(drive: &ValidDrive) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::from([
        (MANAGED_BY.to_owned(), MANAGER.to_owned()),
        ("app.kubernetes.io/part-of".to_owned(), "recruitment-drive".to_owned()),
        (INSTANCE.to_owned(), drive.name.clone()),
        (DRIVE.to_owned(), drive.name.clone()),
    ]);
    if let Some(uid) = &drive.uid {
        labels.insert(DRIVE_UID.to_owned(), uid.clone());
    }
    labels
}

/// Labels of what belongs to one service.
pub fn of_service(drive: &ValidDrive, service: &str) -> BTreeMap<String, String> {
    let mut labels = of_drive(drive);
    labels.insert("app.kubernetes.io/name".to_owned(), service.to_owned());
    labels.insert(SERVICE.to_owned(), service.to_owned());
    labels
}

/// Labels of a PVC of a service, by which it is found whatever hash is in its name.
pub fn of_volume(drive: &ValidDrive, service: &str, volume: &str) -> BTreeMap<String, String> {
    let mut labels = of_service(drive, service);
    labels.insert(VOLUME.to_owned(), volume.to_owned());
    labels
}

/// Labels of the PVC of a volume that several services may mount.
pub fn of_shared_volume(drive: &ValidDrive, volume: &str) -> BTreeMap<String, String> {
    let mut labels = of_drive(drive);
    labels.insert(VOLUME.to_owned(), volume.to_owned());
    labels
}

/// Labels of pods that mount volumes of which one node alone can mount each: by these they find one another's node.
pub fn of_one_node(service: &ValidService) -> BTreeMap<String, String> {
    let volumes = one_node_volumes(service).into_iter();
    volumes.map(|volume| (one_node(volume), "shared".to_owned())).collect()
}

/// Selects the pods of a drive that mount a volume which one node alone can mount.
pub fn select_one_node(drive: &ValidDrive, volume: &str) -> LabelSelector {
    LabelSelector {
        match_labels: Some(BTreeMap::from([
            (DRIVE.to_owned(), drive.name.clone()),
            (one_node(volume), "shared".to_owned()),
        ])),
        ..LabelSelector::default()
    }
}

/// Names of the drive's volumes that a service mounts and one node alone can mount.
pub fn one_node_volumes(service: &ValidService) -> BTreeSet<&str> {
    let volumes = service.volumes.iter();
    volumes
        .filter_map(|volume| match &volume.source {
            VolumeSource::Shared {
                volume,
                on_one_node: true,
                ..
            } => Some(volume.as_str()),
            VolumeSource::Shared { .. }
            | VolumeSource::Claim(_)
            | VolumeSource::Existing { .. }
            | VolumeSource::Scratch { .. } => None,
        })
        .collect()
}

fn one_node(volume: &str) -> String {
    format!("{SHARED_VOLUME}{volume}")
}

/// Labels of a service's pods: no UID, so that a drive that is made anew does not restart pods it finds.
pub fn of_pod(drive: &ValidDrive, service: &str) -> BTreeMap<String, String> {
    let mut labels = of_service(drive, service);
    labels.remove(DRIVE_UID);
    labels
}

/// Labels that tell the pods of a service from all others. A Deployment's selector can never be changed.
pub fn match_service(drive: &ValidDrive, service: &str) -> BTreeMap<String, String> {
    BTreeMap::from([
        (DRIVE.to_owned(), drive.name.clone()),
        (SERVICE.to_owned(), service.to_owned()),
    ])
}

/// Selects the pods of a service.
pub fn select_service(drive: &ValidDrive, service: &str) -> LabelSelector {
    LabelSelector {
        match_labels: Some(match_service(drive, service)),
        ..LabelSelector::default()
    }
}

/// Labels of a Job. None is a service's, so that nothing that selects a service's pods selects the Job's.
pub fn of_job(drive: &ValidDrive, purpose: &str, of: &str) -> BTreeMap<String, String> {
    let mut labels = of_drive(drive);
    labels.insert("app.kubernetes.io/name".to_owned(), of.to_owned());
    labels.insert("app.kubernetes.io/component".to_owned(), purpose.to_owned());
    labels.insert(JOB.to_owned(), purpose.to_owned());
    labels.insert(JOB_OF.to_owned(), of.to_owned());
    labels
}

/// Selects the pods of one purpose's Jobs for one part of the drive.
pub fn select_job(drive: &ValidDrive, purpose: &str, of: &str) -> LabelSelector {
    LabelSelector {
        match_labels: Some(BTreeMap::from([
            (DRIVE.to_owned(), drive.name.clone()),
            (JOB.to_owned(), purpose.to_owned()),
            (JOB_OF.to_owned(), of.to_owned()),
        ])),
        ..LabelSelector::default()
    }
}

/// Selects all pods of a drive.
pub fn select_drive(drive: &ValidDrive) -> LabelSelector {
    LabelSelector {
        match_labels: Some(BTreeMap::from([(DRIVE.to_owned(), drive.name.clone())])),
        ..LabelSelector::default()
    }
}
