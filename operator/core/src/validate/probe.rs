//! How Kubernetes finds out that a container serves.

use ras_crds::spec::{Probe as ProbeSpec, Protocol};

use super::field_errors::FieldErrors;
use crate::valid::{Check, Probe, ValidPort};

/// Seconds until the first answer, between two checks, and for one check, when the spec says nothing.
const STARTUP: i32 = 300;
const PERIOD: i32 = 10;
const TIMEOUT: i32 = 5;

/// The probe of a service's program. Absent: its first TCP port.
pub(super) fn of_program(
    field: &str,
    asked: Option<&ProbeSpec>,
    ports: &[ValidPort],
    found: &mut FieldErrors,
) -> Probe {
    if asked.is_some() {
        return of_helper(field, asked, ports, found);
    }
    let first = ports.iter().find(|port| port.protocol == Protocol::Tcp);
    first.map_or(Probe::None, |port| Probe::Guessed(port.name.clone()))
}

/// The probe of a helper. Absent: none.
pub(super) fn of_helper(field: &str, asked: Option<&ProbeSpec>, ports: &[ValidPort], found: &mut FieldErrors) -> Probe {
    let Some(asked) = asked else { return Probe::None };
    let Some(check) = check(&format!("{field}.probe"), asked, ports, found) else {
        return Probe::None;
    };
    Probe::Asked {
        check,
        startup_seconds: asked.startup_seconds.unwrap_or(STARTUP).clamp(1, 7_200),
        period_seconds: asked.period_seconds.unwrap_or(PERIOD).clamp(1, 300),
        timeout_seconds: asked.timeout_seconds.unwrap_or(TIMEOUT).clamp(1, 300),
    }
}

fn check(field: &str, asked: &ProbeSpec, ports: &[ValidPort], found: &mut FieldErrors) -> Option<Check> {
    let port = match (&asked.port, asked.exec.as_slice()) {
        (Some(port), []) => tcp_port(&format!("{field}.port"), port, ports, found)?,
        (None, [_, ..]) => {
            if asked.path.is_some() || asked.grpc.is_some() || !asked.headers.is_empty() {
                found.invalid(field, "path, grpc and headers go with port: set port, or remove them");
            }
            return Some(Check::Exec(asked.exec.clone()));
        }
        (Some(_), [_, ..]) | (None, []) => {
            found.invalid(field, "has exactly one of port and exec: set one of them");
            return None;
        }
    };
    if asked.path.is_none() && !asked.headers.is_empty() {
        found.invalid(
            format!("{field}.headers"),
            "go with path, because only an HTTP request has headers: set path, or remove headers",
        );
    }
    Some(match (&asked.path, asked.grpc.unwrap_or(false)) {
        (Some(_), true) => {
            found.invalid(field, "path and grpc exclude each other: a probe is TCP, HTTP or gRPC");
            Check::Grpc(port)
        }
        (Some(path), false) => Check::Http {
            port,
            path: path.clone(),
            headers: asked.headers.clone(),
        },
        (None, true) => Check::Grpc(port),
        (None, false) => Check::Tcp(port),
    })
}

/// A TCP port by its name.
pub(super) fn tcp_port(field: &str, name: &str, ports: &[ValidPort], found: &mut FieldErrors) -> Option<ValidPort> {
    let port = ports.iter().find(|port| port.name == name);
    if port.is_none() {
        found.invalid(
            field,
            format!("{name:?} is not the name of one of this container's ports: add the port, or correct the name"),
        );
    }
    if port.is_some_and(|port| port.protocol != Protocol::Tcp) {
        found.invalid(field, format!("port {name:?} is UDP: name a TCP port"));
    }
    port.cloned()
}
