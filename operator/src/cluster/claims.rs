//! Which drive claims which names, so that two drives never fight over one object.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::cluster::facts::Elder;
use crate::cluster::record::ChildKey;
use crate::cluster::store::{DriveKey, Wake};

/// Age of a drive: what decides who keeps a name. The UID settles drives of the same second.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Age {
    /// Creation time, in RFC 3339, whose order as text is its order in time.
    pub created: String,
    /// UID.
    pub uid: String,
}

/// Names claimed by drives.
#[derive(Debug, Default)]
pub struct Claims {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    drives: HashMap<DriveKey, (Age, BTreeSet<String>)>,
    claimants: HashMap<(Arc<str>, String), BTreeSet<DriveKey>>,
}

impl Claims {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes the names that a drive's children have, as `Kind/name`, and tells which other drives are concerned.
    pub fn claim(&self, drive: &DriveKey, age: Age, children: BTreeSet<String>) -> Wake {
        let mut inner = self.lock();
        if inner.drives.get(drive).is_some_and(|(_, before)| *before == children) {
            inner.drives.insert(drive.clone(), (age, children));
            return Wake::new();
        }
        let mut wake = inner.release(drive);
        for child in &children {
            let claimants = inner
                .claimants
                .entry((Arc::clone(&drive.namespace), child.clone()))
                .or_default();
            wake.extend(claimants.iter().cloned());
            claimants.insert(drive.clone());
        }
        inner.drives.insert(drive.clone(), (age, children));
        wake.remove(drive);
        wake
    }

    /// Gives a drive's names free, and tells who may have waited for them.
    pub fn release(&self, drive: &DriveKey) -> Wake {
        self.lock().release(drive)
    }

    /// Drives that claim the name of a child: whoever had it before, they may have waited for its end.
    pub fn claimants(&self, child: &ChildKey) -> Wake {
        let key = (Arc::clone(&child.namespace), child.to_string());
        self.lock().claimants.get(&key).cloned().unwrap_or_default()
    }

    /// Older drives that claim a name of this one, with the names in question.
    pub fn elders(&self, drive: &DriveKey) -> Vec<Elder> {
        let inner = self.lock();
        let Some((age, children)) = inner.drives.get(drive) else {
            return Vec::new();
        };
        let mut elders: HashMap<&DriveKey, BTreeSet<String>> = HashMap::new();
        for child in children {
            for other in inner
                .claimants
                .get(&(Arc::clone(&drive.namespace), child.clone()))
                .into_iter()
                .flatten()
            {
                if other != drive && inner.drives.get(other).is_some_and(|(older, _)| older < age) {
                    elders.entry(other).or_default().insert(child.clone());
                }
            }
        }
        let mut elders: Vec<Elder> = elders
            .into_iter()
            .map(|(other, children)| Elder {
                name: other.name.to_string(),
                children,
            })
            .collect();
        elders.sort_by(|a, b| a.name.cmp(&b.name));
        elders
    }
}

impl Inner {
    fn release(&mut self, drive: &DriveKey) -> Wake {
        let mut wake = Wake::new();
        for child in self
            .drives
            .remove(drive)
            .map(|(_, children)| children)
            .unwrap_or_default()
        {
            let key = (Arc::clone(&drive.namespace), child);
            if let Some(claimants) = self.claimants.get_mut(&key) {
                claimants.remove(drive);
                wake.extend(claimants.iter().cloned());
                if claimants.is_empty() {
                    self.claimants.remove(&key);
                }
            }
        }
        wake
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::kind::Kind;

    fn age(created: &str) -> Age {
        Age {
            created: created.into(),
            uid: created.into(),
        }
    }

    fn names(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|n| (*n).to_owned()).collect()
    }

    #[test]
    fn the_younger_of_two_sees_the_elder_and_is_woken_when_it_goes() {
        let claims = Claims::default();
        let (old, young) = (DriveKey::new("n", "a"), DriveKey::new("n", "a-b"));
        claims.claim(&young, age("2026-02"), names(&["Deployment/a-b-c"]));
        assert_eq!(
            claims.claim(&old, age("2026-01"), names(&["Deployment/a-b-c"])),
            Wake::from([young.clone()])
        );
        assert_eq!(claims.elders(&young)[0].name, "a");
        assert!(claims.elders(&old).is_empty());
        assert_eq!(claims.release(&old), Wake::from([young.clone()]));
        assert!(claims.elders(&young).is_empty());
    }

    #[test]
    fn who_claims_the_name_of_a_child_is_told_of_its_end() {
        let claims = Claims::default();
        let drive = DriveKey::new("n", "a");
        claims.claim(&drive, age("1"), names(&["Deployment/a-b"]));
        let child = |kind, namespace| ChildKey::new(kind, namespace, "a-b");
        assert_eq!(claims.claimants(&child(Kind::Deployment, "n")), Wake::from([drive]));
        assert!(claims.claimants(&child(Kind::Deployment, "m")).is_empty());
        assert!(claims.claimants(&child(Kind::Service, "n")).is_empty());
    }

    #[test]
    fn namespaces_do_not_mix() {
        let claims = Claims::default();
        claims.claim(&DriveKey::new("m", "a"), age("1"), names(&["Deployment/x"]));
        claims.claim(&DriveKey::new("n", "b"), age("2"), names(&["Deployment/x"]));
        assert!(claims.elders(&DriveKey::new("n", "b")).is_empty());
    }
}
