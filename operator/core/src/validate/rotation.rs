//! When what rotates rotates: the drive's freezes, its periods, and the wishes in its annotations.

use std::collections::BTreeMap;

use ras_crds::RecruitmentDrive;
use ras_crds::labels::ROTATE;
use ras_crds::spec::Rotation;

use super::{FieldErrors, names};
use crate::fetched::Fetched;
use crate::plan::secret_rotation::{Calendar, Freeze, Policy};

/// Shortest period, in seconds: each rotation restarts what uses the values.
const SHORTEST: u64 = 3_600;

/// What the time says of this drive.
pub(super) fn calendar(drive: &RecruitmentDrive, fetched: &Fetched, found: &mut FieldErrors) -> Calendar {
    let freezes = &drive.spec.freezes;
    names::twice("spec.freezes", freezes.iter().map(|freeze| freeze.name.as_str()), found);
    for (index, freeze) in freezes.iter().enumerate() {
        let field = format!("spec.freezes[{index}]");
        names::label(&format!("{field}.name"), &freeze.name, found);
        if freeze.starts_at.0 >= freeze.ends_at.0 {
            found.invalid(
                format!("{field}.endsAt"),
                format!(
                    "{} is no later than startsAt, {}: correct one of them",
                    freeze.ends_at.0, freeze.starts_at.0
                ),
            );
        }
    }
    Calendar {
        now: fetched.now,
        open: !drive.spec.is_suspended(),
        freezes: freezes
            .iter()
            .map(|freeze| Freeze {
                name: freeze.name.clone(),
                starts_at: freeze.starts_at.0,
                ends_at: freeze.ends_at.0,
            })
            .collect(),
    }
}

/// What is asked for of something that rotates.
pub(super) fn policy(field: &str, rotate: Option<&Rotation>, found: &mut FieldErrors) -> Policy {
    let Some(rotate) = rotate else {
        return Policy::default();
    };
    if rotate.every.is_none() && rotate.keep_while_open.is_none() {
        found.invalid(field, "needs every, keepWhileOpen or both: set one, or remove rotate");
    }
    let every = rotate.every.as_ref().and_then(|every| {
        let seconds = every.seconds().filter(|seconds| *seconds >= SHORTEST);
        if seconds.is_none() {
            found.invalid(
                format!("{field}.every"),
                format!("{every} is no duration of an hour or more: write it like 90d or 12h"),
            );
        }
        seconds
    });
    Policy {
        every,
        keep_while_open: rotate.keeps_while_open(),
    }
}

/// The wishes in the drive's annotations, by the name of what is to rotate. Each is the text as it was written, which tells
/// it from a later wish.
pub(super) fn removal_requests(drive: &RecruitmentDrive) -> BTreeMap<String, String> {
    let text = drive.metadata.annotations.as_ref().and_then(|all| all.get(ROTATE));
    text.map(String::as_str)
        .unwrap_or_default()
        .split(',')
        .map(str::trim)
        .filter(|wish| !wish.is_empty())
        .map(|wish| {
            let name = wish.split_once('@').map_or(wish, |(name, _)| name).trim();
            (name.to_owned(), wish.to_owned())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wish_names_what_rotates_and_another_mark_makes_it_another_wish() {
        let mut drive = RecruitmentDrive::default();
        assert!(removal_requests(&drive).is_empty());
        let annotations = [(ROTATE.to_owned(), " jwt, session@2026-11-24,, mail@ ".to_owned())];
        drive.metadata.annotations = Some(annotations.into());
        let removal_requests = removal_requests(&drive);
        let told: Vec<_> = removal_requests
            .iter()
            .map(|(name, wish)| (name.as_str(), wish.as_str()))
            .collect();
        assert_eq!(
            told,
            [("jwt", "jwt"), ("mail", "mail@"), ("session", "session@2026-11-24")]
        );
    }
}
