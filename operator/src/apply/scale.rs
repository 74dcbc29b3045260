//! Changes the replicas of a held Deployment: stops the running version, or starts it again, while the desired version
//! waits for a migration.

use crate::apply::applier::Applier;
use crate::apply::child_client::is_conflict;
use crate::apply::decide::may_prune;
use crate::apply::result::ChildResult;
use ras_core::fetched::record::STOPPED;
use ras_core::kind::Kind;
use ras_core::plan::scales::Scale;

/// Value of `ras.dev/applied` in a Deployment that was started again. It equals no hash, so the Deployment is written
/// in full as soon as it is no longer held.
const RESUMED: &str = "resumed";

pub(super) async fn apply(applier: Applier<'_>, name: &str, scale: Scale) -> ChildResult {
    let (child_client, key) = (applier.child_client, applier.child(Kind::Deployment, name));
    let Some(record) = child_client
        .store
        .get(&key)
        .filter(|record| may_prune(record, applier.id()))
    else {
        return ChildResult::Skipped;
    };
    let (replicas, note) = match scale {
        Scale::Stop(before) => (0, format!("{STOPPED}{before}")),
        Scale::Resume(count) => (count, RESUMED.to_owned()),
    };
    if note == RESUMED && record.applied.as_deref() == Some(RESUMED) {
        // It was started once. If it was scaled down since, that was on purpose.
        return ChildResult::Unchanged;
    }
    match child_client.scale(&key, &record.uid, replicas, &note).await {
        Ok(()) => ChildResult::Updated(key),
        // It was recreated a moment ago: the next reconcile sees it.
        Err(error) if is_conflict(&error) => ChildResult::Skipped,
        Err(error) => ChildResult::failed(&key, &error),
    }
}
