//! Classification and messages of failures.

use ras_crds::Reason;
use ras_crds::Reason::{
    BucketMissing, BucketNotOurs, ClockSkewed, KeyUnusable, StoreDenied, StoreRefused, StoreThrottled,
    StoreUnavailable, WrongRegion,
};

use crate::failure::{Answer, Failure, Transport};
use crate::operation::Operation;
use crate::operation::Operation::{
    CreateBucket, GetBucketLifecycle, ListObjects, PutBucketEncryption, PutBucketLifecycle, PutBucketPolicy,
    PutObjectLockConfiguration,
};
use ras_core::retry::Retry;
use ras_core::retry::Retry::{OnChange, Soon};

fn answered(operation: Operation, status: u16, code: &str, message: &str) -> Failure {
    let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    Failure::answered(
        operation,
        "portal",
        Answer {
            status: Some(status),
            code: some(code),
            message: some(message),
            region: None,
        },
    )
}

/// Operation, status, code, reason, retry, and a part of the message.
type Row = (Operation, u16, &'static str, Reason, Retry, &'static str);

#[rustfmt::skip]
const ANSWERS: &[Row] = &[
    (PutBucketPolicy, 403, "AccessDenied", StoreDenied, Soon, "s3:PutBucketPolicy"),
    (GetBucketLifecycle, 403, "AccessDenied", StoreDenied, Soon, "s3:GetLifecycleConfiguration"),
    (ListObjects, 403, "", StoreDenied, Soon, "HTTP 403"),
    (ListObjects, 403, "InvalidAccessKeyId", StoreDenied, Soon, "valid access key"),
    (ListObjects, 403, "SignatureDoesNotMatch", StoreDenied, Soon, "secret key"),
    (ListObjects, 400, "ExpiredToken", StoreDenied, Soon, "session token"),
    (ListObjects, 403, "RequestTimeTooSkewed", ClockSkewed, Soon, "NTP"),
    (ListObjects, 404, "NoSuchBucket", BucketMissing, Soon, "does not exist"),
    (CreateBucket, 409, "BucketAlreadyExists", BucketNotOurs, OnChange, "another account"),
    (ListObjects, 301, "PermanentRedirect", WrongRegion, OnChange, "objectStore.region"),
    (ListObjects, 400, "AuthorizationHeaderMalformed", WrongRegion, OnChange, "objectStore.region"),
    (CreateBucket, 400, "IllegalLocationConstraintException", WrongRegion, OnChange, "objectStore.region"),
    (CreateBucket, 400, "InvalidLocationConstraint", WrongRegion, OnChange, "objectStore.region"),
    (PutBucketEncryption, 400, "KMS.NotFoundException", KeyUnusable, Soon, "exists in this region"),
    (PutBucketEncryption, 400, "KMS.DisabledException", KeyUnusable, Soon, "enabled"),
    (PutBucketEncryption, 400, "kms:KeyNotFound", KeyUnusable, Soon, "exists in this region"),
    (ListObjects, 503, "SlowDown", StoreThrottled, Soon, "requestsPerSecond"),
    (ListObjects, 429, "", StoreThrottled, Soon, "requestsPerSecond"),
    (ListObjects, 400, "RequestLimitExceeded", StoreThrottled, Soon, "slower"),
    (ListObjects, 500, "InternalError", StoreUnavailable, Soon, "tried again"),
    (ListObjects, 503, "ServiceUnavailable", StoreUnavailable, Soon, "tried again"),
    (ListObjects, 502, "", StoreUnavailable, Soon, "HTTP 502"),
    (ListObjects, 404, "", StoreUnavailable, Soon, "does not speak S3"),
    (ListObjects, 301, "", StoreUnavailable, Soon, "does not speak S3"),
    (ListObjects, 400, "", StoreUnavailable, Soon, "objectStore.endpoint"),
    (CreateBucket, 400, "InvalidBucketName", StoreRefused, OnChange, "3 to 63"),
    (CreateBucket, 400, "TooManyBuckets", StoreRefused, Soon, "higher limit"),
    (CreateBucket, 409, "OperationAborted", StoreUnavailable, Soon, "tried again"),
    (PutBucketLifecycle, 400, "InvalidRequest", StoreRefused, OnChange, "InvalidRequest"),
    (PutObjectLockConfiguration, 409, "InvalidBucketState", StoreRefused, OnChange, "was made so"),
    (CreateBucket, 501, "NotImplemented", StoreRefused, OnChange, "do without"),
];

#[test]
fn every_answer_has_its_reason_and_a_next_step() {
    for (operation, status, code, reason, retry, words) in ANSWERS.iter().copied() {
        let failure = answered(operation, status, code, "");
        let sentence = failure.message();
        assert_eq!((failure.reason(), failure.retry()), (reason, retry), "{sentence}");
        assert!(
            sentence.starts_with("bucket `portal`: ") && sentence.contains(words),
            "{sentence}"
        );
        assert_eq!(failure.is_throttled(), reason == StoreThrottled, "{sentence}");
        assert_eq!(failure.is_missing(), reason == BucketMissing, "{sentence}");
        let is_down = reason == StoreUnavailable && code != "OperationAborted";
        assert_eq!(failure.is_unreachable(), is_down, "{sentence}");
    }
}

#[test]
fn every_silence_has_a_next_step() {
    for (transport, unreachable, reason, words) in [
        (Transport::TimedOut, true, StoreUnavailable, "in time"),
        (
            Transport::NoConnection("connection refused".to_owned()),
            true,
            StoreUnavailable,
            "(connection refused)",
        ),
        (Transport::Closed, true, StoreUnavailable, "closed the connection"),
        (
            Transport::UnknownAuthority,
            true,
            StoreUnavailable,
            "objectStore.caFile",
        ),
        (
            Transport::Tls("bad name".to_owned()),
            true,
            StoreUnavailable,
            "bad name",
        ),
        (Transport::NotS3, true, StoreUnavailable, "does not speak S3"),
        (
            Transport::NoCredentials("nothing there".to_owned()),
            false,
            StoreDenied,
            "objectStore.credentialsDirectory",
        ),
    ] {
        let failure = Failure::unanswered(ListObjects, "portal", transport);
        assert_eq!((failure.is_unreachable(), failure.reason()), (unreachable, reason));
        assert_eq!(failure.retry(), Soon);
        assert!(failure.message().contains(words), "{}", failure.message());
    }
}

/// Answers of versitygw 1.8.0, `MinIO` of 2026-02 and Garage 2.5.0.
#[test]
fn what_a_server_cannot_do_is_told_from_what_it_does_not_let_us_do() {
    for (operation, status, code) in [
        (Operation::GetPublicAccessBlock, 501, "NotImplemented"),
        (PutBucketLifecycle, 400, "InvalidArgument"),
        (Operation::PutPublicAccessBlock, 400, "MalformedXML"),
        (Operation::PutBucketCors, 409, "BucketAlreadyOwnedByYou"),
        (PutBucketEncryption, 501, "NotImplemented"),
        (Operation::GetBucketCors, 405, ""),
    ] {
        assert!(answered(operation, status, code, "").is_unsupported(), "{code}");
    }
    for (operation, status, code) in [
        (Operation::PutBucketCors, 403, "AccessDenied"),
        (Operation::DeleteObjects, 400, "MalformedXML"),
        (Operation::PutBucketTagging, 400, "InvalidArgument"),
        (PutBucketPolicy, 503, "SlowDown"),
    ] {
        assert!(!answered(operation, status, code, "").is_unsupported(), "{code}");
    }
}

#[test]
fn a_lock_is_told_from_a_right_that_is_missing() {
    for (status, code, message, locked) in [
        (
            400,
            "InvalidRequest",
            "Object is WORM protected and cannot be overwritten",
            true,
        ),
        (
            403,
            "AccessDenied",
            "Access Denied because object protected by object lock.",
            true,
        ),
        (403, "AccessDenied", "Access Denied", false),
        (400, "InvalidRequest", "Something else", false),
    ] {
        assert_eq!(
            answered(Operation::DeleteObjects, status, code, message).is_locked(),
            locked,
            "{message}"
        );
    }
    assert!(!answered(Operation::PutBucketVersioning, 400, "InvalidBucketState", "object lock").is_locked());
}

#[test]
fn a_region_that_the_store_names_is_passed_on() {
    let failure = Failure::answered(
        ListObjects,
        "portal",
        Answer {
            status: Some(301),
            code: Some("PermanentRedirect".to_owned()),
            region: Some("eu-central-1".to_owned()),
            ..Answer::default()
        },
    );
    assert!(
        failure.message().contains("in the region eu-central-1"),
        "{}",
        failure.message()
    );
}

#[test]
fn nothing_secret_and_nothing_endless_is_repeated() {
    let said = format!(
        "User: arn:aws:iam::1:user/x with GK3515373e4c851ebaad366558, AKIAIOSFODNN7EXAMPLE and ?X-Amz-Signature={} {} \
         https://x/?X-Amz-Credential=1 {}",
        "f".repeat(64),
        "q".repeat(40),
        "word ".repeat(200),
    );
    let sentence = answered(ListObjects, 403, "AccessDenied", &said).message();
    for secret in [
        "AKIAIOSFODNN7EXAMPLE",
        "GK3515373e4c851ebaad366558",
        "ffff",
        "qqqq",
        "X-Amz",
    ] {
        assert!(!sentence.contains(secret), "{sentence}");
    }
    assert!(
        sentence.contains("arn:aws:iam::1:user/x") && sentence.len() < 600,
        "{sentence}"
    );
}
