//! When a drive is reconciled again.
//!
//! Watches requeue the drive on every change. Only time-based work needs an explicit requeue.

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use kube::runtime::controller::Action;
use ras_core::applied::ApplyOutcome;
use ras_core::backoff;
use ras_core::fetched::record::DeploymentState;
use ras_core::plan::{Plan, listeners, secret_rotation};
use ras_core::report::Observed;
use ras_core::retry::Retry;
use ras_crds::{ConditionType, RecruitmentDriveStatus};

use crate::controller::context::Context;
use crate::controller::outage_requeue;
use crate::controller::record::keeps_the_record;
use crate::controller::scope::Scope;
use crate::informer::store::DriveKey;
use crate::telemetry::metrics::ReconcileResult;

/// How long Kubernetes' controllers may take to observe what was just written before the status reports it as it stands. A status
/// written before that is outdated within moments, and costs a write and an event for each Deployment.
const SETTLE: Duration = Duration::from_secs(2);

/// How long the status is put off, if it is: it differs only in what is there for people to read, and changes soon.
pub fn defers_status(scope: &Scope<'_>, observed: &Observed, status: &RecruitmentDriveStatus) -> Option<Duration> {
    let changes_soon =
        is_unsettled(observed) || has_just_stopped(observed, &scope.before) || is_being_checked(observed);
    if !changes_soon || !keeps_the_record(&scope.before, status) {
        return None;
    }
    let waited = scope.context.cache.defers_status(scope.key, scope.uid);
    (waited < SETTLE).then(|| SETTLE.saturating_sub(waited))
}

/// True if a controller has not yet observed the last write.
fn is_unsettled(observed: &Observed) -> bool {
    let is_behind = |state: &DeploymentState| state.observed_generation < state.generation;
    let server = observed.server.as_ref();
    observed.deployments.values().any(is_behind)
        || server.is_some_and(|server| server.observed_generation < server.generation)
}

/// True while ports are checked for the first time after a rollout, which mostly takes milliseconds.
fn is_being_checked(observed: &Observed) -> bool {
    let mut services = observed
        .listeners
        .iter()
        .filter(|seen| !seen.keeps)
        .flat_map(|seen| seen.services.values());
    services.any(|known| *known == listeners::Known::Unchecked)
}

/// True if the database server was ready in the last status and has no ready pod now. A short interruption is not
/// reported.
fn has_just_stopped(observed: &Observed, before: &RecruitmentDriveStatus) -> bool {
    let name = ConditionType::DatabaseReady.as_str();
    let was_there = before.conditions.iter().any(|one| one.type_ == name && one.is_true());
    was_there && observed.server.as_ref().is_some_and(|server| server.ready == 0)
}

/// When a drive that was applied is reconciled again. `changes_at` is when time alone changes what is reported.
pub fn after(
    key: &DriveKey,
    plan: &Plan<'_>,
    outcome: &ApplyOutcome,
    changes_at: Option<Timestamp>,
    context: &Context,
) -> (ReconcileResult, Action) {
    let now = plan.calendar.now;
    let changes = &outcome.changes;
    if outcome.blocked.is_empty() {
        context.cache.succeeded(key);
        let counted = if changes.is_empty() {
            ReconcileResult::Unchanged
        } else {
            ReconcileResult::Changed
        };
        let at = plan.next_wake_up.into_iter().chain(changes_at).min();
        // Fields that were left to others are tried again although nothing may happen.
        let conflicts = outcome.conflicts.iter().map(|conflict| conflict.again);
        let waits = at
            .map(|at| secret_rotation::wait_for(at, now))
            .into_iter()
            .chain(conflicts);
        return (counted, waits.min().map_or_else(Action::await_change, Action::requeue));
    }
    if outcome.is_final() {
        return (ReconcileResult::Blocked, Action::await_change());
    }
    if outcome.blocked.iter().any(|one| one.retry == Retry::WhenReached) {
        return (
            ReconcileResult::Blocked,
            Action::requeue(outage_requeue::wait(key, context)),
        );
    }
    let changes_in = changes_at.map_or(Duration::MAX, |at| secret_rotation::wait_for(at, now));
    let failures = context.cache.failed(key);
    let wait = if outcome.blocked.iter().any(|one| one.retry == Retry::Soon) {
        backoff::wait(failures, key)
    } else {
        backoff::longest(key)
    };
    (ReconcileResult::Blocked, Action::requeue(wait.min(changes_in)))
}

/// Again at this time, or when something changes.
pub fn at(changes_at: Option<Timestamp>, now: Timestamp) -> Action {
    changes_at.map_or_else(Action::await_change, |at| {
        Action::requeue(secret_rotation::wait_for(at, now))
    })
}
