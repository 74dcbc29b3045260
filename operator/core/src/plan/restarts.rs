//! What restarts the pods of a service: a new value of a secret that it uses. Metadata alone shows when a value was written.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use ras_crds::labels::SECRETS_KNOWN;

use crate::fetched::facts::PASSWORD;
use crate::fetched::{Fetched, StartedBy};
use crate::names;
use crate::valid::{EnvSource, ValidService};

/// A stamp of a Secret's key: the two names, and when it was written.
type Stamps<'a> = BTreeSet<[&'a str; 3]>;

/// The annotations of a pod template that restart its pods.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hashes {
    /// For the pod template. Another one restarts the pods.
    pub template: Option<String>,
    /// For the workload itself: the known stamps, if the metadata of a Secret does not show when it was written.
    pub known: Option<String>,
}

impl Hashes {
    /// The annotation of the workload itself.
    pub fn annotation(&self) -> Option<(String, String)> {
        Some((SECRETS_KNOWN.to_owned(), self.known.clone()?))
    }
}

/// Changes when a key is written that this service uses, and only then. The same value written again
/// changes it, too, because the operator reads no values.
pub fn of_service(fetched: &Fetched, service: &ValidService) -> Hashes {
    let live = fetched.deployments.get(&service.child).map(|live| &live.started_by);
    hashes(fetched, stamps(fetched, service), live)
}

/// Changes when the administrator's password of a database server is written, and only then.
pub fn of_server(fetched: &Fetched, secret: &str) -> Hashes {
    let stamps = of_keys(fetched, [(secret, PASSWORD)]).collect();
    hashes(fetched, stamps, Some(&fetched.database.started_by))
}

fn stamps<'a>(fetched: &'a Fetched, service: &'a ValidService) -> Stamps<'a> {
    let mut stamps: Stamps<'a> = BTreeSet::new();
    for container in service.containers() {
        for variable in &container.env {
            let EnvSource::Secret { secret, key } = &variable.source else {
                continue;
            };
            stamps.extend(of_keys(fetched, [(secret.secret_name.as_str(), key.as_str())]));
        }
        for whole in &container.env_from {
            stamps.extend(of_whole(fetched, &whole.secret.secret_name));
        }
    }
    for (_, secret, key) in service.secret_files() {
        stamps.extend(of_keys(fetched, [(secret.secret_name.as_str(), key)]));
    }
    // The file in the pod follows by itself, but most programs read it once. CloudNativePG renews an authority a week before
    // it ends, with the same key: without a restart in that week they would refuse every server after it.
    let certificates = service
        .database_authority
        .iter()
        .map(|authority| (authority.secret_name.as_str(), authority.key.as_str()));
    stamps.extend(of_keys(fetched, certificates));
    for binding in service.bindings.iter().filter(|binding| !binding.reload) {
        let name = binding.secret.secret_name.as_str();
        if binding.keys.is_empty() {
            stamps.extend(of_whole(fetched, name));
        } else {
            let keys = binding.keys.iter().map(|(_, from)| (name, from.as_str()));
            stamps.extend(of_keys(fetched, keys));
        }
    }
    stamps
}

/// The hash of all stamps.
///
/// A Secret whose `managedFields` were cleared has no stamps: the API server records no writer until somebody applies it, and
/// its version changes with each write. While there is such a Secret, running pods keep their hash until a stamp of another Secret
/// changes, or until that Secret was [written](Known::is_written).
fn hashes(fetched: &Fetched, stamps: Stamps<'_>, live: Option<&StartedBy>) -> Hashes {
    let is_known = |name: &str| fetched.secrets.get(name).is_none_or(|facts| facts.keys.is_some());
    if stamps.iter().all(|[name, ..]| is_known(name)) {
        return Hashes {
            template: hash(stamps),
            known: None,
        };
    }
    let stamped: Stamps<'_> = stamps.iter().filter(|[name, ..]| is_known(name)).copied().collect();
    let known = Known {
        stamped: hash(stamped).unwrap_or_else(|| "none".to_owned()),
        silent: stamps
            .iter()
            .filter(|[name, ..]| !is_known(name))
            .filter_map(|[name, ..]| {
                let facts = fetched.secrets.get(*name)?;
                Some((
                    (*name).to_owned(),
                    (facts.version.clone(), names::hash(&[&facts.touch], 8)),
                ))
            })
            .collect(),
    };
    let template = match live {
        Some(StartedBy {
            hash: Some(live),
            known: before,
        }) => match before {
            Some(before) if known.is_written(&Known::parse(before)) => {
                Some(names::hash(&[live, &known.to_string()], 16))
            }
            _ => Some(live.clone()),
        },
        _ => hash(stamps),
    };
    Hashes {
        template,
        known: Some(known.to_string()),
    }
}

/// The annotation that records the Secrets of a workload while some of them have no `managedFields`.
#[derive(Debug, PartialEq, Eq)]
struct Known {
    /// The hash of the stamps of the others.
    stamped: String,
    /// Version and touch of each that has none.
    silent: BTreeMap<String, (String, String)>,
}

impl Known {
    fn parse(text: &str) -> Self {
        let mut parts = text.split(' ');
        Self {
            stamped: parts.next().unwrap_or_default().to_owned(),
            silent: parts
                .filter_map(|part| {
                    let (name, stamp) = part.split_once('=')?;
                    let (version, touch) = stamp.split_once('/')?;
                    Some((name.to_owned(), (version.to_owned(), touch.to_owned())))
                })
                .collect(),
        }
    }

    /// True if a value was written since: a Secret has another version, although its labels and annotations are the
    /// same.
    fn is_written(&self, before: &Self) -> bool {
        let is_written = |(name, (version, touch)): (&String, &(String, String))| {
            before
                .silent
                .get(name)
                .is_some_and(|(old_version, old_touch)| old_version != version && old_touch == touch)
        };
        self.stamped != before.stamped || self.silent.iter().any(is_written)
    }
}

impl fmt::Display for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.stamped)?;
        for (name, (version, touch)) in &self.silent {
            write!(f, " {name}={version}/{touch}")?;
        }
        Ok(())
    }
}

/// When each key of a Secret was written, as far as it is there.
fn of_whole<'a>(fetched: &'a Fetched, name: &'a str) -> Vec<[&'a str; 3]> {
    let Some(facts) = fetched.secrets.get(name) else {
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
    fetched: &'a Fetched,
    keys: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> impl Iterator<Item = [&'a str; 3]> {
    keys.into_iter().filter_map(|(name, key)| {
        let facts = fetched.secrets.get(name)?;
        let stamp = facts.keys.as_ref().map_or(Some(&facts.version), |keys| keys.get(key));
        Some([name, key, stamp.map_or("", String::as_str)])
    })
}

fn hash(stamps: Stamps<'_>) -> Option<String> {
    if stamps.is_empty() {
        return None;
    }
    let parts: Vec<&str> = stamps.into_iter().flatten().collect();
    Some(names::hash(&parts, 16))
}
