//! The drive as the API server has it now.

use kube::Api;
use ras_crds::RecruitmentDrive;

use crate::controller::context::Context;
use crate::controller::reconcile_error::Error;
use crate::controller::slim::slim_metadata;
use crate::informer::store::DriveKey;

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
