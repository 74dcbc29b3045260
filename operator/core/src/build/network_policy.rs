//! `NetworkPolicy`: who may connect to a service, and, where the drive says so, what it may connect to.

use std::collections::BTreeMap;

use k8s_openapi::api::networking::v1::{
    IPBlock, NetworkPolicy, NetworkPolicyEgressRule, NetworkPolicyIngressRule, NetworkPolicyPeer, NetworkPolicyPort,
    NetworkPolicySpec,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement, ObjectMeta};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use ras_crds::spec::{EgressRule, Protocol};

use super::{labels, metadata};
use crate::build::lists::unless_empty;
use crate::fetched::OwnPods;
use crate::plan::Plan;
use crate::plan::listeners::ports as listeners;
use crate::valid::{ValidDrive, ValidPort, ValidService};

/// Label that Kubernetes gives every namespace.
const NAMESPACE_NAME: &str = "kubernetes.io/metadata.name";

pub(super) fn build(plan: &Plan<'_>, service: &ValidService) -> NetworkPolicy {
    let drive = plan.drive;
    let egress = service.egress.as_ref().map(|rules| egress(drive, rules));
    let mut policy_types = vec!["Ingress".to_owned()];
    if egress.is_some() {
        policy_types.push("Egress".to_owned());
    }
    NetworkPolicy {
        metadata: metadata::of_service(drive, service),
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(labels::select_service(drive, &service.name)),
            policy_types: Some(policy_types),
            // Without any rule nothing may come in, which is right for a service that listens on nothing.
            ingress: unless_empty(ingress(plan, service)),
            egress,
        }),
    }
}

/// Of a Job: nobody may connect to its pods, and they to what `asked` says.
pub(super) fn of_job(
    drive: &ValidDrive,
    metadata: ObjectMeta,
    selector: LabelSelector,
    asked: Option<&[EgressRule]>,
) -> NetworkPolicy {
    let egress = asked.map(|rules| egress(drive, rules));
    let types = std::iter::once("Ingress").chain(egress.is_some().then_some("Egress"));
    NetworkPolicy {
        metadata,
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(selector),
            policy_types: Some(types.map(str::to_owned).collect()),
            ingress: None,
            egress,
        }),
    }
}

fn ingress(plan: &Plan<'_>, service: &ValidService) -> Vec<NetworkPolicyIngressRule> {
    let drive = plan.drive;
    let mut rules = Vec::new();
    if let Some(ports) = unless_empty(service.ports().map(port)) {
        rules.push(NetworkPolicyIngressRule {
            from: Some(vec![pods_of(drive)]),
            ports: Some(ports),
        });
    }
    if let Some(exposure) = &drive.exposure
        && let Some(ports) = unless_empty(service.ports().filter(|port| port.path.is_some()).map(port))
    {
        // Where the platform names no namespace, the controller may be a load balancer outside the cluster.
        let from = exposure
            .controller_namespace
            .as_deref()
            .map(|name| vec![namespace(name)]);
        rules.push(NetworkPolicyIngressRule {
            from,
            ports: Some(ports),
        });
    }
    if let (Some(monitoring), Some(metrics)) = (&drive.monitoring, &service.metrics) {
        let from = monitoring.namespace.as_deref().map_or_else(any_namespace, namespace);
        rules.push(NetworkPolicyIngressRule {
            from: Some(vec![from]),
            ports: Some(vec![port(&metrics.port)]),
        });
    }
    // Of a service that is checked the operator asks the port of its readiness probe, too: see `listeners::judge`.
    if let Some(operator) = plan.operator_pods
        && let Some(ports) = unless_empty(
            listeners(service)
                .into_iter()
                .map(|port| number(port.number.into(), Protocol::Tcp)),
        )
    {
        rules.push(NetworkPolicyIngressRule {
            from: Some(vec![operators(operator)]),
            ports: Some(ports),
        });
    }
    rules
}

fn operators(operator: &OwnPods) -> NetworkPolicyPeer {
    let selector = LabelSelector {
        match_labels: Some(operator.labels.clone()),
        ..LabelSelector::default()
    };
    NetworkPolicyPeer {
        pod_selector: Some(selector),
        ..namespace(&operator.namespace)
    }
}

fn egress(drive: &ValidDrive, asked: &[EgressRule]) -> Vec<NetworkPolicyEgressRule> {
    let dns = [Protocol::Udp, Protocol::Tcp].map(|protocol| number(53, protocol));
    // Names are looked up in the cluster's DNS, wherever that runs.
    let mut rules = vec![
        NetworkPolicyEgressRule {
            ports: Some(dns.to_vec()),
            to: None,
        },
        NetworkPolicyEgressRule {
            ports: None,
            to: Some(vec![pods_of(drive)]),
        },
    ];
    rules.extend(asked.iter().map(|rule| {
        NetworkPolicyEgressRule {
            ports: rule
                .port
                .map(|port| vec![number(port, rule.protocol.unwrap_or_default())]),
            to: Some(vec![NetworkPolicyPeer {
                ip_block: Some(IPBlock {
                    cidr: rule.cidr.clone(),
                    except: None,
                }),
                ..NetworkPolicyPeer::default()
            }]),
        }
    }));
    rules
}

fn port(port: &ValidPort) -> NetworkPolicyPort {
    number(port.port, port.protocol)
}

fn number(port: i32, protocol: Protocol) -> NetworkPolicyPort {
    NetworkPolicyPort {
        port: Some(IntOrString::Int(port)),
        protocol: Some(protocol.as_str().to_owned()),
        end_port: None,
    }
}

fn pods_of(drive: &ValidDrive) -> NetworkPolicyPeer {
    NetworkPolicyPeer {
        pod_selector: Some(labels::select_drive(drive)),
        ..NetworkPolicyPeer::default()
    }
}

fn namespace(name: &str) -> NetworkPolicyPeer {
    let selector = LabelSelector {
        match_labels: Some(BTreeMap::from([(NAMESPACE_NAME.to_owned(), name.to_owned())])),
        ..LabelSelector::default()
    };
    NetworkPolicyPeer {
        namespace_selector: Some(selector),
        ..NetworkPolicyPeer::default()
    }
}

/// Every namespace, said without the empty selector that means the same.
fn any_namespace() -> NetworkPolicyPeer {
    let exists = LabelSelectorRequirement {
        key: NAMESPACE_NAME.to_owned(),
        operator: "Exists".to_owned(),
        values: None,
    };
    let selector = LabelSelector {
        match_expressions: Some(vec![exists]),
        ..LabelSelector::default()
    };
    NetworkPolicyPeer {
        namespace_selector: Some(selector),
        ..NetworkPolicyPeer::default()
    }
}
