//! Volumes that several services may mount.

use ras_crds::RecruitmentDrive;
use ras_crds::spec::AccessMode;

use super::field_errors::FieldErrors;
use super::{claims, labels, quantity};
use crate::fetched::Fetched;
use crate::names;
use crate::platform::PlatformConfig;
use crate::valid::{ValidClaim, ValidSharedVolume};

pub(super) fn read(
    drive: &RecruitmentDrive,
    fetched: &Fetched,
    platform: &PlatformConfig,
    found: &mut FieldErrors,
) -> Vec<ValidSharedVolume> {
    let drive_name = drive.metadata.name.as_deref().unwrap_or_default();
    let volumes = &drive.spec.volumes;
    labels::twice("spec.volumes", volumes.iter().map(|volume| volume.name.as_str()), found);
    let volumes = volumes.iter().enumerate();
    volumes
        .map(|(index, volume)| {
            let field = &format!("spec.volumes[{index}]");
            labels::label(&format!("{field}.name"), &volume.name, found);
            let claim = names::shared_claim(drive_name, &volume.name);
            let live = fetched.claims.get(&claim);
            let size = quantity::storage(&format!("{field}.size"), &volume.size, found);
            let access_mode = volume.access_mode.unwrap_or_default();
            if access_mode == AccessMode::ReadWriteOncePod {
                found.invalid(
                    format!("{field}.accessMode"),
                    "may not be ReadWriteOncePod, with which one pod alone mounts it: set ReadWriteOnce or ReadWriteMany",
                );
            }
            claims::access_mode(field, access_mode, live, found);
            let (asked, default) = (volume.storage_class_name.as_ref(), platform.storage.class_name.as_ref());
            claims::allowed(field, asked, platform, found);
            ValidSharedVolume {
                name: volume.name.clone(),
                claim: ValidClaim {
                    size: claims::size(field, size, live, found),
                    storage_class: claims::class(field, asked, default, live, found),
                    claim,
                    access_mode,
                    deletion_policy: volume.deletion_policy.unwrap_or_default(),
                },
            }
        })
        .collect()
}
