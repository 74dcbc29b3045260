use crate::operation::Operation;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) bucket: String,
    pub(super) operation: Option<Operation>,
    pub(super) kind: Kind,
    pub(super) answer: Answer,
}

/// A store's error response.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    pub status: Option<u16>,
    /// From the error document.
    pub code: Option<String>,
    /// From the error document.
    pub message: Option<String>,
    /// The bucket's region, if the store names it.
    pub region: Option<String>,
}

/// Why there was no valid answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transport {
    TimedOut,
    /// Connection refused, or the name does not resolve, with the message of the system.
    NoConnection(String),
    /// The connection ended before the answer did.
    Closed,
    /// The server's certificate is signed by no trusted CA.
    UnknownAuthority,
    /// Another TLS error.
    Tls(String),
    /// The answer is longer than any of S3.
    TooLong,
    /// The answer is not S3.
    NotS3,
    /// No credentials to sign with, and why.
    NoCredentials(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Transport(Transport),
    Throttled,
    ServerError,
    Busy,
    ClockSkewed,
    Denied,
    KeyUnknown,
    SignatureRefused,
    TokenExpired,
    Missing,
    Lost { to_another: bool },
    Taken,
    NotOurs { whose: String },
    NotPermitted { namespace: String },
    WrongRegion,
    EncryptionKey,
    TooMany,
    InvalidName,
    NotEmpty,
    NoLockLater,
    Locked,
    Stuck,
    Unstable,
    Unsupported,
    Refused,
}
