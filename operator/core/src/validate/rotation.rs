//! When what rotates rotates: the drive's freezes, its periods, and the requests in its annotations.

use std::collections::BTreeMap;

use ras_crds::RecruitmentDrive;
use ras_crds::labels::ROTATE;
use ras_crds::spec::Rotation;

use super::field_errors::FieldErrors;
use super::labels;
use crate::valid::{Freeze, Policy};

/// Shortest period, in seconds: each rotation restarts what uses the values.
const SHORTEST: u64 = 3_600;

/// The times in which nothing rotates.
pub(super) fn freezes(drive: &RecruitmentDrive, found: &mut FieldErrors) -> Vec<Freeze> {
    let freezes = &drive.spec.freezes;
    labels::twice("spec.freezes", freezes.iter().map(|freeze| freeze.name.as_str()), found);
    for (index, freeze) in freezes.iter().enumerate() {
        let field = format!("spec.freezes[{index}]");
        labels::label(&format!("{field}.name"), &freeze.name, found);
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
    freezes
        .iter()
        .map(|freeze| Freeze {
            name: freeze.name.clone(),
            starts_at: freeze.starts_at.0,
            ends_at: freeze.ends_at.0,
        })
        .collect()
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

/// The requests in the drive's annotations, by the name of what is to rotate. Each is the text as it was written, which tells
/// it from a later request.
pub(super) fn requests(drive: &RecruitmentDrive) -> BTreeMap<String, String> {
    let text = drive.metadata.annotations.as_ref().and_then(|all| all.get(ROTATE));
    text.map(String::as_str)
        .unwrap_or_default()
        .split(',')
        .map(str::trim)
        .filter(|request| !request.is_empty())
        .map(|request| {
            let name = request.split_once('@').map_or(request, |(name, _)| name).trim();
            (name.to_owned(), request.to_owned())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_names_what_rotates_and_another_token_makes_it_another_request() {
        let mut drive = RecruitmentDrive::default();
        assert!(requests(&drive).is_empty());
        let annotations = [(ROTATE.to_owned(), " jwt, session@2026-11-24,, mail@ ".to_owned())];
        drive.metadata.annotations = Some(annotations.into());
        let requests = requests(&drive);
        let told: Vec<_> = requests
            .iter()
            .map(|(name, request)| (name.as_str(), request.as_str()))
            .collect();
        assert_eq!(
            told,
            [("jwt", "jwt"), ("mail", "mail@"), ("session", "session@2026-11-24")]
        );
    }
}
