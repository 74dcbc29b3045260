//! Failures of an object store, classified by their remedy. Pure.
//!
//! Codes are those of <https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html>.

mod classify;
mod kind;
mod message;

use ras_crds::Reason;

pub use self::kind::{Answer, Transport};
use self::kind::{Facts, Kind};
use crate::operation::Operation;
use ras_core::bucket::state::StoreError;
use ras_core::plain_text::plain_line;
use ras_core::retry::Retry;

/// Longest code or region of a store that is kept, in characters.
const LONGEST_CODE: usize = 100;

/// A failed request, or a decision not to touch a bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure(Box<Facts>);

impl Failure {
    /// Classifies an error that the store returned.
    pub fn answered(operation: Operation, bucket: &str, answer: Answer) -> Self {
        let answer = Answer {
            message: answer.message.map(|message| classify::redacted(&message)),
            code: answer.code.map(|code| plain_line(&code, LONGEST_CODE)),
            region: answer.region.map(|region| plain_line(&region, LONGEST_CODE)),
            ..answer
        };
        Self(Box::new(Facts {
            kind: classify::classify(operation, &answer),
            bucket: bucket.to_owned(),
            operation: Some(operation),
            answer,
        }))
    }

    pub fn unanswered(operation: Operation, bucket: &str, transport: Transport) -> Self {
        Self::new(bucket, Some(operation), Kind::Transport(transport))
    }

    /// The store treated the request as another one.
    pub fn unsupported(operation: Operation, bucket: &str) -> Self {
        Self::new(bucket, Some(operation), Kind::Unsupported)
    }

    pub fn not_ours(bucket: &str, whose: impl Into<String>) -> Self {
        Self::new(bucket, None, Kind::NotOurs { whose: whose.into() })
    }

    /// The namespace may not use an existing bucket.
    pub fn not_permitted(bucket: &str, namespace: &str) -> Self {
        let namespace = namespace.to_owned();
        Self::new(bucket, None, Kind::NotPermitted { namespace })
    }

    pub fn missing(bucket: &str) -> Self {
        Self::new(bucket, None, Kind::Missing)
    }

    /// A bucket no longer exists, or another one has its name.
    pub fn lost(bucket: &str, to_another: bool) -> Self {
        Self::new(bucket, None, Kind::Lost { to_another })
    }

    /// The store reports that objects are removed, and still lists them.
    pub fn stuck(bucket: &str) -> Self {
        Self::new(bucket, None, Kind::Stuck)
    }

    /// Settings change again after they are written.
    pub fn unstable(bucket: &str) -> Self {
        Self::new(bucket, None, Kind::Unstable)
    }

    fn new(bucket: &str, operation: Option<Operation>, kind: Kind) -> Self {
        Self(Box::new(Facts {
            bucket: bucket.to_owned(),
            operation,
            kind,
            answer: Answer::default(),
        }))
    }

    pub fn reason(&self) -> Reason {
        match &self.0.kind {
            Kind::Transport(Transport::NoCredentials(_))
            | Kind::Denied
            | Kind::KeyUnknown
            | Kind::SignatureRefused
            | Kind::TokenExpired => Reason::StoreDenied,
            Kind::Transport(_) | Kind::ServerError | Kind::Busy | Kind::Unstable => Reason::StoreUnavailable,
            Kind::Throttled => Reason::StoreThrottled,
            Kind::ClockSkewed => Reason::ClockSkewed,
            Kind::Missing => Reason::BucketMissing,
            Kind::Lost { .. } => Reason::BucketLost,
            Kind::Taken | Kind::NotOurs { .. } => Reason::BucketNotOurs,
            Kind::NotPermitted { .. } => Reason::BucketNotPermitted,
            Kind::WrongRegion => Reason::WrongRegion,
            Kind::EncryptionKey => Reason::KeyUnusable,
            Kind::TooMany
            | Kind::InvalidName
            | Kind::NotEmpty
            | Kind::NoLockLater
            | Kind::Stuck
            | Kind::Unsupported
            | Kind::Refused => Reason::StoreRefused,
            Kind::Locked => Reason::ObjectsLocked,
        }
    }

    /// For the user: the bucket, the answer of the store and the remedy. It contains no secrets.
    pub fn message(&self) -> String {
        message::message(&self.0)
    }

    pub fn retry(&self) -> Retry {
        match &self.0.kind {
            Kind::Taken
            | Kind::NotOurs { .. }
            | Kind::WrongRegion
            | Kind::InvalidName
            | Kind::NoLockLater
            | Kind::Locked
            | Kind::Unsupported
            | Kind::Refused => Retry::OnChange,
            Kind::Transport(_)
            | Kind::Throttled
            | Kind::ServerError
            | Kind::Busy
            | Kind::Stuck
            | Kind::Unstable
            | Kind::ClockSkewed
            | Kind::Denied
            | Kind::KeyUnknown
            | Kind::SignatureRefused
            | Kind::TokenExpired
            | Kind::Missing
            | Kind::NotPermitted { .. }
            | Kind::Lost { .. }
            | Kind::EncryptionKey
            | Kind::TooMany
            | Kind::NotEmpty => Retry::Soon,
        }
    }

    /// The store is unreachable, down or not S3, as opposed to one that refuses.
    pub fn is_unreachable(&self) -> bool {
        match &self.0.kind {
            Kind::Transport(Transport::NoCredentials(_)) => false,
            Kind::Transport(_) | Kind::ServerError => true,
            _ => false,
        }
    }

    /// The connection ended before the answer did.
    pub fn is_closed(&self) -> bool {
        self.0.kind == Kind::Transport(Transport::Closed)
    }

    /// The store throttles requests.
    pub fn is_throttled(&self) -> bool {
        self.0.kind == Kind::Throttled
    }

    /// No such bucket exists.
    pub fn is_missing(&self) -> bool {
        self.0.kind == Kind::Missing
    }

    /// `Some` for a lost bucket; true if another one has its name.
    pub fn lost_to_another(&self) -> Option<bool> {
        match self.0.kind {
            Kind::Lost { to_another } => Some(to_another),
            _ => None,
        }
    }

    /// A bucket cannot be removed, because it is not empty.
    pub fn is_not_empty(&self) -> bool {
        self.0.kind == Kind::NotEmpty
    }

    /// The store does not support the request. Denied access does not count.
    pub fn is_unsupported(&self) -> bool {
        self.0.kind == Kind::Unsupported
    }

    /// The store's error code.
    pub fn code(&self) -> Option<&str> {
        self.0.answer.code.as_deref()
    }

    /// An object is locked against deletion.
    pub fn is_locked(&self) -> bool {
        self.0.kind == Kind::Locked
    }

    /// For metrics.
    pub fn outcome(&self) -> &'static str {
        match &self.0.kind {
            Kind::Throttled => "throttled",
            Kind::Unsupported => "unsupported",
            Kind::Transport(Transport::NoCredentials(_)) => "refused",
            Kind::Transport(_) | Kind::ServerError => "unavailable",
            _ => "refused",
        }
    }

    pub fn is_denied(&self) -> bool {
        self.0.kind == Kind::Denied
    }

    /// Any other request would fail in the same way, so none is sent.
    pub fn affects_all_requests(&self) -> bool {
        match &self.0.kind {
            Kind::Transport(_)
            | Kind::Throttled
            | Kind::ServerError
            | Kind::ClockSkewed
            | Kind::KeyUnknown
            | Kind::SignatureRefused
            | Kind::TokenExpired
            | Kind::WrongRegion
            | Kind::Missing
            | Kind::Lost { .. }
            | Kind::Taken
            | Kind::NotPermitted { .. }
            | Kind::NotOurs { .. } => true,
            Kind::Busy
            | Kind::Stuck
            | Kind::Unstable
            | Kind::Denied
            | Kind::EncryptionKey
            | Kind::TooMany
            | Kind::InvalidName
            | Kind::NotEmpty
            | Kind::NoLockLater
            | Kind::Locked
            | Kind::Unsupported
            | Kind::Refused => false,
        }
    }
}

impl From<&Failure> for StoreError {
    fn from(failure: &Failure) -> Self {
        Self {
            reason: failure.reason(),
            message: failure.message(),
            unreachable: failure.is_unreachable(),
        }
    }
}
