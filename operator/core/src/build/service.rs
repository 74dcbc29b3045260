//! Service: one stable address for the pods of a service that listens on something.

use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};

use super::{labels, metadata};
use crate::build::lists::unless_empty;
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
