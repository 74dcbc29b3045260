//! CORS documents: desired rules, and whether a bucket has them. Pure.

use crate::lifecycle::id_prefix;
use crate::snapshot::StoredCors;
use ras_core::bucket::request::{BucketRequest, Origin};

/// The document to write. `None`: `observed` is as desired.
pub(super) fn document(request: &BucketRequest, observed: &[StoredCors]) -> Option<Vec<StoredCors>> {
    let desired = desired(request);
    let wanted = contents(&desired);
    if request.origin == Origin::Made {
        return (contents(observed) != wanted).then_some(desired);
    }
    let (ours, others): (Vec<_>, Vec<_>) = observed
        .iter()
        .cloned()
        .partition(|rule| is_ours(rule, request, &wanted));
    // The first rule that matches applies: rules of others come first, so that nothing changes for them.
    (contents(&ours) != wanted).then(|| others.into_iter().chain(desired).collect())
}

fn desired(request: &BucketRequest) -> Vec<StoredCors> {
    let id_prefix = id_prefix(request);
    let rules = request.settings.cors.iter().enumerate();
    rules
        .map(|(at, rule)| StoredCors {
            id: Some(format!("{id_prefix}cors/{at}")),
            origins: rule.origins.clone(),
            methods: rule.methods.clone(),
            headers: rule.headers.clone(),
            expose_headers: rule.expose_headers.clone(),
            max_age_seconds: rule.max_age_seconds,
        })
        .collect()
}

/// Recognises our rules by ID or, in a store that drops IDs, by content.
fn is_ours(rule: &StoredCors, request: &BucketRequest, wanted: &[StoredCors]) -> bool {
    match rule.id.as_deref() {
        None | Some("") => wanted.contains(&content(rule)),
        Some(id) => id.starts_with(&id_prefix(request)),
    }
}

/// Rules without their IDs, for comparison. Their order matters, that of the lists within them does not.
fn contents(rules: &[StoredCors]) -> Vec<StoredCors> {
    rules.iter().map(content).collect()
}

fn content(rule: &StoredCors) -> StoredCors {
    let sorted = |list: &[String], lower: bool| {
        let mut list: Vec<String> = list
            .iter()
            .map(|text| if lower { text.to_ascii_lowercase() } else { text.clone() })
            .collect();
        list.sort();
        list.dedup();
        list
    };
    StoredCors {
        id: None,
        origins: sorted(&rule.origins, false),
        methods: sorted(&rule.methods, false),
        // Header names are case-insensitive (RFC 9110), and servers change their case.
        headers: sorted(&rule.headers, true),
        expose_headers: sorted(&rule.expose_headers, true),
        // Some servers return 0 for an absent value.
        max_age_seconds: rule.max_age_seconds.filter(|seconds| *seconds != 0),
    }
}
