//! Answers that are no success.

use std::time::Instant;

use ras_crds::{ConditionType, Reason};
use ras_tests::{Error, Fault, Match, object_store::StoreKind};

use super::{
    super::{Storage, look},
    apply, attempts_in, requests, storage_not_ready,
};
use crate::seen::kubectl;

/// The fault of every request of a drive's bucket, the words of the condition, and whether it is retried soon.
struct Case {
    drive: &'static str,
    fault: Fault,
    reason: Reason,
    words: &'static [&'static str],
    soon: bool,
}

fn cases() -> Vec<Case> {
    let case = |drive, fault, reason, words| Case {
        drive,
        fault,
        reason,
        words,
        soon: true,
    };
    let answer = |status, code| Fault::Answer(status, code, "What the store says of it.");
    vec![
        case(
            "denied",
            answer(403, "AccessDenied"),
            Reason::StoreDenied,
            &[
                "AccessDenied",
                "What the store says of it.",
                "give the operator's credentials the right s3:GetBucketTagging",
            ],
        ),
        case(
            "outsider",
            answer(403, "InvalidAccessKeyId"),
            Reason::StoreDenied,
            &["InvalidAccessKeyId", "put a valid access key into the Secret"],
        ),
        case(
            "forger",
            answer(403, "SignatureDoesNotMatch"),
            Reason::StoreDenied,
            &[
                "SignatureDoesNotMatch",
                "put the secret key that belongs to the access key",
            ],
        ),
        case(
            "expired",
            answer(400, "ExpiredToken"),
            Reason::StoreDenied,
            &["ExpiredToken", "renew the session token"],
        ),
        case(
            "skewed",
            answer(403, "RequestTimeTooSkewed"),
            Reason::ClockSkewed,
            &["RequestTimeTooSkewed", "NTP"],
        ),
        case(
            "throttled",
            answer(503, "SlowDown"),
            Reason::StoreThrottled,
            &["SlowDown", "lower `objectStore.requestsPerSecond`"],
        ),
        case(
            "broken",
            answer(500, "InternalError"),
            Reason::StoreUnavailable,
            &["InternalError", "it is tried again"],
        ),
        case(
            "away",
            answer(503, "ServiceUnavailable"),
            Reason::StoreUnavailable,
            &["ServiceUnavailable", "it is tried again"],
        ),
        case(
            "web-page",
            Fault::Garbage,
            Reason::StoreUnavailable,
            &["does not speak S3", "see that `objectStore.endpoint` is its address"],
        ),
        case(
            "half",
            Fault::HalfAnswer,
            Reason::StoreUnavailable,
            &["GetBucketTagging", "see that `objectStore.endpoint` is its address"],
        ),
        case(
            "cut",
            Fault::CutBefore,
            Reason::StoreUnavailable,
            &["closed the connection", "it is tried again"],
        ),
        Case {
            soon: false,
            ..case(
                "elsewhere",
                Fault::Redirect("eu-west-1"),
                Reason::WrongRegion,
                &[
                    "PermanentRedirect",
                    "it is in the region eu-west-1",
                    "set `objectStore.region` to eu-west-1",
                ],
            )
        },
    ]
}

#[tokio::test]
async fn each_is_told_with_bucket_code_and_next_step_and_keeps_no_other_drive_waiting() -> Result<(), Error> {
    let (proxy, mut storage) = Storage::through(StoreKind::Minio, "answers", "").await?;
    let cases = cases();
    let started = Instant::now();
    for case in &cases {
        let path = format!("/{}-{}-one-", storage.test_env.namespace.name(), case.drive);
        proxy.fault(Match::containing(path), case.fault.clone());
        apply(&storage.test_env, case.drive, "").await?;
    }
    for case in &cases {
        storage_not_ready(&storage.test_env, case.drive, case.reason, case.words).await?;
    }
    apply(&storage.test_env, "well", "").await?;
    storage.test_env.ready("well").await?;

    let test_env = &storage.test_env;
    for case in &cases {
        let tried = requests(&proxy, test_env, case.drive).len();
        // A connection that ended is tried once more at once.
        let of_an_attempt = if matches!(case.fault, Fault::CutBefore | Fault::HalfAnswer) {
            2
        } else {
            1
        };
        let most = if case.soon {
            attempts_in(started.elapsed()) * of_an_attempt
        } else {
            1
        };
        assert!(
            (1..=most).contains(&tried),
            "{}: {tried} requests, at most {most}",
            case.drive
        );
        // What a program needs of Kubernetes is there all the same.
        test_env
            .condition(case.drive, ConditionType::ServicesReady, "True")
            .await?;
    }
    let buckets = look::buckets(&storage.client, &format!("{}-", test_env.namespace.name())).await?;
    assert_eq!(buckets.len(), 1, "that of the drive that is well: {buckets:?}");

    proxy.heal();
    for case in &cases {
        if !case.soon {
            // Somebody has to change something first.
            apply(test_env, case.drive, "versioned: true").await?;
        }
        test_env.ready(case.drive).await?;
    }
    let deleted: Vec<_> = proxy
        .requests()
        .into_iter()
        .filter(|one| one.method == "DELETE")
        .collect();
    assert!(deleted.is_empty(), "{deleted:?}");
    no_secret_is_told(&mut storage).await
}

/// Neither log nor metrics nor events nor statuses hold the secret key.
async fn no_secret_is_told(storage: &mut Storage) -> Result<(), Error> {
    let secret = storage.store.secret_key().to_owned();
    let (_, metrics) = storage.test_env.operator.get("/metrics").await?;
    let test_env = &storage.test_env;
    for (place, text) in [
        ("the log", test_env.operator.log()),
        ("metrics", metrics),
        ("events", kubectl(test_env, &["get", "events", "--output=yaml"]).await?),
        ("drives", kubectl(test_env, &["get", "drive", "--output=yaml"]).await?),
    ] {
        assert!(text.contains("well"), "nothing is told in {place}");
        assert!(!text.contains(&secret), "the secret key stands in {place}");
    }
    Ok(())
}

#[tokio::test]
async fn a_name_that_is_taken_and_a_full_account_are_told_when_the_bucket_is_made() -> Result<(), Error> {
    let (proxy, storage) = Storage::through(StoreKind::Minio, "made", "").await?;
    let test_env = &storage.test_env;
    let (word, taken) = ("BucketAlreadyExists", Reason::BucketNotOurs);
    let cases = [
        (
            "taken",
            Fault::Answer(409, word, ""),
            taken,
            [word, "objectStore.bucketPrefix"],
        ),
        (
            "full",
            Fault::Answer(400, "TooManyBuckets", ""),
            Reason::StoreRefused,
            ["TooManyBuckets", "ask for a higher limit"],
        ),
    ];
    for (drive, fault, reason, words) in cases {
        let path = format!("/{}-{drive}-one-", test_env.namespace.name());
        let makes =
            Match::is(move |one| one.method == "PUT" && one.target.starts_with(&path) && one.target.ends_with('/'));
        proxy.fault(makes, fault);
        apply(test_env, drive, "").await?;
        storage_not_ready(test_env, drive, reason, &words).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_bucket_of_the_name_that_is_another_drives_is_left_as_it_is() -> Result<(), Error> {
    let (mut proxy, storage) = Storage::through(StoreKind::Minio, "taken", "").await?;
    proxy.down().await;
    storage
        .drive("{name: one, versioned: true, expire: [{after: 1d}], deletionPolicy: Delete}")
        .await?;
    // The name is known before the bucket is made.
    let line = storage
        .line_that("one", "named", |line| !line.bucket.is_empty())
        .await?;
    let (client, bucket) = (&storage.client, line.bucket.as_str());
    let made = client.create_bucket().bucket(bucket).send().await;
    made.map_err(|error| look::failed("CreateBucket", &error))?;
    let tags = [
        ("ras.dev/drive-uid", "another"),
        ("ras.dev/drive", "theirs"),
        ("ras.dev/bucket", "one"),
    ];
    look::set_tags(client, bucket, &tags).await?;
    look::put(client, bucket, "theirs.pdf", "data").await?;
    let before = (look::tags(client, bucket).await?, look::settings(client, bucket).await);
    proxy.up().await?;

    storage_not_ready(
        &storage.test_env,
        "d",
        Reason::BucketNotOurs,
        &[
            "its tags say that it belongs to the bucket one of the drive",
            "theirs",
            "nothing is changed in it; choose another name",
        ],
    )
    .await?;
    // Nor is it deleted, whatever is confirmed.
    storage.annotate(ras_crds::labels::CONFIRM_DELETE, Some(bucket)).await?;
    storage.delete().await?;
    storage.gone().await?;
    assert_eq!(look::get(client, bucket, "theirs.pdf").await?.as_deref(), Some("data"));
    assert_eq!(
        (look::tags(client, bucket).await?, look::settings(client, bucket).await),
        before
    );
    let changes: Vec<_> = proxy.requests().into_iter().filter(|one| one.method != "GET").collect();
    assert!(changes.is_empty(), "{changes:?}");
    Ok(())
}
