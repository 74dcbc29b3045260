//! Step 0: which drive is reconciled when. [`reconcile`](reconcile::reconcile()) runs the six steps for one drive.
//!
//! Everything a drive owns in Kubernetes carries an owner reference, so Kubernetes itself removes it when the drive
//! is deleted, even when the operator is not there, and what is to be retained carries none. Only a drive with buckets
//! that are to be deleted has a finalizer: see [`cleanup`].

pub mod cleanup;
pub mod context;
pub mod drive_watch;
pub mod error;
pub mod events;
pub mod finalizer;
pub mod live_read;
pub mod outage_requeue;
pub mod reconcile;
pub mod rejections;
pub mod requeue;
pub mod scope;
pub mod status_cache;
pub mod status_writer;

use std::time::Duration;

use crate::apply::item::ItemError;
use crate::informer::api_errors::is_unreachable;
use error::refusal;

/// Longest time one reconcile may take. kube's client has no limit of its own on a whole request.
const LIMIT: Duration = Duration::from_mins(1);

/// Why a reconcile ended early. It is tried again with back-off.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The finalizer could not be written.
    #[error("the finalizer could not be written: {}", refusal(.0).message)]
    Finalizer(#[source] Box<kube::Error>),
    /// What was recorded of the drive could not be read.
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
    /// Whether it says that the API server was not reached, and nothing of the drive.
    fn is_unreached(&self) -> bool {
        match self {
            Self::Finalizer(error) | Self::Read(error) | Self::Status(error) => is_unreachable(error),
            Self::TimedOut => true,
            Self::Item(_) => false,
        }
    }
}
