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
pub mod packed;
pub mod read;
pub mod reconcile;
pub mod reconcile_error;
pub mod record;
pub mod rejections;
pub mod requeue;
pub mod scope;
pub mod slim;
pub mod status_cache;
pub mod status_writer;
pub mod stored_drive;
