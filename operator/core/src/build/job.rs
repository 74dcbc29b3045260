//! `Job`: what all Jobs of a drive have in common. Each runs one pod at a time, to its end.

use std::collections::BTreeMap;

use k8s_openapi::api::batch::v1::{Job, JobSpec};
use k8s_openapi::api::core::v1::{PodSpec, PodTemplateSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::{labels, metadata};
use crate::valid::ValidDrive;

/// One Job, without what all have in common.
pub(super) struct Task<'a> {
    /// Its name: see [`names::job`](super::names::job).
    pub(super) name: String,
    /// What it is for, in one word.
    pub(super) purpose: &'a str,
    /// For which part of the drive.
    pub(super) of: &'a str,
    /// Hash of what it does.
    pub(super) work: &'a str,
    /// What it runs.
    pub(super) pod: PodSpec,
    /// How often it is tried again by itself.
    pub(super) retries: i32,
    /// Seconds it may take, its retries included.
    pub(super) timeout_seconds: i64,
}

pub(super) fn build(drive: &ValidDrive, task: Task<'_>) -> Job {
    let mut labels = labels::of_job(drive, task.purpose, task.of);
    labels.remove(labels::DRIVE_UID);
    // What moves pods about to save nodes should not stop one half-way.
    let annotations = BTreeMap::from([
        (
            "cluster-autoscaler.kubernetes.io/safe-to-evict".to_owned(),
            "false".to_owned(),
        ),
        ("karpenter.sh/do-not-disrupt".to_owned(), "true".to_owned()),
    ]);
    let mut pod = task.pod;
    pod.restart_policy = Some("Never".to_owned());
    for container in pod.init_containers.iter_mut().flatten().chain(&mut pod.containers) {
        // Its last lines are then told with its end, and nobody has to find its pod first.
        container.termination_message_policy = Some("FallbackToLogsOnError".to_owned());
    }
    Job {
        metadata: metadata::of_job(drive, task.name, task.purpose, task.of, task.work),
        spec: Some(JobSpec {
            backoff_limit: Some(task.retries),
            active_deadline_seconds: Some(task.timeout_seconds),
            // Not while the one before is still going: two would work on the same data.
            pod_replacement_policy: Some("Failed".to_owned()),
            template: PodTemplateSpec {
                metadata: Some(ObjectMeta {
                    labels: Some(labels),
                    annotations: Some(annotations),
                    ..ObjectMeta::default()
                }),
                spec: Some(pod),
            },
            ..JobSpec::default()
        }),
        status: None,
    }
}
