//! Tells from metadata alone when the values of the secrets a service uses were written.

use std::collections::BTreeSet;

use super::names;
use crate::drive::valid::{EnvSource, ValidDrive, ValidService};

/// Changes when a key is written that this service uses, and only then. The same value written again
/// changes it, too, because the operator reads no values.
pub(super) fn secrets_hash(drive: &ValidDrive, service: &ValidService) -> Option<String> {
    let mut stamps: BTreeSet<[&str; 3]> = BTreeSet::new();
    for container in service.containers() {
        for variable in &container.env {
            let EnvSource::Secret { secret, key } = &variable.source else {
                continue;
            };
            stamps.extend(of_keys(drive, [(secret.secret_name.as_str(), key.as_str())]));
        }
        for whole in &container.env_from {
            stamps.extend(of_whole(drive, &whole.secret.secret_name));
        }
    }
    // The file in the pod follows by itself, but most programs read it once. CloudNativePG renews an authority a week before
    // it ends, with the same key: without a restart in that week they would refuse every server after it.
    let certificates = service
        .database_authority
        .iter()
        .map(|authority| (authority.secret_name.as_str(), authority.key.as_str()));
    stamps.extend(of_keys(drive, certificates));
    for binding in service.bindings.iter().filter(|binding| !binding.reload) {
        let name = binding.secret.secret_name.as_str();
        if binding.keys.is_empty() {
            stamps.extend(of_whole(drive, name));
        } else {
            let keys = binding.keys.iter().map(|(_, from)| (name, from.as_str()));
            stamps.extend(of_keys(drive, keys));
        }
    }
    hash(stamps)
}

/// Changes when one of these keys of Secrets is written, and only then.
pub(super) fn hash_of_keys<'a>(
    drive: &'a ValidDrive,
    keys: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Option<String> {
    hash(of_keys(drive, keys).collect())
}

/// When each key of a Secret was written, as far as it is there.
fn of_whole<'a>(drive: &'a ValidDrive, name: &'a str) -> Vec<[&'a str; 3]> {
    let Some(facts) = drive.secrets.get(name) else {
        return Vec::new();
    };
    match &facts.keys {
        Some(keys) => keys
            .iter()
            .map(|(key, stamp)| [name, key.as_str(), stamp.as_str()])
            .collect(),
        None => vec![[name, "", &facts.version]],
    }
}

/// When keys of Secrets were written, as far as the Secrets are there.
fn of_keys<'a>(
    drive: &'a ValidDrive,
    keys: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> impl Iterator<Item = [&'a str; 3]> {
    keys.into_iter().filter_map(|(name, key)| {
        let facts = drive.secrets.get(name)?;
        let stamp = facts.keys.as_ref().map_or(Some(&facts.version), |keys| keys.get(key));
        Some([name, key, stamp.map_or("", String::as_str)])
    })
}

fn hash(stamps: BTreeSet<[&str; 3]>) -> Option<String> {
    if stamps.is_empty() {
        return None;
    }
    let parts: Vec<&str> = stamps.into_iter().flatten().collect();
    Some(names::hash(&parts, 16))
}
