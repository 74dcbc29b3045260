//! Looks at buckets with a client of the tests' own, which shares nothing with the operator's.

use std::{
    collections::BTreeMap,
    fmt::Debug,
    time::{Duration, SystemTime},
};

use aws_sdk_s3::{
    Client,
    error::{ProvideErrorMetadata, SdkError},
    operation::{get_object::GetObjectError, head_bucket::HeadBucketError},
    primitives::{ByteStream, DateTime},
    types::{
        BucketVersioningStatus, ChecksumAlgorithm, LifecycleRule, ObjectLockMode, Tag, Tagging, VersioningConfiguration,
    },
};
use ras_tests::Error;

/// An error of the store as the tests' own.
pub fn failed<E: ProvideErrorMetadata + Debug, R: Debug>(what: &str, error: &SdkError<E, R>) -> Error {
    Error::Api {
        what: what.to_owned(),
        message: format!("{:?}: {error:?}", error.code()),
    }
}

pub async fn exists(client: &Client, bucket: &str) -> Result<bool, Error> {
    match client.head_bucket().bucket(bucket).send().await {
        Ok(_) => Ok(true),
        Err(error) if error.as_service_error().is_some_and(HeadBucketError::is_not_found) => Ok(false),
        Err(error) => Err(failed("HeadBucket", &error)),
    }
}

/// Names of all buckets that begin so.
pub async fn buckets(client: &Client, prefix: &str) -> Result<Vec<String>, Error> {
    let all = client
        .list_buckets()
        .send()
        .await
        .map_err(|error| failed("ListBuckets", &error))?;
    let names = all.buckets().iter().filter_map(|bucket| bucket.name());
    Ok(names
        .filter(|name| name.starts_with(prefix))
        .map(str::to_owned)
        .collect())
}

/// A bucket's tags; none when it has none.
pub async fn tags(client: &Client, bucket: &str) -> Result<BTreeMap<String, String>, Error> {
    match client.get_bucket_tagging().bucket(bucket).send().await {
        Ok(tags) => Ok(tags
            .tag_set()
            .iter()
            .map(|tag| (tag.key().to_owned(), tag.value().to_owned()))
            .collect()),
        Err(error) if error.code() == Some("NoSuchTagSet") => Ok(BTreeMap::new()),
        Err(error) => Err(failed("GetBucketTagging", &error)),
    }
}

pub async fn versioning(client: &Client, bucket: &str) -> Result<Option<BucketVersioningStatus>, Error> {
    let seen = client.get_bucket_versioning().bucket(bucket).send().await;
    Ok(seen.map_err(|error| failed("GetBucketVersioning", &error))?.status)
}

/// Every setting of a bucket but its tags: what the store says of each, or that it says nothing. Reads the same for two
/// buckets that are set up alike, though names of rules tell whose they are.
pub async fn settings(client: &Client, bucket: &str) -> BTreeMap<&'static str, String> {
    fn describe<T: Debug, E: ProvideErrorMetadata, R>(answer: Result<T, SdkError<E, R>>) -> String {
        answer.map_or_else(|error| format!("{:?}", error.code()), |answer| format!("{answer:?}"))
    }
    let cors = client.get_bucket_cors().bucket(bucket).send().await;
    let encryption = client.get_bucket_encryption().bucket(bucket).send().await;
    let encryption = encryption.map(|answer| answer.server_side_encryption_configuration);
    let lifecycle = client.get_bucket_lifecycle_configuration().bucket(bucket).send().await;
    let block = client.get_public_access_block().bucket(bucket).send().await;
    let versioned = client.get_bucket_versioning().bucket(bucket).send().await;
    let settings = BTreeMap::from([
        ("CORS", describe(cors.map(|answer| answer.cors_rules))),
        ("encryption", describe(encryption)),
        ("lifecycle", describe(lifecycle.map(|answer| answer.rules))),
        (
            "public access",
            describe(block.map(|answer| answer.public_access_block_configuration)),
        ),
        ("versioning", describe(versioned.map(|answer| answer.status))),
    ]);
    let proof = bucket
        .rsplit('-')
        .next()
        .and_then(|proof| proof.get(..8))
        .unwrap_or(bucket);
    settings
        .into_iter()
        .map(|(name, said)| (name, said.replace(proof, "…")))
        .collect()
}

/// Turns versions on or off, as somebody with a console would.
pub async fn set_versioning(client: &Client, bucket: &str, status: BucketVersioningStatus) -> Result<(), Error> {
    let configuration = VersioningConfiguration::builder().status(status).build();
    let set = client
        .put_bucket_versioning()
        .bucket(bucket)
        .versioning_configuration(configuration)
        .send()
        .await;
    set.map(drop).map_err(|error| failed("PutBucketVersioning", &error))
}

/// A bucket's lifecycle rules; none when it has none.
pub async fn lifecycle(client: &Client, bucket: &str) -> Result<Vec<LifecycleRule>, Error> {
    match client.get_bucket_lifecycle_configuration().bucket(bucket).send().await {
        Ok(configuration) => Ok(configuration.rules().to_vec()),
        Err(error) if error.code() == Some("NoSuchLifecycleConfiguration") => Ok(Vec::new()),
        Err(error) => Err(failed("GetBucketLifecycleConfiguration", &error)),
    }
}

/// Prefix and days of each rule that removes objects.
pub async fn expiries(client: &Client, bucket: &str) -> Result<BTreeMap<String, i32>, Error> {
    let rules = lifecycle(client, bucket).await?;
    Ok(rules
        .iter()
        .filter_map(|rule| {
            let prefix = rule.filter().and_then(|filter| filter.prefix()).unwrap_or_default();
            Some((prefix.to_owned(), rule.expiration()?.days()?))
        })
        .collect())
}

/// Writes an object.
pub async fn put(client: &Client, bucket: &str, key: &str, text: &str) -> Result<(), Error> {
    let body = ByteStream::from(text.as_bytes().to_vec());
    let put = client.put_object().bucket(bucket).key(key).body(body).send().await;
    put.map(drop).map_err(|error| failed("PutObject", &error))
}

/// Writes an object that is locked for less time than its bucket would lock it.
pub async fn put_locked_for(client: &Client, bucket: &str, key: &str, time: Duration) -> Result<(), Error> {
    let put = client
        .put_object()
        .bucket(bucket)
        .key(key)
        .body(ByteStream::from_static(b"data"))
        .checksum_algorithm(ChecksumAlgorithm::Crc32)
        .object_lock_mode(ObjectLockMode::Governance)
        .object_lock_retain_until_date(DateTime::from(SystemTime::now() + time))
        .send()
        .await;
    put.map(drop).map_err(|error| failed("PutObject", &error))
}

/// Reads an object; nothing when it is not there.
pub async fn get(client: &Client, bucket: &str, key: &str) -> Result<Option<String>, Error> {
    match client.get_object().bucket(bucket).key(key).send().await {
        Ok(object) => {
            let bytes = object.body.collect().await.map_err(|error| Error::Unreadable {
                what: format!("object {key}"),
                message: error.to_string(),
            })?;
            Ok(Some(String::from_utf8_lossy(&bytes.into_bytes()).into_owned()))
        }
        Err(error) if error.as_service_error().is_some_and(GetObjectError::is_no_such_key) => Ok(None),
        Err(error) => Err(failed("GetObject", &error)),
    }
}

/// Deletes an object, which leaves a delete marker where versions are kept.
pub async fn delete(client: &Client, bucket: &str, key: &str) -> Result<(), Error> {
    let deleted = client.delete_object().bucket(bucket).key(key).send().await;
    deleted.map(drop).map_err(|error| failed("DeleteObject", &error))
}

/// Begins an upload that nobody finishes.
pub async fn begin_upload(client: &Client, bucket: &str, key: &str) -> Result<(), Error> {
    let begun = client.create_multipart_upload().bucket(bucket).key(key).send().await;
    begun.map(drop).map_err(|error| failed("CreateMultipartUpload", &error))
}

/// Gives a bucket these tags and no others.
pub async fn set_tags(client: &Client, bucket: &str, tags: &[(&str, &str)]) -> Result<(), Error> {
    let unfinished = |error: aws_sdk_s3::error::BuildError| Error::Unreadable {
        what: "a request".to_owned(),
        message: error.to_string(),
    };
    let tags = tags
        .iter()
        .map(|(key, value)| Tag::builder().key(*key).value(*value).build());
    let tags = tags.collect::<Result<Vec<_>, _>>().map_err(unfinished)?;
    let tagging = Tagging::builder().set_tag_set(Some(tags)).build().map_err(unfinished)?;
    let set = client.put_bucket_tagging().bucket(bucket).tagging(tagging).send().await;
    set.map(drop).map_err(|error| failed("PutBucketTagging", &error))
}
