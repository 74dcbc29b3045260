//! Emptying a bucket that is not small: in pages, in sight, stopped and taken up again, and never by mistake.

mod files;

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use futures::{StreamExt as _, TryStreamExt as _, stream};
use ras_crds::{
    BucketState, ConditionType, Reason,
    labels::{CONFIRM_DELETE, KEEP_BUCKETS},
};
use ras_tests::{Error, Fault, FaultProxy, Match, Operator, PATIENCE, eventually, object_store::StoreKind};

use self::files::Files;
use super::{Storage, look, print_figure};
use crate::children::{counts_past, reconciles};

const BUCKET: &str = "{name: photos, deletionPolicy: Delete}";
/// Memory that emptying may take in addition to an idle operator: pages of 1,000 entries, and memory that the allocator
/// keeps.
const MOST_MEMORY: u64 = 30 * 1024;

/// How long many objects may take to go: ten seconds on two idle cores.
const LONG: Duration = Duration::from_mins(3);

/// A bucket `photos` in versitygw with so many objects, of a drive that is being deleted and waits for a confirmation. Each
/// page takes this much longer, so that no machine is too fast to be watched.
async fn doomed(prefix: &str, objects: usize, page: Duration) -> Result<(FaultProxy, Storage, String, Files), Error> {
    let (proxy, storage) = Storage::through(StoreKind::Versitygw, prefix, "").await?;
    proxy.fault(Match::containing("?delete"), Fault::Delay(page));
    storage.drive(BUCKET).await?;
    let bucket = storage.ready("photos").await?;
    let files = Files::fill(&storage, &bucket, objects);
    assert_eq!(files.count(), objects);
    storage.delete().await?;
    is_blocked(&storage, Reason::ConfirmationMissing).await?;
    Ok((proxy, storage, bucket, files))
}

async fn is_blocked(storage: &Storage, reason: Reason) -> Result<String, Error> {
    let what = format!("the deletion to be blocked because {reason}");
    eventually(PATIENCE, &what, async || {
        let blocked = storage
            .test_env
            .condition("d", ConditionType::DeletionBlocked, "True")
            .await?;
        if blocked.reason == reason.as_str() {
            Ok(blocked.message)
        } else {
            Err(blocked.reason.into())
        }
    })
    .await
    .map_err(|error| error.with_log(&storage.test_env.operator.log()))
}

/// Waits until so many are said to be removed, and returns every number that status said on the way.
async fn removed(storage: &Storage, at_least: i64) -> Result<BTreeSet<i64>, Error> {
    let mut said = BTreeSet::new();
    loop {
        let before = said.last().copied().unwrap_or_default();
        let line = storage
            .line_that("photos", &format!("emptied beyond {before}"), |line| {
                line.removed.is_some_and(|removed| removed > before)
            })
            .await?;
        said.extend(line.removed);
        if line.removed.is_some_and(|removed| removed >= at_least) {
            return Ok(said);
        }
    }
}

/// Deleting requests of the operator to the store, by operation.
async fn deletions(storage: &mut Storage) -> Result<Vec<((String, String), u64)>, Error> {
    let asked = storage.requests().await?.into_iter();
    Ok(asked
        .filter(|((operation, _), _)| operation.starts_with("Delete") || operation.starts_with("Abort"))
        .collect())
}

#[tokio::test]
async fn a_hundred_thousand_objects_go_in_sight_in_little_memory_and_wait_half_way() -> Result<(), Error> {
    let (_proxy, storage, bucket, files) = doomed("many", 100_000, Duration::from_millis(50)).await?;
    let at_rest = storage.test_env.operator.memory()?;

    let began = Instant::now();
    storage.annotate(CONFIRM_DELETE, Some(&bucket)).await?;
    let said = removed(&storage, 20_000).await?;
    assert!(said.len() >= 2, "status told of {said:?} only");

    storage.annotate(CONFIRM_DELETE, None).await?;
    is_blocked(&storage, Reason::ConfirmationMissing).await?;
    // The request that was on its way may still be carried out.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let left = files.count();
    print_figure(&format!(
        "removed {} of 100000 in {:?}, by status {said:?}",
        100_000 - left,
        began.elapsed()
    ));
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(files.count(), left, "it went on without a confirmation");
    assert!((1..80_001).contains(&left), "{left} objects are left");

    let again = Instant::now();
    storage.annotate(CONFIRM_DELETE, Some(&bucket)).await?;
    storage.gone_within(LONG).await?;
    print_figure(&format!("the other {left} in {:?}", again.elapsed()));
    assert!(!look::exists(&storage.client, &bucket).await?);

    let most = storage.test_env.operator.memory()?.highest;
    let grown = most.saturating_sub(at_rest.resident);
    print_figure(&format!(
        "memory: {} KiB at rest, {most} KiB at most: {grown} KiB more",
        at_rest.resident
    ));
    assert!(grown < MOST_MEMORY, "{grown} KiB more than {at_rest:?}");
    Ok(())
}

#[tokio::test]
async fn an_operator_that_dies_while_it_empties_a_bucket_goes_on_where_it_was() -> Result<(), Error> {
    let (proxy, mut storage, bucket, files) = doomed("dies", 20_000, Duration::from_millis(300)).await?;
    storage.annotate(CONFIRM_DELETE, Some(&bucket)).await?;
    // More than a page, which is what one that began anew would tell first.
    removed(&storage, 2_000).await?;
    storage.test_env.operator.kill();
    let line = storage
        .line_that("photos", "half-way", |line| line.removed.is_some())
        .await?;
    let (before, left) = (line.removed.unwrap_or_default(), files.count());
    assert!(
        (1..20_000).contains(&left),
        "{left} objects are left, and status says {before}"
    );

    storage.test_env.operator =
        Operator::start(&storage.test_env.cluster, &storage.test_env.namespace, &storage.options).await?;
    eventually(PATIENCE, "status to count on", async || {
        let status = storage.status().await?;
        let said = status.buckets.first().and_then(|line| line.removed);
        assert!(said >= Some(before), "status began anew: {said:?} after {before}");
        if said > Some(before) {
            Ok(())
        } else {
            Err("as before".into())
        }
    })
    .await
    .map_err(|error| error.with_log(&storage.test_env.operator.log()))?;
    proxy.heal();
    storage.gone_within(LONG).await?;
    assert!(!look::exists(&storage.client, &bucket).await?);
    Ok(())
}

/// Waits until the operator has looked at the drive once more.
async fn looked_at(storage: &mut Storage, what: &str) -> Result<(), Error> {
    let before = reconciles(&mut storage.test_env.operator).await?;
    storage.annotate("example.com/note", Some(what)).await?;
    counts_past(&mut storage.test_env.operator, before).await
}

#[tokio::test]
async fn a_wrong_confirmation_sends_no_request_that_deletes() -> Result<(), Error> {
    let (_proxy, mut storage, bucket, files) = doomed("wrong", 1_100, Duration::ZERO).await?;
    let wrong = [
        "photos".to_owned(),
        "true".to_owned(),
        "*".to_owned(),
        format!("{bucket}*"),
        bucket.to_uppercase(),
        bucket[..bucket.len() - 1].to_owned(),
        format!("{bucket}0"),
        format!("{bucket};x"),
        format!("s3://{bucket}"),
        bucket.replacen('d', "e", 1),
    ];
    for wrong in wrong {
        assert_ne!(wrong, bucket);
        storage.annotate(CONFIRM_DELETE, Some(&wrong)).await?;
        looked_at(&mut storage, &wrong).await?;
        let message = is_blocked(&storage, Reason::ConfirmationMissing).await?;
        assert!(message.contains(&bucket), "{wrong}: {message}");
    }
    assert_eq!(deletions(&mut storage).await?, []);
    assert_eq!(files.count(), 1_100);

    // The same operator deletes what is confirmed: or none of this means anything.
    storage
        .annotate(CONFIRM_DELETE, Some(&format!("other, {bucket}")))
        .await?;
    storage.gone().await?;
    assert!(!deletions(&mut storage).await?.is_empty());
    Ok(())
}

#[tokio::test]
async fn a_bucket_that_is_retained_is_never_asked_to_lose_anything() -> Result<(), Error> {
    let mut storage = Storage::start(StoreKind::Versitygw, "retained", "").await?;
    storage
        .drive("{name: photos}, {name: resumes, deletionPolicy: Retain}")
        .await?;
    let (photos, resumes) = (storage.ready("photos").await?, storage.ready("resumes").await?);
    let files = [
        Files::fill(&storage, &photos, 1_100),
        Files::fill(&storage, &resumes, 1_100),
    ];
    let confirmed = format!("{photos},{resumes}");
    storage.annotate(CONFIRM_DELETE, Some(&confirmed)).await?;
    storage.drive("{name: resumes, deletionPolicy: Retain}").await?;
    storage.line("photos", BucketState::Retained).await?;
    storage.delete().await?;
    storage.gone().await?;
    assert_eq!(deletions(&mut storage).await?, []);
    assert_eq!(files.map(|files| files.count()), [1_100, 1_100]);
    Ok(())
}

/// Does something so many times, some at a time.
async fn many<F: Future<Output = Result<(), Error>>>(times: usize, what: impl Fn(usize) -> F) -> Result<(), Error> {
    let all = stream::iter((0..times).map(what));
    all.buffer_unordered(32).try_collect::<Vec<()>>().await.map(drop)
}

#[tokio::test]
async fn versions_delete_markers_and_unfinished_uploads_of_several_pages_go_too() -> Result<(), Error> {
    let mut storage = Storage::start(StoreKind::Minio, "pages", "").await?;
    storage
        .drive("{name: photos, versioned: true, deletionPolicy: Delete}")
        .await?;
    let bucket = storage.ready("photos").await?;
    let client = &storage.client;
    // Ten versions of each key, the newest of every other one a delete marker.
    many(1_500, async |number| {
        look::put(client, &bucket, &format!("{:03}", number % 150), "data").await
    })
    .await?;
    many(75, async |number| {
        look::delete(client, &bucket, &format!("{:03}", number * 2)).await
    })
    .await?;
    many(1_050, async |number| {
        look::begin_upload(client, &bucket, &format!("never-{number}")).await
    })
    .await?;

    storage.delete().await?;
    is_blocked(&storage, Reason::ConfirmationMissing).await?;
    storage.annotate(CONFIRM_DELETE, Some(&bucket)).await?;
    storage.gone().await?;
    assert!(!look::exists(&storage.client, &bucket).await?);
    let asked = storage.requests().await?;
    let count = |operation: &str| asked.get(&(operation.to_owned(), "ok".to_owned())).copied();
    print_figure(&format!("{asked:?}"));
    assert_eq!(count("AbortMultipartUpload"), Some(1_050), "{asked:?}");
    assert_eq!(count("DeleteObjects"), Some(2), "{asked:?}");
    assert_eq!(count("DeleteBucket"), Some(1), "{asked:?}");
    Ok(())
}

#[tokio::test]
async fn locked_objects_stay_although_the_operator_could_lift_their_locks() -> Result<(), Error> {
    let storage = Storage::start(StoreKind::Minio, "locked", "").await?;
    storage
        .drive("{name: photos, versioned: true, objectLock: {mode: Governance, retain: 1d}, deletionPolicy: Delete}")
        .await?;
    let bucket = storage.ready("photos").await?;
    let client = &storage.client;
    look::put(client, &bucket, "locked.pdf", "one").await?;
    look::put(client, &bucket, "locked.pdf", "two").await?;
    look::delete(client, &bucket, "locked.pdf").await?;
    look::put_locked_for(client, &bucket, "free.pdf", Duration::from_secs(1)).await?;
    tokio::time::sleep(Duration::from_secs(2)).await;

    storage.delete().await?;
    is_blocked(&storage, Reason::ConfirmationMissing).await?;
    storage.annotate(CONFIRM_DELETE, Some(&bucket)).await?;
    let message = is_blocked(&storage, Reason::ObjectsLocked).await?;
    for part in [
        "2 objects",
        bucket.as_str(),
        "locked",
        &format!("{KEEP_BUCKETS}={bucket}"),
    ] {
        assert!(message.contains(part), "`{part}` is not in: {message}");
    }
    // What is not locked is gone, the delete marker too; root could have lifted the locks.
    assert_eq!(look::get(client, &bucket, "free.pdf").await?, None);
    assert_eq!(look::get(client, &bucket, "locked.pdf").await?.as_deref(), Some("two"));
    let left = client.list_object_versions().bucket(&bucket).send().await;
    let left = left.map_err(|error| look::failed("ListObjectVersions", &error))?;
    assert_eq!((left.versions().len(), left.delete_markers().len()), (2, 0));

    storage.annotate(KEEP_BUCKETS, Some(&bucket)).await?;
    storage.gone().await?;
    assert!(look::exists(client, &bucket).await?);
    Ok(())
}
