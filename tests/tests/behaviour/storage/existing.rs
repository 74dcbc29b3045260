//! A bucket that was there before its drive is used, and left as it is but for what the drive asks.

use aws_sdk_s3::types::{
    BucketLifecycleConfiguration, ExpirationStatus, LifecycleExpiration, LifecycleRule, LifecycleRuleFilter, Tag,
    Tagging,
};
use ras_crds::{BucketState, ConditionType, Reason};
use ras_tests::{
    Error, eventually,
    object_store::{StoreKind, shared},
};

use super::{PATIENCE, Storage, look};

/// Makes a bucket as a campus would have done years ago: with a tag and a rule of its own.
async fn old_bucket(name: &str) -> Result<(), Error> {
    let client = shared(StoreKind::Minio).await?.client();
    let made = client.create_bucket().bucket(name).send().await;
    made.map_err(|error| look::failed("CreateBucket", &error))?;
    let unfinished = |error: aws_sdk_s3::error::BuildError| Error::Unreadable {
        what: "a request".to_owned(),
        message: error.to_string(),
    };
    let tag = Tag::builder()
        .key("department")
        .value("placement")
        .build()
        .map_err(unfinished)?;
    let tags = Tagging::builder().tag_set(tag).build().map_err(unfinished)?;
    let tagged = client.put_bucket_tagging().bucket(name).tagging(tags).send().await;
    tagged.map_err(|error| look::failed("PutBucketTagging", &error))?;
    let rule = LifecycleRule::builder()
        .id("theirs")
        .status(ExpirationStatus::Enabled)
        .filter(LifecycleRuleFilter::builder().prefix("logs/").build())
        .expiration(LifecycleExpiration::builder().days(3).build())
        .build()
        .map_err(unfinished)?;
    let rules = BucketLifecycleConfiguration::builder()
        .rules(rule)
        .build()
        .map_err(unfinished)?;
    let put = client
        .put_bucket_lifecycle_configuration()
        .bucket(name)
        .lifecycle_configuration(rules)
        .send()
        .await;
    put.map(drop)
        .map_err(|error| look::failed("PutBucketLifecycleConfiguration", &error))
}

async fn rules(storage: &Storage, bucket: &str) -> Result<Vec<(String, i32)>, Error> {
    Ok(look::expiries(&storage.client, bucket).await?.into_iter().collect())
}

#[tokio::test]
async fn an_existing_bucket_gets_what_is_asked_and_keeps_the_rest() -> Result<(), Error> {
    old_bucket("campus-archive").await?;
    let storage = Storage::start(StoreKind::Minio, "existing", "").await?;
    storage
        .drive("{name: archive, existing: {bucket: campus-archive}, expire: [{prefix: zip/, after: 7d}]}")
        .await?;
    storage.test_env.ready("d").await?;
    let both = [("logs/".to_owned(), 3), ("zip/".to_owned(), 7)];
    assert_eq!(rules(&storage, "campus-archive").await?, both);
    assert_eq!(look::tags(&storage.client, "campus-archive").await?.len(), 1);
    assert_eq!(look::versioning(&storage.client, "campus-archive").await?, None);

    // What is asked no longer goes, and what is theirs stays.
    storage
        .drive("{name: archive, existing: {bucket: campus-archive}}")
        .await?;
    eventually(PATIENCE, "our rule to be gone", async || {
        let seen = rules(&storage, "campus-archive").await?;
        if seen == [("logs/".to_owned(), 3)] {
            Ok(())
        } else {
            Err(format!("{seen:?}").into())
        }
    })
    .await?;
    look::put(&storage.client, "campus-archive", "old.pdf", "data").await?;
    storage.delete().await?;
    storage.gone().await?;
    assert_eq!(
        look::get(&storage.client, "campus-archive", "old.pdf")
            .await?
            .as_deref(),
        Some("data")
    );
    assert_eq!(look::tags(&storage.client, "campus-archive").await?.len(), 1);
    Ok(())
}

#[tokio::test]
async fn an_existing_bucket_that_is_not_there_is_not_made() -> Result<(), Error> {
    let storage = Storage::start(StoreKind::Minio, "no-such", "").await?;
    storage.drive("{name: archive, existing: {bucket: never-made}}").await?;
    eventually(PATIENCE, "the condition to tell what is missing", async || {
        let condition = storage
            .test_env
            .condition("d", ConditionType::StorageReady, "False")
            .await?;
        if condition.reason == Reason::BucketMissing.as_str() && condition.message.contains("never-made") {
            Ok(())
        } else {
            Err(format!("{condition:?}").into())
        }
    })
    .await?;
    assert!(!look::exists(&storage.client, "never-made").await?);
    // It is noticed when somebody makes it.
    let made = storage.client.create_bucket().bucket("never-made").send().await;
    made.map_err(|error| look::failed("CreateBucket", &error))?;
    storage.line("archive", BucketState::Ready).await?;
    Ok(())
}

#[tokio::test]
async fn a_bucket_of_another_namespace_s_drive_is_not_used_but_one_of_an_earlier_drive_s_is() -> Result<(), Error> {
    let owner = Storage::start(StoreKind::Minio, "owner", "").await?;
    owner.drive("{name: resumes}").await?;
    let bucket = owner.ready("resumes").await?;
    look::put(&owner.client, &bucket, "resume.pdf", "data").await?;

    let greedy = Storage::start(StoreKind::Minio, "greedy", "").await?;
    let asked = format!("{{name: theirs, existing: {{bucket: {bucket}}}, expire: [{{after: 1d}}]}}");
    greedy.drive(&asked).await?;
    let sentence = "its tags say that it belongs to a drive of the namespace";
    greedy
        .line_that("theirs", "refused", |line| {
            line.message
                .as_deref()
                .is_some_and(|message| message.contains(sentence))
        })
        .await?;
    assert!(look::expiries(&owner.client, &bucket).await?.is_empty());

    // A drive that is made anew has another UID, and may go on with what was kept.
    owner.delete().await?;
    owner.gone().await?;
    owner.drive(&asked).await?;
    owner.line("theirs", BucketState::Ready).await?;
    assert_eq!(look::expiries(&owner.client, &bucket).await?.len(), 1);
    assert_eq!(
        look::get(&owner.client, &bucket, "resume.pdf").await?.as_deref(),
        Some("data")
    );
    Ok(())
}
