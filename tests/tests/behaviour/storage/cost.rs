//! What a bucket at rest costs in requests: exactly these at each look at its settings, and none between. "What it
//! costs" in docs/storage.md is reckoned from the numbers here.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use ras_tests::{Error, PATIENCE, object_store::StoreKind};

use super::{Storage, suite::EVERYTHING};

/// Checks that are looked at.
const CHECKS: u64 = 4;

/// Requests that were sent, by operation.
pub async fn asked(storage: &mut Storage) -> Result<BTreeMap<String, u64>, Error> {
    let mut counts = BTreeMap::new();
    for ((operation, _), count) in storage.requests().await? {
        *counts.entry(operation).or_default() += count;
    }
    Ok(counts)
}

/// What is sent at each check, by operation. Each is sent once, or this fails.
async fn each_check_asks(storage: &mut Storage) -> Result<Vec<String>, Error> {
    // Whatever the first looks find out is behind us.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let before = asked(storage).await?;
    let until = Instant::now() + PATIENCE;
    loop {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let mut asked = asked(storage).await?;
        for (operation, count) in &before {
            *asked.entry(operation.clone()).or_default() -= count;
        }
        asked.retain(|_, count| *count > 0);
        let (least, most) = (asked.values().min(), asked.values().max());
        if least >= Some(&CHECKS) {
            // A look may be under way at either end.
            let once = most.zip(least).is_some_and(|(most, least)| most - least <= 1);
            assert!(once, "not one of each at each check: {asked:?}");
            return Ok(asked.into_keys().collect());
        }
        assert!(Instant::now() < until, "{asked:?} in {PATIENCE:?}");
    }
}

#[tokio::test]
async fn tmp() -> Result<(), Error> {
    for kind in StoreKind::ALL {
        let mut storage = Storage::start(kind, "cost", "checkEvery: 1s").await?;
        storage.drive("{name: resumes}").await?;
        storage.ready("resumes").await?;
        let a = each_check_asks(&mut storage).await;
        super::tell(&format!("{kind} default {a:?}"));
        storage.drive(EVERYTHING).await?;
        storage.ready("resumes").await?;
        let a = each_check_asks(&mut storage).await;
        super::tell(&format!("{kind} everything {a:?}"));
    }
    Ok(())
}
