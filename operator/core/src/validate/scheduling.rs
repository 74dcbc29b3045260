//! Where pods run: not among those of the cluster itself, and not before them.

use ras_crds::spec::{Scheduling, Service};

use super::field_errors::FieldErrors;
use crate::platform::{TenancyConfig, is_of_control_plane};

/// Reads `scheduling`.
pub(super) fn read(field: &str, service: &Service, tenancy: &TenancyConfig, found: &mut FieldErrors) -> Scheduling {
    let scheduling = service.scheduling.clone().unwrap_or_default();
    let field = format!("{field}.scheduling");
    if let Some(class) = &scheduling.priority_class_name
        && !tenancy.allows_priority_class(class)
    {
        let why = if class.starts_with("system-") {
            "is for the pods of the cluster itself, which would be evicted for this drive's: name another class, or remove the field"
        } else {
            "is not among the platform's tenancy.priorityClasses: name one of them, or ask the platform team to add it"
        };
        found.invalid(format!("{field}.priorityClassName"), format!("{class:?} {why}"));
    }
    if tenancy.control_plane_nodes {
        return scheduling;
    }
    for (index, toleration) in scheduling.tolerations.iter().enumerate() {
        let field = format!("{field}.tolerations[{index}]");
        match toleration.key.as_deref().filter(|key| !key.is_empty()) {
            None => found.invalid(
                field,
                "tolerates every taint, those of the control plane, too: name the taint in key, or ask the platform team to set \
                 tenancy.controlPlaneNodes",
            ),
            Some(key) if is_of_control_plane(key) => found.invalid(
                format!("{field}.key"),
                format!(
                    "{key:?} keeps pods from nodes of the control plane: remove the toleration, or ask the platform team to set \
                     tenancy.controlPlaneNodes"
                ),
            ),
            Some(_) => {}
        }
    }
    for key in scheduling.node_selector.keys().filter(|key| is_of_control_plane(key)) {
        found.invalid(
            format!("{field}.nodeSelector[{key:?}]"),
            "is a label of nodes of the control plane: select other nodes, or ask the platform team to set tenancy.controlPlaneNodes",
        );
    }
    scheduling
}
