//! Which of the two logins of each owner services use.
//!
//! Rotations are numbered. With an even number services log in as the owner itself, with an odd one as the second login.

use std::borrow::Cow;

use crate::fetched::Fetched;
use crate::valid::{DatabaseLogin, ValidDatabase, ValidDrive, ValidEnv, ValidService};

/// The logins that services use, by the number of the rotation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Turn {
    /// The rotation that programs have the passwords of.
    pub current: u64,
    /// The last one for which passwords were generated: `current`, or the next while that is under way.
    pub drawn: u64,
    /// The rotation that was rolled back, if it is the last one: `current` is the number after it, and programs have the
    /// passwords of the one before it.
    pub rolled_back: Option<u64>,
    /// The logins that programs have, one for each owner and user.
    pub present: Vec<DatabaseLogin>,
    /// The other login of each of them.
    pub others: Vec<DatabaseLogin>,
}

impl Turn {
    /// Decides by the record in the status and by the Secrets of the logins.
    pub fn of(database: &ValidDatabase, fetched: &Fetched) -> Self {
        let (current, drawn, rolled_back) = generations(&database.first, &database.second, fetched);
        let (present, others) = if is_first(current) {
            (&database.first, &database.second)
        } else {
            (&database.second, &database.first)
        };
        Self {
            current,
            drawn,
            rolled_back,
            present: present.clone(),
            others: others.clone(),
        }
    }

    /// The logins that must work, sorted. Once there is a second one of each owner both must: programs that have not
    /// been replaced have the other, and by either a drive that is made anew proves that the roles are its own.
    pub fn accepted(&self) -> Vec<&DatabaseLogin> {
        let others = self.others.iter().filter(|_| self.drawn > 0);
        let mut all: Vec<&DatabaseLogin> = self.present.iter().chain(others).collect();
        all.sort();
        all
    }
}

/// The services of a drive with the variables of the logins whose turn it is.
pub fn services<'a>(drive: &'a ValidDrive, turn: Option<&Turn>) -> Cow<'a, [ValidService]> {
    if turn.is_none_or(|turn| is_first(turn.current)) {
        return Cow::Borrowed(&drive.services);
    }
    let mut services = drive.services.clone();
    for service in &mut services {
        let migration = service.migration.as_mut().map(|migration| &mut migration.container);
        let containers = std::iter::once(&mut service.container)
            .chain(&mut service.sidecars)
            .chain(&mut service.init_containers)
            .chain(migration);
        for variable in containers.flat_map(|container| &mut container.env) {
            let ValidEnv {
                source,
                with_second_login,
                ..
            } = variable;
            if let Some(second) = with_second_login.take() {
                *source = second;
            }
        }
    }
    Cow::Owned(services)
}

/// True if services use the first login of each owner in this generation.
pub fn is_first(generation: u64) -> bool {
    generation.is_multiple_of(2)
}

/// The generation of logins that services have, the one that was drawn last, and the one that was rolled back if that is it.
fn generations(first: &[DatabaseLogin], second: &[DatabaseLogin], fetched: &Fetched) -> (u64, u64, Option<u64>) {
    let facts = &fetched.database;
    let of = |takes_first: bool| if takes_first { first } else { second };
    let numbers = |takes_first: bool| {
        of(takes_first)
            .iter()
            .filter_map(|login| fetched.secrets.get(&login.secret_name)?.generation)
            // Any other number was not written by us.
            .filter(move |generation| is_first(*generation) == takes_first)
    };
    let newest = numbers(true).chain(numbers(false)).max().unwrap_or_default();
    let recorded = facts.recorded.login.as_ref();
    let recorded = recorded.and_then(|login| u64::try_from(login.generation).ok());
    let mut secrets = of(is_first(newest)).iter();
    let is_rolled_back = secrets.any(|login| {
        let facts = fetched.secrets.get(&login.secret_name);
        facts.is_some_and(|facts| facts.generation == Some(newest) && facts.rolled_back == Some(newest))
    });
    let after = newest.saturating_add(1);
    if is_rolled_back && recorded.is_none_or(|recorded| recorded <= after) {
        return (after, after, Some(newest));
    }
    let (current, drawn) = locate(recorded, newest, |generation| {
        let mut used = facts.programs.values().flat_map(|program| &program.passwords);
        let logins = of(is_first(generation));
        used.any(|name| logins.iter().any(|login| login.secret_name == *name))
    });
    (current, drawn, None)
}

/// Returns the generation that services use and the newest generated one. The input is the record in the status, the highest
/// number on a Secret, and whether a Deployment uses the logins of a generation.
///
/// Services never go back to earlier logins: no count has terminating pods, so one of them could still have a password that the
/// next rotation overwrites. A Deployment gets the logins of a generation only after the status recorded that they work, and no
/// password is generated for logins that a Deployment uses. So a Deployment with the newest logins proves that an older record
/// is outdated.
pub fn locate(recorded: Option<u64>, newest: u64, uses: impl Fn(u64) -> bool) -> (u64, u64) {
    if let Some(current) = recorded
        && newest <= current
    {
        return (current, current);
    }
    if uses(newest) {
        return (newest, newest);
    }
    if let Some(current) = recorded
        && newest <= current.saturating_add(1)
    {
        return (current, newest);
    }
    // The status was lost, or is older than the Secrets. Nothing was generated after `newest`, so the previous logins
    // work.
    match newest.checked_sub(1) {
        Some(before) if uses(before) => (before, newest),
        Some(_) | None => (newest, newest),
    }
}
