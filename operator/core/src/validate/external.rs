//! One secret that comes from a store outside the cluster.

use ras_crds::spec::{ExternalSecret, StoreKind};

use super::field_errors::FieldErrors;
use super::labels;
use super::secrets;
use crate::names as child;
use crate::platform::PlatformConfig;
use crate::valid::{ExternalSource, ValidExternal};

/// How often a store is asked when the spec says nothing: the External Secrets operator's own default.
const REFRESH: &str = "1h";

/// Reads `spec.secrets[].external`.
pub(super) fn read(
    (namespace, drive): (&str, &str),
    field: &str,
    name: &str,
    asked: &ExternalSecret,
    platform: &PlatformConfig,
    found: &mut FieldErrors,
) -> Option<ValidExternal> {
    let own = &platform.secrets;
    let Some(store) = asked.store.clone().or_else(|| own.store.clone()) else {
        found.invalid(
            format!("{field}.store"),
            "is needed, for the platform's settings name no store: name one here, or set secrets.store there",
        );
        return None;
    };
    let source = match (&asked.key, asked.keys.as_slice()) {
        (Some(key), []) => ExternalSource::Whole(key.clone()),
        (None, keys @ [_, ..]) => {
            labels::twice(
                &format!("{field}.keys"),
                keys.iter().map(|key| key.name.as_str()),
                found,
            );
            for (index, key) in keys.iter().enumerate() {
                if !secrets::is_key(&key.name) {
                    found.invalid(
                        format!("{field}.keys[{index}].name"),
                        format!(
                            "{:?} is no key: it holds only letters, digits, '-', '_' and '.'",
                            key.name
                        ),
                    );
                }
            }
            ExternalSource::Keys(keys.to_vec())
        }
        _ => {
            found.invalid(field, "needs exactly one of key and keys");
            return None;
        }
    };
    let refresh_interval = match &asked.refresh_interval {
        None => REFRESH.to_owned(),
        Some(interval) => {
            let seconds = interval.seconds();
            if seconds.is_none() {
                found.invalid(
                    format!("{field}.refreshInterval"),
                    format!("{interval} is no duration: write it like 1h"),
                );
            }
            // Go knows no days.
            format!("{}s", seconds.unwrap_or_default())
        }
    };
    let store_kind = asked.store_kind.unwrap_or(own.store_kind);
    tenancy(field, namespace, (&store, store_kind), &source, platform, found);
    let secret_name = child::secret(drive, name);
    Some(ValidExternal {
        name: name.to_owned(),
        secret_name,
        store,
        store_kind,
        source,
        refresh_interval,
    })
}

/// Complains about a store, or a place in it, that belongs to others. A store of the whole cluster reads with the rights of the
/// platform, whoever asks.
fn tenancy(
    field: &str,
    namespace: &str,
    (store, kind): (&str, StoreKind),
    source: &ExternalSource,
    platform: &PlatformConfig,
    found: &mut FieldErrors,
) {
    let tenancy = &platform.tenancy;
    if platform.secrets.store.as_deref() != Some(store) && !tenancy.allows_store(store) {
        found.invalid(
            format!("{field}.store"),
            format!(
                "{store:?} is not among the platform's tenancy.secretStores: name one of them, or ask the platform team to add it"
            ),
        );
    }
    let places: Vec<(String, &str)> = match source {
        ExternalSource::Whole(key) => vec![(format!("{field}.key"), key)],
        ExternalSource::Keys(keys) => {
            let keys = keys.iter().enumerate();
            keys.map(|(index, key)| (format!("{field}.keys[{index}].key"), key.key.as_str()))
                .collect()
        }
    };
    if kind != StoreKind::ClusterSecretStore {
        return;
    }
    for (field, place) in places {
        if !is_plain(place) {
            found.invalid(
                field,
                format!("{place:?} is no plain place in a ClusterSecretStore: write it without empty parts, '.', '..', '%', '?', '#', '\\' \
                         and blanks, like {namespace}/mail"),
            );
        } else if !tenancy.allows_secret_key(namespace, place) {
            let patterns: Vec<String> = tenancy.secret_key_patterns(namespace).collect();
            found.invalid(
                field,
                format!(
                    "{place:?} may belong to another namespace: the platform lets drives of this one read {} in a ClusterSecretStore; \
                     move the value there, name a SecretStore of the namespace, or ask the platform team to add it to \
                     tenancy.secretKeys",
                    if patterns.is_empty() { "nothing".to_owned() } else { patterns.join(", ") }
                ),
            );
        }
    }
}

/// Whether a store reads the place as it is written, so that its beginning tells whose it is.
fn is_plain(place: &str) -> bool {
    let is_legal = |c: char| c.is_ascii_graphic() && !matches!(c, '%' | '?' | '#' | '\\');
    place.chars().all(is_legal) && !place.split('/').any(|part| matches!(part, "" | "." | ".."))
}

/// Complains about a key that is not among those that are taken. Where everything at a place is taken, only the store knows.
pub(super) fn check_key(field: &str, external: &ValidExternal, key: &str, found: &mut FieldErrors) {
    let ExternalSource::Keys(keys) = &external.source else {
        return;
    };
    if keys.iter().all(|taken| taken.name != key) {
        found.invalid(
            field,
            format!(
                "the secret {:?} has no key {key:?}: add it to its external.keys, or correct the key",
                external.name
            ),
        );
    }
}
