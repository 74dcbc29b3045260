//! What is remembered of Jobs and of their pods. Pure.

use std::sync::Arc;

use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ContainerStatus, Pod, PodStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use k8s_openapi::jiff::Timestamp;
use ras_crds::labels;

use crate::database::report::Report;
use crate::fetched::facts::{JobOutcome, JobPod, PodEnd, PodRun};
use crate::fetched::pods;
use crate::fetched::pods::{PodFailure, PodFailureKind, said};

/// Purpose label of the Job that prepares databases.
pub const PREPARE: &str = "prepare";
/// Purpose label of Jobs that migrate.
pub const MIGRATE: &str = "migrate";

/// How a Job stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JobState {
    /// Its purpose label.
    pub purpose: Arc<str>,
    /// For which part of the drive, as its label says.
    pub of: Arc<str>,
    /// Hash of what it does, as its annotation says.
    pub work: Arc<str>,
    pub outcome: JobOutcome,
}

impl JobState {
    /// Reads the metadata of a Job.
    pub fn of(meta: &ObjectMeta) -> Self {
        let label = |key: &str| meta.labels.as_ref().and_then(|all| all.get(key));
        let work = meta.annotations.as_ref().and_then(|all| all.get(labels::WORK));
        let text = |found: Option<&String>| found.map(String::as_str).unwrap_or_default().into();
        Self {
            purpose: text(label(labels::JOB)),
            of: text(label(labels::JOB_OF)),
            work: text(work),
            outcome: JobOutcome::Open,
        }
    }
}

pub fn outcome(job: &Job) -> JobOutcome {
    let Some(status) = &job.status else {
        return JobOutcome::Open;
    };
    let at = |time: Option<&Time>| time.map(|time| time.0);
    let condition = |type_: &str| {
        let mut all = status.conditions.iter().flatten();
        all.find(|condition| condition.type_ == type_ && condition.status == "True")
    };
    if let Some(complete) = condition("Complete") {
        return JobOutcome::Succeeded {
            at: at(status
                .completion_time
                .as_ref()
                .or(complete.last_transition_time.as_ref())),
        };
    }
    match condition("Failed") {
        Some(failed) => JobOutcome::Failed {
            at: at(failed.last_transition_time.as_ref()),
            reason: failed.reason.as_deref().unwrap_or("Failed").to_owned(),
        },
        None => JobOutcome::Open,
    }
}

/// A Job's pod with what only the memory of all Jobs needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownPod {
    pub pod: JobPod,
    /// UID of its Job: an earlier Job may have had the same name.
    pub job_uid: Option<Arc<str>>,
    /// The reason why its container does not start.
    pub trouble: Option<PodFailure>,
}

/// The same of this pod.
pub fn known(object: &Pod) -> KnownPod {
    let pod = pod(object);
    let owners = object.metadata.owner_references.iter().flatten();
    let job = owners
        .clone()
        .find(|owner| owner.kind == "Job" && owner.controller == Some(true));
    KnownPod {
        trouble: matches!(pod.run, PodRun::BlockedBy(_))
            .then(|| pods::trouble(&pod.of, object))
            .flatten(),
        job_uid: job.map(|job| job.uid.as_str().into()),
        pod,
    }
}

/// The part of a Job's pod that the informer keeps.
pub fn pod(pod: &Pod) -> JobPod {
    let name = |key: &str| pod.metadata.labels.as_ref().and_then(|all| all.get(key));
    let job = name("batch.kubernetes.io/job-name").or_else(|| name("job-name"));
    JobPod {
        job: job.cloned().unwrap_or_default(),
        purpose: name(labels::JOB).cloned().unwrap_or_default(),
        of: name(labels::JOB_OF).cloned().unwrap_or_default(),
        run: run(pod),
        report: report(pod),
    }
}

/// The report of the container that prepares databases, unredacted: the operator wrote it, and it holds no credential.
/// Output of any other container is not read as a report.
fn report(pod: &Pod) -> Option<(Option<Timestamp>, Report)> {
    let purpose = pod.metadata.labels.as_ref()?.get(labels::JOB)?;
    if purpose != PREPARE {
        return None;
    }
    let containers = pod.status.as_ref()?.container_statuses.as_ref()?;
    let ended = containers.first()?.state.as_ref()?.terminated.as_ref()?;
    let report = Report::parse(ended.message.as_deref()?)?;
    Some((ended.finished_at.as_ref().map(|time| time.0), report))
}

fn run(pod: &Pod) -> PodRun {
    let Some(status) = &pod.status else {
        return PodRun::BlockedBy(None);
    };
    match status.phase.as_deref() {
        Some("Succeeded") => PodRun::Ended(None),
        Some("Failed") => PodRun::Ended(Some(end(status))),
        _ if has_started(status) => PodRun::Running,
        _ => PodRun::BlockedBy(
            pods::trouble("", pod)
                // How long a start may take, the clock decides: see `JobFacts::trouble`.
                .filter(|trouble| !matches!(trouble.course, PodFailureKind::Creating | PodFailureKind::Unready))
                .map(|trouble| trouble.text()),
        ),
    }
}

/// True if the main container has ever run. Init containers do not count.
fn has_started(status: &PodStatus) -> bool {
    status.container_statuses.iter().flatten().any(|container| {
        let state = |state: Option<&k8s_openapi::api::core::v1::ContainerState>| {
            state.is_some_and(|state| state.running.is_some() || state.terminated.is_some())
        };
        container.restart_count > 0 || state(container.state.as_ref()) || state(container.last_state.as_ref())
    })
}

/// How a pod failed: by the first of its containers that did, or by what the kubelet says of the whole pod.
fn end(status: &PodStatus) -> PodEnd {
    let mut containers = status
        .init_container_statuses
        .iter()
        .flatten()
        .chain(status.container_statuses.iter().flatten());
    let failed = |container: &ContainerStatus| {
        let ended = container.state.as_ref()?.terminated.as_ref()?;
        (ended.exit_code != 0).then(|| PodEnd {
            exit_code: Some(ended.exit_code),
            reason: ended.reason.clone().filter(|reason| reason != "Error"),
            said: said(ended.message.as_deref().unwrap_or_default()),
            at: ended.finished_at.as_ref().map(|time| time.0),
        })
    };
    containers.find_map(failed).unwrap_or_else(|| PodEnd {
        exit_code: None,
        reason: status.reason.clone(),
        said: said(status.message.as_deref().unwrap_or_default()),
        at: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn read<T: serde::de::DeserializeOwned>(value: Value) -> T {
        serde_json::from_value(value).unwrap()
    }

    fn state_of(status: &Value) -> PodRun {
        pod(&read(
            json!({"metadata": {"name": "p", "labels": {"job-name": "j"}}, "status": status}),
        ))
        .run
    }

    #[test]
    fn a_pod_belongs_to_the_job_that_controls_it_and_not_to_one_that_its_labels_name() {
        let pod = |owners: Value| -> Pod {
            let labels = json!({"batch.kubernetes.io/job-name": "d-prepare", "ras.dev/job": "prepare"});
            read(json!({"metadata": {"labels": labels, "ownerReferences": owners}}))
        };
        let owner = |kind: &str, controller: bool| json!([{"apiVersion": "batch/v1", "kind": kind, "name": "d-prepare", "uid": "u", "controller": controller}]);
        for (owners, uid) in [
            (json!([]), None),
            (owner("Job", false), None),
            (owner("ReplicaSet", true), None),
            (owner("Job", true), Some("u")),
        ] {
            assert_eq!(known(&pod(owners.clone())).job_uid.as_deref(), uid, "{owners}");
        }
    }

    #[test]
    fn a_job_is_open_until_a_condition_says_how_it_ended() {
        let job = |status: Value| outcome(&read(json!({"status": status})));
        assert_eq!(job(json!({"active": 1})), JobOutcome::Open);
        // The controller still has work to do: what it is going to say is not said yet.
        let target = json!({"conditions": [{"type": "FailureTarget", "status": "True"}]});
        assert_eq!(job(target), JobOutcome::Open);
        let at: Timestamp = "2026-07-01T10:00:00Z".parse().unwrap();
        let complete =
            json!({"completionTime": "2026-07-01T10:00:00Z", "conditions": [{"type": "Complete", "status": "True"}]});
        assert_eq!(job(complete), JobOutcome::Succeeded { at: Some(at) });
        let failed = json!({"conditions": [{"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded",
            "lastTransitionTime": "2026-07-01T10:00:00Z"}]});
        let reason = "BackoffLimitExceeded".to_owned();
        assert_eq!(job(failed), JobOutcome::Failed { at: Some(at), reason });
    }

    #[test]
    fn what_a_failed_pod_said_is_kept_without_credentials() {
        let run = state_of(
            &json!({"phase": "Failed", "containerStatuses": [{"name": "c", "image": "i", "imageID": "",
            "ready": false, "restartCount": 0, "state": {"terminated": {"exitCode": 3, "reason": "Error",
            "message": "connecting to postgres://o:hunter2@db/x\nrelation exists\n"}}}]}),
        );
        let PodRun::Ended(Some(end)) = run else {
            unreachable!("{run:?}")
        };
        assert_eq!(end.exit_code, Some(3));
        assert_eq!(end.reason, None);
        assert_eq!(end.said, "connecting to postgres://[redacted]@db/x / relation exists");
    }

    #[test]
    fn a_pod_that_never_started_its_program_is_told_from_one_that_did() {
        let container = |state: Value| json!({"name": "c", "image": "i", "imageID": "", "ready": false, "restartCount": 0, "state": state});
        let pulling = json!({"phase": "Pending", "containerStatuses":
            [container(json!({"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}))]});
        assert_eq!(
            state_of(&pulling),
            PodRun::BlockedBy(Some(
                "pod p: ImagePullBackOff: container c: no such image. Correct the image i, push it, or name a Secret for its \
                 registry in spec.imagePullSecrets"
                    .to_owned()
            ))
        );
        let running = json!({"phase": "Running", "containerStatuses": [container(json!({"running": {}}))]});
        assert_eq!(state_of(&running), PodRun::Running);
        assert_eq!(state_of(&json!({"phase": "Pending"})), PodRun::BlockedBy(None));
        assert_eq!(state_of(&json!({"phase": "Succeeded"})), PodRun::Ended(None));
    }

    #[test]
    fn a_pod_that_was_evicted_says_so() {
        let run = state_of(&json!({"phase": "Failed", "reason": "Evicted", "message": "The node was low on memory."}));
        let PodRun::Ended(Some(end)) = run else {
            unreachable!("{run:?}")
        };
        assert_eq!(end.exit_code, None);
        assert_eq!(end.reason.as_deref(), Some("Evicted"));
        assert_eq!(end.said, "The node was low on memory.");
    }
}
