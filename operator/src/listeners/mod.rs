//! Checks that containers listen on the ports that they declare. A readiness probe checks one port; the operator
//! connects to the others.
//!
//! One task checks each service after its rollout and then every few minutes, without requests to the API server and
//! without reconciles. A drive is requeued only when a result changes. Results are kept in memory only: after a restart
//! the condition stays as it is until the first check.

mod connect;

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use kube::runtime::reflector::ObjectRef;
use ras_crds::RecruitmentDriveStatus;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use crate::controller::context::Context;
use crate::informer::store::DriveKey;
use ras_core::fetched::record::DeploymentState;
use ras_core::plan::Plan;
use ras_core::report::listeners::speaks_of;

use ras_core::plan::listeners::{Answer, Known, Port, PortFindings, Seen, Target, judge, pause, ports};

/// Services that are checked concurrently.
const CONCURRENCY: usize = 32;
/// Pods of one service that are checked.
const MAX_PODS: usize = 100;
/// A refusal counts only if it is repeated after this time: a container may open its ports one after the other.
const REPEAT_AFTER: Duration = Duration::from_secs(3);
/// The event of a ready pod may arrive this much later than that of its Deployment.
const POD_EVENT_DELAY: Duration = Duration::from_secs(5);
/// Longest time until the first check of a service that a previous process has checked.
const FIRST_CHECK_WITHIN: Duration = Duration::from_mins(1);

/// A service with ports to check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckedService {
    /// Generation of its Deployment. A new generation has new pods.
    pub generation: i64,
    /// The rollout is complete.
    pub complete: bool,
    pub pods: usize,
    pub ports: Vec<Port>,
}

#[derive(Debug)]
struct ServiceCheck {
    wanted: CheckedService,
    found: Option<PortFindings>,
    refused_since: Option<Timestamp>,
    /// A previous process may have checked this generation.
    inherited: bool,
    due: Instant,
    /// Start of the wait for events of its pods.
    waits_since: Option<Instant>,
    running: bool,
}

/// The results, bounded by the services of existing drives.
#[derive(Debug, Default)]
pub struct ListenerChecks {
    drives: Mutex<HashMap<DriveKey, BTreeMap<String, ServiceCheck>>>,
    changed: Notify,
}

struct DueCheck {
    drive: DriveKey,
    service: String,
    wanted: CheckedService,
}

impl ListenerChecks {
    fn lock(&self) -> MutexGuard<'_, HashMap<DriveKey, BTreeMap<String, ServiceCheck>>> {
        self.drives.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn forget(&self, drive: &DriveKey) {
        self.lock().remove(drive);
    }

    /// Sets the services of a drive to check. `inherits`: the drive's status may already report their results.
    fn set_services(
        &self,
        drive: &DriveKey,
        mut wanted: BTreeMap<String, CheckedService>,
        inherits: bool,
        every: Duration,
    ) {
        let mut drives = self.lock();
        if wanted.is_empty() {
            drives.remove(drive);
            return;
        }
        let now = Instant::now();
        let is_known = drives.contains_key(drive);
        let entries = drives.entry(drive.clone()).or_default();
        entries.retain(|service, _| wanted.contains_key(service));
        let mut is_due_sooner = false;
        for (service, entry) in entries.iter_mut() {
            let Some(wanted) = wanted.remove(service) else { continue };
            if (entry.wanted.generation, &entry.wanted.ports) != (wanted.generation, &wanted.ports) {
                *entry = ServiceCheck::new(wanted, false, now);
                is_due_sooner = true;
                continue;
            }
            let (was_enabled, was_due) = (entry.is_enabled(), entry.due);
            entry.wanted = wanted;
            entry.due = entry.due.min(now + every);
            is_due_sooner |= entry.due < was_due || entry.is_enabled() && !was_enabled;
        }
        is_due_sooner |= !wanted.is_empty();
        for (service, wanted) in wanted {
            let inherited = inherits && !is_known;
            let due = if inherited {
                now + jitter(every.min(FIRST_CHECK_WITHIN), 1)
            } else {
                now
            };
            entries.insert(service, ServiceCheck::new(wanted, inherited, due));
        }
        // The task scans all drives, so it is notified only if a check is due earlier.
        if is_due_sooner {
            self.changed.notify_one();
        }
    }

    fn results(&self, drive: &DriveKey) -> Seen {
        let drives = self.lock();
        let entries = || drives.get(drive).into_iter().flatten();
        Seen {
            services: entries()
                .map(|(service, entry)| (service.clone(), entry.known()))
                .collect(),
            refused_since: entries().filter_map(|(_, entry)| entry.refused_since).min(),
            keeps: entries().any(|(_, entry)| entry.inherited && entry.found.is_none()),
        }
    }

    /// Starts the checks that are due, and returns the time of the next one.
    fn take_due(&self) -> (Vec<DueCheck>, Option<Instant>) {
        let now = Instant::now();
        let (mut all, mut next) = (Vec::new(), None);
        for (drive, entries) in self.lock().iter_mut() {
            for (service, entry) in entries.iter_mut().filter(|(_, entry)| entry.is_enabled()) {
                if entry.due > now {
                    next = Some(next.map_or(entry.due, |next: Instant| next.min(entry.due)));
                    continue;
                }
                entry.running = true;
                all.push(DueCheck {
                    drive: drive.clone(),
                    service: service.clone(),
                    wanted: entry.wanted.clone(),
                });
            }
        }
        (all, next)
    }

    /// Changes the entry of a check, unless the service has changed meanwhile.
    fn update<T>(&self, check: &DueCheck, change: impl FnOnce(&mut ServiceCheck) -> T) -> Option<T> {
        let mut drives = self.lock();
        let entry = drives.get_mut(&check.drive)?.get_mut(&check.service)?;
        let is_same = (entry.wanted.generation, &entry.wanted.ports) == (check.wanted.generation, &check.wanted.ports);
        is_same.then(|| change(entry))
    }

    /// True when events of its pods are still missing. The check is then delayed for a moment.
    fn waits_for_pods(&self, check: &DueCheck, pods: usize) -> bool {
        let waits = self.update(check, |entry| {
            let since = *entry.waits_since.get_or_insert_with(Instant::now);
            let waits = pods < entry.wanted.pods && since.elapsed() < POD_EVENT_DELAY;
            if waits {
                entry.due = Instant::now() + Duration::from_millis(250);
                entry.running = false;
            } else {
                entry.waits_since = None;
            }
            waits
        });
        waits != Some(false)
    }

    /// Records a result. Returns true if it is a change.
    fn record(&self, check: &DueCheck, found: PortFindings, every: Duration) -> bool {
        let is_change = self.update(check, |entry| {
            entry.running = false;
            entry.due = Instant::now() + pause(&found, jitter(every, 10));
            if found.refused.is_empty() {
                entry.refused_since = None;
            } else if entry.refused_since.is_none() {
                entry.refused_since = Some(Timestamp::now());
            }
            let found = Some(found);
            let is_change = entry.found != found;
            entry.found = found;
            is_change
        });
        is_change == Some(true)
    }
}

impl ServiceCheck {
    fn new(wanted: CheckedService, inherited: bool, due: Instant) -> Self {
        Self {
            wanted,
            found: None,
            refused_since: None,
            inherited,
            due,
            waits_since: None,
            running: false,
        }
    }

    fn known(&self) -> Known {
        match &self.found {
            Some(found) => Known::Checked(found.clone()),
            None if self.wanted.complete => Known::Unchecked,
            None => Known::Starting,
        }
    }

    /// During the first rollout a port may not listen yet. After the first check a service stays enabled, because one
    /// crashing pod makes its rollout incomplete and the others can still be checked.
    fn is_enabled(&self) -> bool {
        !self.running && (self.wanted.complete || self.found.is_some())
    }
}

/// `time` minus a random share of up to `1 / part`, so that not all are checked at once.
fn jitter(time: Duration, part: u32) -> Duration {
    let chance = u32::try_from(RandomState::new().hash_one(0) % 1_000).unwrap_or_default();
    time.saturating_sub(time / part.max(1) * chance / 1_000)
}

/// Requests checks of a drive's services, and returns the results so far. `None` if the platform disables the checks.
pub fn follow(
    key: &DriveKey,
    plan: &Plan<'_>,
    deployments: &BTreeMap<String, DeploymentState>,
    before: &RecruitmentDriveStatus,
    context: &Context,
) -> Option<Seen> {
    if plan.operator_pods.is_none() {
        context.listeners.forget(key);
        return None;
    }
    let wanted = plan.services.iter().filter_map(|service| {
        let (state, ports) = (deployments.get(&service.child)?, ports(service));
        let pods = usize::try_from(state.replicas).ok().filter(|pods| *pods > 0)?;
        let wanted = CheckedService {
            generation: state.generation,
            complete: state.is_complete(),
            pods,
            ports,
        };
        (!wanted.ports.is_empty()).then(|| (service.name.clone(), wanted))
    });
    let every = every(context);
    let inherits = speaks_of(before, plan.drive.generation);
    context.listeners.set_services(key, wanted.collect(), inherits, every);
    Some(context.listeners.results(key))
}

fn every(context: &Context) -> Duration {
    let every = context.platform.now().listener_checks.every.seconds();
    Duration::from_secs(every.unwrap_or(300).max(1))
}

/// Runs checks when they are due, until it is dropped.
pub async fn run_checks(context: Arc<Context>) {
    let permits = Arc::new(Semaphore::new(CONCURRENCY));
    let mut checks = JoinSet::new();
    loop {
        while checks.try_join_next().is_some() {}
        let (due, next) = context.listeners.take_due();
        for check in due {
            // The semaphore is never closed.
            let Ok(permit) = Arc::clone(&permits).acquire_owned().await else {
                return;
            };
            checks.spawn(run_check(check, permit, Arc::clone(&permits), Arc::clone(&context)));
        }
        let wait = async {
            match next {
                Some(next) => sleep_until(next).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = wait => {}
            () = context.listeners.changed.notified() => {}
        }
    }
}

async fn run_check(check: DueCheck, permit: OwnedSemaphorePermit, permits: Arc<Semaphore>, context: Arc<Context>) {
    let pods = || context.child_client.store.ready_pods(&check.drive, &check.service);
    let drive = ObjectRef::new(&check.drive.name).within(&check.drive.namespace);
    if context.drives.get(&drive).is_none() {
        // A reconcile that ran when the drive was deleted may have added it again.
        context.listeners.forget(&check.drive);
        return;
    }
    let first = pods();
    if context.listeners.waits_for_pods(&check, first.len()) {
        context.listeners.changed.notify_one();
        return;
    }
    let targets = first.into_iter().take(MAX_PODS).flat_map(|(pod, address)| {
        let ports = check.wanted.ports.iter();
        ports.map(move |port| (Arc::clone(&pod), address, port.clone()))
    });
    let mut answers = connect::connect_all(targets.collect()).await;
    drop(permit);
    if !judge(&answers).refused.is_empty() {
        sleep(REPEAT_AFTER).await;
        // Pods that were deleted meanwhile do not count.
        let remaining = pods();
        answers.retain(|((pod, address, _), _)| remaining.iter().any(|(name, at)| name == pod && at == address));
        let is_refused = |(_, answer): &(Target, Answer)| *answer == Answer::Refused;
        let (again, kept): (Vec<_>, Vec<_>) = answers.into_iter().partition(is_refused);
        let Ok(_permit) = permits.acquire_owned().await else {
            return;
        };
        answers = connect::connect_all(again.into_iter().map(|(target, _)| target).collect()).await;
        answers.extend(kept);
    }
    let found = judge(&answers);
    tracing::debug!(drive = %check.drive, service = check.service, ?found, "ports were checked");
    if context.listeners.record(&check, found, every(&context)) {
        // The queue closes only when the program ends.
        let _ = context.queue.send(check.drive.clone());
    }
    context.listeners.changed.notify_one();
}
