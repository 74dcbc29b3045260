//! The steps from a bucket's observed state to its desired state. Pure.
//!
//! Their order guarantees, wherever it is interrupted: a bucket gets its owner's tags before anything else is set, and nothing is
//! ever public.

use std::collections::{BTreeMap, BTreeSet};

use ras_crds::labels;
use serde_json::Value;

use crate::failure::Failure;
use crate::ownership::{Ownership, ownership};
use crate::snapshot::{BucketSnapshot, Seen, StoredEncryption, StoredLifecycle, StoredLock, StoredVersioning};
pub use crate::step::BucketStep;
use crate::{cors, lifecycle, policy};
use ras_core::bucket::request::{BucketRequest, Encryption, Feature, Origin};

#[derive(Clone, Copy, Debug)]
pub struct PlanInput<'a> {
    pub request: &'a BucketRequest,
    /// Features of an earlier spec: their remains in a bucket of [`Origin::Existing`] are removed.
    pub before: &'a BTreeSet<Feature>,
    /// Features that the store lacks, or that must not be touched now.
    pub lacking: &'a BTreeSet<Feature>,
    /// The identity tag to write if the bucket has none.
    pub tag: &'a str,
}

impl PlanInput<'_> {
    /// Settings to read, one request each. All features of a lifecycle are one setting.
    pub fn reads(&self) -> BTreeSet<Feature> {
        let settings = &self.request.settings;
        let is_made = self.request.origin == Origin::Made;
        let lifecycle =
            is_made || !settings.lifecycle.is_empty() || Feature::LIFECYCLE.iter().any(|f| self.before.contains(f));
        let candidates = [
            // Of an existing bucket, too: it may be another drive's.
            (Feature::Tags, true),
            (Feature::PublicAccessBlock, settings.private),
            (Feature::Encryption, self.encryption().is_some()),
            (
                Feature::Policy,
                settings.tls_only || self.before.contains(&Feature::Policy),
            ),
            (
                Feature::Versioning,
                settings.versioned.is_some() || settings.object_lock.is_some(),
            ),
            (Feature::ObjectLock, settings.object_lock.is_some()),
            (Feature::Expiry, lifecycle),
            (
                Feature::Cors,
                is_made || !settings.cors.is_empty() || self.before.contains(&Feature::Cors),
            ),
        ];
        candidates
            .into_iter()
            .filter(|(feature, is_asked)| *is_asked && self.has_any(alternatives(*feature)))
            .map(|(feature, _)| feature)
            .collect()
    }

    /// Requested features that the store lacks.
    pub fn unmet(&self) -> BTreeSet<Feature> {
        let settings = &self.request.settings;
        let mut asked: BTreeSet<_> = settings.lifecycle.iter().map(lifecycle::feature).collect();
        let candidates = [
            (Feature::Tags, self.request.origin == Origin::Made),
            (Feature::PublicAccessBlock, settings.private),
            (Feature::Encryption, settings.encryption == Some(Encryption::StoreKey)),
            (
                Feature::KmsEncryption,
                matches!(settings.encryption, Some(Encryption::Kms(_))),
            ),
            (Feature::Policy, settings.tls_only),
            // A store without versioning keeps no versions, as requested.
            (Feature::Versioning, settings.versioned == Some(true)),
            (Feature::ObjectLock, settings.object_lock.is_some()),
            (Feature::Cors, !settings.cors.is_empty()),
        ];
        asked.extend(
            candidates
                .into_iter()
                .filter(|(_, is_asked)| *is_asked)
                .map(|(feature, _)| feature),
        );
        asked.intersection(self.lacking).copied().collect()
    }

    /// Object lock requires versioning.
    fn versioned(&self) -> Option<bool> {
        let settings = &self.request.settings;
        if settings.object_lock.is_some() && self.has(Feature::ObjectLock) {
            Some(true)
        } else {
            settings.versioned
        }
    }

    /// Falls back to the store's own key if the store has no key management service.
    fn encryption(&self) -> Option<Encryption> {
        match &self.request.settings.encryption {
            Some(Encryption::Kms(_)) if !self.has(Feature::KmsEncryption) => Some(Encryption::StoreKey),
            other => other.clone(),
        }
        .filter(|encryption| *encryption != Encryption::StoreKey || self.has(Feature::Encryption))
    }

    fn has(&self, feature: Feature) -> bool {
        !self.lacking.contains(&feature)
    }

    fn has_any(&self, features: &[Feature]) -> bool {
        features.iter().any(|feature| self.has(*feature))
    }
}

/// Features that one read shows.
fn alternatives(feature: Feature) -> &'static [Feature] {
    match feature {
        Feature::Tags => &[Feature::Tags],
        Feature::PublicAccessBlock => &[Feature::PublicAccessBlock],
        Feature::Policy => &[Feature::Policy],
        Feature::Encryption | Feature::KmsEncryption => &[Feature::Encryption, Feature::KmsEncryption],
        Feature::Versioning => &[Feature::Versioning],
        Feature::Expiry | Feature::OldVersionExpiry | Feature::UploadExpiry => &Feature::LIFECYCLE,
        Feature::Cors => &[Feature::Cors],
        Feature::ObjectLock => &[Feature::ObjectLock],
    }
}

/// The steps from `observed` to the request. A setting that was not read is not touched.
pub fn plan(input: PlanInput<'_>, observed: &BucketSnapshot) -> Result<Vec<BucketStep>, Failure> {
    let request = input.request;
    if !observed.exists {
        if request.origin == Origin::Existing {
            return Err(Failure::missing(&request.bucket));
        }
        let object_lock = request.settings.object_lock.is_some() && input.has(Feature::ObjectLock);
        let mut steps = vec![BucketStep::Create { object_lock }];
        steps.extend(settings(input, &bare(object_lock)));
        return Ok(steps);
    }
    if request.origin == Origin::Made {
        let mut observed = observed.clone();
        if !input.has(Feature::Tags) {
            observed.tags = Seen::Lacking;
        }
        if let Ownership::Foreign { whose } = ownership(&request.bucket, &observed, &request.owner) {
            return Err(Failure::not_ours(&request.bucket, whose));
        }
    } else if let Some(whose) = of_another_namespace(request, observed) {
        return Err(Failure::not_ours(&request.bucket, whose));
    } else if !request.permitted && !is_permitted_by_tags(request, observed) {
        return Err(Failure::not_permitted(&request.bucket, &request.owner.namespace));
    }
    Ok(settings(input, observed))
}

/// The owner of an existing bucket that the operator created for a drive in another namespace. Otherwise anyone who may write
/// drives in one namespace could let the objects of another one expire. A drive in the same namespace may reuse the bucket of
/// an earlier drive.
fn of_another_namespace(request: &BucketRequest, observed: &BucketSnapshot) -> Option<String> {
    let tags = observed.tags.known()?;
    let namespace = tags.get(labels::NAMESPACE)?;
    let is_ours = tags.get(labels::MANAGED_BY).map(String::as_str) == Some(labels::MANAGER);
    (is_ours && *namespace != request.owner.namespace)
        .then(|| format!("its tags say that it belongs to a drive of the namespace {namespace}"))
}

/// The bucket's tag lets the drive's namespace use it, or the operator created it for a drive of that namespace.
/// Without tags neither is known.
fn is_permitted_by_tags(request: &BucketRequest, observed: &BucketSnapshot) -> bool {
    let Some(tags) = observed.tags.known() else {
        return false;
    };
    let namespace = &request.owner.namespace;
    let is_ours = tags.get(labels::MANAGED_BY).map(String::as_str) == Some(labels::MANAGER);
    let allowed = tags.get(labels::ALLOWED_NAMESPACE);
    (is_ours && tags.get(labels::NAMESPACE) == Some(namespace))
        || allowed.is_some_and(|allowed| allowed.split_whitespace().any(|one| one == namespace))
}

/// A new bucket in a store that sets no defaults.
fn bare(object_lock: bool) -> BucketSnapshot {
    BucketSnapshot {
        exists: true,
        tags: Seen::Is(BTreeMap::new()),
        public_access_blocked: Seen::Is(false),
        encryption: Seen::Is(StoredEncryption::None),
        policy: Seen::Is(Value::Null),
        versioning: Seen::Is(if object_lock {
            StoredVersioning::Enabled
        } else {
            StoredVersioning::Never
        }),
        object_lock: Seen::Is(if object_lock {
            StoredLock::On(None)
        } else {
            StoredLock::Off
        }),
        lifecycle: Seen::Is(StoredLifecycle::default()),
        cors: Seen::Is(Vec::new()),
        ..BucketSnapshot::default()
    }
}

fn settings(input: PlanInput<'_>, observed: &BucketSnapshot) -> Vec<BucketStep> {
    let request = input.request;
    let reads = input.reads();
    // A setting that the request does not mention is not ours to write.
    let may = |feature: Feature| reads.contains(&feature);
    let mut steps = Vec::new();
    if may(Feature::Tags) && request.origin == Origin::Made {
        steps.extend(observed.tags.known().and_then(|tags| tag(input, tags)));
    }
    if may(Feature::PublicAccessBlock) && observed.public_access_blocked == Seen::Is(false) {
        steps.push(BucketStep::BlockPublicAccess);
    }
    if may(Feature::Encryption)
        && let (Some(desired), Some(stored)) = (input.encryption(), observed.encryption.known())
        && !is_encrypted(&desired, stored)
    {
        steps.push(BucketStep::Encrypt(desired));
    }
    if may(Feature::Policy) {
        let stored = observed.policy.known();
        let document = stored.and_then(|stored| policy::document(request, stored, observed.region.as_deref()));
        steps.extend(document.map(BucketStep::Policy));
    }
    if may(Feature::Versioning) {
        match (input.versioned(), observed.versioning.known()) {
            (Some(true), Some(StoredVersioning::Never | StoredVersioning::Suspended)) => {
                steps.push(BucketStep::Versioning(true));
            }
            (Some(false), Some(StoredVersioning::Enabled)) => steps.push(BucketStep::Versioning(false)),
            _ => {}
        }
    }
    if may(Feature::ObjectLock)
        && let (Some(desired), Some(stored)) = (request.settings.object_lock, observed.object_lock.known())
        && *stored != StoredLock::On(Some(desired))
    {
        steps.push(BucketStep::ObjectLock(desired));
    }
    if may(Feature::Expiry) {
        let stored = observed.lifecycle.known();
        let document = stored.and_then(|stored| lifecycle::document(request, stored, input.lacking));
        steps.extend(document.map(BucketStep::Lifecycle));
    }
    if may(Feature::Cors) {
        let stored = observed.cors.known();
        steps.extend(
            stored
                .and_then(|stored| cors::document(request, stored))
                .map(BucketStep::Cors),
        );
    }
    steps
}

/// Keeps tags of others, which may serve billing.
fn tag(input: PlanInput<'_>, stored: &BTreeMap<String, String>) -> Option<BucketStep> {
    let mut desired = input.request.owner.tags();
    let tag = stored.get(labels::BUCKET_IDENTITY).map_or(input.tag, String::as_str);
    desired.insert(labels::BUCKET_IDENTITY.to_owned(), tag.to_owned());
    if desired.iter().all(|(key, value)| stored.get(key) == Some(value)) {
        return None;
    }
    let mut tags = stored.clone();
    // AWS manages these itself and refuses them in a request.
    tags.retain(|key, _| !key.starts_with("aws:"));
    tags.extend(desired);
    Some(BucketStep::Tag(tags))
}

fn is_encrypted(desired: &Encryption, stored: &StoredEncryption) -> bool {
    match (desired, stored) {
        (Encryption::StoreKey, StoredEncryption::StoreKey) => true,
        // Stores return the full ARN: `arn:aws:kms:…:key/1234` for `1234`, `…:alias/x` for `alias/x`.
        (Encryption::Kms(desired), StoredEncryption::Kms(Some(stored))) => {
            stored == desired
                || stored
                    .strip_suffix(desired.as_str())
                    .is_some_and(|rest| rest.ends_with([':', '/']))
        }
        _ => false,
    }
}
