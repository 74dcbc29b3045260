//! Requeues drives whose last reconcile failed because the API server was not reached, as soon as it is reached again.
//! Drives that failed for another reason keep their back-off.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use crate::controller::context::Context;
use crate::informer::store::DriveKey;
use ras_core::backoff;

/// Time between two drives: a thousand that wait look again within five seconds, and not all at once.
const PACE: Duration = Duration::from_millis(5);

/// Records that the reconcile did not reach the API server. Returns the longest time to wait.
pub fn wait(key: &DriveKey, context: &Context) -> Duration {
    context.api_health.report_failure();
    let failures = context.cache.unreached(key, context.api_health.recoveries());
    backoff::wait(failures, key)
}

/// Wakes them after each outage, until it is dropped.
pub async fn look_again(context: Arc<Context>) {
    let mut ended = context.api_health.recoveries();
    loop {
        context.api_health.recovered_after(ended).await;
        ended = context.api_health.recoveries();
        let drives = in_some_order(context.cache.take_unreached());
        if !drives.is_empty() {
            tracing::info!(
                drives = drives.len(),
                "requeued drives that failed because the API server was not reached"
            );
        }
        for drive in drives {
            // The queue closes only when the program ends.
            let _ = context.queue.send(drive);
            tokio::time::sleep(PACE).await;
        }
    }
}

/// In another order each time, so that the same drives are not always last.
fn in_some_order(mut drives: Vec<DriveKey>) -> Vec<DriveKey> {
    let chance = RandomState::new();
    drives.sort_by_cached_key(|drive| chance.hash_one(drive));
    drives
}
