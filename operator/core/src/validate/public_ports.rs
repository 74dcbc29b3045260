//! Ports that are reached from outside the cluster: those that the platform allows, each once in a service.

use std::collections::BTreeMap;

use super::field_errors::FieldErrors;
use crate::platform::PublicPortsConfig;
use crate::valid::ValidContainer;

/// Checks the ports of one container whose field is `field`. `taken` holds the public numbers of the service so far.
pub(super) fn check(
    field: &str,
    container: &ValidContainer,
    platform: &PublicPortsConfig,
    taken: &mut BTreeMap<(i32, &'static str), String>,
    found: &mut FieldErrors,
) {
    for (index, port) in container.ports.iter().enumerate() {
        let Some(number) = port.public else { continue };
        let field = format!("{field}.ports[{index}].public");
        let protocol = port.protocol.as_str();
        if platform.ports.is_empty() {
            found.invalid(
                &field,
                "is not possible, because the platform publishes no ports: remove it, or ask the platform team to set \
                 publicPorts.ports and publicPorts.sourceRanges",
            );
        } else if !platform.allows(number) {
            found.invalid(
                &field,
                format!(
                    "{number} is not among the ports that the platform publishes ({}): choose one of them with public.port, or ask the \
                     platform team to add it to publicPorts.ports",
                    platform.ports.join(", ")
                ),
            );
        }
        if let Some(other) = taken.insert((number, protocol), port.name.clone()) {
            found.invalid(
                field,
                format!(
                    "{number}/{protocol} is also the public port of port {other:?}: set public.port of one of them"
                ),
            );
        }
    }
}
