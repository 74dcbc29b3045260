//! `PodDisruptionBudget`: draining a node takes one pod of a service at a time.

use k8s_openapi::api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::{labels, metadata};
use crate::valid::{Replicas, ValidDrive, ValidService};

/// `maxUnavailable: 1` rather than a number that must stay: with one pod left it never blocks a drain.
pub(super) fn build(drive: &ValidDrive, service: &ValidService) -> Option<PodDisruptionBudget> {
    let may_be_many = match &service.replicas {
        Replicas::Fixed(count) => *count > 1,
        Replicas::Open => true,
        Replicas::Autoscaled { max, .. } => *max > 1,
    };
    may_be_many.then(|| PodDisruptionBudget {
        metadata: metadata::of_service(drive, service),
        spec: Some(PodDisruptionBudgetSpec {
            max_unavailable: Some(IntOrString::Int(1)),
            selector: Some(labels::select_service(drive, &service.name)),
            // A pod that does not serve anyway must not keep a node from being drained.
            unhealthy_pod_eviction_policy: Some("AlwaysAllow".to_owned()),
            ..PodDisruptionBudgetSpec::default()
        }),
        ..PodDisruptionBudget::default()
    })
}
