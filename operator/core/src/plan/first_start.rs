//! What a service waits for before it starts for the first time (`after`). A service that has a Deployment has started: nothing
//! later is delayed, neither a new version nor a pod that is replaced.

use ras_crds::{ConditionType, Reason};

use crate::database;
use crate::fetched::Fetched;
use crate::plan::blocked_by::BlockedBy;
use crate::valid::{DatabaseServer, ValidDrive, ValidService};

pub fn waiting(drive: &ValidDrive, fetched: &Fetched, service: &ValidService) -> Option<BlockedBy> {
    if fetched.deployments.contains_key(&service.child) {
        return None;
    }
    let missing: Vec<&str> = service
        .after
        .iter()
        .filter(|name| !is_ready(drive, fetched, name))
        .map(String::as_str)
        .collect();
    (!missing.is_empty()).then(|| BlockedBy {
        condition: ConditionType::ServicesReady,
        reason: Reason::WaitingFor,
        message: format!(
            "it starts after {}, which has no ready pod yet (services[].after)",
            missing.join(" and ")
        ),
    })
}

fn is_ready(drive: &ValidDrive, fetched: &Fetched, name: &str) -> bool {
    if let Some(other) = drive.services.iter().find(|other| other.name == name) {
        return fetched
            .deployments
            .get(&other.child)
            .is_some_and(|facts| facts.ready > 0);
    }
    name != database::NAME
        || drive.database.as_ref().is_none_or(|database| match &database.server {
            DatabaseServer::Standalone(_) | DatabaseServer::CloudNativePG(_) => fetched.database.serves,
            // Whether it serves is seen by the Job that prepares its databases, for which those that use them wait.
            DatabaseServer::External(_) => true,
        })
}
