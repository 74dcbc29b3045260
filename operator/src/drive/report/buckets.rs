//! What is told about buckets.

use ras_crds::{BucketState, BucketStatus, BucketUsage, ConditionType, Reason};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::Finding;
use crate::drive::apply::Outcome;
use crate::drive::apply::buckets::Known;
use crate::drive::departure::{Asking, Progress, settings_hash, settle};
use crate::drive::valid::{ValidBucket, ValidDrive};
use crate::object_store::keeper::{State, View};
use crate::object_store::measure::Usage;
use crate::object_store::model::Origin;

/// Each bucket's line in status: those that are asked for, then those that were.
pub fn statuses(valid: &ValidDrive, outcome: &Outcome) -> Vec<BucketStatus> {
    let kept = valid.buckets.iter().map(|bucket| {
        let known = outcome.buckets.kept.get(&bucket.name).unwrap_or(&Known::Unrecorded);
        line(valid, bucket, known)
    });
    let departing = valid.departures.iter().filter_map(|departure| {
        let known = outcome.buckets.departing.get(&departure.recorded.name)?;
        let (progress, line) = settle(departure, known.state(), asking(valid));
        (progress != Progress::Gone).then_some(line)
    });
    kept.chain(departing).collect()
}

/// What keeps a bucket from being removed that the drive no longer asks for.
pub fn blocked(valid: &ValidDrive, outcome: &Outcome) -> Option<Finding> {
    let mut all = valid.departures.iter().filter_map(|departure| {
        let known = outcome.buckets.departing.get(&departure.recorded.name)?;
        match settle(departure, known.state(), asking(valid)).0 {
            Progress::Blocked { reason, message } => Some((reason, message)),
            Progress::Gone | Progress::Kept | Progress::Going => None,
        }
    });
    let (reason, mut message) = all.next()?;
    for (_, more) in all {
        message = format!("{message}; {more}");
    }
    Some(Finding::new(ConditionType::DeletionBlocked, true, reason, message))
}

/// `StorageReady`, where the drive has buckets.
pub fn storage(valid: &ValidDrive, outcome: Option<&Outcome>) -> Option<Finding> {
    let type_ = ConditionType::StorageReady;
    if valid.buckets.is_empty() {
        return None;
    }
    let Some(outcome) = outcome else {
        // Nobody asks while the drive is paused: what was known last is told.
        let failing: Vec<&str> = valid
            .buckets
            .iter()
            .filter(|bucket| !valid.bucket_facts.get(&bucket.name).is_some_and(|facts| facts.there))
            .map(|bucket| bucket.name.as_str())
            .collect();
        return Some(if failing.is_empty() {
            Finding::new(
                type_,
                true,
                Reason::BucketsAvailable,
                "all buckets were there when the drive was paused",
            )
        } else {
            let message = format!("not there when the drive was paused: {}", failing.join(", "));
            Finding::new(type_, false, Reason::BucketsPending, message)
        });
    };
    let mut pending = Vec::new();
    let mut limits = Vec::new();
    let mut over = Vec::new();
    for bucket in &valid.buckets {
        match outcome.buckets.kept.get(&bucket.name) {
            Some(Known::NoStore) => {
                return Some(Finding::new(
                    type_,
                    false,
                    Reason::StoreNotConfigured,
                    "the platform's settings name no object store, so there are no buckets: set objectStore and start the operator anew, or remove spec.buckets",
                ));
            }
            Some(Known::View(View {
                state: State::Failed { trouble, .. },
                ..
            })) => return Some(Finding::new(type_, false, trouble.reason, trouble.message.clone())),
            Some(Known::View(View {
                state: State::Ready { unsupported, .. },
                usage,
                ..
            })) => {
                if !unsupported.is_empty() {
                    let names: Vec<&str> = unsupported.iter().map(|feature| feature.as_str()).collect();
                    limits.push(format!("{} without {}", bucket.name, names.join(", ")));
                }
                over.extend(usage.as_ref().and_then(|(usage, _)| over_quota(bucket, usage)));
            }
            Some(Known::Unrecorded | Known::View(_)) | None => pending.push(bucket.name.as_str()),
        }
    }
    Some(if !pending.is_empty() {
        let message = format!("being set up: {}", pending.join(", "));
        Finding::new(type_, false, Reason::BucketsPending, message)
    } else if !over.is_empty() {
        Finding::new(type_, true, Reason::QuotaExceeded, over.join("; "))
    } else if limits.is_empty() {
        Finding::new(
            type_,
            true,
            Reason::BucketsAvailable,
            "every bucket is there and as the spec says",
        )
    } else {
        let message = format!(
            "every bucket is there; this object store cannot do all of it: {}",
            limits.join("; ")
        );
        Finding::new(type_, true, Reason::BucketsLimited, message)
    })
}

fn over_quota(bucket: &ValidBucket, usage: &Usage) -> Option<String> {
    let over = |is: u64, most: Option<u64>| most.is_some_and(|most| is > most);
    let (bytes, objects) = (usage.bytes, usage.objects);
    (over(bytes, bucket.quota_bytes) || over(objects, bucket.quota_objects)).then(|| {
        format!(
            "bucket {} holds {bytes} bytes in {objects} objects, more than its quota: let more of it expire, or raise the quota",
            bucket.name
        )
    })
}

fn line(valid: &ValidDrive, bucket: &ValidBucket, known: &Known) -> BucketStatus {
    let recorded = valid.bucket_facts.get(&bucket.name);
    let was_there = recorded.is_some_and(|facts| facts.there);
    let is_made = bucket.request.origin == Origin::Made;
    let before = recorded
        .map(|facts| &facts.recorded)
        .filter(|recorded| recorded.bucket == bucket.request.bucket);
    let mut line = BucketStatus {
        name: bucket.name.clone(),
        bucket: bucket.request.bucket.clone(),
        existing: !is_made,
        deletion_policy: is_made.then_some(bucket.deletion_policy),
        region: before.and_then(|before| before.region.clone()),
        usage: before.and_then(|before| before.usage.clone()),
        state: if was_there {
            BucketState::Failing
        } else {
            BucketState::Pending
        },
        ..BucketStatus::default()
    };
    let view = match known {
        Known::View(view) => view,
        Known::NoStore => {
            line.message = Some("the platform's settings name no object store".to_owned());
            return line;
        }
        Known::Unrecorded => return line,
    };
    if let Some((usage, counted_at)) = &view.usage {
        line.usage = Some(shown(usage, Time(*counted_at)));
    }
    match &view.state {
        State::Ready { region, unsupported } => {
            line.state = BucketState::Ready;
            line.region.clone_from(region);
            line.settings = Some(settings_hash(&bucket.request.settings));
            line.unsupported = unsupported.iter().map(|feature| feature.as_str().to_owned()).collect();
        }
        State::Failed { trouble, there, .. } => {
            if *there {
                line.state = BucketState::Failing;
            }
            line.message = Some(trouble.message.clone());
        }
        State::Changing => {
            // Not Ready, and no hash of settings: a restarted operator has to finish this.
            line.state = BucketState::Failing;
            line.message = Some("its settings are being changed".to_owned());
        }
        State::Pending | State::Removing { .. } | State::Removed(_) => {
            line.message = Some("it is being set up".to_owned());
        }
    }
    line
}

fn shown(usage: &Usage, counted_at: Time) -> BucketUsage {
    let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    BucketUsage {
        bytes: number(usage.bytes),
        objects: number(usage.objects),
        expiring_bytes: number(usage.expiring_bytes),
        expiring_objects: number(usage.expiring_objects),
        at_least: !usage.complete,
        counted_at,
    }
}

fn asking(valid: &ValidDrive) -> Asking<'_> {
    Asking {
        namespace: &valid.namespace,
        drive: &valid.name,
        // A drive that lives can wait.
        overdue: false,
    }
}
