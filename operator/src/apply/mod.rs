//! `apply`: the only step that writes children. A child that is as desired costs no request.
//!
//! ```text
//! credentials ─> items ─> stage by stage ─────────────────────────────────> scale ─> prune ─> ApplyOutcome
//!                           │ deferred, frozen: left as they are for now
//!                           │ blockers: wait for a child that could not be written
//!                           └ write ─> adjust ─> decide ─> child_client
//! ```
//!
//! | step | module |
//! |---|---|
//! | generate the values of missing credentials | `credentials`, `random` |
//! | turn each object into JSON with its hash | `item` |
//! | group the objects by kind, in the order of writing | `stage` |
//! | leave objects as they are while a migration runs, or while data is being deleted | `deferred`, `frozen` |
//! | hold back objects that need one that could not be written | `blockers`, `dependencies` |
//! | keep the running render image, add one pod at a time, leave replicas to an autoscaler | `adjust`, `pace` |
//! | compare an object with its record and decide | `decide` |
//! | limit repairs of fields that another manager writes too | `conflicts` |
//! | write one object | `write`, `child_client` |
//! | change the replicas of a held Deployment | `scale` |
//! | delete children that are no longer desired | `prune` |
//! | request buckets | `buckets` |
//! | collect the results | `result` |
//!
//! A new kind cannot be forgotten: [`Desired::objects`] hands out every object with its kind, and `stage` does not
//! compile without a stage for each kind.

mod adjust;
mod applier;
mod blockers;
pub mod buckets;
pub mod child_client;
pub mod conflicts;
mod credentials;
pub mod decide;
mod deferred;
mod dependencies;
mod frozen;
pub mod item;
mod pace;
mod prune;
pub mod random;
mod result;
mod scale;
mod stage;
mod write;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use ras_core::applied::ApplyOutcome;
use ras_core::build::Desired;
use ras_core::fetched::record::ChildKey;
use ras_core::kind::Kind;
use ras_core::plan::data::Data;

pub use applier::Applier;
use applier::run_all;
use blockers::Blockers;
use buckets::RecordedBuckets;
use item::{Item, ItemError};
use result::ChildResult;

pub use credentials::AppliedCredentials;

impl Applier<'_> {
    /// Writes the generated credentials. They come first, because pods are stamped with a hash of them.
    pub async fn credentials(&self, desired: &Desired, data: &Data) -> Result<AppliedCredentials, ItemError> {
        credentials::apply(*self, desired, &data.frozen_children(&self.drive.namespace)).await
    }

    /// Writes all other children, and deletes those that are no longer desired.
    pub async fn apply(
        &self,
        desired: Desired,
        recorded: &RecordedBuckets,
        credentials: AppliedCredentials,
        data: &Data,
    ) -> Result<ApplyOutcome, ItemError> {
        let buckets = buckets::request(*self, &desired, recorded);
        let AppliedCredentials {
            keys: credentials,
            mut results,
        } = credentials;
        let items = items(&desired, &credentials)?;
        let frozen = frozen::frozen(&items, &data.frozen_children(&self.drive.namespace));
        let mut left_as_is = deferred::deferred(&items, &desired.blocked, self.id(), |key| {
            self.child_client.store.get(key)
        });
        left_as_is.extend(frozen.iter().cloned());

        let mut waiting: BTreeMap<ChildKey, BTreeSet<ChildKey>> = BTreeMap::new();
        for staged in stage::stages(&items).into_values() {
            if results.iter().any(ChildResult::is_final) {
                break;
            }
            let blockers = Blockers::of(&results, *self);
            let (mut writes, mut checks) = (Vec::new(), Vec::new());
            for item in staged.into_iter().filter(|item| !left_as_is.contains(&item.key)) {
                let missing = blockers.of_item(*self, item, &items);
                if missing.is_empty() {
                    let handover = desired.replica_handovers.get(&*item.key.name).copied();
                    writes.push(write::write(*self, item, handover));
                } else {
                    checks.push(write::report_unowned(*self, item));
                    waiting.insert(item.key.clone(), missing);
                }
            }
            results.extend(run_all(writes).await);
            results.extend(run_all(checks).await);
        }

        let is_frozen = |name: &str| frozen.contains(&self.child(Kind::Deployment, name));
        let scales = desired.scales.iter().filter(|(name, _)| !is_frozen(name));
        let scales = scales.map(|(name, scale)| scale::apply(*self, name, *scale));
        results.extend(run_all(scales.collect()).await);

        let mut wanted: BTreeSet<ChildKey> = items.iter().map(|item| item.key.clone()).collect();
        wanted.extend(credentials);
        // Kept Jobs read ConfigMaps of the same names.
        let kept = desired.kept_jobs.iter();
        wanted.extend(kept.flat_map(|name| [Kind::Job, Kind::ConfigMap].map(|kind| self.child(kind, name))));
        results.extend(prune::prune(*self, &wanted).await);

        let conflicts = self.child_client.conflicts.active(wanted.iter(), Instant::now());
        let (changes, blocked) = result::collect(results);
        Ok(ApplyOutcome {
            desired,
            changes,
            blocked,
            conflicts,
            waiting,
            buckets,
        })
    }
}

/// Every object of the drive, except the credentials that are already written.
fn items(desired: &Desired, written: &BTreeSet<ChildKey>) -> Result<Vec<Item>, ItemError> {
    let mut items = Vec::new();
    for object in desired.objects()? {
        let item = Item::from_object(object)?;
        if !written.contains(&item.key) {
            items.push(item);
        }
    }
    Ok(items)
}
