//! How people reach the drive: host, certificate, and one port for each path.

use std::collections::BTreeMap;

use ras_crds::spec::{Exposure, Tls};
use ras_crds::{Reason, RecruitmentDrive, RecruitmentDriveSpec};

use super::field_errors::FieldErrors;
use crate::fetched::Fetched;
use crate::platform::{PlatformConfig, ingress_annotations};
use crate::valid::{ValidExposure, ValidTls};

pub(super) fn read(
    drive: &RecruitmentDrive,
    fetched: &Fetched,
    platform: &PlatformConfig,
    found: &mut FieldErrors,
) -> Option<ValidExposure> {
    let meta = &drive.metadata;
    let namespace = meta.namespace.as_deref().unwrap_or_default();
    let name = meta.name.as_deref().unwrap_or_default();
    let any_path = paths(&drive.spec, found);
    let exposure = drive.spec.exposure.as_ref()?;
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
    } else if is_of_cluster(&exposure.host) {
        found.invalid(
            "spec.exposure.host",
            format!(
                "{:?} is a name that machines and clusters have for themselves: write one of public DNS, like placement.example.edu",
                exposure.host
            ),
        );
    }
    taken(namespace, exposure, fetched, found);
    if let Some(class) = &exposure.ingress_class_name
        && platform.ingress.class_name.as_ref() != Some(class)
        && !platform.tenancy.allows_ingress_class(class)
    {
        found.invalid(
            "spec.exposure.ingressClassName",
            format!(
                "{class:?} is not among the platform's tenancy.ingressClasses: name one of them, remove the field, or ask the platform \
                 team to add it"
            ),
        );
    }
    for (key, value) in &exposure.annotations {
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
        if !key.contains("snippet") && !key.starts_with("cert-manager.io/") {
            annotation(namespace, key, value, platform, found);
        }
    }
    let mut annotations = exposure.annotations.clone();
    annotations.extend(platform.ingress.annotations.clone());
    Some(ValidExposure {
        host: exposure.host.clone(),
        tls: exposure
            .tls
            .as_ref()
            .and_then(|tls| certificate(name, tls, (fetched, platform), found)),
        class_name: exposure
            .ingress_class_name
            .clone()
            .or_else(|| platform.ingress.class_name.clone()),
        annotations,
        controller_namespace: platform.ingress.controller_namespace.clone(),
    })
}

/// Complains about a host that another drive has. Whoever asks learns no more of it than where to ask.
fn taken(namespace: &str, exposure: &Exposure, fetched: &Fetched, found: &mut FieldErrors) {
    let Some(other) = &fetched.host_taken_by else { return };
    let whose = if *other.namespace == *namespace {
        format!("the drive {:?}", &*other.name)
    } else {
        format!("a drive of the namespace {:?}", &*other.namespace)
    };
    found.in_the_way(
        "spec.exposure.host",
        Reason::HostTaken,
        format!(
            "{:?} belongs to {whose}, which has had it for longer: choose another host, or have that drive give it up",
            exposure.host
        ),
    );
}

/// Complains about an annotation that could do more than change the drive's own route.
fn annotation(namespace: &str, key: &str, value: &str, platform: &PlatformConfig, found: &mut FieldErrors) {
    let field = format!("spec.exposure.annotations[{key:?}]");
    if platform.ingress.annotations.get(key).is_some_and(|own| own != value) {
        found.invalid(field, "is set by the platform for every drive: remove it");
        return;
    }
    if !platform.tenancy.allows_annotation(key) {
        found.invalid(
            field,
            "is none of those that change the drive's own route alone: remove it, or ask the platform team to list it in \
             tenancy.ingressAnnotations",
        );
        return;
    }
    if value
        .chars()
        .any(|c| !(' '..='~').contains(&c) || matches!(c, ';' | '{' | '}' | '`' | '$' | '#' | '"' | '\'' | '\\'))
    {
        found.invalid(
            field,
            "has a line break, a control character, a character beyond ASCII, or one of ; { } ` $ # \" ' \\ in its value, which could \
             become the controller's configuration: remove it",
        );
        return;
    }
    if let Some(other) = value
        .split([',', ' '])
        .find(|part| names_other_namespace(namespace, part))
    {
        found.invalid(
            field,
            format!("{other:?} may name an object of another namespace: name one of the drive's namespace without a namespace before it"),
        );
        return;
    }
    if let Some(instead) = ingress_annotations::should_be(key, value) {
        found.invalid(
            field,
            format!("{value:?} is not what controllers take, and could make one refuse its configuration, which is that of all: write {instead}"),
        );
    }
}

/// Whether this reads as `namespace/name`, or as the `namespace-name@kubernetescrd` of Traefik, with another namespace.
fn names_other_namespace(namespace: &str, part: &str) -> bool {
    let is_label = |text: &str| {
        text.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
            && text
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
    };
    let is_reference = part
        .split_once('/')
        .is_some_and(|(of, name)| is_label(of) && of != namespace && !name.is_empty());
    is_reference || part.contains("@kubernetes")
}

fn certificate(
    drive: &str,
    tls: &Tls,
    (fetched, platform): (&Fetched, &PlatformConfig),
    found: &mut FieldErrors,
) -> Option<ValidTls> {
    match (&tls.issuer, &tls.secret_name) {
        (Some(issuer), None) => {
            let secret_name = crate::names::tls_secret(drive);
            if let Some(whose) = &fetched.certificate_unowned {
                found.in_the_way(
                    "spec.exposure.tls.issuer",
                    Reason::ForeignObject,
                    format!(
                        "Secret {secret_name:?} exists and {whose}, and cert-manager would overwrite it with the certificate: if it holds \
                         one, set exposure.tls.secretName to it instead; if nobody needs it, delete it; otherwise move it to another name"
                    ),
                );
            }
            Some(ValidTls::Issued {
                issuer: issuer.clone(),
                kind: tls.issuer_kind.unwrap_or(platform.ingress.issuer_kind),
                secret_name,
            })
        }
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
            if let Some(c) = path.chars().find(|c| is_pattern_character(*c)) {
                found.invalid(
                    field.clone(),
                    format!(
                        "{path:?} has {c:?}, which some ingress controllers read as a part of a pattern: write it with letters, digits \
                         and - . _ ~ % @ : , = & alone"
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

/// What controllers that know regular expressions, or put paths into a configuration file, do not take as it is.
fn is_pattern_character(c: char) -> bool {
    !(c.is_ascii_alphanumeric() || matches!(c, '/' | '-' | '.' | '_' | '~' | '%' | '@' | ':' | ',' | '=' | '&'))
}

/// Names that lead to the machine or the cluster itself, numbers that clients read as an address, and names without a domain.
fn is_of_cluster(host: &str) -> bool {
    let last = host.rsplit('.').next().unwrap_or_default();
    let is_hex = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    !host.contains('.')
        || matches!(last, "localhost" | "svc" | "localdomain")
        || host == "cluster.local"
        || host.ends_with(".cluster.local")
        || last.strip_prefix("0x").is_some_and(is_hex)
}

/// Whether this is a host name: labels of DNS, the last of which is no number, for clients read that as an address.
pub(super) fn is_host(host: &str) -> bool {
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
