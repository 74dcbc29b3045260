//! Deployment: keeps the pods of a service running and replaces them when something changes.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::{Deployment, DeploymentSpec, DeploymentStrategy, RollingUpdateDeployment};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use ras_crds::spec::RolloutStrategy;

use crate::build::{labels, metadata, pod, probe};
use crate::plan::Plan;
use crate::plan::restarts::Hashes;
use crate::valid::ValidService;

/// Old versions to keep for `kubectl rollout undo`.
const REVISIONS: i32 = 3;
/// Seconds without progress after which a roll-out counts as stuck: Kubernetes' own default.
const PROGRESS_DEADLINE: i32 = 600;

pub(super) fn build(plan: &Plan<'_>, service: &ValidService) -> Deployment {
    let drive = plan.drive;
    let replicas = plan.replicas.get(&service.child).copied().unwrap_or_default();
    let restarts = plan.restarts.get(&service.child);
    let mut metadata = metadata::of_service(drive, service);
    let before_suspend = replicas
        .before_suspend
        .map(|count| (labels::REPLICAS_BEFORE_SUSPEND.to_owned(), count.to_string()));
    let annotations: BTreeMap<_, _> = before_suspend
        .into_iter()
        .chain(restarts.and_then(Hashes::annotation))
        .collect();
    metadata.annotations = (!annotations.is_empty()).then_some(annotations);
    Deployment {
        metadata,
        spec: Some(DeploymentSpec {
            replicas: replicas.sent,
            revision_history_limit: Some(REVISIONS),
            progress_deadline_seconds: Some(progress_deadline(service)),
            selector: labels::select_service(drive, &service.name),
            strategy: Some(strategy(service.rollout)),
            template: pod::template(plan, service),
            ..DeploymentSpec::default()
        }),
        status: None,
    }
}

/// A pod may use all its time to start, and with Recreate the old one first all its time to stop: neither is
/// a roll-out that is stuck.
fn progress_deadline(service: &ValidService) -> i32 {
    let stopping = i32::try_from(service.termination_grace_period_seconds).unwrap_or(i32::MAX);
    let probes = service
        .containers()
        .map(|container| probe::startup_budget(&container.probe));
    let budget = probes
        .max()
        .unwrap_or_default()
        .saturating_add(stopping)
        .saturating_add(60);
    budget.max(PROGRESS_DEADLINE)
}

fn strategy(rollout: RolloutStrategy) -> DeploymentStrategy {
    let rolling = |surge: IntOrString| DeploymentStrategy {
        type_: Some("RollingUpdate".to_owned()),
        rolling_update: Some(RollingUpdateDeployment {
            max_surge: Some(surge),
            max_unavailable: Some(IntOrString::Int(0)),
        }),
    };
    match rollout {
        RolloutStrategy::RollingUpdate => rolling(IntOrString::String("25%".to_owned())),
        RolloutStrategy::OneAtATime => rolling(IntOrString::Int(1)),
        RolloutStrategy::Recreate => DeploymentStrategy {
            type_: Some("Recreate".to_owned()),
            rolling_update: None,
        },
    }
}
