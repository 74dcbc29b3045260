//! Passes the desired buckets to the bucket controller, which works in the background, and reads their last known
//! state.

use std::collections::BTreeMap;

use ras_crds::{BucketState, BucketStatus};

use crate::apply::applier::Applier;
use crate::apply::child_client::ChildClient;
use crate::informer::store::DriveKey;
use ras_core::applied::{Buckets, Known};
use ras_core::bucket::request::{BucketRequest, Feature, Origin, Owner, Settings};
use ras_core::bucket::state;
use ras_core::bucket::state::BucketPhase;
use ras_core::bucket::state::Identity;
use ras_core::bucket::state::Manner;
use ras_core::build::Desired;
use ras_core::fetched::BucketFacts;
use ras_core::plan::bucket_removal::{BucketRemoval, RemovalDecision, settings_hash};

/// Buckets in the status, by their name in the drive.
pub type RecordedBuckets = BTreeMap<String, BucketFacts>;

pub(super) fn request(applier: Applier<'_>, desired: &Desired, recorded: &RecordedBuckets) -> Buckets {
    let Applier {
        child_client,
        drive: key,
        uid,
    } = applier;
    let kept = desired.buckets.iter().map(|request| {
        let facts = recorded.get(&request.owner.bucket);
        (request.owner.bucket.clone(), keep(child_client, key, request, facts))
    });
    let departing = desired.bucket_removals.iter().map(|bucket_removal| {
        let known = depart(child_client, key, uid, bucket_removal);
        (bucket_removal.recorded.name.clone(), known)
    });
    Buckets {
        kept: kept.collect(),
        departing: departing.collect(),
    }
}

fn keep(child_client: &ChildClient, key: &DriveKey, request: &BucketRequest, facts: Option<&BucketFacts>) -> Known {
    let Some(bucket_controller) = &child_client.bucket_controller else {
        return Known::NoStore;
    };
    let Some(facts) = facts.filter(|facts| facts.recorded.bucket == request.bucket) else {
        return Known::Unrecorded;
    };
    Known::View(bucket_controller.ensure(key, request, recorded(request, facts)))
}

/// The recorded state of a bucket. One that the drive was removing may be deleted by now, so nothing is assumed of it.
fn recorded(request: &BucketRequest, facts: &BucketFacts) -> state::Recorded {
    let recorded = &facts.recorded;
    if recorded.state == BucketState::Removing {
        return state::Recorded::default();
    }
    let identity = recorded.identity.as_deref().map(Identity::parse);
    state::Recorded {
        state: before(request, recorded),
        was_there: matches!(
            recorded.state,
            BucketState::Ready | BucketState::Failing | BucketState::Lost | BucketState::Replaced
        ),
        accepted: identity.clone().filter(|_| facts.accepted),
        identity,
        seen: recorded.last_seen.as_ref().map(|seen| seen.0),
    }
}

/// The recorded state, which saves requests after a restart of the operator.
fn before(request: &BucketRequest, recorded: &BucketStatus) -> Option<BucketPhase> {
    match recorded.state {
        BucketState::Lost => Some(BucketPhase::Lost { to_another: false }),
        BucketState::Replaced => Some(BucketPhase::Lost { to_another: true }),
        BucketState::Ready
        | BucketState::Failing
        | BucketState::Pending
        | BucketState::Removing
        | BucketState::Retained => ready_before(request, recorded),
    }
}

/// `Ready` if the bucket was set up with the same settings.
fn ready_before(request: &BucketRequest, recorded: &BucketStatus) -> Option<BucketPhase> {
    let is_same = recorded.settings.as_deref() == Some(settings_hash(&request.settings).as_str());
    (is_same && recorded.state == BucketState::Ready).then(|| BucketPhase::Ready {
        region: recorded.region.clone(),
        unsupported: Feature::ALL
            .iter()
            .filter(|feature| recorded.unsupported.iter().any(|name| name == feature.as_str()))
            .copied()
            .collect(),
    })
}

/// Handles a bucket that is no longer in the spec.
pub fn depart(child_client: &ChildClient, key: &DriveKey, uid: &str, bucket_removal: &BucketRemoval) -> Known {
    let Some(bucket_controller) = &child_client.bucket_controller else {
        return Known::NoStore;
    };
    let recorded = &bucket_removal.recorded;
    let owner = Owner {
        namespace: key.namespace.to_string(),
        drive: key.name.to_string(),
        uid: uid.to_owned(),
        bucket: recorded.name.clone(),
    };
    let manner = match bucket_removal.fate {
        RemovalDecision::Kept | RemovalDecision::Unconfirmed => {
            // A running removal stops, after the current page at the latest.
            bucket_controller.release(key, &recorded.name);
            return Known::Unrecorded;
        }
        RemovalDecision::Released => {
            let request = BucketRequest {
                bucket: recorded.bucket.clone(),
                owner,
                origin: Origin::Existing,
                // What the drive itself wrote is removed from it, and nothing is set.
                permitted: true,
                settings: Settings::default(),
            };
            return Known::View(bucket_controller.ensure(key, &request, state::Recorded::default()));
        }
        RemovalDecision::RemovedIfEmpty => Manner::IfEmpty,
        RemovalDecision::Removed => Manner::WithObjects,
    };
    let removed = recorded.removed.and_then(|removed| u64::try_from(removed).ok());
    Known::View(bucket_controller.remove(key, &owner, &recorded.bucket, manner, removed.unwrap_or_default()))
}
