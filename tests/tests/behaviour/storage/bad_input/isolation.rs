//! Who waits for a store waits alone.

use std::time::{Duration, Instant};

use ras_crds::{ConditionType, Reason};
use ras_tests::{
    Error, Fault, FaultProxy, Match, eventually,
    object_store::{StoreKind, shared},
};

use super::{
    super::{PATIENCE, Storage, manifest_of},
    Platform, apply,
};
use crate::seen::{because, kubectl};

/// As many buckets as one drive may have.
fn many() -> String {
    let buckets: Vec<String> = (0..16).map(|number| format!("{{name: b{number}}}")).collect();
    buckets.join(", ")
}

#[tokio::test]
async fn a_drive_whose_buckets_hang_keeps_no_other_drive_waiting() -> Result<(), Error> {
    let (proxy, storage) = Storage::through(StoreKind::Minio, "hanging", "").await?;
    let test_env = &storage.test_env;
    let path = format!("/{}-slow-", test_env.namespace.name());
    proxy.fault(Match::containing(path), Fault::Hang);
    test_env.apply(&manifest_of("slow", &many())).await?;
    eventually(PATIENCE, "its requests to hang", async || {
        match proxy.requests().iter().filter(|request| request.hangs).count() {
            // No more than two of one drive's buckets are worked on at a time.
            2 => Ok(()),
            other => Err(format!("{other} hang").into()),
        }
    })
    .await?;
    apply(test_env, "quick", "versioned: true").await?;
    test_env.apply(&manifest_of("without", "")).await?;
    test_env.ready("without").await?;
    test_env.ready("quick").await?;
    // Not because the others were given up: the sixteen take turns, two at a time, ten seconds each.
    assert!(
        proxy.requests().iter().any(|request| request.hangs),
        "nothing hangs any more"
    );
    let slow = test_env.condition("slow", ConditionType::StorageReady, "False").await?;
    assert_ne!(slow.reason, Reason::BucketsAvailable.as_str());
    proxy.heal();
    test_env.ready("slow").await.map(drop)
}

#[tokio::test]
async fn fifty_buckets_without_a_store_keep_no_drive_without_buckets_waiting() -> Result<(), Error> {
    let (mut proxy, storage) = Storage::through(StoreKind::Minio, "fifty", "").await?;
    let test_env = &storage.test_env;
    proxy.down().await;
    for drive in ["a", "b", "c", "d"] {
        test_env.apply(&manifest_of(drive, &many())).await?;
    }
    for drive in ["a", "b", "c", "d"] {
        because(test_env, drive, ConditionType::StorageReady, Reason::StoreUnavailable).await?;
    }
    test_env.apply(&manifest_of("without", "")).await?;
    test_env.ready("without").await?;
    proxy.up().await?;
    for drive in ["a", "b", "c", "d"] {
        test_env.ready(drive).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_store_that_asks_for_less_is_asked_less() -> Result<(), Error> {
    const A_SECOND: usize = 20;
    let store = shared(StoreKind::Minio).await?;
    let proxy = FaultProxy::start(([127, 0, 0, 1], store.port()).into()).await?;
    proxy.fault(
        Match::Every,
        Fault::Answer(503, "SlowDown", "Please reduce your request rate."),
    );
    let settings = format!("endpoint: '{}', requestsPerSecond: {A_SECOND}", proxy.endpoint());
    let platform = Platform::of(store);
    let test_env = platform.test_env("throttled", &settings).await?;
    let drives = ["a", "b", "c", "d"];
    for drive in drives {
        test_env.apply(&manifest_of(drive, &many())).await?;
    }
    for drive in drives {
        let condition = because(&test_env, drive, ConditionType::StorageReady, Reason::StoreThrottled).await?;
        assert!(condition.message.contains("SlowDown"), "{}", condition.message);
    }
    // Each of the 64 buckets is tried twice within a second where nothing holds back.
    eventually(PATIENCE, "more requests than there are buckets", async || {
        match proxy.count() {
            0..100 => Err(format!("{}", proxy.count()).into()),
            _ => Ok(()),
        }
    })
    .await?;
    let times: Vec<Instant> = proxy.requests().iter().map(|request| request.at).collect();
    for (at, time) in times.iter().enumerate() {
        let within = times[at..]
            .iter()
            .take_while(|other| **other - *time < Duration::from_secs(1));
        let count = within.count();
        // What was saved up before the first answer, and a second's worth.
        assert!(count <= 2 * A_SECOND, "{count} requests within a second");
    }
    proxy.heal();
    for drive in ["a", "b", "c"] {
        kubectl(&test_env, &["delete", "drive", drive, "--wait=false"]).await?;
    }
    test_env.ready("d").await.map(drop)
}
