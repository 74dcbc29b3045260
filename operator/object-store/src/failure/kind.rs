use crate::operation::Operation;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) bucket: String,
    pub(super) operation: Option<Operation>,
    pub(super) kind: Kind,
    pub(super) answer: Answer,
}

/// What a store answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: Option<u16>,
    /// Code of the error document.
    pub code: Option<String>,
    /// Message of the error document.
    pub message: Option<String>,
    /// Region that the store names.
    pub region: Option<String>,
}

/// Why there was no answer, or none that could be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transport {
    /// It took too long.
    TimedOut,
    /// Nobody listens there, or the name does not resolve. Says what the system said.
    NoConnection(String),
    /// The connection ended before the answer did.
    Closed,
    /// TLS: the server's certificate is signed by nobody we trust.
    UnknownAuthority,
    /// TLS failed in another way.
    Tls(String),
    /// Something answered that is no S3.
    NotS3,
    /// There are no credentials to sign with. Says why.
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
