//! Reads the state of a bucket.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::types::BucketVersioningStatus;
use serde_json::Value;

use crate::failure::{Failure, Transport};
use crate::operation::Operation;
use crate::s3::{S3Store, convert, is_absence};
use crate::snapshot::{
    BucketSnapshot, Seen, StoredCors, StoredEncryption, StoredLifecycle, StoredLock, StoredVersioning,
};
use ras_core::bucket::request::Feature;

impl S3Store {
    pub(super) async fn read_bucket(
        &self,
        bucket: &str,
        wanted: &BTreeSet<Feature>,
    ) -> Result<BucketSnapshot, Failure> {
        match self.read_all(bucket, wanted).await {
            // It may be deleted between two requests.
            Err(failure) if failure.is_missing() => Ok(BucketSnapshot::missing()),
            other => other,
        }
    }

    async fn read_all(&self, bucket: &str, wanted: &BTreeSet<Feature>) -> Result<BucketSnapshot, Failure> {
        let mut observed = BucketSnapshot {
            exists: true,
            // A bucket in another region answers with a redirect.
            region: Some(self.region.clone()),
            ..BucketSnapshot::default()
        };
        if wanted.contains(&Feature::Tags) {
            observed.tags = self.tags(bucket).await?;
        }
        // An empty answer does not prove that the bucket exists: MinIO returns it for one that does not.
        if observed.tags.known().is_none_or(BTreeMap::is_empty) {
            self.probe(bucket).await?;
        }
        let mut problems = Vec::new();
        // Reads one setting if it is wanted. A failure that concerns only this setting is recorded, and the others are still
        // read.
        macro_rules! read {
            ($feature:path, $field:ident, $reading:expr) => {
                if wanted.contains(&$feature) {
                    match $reading.await {
                        Ok(seen) => observed.$field = seen,
                        Err(failure) if failure.affects_all_requests() => return Err(failure),
                        Err(failure) => problems.push(($feature, failure)),
                    }
                }
            };
        }
        read!(
            Feature::PublicAccessBlock,
            public_access_blocked,
            self.public_access(bucket)
        );
        read!(Feature::Encryption, encryption, self.encryption(bucket));
        read!(Feature::Policy, policy, self.policy(bucket));
        read!(Feature::Versioning, versioning, self.versioning(bucket));
        read!(Feature::ObjectLock, object_lock, self.object_lock(bucket));
        read!(Feature::Expiry, lifecycle, self.lifecycle(bucket));
        read!(Feature::Cors, cors, self.cors(bucket));
        observed.problems = problems;
        Ok(observed)
    }

    /// Checks that the bucket exists and may be listed. `HeadBucket` would not do, because its errors have no body: a 404 of a
    /// proxy must not count as a missing bucket.
    async fn probe(&self, bucket: &str) -> Result<(), Failure> {
        let request = self.client.list_objects_v2().bucket(bucket).max_keys(1);
        self.send(Operation::ListObjects, bucket, || request.clone().send())
            .await
            .map(drop)
    }

    async fn tags(&self, bucket: &str) -> Result<Seen<BTreeMap<String, String>>, Failure> {
        let request = self.client.get_bucket_tagging().bucket(bucket);
        let answer = self
            .read(Operation::GetBucketTagging, bucket, || request.clone().send())
            .await?;
        Ok(seen(answer, |answer| {
            let tags = answer.map(|answer| answer.tag_set).unwrap_or_default();
            tags.into_iter().map(|tag| (tag.key, tag.value)).collect()
        }))
    }

    async fn public_access(&self, bucket: &str) -> Result<Seen<bool>, Failure> {
        let request = self.client.get_public_access_block().bucket(bucket);
        let answer = self
            .read(Operation::GetPublicAccessBlock, bucket, || request.clone().send())
            .await?;
        Ok(seen(answer, |answer| {
            let block = answer.and_then(|answer| answer.public_access_block_configuration);
            block.is_some_and(|block| {
                [
                    block.block_public_acls,
                    block.ignore_public_acls,
                    block.block_public_policy,
                    block.restrict_public_buckets,
                ]
                .iter()
                .all(|one| *one == Some(true))
            })
        }))
    }

    async fn encryption(&self, bucket: &str) -> Result<Seen<StoredEncryption>, Failure> {
        let request = self.client.get_bucket_encryption().bucket(bucket);
        let answer = self
            .read(Operation::GetBucketEncryption, bucket, || request.clone().send())
            .await?;
        Ok(seen(answer, |answer| {
            convert::encryption(answer.and_then(|answer| answer.server_side_encryption_configuration))
        }))
    }

    async fn policy(&self, bucket: &str) -> Result<Seen<Value>, Failure> {
        let operation = Operation::GetBucketPolicy;
        let request = self.client.get_bucket_policy().bucket(bucket);
        Ok(match self.read(operation, bucket, || request.clone().send()).await? {
            Seen::Is(Some(answer)) => match answer.policy.as_deref().map(str::trim) {
                None | Some("") => Seen::Is(Value::Null),
                // The answer is not XML, so the SDK accepts anything as a policy.
                Some(text) => match serde_json::from_str(text) {
                    Ok(document @ Value::Object(_)) => Seen::Is(document),
                    _ if text.starts_with("<?xml") => return Ok(Seen::Lacking),
                    _ => return Err(Failure::unanswered(operation, bucket, Transport::NotS3)),
                },
            },
            Seen::Is(None) => Seen::Is(Value::Null),
            Seen::Lacking => Seen::Lacking,
            Seen::NotRead => Seen::NotRead,
        })
    }

    async fn versioning(&self, bucket: &str) -> Result<Seen<StoredVersioning>, Failure> {
        let request = self.client.get_bucket_versioning().bucket(bucket);
        let answer = self
            .read(Operation::GetBucketVersioning, bucket, || request.clone().send())
            .await?;
        Ok(seen(answer, |answer| match answer.and_then(|answer| answer.status) {
            Some(BucketVersioningStatus::Enabled) => StoredVersioning::Enabled,
            Some(BucketVersioningStatus::Suspended) => StoredVersioning::Suspended,
            _ => StoredVersioning::Never,
        }))
    }

    async fn object_lock(&self, bucket: &str) -> Result<Seen<StoredLock>, Failure> {
        let request = self.client.get_object_lock_configuration().bucket(bucket);
        let answer = self
            .read(Operation::GetObjectLockConfiguration, bucket, || request.clone().send())
            .await?;
        Ok(seen(answer, |answer| {
            convert::lock(answer.and_then(|answer| answer.object_lock_configuration))
        }))
    }

    async fn lifecycle(&self, bucket: &str) -> Result<Seen<StoredLifecycle>, Failure> {
        let request = self.client.get_bucket_lifecycle_configuration().bucket(bucket);
        let answer = self
            .read(Operation::GetBucketLifecycle, bucket, || request.clone().send())
            .await?;
        Ok(seen(answer, |answer| {
            answer.map_or_else(StoredLifecycle::default, |answer| StoredLifecycle {
                rules: answer
                    .rules
                    .unwrap_or_default()
                    .into_iter()
                    .map(convert::rule)
                    .collect(),
                transition_minimum: answer
                    .transition_default_minimum_object_size
                    .map(|size| size.as_str().to_owned()),
            })
        }))
    }

    async fn cors(&self, bucket: &str) -> Result<Seen<Vec<StoredCors>>, Failure> {
        let request = self.client.get_bucket_cors().bucket(bucket);
        let answer = self
            .read(Operation::GetBucketCors, bucket, || request.clone().send())
            .await?;
        Ok(seen(answer, |answer| {
            let rules = answer.and_then(|answer| answer.cors_rules).unwrap_or_default();
            rules.into_iter().map(convert::cors).collect()
        }))
    }

    /// Reads one setting. `Is(None)`: it was never set.
    async fn read<T, E, F>(
        &self,
        operation: Operation,
        bucket: &str,
        request: impl Fn() -> F,
    ) -> Result<Seen<Option<T>>, Failure>
    where
        F: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        match self.send(operation, bucket, request).await {
            Ok(answer) => Ok(Seen::Is(Some(answer))),
            Err(failure) if is_absence(&failure) => Ok(Seen::Is(None)),
            Err(failure) if failure.is_unsupported() => Ok(Seen::Lacking),
            Err(failure) => Err(failure),
        }
    }
}

fn seen<T, U>(answer: Seen<Option<T>>, into: impl FnOnce(Option<T>) -> U) -> Seen<U> {
    match answer {
        Seen::Is(answer) => Seen::Is(into(answer)),
        Seen::Lacking => Seen::Lacking,
        Seen::NotRead => Seen::NotRead,
    }
}
