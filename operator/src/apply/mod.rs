//! Room 4, `apply`: the only place that writes children.
//!
//! A child that is as it should be costs no request. One that cannot be written holds up only those that need it (see
//! `uses`): what is in the way is collected and told all at once.

pub mod buckets;
pub mod child_client;
pub mod contest;
mod credential;
pub mod decide;
mod deferred;
mod frozen;
pub mod item;
mod pace;
pub mod random;
mod scale;
mod uses;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use futures::StreamExt;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry;
use ras_crds::Reason;
use serde_json::Value;

use crate::controller::error::{Refusal, refusal};
use crate::informer::field_takers;
use crate::informer::store::DriveKey;
use ras_core::applied::{Blocked, Changes, Outcome, Taken};
use ras_core::build::labels::{APPLIED, DRIVE};
use ras_core::build::{Applied, Desired, Prepared};
use ras_core::fetched::facts::ExternalSecretsVersion;
use ras_core::fetched::facts::FIELD_MANAGER;
use ras_core::fetched::pods::PodFailure;
use ras_core::fetched::record::{ChildKey, Detail, Owner, Record};
use ras_core::kind::Kind;
use ras_core::names;
use ras_core::plan::data::Data;
use ras_core::retry::Retry;

use buckets::Recorded;
use child_client::{ChildClient, is_conflict};
use contest::Judgement;
use decide::{Asker, Step, decide, is_taken_for_an_application, is_usable, may_prune};
use item::{Item, ItemError};

/// Requests under way at a time for one drive.
const AT_A_TIME: usize = 8;
/// How often a child is looked at anew when it changes under our hands.
const LOOKS: usize = 5;

/// What came of the generated credentials, which come before everything else.
#[derive(Debug, Default)]
pub struct Credentials {
    wanted: BTreeSet<ChildKey>,
    done: Vec<Done>,
}

impl Credentials {
    /// Whether one was made, given a key that it lacked, put right, or drawn anew.
    pub fn were_written(&self) -> bool {
        self.done.iter().any(|done| {
            matches!(
                done,
                Done::Created(_) | Done::Updated(_) | Done::Repaired(..) | Done::Rotated(_)
            )
        })
    }
}

fn blocked(child: &ChildKey, refusal: Refusal) -> Blocked {
    Blocked {
        child: child.clone(),
        reason: refusal.reason,
        message: refusal.message,
        retry: refusal.retry,
    }
}

#[derive(Debug)]
enum Done {
    Nothing,
    Created(ChildKey),
    Updated(ChildKey),
    Repaired(ChildKey, Vec<Taken>),
    Rotated(ChildKey),
    Removed(ChildKey),
    Blocked(Blocked),
}

impl Done {
    /// The child that could not be written because somebody else has its name.
    fn unowned(&self) -> Option<&ChildKey> {
        let Self::Blocked(blocked) = self else { return None };
        (blocked.reason == Reason::ForeignObject).then_some(&blocked.child)
    }

    /// Whether nothing more can be written in the namespace.
    fn is_final(&self) -> bool {
        matches!(self, Self::Blocked(blocked) if blocked.retry == Retry::Never)
    }

    /// The child that could not be written, whatever the reason.
    fn blocked(&self) -> Option<&ChildKey> {
        let Self::Blocked(blocked) = self else { return None };
        Some(&blocked.child)
    }
}

/// Children that could not be written, and hold up those that need them.
#[derive(Debug, Default)]
struct InTheWay {
    /// Those whose names somebody else has.
    unowned_objects: BTreeSet<ChildKey>,
    /// All without which a workload cannot start.
    blocked: BTreeSet<ChildKey>,
}

impl InTheWay {
    fn of(done: &[Done], known: impl Fn(&ChildKey) -> Option<Record>, asker: Asker<'_>) -> Self {
        let does = |child: &ChildKey| {
            uses::does_as_it_is(child.kind) && known(child).is_some_and(|record| is_usable(&record, asker))
        };
        Self {
            unowned_objects: done.iter().filter_map(Done::unowned).cloned().collect(),
            blocked: done
                .iter()
                .filter_map(Done::blocked)
                .filter(|child| !does(child))
                .cloned()
                .collect(),
        }
    }

    /// What `item` has to wait for, given what is remembered of it.
    fn of_item(
        &self,
        child_client: &ChildClient,
        item: &Item,
        items: &[Item],
        record: Option<&Record>,
        asker: Asker<'_>,
    ) -> BTreeSet<ChildKey> {
        let in_the_way = if uses::is_workload(item.key.kind) {
            &self.blocked
        } else {
            &self.unowned_objects
        };
        // Nothing starts where no pod is asked for, and nothing that runs changes where the same is asked for again.
        let is_as_asked = |record: &Record| {
            // A Job is never changed.
            let is_same = item.key.kind == Kind::Job
                || is_applied(item, record)
                || as_it_renders(child_client, item, record, asker).is_some();
            is_usable(record, asker) && is_same
        };
        if in_the_way.is_empty() || item.asks_for_no_pods() || record.is_some_and(is_as_asked) {
            return BTreeSet::new();
        }
        let needs = uses::needs(item, items);
        needs.intersection(in_the_way).cloned().collect()
    }
}

/// Whether just this was applied last.
fn is_applied(item: &Item, record: &Record) -> bool {
    record.applied.as_deref() == Some(item.hash.as_str())
}

/// Brings the generated credentials of the drive `key` with this `uid` to what is desired.
pub async fn credentials(
    child_client: &ChildClient,
    key: &DriveKey,
    uid: &str,
    desired: &Desired<Prepared>,
    data: &Data,
) -> Result<Credentials, ItemError> {
    let asker = Asker { name: &key.name, uid };
    let credentials = credential::items(desired)?;
    let frozen = data.frozen_children(&key.namespace);
    let mut work = Vec::new();
    for credential in credentials.iter().filter(|one| !frozen.contains(&one.item.key)) {
        work.push(credential::place(child_client, credential, asker));
    }
    Ok(Credentials {
        done: all(work).await,
        wanted: credentials.into_iter().map(|credential| credential.item.key).collect(),
    })
}

/// Brings the other children of the drive `key` with this `uid` to what is desired.
pub async fn apply(
    child_client: &ChildClient,
    key: &DriveKey,
    uid: &str,
    desired: Desired<Prepared>,
    recorded: &Recorded,
    credentials: Credentials,
    data: &Data,
) -> Result<Outcome, ItemError> {
    let asker = Asker { name: &key.name, uid };
    let buckets = buckets::ask(child_client, key, uid, &desired, recorded);
    let items = items(&desired)?;
    let mut left = deferred::left(&items, &desired.blocked, asker, |key| child_client.store.get(key));
    let frozen = frozen::frozen(&items, &data.frozen_children(&key.namespace));
    left.extend(frozen.iter().cloned());
    let mut wanted: BTreeSet<ChildKey> = items.iter().map(|item| item.key.clone()).collect();
    wanted.extend(credentials.wanted);
    let mut done = credentials.done;

    let kept = desired.kept_jobs.iter();
    // With the files they read.
    wanted.extend(
        kept.flat_map(|name| [Kind::Job, Kind::ConfigMap].map(|kind| ChildKey::new(kind, &key.namespace, name))),
    );

    // Programs start only after what they use is there; who points at them comes last.
    let mut waiting: BTreeMap<ChildKey, BTreeSet<ChildKey>> = BTreeMap::new();
    for stage in [
        [
            Kind::ServiceAccount,
            Kind::ExternalSecret,
            Kind::ExternalSecretBeta,
            Kind::ConfigMap,
            Kind::PersistentVolumeClaim,
            Kind::NetworkPolicy,
            Kind::Service,
        ]
        .as_slice(),
        &[Kind::StatefulSet, Kind::Cluster],
        &[Kind::Job],
        &[Kind::Deployment],
        &[
            Kind::HorizontalPodAutoscaler,
            Kind::PodDisruptionBudget,
            Kind::ScheduledBackup,
            Kind::Ingress,
            Kind::ServiceMonitor,
            Kind::PrometheusRule,
        ],
    ] {
        if done.iter().any(Done::is_final) {
            break;
        }
        let in_the_way = InTheWay::of(&done, |key| child_client.store.get(key), asker);
        let (mut work, mut held) = (Vec::new(), Vec::new());
        for item in items.iter().filter(|item| stage.contains(&item.key.kind)) {
            if left.contains(&item.key) {
                continue;
            }
            let lacking = in_the_way.of_item(
                child_client,
                item,
                &items,
                child_client.store.get(&item.key).as_ref(),
                asker,
            );
            if lacking.is_empty() {
                let handover = desired.replica_handovers.get(&*item.key.name).copied();
                work.push(place(child_client, item, asker, handover));
            } else {
                held.push(unowned(child_client, item, asker));
                waiting.insert(item.key.clone(), lacking);
            }
        }
        done.extend(all(work).await);
        done.extend(all(held).await);
    }
    let mut work = Vec::new();
    let is_frozen = |name: &str| frozen.contains(&ChildKey::new(Kind::Deployment, &key.namespace, name));
    for (name, scale) in desired.scales.iter().filter(|(name, _)| !is_frozen(name)) {
        work.push(scale::place(child_client, key, name, *scale, asker));
    }
    done.extend(all(work).await);
    done.extend(prune(child_client, key, &wanted, asker).await);
    let conflicts = child_client.contests.of(wanted.iter(), Instant::now());
    Ok(outcome(desired.applied(), done, waiting, conflicts, buckets))
}

/// Does some work, a few pieces at a time. None of it begins once the namespace takes nothing new any more.
async fn all(work: Vec<impl Future<Output = Done>>) -> Vec<Done> {
    let closed = AtomicBool::new(false);
    let closed = &closed;
    let pieces = work.into_iter().map(|piece| async move {
        if closed.load(Ordering::Relaxed) {
            return Done::Nothing;
        }
        let done = piece.await;
        if done.is_final() {
            closed.store(true, Ordering::Relaxed);
        }
        done
    });
    futures::stream::iter(pieces)
        .buffer_unordered(AT_A_TIME)
        .collect()
        .await
}

/// Every child but the credentials. Destructured without `..`, so that a new kind of child cannot be forgotten.
fn items(desired: &Desired<Prepared>) -> Result<Vec<Item>, ItemError> {
    let Desired {
        service_account,
        external_secrets,
        credentials: _, // Their values are drawn when they are made: see `credential`.
        config_maps,
        volume_claims,
        network_policies,
        services,
        stateful_sets,
        clusters,
        scheduled_backups,
        jobs,
        deployments,
        autoscalers,
        disruption_budgets,
        ingress,
        service_monitors,
        prometheus_rule,
        buckets: _,         // They are no objects of Kubernetes: see `buckets`.
        bucket_removals: _, // As buckets.
        blocked: _,
        kept_jobs: _, // They are not made: see `apply`.
        replica_handovers: _,
        scales: _, // Their Deployments are left as they are otherwise: see `scale`.
        state: _,
    } = desired;
    let mut items = vec![Item::new(Kind::ServiceAccount, service_account)?];
    for object in external_secrets {
        let kind = match object.version() {
            ExternalSecretsVersion::V1 => Kind::ExternalSecret,
            ExternalSecretsVersion::V1Beta1 => Kind::ExternalSecretBeta,
        };
        items.push(Item::new(kind, object)?);
    }
    for object in config_maps {
        items.push(Item::new(Kind::ConfigMap, object)?);
    }
    for object in volume_claims {
        items.push(Item::new(Kind::PersistentVolumeClaim, object)?);
    }
    for object in network_policies {
        items.push(Item::new(Kind::NetworkPolicy, object)?);
    }
    for object in services {
        items.push(Item::new(Kind::Service, object)?);
    }
    for object in stateful_sets {
        items.push(Item::new(Kind::StatefulSet, object)?);
    }
    for object in clusters {
        items.push(Item::new(Kind::Cluster, object)?);
    }
    for object in scheduled_backups {
        items.push(Item::new(Kind::ScheduledBackup, object)?);
    }
    for object in jobs {
        items.push(Item::new(Kind::Job, object)?);
    }
    for object in deployments {
        items.push(Item::new(Kind::Deployment, object)?);
    }
    for object in autoscalers {
        items.push(Item::new(Kind::HorizontalPodAutoscaler, object)?);
    }
    for object in disruption_budgets {
        items.push(Item::new(Kind::PodDisruptionBudget, object)?);
    }
    if let Some(object) = ingress {
        items.push(Item::new(Kind::Ingress, object)?);
    }
    for object in service_monitors {
        items.push(Item::new(Kind::ServiceMonitor, object)?);
    }
    if let Some(object) = prometheus_rule {
        items.push(Item::new(Kind::PrometheusRule, object)?);
    }
    Ok(items)
}

/// Looks whether somebody else has the name of what has to wait: all that is in the way is told at once.
async fn unowned(child_client: &ChildClient, item: &Item, asker: Asker<'_>) -> Done {
    let known = child_client.store.get(&item.key).filter(|record| record.watched);
    let found = match known {
        Some(known) => Some(known),
        None => match child_client.look(&item.key).await {
            Ok(found) => found,
            Err(error) => return Done::Blocked(blocked(&item.key, refusal(&error))),
        },
    };
    match decide(item, found.as_ref(), asker) {
        Step::Foreign { whose } => foreign(&item.key, &whose, found.as_ref(), asker),
        Step::Nothing { .. } | Step::Create | Step::Update { .. } | Step::Unlabel { .. } | Step::Wait => Done::Nothing,
    }
}

async fn place(child_client: &ChildClient, item: &Item, asker: Asker<'_>, handover: Option<i32>) -> Done {
    if let Some(twin) = twin(child_client, &item.key, asker) {
        return Done::Blocked(Blocked {
            child: item.key.clone(),
            reason: Reason::Progressing,
            message: format!("{twin} and its pods go first, for they have the same name and may have the same volume"),
            retry: Retry::OnChange,
        });
    }
    let mut record = child_client.store.get(&item.key);
    let kept = record
        .as_ref()
        .and_then(|record| as_it_renders(child_client, item, record, asker));
    let item = kept.as_ref().unwrap_or(item);
    let paced = record.as_ref().and_then(|record| pace::paced(item, record));
    let item = paced.as_ref().unwrap_or(item);
    let scaled = match as_it_is_scaled(child_client, item, record.as_ref()).await {
        Ok(scaled) => scaled,
        Err(error) => return Done::Blocked(blocked(&item.key, refusal(&error))),
    };
    let item = scaled.as_ref().unwrap_or(item);
    let mut taken = Vec::new();
    let mut looked = record.as_ref().is_none_or(|record| record.watched);
    for _ in 0..LOOKS {
        let step = decide(item, record.as_ref(), asker);
        if !looked && matches!(step, Step::Wait | Step::Foreign { .. }) {
            looked = true;
            match child_client.look(&item.key).await {
                Ok(found) => record = found,
                Err(error) => return Done::Blocked(blocked(&item.key, refusal(&error))),
            }
            continue;
        }
        let tried = match &step {
            Step::Nothing { verified } => {
                if let Some(digest) = verified {
                    child_client.store.verified(&item.key, *digest);
                }
                return Done::Nothing;
            }
            Step::Wait => return waiting(&item.key),
            Step::Foreign { whose } => return foreign(&item.key, whose, record.as_ref(), asker),
            Step::Create => child_client.create(&item.key, item.body.clone()).await,
            Step::Update { drifted: true, .. }
                if matches!(
                    judge(child_client, item, record.as_ref(), &mut taken).await,
                    Judgement::Hold
                ) =>
            {
                return Done::Nothing;
            }
            Step::Update { uid, .. } => update(child_client, item, uid, record.as_ref(), handover).await,
            Step::Unlabel { uid } => child_client.unlabel(&item.key, uid).await,
        };
        match tried {
            Ok(()) => {
                let known = child_client.store.get(&item.key);
                if known
                    .as_ref()
                    .is_some_and(|known| is_taken_for_an_application(item, known))
                {
                    record = known;
                    continue;
                }
                return match step {
                    Step::Create => Done::Created(item.key.clone()),
                    Step::Update { drifted: true, .. } => Done::Repaired(item.key.clone(), taken),
                    Step::Update { .. }
                    | Step::Unlabel { .. }
                    | Step::Nothing { .. }
                    | Step::Wait
                    | Step::Foreign { .. } => Done::Updated(item.key.clone()),
                };
            }
            // Something is there, or something else is: look at it and decide anew.
            Err(error) if is_conflict(&error) => match child_client.look(&item.key).await {
                Ok(found) => record = found,
                Err(error) => return Done::Blocked(blocked(&item.key, refusal(&error))),
            },
            Err(error) => return Done::Blocked(blocked(&item.key, refusal(&error))),
        }
    }
    Done::Blocked(Blocked {
        child: item.key.clone(),
        reason: Reason::ApiUnavailable,
        message: "it keeps changing while it is written; it is tried again".to_owned(),
        retry: Retry::Soon,
    })
}

/// Whether what others changed in a child is put back now, with what they changed. Told is who took which field: what cannot be
/// found out is put back all the same.
async fn judge(child_client: &ChildClient, item: &Item, record: Option<&Record>, taken: &mut Vec<Taken>) -> Judgement {
    let Some(record) = record else {
        return Judgement::Repair;
    };
    let (digest, now) = (record.fields.digest, Instant::now());
    if child_client.contests.holds(&item.key, digest, now) {
        return Judgement::Hold;
    }
    *taken = if item.key.kind == Kind::Secret {
        // A Secret is never asked for: the watch has told who owns what.
        let managers = record.fields.managers.as_deref();
        let managed: Vec<ManagedFieldsEntry> = managers
            .and_then(|text| serde_json::from_str(text).ok())
            .unwrap_or_default();
        field_takers::taken(&managed, &item.body)
    } else {
        child_client.taken(&item.key, &item.body).await.unwrap_or_default()
    };
    if taken.is_empty() && record.written.as_deref() == Some(item.hash.as_str()) && record.applied != record.written {
        taken.push(Taken {
            field: format!("metadata.annotations[{APPLIED}]"),
            managers: vec![format!("{FIELD_MANAGER} of another operator")],
        });
    }
    child_client.contests.judge(&item.key, taken, digest, now)
}

/// The Deployment without a number of replicas, where an autoscaler that is not the drive's sets it. Whoever puts such a number
/// back ends pods that are needed, again and again. It is looked for only when we have no hand on the number, and not each time.
async fn as_it_is_scaled(
    child_client: &ChildClient,
    item: &Item,
    record: Option<&Record>,
) -> Result<Option<Item>, kube::Error> {
    let Some(record) = record.filter(|record| record.stopped().is_none()) else {
        return Ok(None);
    };
    let Detail::Deployment(live) = &record.detail else {
        return Ok(None);
    };
    let asked = item.body.pointer("/spec/replicas").and_then(Value::as_i64);
    if live.applies_replicas || record.applied.is_none() || asked.is_none_or(|asked| asked == 0) {
        return Ok(None);
    }
    let now = Instant::now();
    if !child_client.contests.scaler(&item.key, now) {
        let found = child_client.autoscaler(&item.key).await?;
        let name = found.map(|name| format!("HorizontalPodAutoscaler {name}"));
        let is_scaled = name.is_some();
        let name = match name {
            Some(name) => {
                let taken = child_client.taken(&item.key, &item.body).await?;
                let number = taken.into_iter().find(|one| one.field == "spec.replicas");
                let managers = number
                    .map(|one| one.managers.join(" and "))
                    .filter(|names| !names.is_empty());
                Some(managers.map_or_else(|| name.clone(), |managers| format!("{name} (field manager {managers})")))
            }
            None => None,
        };
        child_client.contests.scaled_by(&item.key, name, now);
        if !is_scaled {
            return Ok(None);
        }
    }
    Ok(Some(item.without_replicas()))
}

/// What runs the pods that this child is to run, under the same name and of another kind: a database server that was
/// written as a service. Two servers on one volume would destroy it.
fn twin(child_client: &ChildClient, child: &ChildKey, asker: Asker<'_>) -> Option<ChildKey> {
    let twin = twin_of(child)?;
    let record = child_client.store.get(&twin)?;
    matches!(&record.owner, Owner::Drive { uid, .. } if **uid == *asker.uid).then_some(twin)
}

fn twin_of(child: &ChildKey) -> Option<ChildKey> {
    let kind = match child.kind {
        Kind::Deployment => Kind::StatefulSet,
        Kind::StatefulSet => Kind::Deployment,
        _ => return None,
    };
    Some(ChildKey::new(kind, &child.namespace, &child.name))
}

/// The item with the image that renders files now, when that image is all that would change, and as long as none of its pods
/// fails on it: once a registry has dropped an image, no pod that is replaced would start any more.
fn as_it_renders(child_client: &ChildClient, item: &Item, record: &Record, asker: Asker<'_>) -> Option<Item> {
    if is_applied(item, record) {
        // Nothing would change, as at rest: no need to write and hash it once more.
        return None;
    }
    let Detail::Deployment(live) = &record.detail else {
        return None;
    };
    let image = live.render_image.as_deref()?;
    let pod_failures = child_client
        .store
        .pod_failures(&DriveKey::new(&item.key.namespace, asker.name));
    let fails = |trouble: &PodFailure| {
        trouble.unpulled.as_deref() == Some(image) && *names::of_service(asker.name, &trouble.service) == *item.key.name
    };
    if pod_failures.iter().any(fails) {
        return None;
    }
    let kept = item.rendered_by(image);
    (record.applied.as_deref() == Some(kept.hash.as_str())).then_some(kept)
}

async fn update(
    child_client: &ChildClient,
    item: &Item,
    uid: &str,
    record: Option<&Record>,
    handover: Option<i32>,
) -> Result<(), kube::Error> {
    if let (Some(replicas), Some(record)) = (handover, record)
        && let Detail::Deployment(live) = &record.detail
        // What was stopped as it was has a number that nobody applies, and no other writer.
        && (live.applies_replicas || record.stopped().is_some())
    {
        // The live number may have moved since the informer told of it: without force such a stale number is
        // refused. Coming back from suspension the number is meant to differ.
        child_client
            .hand_over_replicas(&item.key, replicas, live.replicas != replicas)
            .await?;
    }
    child_client.update(&item.key, item.body.clone(), uid).await
}

async fn prune(
    child_client: &ChildClient,
    drive: &DriveKey,
    wanted: &BTreeSet<ChildKey>,
    asker: Asker<'_>,
) -> Vec<Done> {
    let mut work = Vec::new();
    for (child, record) in child_client.store.of_drive(drive) {
        if !wanted.contains(&child) && may_prune(&record, asker) {
            // Kubernetes then keeps it until its last pod is gone, and what takes its place waits for that.
            let whole = twin_of(&child).is_some_and(|twin| wanted.contains(&twin));
            work.push(remove(child_client, child, record, whole));
        }
    }
    all(work).await
}

async fn remove(child_client: &ChildClient, child: ChildKey, record: Record, whole: bool) -> Done {
    match child_client.delete(&child, &record.uid, whole).await {
        Ok(()) => Done::Removed(child),
        // Another object has its name by now, and nobody asked for that one to go.
        Err(error) if is_conflict(&error) => Done::Nothing,
        Err(error) => Done::Blocked(blocked(&child, refusal(&error))),
    }
}

fn waiting(child: &ChildKey) -> Done {
    Done::Blocked(Blocked {
        child: child.clone(),
        reason: Reason::Progressing,
        message: format!("{child} is being deleted; it is made anew when it is gone"),
        retry: Retry::OnChange,
    })
}

fn foreign(child: &ChildKey, whose: &str, record: Option<&Record>, asker: Asker<'_>) -> Done {
    // Deleting a Secret or a volume loses what is in it, and a password that a role has already can come in no other way.
    let keeps_data = matches!(child.kind, Kind::Secret | Kind::PersistentVolumeClaim);
    let can_be_given = record.is_some_and(|record| record.owner == Owner::Nobody && record.drive.is_none());
    let give = if keeps_data && can_be_given {
        format!(
            ". To let the drive use it with what is in it: `kubectl -n {} label {} {} {DRIVE}={}`",
            child.namespace,
            child.kind.resource().plural.trim_end_matches('s'),
            child.name,
            asker.name
        )
    } else {
        String::new()
    };
    Done::Blocked(Blocked {
        child: child.clone(),
        reason: Reason::ForeignObject,
        message: format!(
            "{child} exists and {whose}, so it is left alone: delete or rename it, or give the drive another name{give}"
        ),
        retry: Retry::Soon,
    })
}

fn outcome(
    desired: Desired<Applied>,
    done: Vec<Done>,
    waiting: BTreeMap<ChildKey, BTreeSet<ChildKey>>,
    conflicts: Vec<ras_core::applied::Conflict>,
    buckets: ras_core::applied::Buckets,
) -> Outcome {
    let mut changes = Changes::default();
    let mut blocked = Vec::new();
    for one in done {
        match one {
            Done::Nothing => {}
            Done::Created(key) => changes.created.push(key),
            Done::Updated(key) => changes.updated.push(key),
            Done::Repaired(key, taken) => {
                changes.taken.insert(key.clone(), taken);
                changes.repaired.push(key);
            }
            Done::Rotated(key) => changes.rotated.push(key),
            Done::Removed(key) => changes.removed.push(key),
            Done::Blocked(one) => blocked.push(one),
        }
    }
    blocked.sort_by(|a, b| a.child.cmp(&b.child));
    Outcome {
        desired,
        changes,
        blocked,
        conflicts,
        waiting,
        buckets,
    }
}
