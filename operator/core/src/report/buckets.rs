//! Status and conditions of buckets.

use ras_crds::labels::BUCKET_IDENTITY;
use ras_crds::{BucketState, BucketStatus, BucketUsage, ConditionType, Reason};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::condition_update::ConditionUpdate;
use crate::applied::ApplyOutcome;
use crate::applied::Known;
use crate::bucket::request::Origin;
use crate::bucket::state::Identity;
use crate::bucket::state::Usage;
use crate::bucket::state::{BucketPhase, NOTE_SEEN, View};
use crate::plan::Plan;
use crate::plan::bucket_removal::{Asking, RemovalProgress, settings_hash, settle};
use crate::plan::data;
use crate::valid::ValidBucket;
use crate::whole_seconds::whole_seconds;

/// The entries of buckets in the status: those of the spec, then those that are no longer in it.
pub fn statuses(plan: &Plan<'_>, outcome: &ApplyOutcome) -> Vec<BucketStatus> {
    let kept = plan.drive.buckets.iter().map(|bucket| {
        let known = outcome.buckets.kept.get(&bucket.name).unwrap_or(&Known::Unrecorded);
        line(plan, bucket, known)
    });
    let departing = plan.bucket_removals.iter().filter_map(|bucket_removal| {
        let known = outcome.buckets.departing.get(&bucket_removal.recorded.name)?;
        let (progress, line) = settle(bucket_removal, known.state(), asking(plan));
        (progress != RemovalProgress::Gone).then_some(line)
    });
    kept.chain(departing).collect()
}

/// The condition about buckets that are to be removed and cannot be.
pub fn blocked(plan: &Plan<'_>, outcome: &ApplyOutcome) -> Option<ConditionUpdate> {
    let mut all = plan.bucket_removals.iter().filter_map(|bucket_removal| {
        let known = outcome.buckets.departing.get(&bucket_removal.recorded.name)?;
        match settle(bucket_removal, known.state(), asking(plan)).0 {
            RemovalProgress::Blocked { reason, message } => Some((reason, message)),
            RemovalProgress::Gone | RemovalProgress::Kept | RemovalProgress::Going => None,
        }
    });
    let (reason, mut message) = all.next()?;
    for (_, more) in all {
        message = format!("{message}; {more}");
    }
    Some(ConditionUpdate::new(
        ConditionType::DeletionBlocked,
        true,
        reason,
        message,
    ))
}

/// It was deleted, or another bucket has its name.
pub fn is_lost(bucket: &BucketStatus) -> bool {
    matches!(bucket.state, BucketState::Lost | BucketState::Replaced)
}

/// The reason and messages of all lost buckets. While the drive is paused or invalid, buckets are not checked and the
/// last result stays.
pub fn at_risk(buckets: &[BucketStatus]) -> Option<(Reason, String)> {
    let lost = buckets.iter().filter(|bucket| is_lost(bucket));
    let messages: Vec<&str> = lost.filter_map(|bucket| bucket.message.as_deref()).collect();
    (!messages.is_empty()).then(|| (Reason::BucketLost, messages.join("; ")))
}

/// `StorageReady`, where the drive has buckets.
pub fn storage(
    plan: &Plan<'_>,
    outcome: Option<&ApplyOutcome>,
    at_risk: Option<&(Reason, String)>,
) -> Option<ConditionUpdate> {
    let type_ = ConditionType::StorageReady;
    if plan.drive.buckets.is_empty() {
        return None;
    }
    if let Some((reason, message)) = at_risk {
        return Some(ConditionUpdate::new(type_, false, *reason, message.clone()).stalling(true));
    }
    let Some(outcome) = outcome else {
        // A paused drive's buckets are not checked, so the last result stays.
        let failing: Vec<&str> = plan
            .drive
            .buckets
            .iter()
            .filter(|bucket| !plan.fetched.buckets.get(&bucket.name).is_some_and(|facts| facts.there))
            .map(|bucket| bucket.name.as_str())
            .collect();
        return Some(if failing.is_empty() {
            ConditionUpdate::new(
                type_,
                true,
                Reason::BucketsAvailable,
                "all buckets were there when the drive was paused",
            )
        } else {
            let message = format!("not there when the drive was paused: {}", failing.join(", "));
            ConditionUpdate::new(type_, false, Reason::BucketsPending, message)
        });
    };
    let mut pending = Vec::new();
    let mut limits = Vec::new();
    let mut over = Vec::new();
    for bucket in &plan.drive.buckets {
        match outcome.buckets.kept.get(&bucket.name) {
            Some(Known::NoStore) => {
                return Some(ConditionUpdate::new(
                    type_,
                    false,
                    Reason::StoreNotConfigured,
                    "the platform's settings name no object store, so there are no buckets: set objectStore and restart the operator, or remove spec.buckets",
                ));
            }
            Some(Known::View(View {
                state: BucketPhase::Failed { trouble, .. },
                ..
            })) => {
                return Some(ConditionUpdate::new(
                    type_,
                    false,
                    trouble.reason,
                    trouble.message.clone(),
                ));
            }
            Some(Known::View(View {
                state: BucketPhase::Ready { unsupported, .. },
                usage,
                ..
            })) => {
                if !unsupported.is_empty() {
                    let names: Vec<&str> = unsupported.iter().map(|feature| feature.as_str()).collect();
                    limits.push(format!("{} without {}", bucket.name, names.join(", ")));
                }
                over.extend(usage.as_ref().and_then(|(usage, _)| over_quota(bucket, usage)));
            }
            // Lost buckets are reported above.
            Some(Known::Unrecorded | Known::View(_)) | None => pending.push(bucket.name.as_str()),
        }
    }
    Some(if !pending.is_empty() {
        let message = format!("being set up: {}", pending.join(", "));
        ConditionUpdate::new(type_, false, Reason::BucketsPending, message)
    } else if !over.is_empty() {
        ConditionUpdate::new(type_, true, Reason::QuotaExceeded, over.join("; "))
    } else if limits.is_empty() {
        ConditionUpdate::new(
            type_,
            true,
            Reason::BucketsAvailable,
            "every bucket exists and is as the spec says",
        )
    } else {
        let message = format!(
            "every bucket exists; this object store does not support all settings: {}",
            limits.join("; ")
        );
        ConditionUpdate::new(type_, true, Reason::BucketsLimited, message)
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

fn line(plan: &Plan<'_>, bucket: &ValidBucket, known: &Known) -> BucketStatus {
    let recorded = plan.fetched.buckets.get(&bucket.name);
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
        identity: before.and_then(|before| before.identity.clone()),
        last_seen: before.and_then(|before| before.last_seen.clone()),
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
    line.last_seen = last_seen(view, before);
    line.identity = view.identity.as_ref().map(ToString::to_string);
    if let Some((usage, counted_at)) = &view.usage {
        line.usage = Some(shown(usage, Time(*counted_at)));
    }
    match &view.state {
        BucketPhase::Ready { region, unsupported } => {
            line.state = BucketState::Ready;
            line.region.clone_from(region);
            line.settings = Some(settings_hash(&bucket.request.settings));
            line.unsupported = unsupported.iter().map(|feature| feature.as_str().to_owned()).collect();
        }
        BucketPhase::Failed { trouble, there, .. } => {
            if *there {
                line.state = BucketState::Failing;
            }
            line.message = Some(trouble.message.clone());
        }
        BucketPhase::Lost { to_another } => {
            line.state = if *to_another {
                BucketState::Replaced
            } else {
                BucketState::Lost
            };
            line.message = Some(lost(plan, bucket, view, *to_another));
        }
        BucketPhase::Changing => {
            // Not Ready, and no hash of settings: a restarted operator has to finish this.
            line.state = BucketState::Failing;
            line.message = Some("its settings are being changed".to_owned());
        }
        BucketPhase::Pending | BucketPhase::Removing { .. } | BucketPhase::Removed(_) => {
            line.message = Some("it is being set up".to_owned());
        }
    }
    line
}

/// When a bucket was last seen. A bucket that is there is seen each hour, and the drive is not written each hour.
fn last_seen(view: &View, before: Option<&BucketStatus>) -> Option<Time> {
    let seen = view.seen?;
    let same = before.filter(|before| before.identity == view.identity.as_ref().map(ToString::to_string));
    let noted = same.and_then(|before| before.last_seen.as_ref());
    let is_recent = |noted: &&Time| seen.as_second() - noted.0.as_second() < NOTE_SEEN;
    let is_lost = matches!(view.state, BucketPhase::Lost { .. });
    match noted.filter(|noted| !is_lost && is_recent(noted)) {
        Some(noted) => Some(noted.clone()),
        None => Some(whole_seconds(seen)),
    }
}

/// The lost bucket, and the two ways to continue.
fn lost(plan: &Plan<'_>, bucket: &ValidBucket, view: &View, to_another: bool) -> String {
    let (name, in_store) = (&bucket.name, &bucket.request.bucket);
    let identity = view.identity.as_ref();
    let seen = view
        .seen
        .map_or_else(String::new, |seen| format!(", last seen at {},", whole_seconds(seen).0));
    let what = match (identity, to_another) {
        (_, false) => "was deleted with all its objects".to_owned(),
        (Some(Identity::Tag(mark)), true) => format!(
            "was replaced: the bucket of this name has no tag {BUCKET_IDENTITY}={mark}, so it was made by something else, or its tags were removed"
        ),
        (_, true) => "was replaced by another bucket of this name".to_owned(),
    };
    let restore = match (identity, to_another) {
        (Some(Identity::Tag(mark)), false) => {
            format!("restore it under this name from a backup and then give it the tag {BUCKET_IDENTITY}={mark}")
        }
        (_, false) => "restore it under this name from a backup".to_owned(),
        (Some(Identity::Tag(_)), true) => "if it holds the right objects, give it this tag".to_owned(),
        (_, true) => "put the right one in its place".to_owned(),
    };
    let accepted = match (bucket.request.origin, to_another) {
        (_, true) => "and this bucket is used",
        (Origin::Made, false) => "and an empty one is made",
        (Origin::Existing, false) => "and the drive waits until you make one",
    };
    let uid = identity.map(ToString::to_string).unwrap_or_default();
    format!(
        "bucket {name} ({in_store}){seen} {what}: the operator neither makes it again nor changes services that use it. Next step: {restore}, and the operator continues; or accept the loss, {accepted}: {}",
        data::accepting(&plan.drive.namespace, &plan.drive.name, name, &uid)
    )
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

fn asking<'a>(plan: &Plan<'a>) -> Asking<'a> {
    Asking {
        namespace: &plan.drive.namespace,
        drive: &plan.drive.name,
        // A drive that lives can wait.
        overdue: false,
    }
}
