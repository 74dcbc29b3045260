//! Which drive claims which names, so that two drives never fight over one object.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::informer::store::{DriveKey, Wake};
use ras_core::fetched::facts::OlderClaimant;
use ras_core::fetched::record::ChildKey;

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
    drives: HashMap<DriveKey, Claimed>,
    /// One entry for each drive and name, ordered so that those who claim one name stand side by side. A set for each
    /// name would be a few hundred bytes for what is nearly always one drive.
    claims: BTreeSet<Claim>,
}

#[derive(Debug)]
struct Claimed {
    age: Age,
    /// As `Kind/name`, in order.
    children: Box<[Arc<str>]>,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Claim {
    namespace: Arc<str>,
    child: Arc<str>,
    drive: Arc<str>,
}

impl Claims {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes the names that a drive's children have, as `Kind/name`, and tells which other drives are concerned.
    pub fn claim(&self, drive: &DriveKey, age: Age, children: &BTreeSet<String>) -> Wake {
        let mut inner = self.lock();
        if let Some(before) = inner.drives.get_mut(drive)
            && before.children.iter().map(|child| &**child).eq(children)
        {
            before.age = age;
            return Wake::new();
        }
        let mut wake = inner.release(drive);
        let children: Box<[Arc<str>]> = children.iter().map(|child| child.as_str().into()).collect();
        for child in &children {
            wake.extend(inner.claimants(&drive.namespace, child));
            inner.claims.insert(Claim::of(drive, child));
        }
        inner.drives.insert(drive.clone(), Claimed { age, children });
        wake.remove(drive);
        wake
    }

    /// Gives a drive's names free, and tells who may have waited for them.
    pub fn release(&self, drive: &DriveKey) -> Wake {
        self.lock().release(drive)
    }

    /// Drives that claim the name of a child: whoever had it before, they may have waited for its end.
    pub fn claimants(&self, child: &ChildKey) -> Wake {
        let name = child.to_string().into();
        self.lock().claimants(&child.namespace, &name).collect()
    }

    /// Older drives that claim a name of this one, with the names in question.
    pub fn older_claimants(&self, drive: &DriveKey) -> Vec<OlderClaimant> {
        let inner = self.lock();
        let Some(claimed) = inner.drives.get(drive) else {
            return Vec::new();
        };
        // By name: they are all of one namespace.
        let mut older_claimants: BTreeMap<Arc<str>, BTreeSet<String>> = BTreeMap::new();
        for child in &claimed.children {
            for other in inner.claimants(&drive.namespace, child) {
                let is_elder = |other| inner.drives.get(other).is_some_and(|one| one.age < claimed.age);
                if other != *drive && is_elder(&other) {
                    older_claimants.entry(other.name).or_default().insert(child.to_string());
                }
            }
        }
        older_claimants
            .into_iter()
            .map(|(name, children)| OlderClaimant {
                name: name.to_string(),
                children,
            })
            .collect()
    }
}

impl Inner {
    /// Those who claim one name.
    fn claimants(&self, namespace: &Arc<str>, child: &Arc<str>) -> impl Iterator<Item = DriveKey> {
        let first = Claim {
            namespace: Arc::clone(namespace),
            child: Arc::clone(child),
            drive: Arc::default(),
        };
        let (namespace, child) = (Arc::clone(namespace), Arc::clone(child));
        self.claims
            .range(first..)
            .take_while(move |claim| claim.child == child && claim.namespace == namespace)
            .map(|claim| DriveKey {
                namespace: Arc::clone(&claim.namespace),
                name: Arc::clone(&claim.drive),
            })
    }

    fn release(&mut self, drive: &DriveKey) -> Wake {
        let mut wake = Wake::new();
        let children = self.drives.remove(drive).map(|claimed| claimed.children);
        for child in children.unwrap_or_default() {
            self.claims.remove(&Claim::of(drive, &child));
            wake.extend(self.claimants(&drive.namespace, &child));
        }
        wake
    }
}

impl Claim {
    fn of(drive: &DriveKey, child: &Arc<str>) -> Self {
        Self {
            namespace: Arc::clone(&drive.namespace),
            child: Arc::clone(child),
            drive: Arc::clone(&drive.name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ras_core::kind::Kind;

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
        claims.claim(&young, age("2026-02"), &names(&["Deployment/a-b-c"]));
        assert_eq!(
            claims.claim(&old, age("2026-01"), &names(&["Deployment/a-b-c"])),
            Wake::from([young.clone()])
        );
        assert_eq!(claims.older_claimants(&young)[0].name, "a");
        assert!(claims.older_claimants(&old).is_empty());
        assert_eq!(claims.release(&old), Wake::from([young.clone()]));
        assert!(claims.older_claimants(&young).is_empty());
    }

    #[test]
    fn who_claims_the_name_of_a_child_is_told_of_its_end() {
        let claims = Claims::default();
        let drive = DriveKey::new("n", "a");
        claims.claim(&drive, age("1"), &names(&["Deployment/a-b"]));
        let child = |kind, namespace| ChildKey::new(kind, namespace, "a-b");
        assert_eq!(claims.claimants(&child(Kind::Deployment, "n")), Wake::from([drive]));
        assert!(claims.claimants(&child(Kind::Deployment, "m")).is_empty());
        assert!(claims.claimants(&child(Kind::Service, "n")).is_empty());
    }

    #[test]
    fn namespaces_do_not_mix() {
        let claims = Claims::default();
        claims.claim(&DriveKey::new("m", "a"), age("1"), &names(&["Deployment/x"]));
        claims.claim(&DriveKey::new("n", "b"), age("2"), &names(&["Deployment/x"]));
        assert!(claims.older_claimants(&DriveKey::new("n", "b")).is_empty());
    }
}
