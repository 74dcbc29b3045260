//! Containers of a pod: the program, its helpers, and the step that renders files before they start.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    Capabilities, Container, ContainerPort, EnvFromSource, EnvVar, EnvVarSource, ResourceRequirements, SecretEnvSource,
    SecretKeySelector, SecurityContext,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use ras_crds::spec::PodSecurity;

use super::{bindings, pod_volumes, probe};
use crate::build::lists::unless_empty;
use crate::names;
use crate::valid::{EnvSource, ValidContainer, ValidDrive, ValidService};

/// User of the operator's image. Said here because the pod's own user may be root.
pub(super) const RENDER_USER: i64 = 65_532;

/// The program.
pub(super) fn program(service: &ValidService) -> Container {
    let mounts = pod_volumes::shared_mounts(service)
        .into_iter()
        .chain(pod_volumes::file_mounts(service, &service.name))
        .chain(bindings::mounts(service));
    Container {
        volume_mounts: unless_empty(mounts),
        ..common(&service.container, &service.pod_security)
    }
}

/// A helper, or a container that runs before the program.
pub(super) fn helper(service: &ValidService, container: &ValidContainer) -> Container {
    let mounts = pod_volumes::shared_mounts(service)
        .into_iter()
        .chain(pod_volumes::file_mounts(service, &container.name));
    Container {
        volume_mounts: unless_empty(mounts),
        ..common(container, &service.pod_security)
    }
}

fn common(container: &ValidContainer, security: &PodSecurity) -> Container {
    let probes = probe::build(&container.probe);
    Container {
        startup_probe: probes.startup,
        readiness_probe: probes.readiness,
        liveness_probe: probes.liveness,
        name: container.name.clone(),
        image: Some(container.image.clone()),
        image_pull_policy: container.image_pull_policy.map(|policy| policy.as_str().to_owned()),
        command: unless_empty(container.command.iter().cloned()),
        args: unless_empty(container.args.iter().cloned()),
        working_dir: container.working_dir.clone(),
        env: unless_empty(env(container)),
        env_from: unless_empty(env_from(container)),
        ports: unless_empty(container.ports.iter().map(|port| ContainerPort {
            name: Some(port.name.clone()),
            container_port: port.port,
            protocol: Some(port.protocol.as_str().to_owned()),
            ..ContainerPort::default()
        })),
        resources: Some(resources(&container.resources.requests, &container.resources.limits)),
        security_context: Some(restricted(security)),
        ..Container::default()
    }
}

/// The step that renders files. It has the program's environment, so that a file can use what the program
/// could, and puts the files where the program sees them one by one.
pub(super) fn render_files(drive: &ValidDrive, service: &ValidService) -> Option<Container> {
    service.templates().next()?;
    let executable = service
        .templates()
        .filter(|(file, _)| file.executable)
        .flat_map(|(file, _)| ["--executable".to_owned(), names::file_key(&file.path)]);
    Some(Container {
        name: names::RENDER_CONTAINER.to_owned(),
        image: Some(drive.operator_image.clone()),
        args: Some(
            [
                "render",
                "--from",
                pod_volumes::TEMPLATES_PATH,
                "--to",
                pod_volumes::FILES_PATH,
            ]
            .map(str::to_owned)
            .into_iter()
            .chain(executable)
            .collect(),
        ),
        env: unless_empty(env(&service.container)),
        env_from: unless_empty(env_from(&service.container)),
        // The files are in memory and count against this limit until the program has started.
        resources: Some(of_operator(drive)),
        security_context: Some(SecurityContext {
            run_as_non_root: Some(true),
            run_as_user: Some(RENDER_USER),
            ..restricted(&PodSecurity::default())
        }),
        volume_mounts: Some(pod_volumes::render_mounts()),
        ..Container::default()
    })
}

/// Copies what the image has at a volume's place into the volume while that is empty. A copy that was cut off goes on at the next
/// start, because `.ras-filling` is there until it is complete.
const FILL: &str = r#"set -e
cd "$2"
if [ -e .ras-filled ]; then exit 0; fi
if [ ! -e .ras-filling ] && [ -n "$(ls -A . | grep -vx lost+found)" ]; then exit 0; fi
: > .ras-filling
if [ -d "$1" ]; then cp -RP "$1"/. .; fi
: > .ras-filled
rm .ras-filling
"#;

/// The steps that fill volumes from the image, as its user.
pub(super) fn fill_volumes(service: &ValidService) -> impl Iterator<Item = Container> {
    let volumes = service.volumes.iter().filter(|volume| volume.from_image);
    volumes.map(|volume| Container {
        name: names::fill_container(&volume.name),
        image: Some(service.container.image.clone()),
        image_pull_policy: service
            .container
            .image_pull_policy
            .map(|policy| policy.as_str().to_owned()),
        command: Some(
            ["sh", "-c", FILL, "fill", &volume.path, pod_volumes::FILL_PATH]
                .map(str::to_owned)
                .to_vec(),
        ),
        resources: Some(resources(
            &service.container.resources.requests,
            &service.container.resources.limits,
        )),
        security_context: Some(restricted(&service.pod_security)),
        volume_mounts: Some(vec![pod_volumes::fill_mount(volume)]),
        ..Container::default()
    })
}

fn env(container: &ValidContainer) -> Vec<EnvVar> {
    container
        .env
        .iter()
        .map(|variable| match &variable.source {
            EnvSource::Value(value) => EnvVar {
                name: variable.name.clone(),
                value: Some(value.clone()),
                value_from: None,
            },
            EnvSource::Secret { secret, key } => EnvVar {
                name: variable.name.clone(),
                value: None,
                value_from: Some(EnvVarSource {
                    secret_key_ref: Some(SecretKeySelector {
                        name: secret.secret_name.clone(),
                        key: key.clone(),
                        optional: None,
                    }),
                    ..EnvVarSource::default()
                }),
            },
        })
        .collect()
}

fn env_from(container: &ValidContainer) -> Vec<EnvFromSource> {
    container
        .env_from
        .iter()
        .map(|source| EnvFromSource {
            prefix: source.prefix.clone(),
            secret_ref: Some(SecretEnvSource {
                name: source.secret.secret_name.clone(),
                optional: None,
            }),
            config_map_ref: None,
        })
        .collect()
}

/// What a container with the operator's own image asks for.
pub(super) fn of_operator(drive: &ValidDrive) -> ResourceRequirements {
    resources(&drive.operator_resources.requests, &drive.operator_resources.limits)
}

pub(super) fn resources(
    requests: &BTreeMap<String, String>,
    limits: &BTreeMap<String, String>,
) -> ResourceRequirements {
    let amounts = |amounts: &BTreeMap<String, String>| {
        let amounts: BTreeMap<_, _> = amounts
            .iter()
            .map(|(name, amount)| (name.clone(), Quantity(amount.clone())))
            .collect();
        if amounts.is_empty() { None } else { Some(amounts) }
    };
    ResourceRequirements {
        requests: amounts(requests),
        limits: amounts(limits),
        claims: None,
    }
}

/// What the level `restricted` of Pod Security Standards asks of a container, and a read-only image.
pub(super) fn restricted(security: &PodSecurity) -> SecurityContext {
    let writable = security.writable_root_filesystem.unwrap_or(false);
    let root = security.allow_root.unwrap_or(false);
    SecurityContext {
        allow_privilege_escalation: Some(false),
        // Images that start as root change their user and their files' owners with the default capabilities.
        capabilities: (!root).then(|| Capabilities {
            drop: Some(vec!["ALL".to_owned()]),
            add: None,
        }),
        read_only_root_filesystem: Some(!writable),
        ..SecurityContext::default()
    }
}
