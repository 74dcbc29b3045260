//! One container: its environment, ports and resources.

use std::collections::{BTreeMap, BTreeSet};

use ras_crds::spec::{EnvFrom, EnvVar, Port, Protocol, Service, Sidecar, Uses};

use super::field_errors::FieldErrors;
use super::labels;
use super::quantity::{self, PROGRAM, SIDECAR};
use super::sources::Sources;
use super::{bindings, cache, probe};
use crate::names::{RENDER_CONTAINER, fill_container};
use crate::plain_text::plain_line;
use crate::valid::{EnvSource, Probe, ValidContainer, ValidEnv, ValidEnvFrom, ValidPort};

/// The program of a service.
pub(super) fn program(
    field: &str,
    service: &Service,
    sources: &Sources<'_>,
    found: &mut FieldErrors,
) -> ValidContainer {
    image(field, &service.image, found);
    let ports = ports(field, &service.ports, found);
    ValidContainer {
        name: service.name.clone(),
        image: service.image.clone(),
        image_pull_policy: service.image_pull_policy,
        command: service.command.clone(),
        args: service.args.clone(),
        working_dir: working_dir(field, service.working_dir.as_deref(), found),
        env: env_with_defaults(field, service.uses.as_ref(), &service.env, sources, found),
        env_from: env_from(field, &service.env_from, sources, found),
        probe: probe::of_program(field, service.probe.as_ref(), &ports, found),
        ports,
        resources: quantity::resources(field, service.resources.as_ref(), PROGRAM, found),
    }
}

/// The helper containers of a service.
pub(super) fn sidecars(
    field: &str,
    service: &Service,
    sources: &Sources<'_>,
    found: &mut FieldErrors,
) -> Vec<ValidContainer> {
    service
        .sidecars
        .iter()
        .enumerate()
        .map(|(index, sidecar)| helper(&format!("{field}.sidecars[{index}]"), sidecar, sources, found))
        .collect()
}

fn helper(field: &str, sidecar: &Sidecar, sources: &Sources<'_>, found: &mut FieldErrors) -> ValidContainer {
    labels::label(&format!("{field}.name"), &sidecar.name, found);
    image(field, &sidecar.image, found);
    let ports = ports(field, &sidecar.ports, found);
    ValidContainer {
        name: sidecar.name.clone(),
        image: sidecar.image.clone(),
        image_pull_policy: None,
        command: sidecar.command.clone(),
        args: sidecar.args.clone(),
        working_dir: working_dir(field, sidecar.working_dir.as_deref(), found),
        env: env_of_helper(field, &sidecar.env, sources, found),
        env_from: Vec::new(),
        probe: probe::of_helper(field, sidecar.probe.as_ref(), &ports, found),
        ports,
        resources: quantity::resources(field, sidecar.resources.as_ref(), SIDECAR, found),
    }
}

/// The containers that run before a service's program.
pub(super) fn init_containers(
    field: &str,
    service: &Service,
    sources: &Sources<'_>,
    found: &mut FieldErrors,
) -> Vec<ValidContainer> {
    let containers = service.init_containers.iter().enumerate();
    containers
        .map(|(index, asked)| {
            let field = format!("{field}.initContainers[{index}]");
            labels::label(&format!("{field}.name"), &asked.name, found);
            if let Some(asked) = &asked.image {
                image(&field, asked, found);
            }
            ValidContainer {
                name: asked.name.clone(),
                image: asked.image.clone().unwrap_or_else(|| service.image.clone()),
                image_pull_policy: service.image_pull_policy.filter(|_| asked.image.is_none()),
                command: asked.command.clone(),
                args: asked.args.clone(),
                working_dir: working_dir(&field, asked.working_dir.as_deref(), found),
                env: env_of_helper(&field, &asked.env, sources, found),
                env_from: Vec::new(),
                ports: Vec::new(),
                resources: quantity::resources(&field, asked.resources.as_ref(), SIDECAR, found),
                probe: Probe::None,
            }
        })
        .collect()
}

/// Complains about names that two containers of a pod share: those of the drive, and those that the operator adds.
pub(super) fn names_differ(field: &str, service: &Service, found: &mut FieldErrors) {
    let volumes = service.volumes.iter().enumerate();
    let filled = volumes.filter(|(_, volume)| volume.from_image == Some(true));
    let filled = filled.map(|(at, volume)| {
        (
            "volume",
            format!("{field}.volumes[{at}].name"),
            fill_container(&volume.name),
        )
    });
    let sidecars = service.sidecars.iter().enumerate();
    let sidecars = sidecars.map(|(at, one)| ("sidecar", format!("{field}.sidecars[{at}].name"), one.name.clone()));
    let init_containers = service.init_containers.iter().enumerate();
    let init_containers = init_containers.map(|(at, one)| {
        let field = format!("{field}.initContainers[{at}].name");
        ("init container", field, one.name.clone())
    });
    let mut names = BTreeSet::from([service.name.clone(), RENDER_CONTAINER.to_owned()]);
    for (what, field, name) in filled.chain(sidecars).chain(init_containers) {
        let told = format!("{name:?} is the name of another container of this pod: give the {what} another name");
        if !names.insert(name) {
            found.invalid(field, told);
        }
    }
}

pub(super) fn image(field: &str, image: &str, found: &mut FieldErrors) {
    if image.is_empty() || !image.chars().all(|c| c.is_ascii_graphic()) {
        found.invalid(
            format!("{field}.image"),
            format!(
                "{:?} is no image: write it like registry.example.com/portal:1.0, in ASCII letters, digits and . _ - / : @",
                plain_line(image, 120)
            ),
        );
    }
}

/// Where a container starts.
pub(super) fn working_dir(field: &str, asked: Option<&str>, found: &mut FieldErrors) -> Option<String> {
    let asked = asked?;
    if !asked.starts_with('/') || asked.contains('\0') || asked.split('/').any(|part| part == "..") {
        found.invalid(
            format!("{field}.workingDir"),
            format!("{asked:?} must be an absolute path without '..': write it like /var/lib/ras"),
        );
    }
    Some(asked.to_owned())
}

/// A helper's variables. It uses nothing by default, and its own may need others before them.
fn env_of_helper(field: &str, own: &[EnvVar], sources: &Sources<'_>, found: &mut FieldErrors) -> Vec<ValidEnv> {
    let mut variables = sources.databases.defaults(field, &[], own, found);
    variables.extend(cache::defaults(sources.cache, None, own));
    variables.extend(env(field, own, sources, found));
    variables
}

/// A program's variables, with those before them that come of what it uses: its own may then refer to them.
pub(super) fn env_with_defaults(
    field: &str,
    uses: Option<&Uses>,
    own: &[EnvVar],
    sources: &Sources<'_>,
    found: &mut FieldErrors,
) -> Vec<ValidEnv> {
    let buckets = uses.map_or(&[][..], |uses| &uses.buckets);
    let set = |name: &str| own.iter().any(|variable| variable.name == name);
    let mut variables = sources.buckets.defaults(field, buckets, set, found);
    let databases = uses.map_or(&[][..], |uses| &uses.databases);
    variables.extend(sources.databases.defaults(field, databases, own, found));
    if uses.is_some_and(|uses| uses.cache == Some(true)) && sources.cache.is_none() {
        cache::missing(&format!("{field}.uses.cache"), found);
    }
    variables.extend(cache::defaults(sources.cache, uses, own));
    variables.extend(bindings::defaults(field, sources.bindings, set, found));
    variables.extend(env(field, own, sources, found));
    variables
}

pub(super) fn env(field: &str, variables: &[EnvVar], sources: &Sources<'_>, found: &mut FieldErrors) -> Vec<ValidEnv> {
    labels::twice(
        &format!("{field}.env"),
        variables.iter().map(|variable| variable.name.as_str()),
        found,
    );
    let mut valid = Vec::new();
    for (index, variable) in variables.iter().enumerate() {
        let field = format!("{field}.env[{index}]");
        if variable.name.is_empty() || !variable.name.chars().all(|c| matches!(c, ' '..='~') && c != '=') {
            found.invalid(
                format!("{field}.name"),
                format!(
                    "{:?} is no name of a variable, which has only printable ASCII characters other than '=': write it like \
                     DATABASE_URL",
                    variable.name
                ),
            );
        }
        let EnvVar {
            name: _,
            value,
            secret,
            bucket,
            database,
            binding,
            cache,
        } = variable;
        let source = match (value, secret, bucket, database, binding, cache) {
            (Some(value), None, None, None, None, None) => EnvSource::Value(value.clone()),
            (None, None, None, None, Some(reference), None) => {
                let of = sources.bindings;
                let Some(source) = bindings::variable(&field, of, &reference.name, &reference.key, sources, found)
                else {
                    continue;
                };
                source
            }
            (None, None, None, None, None, Some(key)) => {
                let Some(source) = cache::variable(sources.cache, &field, *key, variables, found) else {
                    continue;
                };
                source
            }
            (None, None, None, Some(reference), None, None) => {
                let source = sources
                    .databases
                    .variable(&field, &reference.name, reference.key, found);
                valid.extend(source.map(|source| source.variable(&variable.name)));
                continue;
            }
            (None, None, Some(reference), None, None, None) => {
                let Some(source) = sources.buckets.variable(&field, &reference.name, reference.key, found) else {
                    continue;
                };
                source
            }
            (None, Some(reference), None, None, None, None) => {
                let Some(secret) = sources
                    .secrets
                    .find(&format!("{field}.secret.name"), &reference.name, found)
                else {
                    continue;
                };
                sources
                    .secrets
                    .check_key(&format!("{field}.secret.key"), &reference.name, &reference.key, found);
                EnvSource::Secret {
                    secret,
                    key: reference.key.clone(),
                }
            }
            _ => {
                found.invalid(
                    field,
                    format!(
                        "the variable {:?} needs exactly one of value, secret, bucket, database, binding and cache",
                        variable.name
                    ),
                );
                continue;
            }
        };
        valid.push(ValidEnv::new(&variable.name, source));
    }
    valid
}

fn env_from(field: &str, whole: &[EnvFrom], sources: &Sources<'_>, found: &mut FieldErrors) -> Vec<ValidEnvFrom> {
    let mut valid = Vec::new();
    for (index, source) in whole.iter().enumerate() {
        if let Some(secret) = sources
            .secrets
            .find(&format!("{field}.envFrom[{index}].secret"), &source.secret, found)
        {
            valid.push(ValidEnvFrom {
                secret,
                prefix: source.prefix.clone(),
            });
        }
    }
    valid
}

fn ports(field: &str, ports: &[Port], found: &mut FieldErrors) -> Vec<ValidPort> {
    for (index, port) in ports.iter().enumerate() {
        let field = format!("{field}.ports[{index}]");
        if !is_port_name(&port.name) {
            found.invalid(
                format!("{field}.name"),
                format!(
                    "{:?} must hold at most 15 of a-z, 0-9 and '-', with at least one letter and no '-' at an end",
                    port.name
                ),
            );
        }
        if !(1..=65_535).contains(&port.port) {
            found.invalid(format!("{field}.port"), format!("{} is no port: 1 to 65535", port.port));
        }
        if port.path.is_some() && port.protocol.unwrap_or_default() != Protocol::Tcp {
            found.invalid(
                format!("{field}.path"),
                format!(
                    "port {:?} is {}: only a TCP port can have a path",
                    port.name,
                    Protocol::Udp.as_str()
                ),
            );
        }
    }
    ports
        .iter()
        .map(|port| ValidPort {
            name: port.name.clone(),
            port: port.port,
            protocol: port.protocol.unwrap_or_default(),
            path: port.path.clone(),
            public: port.public.as_ref().map(|public| public.port.unwrap_or(port.port)),
        })
        .collect()
}

/// Complains about names and numbers that two ports of one pod share: its containers share one network.
pub(super) fn shared_ports(field: &str, service: &Service, found: &mut FieldErrors) {
    let own = service
        .ports
        .iter()
        .enumerate()
        .map(|(index, port)| (format!("{field}.ports[{index}]"), port));
    let helpers = service.sidecars.iter().enumerate().flat_map(|(helper, sidecar)| {
        sidecar
            .ports
            .iter()
            .enumerate()
            .map(move |(index, port)| (format!("{field}.sidecars[{helper}].ports[{index}]"), port))
    });
    let mut names: BTreeMap<&str, String> = BTreeMap::new();
    let mut numbers: BTreeMap<(i32, &str), &str> = BTreeMap::new();
    for (field, port) in own.chain(helpers) {
        let protocol = port.protocol.unwrap_or_default().as_str();
        if let Some(other) = numbers.insert((port.port, protocol), &port.name) {
            found.invalid(
                format!("{field}.port"),
                format!(
                    "{} of port {:?} is also the number of port {other:?}: a pod can listen on it once",
                    port.port, port.name
                ),
            );
        }
        if let Some(other) = names.insert(&port.name, field.clone()) {
            found.invalid(
                format!("{field}.name"),
                format!(
                    "{:?} is also the name of {other}: give one of them another name",
                    port.name
                ),
            );
        }
    }
}

/// A port name as Services and containers demand it (RFC 6335).
fn is_port_name(name: &str) -> bool {
    (1..=15).contains(&name.len())
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
        && name.chars().any(|c| c.is_ascii_lowercase())
        && !name.starts_with('-')
        && !name.ends_with('-')
        && !name.contains("--")
}
