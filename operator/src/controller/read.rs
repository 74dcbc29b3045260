//! The drive as the API server has it now.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Api;
use ras_crds::RecruitmentDrive;

use crate::controller::context::Context;
use crate::controller::reconcile_error::Error;
use crate::informer::store::DriveKey;

const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Drops the metadata that the operator does not read: managed fields, and the copy of the object that `kubectl apply` keeps in an
/// annotation. A drive from the watch and one that is read live go through this, so that the two can be compared.
pub fn slim_metadata(meta: &mut ObjectMeta) {
    meta.managed_fields = None;
    if let Some(annotations) = &mut meta.annotations {
        annotations.remove(LAST_APPLIED);
    }
}

/// The drive as the API server has it now.
pub async fn read(key: &DriveKey, context: &Context) -> Result<Option<RecruitmentDrive>, Error> {
    let api: Api<RecruitmentDrive> = Api::namespaced(context.child_client.client.clone(), &key.namespace);
    let mut drive = api
        .get_opt(&key.name)
        .await
        .map_err(|error| Error::Read(Box::new(error)))?;
    if let Some(drive) = &mut drive {
        slim_metadata(&mut drive.metadata);
    }
    Ok(drive)
}
