//! The drive's buckets: what is asked of the object store for each, and what services learn of them.

use std::collections::BTreeMap;

use ras_crds::spec::{Bucket, BucketKey, CorsRule, LockMode};
use ras_crds::{Duration, RecruitmentDrive};

use super::field_errors::FieldErrors;
use super::labels;
use super::quantity;
use crate::bucket::request;
use crate::bucket::request::{BucketRequest, Encryption, LifecycleRule, Origin, Owner, Settings};
use crate::fetched::Fetched;
use crate::names as child;
use crate::platform::{ObjectStoreConfig, PlatformConfig, TenancyConfig};
use crate::valid::{EnvSource, SecretOrigin, UsedSecret, ValidBucket, ValidEnv};

/// Days after which unfinished uploads go, when the spec says nothing: nobody can read them, and everybody pays.
const ABORT_UPLOADS_AFTER: u32 = 7;
/// Keys of a Secret with credentials, as every AWS SDK names its variables.
const ACCESS_KEY_ID: &str = "AWS_ACCESS_KEY_ID";
/// See [`ACCESS_KEY_ID`].
const SECRET_ACCESS_KEY: &str = "AWS_SECRET_ACCESS_KEY";

/// The drive's buckets by their names in the drive.
pub(super) struct Buckets<'a> {
    by_name: BTreeMap<&'a str, (&'a Bucket, ValidBucket)>,
    store: ObjectStoreConfig,
}

impl<'a> Buckets<'a> {
    /// Reads `spec.buckets`.
    pub(super) fn read(
        drive: &'a RecruitmentDrive,
        fetched: &Fetched,
        platform: &PlatformConfig,
        found: &mut FieldErrors,
    ) -> Self {
        let store = platform.object_store.clone().unwrap_or_default();
        labels::twice(
            "spec.buckets",
            drive.spec.buckets.iter().map(|bucket| bucket.name.as_str()),
            found,
        );
        let mut by_name = BTreeMap::new();
        for (index, bucket) in drive.spec.buckets.iter().enumerate() {
            let field = format!("spec.buckets[{index}]");
            labels::label(&format!("{field}.name"), &bucket.name, found);
            let valid = read(drive, &field, bucket, fetched, &store, &platform.tenancy, found);
            by_name.insert(bucket.name.as_str(), (bucket, valid));
        }
        Self { by_name, store }
    }

    /// Where a variable's value comes from that asks for `key` of the bucket `name`.
    pub(super) fn variable(
        &self,
        field: &str,
        name: &str,
        key: BucketKey,
        found: &mut FieldErrors,
    ) -> Option<EnvSource> {
        let (spec, valid) = self.find(&format!("{field}.bucket.name"), name, found)?;
        let value = |text: &str| Some(EnvSource::Value(text.to_owned()));
        match key {
            BucketKey::Name => value(&valid.request.bucket),
            BucketKey::Endpoint => value(&self.endpoint()),
            BucketKey::Region => value(&self.store.region),
            BucketKey::PathStyle => value(if self.store.is_path_style() { "true" } else { "false" }),
            BucketKey::AccessKeyId | BucketKey::SecretAccessKey => {
                let Some(secret) = self.credentials(spec) else {
                    found.invalid(
                        format!("{field}.bucket.key"),
                        format!(
                            "programs reach the bucket {name:?} by an identity and not by keys: remove this variable, for every AWS SDK \
                             finds the identity by itself, or name a Secret in spec.buckets[].credentials.secretName"
                        ),
                    );
                    return None;
                };
                let key = if key == BucketKey::AccessKeyId {
                    ACCESS_KEY_ID
                } else {
                    SECRET_ACCESS_KEY
                };
                Some(EnvSource::Secret {
                    secret,
                    key: key.to_owned(),
                })
            }
        }
    }

    /// The default variables of a service that uses these buckets, without those that it sets itself.
    pub(super) fn defaults(
        &self,
        field: &str,
        used: &[String],
        set: impl Fn(&str) -> bool,
        found: &mut FieldErrors,
    ) -> Vec<ValidEnv> {
        let mut variables = Vec::new();
        let mut keys: Option<(&str, Option<UsedSecret>)> = None;
        for (index, name) in used.iter().enumerate() {
            let field = format!("{field}.uses.buckets[{index}]");
            let Some((spec, valid)) = self.find(&field, name, found) else {
                continue;
            };
            let variable = format!("BUCKET_{}", name.to_ascii_uppercase().replace('-', "_"));
            variables.push((variable, EnvSource::Value(valid.request.bucket.clone())));
            let secret = self.credentials(spec);
            match &keys {
                Some((other, known)) if *known != secret => found.invalid(
                    field,
                    format!(
                        "the buckets {other:?} and {name:?} have different credentials, and AWS_ACCESS_KEY_ID can hold one: take one \
                         of them out of uses.buckets and map it with env[].bucket"
                    ),
                ),
                Some(_) => {}
                None => keys = Some((name, secret)),
            }
        }
        let Some((_, secret)) = keys else { return Vec::new() };
        variables.push(("AWS_REGION".to_owned(), EnvSource::Value(self.store.region.clone())));
        if let Some(endpoint) = self.store.endpoint_of_programs() {
            let endpoint = endpoint.trim_end_matches('/').to_owned();
            variables.push(("AWS_ENDPOINT_URL_S3".to_owned(), EnvSource::Value(endpoint)));
        }
        for key in [ACCESS_KEY_ID, SECRET_ACCESS_KEY] {
            if let Some(secret) = &secret {
                let source = EnvSource::Secret {
                    secret: secret.clone(),
                    key: key.to_owned(),
                };
                variables.push((key.to_owned(), source));
            }
        }
        variables
            .into_iter()
            .filter(|(name, _)| !set(name))
            .map(|(name, source)| ValidEnv::new(name, source))
            .collect()
    }

    /// Networks of the store, for services that restrict their egress.
    pub(super) fn cidrs(&self) -> &[String] {
        &self.store.programs.cidrs
    }

    /// Whether programs reach the bucket by an identity of AWS and not by keys.
    pub(super) fn by_identity(&self, name: &str) -> bool {
        self.store.endpoint.is_none()
            && self
                .by_name
                .get(name)
                .is_some_and(|(spec, _)| self.credentials(spec).is_none())
    }

    /// All of them, in the spec's order.
    pub(super) fn into_valid(self, drive: &RecruitmentDrive) -> Vec<ValidBucket> {
        let mut by_name = self.by_name;
        drive
            .spec
            .buckets
            .iter()
            .filter_map(|bucket| by_name.remove(bucket.name.as_str()).map(|(_, valid)| valid))
            .collect()
    }

    fn find(&self, field: &str, name: &str, found: &mut FieldErrors) -> Option<&(&'a Bucket, ValidBucket)> {
        let bucket = self.by_name.get(name);
        if bucket.is_none() {
            found.invalid(
                field,
                format!("{name:?} is no entry of spec.buckets: add one, or correct the name"),
            );
        }
        bucket
    }

    fn credentials(&self, bucket: &Bucket) -> Option<UsedSecret> {
        let own = bucket.credentials.as_ref().map(|secret| {
            let field = format!("spec.buckets[].credentials.secretName of {:?}", bucket.name);
            (field, secret.secret_name.clone())
        });
        let platform = || {
            let name = self.store.programs.secret_name.clone()?;
            Some(("the platform's objectStore.programs.secretName".to_owned(), name))
        };
        let (name, secret_name) = own.or_else(platform)?;
        Some(UsedSecret {
            name,
            secret_name,
            origin: SecretOrigin::ObjectStore,
        })
    }

    /// Address for programs that insist on one, on AWS, too.
    fn endpoint(&self) -> String {
        self.store.endpoint_of_programs().map_or_else(
            || {
                let region = &self.store.region;
                let domain = if region.starts_with("cn-") {
                    "amazonaws.com.cn"
                } else {
                    "amazonaws.com"
                };
                format!("https://s3.{region}.{domain}")
            },
            |endpoint| endpoint.trim_end_matches('/').to_owned(),
        )
    }
}

fn read(
    drive: &RecruitmentDrive,
    field: &str,
    spec: &Bucket,
    fetched: &Fetched,
    store: &ObjectStoreConfig,
    tenancy: &TenancyConfig,
    found: &mut FieldErrors,
) -> ValidBucket {
    let meta = &drive.metadata;
    let owner = Owner {
        namespace: meta.namespace.clone().unwrap_or_default(),
        drive: meta.name.clone().unwrap_or_default(),
        uid: meta.uid.clone().unwrap_or_default(),
        bucket: spec.name.clone(),
    };
    if spec.existing.is_some() && (spec.object_lock.is_some() || spec.deletion_policy.is_some()) {
        found.invalid(
            field,
            "objectLock and deletionPolicy go with a bucket that is made, for an existing one is only used: remove them, or existing",
        );
    }
    if spec.object_lock.is_some() && spec.versioned != Some(true) {
        found.invalid(
            format!("{field}.objectLock"),
            "it locks versions: set versioned to true",
        );
    }
    let quota = spec.quota.clone().unwrap_or_default();
    let quota_bytes = quota
        .size
        .as_ref()
        .map(|size| quantity::storage(&format!("{field}.quota.size"), size, found))
        .and_then(|size| u64::try_from(ras_crds::Quantity::new(size).millis()? / 1_000).ok());
    let (origin, bucket) = if let Some(existing) = &spec.existing {
        (Origin::Existing, existing.bucket.clone())
    } else {
        // The recorded name wins: another prefix in the platform's settings moves no data.
        let recorded = fetched
            .buckets
            .get(&spec.name)
            .map(|facts| &facts.recorded)
            .filter(|recorded| !recorded.existing && !recorded.bucket.is_empty());
        let name = recorded.map_or_else(
            || child::bucket(store.bucket_prefix.as_deref(), &owner),
            |recorded| recorded.bucket.clone(),
        );
        (Origin::Made, name)
    };
    let permits = tenancy.allows_bucket(&owner.namespace, &bucket);
    ValidBucket {
        name: spec.name.clone(),
        request: BucketRequest {
            bucket,
            owner,
            origin,
            permitted: origin == Origin::Made || permits,
            settings: settings(field, spec, origin, store, found),
        },
        quota_bytes,
        quota_objects: quota.objects.and_then(|objects| u64::try_from(objects).ok()),
        deletion_policy: spec.deletion_policy.unwrap_or_default(),
    }
}

fn settings(
    field: &str,
    spec: &Bucket,
    origin: Origin,
    store: &ObjectStoreConfig,
    found: &mut FieldErrors,
) -> Settings {
    let made = origin == Origin::Made;
    let mut lifecycle = Vec::new();
    for (index, expiry) in spec.expire.iter().enumerate() {
        lifecycle.push(LifecycleRule::Expire {
            prefix: expiry.prefix.clone().unwrap_or_default(),
            days: days(&format!("{field}.expire[{index}].after"), &expiry.after, found),
        });
    }
    if let Some(after) = &spec.expire_old_versions_after {
        let days = days(&format!("{field}.expireOldVersionsAfter"), after, found);
        lifecycle.push(LifecycleRule::ExpireOldVersions { days });
    }
    match &spec.abort_uploads_after {
        Some(after) => {
            let days = days(&format!("{field}.abortUploadsAfter"), after, found);
            lifecycle.push(LifecycleRule::AbortUploads { days });
        }
        None if made => lifecycle.push(LifecycleRule::AbortUploads {
            days: ABORT_UPLOADS_AFTER,
        }),
        None => {}
    }
    lifecycle.sort();
    let encryption = spec
        .encryption
        .as_ref()
        .map(|encryption| Encryption::Kms(encryption.kms_key.clone()));
    Settings {
        versioned: spec.versioned.or(made.then_some(false)),
        encryption: encryption.or(made.then_some(Encryption::StoreKey)),
        private: made,
        // A server without TLS could not be reached any more.
        tls_only: made
            && store
                .endpoint
                .as_deref()
                .is_none_or(|endpoint| endpoint.starts_with("https://")),
        lifecycle,
        cors: spec
            .cors
            .iter()
            .enumerate()
            .map(|(index, rule)| cors(&format!("{field}.cors[{index}]"), rule, found))
            .collect(),
        object_lock: spec.object_lock.as_ref().map(|lock| request::ObjectLock {
            mode: match lock.mode {
                LockMode::Governance => request::LockMode::Governance,
                LockMode::Compliance => request::LockMode::Compliance,
            },
            days: days(&format!("{field}.objectLock.retain"), &lock.retain, found),
        }),
    }
}

fn cors(field: &str, rule: &CorsRule, found: &mut FieldErrors) -> request::CorsRule {
    let max_age_seconds = rule.max_age.as_ref().and_then(|age| {
        let seconds = age.seconds().and_then(|seconds| i32::try_from(seconds).ok());
        if seconds.is_none() {
            found.invalid(
                format!("{field}.maxAge"),
                format!("{age} is no duration of at most 68 years: write it like 1h"),
            );
        }
        seconds
    });
    request::CorsRule {
        origins: rule.origins.clone(),
        methods: rule.methods.iter().map(|method| method.as_str().to_owned()).collect(),
        headers: rule.headers.clone(),
        expose_headers: rule.expose_headers.clone(),
        max_age_seconds,
    }
}

/// Whole days: no store counts anything smaller.
fn days(field: &str, duration: &Duration, found: &mut FieldErrors) -> u32 {
    const DAY: u64 = 86_400;
    let days = duration
        .seconds()
        .filter(|seconds| *seconds >= DAY && seconds % DAY == 0)
        .and_then(|seconds| u32::try_from(seconds / DAY).ok());
    days.unwrap_or_else(|| {
        found.invalid(
            field,
            format!("{duration} is no whole number of days, as stores count them: write it like 7d"),
        );
        1
    })
}
