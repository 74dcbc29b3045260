//! `NetworkPolicy`: who may connect to a service, and what it may connect to: what the drive lists, or everything but what the
//! platform blocks.

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
use crate::cidr;
use crate::fetched::OwnPods;
use crate::plan::Plan;
use crate::plan::listeners::ports as listeners;
use crate::valid::{ValidDrive, ValidPort, ValidService};

/// Label that Kubernetes gives every namespace.
const NAMESPACE_NAME: &str = "kubernetes.io/metadata.name";

pub(super) fn build(plan: &Plan<'_>, service: &ValidService) -> NetworkPolicy {
    let drive = plan.drive;
    let egress = egress(drive, service.egress.as_deref());
    NetworkPolicy {
        metadata: metadata::of_service(drive, service),
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(labels::select_service(drive, &service.name)),
            policy_types: Some(policy_types(egress.as_ref())),
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
    let egress = egress(drive, asked);
    NetworkPolicy {
        metadata,
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(selector),
            policy_types: Some(policy_types(egress.as_ref())),
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
    if let Some(ports) = unless_empty(service.ports().filter(|port| port.public.is_some()).map(port)) {
        let ranges = drive.public_ports.source_ranges.iter();
        rules.push(NetworkPolicyIngressRule {
            from: Some(ranges.map(|cidr| range(cidr, &[])).collect()),
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

fn policy_types(egress: Option<&Vec<NetworkPolicyEgressRule>>) -> Vec<String> {
    let types = std::iter::once("Ingress").chain(egress.is_some().then_some("Egress"));
    types.map(str::to_owned).collect()
}

/// What pods may connect to: `asked`, or everything; never what the platform blocks. Absent: not restricted.
fn egress(drive: &ValidDrive, asked: Option<&[EgressRule]>) -> Option<Vec<NetworkPolicyEgressRule>> {
    let blocked = &drive.network.blocked_cidrs;
    let Some(asked) = asked else {
        return (!blocked.is_empty()).then(|| vec![dns(drive), everything(blocked)]);
    };
    let mut rules = vec![
        dns(drive),
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
            to: Some(vec![range(&rule.cidr, blocked)]),
        }
    }));
    Some(rules)
}

/// Port 53 of the cluster's DNS and of nothing else: an open port 53 is a way out for data and for any protocol.
fn dns(drive: &ValidDrive) -> NetworkPolicyEgressRule {
    let dns = &drive.network.dns;
    let pods = NetworkPolicyPeer {
        pod_selector: Some(LabelSelector {
            match_labels: Some(dns.pod_labels.clone()),
            ..LabelSelector::default()
        }),
        ..namespace(&dns.namespace)
    };
    let ports = [Protocol::Udp, Protocol::Tcp].map(|protocol| number(53, protocol));
    let outside = dns.cidrs.iter().map(|cidr| range(cidr, &[]));
    NetworkPolicyEgressRule {
        ports: Some(ports.to_vec()),
        to: Some(std::iter::once(pods).chain(outside).collect()),
    }
}

/// Every pod and every address but for those that are blocked. Pods are named as well as addresses, because some network
/// plugins know pods by their labels only.
fn everything(blocked: &[String]) -> NetworkPolicyEgressRule {
    NetworkPolicyEgressRule {
        ports: None,
        to: Some(vec![
            any_namespace(),
            range("0.0.0.0/0", blocked),
            range("::/0", blocked),
        ]),
    }
}

/// A range without the blocked ones in it. A blocked range that is all of it, or more, cannot be taken out: `validate`
/// refuses it in a drive, and what the platform itself asks for is left.
fn range(cidr: &str, blocked: &[String]) -> NetworkPolicyPeer {
    let inside = |range: &&String| cidr::contains(cidr, range) && !cidr::contains(range, cidr);
    NetworkPolicyPeer {
        ip_block: Some(IPBlock {
            cidr: cidr.to_owned(),
            except: unless_empty(blocked.iter().filter(inside).cloned()),
        }),
        ..NetworkPolicyPeer::default()
    }
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
