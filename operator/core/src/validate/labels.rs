//! Names: legal, not twice, not somebody else's.

use std::collections::BTreeSet;

use ras_crds::{MAX_DRIVE_NAME, RecruitmentDrive};

use super::field_errors::FieldErrors;
use crate::fetched::Fetched;
use crate::names::{children, claims, is_label};

pub(super) fn check(drive: &RecruitmentDrive, fetched: &Fetched, found: &mut FieldErrors) {
    let name = drive.metadata.name.as_deref().unwrap_or_default();
    if !is_label(name) || name.len() > MAX_DRIVE_NAME {
        found.invalid(
            "metadata.name",
            format!(
                "{name:?} must begin with a lower-case letter, hold only a-z, 0-9 and '-', and have at most {MAX_DRIVE_NAME} \
                 characters: make the drive anew under another name"
            ),
        );
    }
    twice(
        "spec.services",
        drive.spec.services.iter().map(|service| service.name.as_str()),
        found,
    );
    twice(
        "spec.secrets",
        drive.spec.secrets.iter().map(|secret| secret.name.as_str()),
        found,
    );
    collisions(drive, found);
    older_claimants(drive, fetched, found);
}

/// Complains about each name that comes a second time.
pub(super) fn twice<'a>(list: &str, names: impl Iterator<Item = &'a str>, found: &mut FieldErrors) {
    let mut seen = BTreeSet::new();
    for (index, name) in names.enumerate() {
        if !seen.insert(name) {
            found.invalid(
                format!("{list}[{index}].name"),
                format!("{name:?} is there twice: give one of them another name"),
            );
        }
    }
}

/// Complains unless the name is a DNS label of at most 40 characters.
pub(super) fn label(field: &str, name: &str, found: &mut FieldErrors) {
    if !is_label(name) || name.len() > 40 {
        found.invalid(
            field,
            format!("{name:?} must begin with a lower-case letter, hold only a-z, 0-9 and '-', and have at most 40 characters"),
        );
    }
}

/// Two children of one drive under one name. Equal names of services and secrets are told above; what is
/// left is a secret named as the certificate's.
fn collisions(drive: &RecruitmentDrive, found: &mut FieldErrors) {
    let issued = drive
        .spec
        .exposure
        .as_ref()
        .and_then(|exposure| exposure.tls.as_ref())
        .is_some_and(|tls| tls.issuer.is_some());
    let tls = drive
        .spec
        .secrets
        .iter()
        .position(|secret| secret.existing.is_none() && secret.name == "tls");
    if let (true, Some(index)) = (issued, tls) {
        found.invalid(
            format!("spec.secrets[{index}].name"),
            "\"tls\" is the name of the certificate that spec.exposure.tls.issuer asks for: give the secret another name",
        );
        return;
    }
    let services: BTreeSet<_> = drive.spec.services.iter().map(|service| &service.name).collect();
    let secrets: BTreeSet<_> = drive.spec.secrets.iter().map(|secret| &secret.name).collect();
    if services.len() < drive.spec.services.len() || secrets.len() < drive.spec.secrets.len() {
        return;
    }
    let mut seen = BTreeSet::new();
    for claim in claims(drive) {
        if !seen.insert(claim.clone()) {
            found.invalid(
                "spec",
                format!("two parts of the drive would make {claim}: give one of them another name"),
            );
        }
    }
}

/// Of two drives that claim one name the older keeps it, so that a new drive never takes over a running one.
fn older_claimants(drive: &RecruitmentDrive, fetched: &Fetched, found: &mut FieldErrors) {
    let own = children(drive);
    for older_claimant in &fetched.older_claimants {
        let shared: Vec<_> = own.intersection(&older_claimant.children).collect();
        let Some(first) = shared.first() else { continue };
        let more = match shared.len() {
            1 => String::new(),
            count => format!(" and {} more", count - 1),
        };
        found.taken(
            "metadata.name",
            format!(
                "the older drive {older_claimant:?} makes {first}{more} as well: rename this drive or the service, volume or secret \
                 that leads to the name",
                older_claimant = older_claimant.name
            ),
        );
    }
}
