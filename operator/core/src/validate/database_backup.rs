//! Backups of servers that CloudNativePG runs: when, and where to.

use ras_crds::spec::{DatabaseBackup, ManagedDatabase};

use super::field_errors::FieldErrors;
use crate::valid::{BackupPlace, ValidBackup};

/// A field of a schedule: its name, the numbers it may hold, and words for them.
struct Field {
    name: &'static str,
    least: u32,
    most: u32,
    words: &'static [&'static str],
}

const MONTHS: [&str; 12] = [
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
];
const DAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/// As the library reads them by which CloudNativePG goes: it does not know 7 as Sunday.
const FIELDS: [Field; 5] = [
    Field {
        name: "minute",
        least: 0,
        most: 59,
        words: &[],
    },
    Field {
        name: "hour",
        least: 0,
        most: 23,
        words: &[],
    },
    Field {
        name: "day of the month",
        least: 1,
        most: 31,
        words: &[],
    },
    Field {
        name: "month",
        least: 1,
        most: 12,
        words: &MONTHS,
    },
    Field {
        name: "day of the week",
        least: 0,
        most: 6,
        words: &DAYS,
    },
];

/// Reads `backup` of servers that CloudNativePG runs.
pub(super) fn read(field: &str, managed: &ManagedDatabase, found: &mut FieldErrors) -> Option<ValidBackup> {
    let asked = managed.backup.as_ref()?;
    let field = format!("{field}.backup");
    if let Some(wrong) = wrong(&asked.schedule) {
        found.invalid(
            format!("{field}.schedule"),
            format!("{wrong}: write minute, hour, day of the month, month and day of the week, like 30 21 * * *"),
        );
    }
    let place = place(asked);
    if place.is_none() {
        found.invalid(
            field,
            "needs exactly one of volumeSnapshot and objectStore: set one of them",
        );
    }
    Some(ValidBackup {
        schedule: asked.schedule.clone(),
        place: place?,
    })
}

/// Refuses them of a server that is not CloudNativePG's.
pub(super) fn refuse(field: &str, managed: &ManagedDatabase, found: &mut FieldErrors) {
    if managed.backup.is_some() {
        found.invalid(
            format!("{field}.backup"),
            "goes with CloudNativePG, for Standalone has no backups of its own: remove backup and copy with pg_dump, or make a \
             new drive with provider CloudNativePG",
        );
    }
}

fn place(asked: &DatabaseBackup) -> Option<BackupPlace> {
    match (&asked.volume_snapshot, &asked.object_store) {
        (Some(snapshot), None) => Some(BackupPlace::VolumeSnapshot {
            class_name: snapshot.class_name.clone(),
        }),
        (None, Some(store)) => Some(BackupPlace::ObjectStore {
            name: store.name.clone(),
        }),
        (Some(_), Some(_)) | (None, None) => None,
    }
}

/// What is wrong with a schedule, if anything is.
fn wrong(schedule: &str) -> Option<String> {
    let parts: Vec<&str> = schedule.split(' ').collect();
    if parts.len() != FIELDS.len() {
        return Some(format!("{schedule:?} has not five fields"));
    }
    let mut pairs = FIELDS.iter().zip(parts);
    let (field, part) = pairs.find(|(field, part)| !part.split(',').all(|one| is_known(field, one)))?;
    let Field { name, least, most, .. } = field;
    Some(format!("{part:?} is no {name} from {least} to {most}"))
}

/// Whether it is like `*`, `5`, `1-5`, `*/15` or `mon-fri`.
fn is_known(field: &Field, part: &str) -> bool {
    let (range, step) = part
        .split_once('/')
        .map_or((part, None), |(range, step)| (range, Some(step)));
    let number = |text: &str| {
        text.bytes()
            .all(|byte| byte.is_ascii_digit())
            .then(|| text.parse::<u32>().ok())?
    };
    if step.is_some_and(|step| number(step).is_none_or(|step| step == 0 || step > field.most)) {
        return false;
    }
    if matches!(range, "*" | "?") {
        return true;
    }
    let value = |text: &str| {
        let word = text.to_ascii_lowercase();
        let named = field.words.iter().zip(field.least..).find(|(known, _)| **known == word);
        let value = named.map(|(_, value)| value).or_else(|| number(text))?;
        (field.least..=field.most).contains(&value).then_some(value)
    };
    match range.split_once('-') {
        None => value(range).is_some(),
        Some((from, to)) => matches!((value(from), value(to)), (Some(from), Some(to)) if from <= to),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schedule_is_five_fields_that_cloud_native_pg_understands() {
        for good in [
            "30 21 * * *",
            "*/15 0-6,22 1,15 jan-MAR mon-fri",
            "0 2 ? * 0",
            "5/10 1 * 12 sat",
        ] {
            assert_eq!(wrong(good), None, "{good}");
        }
        for (bad, word) in [
            ("0 30 21 * * *", "five fields"),
            ("30 21 * *", "five fields"),
            ("30  21 * *", "hour"),
            ("60 21 * * *", "minute"),
            ("30 24 * * *", "hour"),
            ("30 21 0 * *", "day of the month"),
            ("30 21 * 13 *", "month"),
            ("30 21 * * 7", "day of the week"),
            ("30 21 * * mon-sun", "day of the week"),
            ("30 21 * * fri-mon", "day of the week"),
            ("*/0 21 * * *", "minute"),
            ("+5 21 * * *", "minute"),
            ("30 21 * * ", "day of the week"),
        ] {
            let told = wrong(bad).unwrap();
            assert!(told.contains(word), "{bad}: {told}");
        }
    }
}
