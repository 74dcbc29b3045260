//! The annotations that confirm or forbid that buckets are deleted.

use std::collections::{BTreeMap, BTreeSet};

use ras_crds::labels::{CONFIRM_DELETE, KEEP_BUCKETS};

/// What people said in the drive's annotations.
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

    /// Whether somebody wrote this bucket's very name: no pattern stands for a name here.
    pub fn confirms(&self, bucket: &str) -> bool {
        self.confirmed.contains(bucket)
    }

    /// Whether somebody wrote that it stays.
    pub fn keeps(&self, bucket: &str) -> bool {
        self.kept.contains(bucket) || self.kept.contains("*")
    }
}
