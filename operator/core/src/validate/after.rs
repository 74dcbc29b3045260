//! Which service starts after which: only those that are there, and never in a circle.

use std::collections::{BTreeMap, BTreeSet};

use ras_crds::RecruitmentDrive;

use super::field_errors::FieldErrors;
use crate::database;

pub(super) fn check(drive: &RecruitmentDrive, found: &mut FieldErrors) {
    let services = &drive.spec.services;
    let mut known: BTreeSet<&str> = services.iter().map(|service| service.name.as_str()).collect();
    if drive.spec.database.is_some() {
        known.insert(database::NAME);
    }
    for (index, service) in services.iter().enumerate() {
        for (at, name) in service.after.iter().enumerate() {
            if !known.contains(name.as_str()) {
                found.invalid(
                    format!("spec.services[{index}].after[{at}]"),
                    format!("{name:?} is no service of this drive: correct the name, or remove it"),
                );
            }
        }
    }
    let after: BTreeMap<&str, &[String]> = services
        .iter()
        .map(|service| (service.name.as_str(), service.after.as_slice()))
        .collect();
    for (index, service) in services.iter().enumerate() {
        if let Some(circle) = circle(&after, &service.name) {
            found.invalid(
                format!("spec.services[{index}].after"),
                format!("services wait for one another, so none would start ({circle}): remove one of the names"),
            );
            return;
        }
    }
}

/// The way from a service over those it waits for back to itself.
fn circle(after: &BTreeMap<&str, &[String]>, start: &str) -> Option<String> {
    let mut ways: Vec<Vec<&str>> = vec![vec![start]];
    let mut seen = BTreeSet::new();
    while let Some(way) = ways.pop() {
        let last = way.last()?;
        for next in after.get(last).copied().unwrap_or_default() {
            let mut longer = way.clone();
            longer.push(next);
            if next == start {
                return Some(longer.join(" after "));
            }
            if seen.insert(next.as_str()) {
                ways.push(longer);
            }
        }
    }
    None
}
