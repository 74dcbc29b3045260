//! The facts that the state machines decide by.

use std::ops::Deref;

use crate::fetched::{DatabaseFacts, Fetched};
use crate::plan::secret_rotation::Calendar;
use crate::plan::turn::Turn;
use crate::valid::{ValidDatabase, ValidDrive, ValidService};

/// The spec, the facts of the cluster, and the calendar.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    pub drive: &'a ValidDrive,
    /// The facts of the cluster.
    pub fetched: &'a Fetched,
    /// Freeze windows, as they are now.
    pub calendar: &'a Calendar,
    /// The services, with the logins whose turn it is.
    pub services: &'a [ValidService],
}

/// The input of a drive with databases: all fields of [`Input`], and the parts about databases.
#[derive(Clone, Copy, Debug)]
pub struct DatabaseInput<'a> {
    input: Input<'a>,
    /// The databases of the spec.
    pub database: &'a ValidDatabase,
    /// The facts about the database server.
    pub facts: &'a DatabaseFacts,
    /// Which of its two logins each owner uses.
    pub turn: &'a Turn,
}

impl<'a> Deref for DatabaseInput<'a> {
    type Target = Input<'a>;

    fn deref(&self) -> &Input<'a> {
        &self.input
    }
}

impl<'a> Input<'a> {
    /// Adds the parts about databases. Absent: the drive has no databases.
    pub fn database(self, turn: Option<&'a Turn>) -> Option<DatabaseInput<'a>> {
        Some(DatabaseInput {
            input: self,
            database: self.drive.database.as_ref()?,
            facts: &self.fetched.database,
            turn: turn?,
        })
    }
}
