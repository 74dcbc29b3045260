//! One service: how many pods, how they are replaced, where they keep data and how they are probed.

use std::collections::{BTreeMap, BTreeSet};

use ras_crds::spec::{AccessMode, Autoscaling, EgressRule, EnvVar, Metrics, RolloutStrategy, Service, Uses, Volume};

use super::field_errors::FieldErrors;
use super::labels;
use super::sources::Sources;
use super::{
    bindings, claims, container, files, migration, mounts, pod_metadata, probe, public_ports, quantity, scheduling,
};
use crate::cidr;
use crate::names as child;
use crate::names::RENDER_CONTAINER;
use crate::platform::PlatformConfig;
use crate::valid::{Replicas, ValidClaim, ValidMetrics, ValidPort, ValidService, ValidVolume, VolumeSource};

/// Seconds a pod gets to finish, when the spec says nothing: Kubernetes' own default.
const GRACE_PERIOD: i64 = 30;
/// Most a scratch volume may hold, when the spec says nothing.
const SCRATCH_LIMIT: &str = "1Gi";

pub(super) fn read(
    drive: &str,
    index: usize,
    service: &Service,
    sources: &Sources<'_>,
    platform: &PlatformConfig,
    found: &mut FieldErrors,
) -> ValidService {
    let field = format!("spec.services[{index}]");
    labels::label(&format!("{field}.name"), &service.name, found);
    if service.name == RENDER_CONTAINER {
        found.invalid(
            format!("{field}.name"),
            format!("{RENDER_CONTAINER:?} is the name of the step that renders files: choose another name"),
        );
    }
    let bindings = bindings::read(&field, service.uses.as_ref(), sources, found);
    bindings::places(&field, service, &bindings, found);
    let sources = &Sources {
        bindings: &bindings,
        ..*sources
    };
    let program = container::program(&field, service, sources, found);
    let sidecars = container::sidecars(&field, service, sources, found);
    let init_containers = container::init_containers(&field, service, sources, found);
    container::names_differ(&field, service, found);
    container::shared_ports(&field, service, found);
    let mut taken = BTreeMap::new();
    public_ports::check(&field, &program, &platform.public_ports, &mut taken, found);
    for (index, sidecar) in sidecars.iter().enumerate() {
        let field = format!("{field}.sidecars[{index}]");
        public_ports::check(&field, sidecar, &platform.public_ports, &mut taken, found);
    }
    mounts::check(&field, service, found);
    labels::twice(
        &format!("{field}.volumes"),
        service.volumes.iter().map(|volume| volume.name.as_str()),
        found,
    );
    let volumes: Vec<_> = service
        .volumes
        .iter()
        .enumerate()
        .filter_map(|(index, volume)| {
            read_volume(
                drive,
                &format!("{field}.volumes[{index}]"),
                service,
                volume,
                sources,
                platform,
                found,
            )
        })
        .collect();
    let single_writer = volumes
        .iter()
        .find(|volume| volume.source.is_single_writer())
        .map(|volume| volume.name.as_str());
    let grace = service.termination_grace_period_seconds.unwrap_or(GRACE_PERIOD);
    if !(0..=86_400).contains(&grace) {
        found.invalid(
            format!("{field}.terminationGracePeriodSeconds"),
            format!("{grace} is out of range: 0 to 86400"),
        );
    }
    egress(&field, service, platform, found);
    let buckets = used_buckets(service.uses.as_ref(), every_variable(service));
    let databases = used_databases(service.uses.as_ref(), every_variable(service));
    security(&field, service, found);
    ValidService {
        name: service.name.clone(),
        child: child::of_service(drive, &service.name),
        replicas: replicas(&field, service, single_writer, found),
        rollout: rollout(&field, service, single_writer, found),
        files: files::read(&field, service, sources, found),
        hostname: hostname(&field, service, found),
        pod_metadata: pod_metadata::read(&field, service, &platform.tenancy, found),
        metrics: service
            .metrics
            .as_ref()
            .and_then(|metrics| read_metrics(&field, metrics, &program.ports, found)),
        termination_grace_period_seconds: grace.clamp(0, 86_400),
        pre_stop_sleep_seconds: pre_stop_sleep(&field, service, grace, found),
        scheduling: scheduling::read(&field, service, &platform.tenancy, found),
        pod_security: service.pod_security.clone().unwrap_or_default(),
        egress: service.egress.clone().map(|asked| with_store(asked, &buckets, sources)),
        buckets,
        database_authority: sources.databases.authority().filter(|_| !databases.is_empty()),
        databases,
        bindings: bindings.clone(),
        migration: migration::read(&field, service, &program, sources, found),
        container: program,
        sidecars,
        init_containers,
        volumes,
        after: service.after.iter().cloned().collect(),
    }
}

/// Two pods would have the same name.
fn hostname(field: &str, service: &Service, found: &mut FieldErrors) -> Option<String> {
    let asked = service.hostname.as_ref()?;
    let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if !(1..=63).contains(&asked.len()) || !asked.chars().all(legal) || asked.starts_with('-') || asked.ends_with('-') {
        found.invalid(
            format!("{field}.hostname"),
            format!("{asked:?} is no host name of a pod, which has only a-z, 0-9 and '-': write it like chat-1"),
        );
    }
    if service.autoscaling.is_some() || service.replicas.is_some_and(|replicas| replicas > 1) {
        found.invalid(
            format!("{field}.hostname"),
            "lets the service run as one replica, because two pods would have the same name: set replicas to 1 and remove \
             autoscaling, or remove hostname",
        );
    }
    Some(asked.clone())
}

/// The pause before SIGTERM is part of the time to stop: one that uses all of it would leave the program none.
fn pre_stop_sleep(field: &str, service: &Service, grace: i64, found: &mut FieldErrors) -> Option<i64> {
    let asked = service.pre_stop_sleep_seconds?;
    if asked != 0 && !(1..grace).contains(&asked) {
        found.invalid(
            format!("{field}.preStopSleepSeconds"),
            format!(
                "{asked} must be less than terminationGracePeriodSeconds, which is {grace} and includes it: raise \
                 terminationGracePeriodSeconds or lower preStopSleepSeconds"
            ),
        );
    }
    Some(asked)
}

/// The variables of every container of a service's pods.
pub(super) fn every_variable(service: &Service) -> impl Iterator<Item = &EnvVar> {
    let sidecars = service.sidecars.iter().flat_map(|sidecar| &sidecar.env);
    let init_containers = service.init_containers.iter().flat_map(|container| &container.env);
    service.env.iter().chain(sidecars).chain(init_containers)
}

/// Buckets that programs use, by whichever way.
pub(super) fn used_buckets<'a>(
    uses: Option<&Uses>,
    variables: impl IntoIterator<Item = &'a EnvVar>,
) -> BTreeSet<String> {
    let by_default = uses.into_iter().flat_map(|uses| &uses.buckets).cloned();
    let by_name = variables.into_iter().filter_map(|variable| variable.bucket.as_ref());
    by_default.chain(by_name.map(|bucket| bucket.name.clone())).collect()
}

/// Databases that programs use, by whichever way.
pub(super) fn used_databases<'a>(
    uses: Option<&Uses>,
    variables: impl IntoIterator<Item = &'a EnvVar>,
) -> BTreeSet<String> {
    let by_default = uses.into_iter().flat_map(|uses| &uses.databases).cloned();
    let by_name = variables.into_iter().filter_map(|variable| variable.database.as_ref());
    by_default
        .chain(by_name.map(|database| database.name.clone()))
        .collect()
}

/// The addresses a service may connect to, with those that its buckets need.
pub(super) fn with_store(
    mut asked: Vec<EgressRule>,
    buckets: &BTreeSet<String>,
    sources: &Sources<'_>,
) -> Vec<EgressRule> {
    if buckets.is_empty() {
        return asked;
    }
    let open = |cidr: &str, port| EgressRule {
        cidr: cidr.to_owned(),
        port,
        ..EgressRule::default()
    };
    asked.extend(sources.buckets.cidrs().iter().map(|cidr| open(cidr, None)));
    if buckets.iter().any(|bucket| sources.buckets.by_identity(bucket)) {
        // The agents of EKS Pod Identity on each node, without which there are no credentials.
        asked.push(open("169.254.170.23/32", Some(80)));
        asked.push(open("fd00:ec2::23/128", Some(80)));
    }
    asked
}

fn replicas(field: &str, service: &Service, single_writer: Option<&str>, found: &mut FieldErrors) -> Replicas {
    if let Some(volume) = single_writer {
        if service.autoscaling.is_some() || service.replicas.is_some_and(|replicas| replicas > 1) {
            found.invalid(
                field,
                format!(
                    "service {:?} runs as one replica, because one pod alone can write its volume {volume:?}: set replicas to 1 and \
                     remove autoscaling, or give the volume accessMode ReadWriteMany",
                    service.name
                ),
            );
        }
        // The number is not left open: scaling by hand would let a second pod write.
        return Replicas::Fixed(service.replicas.unwrap_or(1));
    }
    if service.hostname.is_some() {
        // Nor here: a second pod would have the same name.
        return Replicas::Fixed(service.replicas.unwrap_or(1));
    }
    match (service.replicas, &service.autoscaling) {
        (Some(_), Some(_)) => {
            found.invalid(
                format!("{field}.replicas"),
                "replicas and autoscaling exclude each other: remove one of them",
            );
            Replicas::Open
        }
        (Some(replicas), None) => {
            if replicas < 0 {
                found.invalid(
                    format!("{field}.replicas"),
                    format!("{replicas} is out of range: 0 or more"),
                );
            }
            Replicas::Fixed(replicas.max(0))
        }
        (None, Some(autoscaling)) => autoscaled(&format!("{field}.autoscaling"), autoscaling, found),
        (None, None) => Replicas::Open,
    }
}

fn autoscaled(field: &str, autoscaling: &Autoscaling, found: &mut FieldErrors) -> Replicas {
    let min = autoscaling.min_replicas.unwrap_or(1);
    let max = autoscaling.max_replicas;
    if min < 1 {
        found.invalid(
            format!("{field}.minReplicas"),
            format!("{min} is out of range: 1 or more"),
        );
    }
    if min > max {
        found.invalid(
            format!("{field}.minReplicas"),
            format!("minReplicas {min} exceeds maxReplicas {max}: lower it or raise maxReplicas"),
        );
    }
    let (cpu, memory) = (
        autoscaling.target_cpu_utilization,
        autoscaling.target_memory_utilization,
    );
    if cpu.is_none() && memory.is_none() {
        found.invalid(field, "needs targetCPUUtilization, targetMemoryUtilization or both");
    }
    if cpu.is_some_and(|percent| percent < 1) || memory.is_some_and(|percent| percent < 1) {
        found.invalid(field, "a target is a percentage of the request, 1 or more");
    }
    Replicas::Autoscaled { min, max, cpu, memory }
}

fn rollout(field: &str, service: &Service, single_writer: Option<&str>, found: &mut FieldErrors) -> RolloutStrategy {
    match (service.rollout, single_writer) {
        (Some(asked @ (RolloutStrategy::RollingUpdate | RolloutStrategy::OneAtATime)), Some(volume)) => {
            found.invalid(
                format!("{field}.rollout"),
                format!(
                    "{asked:?} starts a new pod before the old one stops, and one pod alone can write the volume {volume:?}: leave \
                     rollout out, or give the volume accessMode ReadWriteMany"
                ),
            );
            asked
        }
        (Some(asked), _) => asked,
        (None, Some(_)) => RolloutStrategy::Recreate,
        (None, None) => RolloutStrategy::RollingUpdate,
    }
}

fn read_volume(
    drive: &str,
    field: &str,
    service: &Service,
    volume: &Volume,
    sources: &Sources<'_>,
    platform: &PlatformConfig,
    found: &mut FieldErrors,
) -> Option<ValidVolume> {
    labels::label(&format!("{field}.name"), &volume.name, found);
    let source = match (&volume.size, &volume.shared, &volume.existing, &volume.scratch) {
        (Some(size), None, None, None) => {
            let claim = child::volume_claim(drive, &service.name, &volume.name);
            let live = sources.claims.get(&claim);
            let size = quantity::storage(&format!("{field}.size"), size, found);
            let access_mode = volume.access_mode.unwrap_or_default();
            claims::access_mode(field, access_mode, live, found);
            let (asked, default) = (volume.storage_class_name.as_ref(), platform.storage.class_name.as_ref());
            claims::allowed(field, asked, platform, found);
            VolumeSource::Claim(ValidClaim {
                size: claims::size(field, size, live, found),
                storage_class: claims::class(field, asked, default, live, found),
                claim,
                access_mode,
                deletion_policy: volume.deletion_policy.unwrap_or_default(),
            })
        }
        (None, Some(shared), None, None) => {
            let asked = sources.shared_volumes.iter().find(|one| one.name == *shared);
            let Some(asked) = asked else {
                found.invalid(
                    format!("{field}.shared"),
                    format!("{shared:?} is no entry of spec.volumes: add it there, or correct the name"),
                );
                return None;
            };
            VolumeSource::Shared {
                volume: asked.name.clone(),
                claim: asked.claim.claim.clone(),
                on_one_node: asked.claim.access_mode != AccessMode::ReadWriteMany,
            }
        }
        (None, None, Some(existing), None) => VolumeSource::Existing {
            claim: existing.claim_name.clone(),
        },
        (None, None, None, Some(scratch)) => VolumeSource::Scratch {
            size_limit: scratch.size_limit.as_ref().map_or_else(
                || SCRATCH_LIMIT.to_owned(),
                |limit| quantity::storage(&format!("{field}.scratch.sizeLimit"), limit, found),
            ),
            memory: scratch.memory.unwrap_or(false),
        },
        _ => {
            found.invalid(
                field,
                format!(
                    "the volume {:?} needs exactly one of size, shared, existing and scratch",
                    volume.name
                ),
            );
            return None;
        }
    };
    Some(ValidVolume {
        name: volume.name.clone(),
        path: volume.path.clone(),
        source,
        read_only: volume.read_only.unwrap_or(false),
        sub_path: mounts::sub_path(field, volume.sub_path.as_deref(), found),
        from_image: volume.from_image.unwrap_or(false),
    })
}

fn read_metrics(field: &str, metrics: &Metrics, ports: &[ValidPort], found: &mut FieldErrors) -> Option<ValidMetrics> {
    let port = probe::tcp_port(&format!("{field}.metrics.port"), &metrics.port, ports, found)?;
    Some(ValidMetrics {
        port,
        path: metrics.path.clone().unwrap_or_else(|| "/metrics".to_owned()),
    })
}

fn egress(field: &str, service: &Service, platform: &PlatformConfig, found: &mut FieldErrors) {
    for (index, rule) in service.egress.iter().flatten().enumerate() {
        if let Err(why) = cidr::check(&rule.cidr) {
            found.invalid(
                format!("{field}.egress[{index}].cidr"),
                format!("{:?} {why}", rule.cidr),
            );
        }
        let mut blocked = platform.network.blocked_cidrs.iter();
        if let Some(range) = blocked.find(|range| cidr::contains(range, &rule.cidr)) {
            found.invalid(
                format!("{field}.egress[{index}].cidr"),
                format!(
                    "{} is in {range}, which the platform lets no drive connect to (network.blockedCidrs): remove the entry",
                    rule.cidr
                ),
            );
        }
        if rule.port.is_some_and(|port| !(1..=65_535).contains(&port)) {
            found.invalid(format!("{field}.egress[{index}].port"), "is no port: 1 to 65535");
        }
    }
}

fn security(field: &str, service: &Service, found: &mut FieldErrors) {
    let Some(security) = &service.pod_security else { return };
    if security.run_as_user == Some(0) && security.allow_root != Some(true) {
        found.invalid(
            format!("{field}.podSecurity.runAsUser"),
            "0 is root: say allowRoot: true as well, or choose another user",
        );
    }
}
