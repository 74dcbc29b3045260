//! Names by which pods find something: none that the cluster or the system answers.

use std::net::IpAddr;

use ras_crds::RecruitmentDrive;
use ras_crds::spec::{DatabaseProvider, HostAlias};

use super::exposure::is_host;
use super::field_errors::FieldErrors;
use super::labels;
use crate::database;
use crate::names;
use crate::valid::{HostTarget, ValidHost};

pub(super) fn read(drive: &RecruitmentDrive, found: &mut FieldErrors) -> Vec<ValidHost> {
    let hosts = &drive.spec.hosts;
    labels::twice("spec.hosts", hosts.iter().map(|host| host.name.as_str()), found);
    let hosts = hosts.iter().enumerate();
    hosts
        .filter_map(|(index, host)| {
            let field = format!("spec.hosts[{index}]");
            name(&field, &host.name, found);
            Some(ValidHost {
                name: host.name.clone(),
                target: target(&field, drive, host, found)?,
            })
        })
        .collect()
}

fn name(field: &str, name: &str, found: &mut FieldErrors) {
    if !is_host(name) {
        found.invalid(
            format!("{field}.name"),
            format!(
                "{name:?} is no host name, which has only a-z, 0-9, '-' and '.': write it like db or smtp.example.edu"
            ),
        );
    }
    let parts: Vec<&str> = name.split('.').collect();
    let is_answered = parts.last() == Some(&"localhost")
        || name.starts_with("kubernetes")
        || parts.contains(&"svc")
        || name.ends_with(".cluster.local");
    if is_answered {
        found.invalid(
            format!("{field}.name"),
            format!(
                "{name:?} is a name that the system or the cluster's DNS answers (localhost, kubernetes…, *.svc, *.cluster.local): \
                 choose another name"
            ),
        );
    }
}

fn target(field: &str, drive: &RecruitmentDrive, host: &HostAlias, found: &mut FieldErrors) -> Option<HostTarget> {
    match (&host.service, &host.address) {
        (Some(service), None) => Some(HostTarget::Service(service_of(field, drive, service, found)?)),
        (None, Some(address)) => {
            if address.parse::<IpAddr>().is_err() {
                found.invalid(
                    format!("{field}.address"),
                    format!("{address:?} is no IP address: write it like 10.20.0.5"),
                );
            }
            Some(HostTarget::Address(address.clone()))
        }
        (Some(_), Some(_)) | (None, None) => {
            found.invalid(field, "has exactly one of service and address: set one of them");
            None
        }
    }
}

/// The Service that leads to a service of the drive, or to its database server.
fn service_of(field: &str, drive: &RecruitmentDrive, name: &str, found: &mut FieldErrors) -> Option<String> {
    let field = format!("{field}.service");
    let drive_name = drive.metadata.name.as_deref().unwrap_or_default();
    if let Some(service) = drive.spec.services.iter().find(|service| service.name == name) {
        let has_ports = !service.ports.is_empty() || service.sidecars.iter().any(|sidecar| !sidecar.ports.is_empty());
        if !has_ports {
            found.invalid(
                field,
                format!("service {name:?} has no ports, so there is no Service that leads to it: add a port"),
            );
            return None;
        }
        return Some(names::of_service(drive_name, name));
    }
    let managed = drive
        .spec
        .database
        .as_ref()
        .and_then(|database| database.managed.as_ref());
    match managed.map(|managed| managed.provider) {
        Some(DatabaseProvider::Standalone) if name == database::NAME => Some(names::database(drive_name)),
        Some(DatabaseProvider::CloudNativePG) if name == database::NAME => {
            found.invalid(
                field,
                "database is a server that CloudNativePG keeps, which has names of its own: let the program use \
                 env[].database, key host",
            );
            None
        }
        _ => {
            found.invalid(
                field,
                format!("{name:?} is no service of this drive: correct the name, or use address"),
            );
            None
        }
    }
}
