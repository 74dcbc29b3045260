//! The drive's secrets: where each comes from, and who uses which key.

use std::collections::{BTreeMap, BTreeSet};

use ras_crds::RecruitmentDrive;
use ras_crds::labels::{ROTATE, ROTATE_DATABASE};
use ras_crds::spec::{Format, Generate, SecretSource};

use super::field_errors::FieldErrors;
use super::labels;
use super::{external, rotation};
use crate::fetched::Fetched;
use crate::names as child;
use crate::platform::PlatformConfig;
use crate::valid::{GeneratedSecret, RsaSize, SecretOrigin, UsedSecret, ValidExternal, ValueFormat};

/// Characters, or bytes, of a generated value when the spec says nothing.
const DEFAULT_LENGTH: i32 = 32;

/// The drive's secrets by their names in the drive.
pub(super) struct Secrets<'a> {
    by_name: BTreeMap<&'a str, Known>,
    /// Entries with a problem of their own, which is reported once and not at each use.
    wrong: BTreeSet<&'a str>,
    fetched: &'a Fetched,
}

#[allow(clippy::large_enum_variant)] // A drive has a few of them, for a moment.
enum Known {
    External(ValidExternal),
    Generated(GeneratedSecret),
    Existing(UsedSecret),
}

impl<'a> Secrets<'a> {
    /// Reads `spec.secrets`.
    pub(super) fn read(
        drive: &'a RecruitmentDrive,
        fetched: &'a Fetched,
        platform: &PlatformConfig,
        found: &mut FieldErrors,
    ) -> Self {
        let (mut by_name, mut wrong) = (BTreeMap::new(), BTreeSet::new());
        for (index, source) in drive.spec.secrets.iter().enumerate() {
            let field = format!("spec.secrets[{index}]");
            labels::label(&format!("{field}.name"), &source.name, found);
            if let Some(known) = read(drive, &field, source, platform, found) {
                by_name.insert(source.name.as_str(), known);
            } else {
                wrong.insert(source.name.as_str());
            }
        }
        Self {
            by_name,
            wrong,
            fetched,
        }
    }

    /// What stands in annotations and means nothing.
    pub(super) fn warnings(&self, drive: &RecruitmentDrive) -> Vec<String> {
        rotation::requests(drive)
            .into_keys()
            .filter(|name| !matches!(self.by_name.get(name.as_str()), Some(Known::Generated(_))))
            .filter(|name| drive.spec.database.is_none() || name != ROTATE_DATABASE)
            .map(|name| {
                format!("the annotation {ROTATE} names {name:?}, which is no generated secret of this drive: correct the name")
            })
            .collect()
    }

    /// The secret of this name in the drive.
    pub(super) fn find(&self, field: &str, name: &str, found: &mut FieldErrors) -> Option<UsedSecret> {
        match self.by_name.get(name) {
            Some(Known::Existing(used)) => Some(used.clone()),
            Some(Known::External(external)) => Some(UsedSecret {
                name: external.name.clone(),
                secret_name: external.secret_name.clone(),
                origin: SecretOrigin::External,
            }),
            Some(Known::Generated(secret)) => Some(UsedSecret {
                name: secret.name.clone(),
                secret_name: secret.secret_name.clone(),
                origin: SecretOrigin::Generated,
            }),
            None if self.wrong.contains(name) => None,
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
    pub(super) fn check_key(&self, field: &str, name: &str, key: &str, found: &mut FieldErrors) {
        legal_key(field, key, found);
        let secret = match self.by_name.get(name) {
            Some(Known::Generated(secret)) => secret,
            Some(Known::External(external)) => {
                external::check_key(field, external, key, found);
                return;
            }
            Some(Known::Existing(_)) | None => return,
        };
        if secret.made().any(|made| made == key) {
            return;
        }
        let is_there = self
            .fetched
            .secrets
            .get(&secret.secret_name)
            .is_some_and(|facts| facts.keys.as_ref().is_none_or(|keys| keys.contains_key(key)));
        if !is_there {
            let made: Vec<String> = secret.made().collect();
            found.invalid(
                field,
                format!(
                    "the secret {name:?} has no key {key:?}: add it to its generate.keys, or take one that is made ({})",
                    made.join(", ")
                ),
            );
        }
    }

    /// Secrets to make and secrets to take from a store, sorted by name.
    pub(super) fn into_valid(self) -> (Vec<GeneratedSecret>, Vec<ValidExternal>) {
        let (mut generated, mut external) = (Vec::new(), Vec::new());
        for known in self.by_name.into_values() {
            match known {
                Known::Generated(secret) => generated.push(secret),
                Known::External(secret) => external.push(secret),
                Known::Existing(_) => {}
            }
        }
        (generated, external)
    }
}

fn read(
    drive: &RecruitmentDrive,
    field: &str,
    source: &SecretSource,
    platform: &PlatformConfig,
    found: &mut FieldErrors,
) -> Option<Known> {
    let drive_name = drive.metadata.name.as_deref().unwrap_or_default();
    match (&source.generate, &source.existing, &source.external) {
        (None, None, Some(asked)) => {
            let field = format!("{field}.external");
            let namespace = drive.metadata.namespace.as_deref().unwrap_or_default();
            external::read((namespace, drive_name), &field, &source.name, asked, platform, found).map(Known::External)
        }
        (Some(generate), None, None) => {
            let field = format!("{field}.generate");
            let mut keys = generate.keys.clone();
            keys.sort();
            keys.dedup();
            if keys.is_empty() {
                found.invalid(format!("{field}.keys"), "name at least one key to make");
            }
            let value_format = value_format(&field, generate, found);
            if keys
                .iter()
                .flat_map(|key| value_format.made_for(key))
                .any(|key| !is_key(&key))
            {
                found.invalid(
                    format!("{field}.keys"),
                    "a key holds only letters, digits, '-', '_' and '.', at most 253 of them",
                );
            }
            let secret_name = child::secret(drive_name, &source.name);
            let policy = rotation::policy(&format!("{field}.rotate"), generate.rotate.as_ref(), found);
            let request = rotation::requests(drive).remove(&source.name);
            Some(Known::Generated(GeneratedSecret {
                name: source.name.clone(),
                secret_name,
                keys,
                value_format,
                policy,
                rotates: generate.rotate.is_some(),
                request,
                deletion_policy: source.deletion_policy.unwrap_or_default(),
            }))
        }
        (None, Some(existing), None) => Some(Known::Existing(UsedSecret {
            name: source.name.clone(),
            secret_name: existing.secret_name.clone(),
            origin: SecretOrigin::Existing,
        })),
        _ => {
            found.invalid(
                field,
                format!(
                    "the secret {:?} needs exactly one of generate, external and existing",
                    source.name
                ),
            );
            None
        }
    }
}

/// How values are drawn. What counts them goes with the format that it counts.
fn value_format(field: &str, generate: &Generate, found: &mut FieldErrors) -> ValueFormat {
    let format = generate.format.unwrap_or_default();
    let mut goes_with = |name: &str, is_set: bool, formats: &[Format]| {
        if is_set && !formats.contains(&format) {
            found.invalid(
                format!("{field}.{name}"),
                format!("{name} does not go with the format {format:?}: remove it, or set another format"),
            );
        }
    };
    goes_with("length", generate.length.is_some(), &[Format::Alphanumeric]);
    goes_with("bytes", generate.bytes.is_some(), &[Format::Base64, Format::Hex]);
    goes_with("bits", generate.bits.is_some(), &[Format::RsaKeyPair]);
    let mut count = |name: &str, asked: Option<i32>, unit: &str| {
        let asked = asked.unwrap_or(DEFAULT_LENGTH);
        let count = usize::try_from(asked).ok().filter(|count| (16..=1024).contains(count));
        if count.is_none() {
            found.invalid(
                format!("{field}.{name}"),
                format!("{asked} is out of range: 16 to 1024 {unit}"),
            );
        }
        count.unwrap_or_default()
    };
    match format {
        Format::Alphanumeric => ValueFormat::Alphanumeric(count("length", generate.length, "characters")),
        Format::Base64 => ValueFormat::Base64(count("bytes", generate.bytes, "bytes")),
        Format::Hex => ValueFormat::Hex(count("bytes", generate.bytes, "bytes")),
        Format::Uuid => ValueFormat::Uuid,
        Format::Ed25519KeyPair => ValueFormat::Ed25519KeyPair,
        Format::RsaKeyPair => ValueFormat::RsaKeyPair(match generate.bits {
            Some(2048) => RsaSize::Bits2048,
            None | Some(3072) => RsaSize::Bits3072,
            Some(4096) => RsaSize::Bits4096,
            Some(other) => {
                found.invalid(
                    format!("{field}.bits"),
                    format!("{other} is no size of an RSA key here: set 2048, 3072 or 4096"),
                );
                RsaSize::Bits3072
            }
        }),
    }
}

/// Complains about a key that no Secret can have. The API server would refuse the pod that names it.
pub(super) fn legal_key(field: &str, key: &str, found: &mut FieldErrors) {
    if !is_key(key) {
        found.invalid(
            field,
            format!(
                "{key:?} is no key of a Secret, which has only letters, digits, '-', '_' and '.', and does not begin with '..': write \
                 it like database.password"
            ),
        );
    }
}

/// Whether a Secret can have the key.
pub(super) fn is_key(key: &str) -> bool {
    !key.is_empty()
        && key.len() <= 253
        && key != "."
        && !key.starts_with("..")
        && key
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
}
