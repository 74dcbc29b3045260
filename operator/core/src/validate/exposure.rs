//! How people reach the drive: host, certificate, and one port for each path.

use std::collections::BTreeMap;

use ras_crds::RecruitmentDriveSpec;
use ras_crds::spec::Tls;

use super::field_errors::FieldErrors;
use crate::platform::PlatformConfig;
use crate::valid::{ValidExposure, ValidTls};

pub(super) fn read(
    drive: &str,
    spec: &RecruitmentDriveSpec,
    platform: &PlatformConfig,
    found: &mut FieldErrors,
) -> Option<ValidExposure> {
    let any_path = paths(spec, found);
    let exposure = spec.exposure.as_ref()?;
    if !any_path {
        found.invalid(
            "spec.exposure",
            "leads nowhere: give at least one port a path (spec.services[].ports[].path)",
        );
    }
    if !is_host(&exposure.host) {
        found.invalid(
            "spec.exposure.host",
            format!(
                "{:?} is no host name: write it like placement.example.edu",
                exposure.host
            ),
        );
    }
    for key in exposure.annotations.keys() {
        if key.contains("snippet") {
            found.invalid(
                format!("spec.exposure.annotations[{key:?}]"),
                "snippet annotations are refused: they let a drive take over the ingress controller",
            );
        }
        if key.starts_with("cert-manager.io/") {
            found.invalid(
                format!("spec.exposure.annotations[{key:?}]"),
                "cert-manager's annotations come from spec.exposure.tls.issuer: set that instead",
            );
        }
    }
    let mut annotations = platform.ingress.annotations.clone();
    annotations.extend(exposure.annotations.clone());
    Some(ValidExposure {
        host: exposure.host.clone(),
        tls: exposure
            .tls
            .as_ref()
            .and_then(|tls| certificate(drive, tls, platform, found)),
        class_name: exposure
            .ingress_class_name
            .clone()
            .or_else(|| platform.ingress.class_name.clone()),
        annotations,
        controller_namespace: platform.ingress.controller_namespace.clone(),
    })
}

fn certificate(drive: &str, tls: &Tls, platform: &PlatformConfig, found: &mut FieldErrors) -> Option<ValidTls> {
    match (&tls.issuer, &tls.secret_name) {
        (Some(issuer), None) => Some(ValidTls::Issued {
            issuer: issuer.clone(),
            kind: tls.issuer_kind.unwrap_or(platform.ingress.issuer_kind),
            secret_name: crate::names::tls_secret(drive),
        }),
        (None, Some(_)) if tls.issuer_kind.is_some() => {
            found.invalid(
                "spec.exposure.tls.issuerKind",
                "goes with issuer: remove it, or name an issuer instead of secretName",
            );
            None
        }
        (None, Some(secret_name)) => Some(ValidTls::Existing {
            secret_name: secret_name.clone(),
        }),
        _ => {
            found.invalid("spec.exposure.tls", "needs exactly one of issuer and secretName");
            None
        }
    }
}

/// Complains about a path that two ports have, over all services. `/a` and `/a/` are the same to an ingress
/// controller. Returns whether there is any path.
fn paths(spec: &RecruitmentDriveSpec, found: &mut FieldErrors) -> bool {
    let mut seen: BTreeMap<&str, (&str, &str)> = BTreeMap::new();
    for (index, service) in spec.services.iter().enumerate() {
        let own = service
            .ports
            .iter()
            .enumerate()
            .map(|(number, port)| (format!("spec.services[{index}].ports[{number}].path"), port));
        let helpers = service.sidecars.iter().enumerate().flat_map(|(helper, sidecar)| {
            sidecar.ports.iter().enumerate().map(move |(number, port)| {
                (
                    format!("spec.services[{index}].sidecars[{helper}].ports[{number}].path"),
                    port,
                )
            })
        });
        for (field, port) in own.chain(helpers) {
            let Some(path) = &port.path else { continue };
            if !path.starts_with('/') {
                found.invalid(field.clone(), format!("{path:?} must begin with '/'"));
            }
            if !is_ingress_path(path) {
                found.invalid(
                    field.clone(),
                    format!(
                        "{path:?} is no path of an Ingress: write it without '//', '.', '..' and %2F, like /portal"
                    ),
                );
            }
            if let Some((other_service, other_port)) =
                seen.insert(path.trim_end_matches('/'), (&service.name, &port.name))
            {
                found.invalid(
                    field,
                    format!(
                        "the path {path:?} of port {:?} of service {:?} is also that of port {other_port:?} of service \
                         {other_service:?}: give one of them another path",
                        port.name, service.name
                    ),
                );
            }
        }
    }
    !seen.is_empty()
}

/// Whether an Ingress accepts the path as a prefix.
fn is_ingress_path(path: &str) -> bool {
    let lower = path.to_ascii_lowercase();
    !lower.contains("%2f") && !path.contains("//") && !path.split('/').any(|part| matches!(part, "." | ".."))
}

fn is_host(host: &str) -> bool {
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
    };
    let is_number = |label: &str| label.bytes().all(|byte| byte.is_ascii_digit());
    host.len() <= 253 && host.split('.').all(label) && !host.rsplit('.').next().is_some_and(is_number)
}
