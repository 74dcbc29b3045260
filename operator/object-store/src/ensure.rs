//! Brings a bucket to what it should be: look, plan, do, and look again until there is nothing to do.
//!
//! Where it is cut off does not matter: everything that was done is seen at the next look. What a store says it has
//! not, or accepts and then does not have, is noted and done without, so that no repair goes on for ever.

use std::collections::BTreeSet;
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use tokio::time::sleep;

use crate::capabilities::Capabilities;
use crate::failure::Failure;
use crate::identity::{self, check};
use crate::lifecycle;
use crate::observed::Observed;
use crate::plan::{PlanInput, Step, plan};
use crate::store::ObjectStore;
use ras_core::bucket::request::{BucketRequest, Encryption, Feature, Owner};
use ras_core::bucket::state::{Identity, mark};

/// How long a setting that was accepted is waited for. AWS calls its settings "eventually consistent" and names no
/// time; more than a second is rare.
const WAITS: [Duration; 3] = [
    Duration::from_millis(500),
    Duration::from_secs(2),
    Duration::from_secs(4),
];
/// How long after a first look that missed a bucket, or its tag, a second one is taken.
const RECHECK_AFTER: Duration = Duration::from_secs(2);
/// Most looks at a bucket in one go. Eleven features can be found missing one after the other; more than that is
/// somebody who changes the bucket while we do.
const MAX_OBSERVATIONS: usize = 24;

/// A bucket that is as it should be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ensured {
    /// Where it is, when the store says so.
    pub region: Option<String>,
    /// Whether it was made just now.
    pub created: bool,
    /// What was set or repaired, in a word or two each.
    pub changed: Vec<String>,
    /// What was asked for and the store cannot do.
    pub unsupported: BTreeSet<Feature>,
    /// Which bucket it is.
    pub identity: Option<Identity>,
}

/// What is remembered of a bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remembered {
    /// Which bucket it was. Absent: it was never there, so it may be made.
    pub identity: Option<Identity>,
    /// The tag that it gets if it has none.
    pub tag: String,
}

impl Remembered {
    /// For a bucket of this owner.
    pub fn new(identity: Option<Identity>, owner: &Owner, now: Timestamp) -> Self {
        let tag = match &identity {
            Some(Identity::Tag(tag)) => tag.clone(),
            Some(Identity::Name(_)) | None => mark(owner, now),
        };
        Self { identity, tag }
    }
}

/// Brings a bucket to what `request` asks. `known` is what was found out about the store, and learns.
///
/// A bucket at rest costs its look: see [`PlanInput::reads`]. One that is made costs two looks more and the steps.
pub async fn ensure<S: ObjectStore>(
    store: &S,
    request: &BucketRequest,
    known: &Capabilities,
) -> Result<Ensured, Failure> {
    let remembered = Remembered::new(None, &request.owner, Timestamp::now());
    ensure_after(store, request, &BTreeSet::new(), &remembered, known).await
}

/// As [`ensure`], for a bucket that was asked for other things `before`: what is left of them in a bucket of somebody
/// else's is removed. One that is remembered and not there any more is never made: [`Failure::lost_to_another`].
pub async fn ensure_after<S: ObjectStore>(
    store: &S,
    request: &BucketRequest,
    before: &BTreeSet<Feature>,
    remembered: &Remembered,
    known: &Capabilities,
) -> Result<Ensured, Failure> {
    ensure_waiting(store, request, before, remembered, known, &WAITS).await
}

/// Looks whether a bucket is still there, and still the same: one request where it has a tag, or is known by its name only.
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

/// As [`ensure_after`], with the times that a setting is waited for.
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
        let new: Vec<&Step> = steps.iter().filter(|step| !work.done.contains(step)).collect();
        if let [Step::Create { .. }, ..] = new.as_slice() {
            // What a store sets by itself it need not be told; and somebody may have made the bucket in the meantime.
            work.create(new.first().copied()).await?;
        } else if new.is_empty() || matches!(steps.as_slice(), [Step::Create { .. }, ..]) {
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

/// One go at one bucket.
struct Work<'a, S> {
    store: &'a S,
    request: &'a BucketRequest,
    before: &'a BTreeSet<Feature>,
    remembered: &'a Remembered,
    known: &'a Capabilities,
    /// What the store cannot do.
    lacking: BTreeSet<Feature>,
    /// What failed for good and is left alone for now.
    given_up: BTreeSet<Feature>,
    /// The first failure that concerned one setting only.
    failure: Option<Failure>,
    /// What the store accepted.
    done: Vec<Step>,
    ensured: Ensured,
}

impl<S: ObjectStore> Work<'_, S> {
    async fn observe(&mut self) -> Result<Observed, Failure> {
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

    fn plan(&mut self, observed: &Observed) -> Result<Vec<Step>, Failure> {
        self.ensured.region.clone_from(&observed.region);
        let without = self.without();
        plan(self.input(&without), observed)
    }

    async fn create(&mut self, step: Option<&Step>) -> Result<(), Failure> {
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

    async fn execute(&mut self, step: &Step, observed: &Observed) -> Result<(), Failure> {
        match self.store.execute(&self.request.bucket, step).await {
            Ok(()) => {
                self.note(step);
                Ok(())
            }
            Err(failure) if failure.is_unsupported() => match step {
                Step::Lifecycle(_) => self.write_less(step, observed).await,
                step => {
                    self.refuse(step.features());
                    Ok(())
                }
            },
            // Without tags nobody could tell whose the bucket is.
            Err(failure) if failure.affects_all_requests() || matches!(step, Step::Tag(_)) => Err(failure),
            Err(failure) => {
                self.give_up(step.touches(), failure);
                Ok(())
            }
        }
    }

    /// A lifecycle document is refused as a whole: finds out which part of it the store does not know.
    async fn write_less(&mut self, step: &Step, observed: &Observed) -> Result<(), Failure> {
        let Some(stored) = observed.lifecycle.known() else {
            return Ok(());
        };
        for loss in lifecycle::losses(&step.features()) {
            let without: BTreeSet<_> = self.without().union(&loss).copied().collect();
            if let Some(document) = lifecycle::document(self.request, stored, &without) {
                let less = Step::Lifecycle(document);
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

    /// The store accepted these steps and does not have what they say.
    fn lose(&mut self, steps: &[Step], observed: &Observed) -> Result<(), Failure> {
        if steps.iter().any(|step| matches!(step, Step::Create { .. })) {
            return Err(Failure::unstable(&self.request.bucket));
        }
        let lost = self.missing(steps, observed);
        for feature in &lost {
            self.known.lost(*feature, &self.request.bucket);
        }
        self.lacking.extend(lost);
        Ok(())
    }

    /// Whether the store is known to forget such settings, so that waiting for them is in vain.
    fn is_expected(&self, steps: &[Step], observed: &Observed) -> bool {
        let missing = self.missing(steps, observed);
        !missing.is_empty() && missing.iter().all(|feature| self.known.is_suspect(*feature))
    }

    /// What is not there although these steps were accepted. Of a lifecycle, a part may be there.
    fn missing(&self, steps: &[Step], observed: &Observed) -> BTreeSet<Feature> {
        let of_one = |step: &Step| match (step, observed.lifecycle.known()) {
            (Step::Lifecycle(_), Some(stored)) => {
                let unmet = lifecycle::unmet(self.request, stored, &self.without());
                if unmet.is_empty() { step.features() } else { unmet }
            }
            _ => step.features(),
        };
        steps.iter().flat_map(of_one).collect()
    }

    fn finish(self) -> Result<Ensured, Failure> {
        let lost = self.input(&self.lacking).unmet();
        let kept = self.done.iter().flat_map(Step::features);
        self.known.kept(kept.filter(|feature| !self.lacking.contains(feature)));
        match self.failure {
            Some(failure) => Err(failure),
            None => Ok(Ensured {
                unsupported: lost,
                ..self.ensured
            }),
        }
    }

    fn note(&mut self, step: &Step) {
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

    fn touches_given_up(&self, step: &Step) -> bool {
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

/// What is left alone when a reading fails: all that it would have told of.
fn all_of(feature: Feature) -> BTreeSet<Feature> {
    match feature {
        Feature::Encryption | Feature::KmsEncryption => Step::Encrypt(Encryption::StoreKey).touches(),
        Feature::Expiry | Feature::OldVersionExpiry | Feature::UploadExpiry => Feature::LIFECYCLE.into(),
        Feature::Versioning => Step::Versioning(true).touches(),
        other => [other].into(),
    }
}
