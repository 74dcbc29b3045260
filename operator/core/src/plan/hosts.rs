//! Which addresses the names in `spec.hosts` lead to. A Service keeps its address for as long as it exists, so pods restart for
//! one only after somebody deleted the Service.

use std::collections::{BTreeMap, BTreeSet};

use ras_crds::{ConditionType, Reason};

use crate::fetched::Fetched;
use crate::plan::blocked_by::BlockedBy;
use crate::valid::{HostTarget, ValidDrive};

/// Names by their addresses.
pub type HostAliases = BTreeMap<String, BTreeSet<String>>;

/// The names that lead somewhere.
pub fn aliases(drive: &ValidDrive, fetched: &Fetched) -> HostAliases {
    let mut all = HostAliases::new();
    for host in &drive.hosts {
        for address in addresses(fetched, &host.target) {
            all.entry(address).or_default().insert(host.name.clone());
        }
    }
    all
}

/// A name that leads nowhere yet: pods that start without it would not find what they need.
pub fn waiting(drive: &ValidDrive, fetched: &Fetched) -> Option<BlockedBy> {
    let mut missing = drive.hosts.iter().filter_map(|host| match &host.target {
        HostTarget::Service(service) if addresses(fetched, &host.target).is_empty() => Some((&host.name, service)),
        HostTarget::Service(_) | HostTarget::Address(_) => None,
    });
    let (name, service) = missing.next()?;
    Some(BlockedBy {
        condition: ConditionType::ServicesReady,
        reason: Reason::WaitingFor,
        message: format!("waits for the address of Service {service}, to which the name {name:?} leads (spec.hosts)"),
    })
}

fn addresses(fetched: &Fetched, target: &HostTarget) -> Vec<String> {
    match target {
        HostTarget::Address(address) => vec![address.clone()],
        HostTarget::Service(service) => fetched.service_addresses.get(service).cloned().unwrap_or_default(),
    }
}
