use crate::failure::kind::{Answer, Kind, Transport};
use crate::operation::Operation;
use ras_core::plain_text::plain_line;

/// Most characters of a store's message that are shown.
const LONGEST: usize = 300;

pub(super) fn classify(operation: Operation, answer: &Answer) -> Kind {
    let code = answer.code.as_deref().unwrap_or_default();
    let message = answer.message.as_deref().unwrap_or_default();
    // Codes of AWS, of services behind it, and of MinIO.
    if ["KMS.", "Kms", "kms:"].iter().any(|start| code.starts_with(start)) {
        return Kind::EncryptionKey;
    }
    if matches!(operation, Operation::DeleteObject | Operation::DeleteObjects) && is_lock(code, message) {
        return Kind::Locked;
    }
    match code {
        "SlowDown"
        | "Throttling"
        | "ThrottlingException"
        | "RequestLimitExceeded"
        | "TooManyRequests"
        | "TooManyRequestsException"
        | "RequestThrottled"
        | "SlowDownRead"
        | "SlowDownWrite"
        | "BandwidthLimitExceeded" => Kind::Throttled,
        "AccessDenied" | "AllAccessDisabled" | "AccountProblem" | "UnauthorizedAccess" | "Forbidden"
        | "AccessForbidden" | "NotSignedUp" => Kind::Denied,
        "InvalidAccessKeyId" | "InvalidToken" | "InvalidClientTokenId" => Kind::KeyUnknown,
        "SignatureDoesNotMatch" => Kind::SignatureRefused,
        "ExpiredToken" | "TokenRefreshRequired" | "ExpiredTokenException" => Kind::TokenExpired,
        "RequestTimeTooSkewed" | "RequestExpired" => Kind::ClockSkewed,
        "NoSuchBucket" => Kind::Missing,
        "BucketAlreadyExists" if operation == Operation::CreateBucket => Kind::Taken,
        // A store that does not support a setting treats the request as one that creates the bucket.
        // Some report a malformed document.
        "BucketAlreadyExists" | "BucketAlreadyOwnedByYou" | "MalformedXML" | "MalformedPolicy"
            if operation.is_setting() =>
        {
            Kind::Unsupported
        }
        "PermanentRedirect"
        | "TemporaryRedirect"
        | "Redirect"
        | "AuthorizationHeaderMalformed"
        | "IllegalLocationConstraintException"
        | "InvalidLocationConstraint"
        | "InvalidRegion"
        | "IncorrectEndpoint" => Kind::WrongRegion,
        "InvalidBucketName" => Kind::InvalidName,
        "TooManyBuckets" | "QuotaExceeded" | "LimitExceeded" => Kind::TooMany,
        "BucketNotEmpty" => Kind::NotEmpty,
        "OperationAborted" | "ConditionalRequestConflict" | "RestoreAlreadyInProgress" => Kind::Busy,
        "InvalidBucketState" if operation == Operation::PutObjectLockConfiguration => Kind::NoLockLater,
        "NotImplemented"
        | "MethodNotAllowed"
        | "UnsupportedOperation"
        | "NotSupported"
        | "NotSupport"
        | "XNotImplemented" => Kind::Unsupported,
        // MinIO answers so to rules for unfinished uploads.
        "InvalidArgument" if operation == Operation::PutBucketLifecycle => Kind::Unsupported,
        // Garage answers so to rules for delete markers. S3 uses the same code for two rules with one prefix.
        "InvalidRequest"
            if operation == Operation::PutBucketLifecycle && message.contains("must contain either <Days>") =>
        {
            Kind::Unsupported
        }
        "RequestTimeout"
        | "InternalError"
        | "InternalFailure"
        | "ServiceUnavailable"
        | "ServerNotInitialized"
        | "ServiceFailure" => Kind::ServerError,
        "InvalidArgument" | "InvalidRequest" if is_about_key(message) => Kind::EncryptionKey,
        _ => by_status(code, answer),
    }
}

fn by_status(code: &str, answer: &Answer) -> Kind {
    match answer.status {
        Some(501 | 405) => Kind::Unsupported,
        Some(429) => Kind::Throttled,
        // A proxy in front of a store that is down answers so without a document.
        Some(500..) => Kind::ServerError,
        Some(300..=399) if answer.region.is_some() => Kind::WrongRegion,
        Some(401 | 403) => Kind::Denied,
        // S3 sends a code. A status alone does not show whether the bucket is missing or the server is not S3, so conclude
        // nothing from it.
        Some(_) if code.is_empty() => Kind::Transport(Transport::NotS3),
        _ => Kind::Refused,
    }
}

fn is_about_key(message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    message.contains("kms") && message.contains("key")
}

/// No server has a code for locks: AWS and versitygw return `AccessDenied`, `MinIO` `InvalidRequest`, with the rest in the
/// message.
fn is_lock(code: &str, message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    let words = ["object lock", "worm", "legal hold", "retention", "objectlock"];
    code == "ObjectLocked" || words.iter().any(|word| message.contains(word))
}

/// A store's message on one line, truncated, and without anything that looks like a key or a signature.
pub(super) fn redacted(message: &str) -> String {
    let message = plain_line(message, 4 * LONGEST);
    let mut said = String::new();
    for word in message.split_whitespace() {
        if !said.is_empty() {
            said.push(' ');
        }
        said.push_str(if is_secret(word) { "…" } else { word });
        if said.chars().count() > LONGEST {
            let mut cut: String = said.chars().take(LONGEST).collect();
            cut.push('…');
            return cut;
        }
    }
    said
}

fn is_secret(word: &str) -> bool {
    let bare = word.trim_matches(|c: char| !c.is_ascii_alphanumeric());
    let is_key_id = bare.len() >= 16
        && (bare.starts_with("AKIA") || bare.starts_with("ASIA"))
        && bare.chars().all(|c| c.is_ascii_alphanumeric());
    // Key IDs of Garage begin like this, and its messages repeat them.
    let is_key_id =
        is_key_id || bare.len() >= 26 && bare.starts_with("GK") && is_hex(bare.get(2..).unwrap_or_default());
    let is_digest = bare.len() >= 40 && bare.chars().all(|c| c.is_ascii_alphanumeric() || "+/=".contains(c));
    is_key_id || is_digest || word.contains("X-Amz-") || word.contains("Signature=")
}

fn is_hex(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_hexdigit())
}
