//! Volumes of services, and volumes of the drive that several services mount. Pure.

use ras_crds::spec::{AccessMode, DeletionPolicy};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValidVolume {
    /// Name in the service.
    pub name: String,
    /// Where it is mounted.
    pub path: String,
    pub source: VolumeSource,
    /// The service only reads it.
    pub read_only: bool,
    /// Folder of it that is mounted. Absent: all of it.
    pub sub_path: Option<String>,
    /// While it is empty, it is filled from the image.
    pub from_image: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VolumeSource {
    /// A claim of our own, for this service alone.
    Claim(ValidClaim),
    /// A volume of the drive, which other services may mount, too.
    Shared {
        /// Name in the drive.
        volume: String,
        /// Name of the claim.
        claim: String,
        /// One node alone can mount it.
        on_one_node: bool,
    },
    /// An existing claim.
    Existing {
        /// Name of the claim.
        claim: String,
    },
    /// Space that lives as long as its pod.
    Scratch {
        /// Most it may hold.
        size_limit: String,
        /// It is kept in memory.
        memory: bool,
    },
}

impl VolumeSource {
    /// True if the spec says that only one pod or node can mount it, and it is this service's own.
    pub fn is_single_writer(&self) -> bool {
        matches!(self, Self::Claim(claim) if claim.access_mode != AccessMode::ReadWriteMany)
    }
}

/// A volume that several services may mount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValidSharedVolume {
    /// Name in the drive.
    pub name: String,
    pub claim: ValidClaim,
}

/// A claim of our own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValidClaim {
    /// Name of the claim.
    pub claim: String,
    pub size: String,
    /// Storage class; absent: the cluster's default.
    pub storage_class: Option<String>,
    /// Who may mount it at the same time.
    pub access_mode: AccessMode,
    pub deletion_policy: DeletionPolicy,
}
