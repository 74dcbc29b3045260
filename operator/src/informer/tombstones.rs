//! Which objects went lately, so that the late answer to a write does not bring one back.
//!
//! An answer and the news of a watch come by different ways. When an object is deleted, or loses the label by which it
//! is watched, right after we wrote it, the news of that may be here before the answer to the write is. Believed,
//! the answer would stand until the next complete list, and nobody would look at the object before.

use std::collections::{HashMap, VecDeque};

use ras_core::fetched::record::ChildKey;

/// How many are remembered. An answer is late by moments, and in moments not nearly so many go.
const MOST: usize = 4_096;

/// The versions at which objects went.
#[derive(Debug, Default)]
pub(super) struct Gone {
    versions: HashMap<ChildKey, u64>,
    /// The order in which they went, for forgetting the first.
    order: VecDeque<ChildKey>,
}

impl Gone {
    /// Notes that an object went at this version.
    pub(super) fn note(&mut self, key: &ChildKey, version: u64) {
        if self.versions.insert(key.clone(), version).is_some() {
            return;
        }
        self.order.push_back(key.clone());
        if self.order.len() > MOST
            && let Some(first) = self.order.pop_front()
        {
            self.versions.remove(&first);
        }
    }

    /// Whether an object went after it had this version.
    pub(super) fn went_after(&self, key: &ChildKey, version: u64) -> bool {
        self.versions.get(key).is_some_and(|went| *went > version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ras_core::kind::Kind;

    #[test]
    fn what_went_is_known_by_its_version_and_only_for_a_while() {
        let key = |number: usize| ChildKey::new(Kind::Service, "spo", &format!("portal-{number}"));
        let mut gone = Gone::default();
        gone.note(&key(0), 7);
        assert!(gone.went_after(&key(0), 6) && !gone.went_after(&key(0), 8) && !gone.went_after(&key(1), 6));
        gone.note(&key(0), 9);
        assert!(gone.went_after(&key(0), 8));
        for number in 1..=MOST {
            gone.note(&key(number), 7);
        }
        assert!(!gone.went_after(&key(0), 8) && gone.went_after(&key(MOST), 6));
        assert_eq!((gone.versions.len(), gone.order.len()), (MOST, MOST));
    }
}
