//! The part of a status that is a record: later reconciles decide by it.

use ras_core::plan::database_job;
use ras_crds::{DatabaseState, RecruitmentDriveStatus};

/// True if two statuses differ only in fields that the operator does not read. All other fields are a record that later
/// reconciles need, and their write is never delayed.
pub fn keeps_the_record(before: &RecruitmentDriveStatus, status: &RecruitmentDriveStatus) -> bool {
    let migrations = |status: &RecruitmentDriveStatus| -> Vec<_> {
        let services = status.services.iter();
        services
            .filter_map(|service| Some((service.name.clone(), service.migration.clone()?)))
            .collect()
    };
    // That a server does not answer is nothing to rely on.
    let database = |status: &RecruitmentDriveStatus| {
        let mut database = status.database.clone()?;
        for line in &mut database.databases {
            if line.message.as_deref() == Some(database_job::SERVER_DOWN) {
                line.message = None;
                line.state = DatabaseState::Ready;
            }
        }
        Some(database)
    };
    before.buckets == status.buckets
        && database(before) == database(status)
        && before.secrets == status.secrets
        && migrations(before) == migrations(status)
}
