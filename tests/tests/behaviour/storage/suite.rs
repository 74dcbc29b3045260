//! The promises that every object store has to keep, each run against each store that runs here. What a store cannot
//! do is skipped by what the operator found out of it, and that is compared with what docs/storage.md says.

use std::{collections::BTreeMap, io::Write as _, time::Duration};

use aws_sdk_s3::types::BucketVersioningStatus;
use k8s_openapi::api::apps::v1::Deployment;
use ras_crds::{
    BucketState, ConditionType, Reason,
    labels::{CONFIRM_DELETE, KEEP_BUCKETS},
};
use ras_tests::{AuditEvent, Error, eventually, object_store::StoreKind};
use serde_json::json;

use super::{PATIENCE, Storage, look};
use crate::seen::{kubectl, look as look_at, mark, restart_operator};

/// A bucket with everything that a store may be able to do.
pub const EVERYTHING: &str = "{name: resumes, versioned: true, expireOldVersionsAfter: 90d, \
    expire: [{prefix: zip/, after: 7d}, {after: 400d}], \
    cors: [{origins: ['https://placement.example.edu'], methods: [GET, PUT], headers: ['*'], exposeHeaders: [ETag], maxAge: 1h}]}";

/// Features of [`EVERYTHING`] that this kind of store does not support, as docs/storage.md says.
pub fn lacking(kind: StoreKind) -> &'static [&'static str] {
    match kind {
        // moto answers GetBucketVersioning in an element of another name than S3 does, which no strict client reads.
        StoreKind::Moto => &["versioning"],
        StoreKind::Garage => &[
            "default encryption",
            "expiry of old versions",
            "public access block",
            "tags",
            "versioning",
        ],
        StoreKind::Minio => &[
            "CORS",
            "default encryption",
            "expiry of unfinished uploads",
            "public access block",
        ],
        StoreKind::Versitygw => &[
            "default encryption",
            "expiry of objects",
            "expiry of old versions",
            "expiry of unfinished uploads",
            "public access block",
        ],
    }
}

pub fn can(kind: StoreKind, feature: &str) -> bool {
    !lacking(kind).contains(&feature)
}

async fn a_bucket_is_made_and_set_up(kind: StoreKind) -> Result<(), Error> {
    let storage = Storage::start(kind, "made", "bucketPrefix: ras").await?;
    storage.drive(EVERYTHING).await?;
    storage.test_env.ready("d").await?;
    let line = storage.line("resumes", BucketState::Ready).await?;
    let (client, bucket) = (&storage.client, line.bucket.as_str());

    let mut unsupported = line.unsupported.clone();
    unsupported.sort();
    // Printed for whoever runs the tests with --nocapture; what is recorded is the table in docs/storage.md.
    let _ = writeln!(std::io::stderr(), "skipped on {kind}: {}", unsupported.join(", "));
    assert_eq!(unsupported, lacking(kind), "docs/storage.md says otherwise");

    let namespace = storage.test_env.namespace.name();
    assert!(bucket.starts_with(&format!("ras-{namespace}-d-resumes-")), "{bucket}");
    if can(kind, "tags") {
        let tags = look::tags(client, bucket).await?;
        assert_eq!(tags["ras.dev/namespace"], namespace);
        assert_eq!(
            (tags["ras.dev/drive"].as_str(), tags["ras.dev/bucket"].as_str()),
            ("d", "resumes")
        );
    }
    if can(kind, "versioning") {
        assert_eq!(
            look::versioning(client, bucket).await?,
            Some(BucketVersioningStatus::Enabled)
        );
    }
    if can(kind, "expiry of objects") {
        let expected = BTreeMap::from([("zip/".to_owned(), 7), (String::new(), 400)]);
        assert_eq!(look::expiries(client, bucket).await?, expected);
    }
    if can(kind, "expiry of old versions") {
        let rules = look::lifecycle(client, bucket).await?;
        let days = rules
            .iter()
            .filter_map(|rule| rule.noncurrent_version_expiration()?.noncurrent_days());
        assert_eq!(days.collect::<Vec<_>>(), [90]);
    }
    if can(kind, "expiry of unfinished uploads") {
        let rules = look::lifecycle(client, bucket).await?;
        let days = rules
            .iter()
            .filter_map(|rule| rule.abort_incomplete_multipart_upload()?.days_after_initiation());
        assert_eq!(days.collect::<Vec<_>>(), [7]);
    }
    if can(kind, "public access block") {
        let block = client.get_public_access_block().bucket(bucket).send().await;
        let block = block.map_err(|error| look::failed("GetPublicAccessBlock", &error))?;
        let block = block
            .public_access_block_configuration
            .unwrap_or_else(|| panic!("no public access block"));
        let all = [
            block.block_public_acls,
            block.block_public_policy,
            block.ignore_public_acls,
            block.restrict_public_buckets,
        ];
        assert_eq!(all, [Some(true); 4]);
    }
    if can(kind, "default encryption") {
        let encryption = client.get_bucket_encryption().bucket(bucket).send().await;
        let encryption = encryption.map_err(|error| look::failed("GetBucketEncryption", &error))?;
        assert!(format!("{encryption:?}").contains("Aes256"), "{encryption:?}");
    }
    if can(kind, "CORS") {
        let cors = client.get_bucket_cors().bucket(bucket).send().await;
        let cors = cors.map_err(|error| look::failed("GetBucketCors", &error))?;
        assert_eq!(
            cors.cors_rules()[0].allowed_origins(),
            ["https://placement.example.edu"]
        );
    }

    // What is missing is said once, and holds up nothing.
    let condition = storage
        .test_env
        .condition("d", ConditionType::StorageReady, "True")
        .await?;
    let expected = if unsupported.is_empty() {
        Reason::BucketsAvailable
    } else {
        Reason::BucketsLimited
    };
    assert_eq!(condition.reason, expected.as_str(), "{}", condition.message);
    Ok(())
}

async fn a_service_starts_when_its_bucket_is_there_and_knows_it(kind: StoreKind) -> Result<(), Error> {
    let storage = Storage::start(kind, "uses", "").await?;
    storage
        .test_env
        .apply(
            "apiVersion: ras.dev/v1alpha1\nkind: RecruitmentDrive\nmetadata: {name: d}\nspec:\n  services:\n  - name: portal\n    image: portal:1\n    \
             uses: {buckets: [resumes]}\n    env: [{name: R2_BUCKET, bucket: {name: resumes, key: name}}]\n  buckets: [{name: resumes}]\n",
        )
        .await?;
    storage.test_env.ready("d").await?;
    let bucket = storage.ready("resumes").await?;
    let deployment = look_at::<Deployment>(&storage.test_env, "d-portal")
        .await?
        .unwrap_or_default();
    let variables = &deployment["spec"]["template"]["spec"]["containers"][0]["env"];
    let value = |name: &str| {
        let found = variables
            .as_array()
            .and_then(|all| all.iter().find(|one| one["name"] == name));
        found.cloned().unwrap_or_default()
    };
    assert_eq!(value("BUCKET_RESUMES")["value"], bucket.as_str());
    assert_eq!(value("R2_BUCKET")["value"], bucket.as_str());
    assert_eq!(value("AWS_ENDPOINT_URL_S3")["value"], storage.store.endpoint());
    assert_eq!(
        value("AWS_SECRET_ACCESS_KEY")["valueFrom"]["secretKeyRef"]["name"],
        "s3"
    );
    Ok(())
}

async fn settings_that_somebody_changed_are_put_back(kind: StoreKind) -> Result<(), Error> {
    let storage = Storage::start(kind, "drift", "checkEvery: 1s").await?;
    let (has_versions, has_lifecycle) = (can(kind, "versioning"), can(kind, "expiry of objects"));
    storage
        .drive("{name: resumes, versioned: true, expire: [{after: 30d}]}")
        .await?;
    let bucket = storage.ready("resumes").await?;
    look::put(&storage.client, &bucket, "kept.pdf", "resume").await?;
    if has_versions {
        look::set_versioning(&storage.client, &bucket, BucketVersioningStatus::Suspended).await?;
    }
    if has_lifecycle {
        let deleted = storage.client.delete_bucket_lifecycle().bucket(&bucket).send().await;
        deleted.map_err(|error| look::failed("DeleteBucketLifecycle", &error))?;
    }
    eventually(PATIENCE, "the settings to be put back", async || {
        let versioning = look::versioning(&storage.client, &bucket).await;
        let expiries = look::expiries(&storage.client, &bucket).await;
        let safe = !has_versions || matches!(versioning, Ok(Some(BucketVersioningStatus::Enabled)));
        let tidy = !has_lifecycle || expiries.as_ref().is_ok_and(|all| all.get("") == Some(&30));
        if safe && tidy {
            Ok(())
        } else {
            Err(format!("{versioning:?} {expiries:?}").into())
        }
    })
    .await
    .map_err(|error| error.with_log(&storage.test_env.operator.log()))?;
    assert_eq!(
        look::get(&storage.client, &bucket, "kept.pdf").await?.as_deref(),
        Some("resume")
    );
    Ok(())
}

async fn a_change_of_the_drive_changes_the_bucket_and_not_what_is_in_it(kind: StoreKind) -> Result<(), Error> {
    if !can(kind, "versioning") {
        // Nothing that this drive could change is there.
        return a_rule_of_the_drive_comes_and_goes(kind).await;
    }
    let storage = Storage::start(kind, "changed", "").await?;
    storage.drive("{name: resumes}").await?;
    let bucket = storage.ready("resumes").await?;
    assert_eq!(look::versioning(&storage.client, &bucket).await?, None);
    look::put(&storage.client, &bucket, "kept.pdf", "resume").await?;
    storage.drive("{name: resumes, versioned: true}").await?;
    eventually(PATIENCE, "versions to be kept", async || {
        match look::versioning(&storage.client, &bucket).await? {
            Some(BucketVersioningStatus::Enabled) => Ok(()),
            other => Err(format!("{other:?}").into()),
        }
    })
    .await?;
    storage.drive("{name: resumes}").await?;
    eventually(
        PATIENCE,
        "versions to be kept no longer",
        async || match look::versioning(&storage.client, &bucket).await? {
            Some(BucketVersioningStatus::Suspended) => Ok(()),
            other => Err(format!("{other:?}").into()),
        },
    )
    .await?;
    assert_eq!(
        look::get(&storage.client, &bucket, "kept.pdf").await?.as_deref(),
        Some("resume")
    );
    assert_eq!(storage.ready("resumes").await?, bucket);
    Ok(())
}

/// The same with what every store can do that has no versions.
async fn a_rule_of_the_drive_comes_and_goes(kind: StoreKind) -> Result<(), Error> {
    let storage = Storage::start(kind, "changed", "").await?;
    for (buckets, days) in [
        ("{name: resumes, expire: [{after: 30d}]}", Some(30)),
        ("{name: resumes}", None),
    ] {
        storage.drive(buckets).await?;
        let bucket = storage.ready("resumes").await?;
        eventually(PATIENCE, &format!("objects to go after {days:?}"), async || {
            let seen = look::expiries(&storage.client, &bucket).await?;
            if seen.get("").copied() == days {
                Ok(())
            } else {
                Err(format!("{seen:?}").into())
            }
        })
        .await?;
    }
    Ok(())
}

async fn a_bucket_stays_with_all_that_is_in_it_unless_the_drive_says_otherwise(kind: StoreKind) -> Result<(), Error> {
    let storage = Storage::start(kind, "retain", "").await?;
    storage.drive("{name: resumes}, {name: photos}").await?;
    let (resumes, photos) = (storage.ready("resumes").await?, storage.ready("photos").await?);
    for bucket in [&resumes, &photos] {
        look::put(&storage.client, bucket, "kept.pdf", "data").await?;
    }
    // A confirmation that nobody asked for deletes nothing.
    storage
        .annotate(CONFIRM_DELETE, Some(&format!("{resumes},{photos}")))
        .await?;
    storage.drive("{name: resumes}").await?;
    storage.line("photos", BucketState::Retained).await?;
    // It comes back as it was.
    storage.drive("{name: resumes}, {name: photos}").await?;
    assert_eq!(storage.ready("photos").await?, photos);
    storage.delete().await?;
    storage.gone().await?;
    for bucket in [&resumes, &photos] {
        assert_eq!(
            look::get(&storage.client, bucket, "kept.pdf").await?.as_deref(),
            Some("data")
        );
    }
    Ok(())
}

async fn an_empty_bucket_goes_and_a_full_one_stays_under_delete_if_empty(kind: StoreKind) -> Result<(), Error> {
    let storage = Storage::start(kind, "if-empty", "").await?;
    let has_versions = can(kind, "versioning");
    let buckets =
        "{name: empty, deletionPolicy: DeleteIfEmpty}, {name: full, versioned: true, deletionPolicy: DeleteIfEmpty}";
    storage.drive(buckets).await?;
    let (empty, full) = (storage.ready("empty").await?, storage.ready("full").await?);
    look::put(&storage.client, &full, "deleted.pdf", "data").await?;
    if has_versions {
        // Nobody sees it any more, and it can still be brought back: that is not empty.
        look::delete(&storage.client, &full, "deleted.pdf").await?;
    }
    storage.delete().await?;
    storage.gone().await?;
    assert!(!look::exists(&storage.client, &empty).await?);
    assert!(look::exists(&storage.client, &full).await?);
    if has_versions {
        let versions = storage.client.list_object_versions().bucket(&full).send().await;
        let versions = versions.map_err(|error| look::failed("ListObjectVersions", &error))?;
        assert_eq!((versions.versions().len(), versions.delete_markers().len()), (1, 1));
    } else {
        assert_eq!(
            look::get(&storage.client, &full, "deleted.pdf").await?.as_deref(),
            Some("data")
        );
    }
    Ok(())
}

async fn a_bucket_is_emptied_only_after_its_very_name_was_confirmed(kind: StoreKind) -> Result<(), Error> {
    let storage = Storage::start(kind, "confirm", "").await?;
    storage
        .drive("{name: resumes, versioned: true, deletionPolicy: Delete}")
        .await?;
    let bucket = storage.ready("resumes").await?;
    look::put(&storage.client, &bucket, "a.pdf", "one").await?;
    look::put(&storage.client, &bucket, "a.pdf", "two").await?;
    look::delete(&storage.client, &bucket, "a.pdf").await?;
    look::put(&storage.client, &bucket, "b/c.pdf", "three").await?;
    look::begin_upload(&storage.client, &bucket, "never-finished").await?;

    storage.delete().await?;
    for wrong in [None, Some("resumes"), Some("*"), Some("true")] {
        storage.annotate(CONFIRM_DELETE, wrong).await?;
        let blocked = storage
            .test_env
            .condition("d", ConditionType::DeletionBlocked, "True")
            .await?;
        assert_eq!(blocked.reason, Reason::ConfirmationMissing.as_str());
        for way in [
            &format!("{CONFIRM_DELETE}={bucket}"),
            &format!("{KEEP_BUCKETS}={bucket}"),
        ] {
            assert!(blocked.message.contains(way), "{}", blocked.message);
        }
    }
    // Long enough for a mistake to show.
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(
        look::get(&storage.client, &bucket, "b/c.pdf").await?.as_deref(),
        Some("three")
    );

    storage.annotate(CONFIRM_DELETE, Some(&bucket)).await?;
    storage.gone().await?;
    assert!(!look::exists(&storage.client, &bucket).await?);
    deletion_was_reported(&storage, &bucket).await
}

/// Both by Warning events and in the log, because the status goes with the drive.
async fn deletion_was_reported(storage: &Storage, bucket: &str) -> Result<(), Error> {
    for reason in ["BucketDeleting", "BucketDeleted"] {
        let arguments = [
            "get",
            "events",
            &format!("--field-selector=reason={reason},type=Warning"),
            "--output=jsonpath={.items[*].message}",
        ];
        eventually(PATIENCE, &format!("the event {reason}"), async || {
            let notes = kubectl(&storage.test_env, &arguments).await?;
            if notes.contains(bucket) {
                Ok(())
            } else {
                Err(notes.into())
            }
        })
        .await?;
        let log = storage.test_env.operator.log();
        let mut lines = log
            .lines()
            .filter(|line| line.contains(reason) && line.contains(bucket));
        assert!(lines.next().is_some_and(|line| line.contains("WARN")), "{log}");
    }
    Ok(())
}

/// One request with the confirmation and the bucket's removal.
async fn a_bucket_of_a_living_drive_does_not_go_in_silence(kind: StoreKind) -> Result<(), Error> {
    let storage = Storage::start(kind, "one-patch", "").await?;
    storage.drive("{name: resumes, deletionPolicy: Delete}").await?;
    let bucket = storage.ready("resumes").await?;
    look::put(&storage.client, &bucket, "a.pdf", "one").await?;
    let patch = json!({"metadata": {"annotations": {(CONFIRM_DELETE): bucket}}, "spec": {"buckets": null}}).to_string();
    kubectl(
        &storage.test_env,
        &["patch", "drive", "d", "--type=merge", "--patch", &patch],
    )
    .await?;
    eventually(PATIENCE, "the bucket to be gone", async || {
        if look::exists(&storage.client, &bucket).await? {
            return Err("still there".into());
        }
        Ok(())
    })
    .await?;
    deletion_was_reported(&storage, &bucket).await
}

async fn a_blocked_deletion_can_be_let_go(kind: StoreKind) -> Result<(), Error> {
    let storage = Storage::start(kind, "let-go", "").await?;
    storage.drive("{name: one, deletionPolicy: Delete}").await?;
    let bucket = storage.ready("one").await?;
    look::put(&storage.client, &bucket, "kept.pdf", "data").await?;
    storage.delete().await?;
    storage
        .test_env
        .condition("d", ConditionType::DeletionBlocked, "True")
        .await?;
    storage.annotate(KEEP_BUCKETS, Some(&bucket)).await?;
    storage.gone().await?;
    assert_eq!(
        look::get(&storage.client, &bucket, "kept.pdf").await?.as_deref(),
        Some("data")
    );
    Ok(())
}

async fn a_drive_at_rest_asks_nothing_of_the_store_and_a_restarted_operator_neither(
    kind: StoreKind,
) -> Result<(), Error> {
    let mut storage = Storage::start(kind, "rest", "").await?;
    storage.drive(EVERYTHING).await?;
    storage.test_env.ready("d").await?;
    let before = storage.status().await?;
    let asked = requests(&mut storage).await?;
    assert!(asked > 0, "the operator counts no requests");
    let options = storage.options.clone();
    restart_operator(&mut storage.test_env, &options).await?;
    let since = mark(&storage.test_env).await?;
    storage.annotate("example.com/note", Some("seen")).await?;
    tokio::time::sleep(Duration::from_secs(5)).await;
    // In the first minutes it looks once whether the bucket is there.
    assert!(requests(&mut storage).await? <= 1, "it asked the store");
    assert_eq!(storage.status().await?, before);
    let written = crate::seen::asked(&storage.test_env, since, AuditEvent::is_write).await?;
    assert!(written.is_empty(), "{written:?}");
    Ok(())
}

/// Requests that the operator has sent to the store since it started.
async fn requests(storage: &mut Storage) -> Result<u64, Error> {
    let (_, text) = storage.test_env.operator.get("/metrics").await?;
    let counts = text
        .lines()
        .filter(|line| line.starts_with("ras_object_store_requests_total{"));
    Ok(counts
        .filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok())
        .sum())
}

macro_rules! on_every_store {
    ($($promise:ident),+ $(,)?) => {
        on_every_store!(@store garage Garage $($promise)+);
        on_every_store!(@store minio Minio $($promise)+);
        on_every_store!(@store moto Moto $($promise)+);
        on_every_store!(@store versitygw Versitygw $($promise)+);
    };
    (@store $name:ident $kind:ident $($promise:ident)+) => {
        mod $name {
            $(
                #[tokio::test]
                async fn $promise() -> Result<(), ras_tests::Error> {
                    super::$promise(ras_tests::object_store::StoreKind::$kind).await
                }
            )+
        }
    };
}

on_every_store!(
    a_bucket_is_made_and_set_up,
    a_service_starts_when_its_bucket_is_there_and_knows_it,
    settings_that_somebody_changed_are_put_back,
    a_change_of_the_drive_changes_the_bucket_and_not_what_is_in_it,
    a_bucket_stays_with_all_that_is_in_it_unless_the_drive_says_otherwise,
    an_empty_bucket_goes_and_a_full_one_stays_under_delete_if_empty,
    a_bucket_is_emptied_only_after_its_very_name_was_confirmed,
    a_bucket_of_a_living_drive_does_not_go_in_silence,
    a_blocked_deletion_can_be_let_go,
    a_drive_at_rest_asks_nothing_of_the_store_and_a_restarted_operator_neither,
);
