//! Service: one stable address for the pods of a service that listens on something.

use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::{labels, metadata};
use crate::build::lists::unless_empty;
use crate::names;
use crate::valid::{ValidDrive, ValidService};

pub(super) fn build(drive: &ValidDrive, service: &ValidService) -> Option<Service> {
    let ports = unless_empty(service.ports().map(|port| ServicePort {
        name: Some(port.name.clone()),
        port: port.port,
        // Part of the key by which server-side apply tells ports apart.
        protocol: Some(port.protocol.as_str().to_owned()),
        ..ServicePort::default()
    }))?;
    Some(Service {
        metadata: metadata::of_service(drive, service),
        spec: Some(ServiceSpec {
            selector: Some(labels::match_service(drive, &service.name)),
            ports: Some(ports),
            ..ServiceSpec::default()
        }),
        ..Service::default()
    })
}

/// The Service by which a load balancer leads to the public ports of a service. Clients keep their addresses
/// (`externalTrafficPolicy`), so that the `NetworkPolicy` can tell who may connect.
pub(super) fn public(drive: &ValidDrive, service: &ValidService) -> Option<Service> {
    let ports = unless_empty(service.ports().filter_map(|port| {
        Some(ServicePort {
            name: Some(port.name.clone()),
            port: port.public?,
            target_port: Some(IntOrString::Int(port.port)),
            protocol: Some(port.protocol.as_str().to_owned()),
            ..ServicePort::default()
        })
    }))?;
    let platform = &drive.public_ports;
    let mut metadata = metadata::of_service(drive, service);
    metadata.name = Some(names::public_service(&drive.name, &service.name));
    metadata.annotations = (!platform.annotations.is_empty()).then(|| platform.annotations.clone());
    Some(Service {
        metadata,
        spec: Some(ServiceSpec {
            type_: Some("LoadBalancer".to_owned()),
            selector: Some(labels::match_service(drive, &service.name)),
            ports: Some(ports),
            load_balancer_class: platform.load_balancer_class.clone(),
            load_balancer_source_ranges: Some(platform.source_ranges.clone()),
            external_traffic_policy: Some("Local".to_owned()),
            allocate_load_balancer_node_ports: Some(false),
            ..ServiceSpec::default()
        }),
        ..Service::default()
    })
}
