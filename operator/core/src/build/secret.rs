//! Secret: the frame of a generated one. Values are drawn by `apply`, once, and are never known here.

use k8s_openapi::api::core::v1::Secret;

use super::{Credential, CredentialNotes, labels, metadata};
use crate::plan::secret_rotation::RotationSchedule;
use crate::valid::{GeneratedSecret, ValidDrive};

pub(super) fn build(drive: &ValidDrive, secret: &GeneratedSecret) -> Credential {
    Credential {
        secret: Secret {
            metadata: metadata::kept(
                drive,
                secret.secret_name.clone(),
                labels::of_drive(drive),
                secret.deletion_policy,
            ),
            type_: Some("Opaque".to_owned()),
            ..Secret::default()
        },
        keys: secret.keys.clone(),
        value_format: secret.value_format,
        rotate: secret.rotation == RotationSchedule::Now,
        roll_back: false,
        notes: CredentialNotes {
            drawn_at: drive.calendar.now,
            wish: secret.wish.clone(),
            generation: None,
        },
    }
}
