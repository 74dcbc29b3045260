//! An S3 service in memory, with the missing features and faults that a test wants.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard};

use serde_json::Value;

use crate::failure::{Answer, Failure, Transport};
use crate::lifecycle::feature_of;
use crate::operation::Operation;
use crate::plan::BucketStep;
use crate::snapshot::{BucketSnapshot, Seen, StoredEncryption, StoredLifecycle, StoredLock, StoredVersioning};
use crate::store::{Deleted, Entry, EntryKind, Listing, Marker, ObjectStore, Page};
use ras_core::bucket::request::{Encryption, Feature};

/// Features that the store lacks or gets wrong.
#[derive(Clone, Debug, Default)]
pub struct Gaps {
    /// Answers "not supported" to reads and writes.
    pub unknown: BTreeSet<Feature>,
    /// Reads nothing, and answers "not supported" to writes.
    pub unwritable: BTreeSet<Feature>,
    /// Accepts writes and drops them.
    pub forgotten: BTreeSet<Feature>,
    pub denied: BTreeSet<Feature>,
    pub unreadable: BTreeSet<Feature>,
    /// Reports removed objects and keeps them.
    pub keeps_everything: bool,
    pub no_versions_listing: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The request is not executed.
    Before,
    /// The request is executed, and its answer is lost.
    After,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Held {
    /// Settings, all of them known.
    pub truth: BucketSnapshot,
    /// In the order of a listing.
    pub entries: Vec<Entry>,
    pub locked: BTreeSet<String>,
}

#[derive(Debug)]
pub struct Memory {
    state: Mutex<MemoryState>,
    gaps: Gaps,
    page: usize,
}

#[derive(Debug, Default)]
struct MemoryState {
    buckets: BTreeMap<String, Held>,
    requests: Vec<String>,
    fault: Option<(usize, Fault)>,
    calls: usize,
    /// Runs before the call of this number.
    meanwhile: Option<(usize, Meanwhile)>,
}

pub type Meanwhile = fn(&mut BTreeMap<String, Held>);

impl Memory {
    pub fn new(gaps: Gaps) -> Self {
        Self {
            state: Mutex::default(),
            gaps,
            page: 3,
        }
    }

    pub fn with(self, bucket: &str, held: Held) -> Self {
        self.state().buckets.insert(bucket.to_owned(), held);
        self
    }

    pub fn fail(&self, call: usize, fault: Fault) {
        let mut state = self.state();
        state.calls = 0;
        state.fault = Some((call, fault));
    }

    pub fn meanwhile(&self, call: usize, what: Meanwhile) {
        let mut state = self.state();
        state.calls = 0;
        state.meanwhile = Some((call, what));
    }

    pub fn heal(&self) {
        let mut state = self.state();
        state.fault = None;
        state.requests.clear();
        state.calls = 0;
    }

    pub fn buckets(&self) -> BTreeMap<String, Held> {
        self.state().buckets.clone()
    }

    pub fn held(&self, bucket: &str) -> Held {
        self.state().buckets[bucket].clone()
    }

    /// Deletes a bucket with its content, as somebody else would.
    pub fn lose(&self, bucket: &str) -> Option<Held> {
        self.state().buckets.remove(bucket)
    }

    /// Creates or restores a bucket, as somebody else would.
    pub fn put(&self, bucket: &str, held: Held) {
        self.state().buckets.insert(bucket.to_owned(), held);
    }

    pub fn calls(&self) -> usize {
        self.state().calls
    }

    pub fn requests(&self) -> Vec<String> {
        self.state().requests.clone()
    }

    fn state(&self) -> MutexGuard<'_, MemoryState> {
        self.state.lock().unwrap()
    }

    fn request<T>(
        &self,
        name: String,
        operation: Operation,
        bucket: &str,
        act: impl FnOnce(&mut BTreeMap<String, Held>) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let mut state = self.state();
        let call = state.calls;
        state.calls += 1;
        state.requests.push(name);
        if let Some((at, what)) = state.meanwhile
            && at == call
        {
            what(&mut state.buckets);
        }
        let lost = Failure::unanswered(operation, bucket, Transport::Closed);
        match state.fault {
            Some((at, Fault::Before)) if at == call => Err(lost),
            Some((at, Fault::After)) if at == call => {
                let _ = act(&mut state.buckets);
                Err(lost)
            }
            _ => act(&mut state.buckets),
        }
    }
}

pub fn answer(operation: Operation, bucket: &str, status: u16, code: &str) -> Failure {
    Failure::answered(
        operation,
        bucket,
        Answer {
            status: Some(status),
            code: Some(code.to_owned()),
            ..Answer::default()
        },
    )
}

/// The controller owns its store, and the test inspects it.
impl ObjectStore for &'static Memory {
    async fn observe(&self, bucket: &str, wanted: &BTreeSet<Feature>) -> Result<BucketSnapshot, Failure> {
        (**self).observe(bucket, wanted).await
    }

    async fn execute(&self, bucket: &str, step: &BucketStep) -> Result<(), Failure> {
        (**self).execute(bucket, step).await
    }

    async fn list(&self, bucket: &str, listing: Listing, after: Option<&Marker>) -> Result<Page, Failure> {
        (**self).list(bucket, listing, after).await
    }

    async fn delete(&self, bucket: &str, entries: &[Entry]) -> Result<Deleted, Failure> {
        (**self).delete(bucket, entries).await
    }

    async fn delete_bucket(&self, bucket: &str) -> Result<(), Failure> {
        (**self).delete_bucket(bucket).await
    }
}

impl ObjectStore for Memory {
    async fn observe(&self, bucket: &str, wanted: &BTreeSet<Feature>) -> Result<BucketSnapshot, Failure> {
        self.request(
            format!("observe {wanted:?}"),
            Operation::GetBucketTagging,
            bucket,
            |buckets| {
                let Some(held) = buckets.get(bucket) else {
                    return Ok(BucketSnapshot::missing());
                };
                let mut seen = view(&held.truth, wanted, &self.gaps.unknown);
                for feature in wanted.intersection(&self.gaps.unreadable) {
                    let denied = answer(Operation::GetBucketCors, bucket, 403, "AccessDenied");
                    if *feature == Feature::Tags {
                        return Err(denied);
                    }
                    seen.problems.push((*feature, denied));
                }
                let unread: BTreeSet<_> = wanted.difference(&self.gaps.unreadable).copied().collect();
                let problems = std::mem::take(&mut seen.problems);
                let mut seen = view(&held.truth, &unread, &self.gaps.unknown);
                seen.problems = problems;
                Ok(seen)
            },
        )
    }

    async fn execute(&self, bucket: &str, step: &BucketStep) -> Result<(), Failure> {
        let operation = operation(step);
        self.request(format!("execute {}", step.words()), operation, bucket, |buckets| {
            let features = match step {
                BucketStep::Lifecycle(document) => document.rules.iter().filter_map(feature_of).collect(),
                step => step.features(),
            };
            let any = |of: &BTreeSet<Feature>| features.iter().any(|feature| of.contains(feature));
            if any(&self.gaps.unknown) || any(&self.gaps.unwritable) {
                return Err(answer(operation, bucket, 501, "NotImplemented"));
            }
            if any(&self.gaps.denied) {
                return Err(answer(operation, bucket, 403, "AccessDenied"));
            }
            if let BucketStep::Create { .. } = step
                && buckets.contains_key(bucket)
            {
                return Ok(());
            }
            let held = match step {
                BucketStep::Create { .. } => buckets.entry(bucket.to_owned()).or_default(),
                _ => buckets
                    .get_mut(bucket)
                    .ok_or_else(|| answer(operation, bucket, 404, "NoSuchBucket"))?,
            };
            match step {
                BucketStep::Lifecycle(document) => {
                    let mut document = document.clone();
                    document
                        .rules
                        .retain(|rule| feature_of(rule).is_none_or(|feature| !self.gaps.forgotten.contains(&feature)));
                    apply(&BucketStep::Lifecycle(document), &mut held.truth);
                }
                _ if any(&self.gaps.forgotten) && !matches!(step, BucketStep::Create { .. }) => {}
                step => apply(step, &mut held.truth),
            }
            Ok(())
        })
    }

    async fn list(&self, bucket: &str, listing: Listing, after: Option<&Marker>) -> Result<Page, Failure> {
        let operation = Operation::ListObjectVersions;
        self.request(format!("list {listing:?}"), operation, bucket, |buckets| {
            let held = buckets
                .get(bucket)
                .ok_or_else(|| answer(operation, bucket, 404, "NoSuchBucket"))?;
            if listing == Listing::Versions && self.gaps.no_versions_listing {
                return Err(answer(operation, bucket, 501, "NotImplemented"));
            }
            let is_shown = |entry: &&Entry| match listing {
                Listing::Versions => entry.kind != EntryKind::Upload,
                Listing::Objects => entry.kind == EntryKind::Current,
                Listing::Uploads => entry.kind == EntryKind::Upload,
            };
            let place = |entry: &Entry| (entry.key.clone(), entry.id.clone());
            let mut rest =
                held.entries.iter().filter(is_shown).filter(|entry| {
                    after.is_none_or(|marker| place(entry) > (marker.key.clone(), marker.within.clone()))
                });
            let entries: Vec<Entry> = rest.by_ref().take(self.page).cloned().collect();
            let is_more = rest.next().is_some();
            let next = entries.last().filter(|_| is_more).map(|last| Marker {
                key: last.key.clone(),
                within: last.id.clone(),
            });
            let entries = entries
                .into_iter()
                .map(|entry| Entry {
                    id: if listing == Listing::Objects { None } else { entry.id },
                    ..entry
                })
                .collect();
            Ok(Page { entries, next })
        })
    }

    async fn delete(&self, bucket: &str, entries: &[Entry]) -> Result<Deleted, Failure> {
        assert!(entries.len() <= self.page, "one page at a time");
        self.request(
            format!("delete {}", entries.len()),
            Operation::DeleteObjects,
            bucket,
            |buckets| {
                let held = buckets
                    .get_mut(bucket)
                    .ok_or_else(|| answer(Operation::DeleteObjects, bucket, 404, "NoSuchBucket"))?;
                let mut deleted = Deleted::default();
                for entry in entries {
                    if held.locked.contains(&entry.key) {
                        deleted.locked += 1;
                        continue;
                    }
                    held.entries.retain(|other| {
                        self.gaps.keeps_everything
                            || other.key != entry.key
                            || entry.id.is_some() && other.id != entry.id
                    });
                    deleted.removed += 1;
                }
                Ok(deleted)
            },
        )
    }

    async fn delete_bucket(&self, bucket: &str) -> Result<(), Failure> {
        let operation = Operation::DeleteBucket;
        self.request("delete bucket".to_owned(), operation, bucket, |buckets| {
            match buckets.get(bucket) {
                None => Err(answer(operation, bucket, 404, "NoSuchBucket")),
                Some(held) if held.entries.iter().any(|entry| entry.kind != EntryKind::Upload) => {
                    Err(answer(operation, bucket, 409, "BucketNotEmpty"))
                }
                Some(_) => {
                    buckets.remove(bucket);
                    Ok(())
                }
            }
        })
    }
}

/// A new bucket, with all settings known.
pub fn fresh() -> BucketSnapshot {
    BucketSnapshot {
        exists: true,
        region: Some("ap-south-1".to_owned()),
        tags: Seen::Is(BTreeMap::new()),
        public_access_blocked: Seen::Is(false),
        encryption: Seen::Is(StoredEncryption::None),
        policy: Seen::Is(Value::Null),
        versioning: Seen::Is(StoredVersioning::Never),
        object_lock: Seen::Is(StoredLock::Off),
        lifecycle: Seen::Is(StoredLifecycle::default()),
        cors: Seen::Is(Vec::new()),
        problems: Vec::new(),
    }
}

pub fn apply(step: &BucketStep, truth: &mut BucketSnapshot) {
    match step {
        BucketStep::Create { object_lock } => {
            *truth = fresh();
            if *object_lock {
                truth.versioning = Seen::Is(StoredVersioning::Enabled);
                truth.object_lock = Seen::Is(StoredLock::On(None));
            }
        }
        BucketStep::Tag(tags) => truth.tags = Seen::Is(tags.clone()),
        BucketStep::BlockPublicAccess => truth.public_access_blocked = Seen::Is(true),
        BucketStep::Encrypt(Encryption::StoreKey) => truth.encryption = Seen::Is(StoredEncryption::StoreKey),
        BucketStep::Encrypt(Encryption::Kms(key)) => {
            // AWS returns an ARN for an ID.
            truth.encryption = Seen::Is(StoredEncryption::Kms(Some(format!("arn:aws:kms:x:1:key/{key}"))));
        }
        BucketStep::Policy(document) => truth.policy = Seen::Is(document.clone()),
        BucketStep::Versioning(is_on) => {
            truth.versioning = Seen::Is(if *is_on {
                StoredVersioning::Enabled
            } else {
                StoredVersioning::Suspended
            });
        }
        BucketStep::ObjectLock(lock) => truth.object_lock = Seen::Is(StoredLock::On(Some(*lock))),
        BucketStep::Lifecycle(document) => {
            // Stores do not keep the order of rules.
            let mut document = document.clone();
            document.rules.reverse();
            truth.lifecycle = Seen::Is(document);
        }
        BucketStep::Cors(rules) => truth.cors = Seen::Is(rules.clone()),
    }
}

/// The observation of `wanted` in a store without the features `unknown`.
pub fn view(truth: &BucketSnapshot, wanted: &BTreeSet<Feature>, unknown: &BTreeSet<Feature>) -> BucketSnapshot {
    fn see<T: Clone>(
        of: &Seen<T>,
        wanted: &BTreeSet<Feature>,
        unknown: &BTreeSet<Feature>,
        all: &[Feature],
    ) -> Seen<T> {
        if !all.iter().any(|feature| wanted.contains(feature)) {
            Seen::NotRead
        } else if all.iter().all(|feature| unknown.contains(feature)) {
            Seen::Lacking
        } else {
            of.clone()
        }
    }
    BucketSnapshot {
        exists: true,
        region: truth.region.clone(),
        tags: see(&truth.tags, wanted, unknown, &[Feature::Tags]),
        public_access_blocked: see(
            &truth.public_access_blocked,
            wanted,
            unknown,
            &[Feature::PublicAccessBlock],
        ),
        encryption: see(
            &truth.encryption,
            wanted,
            unknown,
            &[Feature::Encryption, Feature::KmsEncryption],
        ),
        policy: see(&truth.policy, wanted, unknown, &[Feature::Policy]),
        versioning: see(&truth.versioning, wanted, unknown, &[Feature::Versioning]),
        object_lock: see(&truth.object_lock, wanted, unknown, &[Feature::ObjectLock]),
        lifecycle: see(&truth.lifecycle, wanted, unknown, &Feature::LIFECYCLE),
        cors: see(&truth.cors, wanted, unknown, &[Feature::Cors]),
        problems: Vec::new(),
    }
}

fn operation(step: &BucketStep) -> Operation {
    match step {
        BucketStep::Create { .. } => Operation::CreateBucket,
        BucketStep::Tag(_) => Operation::PutBucketTagging,
        BucketStep::BlockPublicAccess => Operation::PutPublicAccessBlock,
        BucketStep::Encrypt(_) => Operation::PutBucketEncryption,
        BucketStep::Policy(_) => Operation::PutBucketPolicy,
        BucketStep::Versioning(_) => Operation::PutBucketVersioning,
        BucketStep::ObjectLock(_) => Operation::PutObjectLockConfiguration,
        BucketStep::Lifecycle(_) => Operation::PutBucketLifecycle,
        BucketStep::Cors(_) => Operation::PutBucketCors,
    }
}
