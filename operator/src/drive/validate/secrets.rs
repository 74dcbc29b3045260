//! The drive's secrets: where each comes from, and who uses which key.

use std::collections::BTreeMap;

use ras_crds::RecruitmentDriveSpec;
use ras_crds::spec::SecretSource;

use super::{Found, names};
use crate::drive::build::names as child;
use crate::drive::fetched::Fetched;
use crate::drive::valid::{GeneratedSecret, SecretOrigin, UsedSecret};

/// Characters of a generated value when the spec says nothing.
const DEFAULT_LENGTH: i32 = 32;

/// The drive's secrets by their names in the drive.
pub(super) struct Secrets<'a> {
    by_name: BTreeMap<&'a str, Known>,
    fetched: &'a Fetched,
}

enum Known {
    Generated(GeneratedSecret),
    Existing(UsedSecret),
}

impl<'a> Secrets<'a> {
    /// Reads `spec.secrets`.
    pub(super) fn read(drive: &str, spec: &'a RecruitmentDriveSpec, fetched: &'a Fetched, found: &mut Found) -> Self {
        let mut by_name = BTreeMap::new();
        for (index, source) in spec.secrets.iter().enumerate() {
            let field = format!("spec.secrets[{index}]");
            names::label(&format!("{field}.name"), &source.name, found);
            if let Some(known) = read(drive, &field, source, found) {
                by_name.insert(source.name.as_str(), known);
            }
        }
        Self { by_name, fetched }
    }

    /// The secret of this name in the drive.
    pub(super) fn find(&self, field: &str, name: &str, found: &mut Found) -> Option<UsedSecret> {
        match self.by_name.get(name) {
            Some(Known::Existing(used)) => Some(used.clone()),
            Some(Known::Generated(secret)) => Some(UsedSecret {
                name: secret.name.clone(),
                secret_name: secret.secret_name.clone(),
                origin: SecretOrigin::Generated,
            }),
            None => {
                found.invalid(
                    field,
                    format!("{name:?} is no entry of spec.secrets: add one, or correct the name"),
                );
                None
            }
        }
    }

    /// Complains about a key that nobody will ever make. A key that was once generated and then taken off
    /// the list stays in the Secret, so it may still be used.
    pub(super) fn check_key(&self, field: &str, name: &str, key: &str, found: &mut Found) {
        let Some(Known::Generated(secret)) = self.by_name.get(name) else {
            return;
        };
        if secret.keys.iter().any(|made| made == key) {
            return;
        }
        let is_there = self
            .fetched
            .secrets
            .get(&secret.secret_name)
            .is_some_and(|facts| facts.keys.as_ref().is_none_or(|keys| keys.contains_key(key)));
        if !is_there {
            found.invalid(
                field,
                format!("the secret {name:?} has no key {key:?}: add it to its generate.keys, or correct the key"),
            );
        }
    }

    /// Secrets to make, sorted by name.
    pub(super) fn generated(self) -> Vec<GeneratedSecret> {
        self.by_name
            .into_values()
            .filter_map(|known| match known {
                Known::Generated(secret) => Some(secret),
                Known::Existing(_) => None,
            })
            .collect()
    }
}

fn read(drive: &str, field: &str, source: &SecretSource, found: &mut Found) -> Option<Known> {
    match (&source.generate, &source.existing) {
        (Some(generate), None) => {
            let mut keys = generate.keys.clone();
            keys.sort();
            keys.dedup();
            if keys.is_empty() {
                found.invalid(format!("{field}.generate.keys"), "name at least one key to make");
            }
            if keys.iter().any(|key| !is_key(key)) {
                found.invalid(
                    format!("{field}.generate.keys"),
                    "a key holds only letters, digits, '-', '_' and '.'",
                );
            }
            let length = generate.length.unwrap_or(DEFAULT_LENGTH);
            let valid_length = usize::try_from(length)
                .ok()
                .filter(|length| (16..=1024).contains(length));
            if valid_length.is_none() {
                found.invalid(
                    format!("{field}.generate.length"),
                    format!("{length} is out of range: 16 to 1024 characters"),
                );
            }
            Some(Known::Generated(GeneratedSecret {
                name: source.name.clone(),
                secret_name: child::secret(drive, &source.name),
                keys,
                length: valid_length.unwrap_or_default(),
                deletion_policy: source.deletion_policy.unwrap_or_default(),
            }))
        }
        (None, Some(existing)) => Some(Known::Existing(UsedSecret {
            name: source.name.clone(),
            secret_name: existing.secret_name.clone(),
            origin: SecretOrigin::Existing,
        })),
        _ => {
            found.invalid(
                field,
                format!(
                    "the secret {:?} needs exactly one of generate and existing",
                    source.name
                ),
            );
            None
        }
    }
}

fn is_key(key: &str) -> bool {
    !key.is_empty()
        && key.len() <= 253
        && key != "."
        && !key.starts_with("..")
        && key
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
}
