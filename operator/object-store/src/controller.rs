//! Looks after every bucket of every drive, beside the reconciles: an object store that is slow or gone keeps its own
//! buckets waiting and no drive's services.
//!
//! A reconcile says what it wants of a bucket and is told at once what is known. The work is done by one task a
//! bucket, few of them at a time; the drive is woken when there is something to tell. At rest a task sleeps until
//! the bucket's settings are to be looked at again.

use std::collections::{BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use k8s_openapi::jiff::Timestamp;
use tokio::sync::{Notify, Semaphore, mpsc};
use tokio::time::Instant as Clock;

use ras_core::backoff;
use ras_core::drive_key::DriveKey;
use ras_core::retry::Retry;

use super::capabilities::Capabilities;
use super::ensure::{Remembered, ensure_after, verify};
use super::failure::Failure;
use super::measure::measure;
use super::remove::remove;
use super::s3::S3Store;
use super::store::ObjectStore;
use ras_core::bucket::request::{BucketRequest, Feature, Origin, Owner};
use ras_core::bucket::state::{
    BucketChange, BucketChangeKind, Identity, Manner, NOTE_SEEN, Recorded, Removal, State, StoreError, Usage, View,
};

/// Buckets that are set up or looked at at a time.
const AT_A_TIME: usize = 16;
/// The same, of one drive: one whose buckets hang must not keep those of others waiting.
const AT_A_TIME_OF_ONE_DRIVE: usize = 2;
/// Buckets that are emptied or counted at a time: long work must not keep a new bucket waiting.
const LONG_AT_A_TIME: usize = 2;
/// Shortest time between two words about how far emptying is.
const PROGRESS: Duration = Duration::from_secs(2);
/// How long it is remembered what the store cannot do: a server may be upgraded.
const CAPABILITIES: Duration = Duration::from_secs(86_400);

/// How often things are looked at.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Time between two looks at a bucket's settings.
    pub check_every: Duration,
    /// Longest time between two looks whether a bucket is still there, one request each.
    pub verify_every: Duration,
    /// Within this time after a start each bucket that status calls ready is looked for. They are not looked for all at once.
    pub verify_first: Duration,
    /// Time between two counts of what is in a bucket, and the most requests for one; absent: nothing is counted.
    pub usage: Option<(Duration, u32)>,
}

impl Pace {
    /// With the times for looking whether a bucket is there that docs/storage.md reckons with.
    pub fn new(check_every: Duration, usage: Option<(Duration, u32)>) -> Self {
        Self {
            check_every,
            // With a tenth more it is still within an hour.
            verify_every: Duration::from_secs(3_240),
            verify_first: Duration::from_secs(300),
            usage,
        }
    }
}

/// What a drive wants of a bucket.
#[derive(Clone, Debug, PartialEq)]
enum Task {
    /// It is there and set up.
    Keep(Box<BucketRequest>),
    /// It is gone.
    Remove {
        bucket: String,
        owner: Owner,
        manner: Manner,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct BucketKey {
    drive: DriveKey,
    name: String,
}

struct Entry {
    task: Task,
    state: State,
    usage: Option<(Usage, Timestamp)>,
    identity: Option<Identity>,
    seen: Option<Timestamp>,
    /// When the drive was last woken to note when the bucket was seen.
    noted: Option<Timestamp>,
    news: Option<BucketChange>,
    changed: Arc<Notify>,
    minder: tokio::task::AbortHandle,
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.minder.abort();
    }
}

/// Looks after buckets.
pub struct BucketController<S = S3Store> {
    inner: Arc<Inner<S>>,
}

impl<S> Clone for BucketController<S> {
    fn clone(&self) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
        }
    }
}

struct Inner<S> {
    store: S,
    pace: Pace,
    queue: mpsc::UnboundedSender<DriveKey>,
    capabilities: Capabilities,
    learned: Mutex<Instant>,
    entries: Mutex<HashMap<BucketKey, Entry>>,
    turns: Mutex<HashMap<DriveKey, Arc<Semaphore>>>,
    short: Semaphore,
    long: Semaphore,
}

impl<S: ObjectStore> BucketController<S> {
    /// Looks after the buckets of this store, and wakes drives through `queue`.
    pub fn new(store: S, pace: Pace, queue: mpsc::UnboundedSender<DriveKey>) -> Self {
        Self {
            inner: Arc::new(Inner {
                store,
                pace,
                queue,
                capabilities: Capabilities::default(),
                learned: Mutex::new(Instant::now()),
                entries: Mutex::default(),
                turns: Mutex::default(),
                short: Semaphore::new(AT_A_TIME),
                long: Semaphore::new(LONG_AT_A_TIME),
            }),
        }
    }

    /// Wants a bucket to be there and set up. `recorded` is what was known before this program started: a bucket that was ready
    /// is taken for that, and looked at in its turn. One that was there and is not any more is never made again, unless its loss
    /// is accepted.
    pub fn keep(&self, drive: &DriveKey, request: &BucketRequest, recorded: Recorded) -> View {
        let name = request.owner.bucket.clone();
        self.want(drive, &name, Task::Keep(Box::new(request.clone())), recorded)
    }

    /// Wants a bucket to be gone. Nothing without the owner's tags is removed. `removed` is what was removed of it before
    /// this program started, or before it was told to stop.
    pub fn remove(&self, drive: &DriveKey, owner: &Owner, bucket: &str, manner: Manner, removed: u64) -> View {
        let task = Task::Remove {
            bucket: bucket.to_owned(),
            owner: owner.clone(),
            manner,
        };
        let recorded = Recorded {
            state: (removed > 0).then_some(State::Removing { removed }),
            ..Recorded::default()
        };
        self.want(drive, &owner.bucket, task, recorded)
    }

    /// How a bucket stands that somebody wanted to be there.
    pub fn look(&self, drive: &DriveKey, request_owner: &Owner) -> Option<State> {
        let entries = self.inner.entries();
        let entry = entries.get(&BucketKey::new(drive, &request_owner.bucket))?;
        match &entry.task {
            Task::Keep(request) if request.owner == *request_owner => Some(entry.state.clone()),
            Task::Keep(_) | Task::Remove { .. } => None,
        }
    }

    /// Lets go of a bucket: whatever is under way ends, and the bucket stays as it is.
    pub fn rest(&self, drive: &DriveKey, name: &str) {
        self.inner.entries().remove(&BucketKey::new(drive, name));
    }

    /// Lets go of all buckets of a drive.
    pub fn forget(&self, drive: &DriveKey) {
        self.inner.entries().retain(|key, _| key.drive != *drive);
        self.inner.turns().remove(drive);
    }

    /// Ends whatever is under way for all drives: this process gives up leading.
    pub fn stop(&self) {
        self.inner.entries().clear();
        self.inner.turns().clear();
    }

    fn want(&self, drive: &DriveKey, name: &str, task: Task, recorded: Recorded) -> View {
        let key = BucketKey::new(drive, name);
        let mut entries = self.inner.entries();
        if let Some(entry) = entries.get_mut(&key) {
            if entry.task != task {
                entry.state = under(&entry.state, &entry.task, &task);
                if !task.is_of_the_same(&entry.task) {
                    (entry.identity, entry.seen) = task.remembers(&recorded);
                }
                entry.task = task;
                entry.changed.notify_one();
            }
            entry.accept(recorded.accepted.as_ref());
            return entry.view();
        }
        let changed = Arc::new(Notify::new());
        let (identity, seen) = task.remembers(&recorded);
        let is_at_rest = recorded.state.as_ref().is_some_and(State::is_there);
        let first = is_at_rest.then(|| First {
            look: somewhere_in(self.inner.pace.check_every, &key),
            verify: somewhere_in(self.inner.pace.check_every.min(self.inner.pace.verify_first), &key),
        });
        let state = recorded.state.unwrap_or(State::Pending);
        let minder = tokio::spawn(mind(Arc::clone(&self.inner), key.clone(), Arc::clone(&changed), first));
        let mut entry = Entry {
            task,
            state,
            usage: None,
            identity,
            seen,
            noted: seen,
            news: None,
            changed,
            minder: minder.abort_handle(),
        };
        entry.accept(recorded.accepted.as_ref());
        let view = entry.view();
        entries.insert(key, entry);
        view
    }
}

impl Entry {
    /// Forgets a lost bucket whose loss a person accepts, so that an empty one is made.
    fn accept(&mut self, accepted: Option<&Identity>) {
        let is_lost = matches!(self.state, State::Lost { .. });
        if is_lost && self.identity.is_some() && self.identity.as_ref() == accepted {
            (self.identity, self.seen) = (None, None);
            self.state = State::Pending;
            self.changed.notify_one();
        }
    }

    fn view(&mut self) -> View {
        View {
            state: self.state.clone(),
            usage: self.usage,
            identity: self.identity.clone(),
            seen: self.seen,
            news: self.news.take(),
        }
    }
}

impl Task {
    /// Whether both want the same bucket to be there.
    fn is_of_the_same(&self, other: &Self) -> bool {
        matches!((self, other), (Self::Keep(one), Self::Keep(other)) if one.bucket == other.bucket)
    }

    /// Which bucket it was, and when it was seen. One that was there before the operator noted such things has its name only.
    fn remembers(&self, recorded: &Recorded) -> (Option<Identity>, Option<Timestamp>) {
        let Self::Keep(request) = self else { return (None, None) };
        let by_name = || {
            recorded
                .was_there
                .then(|| Identity::untagged(&request.owner, Timestamp::now()))
        };
        let identity = recorded.identity.clone().or_else(by_name);
        let seen = recorded.seen.filter(|_| identity.is_some());
        (identity, seen)
    }
}

impl BucketKey {
    fn new(drive: &DriveKey, name: &str) -> Self {
        Self {
            drive: drive.clone(),
            name: name.to_owned(),
        }
    }
}

/// When a bucket that is at rest is looked at first after a start.
#[derive(Clone, Copy, Debug)]
struct First {
    /// At its settings.
    look: Duration,
    /// Whether it is there.
    verify: Duration,
}

/// The state to show when the task changes: what is known of the bucket stays true, what was said of the other task does not.
fn under(state: &State, before: &Task, now: &Task) -> State {
    match (state, before, now) {
        // It is there all the same, and services go on. But it is not what is asked now, and a program that starts
        // after this one has died must not take it for that.
        (State::Ready { .. } | State::Changing, Task::Keep(old), Task::Keep(new)) if old.bucket == new.bucket => {
            State::Changing
        }
        // Other settings do not bring it back.
        (State::Lost { .. }, Task::Keep(old), Task::Keep(new)) if old.bucket == new.bucket => state.clone(),
        _ => State::Pending,
    }
}

/// The life of one bucket's task.
async fn mind<S: ObjectStore>(inner: Arc<Inner<S>>, key: BucketKey, changed: Arc<Notify>, first: Option<First>) {
    let mut wait = first.map(|first| first.look.min(first.verify));
    // When the settings are looked at next. Before that it is only looked whether the bucket is there.
    let mut look_at = first.map(|first| Clock::now() + first.look);
    let mut failures = 0;
    let mut counted: Option<Instant> = None;
    let mut settled: Option<Task> = None;
    loop {
        if let Some(wait) = wait {
            let news = tokio::time::timeout(wait, changed.notified()).await.is_ok();
            if news {
                failures = 0;
                look_at = None;
            }
        }
        let Some(task) = inner.task(&key) else { return };
        // Boxed, because a task sleeps nearly all its life and need not keep room for requests.
        let next = match &task {
            Task::Keep(request) => {
                let verified = match look_at.filter(|at| *at > Clock::now()) {
                    Some(_) => Box::pin(inner.verify(&key, request, &mut failures)).await,
                    None => None,
                };
                if let Some(next) = verified {
                    if failures > 0 {
                        look_at = None;
                    }
                    wait = Some(next.min(until(look_at)));
                    continue;
                }
                let is_settled = first.is_some() && settled.is_none() || settled.as_ref() == Some(&task);
                let next = Box::pin(inner.set_up(&key, request, is_settled, &mut failures, &mut counted)).await;
                look_at = next.filter(|_| failures == 0).map(|next| Clock::now() + next);
                next.map(|next| next.min(about(inner.pace.verify_every, &key)))
            }
            Task::Remove { bucket, owner, manner } => {
                look_at = None;
                Box::pin(inner.take_away(&key, bucket, owner, *manner, &mut failures)).await
            }
        };
        if failures == 0 {
            settled = Some(task);
        }
        wait = next;
        if next.is_none() {
            // Nothing more to do before somebody wants something else.
            changed.notified().await;
            failures = 0;
        }
    }
}

/// How long it is until then; none at all if there is no such time.
fn until(at: Option<Clock>) -> Duration {
    at.map_or(Duration::MAX, |at| at.saturating_duration_since(Clock::now()))
}

impl<S: ObjectStore> Inner<S> {
    /// Sets a bucket up, and returns when to look again.
    async fn set_up(
        &self,
        key: &BucketKey,
        request: &BucketRequest,
        is_settled: bool,
        failures: &mut u32,
        counted: &mut Option<Instant>,
    ) -> Option<Duration> {
        let identity = self.entries().get(key).and_then(|entry| entry.identity.clone());
        let remembered = Remembered::new(identity, &request.owner, Timestamp::now());
        let done = {
            let turns = Arc::clone(self.turns().entry(key.drive.clone()).or_insert_with(turns_of_one_drive));
            let _turn = turns.acquire().await.ok()?;
            let _slot = self.short.acquire().await.ok()?;
            self.forget_capabilities();
            let before = before(request, is_settled);
            ensure_after(&self.store, request, &before, &remembered, &self.capabilities).await
        };
        match done {
            Ok(done) => {
                *failures = 0;
                let is_asked = matches!(self.task(key), Some(Task::Keep(now)) if *now == *request);
                let state = if is_asked {
                    State::Ready {
                        region: done.region,
                        unsupported: done.unsupported,
                    }
                } else {
                    // Somebody wants something else meanwhile, which is done next.
                    State::Changing
                };
                // An earlier version of the operator wrote no tag that tells a bucket from the next one of its name.
                let gets_its_tag = matches!(
                    (&remembered.identity, &done.identity),
                    (Some(Identity::Name(_)), Some(Identity::Tag(_)))
                );
                let kind = if done.created {
                    BucketChangeKind::Made
                } else if is_settled && !gets_its_tag {
                    BucketChangeKind::Repaired
                } else {
                    BucketChangeKind::Configured
                };
                let news = (done.created || !done.changed.is_empty()).then_some(BucketChange {
                    kind,
                    words: done.changed,
                });
                self.sees(key, &request.bucket, remembered.identity.as_ref(), done.identity);
                self.tell(key, state, news);
                if let Some((every, pages)) = self.pace.usage {
                    if counted.is_none_or(|then| then.elapsed() >= every) && self.count(key, request, pages).await {
                        *counted = Some(Instant::now());
                    }
                    let until = counted.map_or(every, |then| every.saturating_sub(then.elapsed()));
                    return Some(about(self.pace.check_every, key).min(about(until, key)));
                }
                Some(about(self.pace.check_every, key))
            }
            Err(failure) => {
                *failures = failures.saturating_add(1);
                self.fail(key, &failure);
                Some(after(&failure, *failures, key))
            }
        }
    }

    /// Looks whether a bucket that is ready is still there, and returns when to look again. Nothing: its settings have to be looked
    /// at.
    async fn verify(&self, key: &BucketKey, request: &BucketRequest, failures: &mut u32) -> Option<Duration> {
        let identity = {
            let entries = self.entries();
            let entry = entries.get(key)?;
            let is_ready = matches!(entry.state, State::Ready { .. });
            entry.identity.clone().filter(|_| is_ready)?
        };
        if matches!(identity, Identity::Name(_)) && self.may_be_tagged(key, request) {
            return None;
        }
        let verified = {
            let turns = Arc::clone(self.turns().entry(key.drive.clone()).or_insert_with(turns_of_one_drive));
            let _turn = turns.acquire().await.ok()?;
            let _slot = self.short.acquire().await.ok()?;
            verify(&self.store, &request.bucket, &identity, &self.capabilities).await
        };
        match verified {
            Ok(()) => {
                self.sees(key, &request.bucket, Some(&identity), Some(identity.clone()));
                Some(about(self.pace.verify_every, key))
            }
            Err(failure) => {
                *failures = failures.saturating_add(1);
                self.fail(key, &failure);
                Some(after(&failure, *failures, key))
            }
        }
    }

    /// Whether a bucket without a tag could have one: an earlier version of the operator wrote none.
    fn may_be_tagged(&self, key: &BucketKey, request: &BucketRequest) -> bool {
        let lacks = match self.entries().get(key).map(|entry| &entry.state) {
            Some(State::Ready { unsupported, .. }) => unsupported.contains(&Feature::Tags),
            _ => false,
        };
        request.origin == Origin::Made && !lacks
    }

    /// A bucket was seen just now, looked for as the one that was `known`. Its loss may have been accepted meanwhile, or another
    /// bucket be wanted.
    fn sees(&self, key: &BucketKey, bucket: &str, known: Option<&Identity>, identity: Option<Identity>) {
        let now = Timestamp::now();
        let mut entries = self.entries();
        let Some(entry) = entries.get_mut(key) else { return };
        let is_it = matches!(&entry.task, Task::Keep(request) if request.bucket == bucket);
        if !is_it || entry.identity.as_ref() != known {
            return;
        }
        entry.identity = identity;
        entry.seen = Some(now);
        let is_noted = entry
            .noted
            .is_some_and(|noted| now.as_second() - noted.as_second() < NOTE_SEEN);
        if !is_noted {
            entry.noted = Some(now);
            drop(entries);
            self.wake(key);
        }
    }

    /// Counts what is in a bucket. Not to be able to is no trouble of the drive's.
    async fn count(&self, key: &BucketKey, request: &BucketRequest, pages: u32) -> bool {
        let Ok(_slot) = self.long.acquire().await else {
            return false;
        };
        let now = Timestamp::now();
        match measure(&self.store, &request.bucket, &request.settings, now, pages).await {
            Ok(usage) => {
                let mut entries = self.entries();
                if let Some(entry) = entries.get_mut(key) {
                    entry.usage = Some((usage, now));
                }
                drop(entries);
                self.wake(key);
                true
            }
            Err(failure) => {
                tracing::info!(drive = %key.drive, bucket = key.name, "not counted: {}", failure.sentence());
                false
            }
        }
    }

    /// Takes a bucket away, and returns when to try again, if at all.
    async fn take_away(
        &self,
        key: &BucketKey,
        bucket: &str,
        owner: &Owner,
        manner: Manner,
        failures: &mut u32,
    ) -> Option<Duration> {
        let _slot = self.long.acquire().await.ok()?;
        let task = Task::Remove {
            bucket: bucket.to_owned(),
            owner: owner.clone(),
            manner,
        };
        let told = Mutex::new(None::<Instant>);
        let before = self.removed_before(key);
        let on_page = |removed: u64| {
            if self.task(key).as_ref() != Some(&task) {
                return ControlFlow::Break(());
            }
            let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
            if told.is_none_or(|then| then.elapsed() >= PROGRESS) {
                *told = Some(Instant::now());
                self.tell(
                    key,
                    State::Removing {
                        removed: before + removed,
                    },
                    None,
                );
            }
            ControlFlow::Continue(())
        };
        match remove(&self.store, bucket, owner, manner, &on_page).await {
            Ok(removal) => {
                *failures = 0;
                if self.task(key).as_ref() == Some(&task) {
                    let over = matches!(removal, Removal::Gone | Removal::NotEmpty | Removal::NotOurs { .. });
                    self.tell(key, State::Removed(removal), None);
                    // Locks run out by themselves; everything else wants somebody to change something.
                    return (!over).then(|| backoff::longest(&key.drive));
                }
                Some(Duration::ZERO)
            }
            Err(failure) => {
                *failures = failures.saturating_add(1);
                self.fail(key, &failure);
                Some(after(&failure, *failures, key))
            }
        }
    }

    fn removed_before(&self, key: &BucketKey) -> u64 {
        match self.entries().get(key).map(|entry| &entry.state) {
            Some(State::Removing { removed } | State::Failed { removed, .. }) => *removed,
            _ => 0,
        }
    }

    fn fail(&self, key: &BucketKey, failure: &Failure) {
        let (there, removed) = match self.entries().get(key).map(|entry| &entry.state) {
            Some(State::Ready { .. } | State::Changing) => (true, 0),
            Some(State::Failed { there, removed, .. }) => (*there, *removed),
            Some(State::Removing { removed }) => (true, *removed),
            _ => (false, 0),
        };
        let (was_lost, is_remembered) = self.entries().get(key).map_or((false, false), |entry| {
            (matches!(entry.state, State::Lost { .. }), entry.identity.is_some())
        });
        if let Some(to_another) = failure.lost_to_another() {
            // Its loss may have been accepted while it was looked for.
            if is_remembered {
                if !was_lost {
                    tracing::warn!(drive = %key.drive, bucket = key.name, "{}", failure.sentence());
                }
                self.tell(key, State::Lost { to_another }, None);
            }
            return;
        }
        if was_lost && (failure.is_unreachable() || failure.is_throttled()) {
            // Nothing new is known of it.
            return;
        }
        let trouble = StoreError::from(failure);
        tracing::info!(drive = %key.drive, bucket = key.name, reason = %trouble.reason, "{}", trouble.message);
        self.tell(
            key,
            State::Failed {
                trouble,
                there,
                removed,
            },
            None,
        );
    }

    fn tell(&self, key: &BucketKey, state: State, news: Option<BucketChange>) {
        let mut entries = self.entries();
        let Some(entry) = entries.get_mut(key) else { return };
        if entry.state == state && news.is_none() {
            return;
        }
        entry.state = state;
        entry.news = match (entry.news.take(), news) {
            (Some(old), Some(new)) => Some(old.and(new)),
            (old, new) => new.or(old),
        };
        drop(entries);
        self.wake(key);
    }

    fn wake(&self, key: &BucketKey) {
        // Nobody listens any more when the program stops.
        let _ = self.queue.send(key.drive.clone());
    }

    fn task(&self, key: &BucketKey) -> Option<Task> {
        self.entries().get(key).map(|entry| entry.task.clone())
    }

    fn turns(&self) -> MutexGuard<'_, HashMap<DriveKey, Arc<Semaphore>>> {
        self.turns.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<BucketKey, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn forget_capabilities(&self) {
        let mut learned = self.learned.lock().unwrap_or_else(PoisonError::into_inner);
        if learned.elapsed() >= CAPABILITIES {
            *learned = Instant::now();
            self.capabilities.forget();
        }
    }
}

fn after(failure: &Failure, failures: u32, key: &BucketKey) -> Duration {
    match failure.retry() {
        Retry::Soon | Retry::WhenReached => backoff::wait(failures, &key.drive),
        Retry::OnChange | Retry::Never => backoff::longest(&key.drive),
    }
}

/// A duration, give or take a tenth, so that buckets that were made together are not looked at together.
fn about(duration: Duration, key: &BucketKey) -> Duration {
    duration.mul_f64(0.9 + 0.2 * share(key))
}

/// Some time within a duration, the same for one bucket each time.
fn somewhere_in(duration: Duration, key: &BucketKey) -> Duration {
    duration.mul_f64(share(key))
}

/// What an existing bucket may still have of ours from an earlier spec: anything, when the spec has just changed. A look
/// at what has not changed asks for less.
fn before(request: &BucketRequest, is_settled: bool) -> BTreeSet<Feature> {
    if is_settled || request.origin == Origin::Made {
        return BTreeSet::new();
    }
    Feature::LIFECYCLE.into_iter().chain([Feature::Cors]).collect()
}

fn turns_of_one_drive() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(AT_A_TIME_OF_ONE_DRIVE))
}

/// A number from 0 to 1 that is the bucket's own.
fn share(key: &BucketKey) -> f64 {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    let thousandths = u32::try_from(hasher.finish() % 1_000).unwrap_or_default();
    f64::from(thousandths) / 1_000.0
}
