//! `NetworkPolicy` of the database server: services that use it, their migrations and the Job may connect, and nobody else.

use k8s_openapi::api::networking::v1::{
    NetworkPolicy, NetworkPolicyIngressRule, NetworkPolicyPeer, NetworkPolicyPort, NetworkPolicySpec,
};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::constants::{PORT, SERVICE};
use crate::build::{labels, metadata};
use crate::fetched::jobs::MIGRATE;
use crate::fetched::jobs::PREPARE;
use crate::plan::database_job::OF;
use crate::valid::{ValidDatabase, ValidDrive, ValidService};

pub(super) fn build(drive: &ValidDrive, database: &ValidDatabase) -> NetworkPolicy {
    let programs = drive.services.iter().filter(|service| !service.databases.is_empty());
    let programs = programs.map(|service| labels::select_service(drive, &service.name));
    let uses = |service: &&ValidService| {
        let migration = service.migration.as_ref();
        migration.is_some_and(|migration| !migration.databases.is_empty())
    };
    let migrations = drive.services.iter().filter(uses);
    let migrations = migrations.map(|service| labels::select_job(drive, MIGRATE, &service.name));
    let preparation = labels::select_job(drive, PREPARE, OF);
    let from: Vec<NetworkPolicyPeer> = programs
        .chain(migrations)
        .chain([preparation])
        .map(|pods| NetworkPolicyPeer {
            pod_selector: Some(pods),
            ..NetworkPolicyPeer::default()
        })
        .collect();
    NetworkPolicy {
        metadata: metadata::part(drive, database.child.clone(), labels::of_service(drive, SERVICE)),
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(labels::select_service(drive, SERVICE)),
            // It connects to nobody.
            policy_types: Some(vec!["Ingress".to_owned(), "Egress".to_owned()]),
            ingress: Some(vec![NetworkPolicyIngressRule {
                from: Some(from),
                ports: Some(vec![NetworkPolicyPort {
                    port: Some(IntOrString::Int(PORT)),
                    protocol: Some("TCP".to_owned()),
                    end_port: None,
                }]),
            }]),
            egress: None,
        }),
    }
}
