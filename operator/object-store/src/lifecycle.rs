//! Lifecycle documents: desired rules, and whether a bucket has them. Pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::snapshot::{StoredFilter, StoredLifecycle, StoredRule};
use ras_core::bucket::request::{BucketRequest, Feature, LifecycleRule, Origin};
use ras_core::names::hash;

/// The rules of `request` that the store supports. The ID of each is stable.
pub(super) fn desired(request: &BucketRequest, lacking: &BTreeSet<Feature>) -> Vec<StoredRule> {
    let id_prefix = id_prefix(request);
    // Of two rules for one prefix only the shorter one has an effect.
    let mut shortest: BTreeMap<(&str, &str), i32> = BTreeMap::new();
    for rule in &request.settings.lifecycle {
        if lacking.contains(&feature(rule)) {
            continue;
        }
        let (key, days) = match rule {
            LifecycleRule::Expire { prefix, days } => (("expire", prefix.as_str()), days),
            LifecycleRule::ExpireOldVersions { days } => (("old-versions", ""), days),
            LifecycleRule::AbortUploads { days } => (("uploads", ""), days),
        };
        let days = i32::try_from(*days).unwrap_or(i32::MAX);
        shortest
            .entry(key)
            .and_modify(|known| *known = days.min(*known))
            .or_insert(days);
    }
    shortest
        .into_iter()
        .map(|((what, prefix), days)| {
            let id = match prefix {
                "" => format!("{id_prefix}{what}"),
                prefix => format!("{id_prefix}{what}/{}", hash(&[prefix], 8)),
            };
            let rule = StoredRule {
                id: Some(id),
                enabled: true,
                filter: StoredFilter {
                    prefix: prefix.to_owned(),
                    ..StoredFilter::default()
                },
                ..StoredRule::default()
            };
            match what {
                "expire" => StoredRule {
                    expire_days: Some(days),
                    ..rule
                },
                "old-versions" => StoredRule {
                    old_versions_days: Some(days),
                    // Otherwise the delete marker stays forever after its last old version is removed.
                    expire_delete_markers: true,
                    ..rule
                },
                _ => StoredRule {
                    abort_uploads_days: Some(days),
                    ..rule
                },
            }
        })
        .collect()
}

/// The document to write. `None`: `observed` is as desired.
pub(super) fn document(
    request: &BucketRequest,
    observed: &StoredLifecycle,
    lacking: &BTreeSet<Feature>,
) -> Option<StoredLifecycle> {
    let desired = desired(request, lacking);
    let wanted = contents(&desired);
    if request.origin == Origin::Made {
        return (contents(&observed.rules) != wanted).then_some(StoredLifecycle {
            rules: desired,
            transition_minimum: None,
        });
    }
    let (ours, others): (Vec<_>, Vec<_>) = observed
        .rules
        .iter()
        .cloned()
        .partition(|rule| is_ours(rule, request, &wanted));
    (contents(&ours) != wanted).then(|| StoredLifecycle {
        rules: others.into_iter().chain(desired).collect(),
        transition_minimum: observed.transition_minimum.clone(),
    })
}

/// Features of desired rules that `observed` lacks.
pub(super) fn unmet(
    request: &BucketRequest,
    observed: &StoredLifecycle,
    lacking: &BTreeSet<Feature>,
) -> BTreeSet<Feature> {
    let there = contents(&observed.rules);
    desired(request, lacking)
        .into_iter()
        .filter(|rule| !there.contains(&content(rule)))
        .filter_map(|rule| feature_of(&rule))
        .collect()
}

/// Features to leave out of a document that a store refuses as a whole, the smallest loss first.
pub(super) fn losses(features: &BTreeSet<Feature>) -> Vec<BTreeSet<Feature>> {
    // The likeliest first: many stores do not support rules for uploads, and some none for versions.
    let features: Vec<Feature> = features.iter().rev().copied().collect();
    let mut losses: Vec<BTreeSet<Feature>> = (1_u32..1 << features.len())
        .map(|bits| {
            let is_in = |(at, _): &(usize, &Feature)| bits >> at & 1 == 1;
            features
                .iter()
                .enumerate()
                .filter(is_in)
                .map(|(_, feature)| *feature)
                .collect()
        })
        .collect();
    losses.sort_by_key(BTreeSet::len);
    losses
}

pub(super) fn feature(rule: &LifecycleRule) -> Feature {
    match rule {
        LifecycleRule::Expire { .. } => Feature::Expiry,
        LifecycleRule::ExpireOldVersions { .. } => Feature::OldVersionExpiry,
        LifecycleRule::AbortUploads { .. } => Feature::UploadExpiry,
    }
}

/// Of a rule that the operator wrote.
pub(super) fn feature_of(rule: &StoredRule) -> Option<Feature> {
    if rule.expire_days.is_some() {
        Some(Feature::Expiry)
    } else if rule.old_versions_days.is_some() {
        Some(Feature::OldVersionExpiry)
    } else if rule.abort_uploads_days.is_some() {
        Some(Feature::UploadExpiry)
    } else {
        None
    }
}

/// The prefix of the IDs of our rules.
pub(super) fn id_prefix(request: &BucketRequest) -> String {
    format!("ras.dev/{}/", request.owner.mark())
}

/// Recognises our rules by ID or, in a store that drops IDs, by content.
fn is_ours(rule: &StoredRule, request: &BucketRequest, wanted: &[StoredRule]) -> bool {
    match rule.id.as_deref() {
        None | Some("") => wanted.contains(&content(rule)),
        Some(id) => id.starts_with(&id_prefix(request)),
    }
}

/// Rules without their IDs and order, for comparison.
fn contents(rules: &[StoredRule]) -> Vec<StoredRule> {
    let mut contents: Vec<_> = rules.iter().map(content).collect();
    contents.sort();
    contents
}

fn content(rule: &StoredRule) -> StoredRule {
    let mut rule = StoredRule {
        id: None,
        ..rule.clone()
    };
    rule.filter.tags.sort();
    rule.transitions.sort();
    rule.old_versions_transitions.sort();
    rule
}
