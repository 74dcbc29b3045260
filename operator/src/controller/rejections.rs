//! Pods that the API server does not accept. A Deployment names the reason in its status; of a `StatefulSet` and of a Job only
//! events do. They are read when such a part has had no pod for some seconds, and at no other time: a drive that runs costs no
//! request.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use k8s_openapi::api::events::v1::Event;
use k8s_openapi::jiff::Timestamp;
use kube::Api;
use kube::api::ListParams;

use crate::apply::child_client::ChildClient;
use crate::informer::store::DriveKey;
use ras_core::fetched::facts::JobOutcome;
use ras_core::fetched::pods::{PodFailure, PodFailureKind};
use ras_core::fetched::record::{ChildKey, Detail, StatefulSetState};
use ras_core::kind::Kind;

/// How long a controller may take to make a pod before events are read.
const FIRST: Duration = Duration::from_secs(3);
/// Longest time between two readings.
const LONGEST: Duration = Duration::from_mins(10);
/// Events of one object that are read. Kubernetes counts repetitions in one event.
const MOST: u32 = 20;
/// Characters of a refusal that are shown.
const SHOWN: usize = 500;

/// Rejections of the pods of workloads, from events.
#[derive(Debug, Default)]
pub struct Rejections {
    known: Mutex<HashMap<DriveKey, HashMap<ChildKey, Known>>>,
}

#[derive(Clone, Debug)]
struct Known {
    /// UID of the object.
    uid: String,
    /// Generation of the drive's part: a changed one has another answer.
    generation: i64,
    /// When to read events next.
    due: Instant,
    /// How long to wait after that.
    pause: Duration,
    /// Why its pods are refused.
    found: Option<PodFailure>,
}

/// A part that should have a pod and has none.
struct Podless {
    child: ChildKey,
    uid: String,
    generation: i64,
    /// The service or the part of the drive that it counts as.
    of: String,
}

impl Rejections {
    fn lock(&self) -> MutexGuard<'_, HashMap<DriveKey, HashMap<ChildKey, Known>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Why the pods of this child of a drive are refused, as far as is known.
    pub fn of(&self, drive: &DriveKey, child: &ChildKey) -> Option<PodFailure> {
        self.lock().get(drive)?.get(child)?.found.clone()
    }

    /// Forgets a drive that is gone.
    pub fn forget(&self, drive: &DriveKey) {
        self.lock().remove(drive);
    }

    /// How long until events are read next, where a part has no pod.
    pub fn next(&self, drive: &DriveKey) -> Option<Duration> {
        let now = Instant::now();
        let known = self.lock();
        let due = known.get(drive)?.values();
        due.map(|known| known.due.saturating_duration_since(now)).min()
    }

    /// Reads events of the parts of a drive that have had no pod for some seconds.
    pub async fn read(&self, child_client: &ChildClient, drive: &DriveKey, uid: &str) {
        let podless = podless(child_client, drive, uid);
        let due = self.due(drive, &podless);
        for part in podless.iter().filter(|part| due.contains(&part.child)) {
            let found = match refusal(child_client, part).await {
                Ok(found) => found,
                Err(error) => {
                    // Without the permission the state is reported without the reason.
                    tracing::debug!(drive = %drive, child = %part.child, %error, "its events could not be read");
                    None
                }
            };
            if let Some(known) = self.lock().get_mut(drive).and_then(|all| all.get_mut(&part.child)) {
                known.found = found.or(known.found.take());
                known.pause = if known.found.is_some() {
                    LONGEST
                } else {
                    known.pause.saturating_mul(2).min(LONGEST)
                };
                known.due = Instant::now() + known.pause;
            }
        }
    }

    /// The parts whose events are to be read now. What has a pod again is forgotten.
    fn due(&self, drive: &DriveKey, podless: &[Podless]) -> BTreeSet<ChildKey> {
        let now = Instant::now();
        let mut drives = self.lock();
        if podless.is_empty() {
            drives.remove(drive);
            return BTreeSet::new();
        }
        let known = drives.entry(drive.clone()).or_default();
        known.retain(|child, _| podless.iter().any(|part| part.child == *child));
        let mut due = BTreeSet::new();
        for part in podless {
            let new = || Known {
                uid: part.uid.clone(),
                generation: part.generation,
                due: now + FIRST,
                pause: FIRST,
                found: None,
            };
            let entry = known.entry(part.child.clone()).or_insert_with(new);
            if entry.uid != part.uid || entry.generation != part.generation {
                *entry = new();
            }
            if entry.due <= now {
                due.insert(part.child.clone());
            }
        }
        due
    }
}

fn podless(child_client: &ChildClient, drive: &DriveKey, uid: &str) -> Vec<Podless> {
    let jobs = child_client.store.jobs(drive, uid);
    let children = child_client.store.of_drive(drive).into_iter();
    children
        .filter(|(_, record)| !record.deleting)
        .filter_map(|(child, record)| {
            let (generation, of) = match &record.detail {
                Detail::StatefulSet(state) if lacks_pods(state) => {
                    (state.generation, ras_core::plan::database_job::OF.to_owned())
                }
                Detail::Job(_) => {
                    let job = jobs.get(&*child.name)?;
                    let lacks_pods = job.outcome == JobOutcome::Open && job.pods.is_empty();
                    (0, lacks_pods.then(|| job.of.clone())?)
                }
                Detail::StatefulSet(_)
                | Detail::None
                | Detail::Secret(_)
                | Detail::Deployment(_)
                | Detail::Claim(_)
                | Detail::Service(_)
                | Detail::Foreign(_) => return None,
            };
            Some(Podless {
                child,
                uid: record.uid.to_string(),
                generation,
                of,
            })
        })
        .collect()
}

fn lacks_pods(state: &StatefulSetState) -> bool {
    state.replicas > 0 && state.current == 0 && state.observed_generation >= state.generation
}

async fn refusal(child_client: &ChildClient, part: &Podless) -> Result<Option<PodFailure>, kube::Error> {
    let api: Api<Event> = Api::namespaced(child_client.client.clone(), &part.child.namespace);
    let fields = format!("reason=FailedCreate,regarding.uid={}", part.uid);
    let events = api.list(&ListParams::default().fields(&fields).limit(MOST)).await?;
    Ok(newest(&events.items, part))
}

/// The failure in the newest of these events.
fn newest(events: &[Event], part: &Podless) -> Option<PodFailure> {
    let event = events.iter().max_by_key(|event| last_seen(event))?;
    let kind = match part.child.kind {
        Kind::StatefulSet => "StatefulSet",
        _ => "Job",
    };
    let said = said(event.note.as_deref().unwrap_or_default());
    Some(PodFailure {
        service: part.of.clone(),
        pod: String::new(),
        reason: "FailedCreate".to_owned(),
        message: format!(
            "the API server refuses the pod of {kind} {}: {said}. Change the LimitRange, quota or policy of namespace {}, or what the \
             pod requests",
            part.child.name, part.child.namespace
        ),
        course: PodFailureKind::Refused,
        since: first_seen(event),
        unpulled: None,
        passwords: Box::default(),
    })
}

fn last_seen(event: &Event) -> Option<Timestamp> {
    let series = event.series.as_ref().map(|series| series.last_observed_time.0);
    let last = event.deprecated_last_timestamp.as_ref().map(|time| time.0);
    series.max(last).max(event.event_time.as_ref().map(|time| time.0))
}

fn first_seen(event: &Event) -> Option<Timestamp> {
    let first = event.deprecated_first_timestamp.as_ref().map(|time| time.0);
    let made = event.metadata.creation_timestamp.as_ref().map(|time| time.0);
    first.or(event.event_time.as_ref().map(|time| time.0)).or(made)
}

/// The API server's own words, without those of the controller that passed them on.
fn said(note: &str) -> String {
    let line = note.lines().next().unwrap_or_default();
    let own = ["failed error: ", "Error creating: "]
        .iter()
        .find_map(|prefix| Some(line.split_once(prefix)?.1))
        .unwrap_or(line);
    own.chars().take(SHOWN).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event(note: &str, last: &str) -> Event {
        serde_json::from_value(
            json!({"metadata": {"creationTimestamp": "2026-07-01T10:00:00Z"}, "eventTime": null,
            "note": note, "deprecatedFirstTimestamp": "2026-07-01T10:00:00Z", "deprecatedLastTimestamp": last}),
        )
        .unwrap()
    }

    #[test]
    fn the_newest_refusal_is_told_in_the_api_servers_words() {
        let part = Podless {
            child: ChildKey::new(Kind::StatefulSet, "spo", "spring-database"),
            uid: "1".to_owned(),
            generation: 1,
            of: "database".to_owned(),
        };
        let old = event(
            "create Pod p in StatefulSet s failed error: exceeded quota",
            "2026-07-01T10:00:01Z",
        );
        let new = event(
            "create Pod p in StatefulSet s failed error: pods \"p\" is forbidden: maximum memory usage per Container is 256Mi",
            "2026-07-01T10:00:09Z",
        );
        let trouble = newest(&[new, old], &part).unwrap();
        assert_eq!(
            trouble.text(),
            "the API server refuses the pod of StatefulSet spring-database: pods \"p\" is forbidden: maximum memory usage per \
             Container is 256Mi. Change the LimitRange, quota or policy of namespace spo, or what the pod requests"
        );
        assert_eq!(trouble.since, Some("2026-07-01T10:00:00Z".parse().unwrap()));
        assert_eq!(newest(&[], &part), None);
        assert_eq!(
            said("Error creating: pods \"j-\" is forbidden: no"),
            "pods \"j-\" is forbidden: no"
        );
    }
}
