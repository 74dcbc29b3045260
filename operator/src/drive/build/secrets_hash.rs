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
            let Some(facts) = drive.secrets.get(&secret.secret_name) else {
                continue;
            };
            let stamp = facts.keys.as_ref().map_or(Some(&facts.version), |keys| keys.get(key));
            stamps.insert([&secret.secret_name, key, stamp.map_or("", String::as_str)]);
        }
        for whole in &container.env_from {
            let name = whole.secret.secret_name.as_str();
            let Some(facts) = drive.secrets.get(name) else { continue };
            match &facts.keys {
                Some(keys) => stamps.extend(keys.iter().map(|(key, stamp)| [name, key.as_str(), stamp.as_str()])),
                None => {
                    stamps.insert([name, "", &facts.version]);
                }
            }
        }
    }
    if stamps.is_empty() {
        return None;
    }
    let parts: Vec<&str> = stamps.into_iter().flatten().collect();
    Some(names::hash(&parts, 16))
}
