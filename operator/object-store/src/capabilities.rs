//! Features that a store lacks, remembered so that each is tried once and not for every bucket.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ras_core::bucket::request::Feature;

/// So many buckets have to lose a setting before the store counts as lacking it. A single one may have been read too early: AWS
/// calls the settings of buckets "eventually consistent".
const ENOUGH: usize = 3;

/// Clones share one memory.
#[derive(Clone, Debug, Default)]
pub struct Capabilities(Arc<Mutex<Memory>>);

#[derive(Debug, Default)]
struct Memory {
    refused: BTreeSet<Feature>,
    /// Buckets that lost a setting that the store had accepted.
    lost: BTreeMap<Feature, BTreeSet<String>>,
}

impl Capabilities {
    pub fn new() -> Self {
        Self::default()
    }

    /// Features that the store is known to lack.
    pub fn lacking(&self) -> BTreeSet<Feature> {
        let memory = self.memory();
        let lost = memory.lost.iter().filter(|(_, buckets)| buckets.len() >= ENOUGH);
        memory
            .refused
            .iter()
            .chain(lost.map(|(feature, _)| feature))
            .copied()
            .collect()
    }

    /// The store answered that it does not support these. An answer that access is denied does not count.
    pub fn refused(&self, features: impl IntoIterator<Item = Feature>) {
        self.memory().refused.extend(features);
    }

    /// The store accepted a setting of `bucket` and did not keep it.
    pub fn lost(&self, feature: Feature, bucket: &str) {
        let mut memory = self.memory();
        let buckets = memory.lost.entry(feature).or_default();
        if buckets.len() < ENOUGH {
            buckets.insert(bucket.to_owned());
        }
    }

    /// The store lost this setting before, of one bucket or more.
    pub fn is_suspect(&self, feature: Feature) -> bool {
        self.memory().lost.contains_key(&feature)
    }

    pub fn kept(&self, features: impl IntoIterator<Item = Feature>) {
        let mut memory = self.memory();
        for feature in features {
            memory.lost.remove(&feature);
        }
    }

    /// Forgets everything, because a server may be upgraded. Call it about once a day.
    pub fn forget(&self) {
        *self.memory() = Memory::default();
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        // No change below leaves it half-written.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_refused_is_known_at_once_and_what_was_lost_after_three_buckets() {
        let known = Capabilities::new();
        let same = known.clone();
        known.refused([Feature::Cors]);
        known.lost(Feature::Tags, "a");
        known.lost(Feature::Tags, "a");
        known.lost(Feature::Tags, "b");
        assert_eq!(same.lacking(), BTreeSet::from([Feature::Cors]));
        assert!(same.is_suspect(Feature::Tags) && !same.is_suspect(Feature::Cors));
        known.lost(Feature::Tags, "c");
        assert_eq!(same.lacking(), BTreeSet::from([Feature::Cors, Feature::Tags]));
        same.forget();
        assert!(known.lacking().is_empty() && !known.is_suspect(Feature::Tags));
    }

    #[test]
    fn a_setting_that_is_kept_clears_the_suspicion() {
        let known = Capabilities::new();
        known.lost(Feature::Policy, "a");
        known.kept([Feature::Policy]);
        assert!(!known.is_suspect(Feature::Policy));
    }
}
