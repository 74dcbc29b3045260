//! The result of each write, and the summary that `report` reads.

use ras_crds::Reason;
use ras_crds::labels::DRIVE;

use crate::apply::decide::DriveId;
use crate::controller::error::{Refusal, refusal};
use ras_core::applied::{Blocked, Changes, Taken};
use ras_core::fetched::record::{ChildKey, Owner, Record};
use ras_core::kind::Kind;
use ras_core::retry::Retry;

#[derive(Debug)]
pub(super) enum ChildResult {
    /// It is as desired.
    Unchanged,
    /// It is not written in this reconcile, for a reason that is reported elsewhere.
    Skipped,
    Created(ChildKey),
    Updated(ChildKey),
    /// Fields that others changed are reverted.
    Repaired(ChildKey, Vec<Taken>),
    Rotated(ChildKey),
    Deleted(ChildKey),
    Blocked(Blocked),
}

impl ChildResult {
    /// A request that the API server refused or did not answer.
    pub(super) fn failed(child: &ChildKey, error: &kube::Error) -> Self {
        let Refusal { reason, message, retry } = refusal(error);
        Self::Blocked(Blocked {
            child: child.clone(),
            reason,
            message,
            retry,
        })
    }

    /// A failure that a later attempt may not meet.
    pub(super) fn retried(child: &ChildKey, message: String) -> Self {
        Self::Blocked(Blocked {
            child: child.clone(),
            reason: Reason::ApiUnavailable,
            message,
            retry: Retry::Soon,
        })
    }

    pub(super) fn keeps_changing(child: &ChildKey) -> Self {
        Self::retried(child, "it keeps changing while it is written; retrying".to_owned())
    }

    pub(super) fn being_deleted(child: &ChildKey) -> Self {
        Self::Blocked(Blocked {
            child: child.clone(),
            reason: Reason::Progressing,
            message: format!("{child} is being deleted; it is created again after that"),
            retry: Retry::OnChange,
        })
    }

    /// The name is taken by an object that is not the drive's.
    pub(super) fn unowned(child: &ChildKey, whose: &str, record: Option<&Record>, drive: DriveId<'_>) -> Self {
        // Deleting a Secret or a volume would lose its data, so the user can let the drive adopt it instead.
        let keeps_data = matches!(child.kind, Kind::Secret | Kind::PersistentVolumeClaim);
        let can_be_adopted = record.is_some_and(|record| record.owner == Owner::Nobody && record.drive.is_none());
        let adopt = if keeps_data && can_be_adopted {
            format!(
                ". To let the drive use it with what is in it: `kubectl -n {} label {} {} {DRIVE}={}`",
                child.namespace,
                child.kind.resource().plural.trim_end_matches('s'),
                child.name,
                drive.name
            )
        } else {
            String::new()
        };
        Self::Blocked(Blocked {
            child: child.clone(),
            reason: Reason::ForeignObject,
            message: format!(
                "{child} exists and {whose}, so it is left alone: delete or rename it, or give the drive another name{adopt}"
            ),
            retry: Retry::Soon,
        })
    }

    /// The child whose name an unowned object has.
    pub(super) fn unowned_child(&self) -> Option<&ChildKey> {
        let Self::Blocked(blocked) = self else { return None };
        (blocked.reason == Reason::ForeignObject).then_some(&blocked.child)
    }

    pub(super) fn blocked_child(&self) -> Option<&ChildKey> {
        let Self::Blocked(blocked) = self else { return None };
        Some(&blocked.child)
    }

    /// True when the namespace accepts no more writes.
    pub(super) fn is_final(&self) -> bool {
        matches!(self, Self::Blocked(blocked) if blocked.retry == Retry::Never)
    }
}

/// Sorts results into what changed and what is blocked.
pub(super) fn collect(results: Vec<ChildResult>) -> (Changes, Vec<Blocked>) {
    let mut changes = Changes::default();
    let mut blocked = Vec::new();
    for result in results {
        match result {
            ChildResult::Unchanged | ChildResult::Skipped => {}
            ChildResult::Created(key) => changes.created.push(key),
            ChildResult::Updated(key) => changes.updated.push(key),
            ChildResult::Repaired(key, taken) => {
                changes.taken.insert(key.clone(), taken);
                changes.repaired.push(key);
            }
            ChildResult::Rotated(key) => changes.rotated.push(key),
            ChildResult::Deleted(key) => changes.removed.push(key),
            ChildResult::Blocked(one) => blocked.push(one),
        }
    }
    blocked.sort_by(|a, b| a.child.cmp(&b.child));
    (changes, blocked)
}
