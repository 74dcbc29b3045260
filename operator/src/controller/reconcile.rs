//! One reconcile: fetch, validate, plan, build, apply, report.

use std::sync::Arc;
use std::time::{Duration, Instant};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use kube::Resource;
use kube::runtime::controller::Action;
use ras_core::build::Desired;
use ras_core::plan::data::Data;
use ras_core::plan::{Plan, plan};
use ras_core::report::{self, ReconcileOutcome};
use ras_core::validate::validate;
use ras_core::{backoff, build};
use tokio::sync::Semaphore;

use crate::apply::AppliedCredentials;
use crate::controller::context::Context;
use crate::controller::drive_watch;
use crate::controller::packed::Packed;
use crate::controller::reconcile_error::{Error, LIMIT};
use crate::controller::scope::Scope;
use crate::controller::status_writer::{self, Patched, StatusUpdate};
use crate::controller::stored_drive::{SpecError, StoredDrive, WithoutSpec};
use crate::controller::{cleanup, events, finalizer, live_read, outage_requeue, requeue};
use crate::informer::store::DriveKey;
use crate::telemetry::metrics::ReconcileResult;

/// Bytes of a spec from which a drive counts as large. The largest of the examples has 9 KiB.
const LARGE: usize = 32 * 1024;
/// How many large drives are reconciled at the same time: one takes a hundred times the memory of its spec meanwhile.
static LARGE_TURNS: Semaphore = Semaphore::const_new(2);
/// When a large drive asks again whether it is its turn. It waits in no queue that small ones wait in.
const NEXT_TURN: Duration = Duration::from_millis(250);

/// Reconciles a drive, within its time limit.
pub async fn reconcile(drive: Arc<Packed>, context: Arc<Context>) -> Result<Action, Error> {
    let started = Instant::now();
    let key = drive_watch::key(&*drive);
    let turn = (drive.size() > LARGE).then(|| LARGE_TURNS.try_acquire());
    if let Some(Err(_)) = turn {
        return Ok(Action::requeue(NEXT_TURN));
    }
    let meta = drive.meta();
    if meta.deletion_timestamp.is_none() && context.cache.is_closing(&key, meta.uid.as_deref().unwrap_or_default()) {
        // Each child that Kubernetes takes away requeues the drive, and none can be created again.
        return Ok(Action::await_change());
    }
    context.cache.begins(&key, context.api_health.recoveries());
    let opened = drive.open();
    let (counted, action) = match tokio::time::timeout(LIMIT, Box::pin(step(&key, &opened, &context))).await {
        Ok(Ok((counted, action))) => (counted, Ok(action)),
        Ok(Err(error)) => (ReconcileResult::Failed, Err(error)),
        Err(_) => (ReconcileResult::Failed, Err(Error::TimedOut)),
    };
    let seconds = started.elapsed().as_secs_f64();
    context.child_client.metrics.reconciled(counted, seconds);
    action
}

/// Requeues a failed drive with exponential back-off and jitter.
pub fn on_error(drive: &Packed, error: &Error, context: &Context) -> Action {
    let key = drive_watch::key(drive);
    let wait = if error.is_unreached() {
        outage_requeue::wait(&key, context)
    } else {
        backoff::wait(context.cache.failed(&key), &key)
    };
    tracing::warn!(drive = %key, %error, retry_in = ?wait, "reconcile failed");
    Action::requeue(wait)
}

async fn step(key: &DriveKey, stored: &StoredDrive, context: &Context) -> Result<(ReconcileResult, Action), Error> {
    if stored.meta().deletion_timestamp.is_some() {
        return cleanup::cleanup(key, stored, context).await;
    }
    let drive = match &stored.0 {
        Ok(drive) => drive,
        Err(stored) => return without_spec(key, stored, context).await,
    };
    let scope = Scope::open(key, drive, context).await;
    let fetched = scope.fetch();
    let validated = validate(scope.written, &fetched, &scope.platform);
    if scope.drive.spec.is_paused() {
        let plan = validated.as_ref().ok().map(|valid| plan(valid, &fetched));
        return paused(&scope, plan.as_ref()).await;
    }
    let valid = match validated {
        Ok(valid) => valid,
        Err(errors) => return report_only(&scope, &ReconcileOutcome::Invalid(&errors)).await,
    };
    let plan = plan(&valid, &fetched);
    if !finalizer::set(key, &drive.metadata, finalizer::is_needed(&plan), context).await? {
        return Ok((ReconcileResult::Changed, Action::requeue(backoff::wait(1, key))));
    }
    let desired = build::build(&plan);
    if !live_read::may_generate(&scope, &desired).await? {
        return Ok((ReconcileResult::Changed, Action::requeue(live_read::CATCH_UP)));
    }
    let data = scope.data();
    let credentials = scope.applier().credentials(&desired, &data).await?;
    if !credentials.were_written() {
        return apply_and_report(&scope, &plan, desired, data, credentials).await;
    }
    Box::pin(plan_again(&scope, data, credentials)).await
}

/// Applies by a second plan: pods are stamped with the credentials that are there now, so this spares a second write of each
/// Deployment.
async fn plan_again(
    scope: &Scope<'_>,
    data: Data,
    credentials: AppliedCredentials,
) -> Result<(ReconcileResult, Action), Error> {
    let fetched = scope.fetch();
    match validate(scope.written, &fetched, &scope.platform) {
        Ok(valid) => {
            let plan = plan(&valid, &fetched);
            apply_and_report(scope, &plan, build::build(&plan), data, credentials).await
        }
        // Something else became wrong in this very moment: the next reconcile reports it.
        Err(_) => Ok((ReconcileResult::Changed, Action::requeue(Duration::ZERO))),
    }
}

async fn apply_and_report(
    scope: &Scope<'_>,
    plan: &Plan<'_>,
    desired: Desired,
    data: Data,
    credentials: AppliedCredentials,
) -> Result<(ReconcileResult, Action), Error> {
    let Scope { key, context, uid, .. } = *scope;
    if !live_read::may_apply(scope, &desired).await? {
        return Ok((ReconcileResult::Changed, Action::requeue(live_read::CATCH_UP)));
    }
    let generated = credentials.were_written();
    let outcome = scope
        .applier()
        .apply(desired, &plan.fetched.buckets, credentials, &data)
        .await?;
    context.cache.closes(key, uid, outcome.is_final());
    events::applied(&outcome, &scope.before, key, &scope.drive, context);
    // What was just written may have changed what there is.
    let data = if outcome.changes.is_empty() { data } else { scope.data() };
    let observed = scope.observe(data, Some(plan));
    let result = ReconcileOutcome::Applied {
        plan,
        outcome: &outcome,
    };
    let status = scope.status(&observed, &result);
    // Names of buckets have to be in status before they are made, and whose turn it is to log in before they may.
    let is_awaited = outcome.buckets.are_unrecorded() || plan.awaits_record();
    if !is_awaited
        && outcome.blocked.is_empty()
        && let Some(wait) = requeue::defers_status(scope, &observed, &status)
    {
        context.cache.succeeded(key);
        let wait = if generated { Duration::ZERO } else { wait };
        return Ok((ReconcileResult::Changed, Action::requeue(wait)));
    }
    scope.update_status(status).await?;
    // What credentials that are there allow besides, the next reconcile finds; nothing else would requeue the drive.
    if (is_awaited || generated) && !outcome.is_final() {
        return Ok((ReconcileResult::Changed, Action::requeue(Duration::ZERO)));
    }
    let changes_at = observed.changes_at(&scope.drive, Some(plan), scope.now.0);
    Ok(requeue::after(key, plan, &outcome, changes_at, context))
}

/// `spec.paused`: the status alone is written.
async fn paused(scope: &Scope<'_>, plan: Option<&Plan<'_>>) -> Result<(ReconcileResult, Action), Error> {
    if let Some(buckets) = &scope.context.child_client.bucket_controller {
        buckets.forget(scope.key);
    }
    report_only(scope, &ReconcileOutcome::Paused(plan)).await
}

/// Reports a drive of which nothing is applied. It is reconciled again when time alone changes what is reported.
async fn report_only(scope: &Scope<'_>, outcome: &ReconcileOutcome<'_>) -> Result<(ReconcileResult, Action), Error> {
    let observed = scope.observe(scope.data(), outcome.plan());
    scope.update_status(scope.status(&observed, outcome)).await?;
    let changes_at = observed.changes_at(&scope.drive, outcome.plan(), scope.now.0);
    Ok((ReconcileResult::Blocked, requeue::at(changes_at, scope.now.0)))
}

/// The stored object does not decode, or is too large to be kept.
async fn without_spec(
    key: &DriveKey,
    stored: &WithoutSpec,
    context: &Context,
) -> Result<(ReconcileResult, Action), Error> {
    let now = Time(Timestamp::now());
    let mut before = status_writer::last(key, &stored.metadata, None, context);
    if before.buckets.is_empty() {
        // Or the names of its buckets would be forgotten, and with them what has to be removed one day.
        before.buckets = cleanup::stored_buckets(key, context).await?;
    }
    let update = StatusUpdate {
        key,
        meta: &stored.metadata,
        before: &before,
        suspended: false,
        patched: Patched::Merge,
    };
    let generation = stored.metadata.generation;
    let status = match &stored.error {
        SpecError::TooLarge(why) => report::too_large(why, generation, &before, &now),
        SpecError::Undecodable(error) => report::undecodable(error, generation, &before, &now),
    };
    update.write(status, context).await?;
    Ok((ReconcileResult::Blocked, Action::await_change()))
}
