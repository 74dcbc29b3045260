//! The names that drives claim for their children, so that two drives never write one object: the older claimant keeps
//! the name.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::informer::host_claims::HostClaims;
use crate::informer::store::{DriveKey, Requeue};
use ras_core::fetched::facts::OlderClaimant;
use ras_core::fetched::record::ChildKey;

/// Age of a drive. The UID orders drives that were created in the same second.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Age {
    /// RFC 3339, whose order as text is the order in time.
    pub created: String,
    pub uid: String,
}

#[derive(Debug, Default)]
pub struct Claims {
    inner: Mutex<ClaimIndex>,
    hosts: Mutex<HostClaims>,
}

#[derive(Debug, Default)]
struct ClaimIndex {
    drives: HashMap<DriveKey, DriveClaims>,
    /// One entry for each drive and name, ordered by name. A set for each name would take a few hundred bytes for what
    /// is nearly always one drive.
    claims: BTreeSet<NameClaim>,
}

#[derive(Debug)]
struct DriveClaims {
    age: Age,
    /// As `Kind/name`, sorted.
    children: Box<[Arc<str>]>,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct NameClaim {
    namespace: Arc<str>,
    child: Arc<str>,
    drive: Arc<str>,
}

impl Claims {
    fn lock(&self) -> MutexGuard<'_, ClaimIndex> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets the names that a drive claims, as `Kind/name`. Returns the other drives that claim, or claimed, one of
    /// them.
    pub fn claim(&self, drive: &DriveKey, age: Age, children: &BTreeSet<String>) -> Requeue {
        let mut inner = self.lock();
        if let Some(before) = inner.drives.get_mut(drive)
            && before.children.iter().map(|child| &**child).eq(children)
        {
            before.age = age;
            return Requeue::new();
        }
        let mut requeue = inner.release(drive);
        let children: Box<[Arc<str>]> = children.iter().map(|child| child.as_str().into()).collect();
        for child in &children {
            requeue.extend(inner.claimants(&drive.namespace, child));
            inner.claims.insert(NameClaim::of(drive, child));
        }
        inner.drives.insert(drive.clone(), DriveClaims { age, children });
        requeue.remove(drive);
        requeue
    }

    fn hosts(&self) -> MutexGuard<'_, HostClaims> {
        self.hosts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets the host that a drive claims; `has_route` when its route with this host is there. Returns the other drives that may win
    /// or lose by it.
    pub fn claim_host(&self, drive: &DriveKey, age: Age, host: Option<&str>, has_route: bool) -> Requeue {
        self.hosts().claim(drive, age, host, has_route)
    }

    /// The drive that has this drive's host.
    pub fn host_taken_by(&self, drive: &DriveKey) -> Option<DriveKey> {
        self.hosts().taken_by(drive)
    }

    /// Returns the drives that may have waited for the names, or for the host.
    pub fn release(&self, drive: &DriveKey) -> Requeue {
        let mut requeue = self.lock().release(drive);
        requeue.extend(self.hosts().release(drive));
        requeue
    }

    /// Drives that claim the name of a deleted child: they may have waited for the deletion.
    pub fn claimants(&self, child: &ChildKey) -> Requeue {
        let name = child.to_string().into();
        self.lock().claimants(&child.namespace, &name).collect()
    }

    /// Older drives that claim a name of this drive, with those names.
    pub fn older_claimants(&self, drive: &DriveKey) -> Vec<OlderClaimant> {
        let inner = self.lock();
        let Some(claimed) = inner.drives.get(drive) else {
            return Vec::new();
        };
        // By name, because all are in one namespace.
        let mut older_claimants: BTreeMap<Arc<str>, BTreeSet<String>> = BTreeMap::new();
        for child in &claimed.children {
            for other in inner.claimants(&drive.namespace, child) {
                let is_older = |other| inner.drives.get(other).is_some_and(|one| one.age < claimed.age);
                if other != *drive && is_older(&other) {
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

impl ClaimIndex {
    fn claimants(&self, namespace: &Arc<str>, child: &Arc<str>) -> impl Iterator<Item = DriveKey> {
        let first = NameClaim {
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

    fn release(&mut self, drive: &DriveKey) -> Requeue {
        let mut requeue = Requeue::new();
        let children = self.drives.remove(drive).map(|claimed| claimed.children);
        for child in children.unwrap_or_default() {
            self.claims.remove(&NameClaim::of(drive, &child));
            requeue.extend(self.claimants(&drive.namespace, &child));
        }
        requeue
    }
}

impl NameClaim {
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
    fn the_younger_drive_sees_the_older_claimant_and_is_requeued_when_it_is_deleted() {
        let claims = Claims::default();
        let (old, young) = (DriveKey::new("n", "a"), DriveKey::new("n", "a-b"));
        claims.claim(&young, age("2026-02"), &names(&["Deployment/a-b-c"]));
        assert_eq!(
            claims.claim(&old, age("2026-01"), &names(&["Deployment/a-b-c"])),
            Requeue::from([young.clone()])
        );
        assert_eq!(claims.older_claimants(&young)[0].name, "a");
        assert!(claims.older_claimants(&old).is_empty());
        assert_eq!(claims.release(&old), Requeue::from([young.clone()]));
        assert!(claims.older_claimants(&young).is_empty());
    }

    #[test]
    fn drives_that_claim_the_name_of_a_deleted_child_are_found() {
        let claims = Claims::default();
        let drive = DriveKey::new("n", "a");
        claims.claim(&drive, age("1"), &names(&["Deployment/a-b"]));
        let child = |kind, namespace| ChildKey::new(kind, namespace, "a-b");
        assert_eq!(claims.claimants(&child(Kind::Deployment, "n")), Requeue::from([drive]));
        assert!(claims.claimants(&child(Kind::Deployment, "m")).is_empty());
        assert!(claims.claimants(&child(Kind::Service, "n")).is_empty());
    }

    #[test]
    fn claims_of_other_namespaces_do_not_count() {
        let claims = Claims::default();
        claims.claim(&DriveKey::new("m", "a"), age("1"), &names(&["Deployment/x"]));
        claims.claim(&DriveKey::new("n", "b"), age("2"), &names(&["Deployment/x"]));
        assert!(claims.older_claimants(&DriveKey::new("n", "b")).is_empty());
    }
}
