//! Recently deleted objects, so that the late response to a write does not restore one.
//!
//! A response and a watch event arrive on different connections. If an object is deleted, or loses the label of the
//! watch, right after we wrote it, its delete event may arrive before the response to the write. The record of that
//! response would then stay until the next complete list.

use std::collections::{HashMap, VecDeque};

use ras_core::fetched::record::ChildKey;

/// A response is late by moments, in which far fewer objects are deleted.
const CAPACITY: usize = 4_096;

#[derive(Debug, Default)]
pub(super) struct Tombstones {
    versions: HashMap<ChildKey, u64>,
    /// Oldest first.
    order: VecDeque<ChildKey>,
}

impl Tombstones {
    pub(super) fn add(&mut self, key: &ChildKey, version: u64) {
        if self.versions.insert(key.clone(), version).is_some() {
            return;
        }
        self.order.push_back(key.clone());
        if self.order.len() > CAPACITY
            && let Some(first) = self.order.pop_front()
        {
            self.versions.remove(&first);
        }
    }

    /// True when the object was deleted after this version.
    pub(super) fn is_deleted_after(&self, key: &ChildKey, version: u64) -> bool {
        self.versions.get(key).is_some_and(|deleted| *deleted > version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ras_core::kind::Kind;

    #[test]
    fn a_tombstone_applies_to_earlier_versions_and_is_dropped_when_full() {
        let key = |number: usize| ChildKey::new(Kind::Service, "spo", &format!("portal-{number}"));
        let mut tombstones = Tombstones::default();
        tombstones.add(&key(0), 7);
        assert!(
            tombstones.is_deleted_after(&key(0), 6)
                && !tombstones.is_deleted_after(&key(0), 8)
                && !tombstones.is_deleted_after(&key(1), 6)
        );
        tombstones.add(&key(0), 9);
        assert!(tombstones.is_deleted_after(&key(0), 8));
        for number in 1..=CAPACITY {
            tombstones.add(&key(number), 7);
        }
        assert!(!tombstones.is_deleted_after(&key(0), 8) && tombstones.is_deleted_after(&key(CAPACITY), 6));
        assert_eq!(
            (tombstones.versions.len(), tombstones.order.len()),
            (CAPACITY, CAPACITY)
        );
    }
}
