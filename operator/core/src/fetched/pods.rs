//! Why a pod does not serve, since when, and whether waiting helps. Pure.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::{ContainerState, ContainerStateTerminated, ContainerStatus, Pod, PodSpec, PodStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::{SignedDuration, Timestamp};

use crate::fetched::facts::PASSWORD;
use crate::plain_text::plain;
use crate::redaction::last_words;

/// The failure of one pod.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PodFailure {
    /// The service it belongs to.
    pub service: String,
    /// Its name. Empty for a pod that the API server does not accept.
    pub pod: String,
    /// The kubelet's or the scheduler's word for it, for instance `ImagePullBackOff`.
    pub reason: String,
    /// The kubelet's or scheduler's message, and the next step.
    pub message: String,
    pub course: PodFailureKind,
    /// Since when, as far as Kubernetes records it.
    pub since: Option<Timestamp>,
    /// The image that cannot be pulled, where that is the trouble.
    pub unpulled: Option<String>,
    /// Secrets of which the pod takes a password, where its program crashes.
    pub passwords: Box<[Arc<str>]>,
}

/// A pod that is ready, and where it is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadyPod {
    /// The service it belongs to.
    pub service: Arc<str>,
    pub address: IpAddr,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PodFailureKind {
    /// The pod, or one of its containers, is refused as it is written: only a change helps.
    Refused,
    /// Its image cannot be pulled. A registry may come back.
    Unpulled,
    /// Its program ends again and again. What it waits for may come up.
    Crashing,
    /// It fits on no node. A node may be added.
    Unscheduled,
    /// Its node does not report. Kubernetes replaces the pod after a few minutes.
    Unreachable,
    /// It is part of every start: images are pulled, volumes are mounted.
    Creating,
    /// It runs, and its readiness probe fails.
    Unready,
}

impl PodFailureKind {
    /// How long it is part of an ordinary start.
    fn ordinary(self) -> Duration {
        match self {
            Self::Refused | Self::Unpulled | Self::Crashing | Self::Unscheduled | Self::Unreachable => Duration::ZERO,
            Self::Creating | Self::Unready => Duration::from_secs(30),
        }
    }

    /// After this time, waiting is unlikely to help. `None`: never; the deadline of the rollout decides how long a
    /// container may take to start.
    pub fn patience(self) -> Option<Duration> {
        match self {
            Self::Refused | Self::Unpulled => Some(Duration::from_secs(30)),
            Self::Crashing => Some(Duration::from_secs(45)),
            // As long as Kubernetes' own deadline of a roll-out.
            Self::Unscheduled | Self::Creating => Some(Duration::from_mins(10)),
            Self::Unreachable | Self::Unready => None,
        }
    }
}

impl PodFailure {
    /// The failure as one sentence.
    pub fn text(&self) -> String {
        if self.pod.is_empty() {
            self.message.clone()
        } else {
            format!("pod {}: {}: {}", self.pod, self.reason, self.message)
        }
    }

    /// True once it lasts longer than an ordinary start.
    pub fn is_shown(&self, now: Timestamp) -> bool {
        self.since
            .is_none_or(|since| after(since, self.course.ordinary()) <= now)
    }

    /// True once waiting is unlikely to help. The time starts again when the pod's owner `changed`, because its new
    /// pods get the same time and the old ones are about to be replaced.
    pub fn is_lasting(&self, changed: Option<Timestamp>, now: Timestamp) -> bool {
        self.lasts_from(changed).is_some_and(|from| from <= now)
    }

    fn lasts_from(&self, changed: Option<Timestamp>) -> Option<Timestamp> {
        let begin = self.since.max(changed)?;
        Some(after(begin, self.course.patience()?))
    }

    /// When its report changes next, without any event.
    pub fn changes_at(&self, changed: Option<Timestamp>, now: Timestamp) -> Option<Timestamp> {
        let shown = self.since.map(|since| after(since, self.course.ordinary()));
        shown
            .into_iter()
            .chain(self.lasts_from(changed))
            .filter(|at| *at > now)
            .min()
    }
}

/// A time that lies so much later.
pub fn after(from: Timestamp, wait: Duration) -> Timestamp {
    let wait = SignedDuration::try_from(wait).unwrap_or(SignedDuration::MAX);
    from.checked_add(wait).unwrap_or(Timestamp::MAX)
}

/// The worst of some troubles.
pub fn worst<'a>(pod_failures: impl Iterator<Item = &'a PodFailure>) -> Option<&'a PodFailure> {
    pod_failures.min_by_key(|trouble| (trouble.course, &trouble.pod))
}

/// Reasons for waiting that are part of every start.
const ORDINARY: &[&str] = &["ContainerCreating", "PodInitializing"];
/// Reasons for waiting that say that an image is not there.
const UNPULLED: &[&str] = &[
    "ErrImagePull",
    "ImagePullBackOff",
    "ImageInspectError",
    "ErrImageNeverPull",
    "InvalidImageName",
    "RegistryUnavailable",
    "SignatureValidationFailed",
];
/// Restarts after which a container that runs, and is not ready, is about to end once more.
const MANY_RESTARTS: i32 = 3;
/// A program that ran longer than this was up: the kubelet itself forgets earlier restarts then.
const UP: SignedDuration = SignedDuration::from_mins(10);
/// Characters of what a failed program printed that are kept.
const MOST: usize = 300;
/// The kubelet keeps this many bytes or lines of a log at most, and no more than fits: what reaches either was cut.
const KUBELET_BYTES: usize = 2_048;
const KUBELET_LINES: usize = 80;

/// Where this pod of `service` is reached, when it is ready and stays.
pub fn ready(service: &str, pod: &Pod) -> Option<ReadyPod> {
    let status = pod.status.as_ref()?;
    let is_ready = condition(status, "Ready").is_some_and(|ready| ready.status == "True");
    if !is_ready || pod.metadata.deletion_timestamp.is_some() {
        return None;
    }
    Some(ReadyPod {
        service: service.into(),
        address: status.pod_ip.as_deref()?.parse().ok()?,
    })
}

/// The failure of this pod of `service`, if it has one.
pub fn trouble(service: &str, pod: &Pod) -> Option<PodFailure> {
    if pod.metadata.deletion_timestamp.is_some() {
        return None;
    }
    let nothing = PodStatus::default();
    let status = pod.status.as_ref().unwrap_or(&nothing);
    // What ended is replaced by another pod.
    if matches!(status.phase.as_deref(), Some("Succeeded" | "Failed")) {
        return None;
    }
    let found = |reason: &str, message: String, course: PodFailureKind, since: Option<Timestamp>| PodFailure {
        service: service.to_owned(),
        pod: pod.metadata.name.clone().unwrap_or_default(),
        reason: reason.to_owned(),
        message,
        course,
        since: since.or(pod.metadata.creation_timestamp.as_ref().map(|time| time.0)),
        unpulled: None,
        passwords: Box::default(),
    };
    let changed = |name: &str| changed(status, name);
    let containers = status
        .init_container_statuses
        .iter()
        .flatten()
        .chain(status.container_statuses.iter().flatten());
    for container in containers {
        let Some(wrong) = wrong(pod, container) else { continue };
        // Between two crashes a pod may be ready for a moment, so its age counts instead.
        let since = if wrong.is_old { None } else { changed("Ready") };
        let mut found = found(&wrong.reason, wrong.message, wrong.course, since);
        if wrong.course == PodFailureKind::Unpulled {
            found.unpulled = image_of(pod, &container.name).map(str::to_owned);
        }
        if wrong.course == PodFailureKind::Crashing {
            found.passwords = passwords(pod.spec.as_ref());
        }
        return Some(found);
    }
    if is_out_of_reach(status) {
        let node = pod
            .spec
            .as_ref()
            .and_then(|spec| spec.node_name.as_deref())
            .unwrap_or_default();
        let message = format!(
            "node {node} does not report: the pod may still run but receives no traffic; see `kubectl describe node {node}`"
        );
        return Some(found(
            "NodeNotReady",
            message,
            PodFailureKind::Unreachable,
            changed("Ready"),
        ));
    }
    let scheduled = condition(status, "PodScheduled");
    if let Some(unscheduled) = scheduled.filter(|one| one.status == "False") {
        let reason = unscheduled.reason.as_deref().unwrap_or("Unschedulable");
        let message = first_line(unscheduled.message.as_deref().unwrap_or_default());
        return Some(found(
            reason,
            message,
            PodFailureKind::Unscheduled,
            changed("PodScheduled"),
        ));
    }
    if condition(status, "Ready").is_some_and(|ready| ready.status == "True") {
        return None;
    }
    let describe = format!("`kubectl -n {} describe pod {}`", namespace(pod), name(pod));
    let runs = |container: &ContainerStatus| container.state.as_ref().is_some_and(|state| state.running.is_some());
    if status.container_statuses.iter().flatten().any(runs) {
        let message = format!("it runs and is not ready: {describe} shows which probe or readiness gate fails");
        return Some(found("NotReady", message, PodFailureKind::Unready, changed("Ready")));
    }
    let message = format!("its containers have not started: {describe} shows whether an image or a volume is missing");
    Some(found(
        "ContainerCreating",
        message,
        PodFailureKind::Creating,
        changed("PodScheduled"),
    ))
}

fn name(pod: &Pod) -> &str {
    pod.metadata.name.as_deref().unwrap_or_default()
}

fn namespace(pod: &Pod) -> &str {
    pod.metadata.namespace.as_deref().unwrap_or_default()
}

fn condition<'a>(status: &'a PodStatus, name: &str) -> Option<&'a k8s_openapi::api::core::v1::PodCondition> {
    status.conditions.iter().flatten().find(|one| one.type_ == name)
}

/// When a condition last changed.
fn changed(status: &PodStatus, name: &str) -> Option<Timestamp> {
    let Time(at) = condition(status, name)?.last_transition_time.as_ref()?;
    Some(*at)
}

/// A kubelet reports a pod with ready containers as not ready only for a readiness gate, and names the gate. If a node
/// does not report, Kubernetes sets the pod's condition Ready to false and leaves the containers ready.
fn is_out_of_reach(status: &PodStatus) -> bool {
    condition(status, "ContainersReady").is_some_and(|one| one.status == "True")
        && condition(status, "Ready").is_some_and(|one| one.status == "False" && one.reason.is_none())
}

/// Image of a container, as the pod names it: what a container's status names may be another name of it.
fn image_of<'a>(pod: &'a Pod, name: &str) -> Option<&'a str> {
    let spec = pod.spec.as_ref()?;
    spec.init_containers
        .iter()
        .flatten()
        .chain(&spec.containers)
        .find(|container| container.name == name)?
        .image
        .as_deref()
}

/// The failure of one container.
struct Wrong {
    reason: String,
    message: String,
    course: PodFailureKind,
    /// It has lasted longer than the pod's conditions show.
    is_old: bool,
}

fn wrong(pod: &Pod, container: &ContainerStatus) -> Option<Wrong> {
    if let Some(crash) = crash(pod, container) {
        return Some(crash);
    }
    let waiting = container.state.as_ref()?.waiting.as_ref()?;
    let reason = waiting.reason.as_deref().filter(|reason| !ORDINARY.contains(reason))?;
    let cause = first_line(waiting.message.as_deref().unwrap_or_default());
    let course = if UNPULLED.contains(&reason) {
        PodFailureKind::Unpulled
    } else {
        PodFailureKind::Refused
    };
    let next = match course {
        PodFailureKind::Unpulled => {
            let image = image_of(pod, &container.name).unwrap_or(&container.image);
            format!(". Correct the image {image}, push it, or name a Secret for its registry in spec.imagePullSecrets")
        }
        _ if runs_as_root(&cause) => {
            ". Set podSecurity.runAsUser to the number of a user that the image can run as".to_owned()
        }
        _ => String::new(),
    };
    Some(Wrong {
        reason: reason.to_owned(),
        message: format!("container {}: {cause}{next}", container.name),
        course,
        is_old: false,
    })
}

/// The kubelet's sentences on a container that may not run as root and would, or may.
fn runs_as_root(cause: &str) -> bool {
    ["runAsNonRoot", "non-root", "run as root"]
        .iter()
        .any(|word| cause.contains(word))
}

/// A container whose program ends again and again. The kubelet's own text names back-off times that change at each try; how it
/// ended is what helps.
fn crash(pod: &Pod, container: &ContainerStatus) -> Option<Wrong> {
    let ended = |state: Option<&ContainerState>| state.and_then(|state| state.terminated.clone());
    let state = container.state.as_ref()?;
    let waits_for = state.waiting.as_ref().and_then(|waiting| waiting.reason.as_deref());
    let backs_off = waits_for == Some("CrashLoopBackOff");
    let last = ended(Some(state)).or_else(|| ended(container.last_state.as_ref()));
    let is_between = last.as_ref().is_some_and(was_short)
        && container.restart_count >= MANY_RESTARTS
        && !container.ready
        // What waits for another reason fails for that one.
        && (state.waiting.is_none() || waits_for.is_some_and(|reason| ORDINARY.contains(&reason)));
    if !backs_off && !is_between {
        return None;
    }
    let of = &container.name;
    let log = format!("`kubectl -n {} logs {} -c {of} --previous`", namespace(pod), name(pod));
    let message = match &last {
        Some(last) if last.reason.as_deref() == Some("OOMKilled") => format!(
            "container {of} is killed because it uses more memory than its limit (OOMKilled): raise resources.limits.memory"
        ),
        Some(last) => {
            let said = said(last.message.as_deref().unwrap_or_default());
            let said = if said.is_empty() { said } else { format!(": {said}") };
            format!(
                "container {of} exits with code {}{said}. {log} shows its log",
                last.exit_code
            )
        }
        None => format!("container {of} does not stay up. {log} shows its log"),
    };
    let is_old = container.restart_count >= MANY_RESTARTS && last.as_ref().is_some_and(was_short);
    Some(Wrong {
        reason: "CrashLoopBackOff".to_owned(),
        message,
        course: PodFailureKind::Crashing,
        is_old,
    })
}

/// The last lines a program printed, without credentials: they are shown to everybody who may see the drive.
pub fn said(message: &str) -> String {
    let whole = message.len() < KUBELET_BYTES && message.lines().count() < KUBELET_LINES;
    last_words(message, whole, MOST)
}

fn was_short(ended: &ContainerStateTerminated) -> bool {
    match (&ended.started_at, &ended.finished_at) {
        (Some(from), Some(to)) => to.0.duration_since(from.0) < UP,
        (None, _) | (_, None) => true,
    }
}

/// Long runtime errors fill a terminal; their first line says what is wrong.
fn first_line(message: &str) -> String {
    let line = message.lines().next().unwrap_or_default();
    plain(&line.chars().take(240).collect::<String>(), 240)
}

/// Names of the Secrets of which a pod takes the password.
pub fn passwords(pod: Option<&PodSpec>) -> Box<[Arc<str>]> {
    let names: BTreeSet<&str> = pod
        .into_iter()
        .flat_map(|pod| pod.init_containers.iter().flatten().chain(&pod.containers))
        .flat_map(|container| container.env.iter().flatten())
        .filter_map(|variable| variable.value_from.as_ref()?.secret_key_ref.as_ref())
        .filter(|reference| reference.key == PASSWORD)
        .map(|reference| reference.name.as_str())
        .collect();
    names.into_iter().map(Into::into).collect()
}
