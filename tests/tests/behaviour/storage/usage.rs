//! What is in a bucket is counted where the platform wants it, with few requests, and nowhere else.

use std::{
    collections::BTreeMap,
    fs,
    time::{Duration, Instant},
};

use ras_crds::{BucketState, BucketStatus, ConditionType, Reason};
use ras_tests::{Error, PATIENCE, object_store::StoreKind};

use super::{Storage, cost::asked, look};
use crate::seen::because;

/// A number of the operator's own about the bucket `photos`, if it tells one.
async fn metric(storage: &mut Storage, name: &str) -> Result<Option<u64>, Error> {
    let namespace = storage.test_env.namespace.name().to_owned();
    let (_, text) = storage.test_env.operator.get("/metrics").await?;
    let labels = [
        "bucket=\"photos\"".to_owned(),
        "drive=\"d\"".to_owned(),
        format!("namespace=\"{namespace}\""),
    ];
    let name = format!("{name}{{");
    let line = text
        .lines()
        .find(|line| line.starts_with(&name) && labels.iter().all(|label| line.contains(label)));
    Ok(line.and_then(|line| line.rsplit(' ').next()?.parse().ok()))
}

/// The bucket's line once so many objects are counted.
async fn counted(storage: &Storage, objects: i64) -> Result<BucketStatus, Error> {
    storage
        .line_that("photos", &format!("said to hold {objects} objects"), |line| {
            line.usage.as_ref().is_some_and(|usage| usage.objects == objects)
        })
        .await
}

#[tokio::test]
async fn status_and_metrics_tell_what_is_in_a_bucket_and_what_goes_within_thirty_days() -> Result<(), Error> {
    let mut storage = Storage::start(StoreKind::Minio, "usage", "usage: {every: 1s, maxPages: 3}").await?;
    let bucket =
        |quota: &str| format!("{{name: photos, expire: [{{prefix: zip/, after: 7d}}, {{after: 400d}}]{quota}}}");
    storage.drive(&bucket("")).await?;
    let name = storage.ready("photos").await?;
    let usage = counted(&storage, 0).await?.usage.unwrap_or_else(|| panic!("no usage"));
    assert_eq!((usage.bytes, usage.at_least), (0, false));

    for (key, text) in [
        ("zip/1", "1234567"),
        ("zip/2", "12345"),
        ("zipped", "123"),
        ("photo.jpg", "12345678901"),
    ] {
        look::put(&storage.client, &name, key, text).await?;
    }
    let usage = counted(&storage, 4).await?.usage.unwrap_or_else(|| panic!("no usage"));
    assert_eq!((usage.bytes, usage.at_least), (26, false));
    assert_eq!((usage.expiring_objects, usage.expiring_bytes), (2, 12));
    assert_eq!(metric(&mut storage, "ras_bucket_bytes").await?, Some(26));
    assert_eq!(metric(&mut storage, "ras_bucket_objects").await?, Some(4));

    // More than it should hold is told, and refused to nobody.
    for quota in [", quota: {objects: 3}", ", quota: {size: '25'}"] {
        storage.drive(&bucket("")).await?;
        because(
            &storage.test_env,
            "d",
            ConditionType::StorageReady,
            Reason::BucketsLimited,
        )
        .await?;
        storage.drive(&bucket(quota)).await?;
        let over = because(
            &storage.test_env,
            "d",
            ConditionType::StorageReady,
            Reason::QuotaExceeded,
        )
        .await?;
        assert_eq!(over.status, "True", "{quota}");
        for part in ["photos", "26 bytes", "4 objects", "quota"] {
            assert!(over.message.contains(part), "{quota}: {}", over.message);
        }
        storage.test_env.ready("d").await?;
    }
    look::put(&storage.client, &name, "one-more", "x").await?;
    counted(&storage, 5).await?;
    storage.drive(&bucket(", quota: {size: 1Ki, objects: 5}")).await?;
    because(
        &storage.test_env,
        "d",
        ConditionType::StorageReady,
        Reason::BucketsLimited,
    )
    .await?;
    Ok(())
}

#[tokio::test]
async fn a_count_that_ends_before_the_bucket_does_says_at_least() -> Result<(), Error> {
    let mut storage = Storage::start(StoreKind::Versitygw, "at-least", "usage: {every: 1s, maxPages: 2}").await?;
    storage.drive("{name: photos}").await?;
    let bucket = storage.ready("photos").await?;
    let fill = |from: usize, to: usize| {
        for number in from..to {
            let file = storage.store.folder().join(format!("{bucket}/{number:04}"));
            fs::write(file, "x").expect("a file");
        }
    };
    fill(0, 1_500);
    let usage = counted(&storage, 1_500)
        .await?
        .usage
        .unwrap_or_else(|| panic!("no usage"));
    assert_eq!((usage.bytes, usage.at_least), (1_500, false), "two pages are enough");
    fill(1_500, 2_100);
    // Not every page of versitygw's is full.
    let line = storage
        .line_that("photos", "said to hold at least two pages", |line| {
            line.usage
                .as_ref()
                .is_some_and(|usage| usage.at_least && usage.objects > 1_900)
        })
        .await?;
    let usage = line.usage.unwrap_or_else(|| panic!("no usage"));
    assert!(usage.objects <= 2_000 && usage.bytes == usage.objects, "{usage:?}");
    let objects = metric(&mut storage, "ras_bucket_objects").await?;
    assert_eq!(objects.map(u64::cast_signed), Some(usage.objects));

    // The number goes with its bucket.
    storage.drive("").await?;
    storage.line("photos", BucketState::Retained).await?;
    storage.delete().await?;
    storage.gone().await?;
    let until = Instant::now() + PATIENCE;
    while metric(&mut storage, "ras_bucket_objects").await?.is_some() {
        assert!(Instant::now() < until, "a bucket of no drive is still in the metrics");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}

#[tokio::test]
async fn nothing_is_counted_unless_the_platform_says_so() -> Result<(), Error> {
    let mut storage = Storage::start(StoreKind::Minio, "uncounted", "checkEvery: 1s").await?;
    storage
        .drive("{name: photos, quota: {objects: 1}, expire: [{after: 7d}]}")
        .await?;
    let bucket = storage.ready("photos").await?;
    for key in ["a", "b"] {
        look::put(&storage.client, &bucket, key, "data").await?;
    }
    let before = asked(&mut storage).await?;
    let lists = |counts: &BTreeMap<String, u64>| {
        let lists = counts.iter().filter(|(operation, _)| operation.starts_with("List"));
        lists.map(|(_, count)| *count).sum::<u64>()
    };
    let until = Instant::now() + PATIENCE;
    loop {
        let now = asked(&mut storage).await?;
        assert_eq!(lists(&now), lists(&before), "objects were listed: {now:?}");
        if now["GetBucketTagging"] >= before["GetBucketTagging"] + 3 {
            break;
        }
        assert!(Instant::now() < until, "too few checks: {now:?}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let line = storage.line("photos", BucketState::Ready).await?;
    assert_eq!(line.usage, None);
    assert_eq!(metric(&mut storage, "ras_bucket_bytes").await?, None);
    because(
        &storage.test_env,
        "d",
        ConditionType::StorageReady,
        Reason::BucketsLimited,
    )
    .await?;
    Ok(())
}
