//! The pod template of a service.
//!
//! A change here restarts every portal at the operator's next upgrade: the golden files show it. Nothing in
//! it may depend on the number of replicas, on the drive's UID, or on what other services do.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    Affinity, Container, HostAlias, LocalObjectReference, PodAffinity, PodAffinityTerm, PodSecurityContext, PodSpec,
    PodTemplateSpec, SeccompProfile, Toleration, TopologySpreadConstraint,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use ras_crds::spec::{PodSecurity, TolerationEffect, TolerationOperator};

use super::{bindings, config_map, container, labels, pod_volumes, stopping};
use crate::build::lists::unless_empty;
use crate::names;
use crate::plan::Plan;
use crate::valid::{ValidDrive, ValidService};

/// Group that may write to volumes when the spec says nothing: that of distroless images' `nonroot`.
const VOLUME_GROUP: i64 = 65_532;

pub(super) fn template(plan: &Plan<'_>, service: &ValidService) -> PodTemplateSpec {
    let drive = plan.drive;
    let restarts = plan.restarts.get(&service.child);
    let annotations = [
        (labels::FILES_HASH, config_map::files_hash(service)),
        (
            labels::SECRETS_HASH,
            restarts.and_then(|hashes| hashes.template.clone()),
        ),
    ];
    let annotations: BTreeMap<_, _> = annotations
        .into_iter()
        .filter_map(|(key, value)| Some((key.to_owned(), value?)))
        .chain(bindings::annotations(service))
        .chain(service.pod_metadata.annotations.clone())
        .collect();
    let mut all_labels = labels::of_pod(drive, &service.name);
    all_labels.extend(service.pod_metadata.labels.clone());
    all_labels.extend(labels::of_one_node(service));
    PodTemplateSpec {
        metadata: Some(ObjectMeta {
            labels: Some(all_labels),
            annotations: (!annotations.is_empty()).then_some(annotations),
            ..ObjectMeta::default()
        }),
        spec: Some(spec(plan, service)),
    }
}

pub(super) fn spec(plan: &Plan<'_>, service: &ValidService) -> PodSpec {
    let drive = plan.drive;
    let scheduling = &service.scheduling;
    let mut security = service.pod_security.clone();
    if !service.volumes.is_empty() {
        security.fs_group = security.fs_group.or(Some(VOLUME_GROUP));
    }
    let helpers = service
        .sidecars
        .iter()
        .map(|sidecar| container::helper(service, sidecar));
    let before = service
        .init_containers
        .iter()
        .map(|container| container::helper(service, container));
    PodSpec {
        hostname: service.hostname.clone(),
        // Files first: what runs next may read them.
        init_containers: unless_empty(
            container::render_files(drive, service)
                .into_iter()
                .chain(container::fill_volumes(service))
                .chain(before),
        ),
        host_aliases: unless_empty(plan.host_aliases.iter().map(|(address, names)| HostAlias {
            ip: address.clone(),
            hostnames: Some(names.iter().cloned().collect()),
        })),
        affinity: affinity(drive, service),
        containers: std::iter::once(container::program(service))
            .chain(helpers)
            .map(|container| Container {
                lifecycle: stopping::lifecycle(service),
                ..container
            })
            .collect(),
        volumes: unless_empty(pod_volumes::volumes(service)),
        termination_grace_period_seconds: Some(service.termination_grace_period_seconds),
        node_selector: (!scheduling.node_selector.is_empty()).then(|| scheduling.node_selector.clone()),
        tolerations: unless_empty(scheduling.tolerations.iter().map(toleration)),
        priority_class_name: scheduling.priority_class_name.clone(),
        topology_spread_constraints: Some(
            ["kubernetes.io/hostname", "topology.kubernetes.io/zone"]
                .map(|key| spread(drive, service, key))
                .to_vec(),
        ),
        ..of_drive(drive, &security)
    }
}

/// Pods with a volume that one node alone can mount run on the node of those that mount it already.
fn affinity(drive: &ValidDrive, service: &ValidService) -> Option<Affinity> {
    let terms = labels::one_node_volumes(service)
        .into_iter()
        .map(|volume| PodAffinityTerm {
            topology_key: "kubernetes.io/hostname".to_owned(),
            label_selector: Some(labels::select_one_node(drive, volume)),
            ..PodAffinityTerm::default()
        });
    let terms = unless_empty(terms)?;
    Some(Affinity {
        pod_affinity: Some(PodAffinity {
            required_during_scheduling_ignored_during_execution: Some(terms),
            ..PodAffinity::default()
        }),
        ..Affinity::default()
    })
}

/// What all pods of a drive have in common, whatever runs in them.
pub(super) fn of_drive(drive: &ValidDrive, security: &PodSecurity) -> PodSpec {
    PodSpec {
        service_account_name: Some(names::of_drive(&drive.name)),
        // The programs know nothing of Kubernetes: no token, no variables for each Service of the namespace.
        automount_service_account_token: Some(false),
        enable_service_links: Some(false),
        security_context: Some(restricted(security)),
        image_pull_secrets: unless_empty(
            drive
                .image_pull_secrets
                .iter()
                .map(|name| LocalObjectReference { name: name.clone() }),
        ),
        ..PodSpec::default()
    }
}

/// What the level `restricted` of Pod Security Standards asks of a pod.
fn restricted(asked: &PodSecurity) -> PodSecurityContext {
    let root = asked.allow_root.unwrap_or(false);
    PodSecurityContext {
        run_as_non_root: (!root).then_some(true),
        run_as_user: asked.run_as_user,
        run_as_group: asked.run_as_group,
        fs_group: asked.fs_group,
        // Otherwise every start changes the group of every file, which takes minutes on a full volume.
        fs_group_change_policy: asked.fs_group.map(|_| "OnRootMismatch".to_owned()),
        seccomp_profile: Some(SeccompProfile {
            type_: "RuntimeDefault".to_owned(),
            localhost_profile: None,
        }),
        ..PodSecurityContext::default()
    }
}

/// Spreads the pods of one version, so that a roll-out does not count the old ones.
fn spread(drive: &ValidDrive, service: &ValidService, topology_key: &str) -> TopologySpreadConstraint {
    TopologySpreadConstraint {
        max_skew: 1,
        topology_key: topology_key.to_owned(),
        when_unsatisfiable: "ScheduleAnyway".to_owned(),
        label_selector: Some(labels::select_service(drive, &service.name)),
        match_label_keys: Some(vec!["pod-template-hash".to_owned()]),
        ..TopologySpreadConstraint::default()
    }
}

fn toleration(asked: &ras_crds::spec::Toleration) -> Toleration {
    let operator = asked.operator.map(|operator| match operator {
        TolerationOperator::Exists => "Exists",
        TolerationOperator::Equal => "Equal",
    });
    let effect = asked.effect.map(|effect| match effect {
        TolerationEffect::NoSchedule => "NoSchedule",
        TolerationEffect::PreferNoSchedule => "PreferNoSchedule",
        TolerationEffect::NoExecute => "NoExecute",
    });
    Toleration {
        key: asked.key.clone(),
        operator: operator.map(str::to_owned),
        value: asked.value.clone(),
        effect: effect.map(str::to_owned),
        toleration_seconds: None,
    }
}
