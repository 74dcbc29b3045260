//! Why a reconcile ended early.

use std::time::Duration;

use crate::apply::item::ItemError;
use crate::controller::error::refusal;
use crate::informer::api_errors::is_unreachable;

/// Longest time one reconcile may take. kube's client has no limit of its own on a whole request.
pub const LIMIT: Duration = Duration::from_mins(1);

/// Why a reconcile ended early. It is tried again with back-off.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The finalizer could not be written.
    #[error("the finalizer could not be written: {}", refusal(.0).message)]
    Finalizer(#[source] Box<kube::Error>),
    /// The recorded status of the drive could not be read.
    #[error("the drive could not be read: {}", refusal(.0).message)]
    Read(#[source] Box<kube::Error>),
    /// The status could not be written.
    #[error("the status could not be written: {}", refusal(.0).message)]
    Status(#[source] Box<kube::Error>),
    /// `build` made something that is no JSON.
    #[error(transparent)]
    Item(#[from] ItemError),
    /// The API server did not answer in time.
    #[error("the API server did not answer within {} s", LIMIT.as_secs())]
    TimedOut,
}

impl Error {
    /// True if the API server was not reached, so that the error says nothing about the drive.
    pub fn is_unreached(&self) -> bool {
        match self {
            Self::Finalizer(error) | Self::Read(error) | Self::Status(error) => is_unreachable(error),
            Self::TimedOut => true,
            Self::Item(_) => false,
        }
    }
}
