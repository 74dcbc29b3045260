//! Service: a stable address of the database server.

use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};

use super::constants::{PORT, PORT_NAME, SERVICE};
use crate::build::{labels, metadata};
use crate::valid::{ValidDatabase, ValidDrive};

pub(super) fn build(drive: &ValidDrive, database: &ValidDatabase) -> Service {
    Service {
        metadata: metadata::part(drive, database.child.clone(), labels::of_service(drive, SERVICE)),
        spec: Some(ServiceSpec {
            selector: Some(labels::match_service(drive, SERVICE)),
            ports: Some(vec![ServicePort {
                name: Some(PORT_NAME.to_owned()),
                port: PORT,
                protocol: Some("TCP".to_owned()),
                ..ServicePort::default()
            }]),
            ..ServiceSpec::default()
        }),
        ..Service::default()
    }
}
