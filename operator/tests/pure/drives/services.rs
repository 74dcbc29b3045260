//! Random services, with their containers, ports, volumes and scaling.

use proptest::option::of;
use proptest::prelude::*;
use ras_crds::spec::*;
use ras_crds::{Duration, Quantity};

pub fn label() -> impl Strategy<Value = String> {
    "[a-z]([a-z0-9-]{0,10}[a-z0-9])?"
}

pub fn wild(tame: impl Strategy<Value = String> + 'static) -> BoxedStrategy<String> {
    prop_oneof![40 => tame, 1 => any::<String>(), 1 => "[a-z0-9-]{0,80}", 1 => Just("tls".to_owned())].boxed()
}

pub fn quantity() -> BoxedStrategy<Quantity> {
    prop_oneof![20 => "[1-9][0-9]{0,2}(Mi|Gi|)", 1 => "[1-9][0-9]{0,4}m", 1 => "[0-9.eE+-]{0,6}", 1 => "\\PC{0,4}"]
        .prop_map(Quantity::new)
        .boxed()
}

pub fn number() -> BoxedStrategy<i32> {
    prop_oneof![20 => 16..100_i32, 1 => any::<i32>()].boxed()
}

/// Some of each field: mostly what a person would write, sometimes what only a broken client would.
pub fn port(index: i32) -> impl Strategy<Value = Port> {
    let path = wild(prop_oneof![Just("/".to_owned()), "/[a-z]{1,6}(/[a-z]{1,6})?"].boxed());
    (
        wild("[a-z]{1,10}"),
        prop_oneof![9 => Just(8_000 + index), 1 => any::<i32>()],
        of(path),
        any::<bool>(),
    )
        .prop_map(|(name, port, path, udp)| Port {
            name,
            port,
            protocol: (udp && path.is_none()).then_some(Protocol::Udp),
            path,
            ..Port::default()
        })
}

pub fn ports(base: i32) -> impl Strategy<Value = Vec<Port>> {
    (0..4_i32).prop_flat_map(move |count| (0..count).map(|index| port(base + index)).collect::<Vec<_>>())
}

pub fn env() -> impl Strategy<Value = EnvVar> {
    let secret = (
        prop_oneof![9 => Just("one".to_owned()), 1 => label()],
        prop_oneof![9 => Just("key".to_owned()), 1 => "[a-z]{1,4}"],
    );
    let bucket = prop_oneof![9 => Just("files".to_owned()), 1 => label()];
    ("[A-Z_]{1,8}", of(any::<String>()), of(secret), of(bucket)).prop_map(|(name, value, secret, bucket)| EnvVar {
        name,
        bucket: bucket
            .filter(|_| value.is_none() && secret.is_none())
            .map(|name| BucketKeyRef {
                name,
                key: BucketKey::Name,
            }),
        secret: secret
            .filter(|_| value.is_none())
            .map(|(name, key)| SecretKeyRef { name, key }),
        value: value.or(Some(String::new())).filter(|value| !value.is_empty()),
        ..EnvVar::default()
    })
}

pub fn resources() -> impl Strategy<Value = Resources> {
    let amounts = || {
        prop::collection::btree_map(
            prop_oneof!["cpu", "memory", "ephemeral-storage"],
            prop_oneof![9 => "[1-9][0-9]{0,2}Mi".prop_map(Quantity::new), 1 => quantity()],
            0..3,
        )
    };
    (amounts(), amounts()).prop_map(|(requests, limits)| Resources { requests, limits })
}

fn volume() -> impl Strategy<Value = Volume> {
    let kind = prop_oneof![
        (
            quantity(),
            of(Just(AccessMode::ReadWriteMany)),
            of(Just(DeletionPolicy::Delete))
        )
            .prop_map(|(size, access_mode, deletion_policy)| Volume {
                size: Some(size),
                access_mode,
                deletion_policy,
                ..Volume::default()
            }),
        label().prop_map(|claim_name| Volume {
            existing: Some(ExistingClaim { claim_name }),
            ..Volume::default()
        }),
        (of(quantity()), of(any::<bool>())).prop_map(|(size_limit, memory)| Volume {
            scratch: Some(Scratch { size_limit, memory }),
            ..Volume::default()
        }),
        Just(Volume::default()),
    ];
    (kind, wild(label().boxed()), wild("(/[a-z]{1,4}){1,3}")).prop_map(|(volume, name, path)| Volume {
        name,
        path,
        ..volume
    })
}

fn security() -> impl Strategy<Value = PodSecurity> {
    (of(0..3_i64), of(any::<bool>()), of(any::<bool>())).prop_map(
        |(run_as_user, allow_root, writable_root_filesystem)| PodSecurity {
            run_as_user,
            allow_root,
            writable_root_filesystem,
            ..PodSecurity::default()
        },
    )
}

pub fn sidecar() -> impl Strategy<Value = Sidecar> {
    (
        wild(label().boxed()),
        prop::collection::vec(env(), 0..3),
        ports(9_000),
        of(resources()),
    )
        .prop_map(|(name, env, ports, resources)| Sidecar {
            name,
            image: "helper:1".to_owned(),
            env,
            ports,
            resources,
            ..Sidecar::default()
        })
}

fn scaling() -> impl Strategy<Value = (Option<i32>, Option<Autoscaling>)> {
    let autoscaling =
        (of(1..16_i32), number(), of(number()), of(number())).prop_map(|(min_replicas, max_replicas, cpu, memory)| {
            Autoscaling {
                min_replicas,
                max_replicas,
                target_cpu_utilization: cpu,
                target_memory_utilization: memory,
            }
        });
    prop_oneof![
        3 => Just((None, None)),
        3 => number().prop_map(|replicas| (Some(replicas), None)),
        2 => autoscaling.clone().prop_map(|autoscaling| (None, Some(autoscaling))),
        1 => (number(), autoscaling).prop_map(|(replicas, autoscaling)| (Some(replicas), Some(autoscaling))),
    ]
}

pub fn rollout() -> impl Strategy<Value = RolloutStrategy> {
    prop_oneof![
        Just(RolloutStrategy::RollingUpdate),
        Just(RolloutStrategy::OneAtATime),
        Just(RolloutStrategy::Recreate)
    ]
}

pub fn migrate() -> impl Strategy<Value = Migrate> {
    let timeout = prop_oneof![9 => "[1-9][0-9]?[smh]", 1 => "[0-9a-z]{0,4}"].prop_map(Duration::new);
    (
        prop_oneof![9 => Just(vec!["migrate".to_owned()]), 1 => Just(Vec::new())],
        prop::collection::vec(env(), 0..3),
        of(timeout),
        of(prop_oneof![9 => 0..3_i32, 1 => any::<i32>()]),
        of(resources()),
    )
        .prop_map(|(command, env, timeout, retries, resources)| Migrate {
            command,
            env,
            timeout,
            retries,
            resources,
            ..Migrate::default()
        })
}

pub fn service() -> impl Strategy<Value = Service> {
    let file = (wild("/[a-z_]{1,6}(/[a-z_.]{1,6})?"), any::<String>()).prop_map(|(path, content)| File {
        path,
        content: Some(content),
        ..File::default()
    });
    let probe =
        (of(wild("/[a-z]{1,6}")), of(any::<bool>()), of(number())).prop_map(|(path, grpc, startup_seconds)| Probe {
            path,
            grpc,
            startup_seconds,
            ..Probe::default()
        });
    let egress = (prop_oneof!["10.0.0.0/8", "::/0", "\\PC{0,8}"], of(number())).prop_map(|(cidr, port)| EgressRule {
        cidr,
        port,
        protocol: None,
    });
    let running = (
        prop::collection::vec(env(), 0..4),
        prop::collection::vec(file, 0..3),
        prop::collection::vec(volume(), 0..3),
        of(probe),
        of(resources()),
        prop::collection::vec(sidecar(), 0..2),
        of(prop::collection::vec(egress, 0..3)),
    );
    let rest = (
        of(rollout()),
        any::<bool>(),
        any::<bool>(),
        of(0..600_i64),
        of(security()),
        of(migrate()),
    );
    (wild(label().boxed()), ports(8_000), scaling(), running, rest).prop_map(
        |(
            name,
            ports,
            (replicas, autoscaling),
            (env, files, volumes, probe, resources, sidecars, egress),
            (rollout, whole, exports, grace, pod_security, migrate),
        )| {
            let first = ports.first().map(|port| port.name.clone()).unwrap_or_default();
            Service {
                name,
                image: "portal:1".to_owned(),
                replicas,
                autoscaling,
                rollout,
                env,
                env_from: if whole {
                    vec![EnvFrom {
                        secret: "one".to_owned(),
                        prefix: None,
                    }]
                } else {
                    Vec::new()
                },
                files,
                volumes,
                probe: probe.map(|probe| Probe {
                    port: Some(first.clone()),
                    ..probe
                }),
                metrics: exports.then_some(Metrics {
                    port: first,
                    path: None,
                }),
                resources,
                sidecars,
                egress,
                termination_grace_period_seconds: grace,
                pod_security,
                migrate,
                ports,
                ..Service::default()
            }
        },
    )
}
