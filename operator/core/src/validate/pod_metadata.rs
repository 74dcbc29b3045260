//! Labels and annotations of pods: none of ours, none of Kubernetes', and no annotation that gives a pod more than its drive has.

use ras_crds::spec::{PodMetadata, Service};

use super::field_errors::FieldErrors;
use crate::platform::TenancyConfig;

pub(super) fn read(field: &str, service: &Service, tenancy: &TenancyConfig, found: &mut FieldErrors) -> PodMetadata {
    let Some(asked) = &service.pod_metadata else {
        return PodMetadata::default();
    };
    for name in asked.labels.keys().filter(|name| is_reserved(name)) {
        found.invalid(
            format!("{field}.podMetadata.labels[{name:?}]"),
            "belongs to the operator or to Kubernetes, which select pods by it: use a name with a domain of your own",
        );
    }
    for name in asked.annotations.keys() {
        if tenancy.allows_pod_annotation(name) {
            continue;
        }
        found.invalid(
            format!("{field}.podMetadata.annotations[{name:?}]"),
            "is not among the annotations that the platform allows, because some of them give a pod networks, volumes or rights of \
             others: remove it, or ask the platform team to add it to tenancy.podAnnotations",
        );
    }
    asked.clone()
}

/// Whether a label belongs to the operator or to Kubernetes.
fn is_reserved(name: &str) -> bool {
    let Some((domain, _)) = name.split_once('/') else {
        return false;
    };
    ["ras.dev", "kubernetes.io", "k8s.io"]
        .iter()
        .any(|reserved| domain == *reserved || domain.strip_suffix(reserved).is_some_and(|rest| rest.ends_with('.')))
}
