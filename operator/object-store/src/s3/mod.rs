//! The client of the S3 API, and the only user of the AWS SDK.
//!
//! One call is one request, or two if the connection ended before the answer. The SDK's own retries are off, because every
//! request needs a permit of the rate limiter, and because the caller knows better when to retry.

mod answer_limit;
mod connect;
mod convert;
mod credentials;
mod errors;
mod execute;
mod observe;
mod pages;
mod web_page;

use std::collections::BTreeSet;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};

pub use self::connect::ConnectError;

use crate::failure::{Failure, Transport};
use crate::operation::Operation;
use crate::plan::BucketStep;
use crate::rate_limiter::{Counter, RateLimiter};
use crate::snapshot::BucketSnapshot;
use crate::store::{Deleted, Entry, Listing, Marker, ObjectStore, Page};
use ras_core::bucket::request::Feature;

/// For a request with its whole answer, whatever the timers of the SDK do: more than the longest of those.
const LONGEST_REQUEST: Duration = Duration::from_secs(75);

/// Clones share one connection pool.
#[derive(Clone)]
pub struct S3Store {
    client: Client,
    region: String,
    rate_limiter: Arc<RateLimiter>,
    counter: Arc<dyn Counter>,
}

impl fmt::Debug for S3Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("S3Store")
            .field("region", &self.region)
            .finish_non_exhaustive()
    }
}

impl ObjectStore for S3Store {
    async fn observe(&self, bucket: &str, wanted: &BTreeSet<Feature>) -> Result<BucketSnapshot, Failure> {
        self.read_bucket(bucket, wanted).await
    }

    async fn execute(&self, bucket: &str, step: &BucketStep) -> Result<(), Failure> {
        self.execute_step(bucket, step).await
    }

    async fn list(&self, bucket: &str, listing: Listing, after: Option<&Marker>) -> Result<Page, Failure> {
        self.page(bucket, listing, after).await
    }

    async fn delete(&self, bucket: &str, entries: &[Entry]) -> Result<Deleted, Failure> {
        self.delete_entries(bucket, entries).await
    }

    async fn delete_bucket(&self, bucket: &str) -> Result<(), Failure> {
        let request = self.client.delete_bucket().bucket(bucket);
        self.send(Operation::DeleteBucket, bucket, || request.clone().send())
            .await
            .map(drop)
    }
}

impl S3Store {
    /// Sends a request when the rate limiter permits it, counts it and classifies its failure.
    ///
    /// If the connection ends before the answer, the server may have closed an idle connection at the moment of its reuse, so
    /// the request is sent once more. A request that deletes is not, because the owner of the bucket has to be checked again
    /// first.
    async fn send<T, E, F>(&self, operation: Operation, bucket: &str, request: impl Fn() -> F) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        match self.send_once(operation, bucket, request()).await {
            Err(failure) if failure.is_closed() && !operation.is_deleting() => {
                self.send_once(operation, bucket, request()).await
            }
            result => result,
        }
    }

    async fn send_once<T, E>(
        &self,
        operation: Operation,
        bucket: &str,
        request: impl Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    ) -> Result<T, Failure>
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        let permit = self.rate_limiter.acquire().await;
        // The SDK's own timers are polled after the body, so an answer that never pauses keeps them from firing.
        let result = match tokio::time::timeout(LONGEST_REQUEST, request).await {
            Ok(result) => result.map_err(|error| errors::failure(operation, bucket, &error)),
            Err(_) => Err(Failure::unanswered(operation, bucket, Transport::TimedOut)),
        };
        drop(permit);
        let outcome = match &result {
            Ok(_) => "ok",
            Err(failure) if is_absence(failure) || failure.is_missing() => "absent",
            Err(failure) => failure.outcome(),
        };
        self.counter.requested(operation.as_str(), outcome);
        if let Err(failure) = &result {
            tracing::debug!(
                operation = operation.as_str(),
                bucket,
                outcome,
                code = failure.code(),
                "S3"
            );
            if failure.is_throttled() {
                self.rate_limiter.slow_down();
            }
        } else {
            tracing::debug!(operation = operation.as_str(), bucket, outcome, "S3");
        }
        result
    }
}

/// The error only reports that a setting was never set.
fn is_absence(failure: &Failure) -> bool {
    const ABSENT: [&str; 9] = [
        "NoSuchTagSet",
        "NoSuchTagSetError",
        "NoSuchPublicAccessBlockConfiguration",
        "ServerSideEncryptionConfigurationNotFoundError",
        "NoSuchBucketPolicy",
        "ObjectLockConfigurationNotFoundError",
        "NoSuchObjectLockConfiguration",
        "NoSuchLifecycleConfiguration",
        "NoSuchCORSConfiguration",
    ];
    failure.code().is_some_and(|code| ABSENT.contains(&code))
}
