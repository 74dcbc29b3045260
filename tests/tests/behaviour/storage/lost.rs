//! A bucket that somebody deleted behind the operator's back, or put another one in the place of: the data is lost, and the drive is
//! not Ready until the bucket is restored or a person accepts the loss. On every store that runs here.

use aws_sdk_s3::types::{Tag, Tagging};
use k8s_openapi::api::apps::v1::Deployment;
use ras_crds::{BucketState, BucketStatus, Condition, ConditionType, Reason, labels::ACCEPT_DATA_LOSS};
use ras_tests::{Error, eventually, object_store::StoreKind};
use serde_json::Value;

use super::{PATIENCE, Storage, look, suite::can};
use crate::seen::{asked, because, kubectl, look as look_at, mark, restart_operator, writes_children};

const TAG: &str = "ras.dev/bucket-identity";
const DRIVE: &str = "
apiVersion: ras.dev/v1alpha1
kind: RecruitmentDrive
metadata: {name: d}
spec:
  services: [{name: portal, image: 'portal:1', uses: {buckets: [resumes]}}]
  buckets: [{name: resumes}]
";
const OBJECT: &str = "kept.pdf";

async fn delete(storage: &Storage, bucket: &str) -> Result<(), Error> {
    look::delete(&storage.client, bucket, OBJECT).await?;
    if storage.store.kind() == StoreKind::Moto {
        // It gives the tags of a bucket that was deleted to the next one of its name, which no S3 does.
        let untagged = storage.client.delete_bucket_tagging().bucket(bucket).send().await;
        untagged.map_err(|error| look::failed("DeleteBucketTagging", &error))?;
    }
    let deleted = storage.client.delete_bucket().bucket(bucket).send().await;
    deleted.map(drop).map_err(|error| look::failed("DeleteBucket", &error))
}

async fn make(storage: &Storage, bucket: &str) -> Result<(), Error> {
    let made = storage.client.create_bucket().bucket(bucket).send().await;
    made.map(drop).map_err(|error| look::failed("CreateBucket", &error))
}

async fn tag(storage: &Storage, bucket: &str, value: &str) -> Result<(), Error> {
    let tag = Tag::builder().key(TAG).value(value).build().expect("a tag");
    let tags = Tagging::builder().tag_set(tag).build().expect("tags");
    let tagged = storage
        .client
        .put_bucket_tagging()
        .bucket(bucket)
        .tagging(tags)
        .send()
        .await;
    tagged
        .map(drop)
        .map_err(|error| look::failed("PutBucketTagging", &error))
}

/// Waits until the drive says that a bucket is lost, in every place where it has to, and returns its line in status.
async fn lost(storage: &Storage, name: &str, state: BucketState) -> Result<BucketStatus, Error> {
    let line = storage.line(name, state).await?;
    let identity = line.identity.clone().expect("an identity");
    let test_env = &storage.test_env;
    let mut found: Vec<Condition> = Vec::new();
    for type_ in [
        ConditionType::Ready,
        ConditionType::StorageReady,
        ConditionType::Stalled,
        ConditionType::DataAtRisk,
    ] {
        found.push(because(test_env, "d", type_, Reason::BucketLost).await?);
    }
    assert_eq!(
        found.iter().map(|one| one.status.as_str()).collect::<Vec<_>>(),
        ["False", "False", "True", "True"]
    );
    let seen = line.last_seen.as_ref().expect("when it was last seen").0.to_string();
    let accept = format!("{ACCEPT_DATA_LOSS}={name}@{identity}");
    for one in &found {
        for word in [line.bucket.as_str(), seen.as_str(), "restore it", accept.as_str()] {
            let is_there = one.message.contains(word) || (word == "restore it" && state == BucketState::Replaced);
            assert!(is_there, "{word}: {}", one.message);
        }
    }
    eventually(PATIENCE, "a Warning that names the bucket", async || {
        let output = "jsonpath={range .items[*]}{.type} {.reason} {.message}{'\\n'}{end}";
        let events = kubectl(test_env, &["get", "events", "-o", output]).await?;
        let is_it = |event: &str| event.starts_with("Warning BucketLost ") && event.contains(&line.bucket);
        if events.lines().any(is_it) {
            Ok(())
        } else {
            Err(events.into())
        }
    })
    .await?;
    Ok(line)
}

/// Versions that change if the service is written.
async fn running(storage: &Storage) -> Result<Value, Error> {
    let found = look_at::<Deployment>(&storage.test_env, "d-portal").await?;
    let object = found.expect("a Deployment");
    Ok(serde_json::json!([object["metadata"]["generation"], object["spec"]]))
}

async fn a_bucket_that_somebody_deleted_is_not_made_again_before_it_is_restored_or_its_loss_accepted(
    kind: StoreKind,
) -> Result<(), Error> {
    let mut storage = Storage::start(kind, "lost", "checkEvery: 1s").await?;
    storage.test_env.apply(DRIVE).await?;
    storage.test_env.ready("d").await?;
    let before = storage.line("resumes", BucketState::Ready).await?;
    let (bucket, identity) = (before.bucket.clone(), before.identity.clone().expect("an identity"));
    let is_tagged = can(kind, "tags");
    if is_tagged {
        assert_eq!(look::tags(&storage.client, &bucket).await?[TAG], identity);
    } else {
        assert!(identity.starts_with("untagged-"), "{identity}");
    }
    look::put(&storage.client, &bucket, OBJECT, "resume").await?;
    let service = running(&storage).await?;
    let since = mark(&storage.test_env).await?;

    delete(&storage, &bucket).await?;
    let line = lost(&storage, "resumes", BucketState::Lost).await?;
    assert_eq!((line.identity.as_ref(), &line.bucket), (Some(&identity), &bucket));
    // Another operator, which remembers nothing but what status says.
    let options = storage.options.clone();
    restart_operator(&mut storage.test_env, &options).await?;
    tokio::time::sleep(std::time::Duration::from_secs(4)).await;
    let line = lost(&storage, "resumes", BucketState::Lost).await?;
    assert_eq!(line.identity.as_ref(), Some(&identity));
    assert!(!look::exists(&storage.client, &bucket).await?, "it was made again");
    let written = asked(&storage.test_env, since, writes_children).await?;
    assert!(written.is_empty(), "{written:#?}");

    // It is brought back, with what was in it.
    make(&storage, &bucket).await?;
    look::put(&storage.client, &bucket, OBJECT, "restored").await?;
    if is_tagged {
        // An empty one would look just so.
        lost(&storage, "resumes", BucketState::Replaced).await?;
        tag(&storage, &bucket, &identity).await?;
    }
    let restored = storage.line("resumes", BucketState::Ready).await?;
    assert_eq!(restored.identity.as_ref(), Some(&identity));
    storage.test_env.ready("d").await?;
    assert_eq!(
        look::get(&storage.client, &bucket, OBJECT).await?.as_deref(),
        Some("restored")
    );
    if is_tagged {
        let tags = look::tags(&storage.client, &bucket).await?;
        assert_eq!(
            (tags[TAG].as_str(), tags["ras.dev/bucket"].as_str()),
            (identity.as_str(), "resumes")
        );
    }

    // A loss that is accepted.
    delete(&storage, &bucket).await?;
    lost(&storage, "resumes", BucketState::Lost).await?;
    storage.annotate(ACCEPT_DATA_LOSS, Some("resumes@another")).await?;
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    assert!(
        !look::exists(&storage.client, &bucket).await?,
        "another loss was accepted"
    );
    storage
        .annotate(ACCEPT_DATA_LOSS, Some(&format!("resumes@{identity}")))
        .await?;
    let again = storage.line("resumes", BucketState::Ready).await?;
    assert_eq!(again.bucket, bucket);
    assert!(again.identity.as_ref().is_some_and(|now| *now != identity), "{again:?}");
    storage.test_env.ready("d").await?;
    assert!(look::exists(&storage.client, &bucket).await?);
    assert_eq!(running(&storage).await?, service, "the service was written");

    // The next loss is another one, although the annotation is still there.
    let deleted = storage.client.delete_bucket().bucket(&bucket).send().await;
    deleted.map_err(|error| look::failed("DeleteBucket", &error))?;
    lost(&storage, "resumes", BucketState::Lost).await?;
    assert!(!look::exists(&storage.client, &bucket).await?);
    Ok(())
}

async fn a_bucket_in_the_place_of_another_is_not_used_before_a_person_says_so(kind: StoreKind) -> Result<(), Error> {
    if !can(kind, "tags") {
        // Nothing tells one from the other, as docs/storage.md says.
        return Ok(());
    }
    let storage = Storage::start(kind, "replaced", "checkEvery: 1s").await?;
    storage.drive("{name: resumes}").await?;
    let before = storage.line("resumes", BucketState::Ready).await?;
    let bucket = before.bucket.as_str();
    look::put(&storage.client, bucket, OBJECT, "resume").await?;
    delete(&storage, bucket).await?;
    make(&storage, bucket).await?;
    let line = lost(&storage, "resumes", BucketState::Replaced).await?;
    assert_eq!(line.identity, before.identity);
    // Long enough for a mistake to show.
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    assert!(
        look::tags(&storage.client, bucket).await?.is_empty(),
        "it was taken for the drive's"
    );

    let accepted = format!("resumes@{}", before.identity.clone().expect("an identity"));
    storage.annotate(ACCEPT_DATA_LOSS, Some(&accepted)).await?;
    let now = storage.line("resumes", BucketState::Ready).await?;
    assert_ne!(now.identity, before.identity);
    assert_eq!(
        look::tags(&storage.client, bucket).await?.get(TAG),
        now.identity.as_ref()
    );
    storage.test_env.ready("d").await.map(drop)
}

#[tokio::test]
async fn an_existing_bucket_that_goes_is_lost_too_and_never_made() -> Result<(), Error> {
    let storage = Storage::start(StoreKind::Minio, "lost-existing", "checkEvery: 1s").await?;
    make(&storage, "campus-files").await?;
    look::put(&storage.client, "campus-files", OBJECT, "data").await?;
    storage.drive("{name: files, existing: {bucket: campus-files}}").await?;
    let before = storage.line("files", BucketState::Ready).await?;
    delete(&storage, "campus-files").await?;
    let line = lost(&storage, "files", BucketState::Lost).await?;
    assert_eq!(line.identity, before.identity);
    make(&storage, "campus-files").await?;
    storage.line("files", BucketState::Ready).await?;
    let deleted = storage.client.delete_bucket().bucket("campus-files").send().await;
    deleted.map_err(|error| look::failed("DeleteBucket", &error))?;
    lost(&storage, "files", BucketState::Lost).await?;

    let accepted = format!("files@{}", before.identity.expect("an identity"));
    storage.annotate(ACCEPT_DATA_LOSS, Some(&accepted)).await?;
    because(
        &storage.test_env,
        "d",
        ConditionType::StorageReady,
        Reason::BucketMissing,
    )
    .await?;
    assert!(!look::exists(&storage.client, "campus-files").await?);
    Ok(())
}

macro_rules! on_every_store {
    ($($name:ident $kind:ident)+) => {
        $(
            mod $name {
                #[tokio::test]
                async fn a_bucket_that_somebody_deleted_is_not_made_again_before_it_is_restored_or_its_loss_accepted()
                -> Result<(), ras_tests::Error> {
                    let kind = ras_tests::object_store::StoreKind::$kind;
                    Box::pin(super::a_bucket_that_somebody_deleted_is_not_made_again_before_it_is_restored_or_its_loss_accepted(kind)).await
                }

                #[tokio::test]
                async fn a_bucket_in_the_place_of_another_is_not_used_before_a_person_says_so()
                -> Result<(), ras_tests::Error> {
                    let kind = ras_tests::object_store::StoreKind::$kind;
                    super::a_bucket_in_the_place_of_another_is_not_used_before_a_person_says_so(kind).await
                }
            }
        )+
    };
}

on_every_store!(garage Garage minio Minio moto Moto versitygw Versitygw);
