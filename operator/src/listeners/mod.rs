//! Whether programs listen on the ports that they declare. A readiness probe asks one port; the operator connects to the others.
//!
//! Each service is asked after its rollout is complete and then every few minutes, by a task of its own: it costs no request of
//! the API server and no reconcile. A drive looks again only when an answer is another one. Answers are kept in memory alone:
//! after a restart the drive's condition stays as it stands until the first check.

mod knock;

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

/// Services that are asked at a time.
const AT_A_TIME: usize = 32;
/// Pods of one service that are asked.
const MOST_PODS: usize = 100;
/// A refusal is believed when it is repeated after this time: a second listener may start a little later than the first.
const REPEATED_AFTER: Duration = Duration::from_secs(3);
/// How long the news of a pod that is ready may be later than that of its Deployment.
const PODS_WITHIN: Duration = Duration::from_secs(5);
/// Longest time until the first check of what another process checked before.
const SOON: Duration = Duration::from_mins(1);

/// A service whose ports are asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Generation of its Deployment: another one has other pods.
    pub generation: i64,
    /// Whether its rollout is complete.
    pub complete: bool,
    /// Pods it has.
    pub pods: usize,
    /// Its ports.
    pub ports: Vec<Port>,
}

#[derive(Debug)]
struct Entry {
    wanted: Wanted,
    found: Option<PortFindings>,
    refused_since: Option<Timestamp>,
    /// Whether another process may have checked just this.
    inherited: bool,
    due: Instant,
    /// Since when its pods are waited for.
    waits_since: Option<Instant>,
    under_way: bool,
}

/// The memory of what was asked. It is bounded by the services of the drives that exist.
#[derive(Debug, Default)]
pub struct Listeners {
    drives: Mutex<HashMap<DriveKey, BTreeMap<String, Entry>>>,
    changed: Notify,
}

/// One check that is due.
struct Due {
    drive: DriveKey,
    service: String,
    wanted: Wanted,
}

impl Listeners {
    fn lock(&self) -> MutexGuard<'_, HashMap<DriveKey, BTreeMap<String, Entry>>> {
        self.drives.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets a drive that is gone.
    pub fn forget(&self, drive: &DriveKey) {
        self.lock().remove(drive);
    }

    /// Takes which services of a drive are to be asked; what is not among them is forgotten. `inherits`: the drive's status may
    /// speak of just these.
    fn follow(&self, drive: &DriveKey, mut wanted: BTreeMap<String, Wanted>, inherits: bool, every: Duration) {
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
                *entry = Entry::new(wanted, false, now);
                is_due_sooner = true;
                continue;
            }
            let (was_to_be_asked, was_due) = (entry.is_to_be_asked(), entry.due);
            entry.wanted = wanted;
            entry.due = entry.due.min(now + every);
            is_due_sooner |= entry.due < was_due || entry.is_to_be_asked() && !was_to_be_asked;
        }
        is_due_sooner |= !wanted.is_empty();
        for (service, wanted) in wanted {
            let inherited = inherits && !is_known;
            let due = if inherited {
                now + jitter(every.min(SOON), 1)
            } else {
                now
            };
            entries.insert(service, Entry::new(wanted, inherited, due));
        }
        // Whoever asks looks through all drives, so it is woken for a reason only.
        if is_due_sooner {
            self.changed.notify_one();
        }
    }

    /// What is known of a drive.
    fn look(&self, drive: &DriveKey) -> Seen {
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

    /// The checks that are due now, and when the next one is.
    fn due(&self) -> (Vec<Due>, Option<Instant>) {
        let now = Instant::now();
        let (mut all, mut next) = (Vec::new(), None);
        for (drive, entries) in self.lock().iter_mut() {
            for (service, entry) in entries.iter_mut().filter(|(_, entry)| entry.is_to_be_asked()) {
                if entry.due > now {
                    next = Some(next.map_or(entry.due, |next: Instant| next.min(entry.due)));
                    continue;
                }
                entry.under_way = true;
                all.push(Due {
                    drive: drive.clone(),
                    service: service.clone(),
                    wanted: entry.wanted.clone(),
                });
            }
        }
        (all, next)
    }

    /// Changes the entry that a check was of, unless it was replaced meanwhile.
    fn of<T>(&self, check: &Due, change: impl FnOnce(&mut Entry) -> T) -> Option<T> {
        let mut drives = self.lock();
        let entry = drives.get_mut(&check.drive)?.get_mut(&check.service)?;
        let is_same = (entry.wanted.generation, &entry.wanted.ports) == (check.wanted.generation, &check.wanted.ports);
        is_same.then(|| change(entry))
    }

    /// Whether to wait for the news of its pods. It is put off for a moment, then.
    fn waits_for_pods(&self, check: &Due, pods: usize) -> bool {
        let waits = self.of(check, |entry| {
            let since = *entry.waits_since.get_or_insert_with(Instant::now);
            let waits = pods < entry.wanted.pods && since.elapsed() < PODS_WITHIN;
            if waits {
                entry.due = Instant::now() + Duration::from_millis(250);
                entry.under_way = false;
            } else {
                entry.waits_since = None;
            }
            waits
        });
        waits != Some(false)
    }

    /// Takes what was found. Returns whether that is news.
    fn learned(&self, check: &Due, found: PortFindings, every: Duration) -> bool {
        let is_news = self.of(check, |entry| {
            entry.under_way = false;
            entry.due = Instant::now() + pause(&found, jitter(every, 10));
            if found.refused.is_empty() {
                entry.refused_since = None;
            } else if entry.refused_since.is_none() {
                entry.refused_since = Some(Timestamp::now());
            }
            let found = Some(found);
            let is_news = entry.found != found;
            entry.found = found;
            is_news
        });
        is_news == Some(true)
    }
}

impl Entry {
    fn new(wanted: Wanted, inherited: bool, due: Instant) -> Self {
        Self {
            wanted,
            found: None,
            refused_since: None,
            inherited,
            due,
            waits_since: None,
            under_way: false,
        }
    }

    fn known(&self) -> Known {
        match &self.found {
            Some(found) => Known::Checked(found.clone()),
            None if self.wanted.complete => Known::Unchecked,
            None => Known::Starting,
        }
    }

    /// While pods start, a port that does not listen yet means nothing. One that was checked is asked on: a pod that crashes
    /// makes its service incomplete, and says nothing of the others.
    fn is_to_be_asked(&self) -> bool {
        !self.under_way && (self.wanted.complete || self.found.is_some())
    }
}

/// Up to a part of the time less, so that not all are asked at once.
fn jitter(time: Duration, part: u32) -> Duration {
    let chance = u32::try_from(RandomState::new().hash_one(0) % 1_000).unwrap_or_default();
    time.saturating_sub(time / part.max(1) * chance / 1_000)
}

/// Has the services of a drive asked, and returns what is known of them. Nothing when the platform does not want that.
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
        let wanted = Wanted {
            generation: state.generation,
            complete: state.is_complete(),
            pods,
            ports,
        };
        (!wanted.ports.is_empty()).then(|| (service.name.clone(), wanted))
    });
    let every = every(context);
    let inherits = speaks_of(before, plan.drive.generation);
    context.listeners.follow(key, wanted.collect(), inherits, every);
    Some(context.listeners.look(key))
}

fn every(context: &Context) -> Duration {
    let every = context.platform.now().listener_checks.every.seconds();
    Duration::from_secs(every.unwrap_or(300).max(1))
}

/// Asks services as they become due, until it is dropped.
pub async fn ask(context: Arc<Context>) {
    let at_a_time = Arc::new(Semaphore::new(AT_A_TIME));
    let mut checks = JoinSet::new();
    loop {
        while checks.try_join_next().is_some() {}
        let (due, next) = context.listeners.due();
        for check in due {
            // It is never closed.
            let Ok(permit) = Arc::clone(&at_a_time).acquire_owned().await else {
                return;
            };
            checks.spawn(one(check, permit, Arc::clone(&at_a_time), Arc::clone(&context)));
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

async fn one(check: Due, permit: OwnedSemaphorePermit, at_a_time: Arc<Semaphore>, context: Arc<Context>) {
    let pods = || context.child_client.store.ready_pods(&check.drive, &check.service);
    let drive = ObjectRef::new(&check.drive.name).within(&check.drive.namespace);
    if context.drives.get(&drive).is_none() {
        // A walk that was under way when it was deleted may have brought it back.
        context.listeners.forget(&check.drive);
        return;
    }
    let first = pods();
    if context.listeners.waits_for_pods(&check, first.len()) {
        context.listeners.changed.notify_one();
        return;
    }
    let targets = first.into_iter().take(MOST_PODS).flat_map(|(pod, address)| {
        let ports = check.wanted.ports.iter();
        ports.map(move |port| (Arc::clone(&pod), address, port.clone()))
    });
    let mut answers = knock::knock(targets.collect()).await;
    drop(permit);
    if !judge(&answers).refused.is_empty() {
        sleep(REPEATED_AFTER).await;
        // A pod that went meanwhile says nothing of those that stay.
        let stay = pods();
        answers.retain(|((pod, address, _), _)| stay.iter().any(|(name, at)| name == pod && at == address));
        let is_refused = |(_, answer): &(Target, Answer)| *answer == Answer::Refused;
        let (again, kept): (Vec<_>, Vec<_>) = answers.into_iter().partition(is_refused);
        let Ok(_permit) = at_a_time.acquire_owned().await else {
            return;
        };
        answers = knock::knock(again.into_iter().map(|(target, _)| target).collect()).await;
        answers.extend(kept);
    }
    let found = judge(&answers);
    tracing::debug!(drive = %check.drive, service = check.service, ?found, "ports were asked");
    if context.listeners.learned(&check, found, every(&context)) {
        // The queue closes only when the program ends.
        let _ = context.queue.send(check.drive.clone());
    }
    context.listeners.changed.notify_one();
}
