//! What the state machines decide by.

use crate::fetched::{DatabaseFacts, Fetched};
use crate::plan::secret_rotation::Calendar;
use crate::plan::turn::Turn;
use crate::valid::{ValidDatabase, ValidDrive, ValidService};

/// What people wrote, what exists, and what the time says.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// What people wrote.
    pub drive: &'a ValidDrive,
    /// What exists.
    pub fetched: &'a Fetched,
    /// What the time says.
    pub calendar: &'a Calendar,
    /// The services, with the logins whose turn it is.
    pub services: &'a [ValidService],
}

/// The same of a drive with databases.
#[derive(Clone, Copy, Debug)]
pub struct DatabaseInput<'a> {
    /// What people wrote.
    pub drive: &'a ValidDrive,
    /// What people wrote of the databases.
    pub database: &'a ValidDatabase,
    /// What exists.
    pub fetched: &'a Fetched,
    /// What exists of the databases.
    pub facts: &'a DatabaseFacts,
    /// What the time says.
    pub calendar: &'a Calendar,
    /// The services, with the logins whose turn it is.
    pub services: &'a [ValidService],
    /// Whose turn it is.
    pub turn: &'a Turn,
}

impl<'a> Input<'a> {
    /// The same with whose turn it is to log in. Absent: the drive has no databases.
    pub fn database(self, turn: Option<&'a Turn>) -> Option<DatabaseInput<'a>> {
        Some(DatabaseInput {
            drive: self.drive,
            database: self.drive.database.as_ref()?,
            fetched: self.fetched,
            facts: &self.fetched.database,
            calendar: self.calendar,
            services: self.services,
            turn: turn?,
        })
    }
}
