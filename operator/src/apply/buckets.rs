//! Asks the keeper of buckets for what is desired. Talks to nobody else, and waits for nothing.

use std::collections::BTreeMap;

use ras_crds::{BucketState, BucketStatus};

use crate::apply::child_client::ChildClient;
use crate::informer::store::DriveKey;
use ras_core::applied::{Buckets, Known};
use ras_core::bucket::request::{BucketRequest, Feature, Origin, Owner, Settings};
use ras_core::bucket::state;
use ras_core::bucket::state::Identity;
use ras_core::bucket::state::Manner;
use ras_core::bucket::state::State;
use ras_core::build::{Desired, Prepared};
use ras_core::fetched::BucketFacts;
use ras_core::plan::bucket_removal::{BucketRemoval, RemovalDecision, settings_hash};

/// Buckets that status names, by their name in the drive.
pub type Recorded = BTreeMap<String, BucketFacts>;

/// Asks for everything that is desired.
pub(super) fn ask(
    child_client: &ChildClient,
    key: &DriveKey,
    uid: &str,
    desired: &Desired<Prepared>,
    recorded: &Recorded,
) -> Buckets {
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

/// What status says of a bucket. What the drive itself was removing may be gone.
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

/// How a bucket stood before the operator started. One that is as it was set up is looked at in its turn.
fn before(request: &BucketRequest, recorded: &BucketStatus) -> Option<State> {
    match recorded.state {
        BucketState::Lost => Some(State::Lost { to_another: false }),
        BucketState::Replaced => Some(State::Lost { to_another: true }),
        BucketState::Ready
        | BucketState::Failing
        | BucketState::Pending
        | BucketState::Removing
        | BucketState::Retained => ready_before(request, recorded),
    }
}

/// What status says of a bucket that was set up like this before: a restarted operator asks nobody.
fn ready_before(request: &BucketRequest, recorded: &BucketStatus) -> Option<State> {
    let is_same = recorded.settings.as_deref() == Some(settings_hash(&request.settings).as_str());
    (is_same && recorded.state == BucketState::Ready).then(|| State::Ready {
        region: recorded.region.clone(),
        unsupported: Feature::ALL
            .iter()
            .filter(|feature| recorded.unsupported.iter().any(|name| name == feature.as_str()))
            .copied()
            .collect(),
    })
}

/// Does what is to be done about a bucket that is no longer asked for.
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
            // Whatever is under way stops, with the next page at the latest.
            bucket_controller.release(key, &recorded.name);
            return Known::Unrecorded;
        }
        RemovalDecision::Released => {
            let request = BucketRequest {
                bucket: recorded.bucket.clone(),
                owner,
                origin: Origin::Existing,
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
