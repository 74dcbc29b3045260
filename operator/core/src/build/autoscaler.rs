//! `HorizontalPodAutoscaler`: the number of pods by load. While a drive is suspended it rests by itself,
//! because Kubernetes switches an autoscaler off at zero replicas.

use k8s_openapi::api::autoscaling::v2::{
    CrossVersionObjectReference, HorizontalPodAutoscaler, HorizontalPodAutoscalerSpec, MetricSpec, MetricTarget,
    ResourceMetricSource,
};

use crate::build::metadata;
use crate::plan::Plan;
use crate::valid::{Replicas, ValidService};

pub(super) fn build(plan: &Plan<'_>, service: &ValidService) -> Option<HorizontalPodAutoscaler> {
    let Replicas::Autoscaled { min, max, cpu, memory } = &service.replicas else {
        return None;
    };
    let step = plan.replicas.get(&service.child).and_then(|replicas| replicas.step);
    let targets = [("cpu", cpu), ("memory", memory)];
    let metrics = targets
        .into_iter()
        .filter_map(|(name, percent)| Some(utilization(name, (*percent)?)))
        .collect();
    Some(HorizontalPodAutoscaler {
        metadata: metadata::of_service(plan.drive, service),
        spec: Some(HorizontalPodAutoscalerSpec {
            scale_target_ref: CrossVersionObjectReference {
                api_version: Some("apps/v1".to_owned()),
                kind: "Deployment".to_owned(),
                name: service.child.clone(),
            },
            // While pods start one at a time it would add the others at once.
            min_replicas: Some(step.map_or(*min, |step| step.next)),
            max_replicas: step.map_or(*max, |step| step.next),
            metrics: Some(metrics),
            behavior: None,
        }),
        status: None,
    })
}

fn utilization(name: &str, percent: i32) -> MetricSpec {
    MetricSpec {
        type_: "Resource".to_owned(),
        resource: Some(ResourceMetricSource {
            name: name.to_owned(),
            target: MetricTarget {
                type_: "Utilization".to_owned(),
                average_utilization: Some(percent),
                ..MetricTarget::default()
            },
        }),
        ..MetricSpec::default()
    }
}
