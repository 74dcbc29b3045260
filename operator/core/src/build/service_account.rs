//! `ServiceAccount`: an identity without rights. Pods get no token of it.

use k8s_openapi::api::core::v1::ServiceAccount;

use super::metadata;
use crate::names;
use crate::valid::ValidDrive;

pub(super) fn build(drive: &ValidDrive) -> ServiceAccount {
    ServiceAccount {
        metadata: metadata::of_drive(drive, names::of_drive(&drive.name)),
        automount_service_account_token: Some(false),
        ..ServiceAccount::default()
    }
}
