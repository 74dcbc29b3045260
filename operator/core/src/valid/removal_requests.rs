//! The annotations that confirm or forbid that buckets are deleted.

use std::collections::{BTreeMap, BTreeSet};

use ras_crds::labels::{CONFIRM_DELETE, KEEP_BUCKETS};

/// The annotations about deletion of buckets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RemovalRequests {
    confirmed: BTreeSet<String>,
    kept: BTreeSet<String>,
}

impl RemovalRequests {
    /// Reads the annotations of a drive.
    pub fn read(annotations: Option<&BTreeMap<String, String>>) -> Self {
        let names = |key: &str| {
            let text = annotations.and_then(|all| all.get(key)).map(String::as_str);
            text.unwrap_or_default()
                .split(',')
                .map(str::trim)
                .filter(|name| !name.is_empty())
                .map(str::to_owned)
                .collect()
        };
        Self {
            confirmed: names(CONFIRM_DELETE),
            kept: names(KEEP_BUCKETS),
        }
    }

    /// True if the annotation has the exact name of this bucket. There are no patterns.
    pub fn confirms(&self, bucket: &str) -> bool {
        self.confirmed.contains(bucket)
    }

    /// True if the annotation keeps this bucket.
    pub fn keeps(&self, bucket: &str) -> bool {
        self.kept.contains(bucket) || self.kept.contains("*")
    }
}
