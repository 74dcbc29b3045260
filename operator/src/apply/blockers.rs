//! Children that could not be written, and that others wait for.

use std::collections::BTreeSet;

use crate::apply::applier::Applier;
use crate::apply::decide::is_usable;
use crate::apply::item::Item;
use crate::apply::result::ChildResult;
use crate::apply::{adjust, dependencies};
use ras_core::fetched::record::{ChildKey, Record};
use ras_core::kind::Kind;

#[derive(Debug, Default)]
pub(super) struct Blockers {
    /// Children whose names unowned objects have.
    unowned: BTreeSet<ChildKey>,
    /// Children without which a workload cannot start.
    of_workloads: BTreeSet<ChildKey>,
}

impl Blockers {
    pub(super) fn of(results: &[ChildResult], applier: Applier<'_>) -> Self {
        let serves_as_it_is = |child: &ChildKey| {
            let record = applier.child_client.store.get(child);
            dependencies::serves_as_it_is(child.kind) && record.is_some_and(|record| is_usable(&record, applier.id()))
        };
        let blocked = results.iter().filter_map(ChildResult::blocked_child);
        Self {
            unowned: results.iter().filter_map(ChildResult::unowned_child).cloned().collect(),
            of_workloads: blocked.filter(|child| !serves_as_it_is(child)).cloned().collect(),
        }
    }

    /// The blockers that `item` needs. Empty when nothing would start or change: without pods, or when it already is as
    /// desired.
    pub(super) fn of_item(&self, applier: Applier<'_>, item: &Item, items: &[Item]) -> BTreeSet<ChildKey> {
        let blockers = if dependencies::is_workload(item.key.kind) {
            &self.of_workloads
        } else {
            &self.unowned
        };
        let is_as_desired = |record: &Record| {
            // A Job is never changed.
            let is_same = item.key.kind == Kind::Job
                || item.is_applied_in(record)
                || adjust::with_running_render_image(applier, item, record).is_some();
            is_usable(record, applier.id()) && is_same
        };
        if blockers.is_empty() || item.asks_for_no_pods() {
            return BTreeSet::new();
        }
        if applier
            .child_client
            .store
            .get(&item.key)
            .as_ref()
            .is_some_and(is_as_desired)
        {
            return BTreeSet::new();
        }
        let needs = dependencies::needs(item, items);
        needs.intersection(blockers).cloned().collect()
    }
}
