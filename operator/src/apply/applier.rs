//! Who writes the children of one drive, and how many requests run at a time.

use std::sync::atomic::{AtomicBool, Ordering};

use futures::StreamExt;
use ras_core::fetched::record::ChildKey;
use ras_core::kind::Kind;

use crate::apply::child_client::ChildClient;
use crate::apply::decide::DriveId;
use crate::apply::result::ChildResult;
use crate::informer::store::DriveKey;

/// Concurrent requests for one drive.
const CONCURRENCY: usize = 8;
/// Attempts to write a child that changes at the same time.
pub(super) const MAX_ATTEMPTS: usize = 5;

/// Writes the children of one drive.
#[derive(Clone, Copy)]
pub struct Applier<'a> {
    pub child_client: &'a ChildClient,
    pub drive: &'a DriveKey,
    pub uid: &'a str,
}

impl Applier<'_> {
    pub(super) fn id(&self) -> DriveId<'_> {
        DriveId {
            name: &self.drive.name,
            uid: self.uid,
        }
    }

    pub(super) fn child(&self, kind: Kind, name: &str) -> ChildKey {
        ChildKey::new(kind, &self.drive.namespace, name)
    }
}

/// Runs writes concurrently. None starts once the namespace accepts no new objects.
pub(super) async fn run_all(work: Vec<impl Future<Output = ChildResult>>) -> Vec<ChildResult> {
    let closed = AtomicBool::new(false);
    let closed = &closed;
    let work = work.into_iter().map(|write| async move {
        if closed.load(Ordering::Relaxed) {
            return ChildResult::Skipped;
        }
        let result = write.await;
        if result.is_final() {
            closed.store(true, Ordering::Relaxed);
        }
        result
    });
    futures::stream::iter(work)
        .buffer_unordered(CONCURRENCY)
        .collect()
        .await
}
