//! Executes the steps of a plan, one request each.

use aws_sdk_s3::error::BuildError;
use aws_sdk_s3::types::{
    BucketLifecycleConfiguration, BucketLocationConstraint, BucketVersioningStatus, CorsConfiguration,
    CreateBucketConfiguration, DefaultRetention, ObjectLockConfiguration, ObjectLockEnabled, ObjectLockRetentionMode,
    ObjectLockRule, PublicAccessBlockConfiguration, ServerSideEncryption, ServerSideEncryptionByDefault,
    ServerSideEncryptionConfiguration, ServerSideEncryptionRule, Tag, Tagging, TransitionDefaultMinimumObjectSize,
    VersioningConfiguration,
};
use serde_json::Value;

use crate::failure::{Answer, Failure};
use crate::operation::Operation;
use crate::plan::BucketStep;
use crate::s3::{S3Store, convert};
use crate::snapshot::{StoredCors, StoredLifecycle};
use ras_core::bucket::request::{Encryption, LockMode, ObjectLock};

/// S3 refuses the name of this region as a location constraint.
const DEFAULT_REGION: &str = "us-east-1";

impl S3Store {
    pub(super) async fn execute_step(&self, bucket: &str, step: &BucketStep) -> Result<(), Failure> {
        match step {
            BucketStep::Create { object_lock } => self.create(bucket, *object_lock).await,
            BucketStep::Tag(tags) => {
                let tags = tags
                    .iter()
                    .map(|(key, value)| Tag::builder().key(key).value(value).build());
                let tags = written(Operation::PutBucketTagging, bucket, tags.collect())?;
                let tagging = Tagging::builder().set_tag_set(Some(tags)).build();
                let tagging = written(Operation::PutBucketTagging, bucket, tagging)?;
                let request = self.client.put_bucket_tagging().bucket(bucket).tagging(tagging);
                self.send(Operation::PutBucketTagging, bucket, || request.clone().send())
                    .await
                    .map(drop)
            }
            BucketStep::BlockPublicAccess => {
                let block = PublicAccessBlockConfiguration::builder()
                    .block_public_acls(true)
                    .ignore_public_acls(true)
                    .block_public_policy(true)
                    .restrict_public_buckets(true)
                    .build();
                let request = self
                    .client
                    .put_public_access_block()
                    .bucket(bucket)
                    .public_access_block_configuration(block);
                self.send(Operation::PutPublicAccessBlock, bucket, || request.clone().send())
                    .await
                    .map(drop)
            }
            BucketStep::Encrypt(encryption) => self.encrypt(bucket, encryption).await,
            BucketStep::Policy(document) => self.write_policy(bucket, document).await,
            BucketStep::Versioning(is_on) => {
                let status = if *is_on {
                    BucketVersioningStatus::Enabled
                } else {
                    BucketVersioningStatus::Suspended
                };
                let request = self
                    .client
                    .put_bucket_versioning()
                    .bucket(bucket)
                    .versioning_configuration(VersioningConfiguration::builder().status(status).build());
                self.send(Operation::PutBucketVersioning, bucket, || request.clone().send())
                    .await
                    .map(drop)
            }
            BucketStep::ObjectLock(lock) => self.lock(bucket, *lock).await,
            BucketStep::Lifecycle(lifecycle) => self.write_lifecycle(bucket, lifecycle).await,
            BucketStep::Cors(rules) => self.write_cors(bucket, rules).await,
        }
    }

    async fn create(&self, bucket: &str, object_lock: bool) -> Result<(), Failure> {
        let mut request = self.client.create_bucket().bucket(bucket);
        if self.region != DEFAULT_REGION {
            let region = BucketLocationConstraint::from(self.region.as_str());
            let configuration = CreateBucketConfiguration::builder().location_constraint(region).build();
            request = request.create_bucket_configuration(configuration);
        }
        if object_lock {
            request = request.object_lock_enabled_for_bucket(true);
        }
        match self
            .send(Operation::CreateBucket, bucket, || request.clone().send())
            .await
        {
            // The answer to an earlier request was lost. In us-east-1 AWS answers with success instead.
            Err(failure) if failure.code() == Some("BucketAlreadyOwnedByYou") => Ok(()),
            result => result.map(drop),
        }
    }

    async fn encrypt(&self, bucket: &str, encryption: &Encryption) -> Result<(), Failure> {
        let operation = Operation::PutBucketEncryption;
        let default = match encryption {
            Encryption::StoreKey => {
                ServerSideEncryptionByDefault::builder().sse_algorithm(ServerSideEncryption::Aes256)
            }
            Encryption::Kms(key) => ServerSideEncryptionByDefault::builder()
                .sse_algorithm(ServerSideEncryption::AwsKms)
                .kms_master_key_id(key),
        };
        let default = written(operation, bucket, default.build())?;
        let rule = ServerSideEncryptionRule::builder()
            .apply_server_side_encryption_by_default(default)
            // Without a bucket key, every object costs a KMS request.
            .set_bucket_key_enabled(matches!(encryption, Encryption::Kms(_)).then_some(true))
            .build();
        let configuration = ServerSideEncryptionConfiguration::builder().rules(rule).build();
        let configuration = written(operation, bucket, configuration)?;
        let request = self
            .client
            .put_bucket_encryption()
            .bucket(bucket)
            .server_side_encryption_configuration(configuration);
        self.send(operation, bucket, || request.clone().send()).await.map(drop)
    }

    async fn write_policy(&self, bucket: &str, document: &Value) -> Result<(), Failure> {
        if document.is_null() {
            let request = self.client.delete_bucket_policy().bucket(bucket);
            return self
                .send(Operation::DeleteBucketPolicy, bucket, || request.clone().send())
                .await
                .map(drop);
        }
        let request = self
            .client
            .put_bucket_policy()
            .bucket(bucket)
            .policy(document.to_string());
        self.send(Operation::PutBucketPolicy, bucket, || request.clone().send())
            .await
            .map(drop)
    }

    async fn lock(&self, bucket: &str, lock: ObjectLock) -> Result<(), Failure> {
        let retention = DefaultRetention::builder()
            .mode(match lock.mode {
                LockMode::Governance => ObjectLockRetentionMode::Governance,
                LockMode::Compliance => ObjectLockRetentionMode::Compliance,
            })
            .days(i32::try_from(lock.days).unwrap_or(i32::MAX))
            .build();
        let configuration = ObjectLockConfiguration::builder()
            .object_lock_enabled(ObjectLockEnabled::Enabled)
            .rule(ObjectLockRule::builder().default_retention(retention).build())
            .build();
        let request = self
            .client
            .put_object_lock_configuration()
            .bucket(bucket)
            .object_lock_configuration(configuration);
        self.send(Operation::PutObjectLockConfiguration, bucket, || request.clone().send())
            .await
            .map(drop)
    }

    async fn write_lifecycle(&self, bucket: &str, lifecycle: &StoredLifecycle) -> Result<(), Failure> {
        if lifecycle.rules.is_empty() {
            let request = self.client.delete_bucket_lifecycle().bucket(bucket);
            return self
                .send(Operation::DeleteBucketLifecycle, bucket, || request.clone().send())
                .await
                .map(drop);
        }
        let operation = Operation::PutBucketLifecycle;
        let rules = lifecycle.rules.iter().map(convert::to_rule).collect();
        let rules = written(operation, bucket, rules)?;
        let configuration = BucketLifecycleConfiguration::builder().set_rules(Some(rules)).build();
        let configuration = written(operation, bucket, configuration)?;
        let minimum = lifecycle.transition_minimum.as_deref();
        let request = self
            .client
            .put_bucket_lifecycle_configuration()
            .bucket(bucket)
            .lifecycle_configuration(configuration)
            .set_transition_default_minimum_object_size(minimum.map(TransitionDefaultMinimumObjectSize::from));
        self.send(operation, bucket, || request.clone().send()).await.map(drop)
    }

    async fn write_cors(&self, bucket: &str, rules: &[StoredCors]) -> Result<(), Failure> {
        if rules.is_empty() {
            let request = self.client.delete_bucket_cors().bucket(bucket);
            return self
                .send(Operation::DeleteBucketCors, bucket, || request.clone().send())
                .await
                .map(drop);
        }
        let operation = Operation::PutBucketCors;
        let rules = written(operation, bucket, rules.iter().map(convert::to_cors).collect())?;
        let configuration = CorsConfiguration::builder().set_cors_rules(Some(rules)).build();
        let configuration = written(operation, bucket, configuration)?;
        let request = self
            .client
            .put_bucket_cors()
            .bucket(bucket)
            .cors_configuration(configuration);
        self.send(operation, bucket, || request.clone().send()).await.map(drop)
    }
}

/// A document without a required field fails here as it would at S3.
fn written<T>(operation: Operation, bucket: &str, document: Result<T, BuildError>) -> Result<T, Failure> {
    document.map_err(|error| {
        Failure::answered(
            operation,
            bucket,
            Answer {
                code: Some("InvalidRequest".to_owned()),
                message: Some(error.to_string()),
                ..Answer::default()
            },
        )
    })
}
