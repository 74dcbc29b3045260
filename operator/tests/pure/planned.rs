//! A valid drive with what was fetched for it, and what is planned from the two.

use std::ops::Deref;

use ras_core::build::{self, Desired};
use ras_core::fetched::Fetched;
use ras_core::plan::database_job::DatabaseJob;
use ras_core::plan::login_rotation::RotationPhase;
use ras_core::plan::migration::MigrationPlan;
use ras_core::plan::{Plan, plan};
use ras_core::platform::PlatformConfig;
use ras_core::valid::ValidDrive;
use ras_core::validate::{self, FieldErrorList};
use ras_crds::{DatabaseStatus, RecruitmentDrive};

#[derive(Clone, Debug)]
pub struct Planned {
    valid: ValidDrive,
    pub fetched: Fetched,
}

impl Deref for Planned {
    type Target = ValidDrive;

    fn deref(&self) -> &ValidDrive {
        &self.valid
    }
}

impl Planned {
    pub fn plan(&self) -> Plan<'_> {
        plan(&self.valid, &self.fetched)
    }

    /// The plan of the first migration.
    pub fn migration(&self) -> MigrationPlan {
        self.plan().migrations.remove(0)
    }
}

pub fn validate(
    drive: &RecruitmentDrive,
    fetched: &Fetched,
    platform: &PlatformConfig,
) -> Result<Planned, FieldErrorList> {
    validate::validate(drive, fetched, platform).map(|valid| Planned {
        valid,
        fetched: fetched.clone(),
    })
}

pub fn build(planned: &Planned) -> Desired {
    build::build(&planned.plan())
}

pub fn job_of(planned: &Planned) -> Option<DatabaseJob> {
    planned.plan().database.map(|database| database.job)
}

pub fn phase_of(planned: &Planned) -> RotationPhase {
    planned.plan().database.unwrap().phase
}

/// The record of the databases in status.
pub fn record_of(planned: &Planned) -> Option<DatabaseStatus> {
    planned.plan().database.map(|database| database.record)
}
