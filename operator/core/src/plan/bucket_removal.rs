//! Buckets that are no longer in the spec, and all buckets of a deleted drive. Pure.
//!
//! Data is deleted by this decision alone, and it is made from the spec, the annotations and the record in the status:
//!
//! | bucket | decision |
//! |---|---|
//! | existing, with settings of the operator | `Released`: the settings are removed, the bucket stays |
//! | existing, retained before, replaced, or named by `ras.dev/keep-buckets` | `Kept` |
//! | `deletionPolicy: Retain` | `Kept` |
//! | `deletionPolicy: DeleteIfEmpty` | `RemovedIfEmpty` |
//! | `deletionPolicy: Delete`, named by `ras.dev/confirm-delete` | `Removed`, with its objects |
//! | `deletionPolicy: Delete`, never seen or lost | `RemovedIfEmpty`, because there is nothing to confirm |
//! | `deletionPolicy: Delete`, otherwise | `Unconfirmed`: it waits for an annotation |
//!
//! [`settle`] then turns the answers of the object store into the progress: `Going` until the bucket is `Gone` or `Kept`, and
//! `Blocked` while a user or the platform team has to act.

use std::collections::BTreeSet;

use ras_crds::labels::{CONFIRM_DELETE, KEEP_BUCKETS};
use ras_crds::spec::BucketDeletionPolicy;
use ras_crds::{BucketState, BucketStatus, Reason};

use crate::bucket::request::Settings;
use crate::bucket::state::BucketPhase;
use crate::bucket::state::Removal;
use crate::fetched::Fetched;
use crate::names;
use crate::valid::{RemovalRequests, ValidDrive};

/// Messages in status of a bucket whose removal is under way.
const REMOVING: &str = "it is being removed";
const EMPTYING: &str = "it is being emptied";

/// Tells settings apart, in status.
pub fn settings_hash(settings: &Settings) -> String {
    names::hash(&[&format!("{settings:?}")], 10)
}

/// The decision about one bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RemovalDecision {
    /// It stays, with all that is in it.
    Kept,
    /// It goes if nothing is in it, and stays otherwise.
    RemovedIfEmpty,
    /// It goes with all that is in it.
    Removed,
    /// It would be deleted, and that is not confirmed.
    Unconfirmed,
    /// It is an existing bucket and stays. The operator's settings are removed, or its lifecycle rules would keep
    /// removing objects.
    Released,
}

/// A bucket that is no longer in the spec.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BucketRemoval {
    /// As status shows it.
    pub recorded: BucketStatus,
    pub fate: RemovalDecision,
}

/// Buckets that status names and the spec does not.
pub fn removals(drive: &ValidDrive, fetched: &Fetched) -> Vec<BucketRemoval> {
    let asked: BTreeSet<&str> = drive.buckets.iter().map(|bucket| bucket.name.as_str()).collect();
    let recorded = fetched.buckets.values().map(|facts| &facts.recorded);
    recorded
        .filter(|recorded| !asked.contains(recorded.name.as_str()))
        .map(|recorded| BucketRemoval {
            fate: fate(
                recorded,
                recorded.deletion_policy.unwrap_or_default(),
                &drive.removal_requests,
            ),
            recorded: recorded.clone(),
        })
        .collect()
}

/// How far a departure is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RemovalProgress {
    /// The bucket is gone.
    Gone,
    /// The bucket stays, and nothing more is done about it.
    Kept,
    /// Something is being done.
    Going,
    /// It waits for a manual action.
    Blocked {
        /// Reason for the condition.
        reason: Reason,
        /// The obstacle, and how to remove it.
        message: String,
    },
}

/// Who asks, and how long the store may still be waited for.
#[derive(Clone, Copy, Debug)]
pub struct Asking<'a> {
    /// Namespace of the drive.
    pub namespace: &'a str,
    /// Name of the drive.
    pub drive: &'a str,
    /// The time limit for an object store that does not answer has passed.
    pub overdue: bool,
}

/// How far a departure is, given what is known of the bucket (nothing where there is no object store), and its line in
/// status.
pub fn settle(
    bucket_removal: &BucketRemoval,
    state: Option<&BucketPhase>,
    asking: Asking<'_>,
) -> (RemovalProgress, BucketStatus) {
    let BucketRemoval { recorded, fate } = bucket_removal;
    let bucket = &recorded.bucket;
    let way_out = || format!("to keep it: {}", annotate(asking, KEEP_BUCKETS, bucket));
    let line = |state, message: Option<String>| BucketStatus {
        state,
        message,
        settings: None,
        removed: recorded.removed,
        ..recorded.clone()
    };
    let kept = |message: String| (RemovalProgress::Kept, line(BucketState::Retained, Some(message)));
    let blocked = |reason, message: String| {
        let progress = RemovalProgress::Blocked {
            reason,
            message: message.clone(),
        };
        (progress, line(BucketState::Removing, Some(message)))
    };
    match (fate, state) {
        (RemovalDecision::Kept, _) if recorded.existing => (RemovalProgress::Gone, recorded.clone()),
        // Nothing of ours is left in it, nor in what is not there.
        (RemovalDecision::Released, Some(BucketPhase::Ready { .. } | BucketPhase::Lost { .. })) => {
            (RemovalProgress::Gone, recorded.clone())
        }
        (RemovalDecision::Released, Some(BucketPhase::Failed { trouble, .. }))
            if trouble.reason == Reason::BucketMissing =>
        {
            (RemovalProgress::Gone, recorded.clone())
        }
        (RemovalDecision::Kept, _) if recorded.state == BucketState::Retained => {
            (RemovalProgress::Kept, recorded.clone())
        }
        (RemovalDecision::Kept, _) => kept("it is kept with all that is in it".to_owned()),
        (RemovalDecision::Unconfirmed, _) => blocked(
            Reason::ConfirmationMissing,
            format!(
                "bucket {bucket} and all its objects would be deleted, which is not confirmed. To delete it: {}; {}",
                annotate(asking, CONFIRM_DELETE, bucket),
                way_out()
            ),
        ),
        (_, None) if asking.overdue => kept(format!(
            "the platform has no object store any more, so bucket {bucket} is kept"
        )),
        (_, None) => blocked(
            Reason::StoreNotConfigured,
            format!(
                "the platform's settings name no object store, so bucket {bucket} cannot be removed: set objectStore; {}",
                way_out()
            ),
        ),
        (_, Some(BucketPhase::Failed { trouble, .. })) if trouble.unreachable && asking.overdue => kept(format!(
            "the object store did not answer for too long, so it is kept ({})",
            trouble.message
        )),
        (_, Some(BucketPhase::Failed { trouble, removed, .. })) => {
            let (progress, mut line) = blocked(trouble.reason, format!("{}; {}", trouble.message, way_out()));
            line.removed = more(*removed).or(line.removed);
            (progress, line)
        }
        (_, Some(BucketPhase::Removed(Removal::Gone))) => (RemovalProgress::Gone, line(BucketState::Removing, None)),
        (_, Some(BucketPhase::Removed(Removal::NotEmpty))) if *fate == RemovalDecision::RemovedIfEmpty => {
            kept("it is not empty, so it is kept with all that is in it".to_owned())
        }
        (_, Some(BucketPhase::Removed(Removal::NotOurs { whose }))) => kept(format!("it is left alone: {whose}")),
        (_, Some(BucketPhase::Removed(Removal::Locked { objects }))) => blocked(
            Reason::ObjectsLocked,
            format!(
                "{objects} objects in bucket {bucket} are locked against deletion; the deletion continues when their locks expire; {}",
                way_out()
            ),
        ),
        (_, Some(BucketPhase::Removing { removed })) => {
            let mut line = line(BucketState::Removing, Some(EMPTYING.to_owned()));
            line.removed = more(*removed).or(line.removed);
            (RemovalProgress::Going, line)
        }
        (
            _,
            Some(
                BucketPhase::Pending
                | BucketPhase::Changing
                | BucketPhase::Lost { .. }
                | BucketPhase::Ready { .. }
                | BucketPhase::Removed(Removal::NotEmpty | Removal::Stopped { .. }),
            ),
        ) => (
            RemovalProgress::Going,
            line(BucketState::Removing, Some(REMOVING.to_owned())),
        ),
    }
}

/// True if the status records that the bucket is being removed, and not that it waits.
pub fn is_under_way(recorded: &BucketStatus) -> bool {
    let message = recorded.message.as_deref().unwrap_or_default();
    recorded.state == BucketState::Removing && [REMOVING, EMPTYING].contains(&message)
}

fn more(removed: u64) -> Option<i64> {
    i64::try_from(removed).ok().filter(|removed| *removed > 0)
}

fn annotate(asking: Asking<'_>, key: &str, bucket: &str) -> String {
    let Asking { namespace, drive, .. } = asking;
    format!("kubectl -n {namespace} annotate drive {drive} --overwrite {key}={bucket}")
}

/// The decision about a bucket under this policy.
pub fn fate(
    recorded: &BucketStatus,
    policy: BucketDeletionPolicy,
    removal_requests: &RemovalRequests,
) -> RemovalDecision {
    let bucket = recorded.bucket.as_str();
    if recorded.existing
        && !removal_requests.keeps(bucket)
        && recorded.settings != Some(settings_hash(&Settings::default()))
    {
        return RemovalDecision::Released;
    }
    // A bucket that was once reported as kept is never removed later. A replaced bucket does not belong to the drive.
    let settled = matches!(recorded.state, BucketState::Retained | BucketState::Replaced);
    if recorded.existing || settled || bucket.is_empty() || removal_requests.keeps(bucket) {
        return RemovalDecision::Kept;
    }
    match policy {
        BucketDeletionPolicy::Retain => RemovalDecision::Kept,
        BucketDeletionPolicy::DeleteIfEmpty => RemovalDecision::RemovedIfEmpty,
        BucketDeletionPolicy::Delete if removal_requests.confirms(bucket) => RemovalDecision::Removed,
        // It was never known to be there, or is gone: most likely it is not, and what is empty needs no confirmation.
        BucketDeletionPolicy::Delete if matches!(recorded.state, BucketState::Pending | BucketState::Lost) => {
            RemovalDecision::RemovedIfEmpty
        }
        BucketDeletionPolicy::Delete => RemovalDecision::Unconfirmed,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::bucket::state::StoreError;

    const ALL: [BucketDeletionPolicy; 3] = [
        BucketDeletionPolicy::Retain,
        BucketDeletionPolicy::DeleteIfEmpty,
        BucketDeletionPolicy::Delete,
    ];

    fn recorded(bucket: &str) -> BucketStatus {
        BucketStatus {
            name: "resumes".to_owned(),
            bucket: bucket.to_owned(),
            state: BucketState::Ready,
            ..BucketStatus::default()
        }
    }

    fn removal_requests(key: &str, value: &str) -> RemovalRequests {
        RemovalRequests::read(Some(&BTreeMap::from([(key.to_owned(), value.to_owned())])))
    }

    #[test]
    fn objects_go_only_under_delete_and_the_very_name() {
        for policy in ALL {
            for said in [
                "",
                "*",
                "resumes",
                "spo-d-resume",
                "SPO-D-RESUMES",
                "spo-d-resumes-old",
                "true",
                "spo-d-resumes, x",
            ] {
                let fate = fate(
                    &recorded("spo-d-resumes"),
                    policy,
                    &removal_requests(CONFIRM_DELETE, said),
                );
                let may = policy == BucketDeletionPolicy::Delete && said.starts_with("spo-d-resumes,");
                assert_eq!(fate == RemovalDecision::Removed, may, "{policy:?} {said:?}");
            }
        }
    }

    #[test]
    fn a_bucket_that_was_never_there_needs_no_confirmation_and_loses_nothing() {
        let mut pending = recorded("b");
        pending.state = BucketState::Pending;
        let nobody = RemovalRequests::default();
        assert_eq!(
            fate(&pending, BucketDeletionPolicy::Delete, &nobody),
            RemovalDecision::RemovedIfEmpty
        );
        assert_eq!(
            fate(&recorded("b"), BucketDeletionPolicy::Delete, &nobody),
            RemovalDecision::Unconfirmed
        );
    }

    #[test]
    fn a_bucket_that_is_lost_needs_no_confirmation_and_what_has_its_name_instead_stays() {
        let confirmed = removal_requests(CONFIRM_DELETE, "b");
        for (state, expected) in [
            (
                BucketState::Lost,
                [
                    RemovalDecision::Kept,
                    RemovalDecision::RemovedIfEmpty,
                    RemovalDecision::RemovedIfEmpty,
                ],
            ),
            (BucketState::Replaced, [RemovalDecision::Kept; 3]),
        ] {
            let mut gone = recorded("b");
            gone.state = state;
            assert_eq!(
                ALL.map(|policy| fate(&gone, policy, &RemovalRequests::default())),
                expected
            );
        }
        let mut replaced = recorded("b");
        replaced.state = BucketState::Replaced;
        assert_eq!(
            fate(&replaced, BucketDeletionPolicy::Delete, &confirmed),
            RemovalDecision::Kept
        );
    }

    #[test]
    fn retained_existing_and_unnamed_buckets_stay_whatever_is_confirmed() {
        let confirmed = removal_requests(CONFIRM_DELETE, "b,,");
        assert_eq!(
            fate(&recorded("b"), BucketDeletionPolicy::Retain, &confirmed),
            RemovalDecision::Kept
        );
        let mut existing = recorded("b");
        existing.existing = true;
        for policy in ALL {
            assert_eq!(fate(&existing, policy, &confirmed), RemovalDecision::Released);
            assert_eq!(fate(&recorded(""), policy, &confirmed), RemovalDecision::Kept);
        }
    }

    #[test]
    fn who_wants_a_bucket_kept_wins_over_who_wants_it_gone() {
        for kept in ["b", "*", "a, b"] {
            let annotations = [(CONFIRM_DELETE, "b"), (KEEP_BUCKETS, kept)];
            let annotations = annotations.map(|(key, value)| (key.to_owned(), value.to_owned()));
            let both = RemovalRequests::read(Some(&annotations.into()));
            assert_eq!(
                fate(&recorded("b"), BucketDeletionPolicy::Delete, &both),
                RemovalDecision::Kept
            );
        }
    }

    #[test]
    fn an_existing_bucket_is_let_go_when_ours_is_taken_out_of_it_or_it_is_not_there() {
        let bucket_removal = BucketRemoval {
            recorded: BucketStatus {
                existing: true,
                ..recorded("theirs")
            },
            fate: RemovalDecision::Released,
        };
        let asking = Asking {
            namespace: "spo",
            drive: "d",
            overdue: false,
        };
        let failed = |reason| BucketPhase::Failed {
            trouble: StoreError {
                reason,
                message: "why".to_owned(),
                unreachable: false,
            },
            there: true,
            removed: 0,
        };
        let progress = |state: &BucketPhase| settle(&bucket_removal, Some(state), asking).0;
        assert_eq!(
            progress(&BucketPhase::Changing),
            RemovalProgress::Going,
            "our rules are still in it"
        );
        assert_eq!(progress(&failed(Reason::BucketMissing)), RemovalProgress::Gone);
        assert!(matches!(
            progress(&failed(Reason::StoreDenied)),
            RemovalProgress::Blocked { .. }
        ));
    }
}
