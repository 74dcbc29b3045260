//! Secret: the frame of a generated one. Values are drawn by `apply`, once, and are never known here.

use k8s_openapi::api::core::v1::Secret;

use super::{labels, metadata};
use crate::build::desired::{Credential, CredentialNotes};
use crate::plan::Plan;
use crate::plan::secret_rotation::RotationSchedule;
use crate::valid::GeneratedSecret;

pub(super) fn build(plan: &Plan<'_>, secret: &GeneratedSecret) -> Credential {
    Credential {
        secret: Secret {
            metadata: metadata::kept(
                plan.drive,
                secret.secret_name.clone(),
                labels::of_drive(plan.drive),
                secret.deletion_policy,
            ),
            type_: Some("Opaque".to_owned()),
            ..Secret::default()
        },
        keys: secret.keys.clone(),
        value_format: secret.value_format,
        rotate: plan.secrets.get(&secret.name) == Some(&RotationSchedule::Now),
        roll_back: false,
        notes: CredentialNotes {
            drawn_at: plan.calendar.now,
            request: secret.request.clone(),
            generation: None,
        },
    }
}
