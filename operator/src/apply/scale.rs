//! Stops, or brings back, the version before, while the version that is asked for waits for a migration.

use super::Done;
use super::decide::{Asker, may_prune};
use crate::apply::child_client::{ChildClient, is_conflict};
use crate::controller::error::refusal;
use crate::informer::store::DriveKey;
use ras_core::fetched::record::{ChildKey, STOPPED};
use ras_core::kind::Kind;
use ras_core::plan::scales::Scale;

/// What stands in `ras.dev/applied` of a Deployment that was brought back: nothing that is ever applied, so that it is written
/// whole as soon as it may be.
const RESUMED: &str = "resumed";

/// Gives a Deployment of the drive another number of pods. Who waits for a migration is told why by others.
pub(super) async fn place(
    child_client: &ChildClient,
    drive: &DriveKey,
    name: &str,
    scale: Scale,
    asker: Asker<'_>,
) -> Done {
    let key = ChildKey::new(Kind::Deployment, &drive.namespace, name);
    let Some(record) = child_client.store.get(&key).filter(|record| may_prune(record, asker)) else {
        return Done::Nothing;
    };
    let (replicas, note) = match scale {
        Scale::Stop(before) => (0, format!("{STOPPED}{before}")),
        Scale::Resume(count) => (count, RESUMED.to_owned()),
    };
    if note == RESUMED && record.applied.as_deref() == Some(RESUMED) {
        // It came back once. Who took its pods away since had a reason.
        return Done::Nothing;
    }
    match child_client.scale(&key, &record.uid, replicas, &note).await {
        Ok(()) => Done::Updated(key),
        // It was made anew a moment ago: the next walk sees it.
        Err(error) if is_conflict(&error) => Done::Nothing,
        Err(error) => Done::Blocked(super::blocked(&key, refusal(&error))),
    }
}
