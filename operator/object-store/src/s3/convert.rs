//! Converts the SDK's types to ours and back, without losing a field of S3.

use std::time::SystemTime;

use aws_sdk_s3::error::BuildError;
use aws_sdk_s3::primitives::{DateTime, DateTimeFormat};
use aws_sdk_s3::types;
use k8s_openapi::jiff::Timestamp;

use crate::snapshot::{StoredCors, StoredEncryption, StoredFilter, StoredLock, StoredRule, StoredTransition};
use ras_core::bucket::request::{LockMode, ObjectLock};

pub(super) fn timestamp(date: Option<&DateTime>) -> Option<Timestamp> {
    SystemTime::try_from(*date?)
        .ok()
        .and_then(|time| Timestamp::try_from(time).ok())
}

pub(super) fn encryption(configuration: Option<types::ServerSideEncryptionConfiguration>) -> StoredEncryption {
    let rules = configuration
        .map(|configuration| configuration.rules)
        .unwrap_or_default();
    let Some(default) = rules
        .into_iter()
        .find_map(|rule| rule.apply_server_side_encryption_by_default)
    else {
        return StoredEncryption::None;
    };
    match default.sse_algorithm {
        types::ServerSideEncryption::Aes256 => StoredEncryption::StoreKey,
        types::ServerSideEncryption::AwsKms => StoredEncryption::Kms(default.kms_master_key_id),
        other => StoredEncryption::Other(other.as_str().to_owned()),
    }
}

pub(super) fn lock(configuration: Option<types::ObjectLockConfiguration>) -> StoredLock {
    let Some(configuration) = configuration.filter(|configuration| configuration.object_lock_enabled.is_some()) else {
        return StoredLock::Off;
    };
    let default = configuration.rule.and_then(|rule| rule.default_retention);
    let lock = default.and_then(|default| {
        let days = default.days.filter(|days| *days > 0);
        // A retention may be in years; S3 counts 365 days for each.
        let days = days.or_else(|| default.years.and_then(|years| years.checked_mul(365)))?;
        Some(ObjectLock {
            mode: match default.mode? {
                types::ObjectLockRetentionMode::Compliance => LockMode::Compliance,
                _ => LockMode::Governance,
            },
            days: u32::try_from(days).ok()?,
        })
    });
    StoredLock::On(lock)
}

pub(super) fn cors(rule: types::CorsRule) -> StoredCors {
    StoredCors {
        id: rule.id,
        origins: rule.allowed_origins,
        methods: rule.allowed_methods,
        headers: rule.allowed_headers.unwrap_or_default(),
        expose_headers: rule.expose_headers.unwrap_or_default(),
        max_age_seconds: rule.max_age_seconds,
    }
}

pub(super) fn to_cors(rule: &StoredCors) -> Result<types::CorsRule, BuildError> {
    types::CorsRule::builder()
        .set_id(rule.id.clone())
        .set_allowed_origins(Some(rule.origins.clone()))
        .set_allowed_methods(Some(rule.methods.clone()))
        .set_allowed_headers(some(rule.headers.clone()))
        .set_expose_headers(some(rule.expose_headers.clone()))
        .set_max_age_seconds(rule.max_age_seconds)
        .build()
}

pub(super) fn rule(rule: types::LifecycleRule) -> StoredRule {
    #[expect(deprecated, reason = "rules of before 2016 have their prefix here")]
    let old_prefix = rule.prefix;
    let filter = rule
        .filter
        .unwrap_or_else(|| types::LifecycleRuleFilter::builder().build());
    let and = filter
        .and
        .unwrap_or_else(|| types::LifecycleRuleAndOperator::builder().build());
    let tags = filter.tag.into_iter().chain(and.tags.unwrap_or_default());
    let expiration = rule
        .expiration
        .unwrap_or_else(|| types::LifecycleExpiration::builder().build());
    let old = rule.noncurrent_version_expiration;
    StoredRule {
        id: rule.id,
        enabled: rule.status == types::ExpirationStatus::Enabled,
        filter: StoredFilter {
            prefix: filter.prefix.or(and.prefix).or(old_prefix).unwrap_or_default(),
            tags: tags.map(|tag| (tag.key, tag.value)).collect(),
            larger_than: filter.object_size_greater_than.or(and.object_size_greater_than),
            smaller_than: filter.object_size_less_than.or(and.object_size_less_than),
        },
        // Some servers return 0 for an absent value; S3 has no rule of 0 days.
        expire_days: expiration.days.filter(|days| *days > 0),
        expire_date: expiration.date.as_ref().and_then(text),
        expire_delete_markers: expiration.expired_object_delete_marker.unwrap_or_default(),
        old_versions_days: old
            .as_ref()
            .and_then(|old| old.noncurrent_days)
            .filter(|days| *days > 0),
        old_versions_kept: old
            .as_ref()
            .and_then(|old| old.newer_noncurrent_versions)
            .filter(|kept| *kept > 0),
        abort_uploads_days: rule
            .abort_incomplete_multipart_upload
            .and_then(|abort| abort.days_after_initiation)
            .filter(|days| *days > 0),
        transitions: rule
            .transitions
            .unwrap_or_default()
            .into_iter()
            .map(|transition| StoredTransition {
                days: transition.days,
                date: transition.date.as_ref().and_then(text),
                storage_class: transition.storage_class.map(|class| class.as_str().to_owned()),
                kept: None,
            })
            .collect(),
        old_versions_transitions: rule
            .noncurrent_version_transitions
            .unwrap_or_default()
            .into_iter()
            .map(|transition| StoredTransition {
                days: transition.noncurrent_days,
                date: None,
                storage_class: transition.storage_class.map(|class| class.as_str().to_owned()),
                kept: transition.newer_noncurrent_versions,
            })
            .collect(),
    }
}

pub(super) fn to_rule(rule: &StoredRule) -> Result<types::LifecycleRule, BuildError> {
    let is_expiring = rule.expire_days.is_some() || rule.expire_date.is_some() || rule.expire_delete_markers;
    let expiration = is_expiring.then(|| {
        types::LifecycleExpiration::builder()
            .set_days(rule.expire_days)
            .set_date(rule.expire_date.as_deref().and_then(date))
            // S3 refuses it together with days.
            .set_expired_object_delete_marker(rule.expire_delete_markers.then_some(true))
            .build()
    });
    let old = (rule.old_versions_days.is_some() || rule.old_versions_kept.is_some()).then(|| {
        types::NoncurrentVersionExpiration::builder()
            .set_noncurrent_days(rule.old_versions_days)
            .set_newer_noncurrent_versions(rule.old_versions_kept)
            .build()
    });
    let abort = rule.abort_uploads_days.map(|days| {
        types::AbortIncompleteMultipartUpload::builder()
            .days_after_initiation(days)
            .build()
    });
    let transitions = rule.transitions.iter().map(|transition| {
        types::Transition::builder()
            .set_days(transition.days)
            .set_date(transition.date.as_deref().and_then(date))
            .set_storage_class(transition.storage_class.as_deref().map(Into::into))
            .build()
    });
    let old_transitions = rule.old_versions_transitions.iter().map(|transition| {
        types::NoncurrentVersionTransition::builder()
            .set_noncurrent_days(transition.days)
            .set_storage_class(transition.storage_class.as_deref().map(Into::into))
            .set_newer_noncurrent_versions(transition.kept)
            .build()
    });
    types::LifecycleRule::builder()
        .set_id(rule.id.clone())
        .status(if rule.enabled {
            types::ExpirationStatus::Enabled
        } else {
            types::ExpirationStatus::Disabled
        })
        .filter(to_filter(&rule.filter)?)
        .set_expiration(expiration)
        .set_noncurrent_version_expiration(old)
        .set_abort_incomplete_multipart_upload(abort)
        .set_transitions(some(transitions.collect()))
        .set_noncurrent_version_transitions(some(old_transitions.collect()))
        .build()
}

/// S3 wants a single condition as it is, and several within `And`.
fn to_filter(filter: &StoredFilter) -> Result<types::LifecycleRuleFilter, BuildError> {
    let tags = filter
        .tags
        .iter()
        .map(|(key, value)| types::Tag::builder().key(key).value(value).build())
        .collect::<Result<Vec<_>, _>>()?;
    let prefix = Some(filter.prefix.clone()).filter(|prefix| !prefix.is_empty());
    let conditions = tags.len()
        + usize::from(prefix.is_some())
        + usize::from(filter.larger_than.is_some())
        + usize::from(filter.smaller_than.is_some());
    let builder = types::LifecycleRuleFilter::builder();
    Ok(match conditions {
        0 => builder.prefix("").build(),
        1 => builder
            .set_prefix(prefix)
            .set_tag(tags.into_iter().next())
            .set_object_size_greater_than(filter.larger_than)
            .set_object_size_less_than(filter.smaller_than)
            .build(),
        _ => builder
            .and(
                types::LifecycleRuleAndOperator::builder()
                    .set_prefix(prefix)
                    .set_tags(some(tags))
                    .set_object_size_greater_than(filter.larger_than)
                    .set_object_size_less_than(filter.smaller_than)
                    .build(),
            )
            .build(),
    })
}

fn text(date: &DateTime) -> Option<String> {
    date.fmt(DateTimeFormat::DateTime).ok()
}

fn date(text: &str) -> Option<DateTime> {
    DateTime::from_str(text, DateTimeFormat::DateTime).ok()
}

/// An empty list becomes no element.
fn some<T>(list: Vec<T>) -> Option<Vec<T>> {
    Some(list).filter(|list| !list.is_empty())
}
