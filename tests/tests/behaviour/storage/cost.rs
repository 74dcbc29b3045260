//! What was asked of a store, by operation, as the operator counts it.

use std::collections::BTreeMap;

use ras_tests::Error;

use super::Storage;

/// Requests that were sent, by operation.
pub async fn asked(storage: &mut Storage) -> Result<BTreeMap<String, u64>, Error> {
    let mut counts = BTreeMap::new();
    for ((operation, _), count) in storage.requests().await? {
        *counts.entry(operation).or_default() += count;
    }
    Ok(counts)
}
