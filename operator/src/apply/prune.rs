//! Deletes the drive's children that are no longer desired.

use std::collections::BTreeSet;

use crate::apply::applier::{Applier, run_all};
use crate::apply::child_client::is_conflict;
use crate::apply::decide::may_prune;
use crate::apply::result::ChildResult;
use ras_core::fetched::record::{ChildKey, Record};
use ras_core::kind::Kind;

pub(super) async fn prune(applier: Applier<'_>, wanted: &BTreeSet<ChildKey>) -> Vec<ChildResult> {
    let mut deletions = Vec::new();
    for (child, record) in applier.child_client.store.of_drive(applier.drive) {
        if !wanted.contains(&child) && may_prune(&record, applier.id()) {
            // Its twin waits until Kubernetes has deleted it together with its pods.
            let in_foreground = twin_of(&child).is_some_and(|twin| wanted.contains(&twin));
            deletions.push(delete(applier, child, record, in_foreground));
        }
    }
    run_all(deletions).await
}

async fn delete(applier: Applier<'_>, child: ChildKey, record: Record, in_foreground: bool) -> ChildResult {
    match applier.child_client.delete(&child, &record.uid, in_foreground).await {
        Ok(()) => ChildResult::Deleted(child),
        // Another object has the name by now.
        Err(error) if is_conflict(&error) => ChildResult::Skipped,
        Err(error) => ChildResult::failed(&child, &error),
    }
}

/// The workload of the other kind that would have the same name and run the same pods.
pub(super) fn twin_of(child: &ChildKey) -> Option<ChildKey> {
    let kind = match child.kind {
        Kind::Deployment => Kind::StatefulSet,
        Kind::StatefulSet => Kind::Deployment,
        _ => return None,
    };
    Some(ChildKey::new(kind, &child.namespace, &child.name))
}
