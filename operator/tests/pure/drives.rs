//! Drives for tests: read from YAML, or drawn at random.

use crate::planned::{build, validate};
use std::collections::BTreeMap;

use proptest::option::of;
use proptest::prelude::*;
use ras_core::build::Desired;
use ras_core::fetched::{Apis, BucketFacts, DatabaseFacts, ExternalSecretsVersion, Fetched, SecretFacts};
use ras_core::names;
use ras_core::platform::PlatformConfig;
use ras_crds::spec::*;
use ras_crds::{
    DatabaseState, DatabaseStatus, Duration, LogicalDatabaseStatus, Quantity, RecruitmentDrive, RecruitmentDriveSpec,
};

/// A drive as it would be stored.
pub fn read(yaml: &str) -> RecruitmentDrive {
    let mut drive: RecruitmentDrive = serde_yaml::from_str(yaml).unwrap();
    drive.metadata.uid = Some("6f1e7a52-0b1c-4c4e-9d57-3a6f0c2b9e11".to_owned());
    drive
}

/// A drive `d` in namespace `spo` with this spec.
pub fn with_spec(spec: &str) -> RecruitmentDrive {
    let spec: RecruitmentDriveSpec = serde_yaml::from_str(spec).unwrap();
    let mut drive = RecruitmentDrive::new("d", spec);
    drive.metadata.namespace = Some("spo".to_owned());
    drive.metadata.uid = Some("uid-1".to_owned());
    drive
}

/// What is built of a drive that is valid.
pub fn built(drive: &RecruitmentDrive, fetched: &Fetched) -> Desired {
    build(&validate(drive, fetched, &PlatformConfig::default()).unwrap())
}

/// Facts of a cluster in which every secret that the drive uses is there with every key, every bucket, and every API.
pub fn facts_for(drive: &RecruitmentDrive) -> Fetched {
    let name = drive.metadata.name.as_deref().unwrap_or_default();
    let kubernetes_name = |secret: &SecretSource| match &secret.existing {
        Some(existing) => existing.secret_name.clone(),
        None => names::secret(name, &secret.name),
    };
    let mut secrets: BTreeMap<String, SecretFacts> = BTreeMap::new();
    for secret in &drive.spec.secrets {
        let keys = secrets
            .entry(kubernetes_name(secret))
            .or_default()
            .keys
            .get_or_insert_default();
        let generated = secret.generate.iter().flat_map(|generate| &generate.keys);
        let used = drive.spec.services.iter().flat_map(|service| {
            let env = service
                .env
                .iter()
                .chain(service.sidecars.iter().flat_map(|sidecar| &sidecar.env))
                .chain(service.migrate.iter().flat_map(|migrate| &migrate.env));
            env.filter_map(|variable| variable.secret.as_ref())
                .filter(|used| used.name == secret.name)
                .map(|used| &used.key)
        });
        // Whoever uses the whole secret uses this.
        keys.insert("whole".to_owned(), "2026-07-01T00:00:00Z".to_owned());
        let pairs = generated
            .clone()
            .flat_map(|key| [format!("{key}.key"), format!("{key}.pub")]);
        keys.extend(
            generated
                .chain(used)
                .cloned()
                .chain(pairs)
                .map(|key| (key, "2026-07-01T00:00:00Z".to_owned())),
        );
    }
    let of_store =
        ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"].map(|key| (key.to_owned(), "2026-07-01T00:00:00Z".to_owned()));
    secrets
        .entry("s3".to_owned())
        .or_default()
        .keys
        .get_or_insert_default()
        .extend(of_store);
    if drive.spec.cache.is_some() {
        let keys = secrets
            .entry(names::secret(name, "cache"))
            .or_default()
            .keys
            .get_or_insert_default();
        keys.insert("password".to_owned(), "2026-07-01T00:00:00Z".to_owned());
    }
    if let Some(database) = &drive.spec.database {
        let stamp = "2026-07-01T00:00:00Z".to_owned();
        for name in names::database_secrets(name, database) {
            let keys = secrets.entry(name).or_default().keys.get_or_insert_default();
            keys.extend(["password", "ca.crt"].map(|key| (key.to_owned(), stamp.clone())));
        }
        let of_server = ["host", "port", "username", "password"].map(|key| (key.to_owned(), stamp.clone()));
        let external = database.external.iter().map(|external| external.secret_name.clone());
        for name in external {
            let keys = secrets.entry(name).or_default().keys.get_or_insert_default();
            keys.extend(of_server.clone());
        }
    }
    let there = BucketFacts {
        there: true,
        ..BucketFacts::default()
    };
    let buckets = drive
        .spec
        .buckets
        .iter()
        .map(|bucket| (bucket.name.clone(), there.clone()));
    Fetched {
        secrets,
        buckets: buckets.collect(),
        database: database_facts(drive),
        apis: Apis {
            service_monitors: true,
            prometheus_rules: true,
            certificates: true,
            clusters: true,
            scheduled_backups: true,
            external_secrets: Some(ExternalSecretsVersion::V1),
        },
        ..Fetched::default()
    }
}

/// What is known of a server that serves and on which every database is there.
fn database_facts(drive: &RecruitmentDrive) -> DatabaseFacts {
    let databases = drive.spec.database.iter().flat_map(|database| &database.databases);
    DatabaseFacts {
        serves: true,
        recorded: DatabaseStatus {
            databases: databases
                .map(|one| LogicalDatabaseStatus {
                    name: one.name.clone(),
                    state: DatabaseState::Ready,
                    ..LogicalDatabaseStatus::default()
                })
                .collect(),
            ..DatabaseStatus::default()
        },
        ..DatabaseFacts::default()
    }
}

fn label() -> impl Strategy<Value = String> {
    "[a-z]([a-z0-9-]{0,10}[a-z0-9])?"
}

fn wild(tame: impl Strategy<Value = String> + 'static) -> BoxedStrategy<String> {
    prop_oneof![40 => tame, 1 => any::<String>(), 1 => "[a-z0-9-]{0,80}", 1 => Just("tls".to_owned())].boxed()
}

fn quantity() -> BoxedStrategy<Quantity> {
    prop_oneof![20 => "[1-9][0-9]{0,2}(Mi|Gi|)", 1 => "[1-9][0-9]{0,4}m", 1 => "[0-9.eE+-]{0,6}", 1 => "\\PC{0,4}"]
        .prop_map(Quantity::new)
        .boxed()
}

fn number() -> BoxedStrategy<i32> {
    prop_oneof![20 => 16..100_i32, 1 => any::<i32>()].boxed()
}

/// Some of each field: mostly what a person would write, sometimes what only a broken client would.
fn port(index: i32) -> impl Strategy<Value = Port> {
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

fn ports(base: i32) -> impl Strategy<Value = Vec<Port>> {
    (0..4_i32).prop_flat_map(move |count| (0..count).map(|index| port(base + index)).collect::<Vec<_>>())
}

fn env() -> impl Strategy<Value = EnvVar> {
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

fn resources() -> impl Strategy<Value = Resources> {
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

fn sidecar() -> impl Strategy<Value = Sidecar> {
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

fn rollout() -> impl Strategy<Value = RolloutStrategy> {
    prop_oneof![
        Just(RolloutStrategy::RollingUpdate),
        Just(RolloutStrategy::OneAtATime),
        Just(RolloutStrategy::Recreate)
    ]
}

fn migrate() -> impl Strategy<Value = Migrate> {
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

fn service() -> impl Strategy<Value = Service> {
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

fn exposure() -> impl Strategy<Value = Exposure> {
    let tls = (of(label()), of(label())).prop_map(|(issuer, secret_name)| Tls {
        issuer,
        secret_name,
        issuer_kind: None,
    });
    let names = [
        "nginx.ingress.kubernetes.io/proxy-body-size",
        "nginx.ingress.kubernetes.io/proxy-read-timeout",
    ];
    let name = prop::sample::select(names.to_vec()).prop_map(str::to_owned).boxed();
    let annotations = prop::collection::btree_map(wild(name), wild("[a-z0-9]{0,6}"), 0..2);
    (wild("[a-z]{1,8}\\.example\\.edu"), of(tls), annotations).prop_map(|(host, tls, annotations)| Exposure {
        host,
        tls,
        ingress_class_name: None,
        annotations,
    })
}

fn bucket() -> impl Strategy<Value = Bucket> {
    let days = || {
        prop_oneof![9 => (1..999_u32).prop_map(|days| format!("{days}d")), 1 => "[0-9a-z]{0,4}"].prop_map(Duration::new)
    };
    let expiry = (of(any::<String>()), days()).prop_map(|(prefix, after)| Expiry { prefix, after });
    let policy = prop_oneof![
        Just(BucketDeletionPolicy::Retain),
        Just(BucketDeletionPolicy::DeleteIfEmpty),
        Just(BucketDeletionPolicy::Delete)
    ];
    (
        prop_oneof![2 => Just("files".to_owned()), 1 => wild(label().boxed())],
        of("[a-z][a-z0-9.-]{1,8}[a-z]"),
        of(any::<bool>()),
        prop::collection::vec(expiry, 0..3),
        of(days()),
        of(policy),
        of(quantity()),
    )
        .prop_map(
            |(name, existing, versioned, expire, abort, deletion_policy, size)| Bucket {
                name,
                deletion_policy: deletion_policy.filter(|_| existing.is_none()),
                existing: existing.map(|bucket| ExistingBucket { bucket }),
                versioned,
                expire,
                abort_uploads_after: abort,
                quota: size.map(|size| BucketQuota {
                    size: Some(size),
                    objects: None,
                }),
                ..Bucket::default()
            },
        )
}

fn database() -> impl Strategy<Value = Database> {
    let name =
        || prop_oneof![9 => "[a-z][a-z0-9_-]{0,8}", 1 => Just("postgres".to_owned()), 1 => wild(label().boxed())];
    let one = (
        prop_oneof![2 => Just("portal".to_owned()), 1 => name()],
        of(name()),
        of(name()),
        prop::collection::vec(prop_oneof![9 => prop::sample::select(vec!["pg_trgm", "citext", "hstore"]).prop_map(str::to_owned), 1 => any::<String>()], 0..3),
    )
        .prop_map(|(name, owner, user, extensions)| LogicalDatabase {
            name,
            owner,
            user,
            extensions,
        });
    let managed = (
        prop_oneof![9 => 14..19_i32, 1 => any::<i32>()],
        quantity(),
        of(1..3_i32),
    )
        .prop_map(|(version, size, instances)| ManagedDatabase {
            version,
            size,
            instances,
            ..ManagedDatabase::default()
        });
    (
        of(managed),
        prop::collection::vec(one, 0..4),
        of(Just(DatabaseCredentials::Shared)),
        of(Just(DeletionPolicy::Delete)),
        rotation(),
    )
        .prop_map(|(managed, databases, credentials, deletion_policy, rotate)| Database {
            external: managed.is_none().then(|| ExistingSecret {
                secret_name: "rds".to_owned(),
            }),
            managed,
            databases,
            credentials,
            deletion_policy,
            rotate,
        })
}

fn rotation() -> impl Strategy<Value = Option<Rotation>> {
    let every = prop_oneof![9 => Just("90d"), 1 => Just("1m")];
    (of(every), of(any::<bool>())).prop_map(|(every, keep_while_open)| {
        (every.is_some() || keep_while_open.is_some()).then(|| Rotation {
            every: every.map(Duration::new),
            keep_while_open,
        })
    })
}

/// Services that use the first database, by both ways.
fn use_database(services: &mut [Service], database: &Database) {
    let Some(first) = database.databases.first() else {
        return;
    };
    let variable = |name: &str, key| EnvVar {
        name: name.to_owned(),
        database: Some(DatabaseKeyRef {
            name: first.name.clone(),
            key,
        }),
        ..EnvVar::default()
    };
    for (index, service) in services.iter_mut().enumerate() {
        if index % 2 == 0 {
            service.uses = Some(Uses {
                databases: vec![first.name.clone()],
                ..Uses::default()
            });
        } else {
            service.env.push(variable("PG_URL", DatabaseKey::Url));
        }
    }
}

/// Any drive at all, valid or not.
pub fn any_drive() -> impl Strategy<Value = RecruitmentDrive> {
    let monitoring = (of("[0-9]{1,3}[smhd]"), of(number())).prop_map(|(interval, restarts)| Monitoring {
        scrape_interval: interval.map(Duration::new),
        alerts: Some(Alerts {
            not_ready_for: None,
            restarts_per_hour: restarts,
        }),
    });
    let secret = (
        wild(label().boxed()),
        0..3_usize,
        of(Just(DeletionPolicy::Delete)),
        of(number()),
        of(prop::sample::select(&[
            Format::Alphanumeric,
            Format::Base64,
            Format::Hex,
            Format::Uuid,
            Format::RsaKeyPair,
            Format::Ed25519KeyPair,
        ])),
        of("[0-9]{1,5}[dhm]"),
        of(any::<bool>()),
    )
        .prop_map(|(name, form, policy, length, format, every, option)| SecretSource {
            name,
            generate: (form == 0).then(|| Generate {
                keys: vec!["key".to_owned(), "b".to_owned()],
                format,
                length: length.filter(|_| format.is_none() || option == Some(true)),
                rotate: (every.is_some() || option.is_some()).then(|| Rotation {
                    every: every.clone().map(Duration::new),
                    keep_while_open: option,
                }),
                ..Generate::default()
            }),
            existing: (form == 1).then(|| ExistingSecret {
                secret_name: "kept".to_owned(),
            }),
            external: (form == 2).then(|| ExternalSecret {
                store: Some("vault".to_owned()),
                key: option.is_none().then(|| "spo/mail".to_owned()),
                keys: option
                    .map(|_| ExternalKey {
                        name: "key".to_owned(),
                        key: "spo/mail".to_owned(),
                        ..ExternalKey::default()
                    })
                    .into_iter()
                    .collect(),
                refresh_interval: every.map(Duration::new),
                ..ExternalSecret::default()
            }),
            deletion_policy: policy,
        });
    let metadata = (wild(label().boxed()), of(Just("uid".to_owned())), of(any::<bool>()));
    (
        metadata,
        prop::collection::vec(service(), 0..4),
        prop::collection::vec(secret, 0..3),
        of(exposure()),
        of(monitoring),
        prop::collection::vec(bucket(), 0..3),
        of(database()),
    )
        .prop_map(
            |((name, uid, suspend), mut services, mut secrets, exposure, monitoring, buckets, database)| {
                if let Some(database) = &database {
                    use_database(&mut services, database);
                }
                secrets.push(SecretSource {
                    name: "one".to_owned(),
                    generate: Some(Generate {
                        keys: vec!["key".to_owned()],
                        ..Generate::default()
                    }),
                    ..SecretSource::default()
                });
                let spec = RecruitmentDriveSpec {
                    services,
                    secrets,
                    buckets,
                    database,
                    exposure,
                    monitoring,
                    suspend,
                    ..RecruitmentDriveSpec::default()
                };
                let mut drive = RecruitmentDrive::new(&name, spec);
                drive.metadata.namespace = Some("spo".to_owned());
                drive.metadata.uid = uid;
                drive
            },
        )
}

/// Drives that can be built: any drive, with the parts left out that `validate` complains about.
pub fn valid_drive() -> impl Strategy<Value = RecruitmentDrive> {
    any_drive().prop_filter_map("cannot be mended", |mut drive| {
        for _ in 0..12 {
            let Err(problems) = validate(&drive, &facts_for(&drive), &PlatformConfig::default()) else {
                return Some(drive);
            };
            let fields: Vec<_> = problems.iter().map(|problem| problem.field.clone()).collect();
            for field in fields.iter().rev() {
                mend(&mut drive, field);
            }
            if drive.spec.services.is_empty() {
                return None;
            }
        }
        None
    })
}

/// Takes away what a problem is about.
fn mend(drive: &mut RecruitmentDrive, field: &str) {
    let index =
        |list: &str| -> Option<usize> { field.split_once(&format!("{list}["))?.1.split_once(']')?.0.parse().ok() };
    let spec = &mut drive.spec;
    if field == "metadata.name" {
        drive.metadata.name = Some("d".to_owned());
    } else if let Some(index) = field
        .starts_with("spec.buckets")
        .then(|| index("spec.buckets"))
        .flatten()
    {
        if index < spec.buckets.len() {
            spec.buckets.remove(index);
        }
    } else if let Some(service) = index("services").and_then(|index| spec.services.get_mut(index)) {
        let remove = |list: &str, length: usize| index(list).filter(|index| *index < length);
        if field.contains(".uses") {
            service.uses = None;
            return;
        }
        let whole = field.ends_with(']') && field.matches('[').count() == 1;
        if field.contains(".migrate") {
            service.migrate = None;
        } else if whole || field.contains(".replicas") || field.contains(".autoscaling") {
            (service.replicas, service.autoscaling) = (None, None);
        } else if let Some(index) = remove("sidecars", service.sidecars.len()) {
            service.sidecars.remove(index);
        } else if let Some(index) = remove("ports", service.ports.len()) {
            service.ports.remove(index);
        } else if let Some(index) = remove("env", service.env.len()) {
            service.env.remove(index);
        } else if let Some(index) = remove("files", service.files.len()) {
            service.files.remove(index);
        } else if let Some(index) = remove("egress", usize::MAX) {
            service
                .egress
                .as_mut()
                .map(|rules| (index < rules.len()).then(|| rules.remove(index)));
        } else if let Some(index) = remove("volumes", service.volumes.len()) {
            service.volumes.remove(index);
        } else if field.contains(".probe") {
            service.probe = None;
        } else if field.contains(".metrics") {
            service.metrics = None;
        } else if field.contains(".resources") {
            service.resources = None;
        } else if field.contains(".rollout") {
            service.rollout = None;
        } else if field.contains(".preStopSleepSeconds") {
            service.pre_stop_sleep_seconds = None;
        } else if field.contains(".termination") {
            service.termination_grace_period_seconds = None;
        } else if field.contains(".podSecurity") {
            service.pod_security = None;
        } else {
            let number = index("services").unwrap_or_default();
            spec.services.remove(number);
        }
    } else if let Some(index) = index("secrets").filter(|index| *index + 1 < spec.secrets.len()) {
        spec.secrets.remove(index);
    } else if field.starts_with("spec.exposure") {
        spec.exposure = None;
    } else if field.starts_with("spec.monitoring") {
        spec.monitoring = None;
    } else if let Some(database) = &mut spec.database
        && field.starts_with("spec.database")
    {
        match index("databases").filter(|index| *index < database.databases.len()) {
            Some(index) if database.databases.len() > 1 => drop(database.databases.remove(index)),
            _ if field.ends_with(".instances") => {
                if let Some(managed) = &mut database.managed {
                    managed.instances = None;
                }
            }
            _ if field.ends_with(".deletionPolicy") => database.deletion_policy = None,
            _ => spec.database = None,
        }
    } else {
        spec.services.clear();
    }
}
