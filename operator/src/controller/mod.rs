//! One reconcile is one walk: fetch, validate, build, apply, report.
//!
//! Everything a drive owns in Kubernetes carries an owner reference, so Kubernetes itself removes it when the drive
//! is deleted, even when the operator is gone, and what is to be retained carries none. Only a drive with buckets
//! that are to be deleted has a finalizer: see [`cleanup`].

pub mod backoff;
pub mod cleanup;
pub mod context;
pub mod drive_watch;
pub mod error;
pub mod events;
pub mod finalizer;
pub mod live_read;
pub mod outage_requeue;
pub mod rejections;
pub mod status_cache;

use std::sync::Arc;
use std::time::{Duration, Instant};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use k8s_openapi::jiff::Timestamp;
use kube::Api;
use kube::api::{Patch, PatchParams};
use kube::core::error_boundary::InvalidObject;
use kube::core::{DynamicObject, Resource};
use kube::runtime::controller::Action;
use ras_crds::{ConditionType, DatabaseState, RecruitmentDrive, RecruitmentDriveStatus};
use serde_json::{Value, json};

use crate::informer::api_errors::is_unreachable;
use crate::informer::observe::version;
use crate::informer::store::DriveKey;
use crate::telemetry::metrics::ReconcileResult as Counted;
use ras_core::fetched::facts::FIELD_MANAGER;
use ras_core::fetched::record::DeploymentState;

use crate::apply::{Applier, item::ItemError};
use crate::{fetch, listeners};
use context::Context;
use drive_watch::Stored;
use error::refusal;
use ras_core::applied::Outcome;
use ras_core::plan::{database_job, login_rotation, secret_rotation};
use ras_core::report::{Observed, ReconcileOutcome};
use ras_core::retry::Retry;
use ras_core::valid::ValidDrive;
use ras_core::{build, cache, report, validate};

/// How long a controller may take to look at what was just written before that is told as it stands. What would be told
/// until then is outdated within moments, and would cost a write and an event for each Deployment.
const SETTLE: Duration = Duration::from_secs(2);

/// Longest time one walk may take. kube's client has no limit of its own on a whole request.
const LIMIT: Duration = Duration::from_mins(1);

/// Why a walk did not reach its end. It is tried again with back-off.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The finalizer could not be written.
    #[error("the finalizer could not be written: {}", refusal(.0).message)]
    Finalizer(#[source] Box<kube::Error>),
    /// What was recorded of the drive could not be read.
    #[error("the drive could not be read: {}", refusal(.0).message)]
    Read(#[source] Box<kube::Error>),
    /// The status could not be written.
    #[error("the status could not be written: {}", refusal(.0).message)]
    Status(#[source] Box<kube::Error>),
    /// `build` made something that is no JSON.
    #[error(transparent)]
    Item(#[from] ItemError),
    /// The API server did not answer in time.
    #[error("the API server did not answer within {} s", LIMIT.as_secs())]
    TimedOut,
}

impl Error {
    /// Whether it says that the API server was not reached, and nothing of the drive.
    fn is_unreached(&self) -> bool {
        match self {
            Self::Finalizer(error) | Self::Read(error) | Self::Status(error) => is_unreachable(error),
            Self::TimedOut => true,
            Self::Item(_) => false,
        }
    }
}

/// Walks once.
pub async fn reconcile(drive: Arc<Stored>, context: Arc<Context>) -> Result<Action, Error> {
    let started = Instant::now();
    let key = drive_watch::key(&drive);
    let meta = drive.meta();
    if meta.deletion_timestamp.is_none() && context.memory.is_closing(&key, meta.uid.as_deref().unwrap_or_default()) {
        // Each child that Kubernetes takes away wakes the drive, and none can be created again.
        return Ok(Action::await_change());
    }
    context.memory.begins(&key, context.api_health.recoveries());
    let walked = match tokio::time::timeout(LIMIT, Box::pin(walk(&key, &drive, &context))).await {
        Ok(walked) => walked,
        Err(_) => Err(Error::TimedOut),
    };
    let (counted, action) = match walked {
        Ok((counted, action)) => (counted, Ok(action)),
        Err(error) => (Counted::Failed, Err(error)),
    };
    context
        .child_client
        .metrics
        .reconciled(counted, started.elapsed().as_secs_f64());
    action
}

/// What follows a failure: another try, later each time, and not for all drives at once.
pub fn on_error(drive: &Stored, error: &Error, context: &Context) -> Action {
    let key = drive_watch::key(drive);
    let wait = if error.is_unreached() {
        outage_requeue::wait(&key, context)
    } else {
        backoff::wait(context.memory.failed(&key), &key)
    };
    tracing::warn!(drive = %key, %error, retry_in = ?wait, "reconcile failed");
    Action::requeue(wait)
}

#[allow(clippy::too_many_lines, reason = "one line after the other, as the rooms are walked")]
async fn walk(key: &DriveKey, stored: &Stored, context: &Context) -> Result<(Counted, Action), Error> {
    let now = Time(Timestamp::now());
    if stored.meta().deletion_timestamp.is_some() {
        // Kubernetes is taking it apart; making anything anew would only be in the way.
        return cleanup::cleanup(key, stored, &now, context).await;
    }
    let drive = match &stored.0 {
        Ok(drive) => drive,
        Err(invalid) => return undecodable(key, invalid, &now, context).await,
    };
    let before = told(key, &drive.metadata, drive.status.as_ref(), context);
    // One and the same for the whole walk.
    let platform = context.platform.now();
    let whole = cache::expanded(drive, &platform.cache);
    let uid = drive.metadata.uid.as_deref().unwrap_or_default();
    context.rejections.read(&context.child_client, key, uid).await;
    let (fetched, observed) = fetch::fetch(key, &whole, &before, &now, context);
    let drive_as_written = drive;
    let validated = validate::validate(drive_as_written, &fetched, &platform);
    // What is told is told of all its services, the cache among them.
    let drive = &*whole;
    if drive.spec.is_paused() {
        if let Some(bucket_controller) = &context.child_client.bucket_controller {
            bucket_controller.forget(key);
        }
        let valid = validated.as_ref().ok();
        let observed = look_at_listeners(key, valid, observed, &before, context);
        let asked = valid.map(|valid| (valid, build::build(valid).held));
        let verdict = ReconcileOutcome::Paused {
            asked: asked.as_ref().map(|(valid, held)| (*valid, held)),
        };
        tell(key, drive, &observed, &verdict, &before, &now, context).await?;
        return Ok(asleep(drive, valid, &observed, now.0));
    }
    let valid = match &validated {
        Ok(valid) => valid,
        Err(problems) => {
            tell(
                key,
                drive,
                &observed,
                &ReconcileOutcome::Invalid(problems),
                &before,
                &now,
                context,
            )
            .await?;
            return Ok(asleep(drive, None, &observed, now.0));
        }
    };
    if !finalizer::set(key, &drive.metadata, finalizer::is_needed(valid), context).await? {
        // The drive changed meanwhile, and is looked at anew.
        return Ok((Counted::Changed, Action::requeue(backoff::wait(1, key))));
    }
    let desired = build::build(valid);
    if !live_read::may_draw(key, drive_as_written, &before, &desired, context).await? {
        return Ok((Counted::Changed, Action::requeue(live_read::CATCH_UP)));
    }
    let applier = Applier {
        child_client: &context.child_client,
        drive: key,
        uid,
    };
    let credentials = applier.credentials(&desired, &observed.data).await?;
    let credentials_were_written = credentials.were_written();
    // What pods need is there now, and what it is stamped with stands in their templates: without building anew a new drive
    // would take two walks, or write its Deployments twice.
    let anew = credentials_were_written.then(|| {
        let (fetched, _) = fetch::fetch(key, &whole, &before, &now, context);
        let validated = validate::validate(drive_as_written, &fetched, &platform);
        (fetched, validated)
    });
    let (fetched, valid, desired) = match &anew {
        Some((fetched, Ok(valid))) => (fetched, valid, build::build(valid)),
        // Something else became wrong in this very moment: the next walk tells what.
        Some((_, Err(_))) => return Ok((Counted::Changed, Action::requeue(Duration::ZERO))),
        None => (&fetched, valid, desired),
    };
    if !live_read::may_apply(key, drive_as_written, &before, &desired, context).await? {
        return Ok((Counted::Changed, Action::requeue(live_read::CATCH_UP)));
    }
    let buckets = &fetched.buckets;
    let outcome = applier.apply(desired, buckets, credentials, &observed.data).await?;
    context.memory.closes(key, uid, outcome.is_final());
    events::changes(&outcome, key, drive, context);
    events::regenerated(&outcome, &before, key, drive, context);
    events::buckets(&outcome, key, drive, context);
    // What was just written may have changed what is observed.
    let observed = if outcome.changes.is_empty() {
        observed
    } else {
        fetch::fetch(key, drive, &before, &now, context).1
    };
    let observed = look_at_listeners(key, Some(valid), observed, &before, context);
    let verdict = ReconcileOutcome::Applied {
        valid,
        outcome: &outcome,
    };
    let status = report::status(drive, &observed, &verdict, &before, &now);
    // Names of buckets have to be in status before they are made, and whose turn it is to log in before they may.
    let is_awaited = outcome.buckets.are_unrecorded() || login_rotation::standing(valid).goes_on();
    let may_wait = !is_awaited && outcome.blocked.is_empty() && keeps_the_record(&before, &status);
    let changes_soon = is_unsettled(&observed) || has_just_stopped(&observed, &before) || is_being_checked(&observed);
    if may_wait && changes_soon {
        let waited = context.memory.waits_to_tell(key, uid);
        if waited < SETTLE {
            context.memory.succeeded(key);
            let left = SETTLE.saturating_sub(waited);
            let left = if credentials_were_written { Duration::ZERO } else { left };
            return Ok((Counted::Changed, Action::requeue(left)));
        }
    }
    let suspended = drive.spec.is_suspended();
    show(key, &drive.metadata, status, &before, suspended, Way::Apply, context).await?;
    // What credentials that are there allow besides, a next look finds; nobody else would wake the drive.
    if (is_awaited || credentials_were_written) && !outcome.is_final() {
        return Ok((Counted::Changed, Action::requeue(Duration::ZERO)));
    }
    let again = observed.changes_at(drive, Some(valid), now.0);
    Ok(next(key, valid, &outcome, again, context))
}

/// Tells that the stored object does not decode.
async fn undecodable(
    key: &DriveKey,
    invalid: &InvalidObject,
    now: &Time,
    context: &Context,
) -> Result<(Counted, Action), Error> {
    let mut before = told(key, &invalid.metadata, None, context);
    if before.buckets.is_empty() {
        // Or the names of its buckets would be forgotten, and with them what has to be removed one day.
        before.buckets = cleanup::stored_buckets(key, context).await?;
    }
    let status = report::undecodable(&invalid.error, invalid.metadata.generation, &before, now);
    show(key, &invalid.metadata, status, &before, false, Way::Merge, context).await?;
    Ok((Counted::Blocked, Action::await_change()))
}

/// Whether a controller has yet to look at what was written last.
fn is_unsettled(observed: &Observed) -> bool {
    let is_behind = |state: &DeploymentState| state.observed_generation < state.generation;
    let server = observed.server.as_ref();
    observed.deployments.values().any(is_behind)
        || server.is_some_and(|server| server.observed_generation < server.generation)
}

/// Has the ports of the drive's services checked, and adds what is known of them.
fn look_at_listeners(
    key: &DriveKey,
    valid: Option<&ValidDrive>,
    observed: Observed,
    before: &RecruitmentDriveStatus,
    context: &Context,
) -> Observed {
    let listeners = valid.and_then(|valid| listeners::follow(key, valid, &observed.deployments, before, context));
    Observed {
        refused_before: report::listeners::refused_since(before),
        listeners,
        ..observed
    }
}

/// Whether ports are being checked for the first time since a rollout. Mostly that takes milliseconds.
fn is_being_checked(observed: &Observed) -> bool {
    let mut services = observed
        .listeners
        .iter()
        .filter(|seen| !seen.keeps)
        .flat_map(|seen| seen.services.values());
    services.any(|known| *known == ras_core::plan::listeners::Known::Unchecked)
}

/// Whether the database server was there when that was told last, and has no ready pod now. One that is back within moments is
/// not told of.
fn has_just_stopped(observed: &Observed, before: &RecruitmentDriveStatus) -> bool {
    let name = ConditionType::DatabaseReady.as_str();
    let was_there = before.conditions.iter().any(|one| one.type_ == name && one.is_true());
    was_there && observed.server.as_ref().is_some_and(|server| server.ready == 0)
}

/// Whether two statuses differ at most in what is there for people to read: everything else is a record that later steps
/// rely on, and is never put off.
fn keeps_the_record(before: &RecruitmentDriveStatus, status: &RecruitmentDriveStatus) -> bool {
    let migrations = |status: &RecruitmentDriveStatus| -> Vec<_> {
        let services = status.services.iter();
        services
            .filter_map(|service| Some((service.name.clone(), service.migration.clone()?)))
            .collect()
    };
    // That a server does not answer is nothing to rely on.
    let database = |status: &RecruitmentDriveStatus| {
        let mut database = status.database.clone()?;
        for line in &mut database.databases {
            if line.message.as_deref() == Some(database_job::SERVER_DOWN) {
                line.message = None;
                line.state = DatabaseState::Ready;
            }
        }
        Some(database)
    };
    before.buckets == status.buckets
        && database(before) == database(status)
        && before.secrets == status.secrets
        && migrations(before) == migrations(status)
}

/// When to look again. Everything that can happen wakes the drive by itself but time; what is in the way may not.
/// `again` is when what is reported changes next without any news.
fn next(
    key: &DriveKey,
    valid: &ValidDrive,
    outcome: &Outcome,
    again: Option<Timestamp>,
    context: &Context,
) -> (Counted, Action) {
    let now = valid.calendar.now;
    let changes = &outcome.changes;
    if outcome.blocked.is_empty() {
        context.memory.succeeded(key);
        let counted = if changes.is_empty() {
            Counted::Unchanged
        } else {
            Counted::Changed
        };
        let check = database_job::of(valid).and_then(|preparation| preparation.next_check);
        let at = valid.next_rotation().into_iter().chain(check).chain(again).min();
        // Fields that were left to others are tried again although nothing may happen.
        let conflicts = outcome.conflicts.iter().map(|conflict| conflict.again);
        let waits = at
            .map(|at| secret_rotation::wait_for(at, now))
            .into_iter()
            .chain(conflicts);
        return (counted, waits.min().map_or_else(Action::await_change, Action::requeue));
    }
    if outcome.is_final() {
        return (Counted::Blocked, Action::await_change());
    }
    if outcome.blocked.iter().any(|one| one.retry == Retry::WhenReached) {
        return (Counted::Blocked, Action::requeue(outage_requeue::wait(key, context)));
    }
    let again = again.map_or(Duration::MAX, |at| secret_rotation::wait_for(at, now));
    let failures = context.memory.failed(key);
    let wait = if outcome.blocked.iter().any(|one| one.retry == Retry::Soon) {
        backoff::wait(failures, key)
    } else {
        backoff::longest(key)
    };
    (Counted::Blocked, Action::requeue(wait.min(again)))
}

/// Nothing is changed in the drive: it is looked at again when what is reported changes by time alone.
fn asleep(
    drive: &RecruitmentDrive,
    valid: Option<&ValidDrive>,
    observed: &Observed,
    now: Timestamp,
) -> (Counted, Action) {
    let action = match observed.changes_at(drive, valid, now) {
        Some(at) => Action::requeue(secret_rotation::wait_for(at, now)),
        None => Action::await_change(),
    };
    (Counted::Blocked, action)
}

/// The status that was told of a drive last; the stored one, when nothing is remembered.
fn told(
    key: &DriveKey,
    meta: &ObjectMeta,
    stored: Option<&RecruitmentDriveStatus>,
    context: &Context,
) -> RecruitmentDriveStatus {
    let uid = meta.uid.as_deref().unwrap_or_default();
    let remembered = context.memory.get(key, uid).map(|known| known.told.status);
    remembered
        .filter(|status| *status != RecruitmentDriveStatus::default())
        .unwrap_or_else(|| stored.cloned().unwrap_or_default())
}

async fn tell(
    key: &DriveKey,
    drive: &RecruitmentDrive,
    observed: &Observed,
    verdict: &ReconcileOutcome<'_>,
    before: &RecruitmentDriveStatus,
    now: &Time,
    context: &Context,
) -> Result<(), Error> {
    let status = report::status(drive, observed, verdict, before, now);
    let suspended = drive.spec.is_suspended();
    show(key, &drive.metadata, status, before, suspended, Way::Apply, context).await
}

/// How a status gets to the API server.
#[derive(Clone, Copy, Debug)]
enum Way {
    /// Applied: what is no longer told goes.
    Apply,
    /// Merged into what is there, the conditions alone: nothing can be applied to an object that does not fit its
    /// definition (the API server answers 500).
    Merge,
}

/// Writes the status, when it differs from what is there.
async fn show(
    key: &DriveKey,
    meta: &ObjectMeta,
    status: RecruitmentDriveStatus,
    before: &RecruitmentDriveStatus,
    suspended: bool,
    way: Way,
    context: &Context,
) -> Result<(), Error> {
    let uid = meta.uid.as_deref().unwrap_or_default();
    context
        .child_client
        .metrics
        .update_status(key, &status, before, suspended);
    let mut made = None;
    if status != *before || !context.memory.is_sure(key, uid) {
        // The first write of this process is refused where the status is not the one that it was decided by. From then on
        // nobody else writes it.
        let unread = !context.memory.has_written(key, uid);
        let expected = meta.resource_version.as_deref().filter(|_| unread);
        let (params, patch) = match way {
            Way::Apply => (
                PatchParams::apply(FIELD_MANAGER).force(),
                Patch::Apply(body(key, uid, expected, &status)),
            ),
            Way::Merge => {
                let told = json!({
                    "buckets": status.buckets,
                    "conditions": status.conditions,
                    "observedGeneration": status.observed_generation,
                });
                let params = PatchParams {
                    field_manager: Some(FIELD_MANAGER.to_owned()),
                    ..PatchParams::default()
                };
                let mut metadata = json!({"uid": uid});
                expect_version(&mut metadata, expected);
                (params, Patch::Merge(json!({"metadata": metadata, "status": told})))
            }
        };
        let resource = kube::core::ApiResource::erase::<RecruitmentDrive>(&());
        let api: Api<DynamicObject> =
            Api::namespaced_with(context.child_client.client.clone(), &key.namespace, &resource);
        // Until its answer is here: the walk may end before that, and so may the connection.
        context.memory.tells(key, uid);
        match api.patch_status(&key.name, &params, &patch).await {
            Ok(answer) => {
                context.child_client.metrics.wrote("RecruitmentDrive", "status");
                made = Some(version(&answer.metadata));
            }
            Err(kube::Error::Api(answer)) if answer.code == 409 && expected.is_some() => {
                return look_again(key, uid, context).await;
            }
            // Deleted, or made anew, meanwhile: there is nobody left to tell.
            Err(kube::Error::Api(answer)) if matches!(answer.code, 404 | 409) => return Ok(()),
            // The object is so far from its definition that nothing of it can be written. An event still can.
            Err(kube::Error::Api(answer)) if answer.code == 422 && matches!(way, Way::Merge) => {
                tracing::warn!(drive = %key, error = answer.message, "the status could not be written");
            }
            Err(error) => return Err(Error::Status(Box::new(error))),
        }
        events::readiness(&status, before, key, meta, context);
        events::data(&status, before, key, meta, context);
        events::logins(&status, before, key, meta, context);
        events::databases(&status, before, key, meta, context);
        events::conflicts(&status, before, key, meta, context);
    }
    context.memory.shown(key, uid, status, made);
    Ok(())
}

/// The drive changed since it was looked at: remembers the status that it has now, and looks again.
async fn look_again(key: &DriveKey, uid: &str, context: &Context) -> Result<(), Error> {
    if let Some(live) = live_read::read(key, context).await?
        && live.metadata.uid.as_deref() == Some(uid)
    {
        let now = version(&live.metadata);
        context.memory.learned(key, uid, live.status.unwrap_or_default(), now);
        let _ = context.queue.send(key.clone());
    }
    Ok(())
}

/// Has a write refused when the object has another version. A `null` would take the version away, and be refused always.
fn expect_version(metadata: &mut Value, expected: Option<&str>) {
    if let (Some(expected), Some(metadata)) = (expected, metadata.as_object_mut()) {
        metadata.insert("resourceVersion".to_owned(), expected.into());
    }
}

fn body(key: &DriveKey, uid: &str, expected: Option<&str>, status: &RecruitmentDriveStatus) -> Value {
    let mut metadata = json!({"name": &*key.name, "namespace": &*key.namespace, "uid": uid});
    expect_version(&mut metadata, expected);
    json!({
        "apiVersion": RecruitmentDrive::api_version(&()),
        "kind": RecruitmentDrive::kind(&()),
        "metadata": metadata,
        "status": status,
    })
}
