//! The contract between people and the operator: the kind `RecruitmentDrive` (`ras.dev/v1alpha1`),
//! its validation rules, its condition types and its reasons.
//!
//! This crate knows no client, no runtime and no cloud: whoever wants to read or write drives
//! (a command line tool, a test, another controller) can depend on it alone.

pub mod condition;
pub mod drive;
pub mod duration;
pub mod labels;
pub mod quantity;
pub mod reference;
pub mod schema;
pub mod sentences;
pub mod spec;
pub mod status;
#[cfg(test)]
mod tests;

pub use condition::{Condition, ConditionType, Reason};
pub use drive::{RecruitmentDrive, RecruitmentDriveSpec};
pub use duration::Duration;
pub use quantity::Quantity;
pub use status::{
    BucketState, BucketStatus, BucketUsage, DataKind, DataState, DataStatus, DatabaseBackupStatus, DatabaseLoginStatus,
    DatabaseRollbackStatus, DatabaseState, DatabaseStatus, LogicalDatabaseStatus, Migrated, MigrationState,
    MigrationStatus, Phase, RecruitmentDriveStatus, SecretStatus, ServiceStatus, VolumeStatus,
};

/// API group of the kind.
pub const GROUP: &str = "ras.dev";
/// API version of the kind.
pub const VERSION: &str = "v1alpha1";
/// Longest name of a drive, in characters: children carry it as a prefix and as a label value.
pub const MAX_DRIVE_NAME: usize = 40;
