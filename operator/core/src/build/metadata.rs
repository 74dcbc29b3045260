//! Name, namespace, labels and owner of every object.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use ras_crds::spec::DeletionPolicy;
use ras_crds::{GROUP, VERSION};

use super::labels;
use crate::valid::{ValidDrive, ValidService};

/// Of an object that belongs to the drive as a whole.
pub(super) fn of_drive(drive: &ValidDrive, name: String) -> ObjectMeta {
    owned(drive, name, labels::of_drive(drive))
}

/// Of an object that belongs to one service and bears its name.
pub(super) fn of_service(drive: &ValidDrive, service: &ValidService) -> ObjectMeta {
    owned(drive, service.child.clone(), labels::of_service(drive, &service.name))
}

/// Of a Job that does `work`, or of an object that goes with it.
pub(super) fn of_job(drive: &ValidDrive, name: String, purpose: &str, of: &str, work: &str) -> ObjectMeta {
    let mut metadata = owned(drive, name, labels::of_job(drive, purpose, of));
    metadata.annotations = Some(BTreeMap::from([(labels::WORK.to_owned(), work.to_owned())]));
    metadata
}

/// Of an object with a name and labels of its own.
pub(super) fn part(drive: &ValidDrive, name: String, labels: BTreeMap<String, String>) -> ObjectMeta {
    owned(drive, name, labels)
}

/// Of an object that a drive may leave behind. What stays has no owner, or the garbage collector would take
/// it with the drive; it is found again by name and labels.
///
/// `GitOps` tools must not take such an object for one of theirs, so it has no [`labels::INSTANCE`] and says to both in their own
/// words that it stays. This does not depend on the policy: an object loses its owner when the policy changes, and when
/// somebody deletes the drive with `--cascade=orphan`.
pub(super) fn kept(
    drive: &ValidDrive,
    name: String,
    mut labels: BTreeMap<String, String>,
    policy: DeletionPolicy,
) -> ObjectMeta {
    labels.remove(labels::INSTANCE);
    let mut metadata = owned(drive, name, labels);
    metadata.annotations = Some(BTreeMap::from([
        (labels::ARGO_CD_SYNC_OPTIONS.to_owned(), labels::ARGO_CD_KEEP.to_owned()),
        (labels::FLUX_PRUNE.to_owned(), labels::FLUX_KEEP.to_owned()),
    ]));
    match policy {
        DeletionPolicy::Retain => metadata.owner_references = None,
        DeletionPolicy::Delete => {}
    }
    metadata
}

/// With the drive as owner, so that the garbage collector cleans up after it without a finalizer, and even
/// when the operator is gone.
fn owned(drive: &ValidDrive, name: String, labels: BTreeMap<String, String>) -> ObjectMeta {
    let owner = drive.uid.as_ref().map(|uid| OwnerReference {
        api_version: format!("{GROUP}/{VERSION}"),
        kind: "RecruitmentDrive".to_owned(),
        name: drive.name.clone(),
        uid: uid.clone(),
        controller: Some(true),
        block_owner_deletion: Some(true),
    });
    ObjectMeta {
        name: Some(name),
        namespace: Some(drive.namespace.clone()),
        labels: Some(labels),
        owner_references: owner.map(|owner| vec![owner]),
        ..ObjectMeta::default()
    }
}
