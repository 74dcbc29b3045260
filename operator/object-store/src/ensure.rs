//! Brings a bucket to its desired state: observe, plan, execute, and observe again until the plan is empty.
//!
//! It may be interrupted anywhere, because the next observation shows what was done. A feature that the store does not support,
//! or accepts and does not keep, is recorded and left out, so that no repair repeats forever.

use std::collections::BTreeSet;
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use tokio::time::sleep;

use crate::capabilities::Capabilities;
use crate::failure::Failure;
use crate::identity::{self, check};
use crate::lifecycle;
use crate::plan::{BucketStep, PlanInput, plan};
use crate::snapshot::BucketSnapshot;
use crate::store::ObjectStore;
use ras_core::bucket::request::{BucketRequest, Encryption, Feature, Owner};
use ras_core::bucket::state::{Identity, mark};

/// Waits for a setting that was accepted and is not visible yet. AWS calls its settings "eventually consistent" and names no
/// time; more than a second is rare.
const WAITS: [Duration; 3] = [
    Duration::from_millis(500),
    Duration::from_secs(2),
    Duration::from_secs(4),
];
/// Wait before a second observation when the first one did not find the bucket, or its tag.
const RECHECK_AFTER: Duration = Duration::from_secs(2);
/// Most observations in one call. Eleven features can turn out missing one after the other; more than that means that
/// another client changes the bucket at the same time.
const MAX_OBSERVATIONS: usize = 24;

/// A bucket in its desired state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ensured {
    pub region: Option<String>,
    /// By this call.
    pub created: bool,
    /// Names of the settings that were written.
    pub changed: Vec<String>,
    /// Requested features that the store lacks.
    pub unsupported: BTreeSet<Feature>,
    pub identity: Option<Identity>,
}

/// The record of a bucket from earlier calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remembered {
    /// Absent: it never existed, so it may be created.
    pub identity: Option<Identity>,
    /// The identity tag to write if it has none.
    pub tag: String,
}

impl Remembered {
    pub fn new(identity: Option<Identity>, owner: &Owner, now: Timestamp) -> Self {
        let tag = match &identity {
            Some(Identity::Tag(tag)) => tag.clone(),
            Some(Identity::Name(_)) | None => mark(owner, now),
        };
        Self { identity, tag }
    }
}

/// Brings a bucket to the state that `request` describes. `known` is updated.
///
/// An unchanged bucket costs one observation: see [`PlanInput::reads`]. A new one costs two more and the steps.
pub async fn ensure<S: ObjectStore>(
    store: &S,
    request: &BucketRequest,
    known: &Capabilities,
) -> Result<Ensured, Failure> {
    let remembered = Remembered::new(None, &request.owner, Timestamp::now());
    ensure_after(store, request, &BTreeSet::new(), &remembered, known).await
}

/// Like [`ensure`], for a bucket whose earlier spec had the features `before`: their remains in an existing bucket are
/// removed. A recorded bucket that no longer exists is never created again: [`Failure::lost_to_another`].
pub async fn ensure_after<S: ObjectStore>(
    store: &S,
    request: &BucketRequest,
    before: &BTreeSet<Feature>,
    remembered: &Remembered,
    known: &Capabilities,
) -> Result<Ensured, Failure> {
    ensure_waiting(store, request, before, remembered, known, &WAITS).await
}

/// Checks that a bucket still exists and is still the same: one request if it has a tag, or is known by its name only.
pub async fn verify<S: ObjectStore>(
    store: &S,
    bucket: &str,
    identity: &Identity,
    known: &Capabilities,
) -> Result<(), Failure> {
    let is_tagged = matches!(identity, Identity::Tag(_)) && !known.lacking().contains(&Feature::Tags);
    let reads = is_tagged.then_some(Feature::Tags).into_iter().collect();
    let observed = store.observe(bucket, &reads).await?;
    if check(bucket, &observed, Some(identity)).is_ok() {
        return Ok(());
    }
    sleep(RECHECK_AFTER).await;
    let observed = store.observe(bucket, &reads).await?;
    check(bucket, &observed, Some(identity))
}

/// Like [`ensure_after`], with the waits for a setting as an argument.
pub(super) async fn ensure_waiting<S: ObjectStore>(
    store: &S,
    request: &BucketRequest,
    before: &BTreeSet<Feature>,
    remembered: &Remembered,
    known: &Capabilities,
    waits: &[Duration],
) -> Result<Ensured, Failure> {
    let mut work = Work {
        store,
        request,
        before,
        remembered,
        known,
        lacking: known.lacking(),
        given_up: BTreeSet::new(),
        failure: None,
        done: Vec::new(),
        ensured: Ensured::default(),
    };
    let mut waits = waits.iter();
    let mut may_recheck = true;
    for _ in 0..MAX_OBSERVATIONS {
        let observed = work.observe().await?;
        if let Err(lost) = check(&request.bucket, &observed, remembered.identity.as_ref()) {
            match std::mem::take(&mut may_recheck).then(|| waits.next()).flatten() {
                Some(wait) => sleep(*wait).await,
                None => return Err(lost),
            }
            continue;
        }
        let steps = work.plan(&observed)?;
        if steps.is_empty() {
            work.ensured.identity = Some(identity::of(&observed, remembered.identity.as_ref(), &remembered.tag));
            return work.finish();
        }
        let new: Vec<&BucketStep> = steps.iter().filter(|step| !work.done.contains(step)).collect();
        if let [BucketStep::Create { .. }, ..] = new.as_slice() {
            // The store may set defaults, and another client may have created the bucket in the meantime: observe
            // before any other step.
            work.create(new.first().copied()).await?;
        } else if new.is_empty() || matches!(steps.as_slice(), [BucketStep::Create { .. }, ..]) {
            match waits.next().filter(|_| !work.is_expected(&steps, &observed)) {
                Some(wait) => sleep(*wait).await,
                None => work.lose(&steps, &observed)?,
            }
        } else {
            for step in new {
                if !work.touches_given_up(step) {
                    work.execute(step, &observed).await?;
                }
            }
        }
    }
    Err(work.failure.unwrap_or_else(|| Failure::unstable(&request.bucket)))
}

struct Work<'a, S> {
    store: &'a S,
    request: &'a BucketRequest,
    before: &'a BTreeSet<Feature>,
    remembered: &'a Remembered,
    known: &'a Capabilities,
    /// Features that the store lacks.
    lacking: BTreeSet<Feature>,
    /// Features that failed; they are not touched again in this call.
    given_up: BTreeSet<Feature>,
    failure: Option<Failure>,
    /// Steps that the store accepted.
    done: Vec<BucketStep>,
    ensured: Ensured,
}

impl<S: ObjectStore> Work<'_, S> {
    async fn observe(&mut self) -> Result<BucketSnapshot, Failure> {
        let without = self.without();
        let reads = self.input(&without).reads();
        let mut observed = self.store.observe(&self.request.bucket, &reads).await?;
        let lacking = observed.lacking();
        self.known.refused(lacking.iter().copied());
        self.lacking.extend(lacking);
        for (feature, failure) in std::mem::take(&mut observed.problems) {
            self.give_up(all_of(feature), failure);
        }
        Ok(observed)
    }

    fn plan(&mut self, observed: &BucketSnapshot) -> Result<Vec<BucketStep>, Failure> {
        self.ensured.region.clone_from(&observed.region);
        let without = self.without();
        plan(self.input(&without), observed)
    }

    async fn create(&mut self, step: Option<&BucketStep>) -> Result<(), Failure> {
        let Some(step) = step else { return Ok(()) };
        match self.store.execute(&self.request.bucket, step).await {
            Ok(()) => {
                self.ensured.created = true;
                self.done.push(step.clone());
                Ok(())
            }
            Err(failure) if failure.is_unsupported() && !step.features().is_empty() => {
                self.refuse(step.features());
                Ok(())
            }
            Err(failure) => Err(failure),
        }
    }

    async fn execute(&mut self, step: &BucketStep, observed: &BucketSnapshot) -> Result<(), Failure> {
        match self.store.execute(&self.request.bucket, step).await {
            Ok(()) => {
                self.note(step);
                Ok(())
            }
            Err(failure) if failure.is_unsupported() => match step {
                BucketStep::Lifecycle(_) => self.write_less(step, observed).await,
                step => {
                    self.refuse(step.features());
                    Ok(())
                }
            },
            // Without tags, the bucket's owner is unknown.
            Err(failure) if failure.affects_all_requests() || matches!(step, BucketStep::Tag(_)) => Err(failure),
            Err(failure) => {
                self.give_up(step.touches(), failure);
                Ok(())
            }
        }
    }

    /// Finds out which part of a lifecycle document the store does not support, because it refuses the document as a whole.
    async fn write_less(&mut self, step: &BucketStep, observed: &BucketSnapshot) -> Result<(), Failure> {
        let Some(stored) = observed.lifecycle.known() else {
            return Ok(());
        };
        for loss in lifecycle::losses(&step.features()) {
            let without: BTreeSet<_> = self.without().union(&loss).copied().collect();
            if let Some(document) = lifecycle::document(self.request, stored, &without) {
                let less = BucketStep::Lifecycle(document);
                match self.store.execute(&self.request.bucket, &less).await {
                    Ok(()) => self.note(&less),
                    Err(failure) if failure.is_unsupported() => continue,
                    Err(failure) if failure.affects_all_requests() => return Err(failure),
                    Err(failure) => {
                        self.give_up(step.touches(), failure);
                        return Ok(());
                    }
                }
            }
            self.refuse(loss);
            return Ok(());
        }
        self.refuse(Feature::LIFECYCLE);
        Ok(())
    }

    /// Records features whose steps the store accepted without keeping the setting.
    fn lose(&mut self, steps: &[BucketStep], observed: &BucketSnapshot) -> Result<(), Failure> {
        if steps.iter().any(|step| matches!(step, BucketStep::Create { .. })) {
            return Err(Failure::unstable(&self.request.bucket));
        }
        let lost = self.missing(steps, observed);
        for feature in &lost {
            self.known.lost(*feature, &self.request.bucket);
        }
        self.lacking.extend(lost);
        Ok(())
    }

    /// The store lost such settings before, so waiting for them is useless.
    fn is_expected(&self, steps: &[BucketStep], observed: &BucketSnapshot) -> bool {
        let missing = self.missing(steps, observed);
        !missing.is_empty() && missing.iter().all(|feature| self.known.is_suspect(*feature))
    }

    /// Features that are missing although these steps were accepted. A part of a lifecycle may be present.
    fn missing(&self, steps: &[BucketStep], observed: &BucketSnapshot) -> BTreeSet<Feature> {
        let of_one = |step: &BucketStep| match (step, observed.lifecycle.known()) {
            (BucketStep::Lifecycle(_), Some(stored)) => {
                let unmet = lifecycle::unmet(self.request, stored, &self.without());
                if unmet.is_empty() { step.features() } else { unmet }
            }
            _ => step.features(),
        };
        steps.iter().flat_map(of_one).collect()
    }

    fn finish(self) -> Result<Ensured, Failure> {
        let lost = self.input(&self.lacking).unmet();
        let kept = self.done.iter().flat_map(BucketStep::features);
        self.known.kept(kept.filter(|feature| !self.lacking.contains(feature)));
        match self.failure {
            Some(failure) => Err(failure),
            None => Ok(Ensured {
                unsupported: lost,
                ..self.ensured
            }),
        }
    }

    fn note(&mut self, step: &BucketStep) {
        self.done.push(step.clone());
        let words = step.words().to_owned();
        if !self.ensured.changed.contains(&words) {
            self.ensured.changed.push(words);
        }
    }

    fn refuse(&mut self, features: impl IntoIterator<Item = Feature>) {
        let features: Vec<_> = features.into_iter().collect();
        self.known.refused(features.iter().copied());
        self.lacking.extend(features);
    }

    fn give_up(&mut self, features: BTreeSet<Feature>, failure: Failure) {
        self.given_up.extend(features);
        self.failure.get_or_insert(failure);
    }

    fn touches_given_up(&self, step: &BucketStep) -> bool {
        step.features().iter().any(|feature| self.given_up.contains(feature))
    }

    fn without(&self) -> BTreeSet<Feature> {
        self.lacking.union(&self.given_up).copied().collect()
    }

    fn input<'w>(&'w self, lacking: &'w BTreeSet<Feature>) -> PlanInput<'w> {
        PlanInput {
            request: self.request,
            before: self.before,
            lacking,
            tag: &self.remembered.tag,
        }
    }
}

/// Every feature whose state one failed read would have shown.
fn all_of(feature: Feature) -> BTreeSet<Feature> {
    match feature {
        Feature::Encryption | Feature::KmsEncryption => BucketStep::Encrypt(Encryption::StoreKey).touches(),
        Feature::Expiry | Feature::OldVersionExpiry | Feature::UploadExpiry => Feature::LIFECYCLE.into(),
        Feature::Versioning => BucketStep::Versioning(true).touches(),
        other => [other].into(),
    }
}
