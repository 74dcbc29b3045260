//! The hosts that drives of all namespaces claim, so that two drives never share one: requests to a host, and cookies of its
//! pages, would go to both.
//!
//! The drive whose route is there keeps the host; among those without a route it is the oldest. Age alone would not do: an older
//! drive could take the host of a younger one that serves, by changing its spec.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::informer::claims::Age;
use crate::informer::store::{DriveKey, Requeue};

/// A claim to a host. The smaller one wins.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    is_without_route: bool,
    age: Age,
}

#[derive(Debug)]
struct HostClaim {
    host: String,
    rank: Rank,
}

#[derive(Debug, Default)]
pub struct HostClaims {
    drives: HashMap<DriveKey, HostClaim>,
    hosts: BTreeMap<String, BTreeSet<DriveKey>>,
}

impl HostClaims {
    /// Sets the host that a drive claims. Returns the other drives whose hosts overlap with it, or did, if something changed.
    pub fn claim(&mut self, drive: &DriveKey, age: Age, host: Option<&str>, has_route: bool) -> Requeue {
        let rank = Rank {
            is_without_route: !has_route,
            age,
        };
        let host = host.map(normalized);
        let before = self.drives.get(drive);
        if before.map(|before| (&before.host, &before.rank)) == host.as_ref().map(|host| (host, &rank)) {
            return Requeue::new();
        }
        let mut requeue = self.release(drive);
        if let Some(host) = host {
            requeue.extend(self.overlapping(&host));
            self.hosts.entry(host.clone()).or_default().insert(drive.clone());
            self.drives.insert(drive.clone(), HostClaim { host, rank });
        }
        requeue.remove(drive);
        requeue
    }

    /// Returns the drives that may have waited for the host.
    pub fn release(&mut self, drive: &DriveKey) -> Requeue {
        let Some(claimed) = self.drives.remove(drive) else {
            return Requeue::new();
        };
        if let Some(drives) = self.hosts.get_mut(&claimed.host) {
            drives.remove(drive);
            if drives.is_empty() {
                self.hosts.remove(&claimed.host);
            }
        }
        self.overlapping(&claimed.host)
    }

    /// The drive that has this drive's host.
    pub fn taken_by(&self, drive: &DriveKey) -> Option<DriveKey> {
        let own = self.drives.get(drive)?;
        let others = self.overlapping(&own.host).into_iter();
        let before = others.filter_map(|other| Some((&self.drives.get(&other)?.rank, other)));
        let (first, other) = before.min()?;
        (*first < own.rank && other != *drive).then_some(other)
    }

    /// Drives that claim the host, a wildcard that covers it, or a host that it covers.
    fn overlapping(&self, host: &str) -> Requeue {
        let wildcard = host.split_once('.').map(|(_, parent)| format!("*.{parent}"));
        let mut found = Requeue::new();
        for host in std::iter::once(host).chain(wildcard.as_deref()) {
            found.extend(self.hosts.get(host).into_iter().flatten().cloned());
        }
        if let Some(parent) = host.strip_prefix("*.") {
            // There are hardly ever any: the API server accepts no wildcards.
            let covered = self.hosts.iter().filter(|(host, _)| {
                let rest = host.split_once('.').map(|(_, rest)| rest);
                rest == Some(parent)
            });
            found.extend(covered.flat_map(|(_, drives)| drives).cloned());
        }
        found
    }
}

/// As DNS compares names.
fn normalized(host: &str) -> String {
    host.trim_end_matches('.').to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn age(created: &str) -> Age {
        Age {
            created: created.into(),
            uid: created.into(),
        }
    }

    #[test]
    fn the_older_drive_has_the_host_in_any_namespace_and_the_younger_is_requeued_when_it_goes() {
        let (old, young) = (DriveKey::new("a", "d"), DriveKey::new("b", "d"));
        let mut claims = HostClaims::default();
        claims.claim(&young, age("2"), Some("x.example.edu"), false);
        let requeue = claims.claim(&old, age("1"), Some("X.example.edu."), false);
        assert_eq!(requeue, Requeue::from([young.clone()]));
        assert_eq!(claims.taken_by(&young), Some(old.clone()));
        assert_eq!(claims.taken_by(&old), None);
        assert_eq!(
            claims.claim(&old, age("1"), Some("x.example.edu"), false),
            Requeue::new()
        );
        assert_eq!(
            claims.claim(&old, age("1"), None, false),
            Requeue::from([young.clone()])
        );
        assert_eq!(claims.taken_by(&young), None);
        claims.claim(&old, age("1"), Some("x.example.edu"), false);
        assert_eq!(claims.release(&old), Requeue::from([young.clone()]));
        assert_eq!(claims.taken_by(&young), None);
    }

    #[test]
    fn a_drive_that_serves_keeps_its_host_when_an_older_one_comes_for_it() {
        let (old, serving) = (DriveKey::new("attacker", "d"), DriveKey::new("victim", "d"));
        let mut claims = HostClaims::default();
        claims.claim(&serving, age("2"), Some("x.example.edu"), true);
        claims.claim(&old, age("1"), Some("other.example.edu"), true);
        assert_eq!(claims.taken_by(&old), None);
        claims.claim(&old, age("1"), Some("x.example.edu"), false);
        assert_eq!(claims.taken_by(&old), Some(serving.clone()));
        assert_eq!(claims.taken_by(&serving), None);
    }

    #[test]
    fn hosts_overlap_as_certificates_and_controllers_read_them() {
        for (one, other, overlap) in [
            ("a.x.edu", "a.x.edu", true),
            ("*.x.edu", "a.x.edu", true),
            ("a.x.edu", "*.x.edu", true),
            ("*.x.edu", "*.x.edu", true),
            ("*.x.edu", "a.b.x.edu", false),
            ("*.x.edu", "x.edu", false),
            ("a.x.edu", "b.x.edu", false),
        ] {
            let mut claims = HostClaims::default();
            let (old, young) = (DriveKey::new("a", "d"), DriveKey::new("b", "d"));
            claims.claim(&old, age("1"), Some(one), false);
            claims.claim(&young, age("2"), Some(other), false);
            assert_eq!(claims.taken_by(&young).is_some(), overlap, "{one} {other}");
        }
    }
}
