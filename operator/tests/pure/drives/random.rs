//! Random drives, valid or not.

use proptest::option::of;
use proptest::prelude::*;
use ras_crds::spec::*;
use ras_crds::{Duration, RecruitmentDrive, RecruitmentDriveSpec};

use super::services::{label, number, quantity, service, wild};

pub fn exposure() -> impl Strategy<Value = Exposure> {
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

pub fn bucket() -> impl Strategy<Value = Bucket> {
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

pub fn database() -> impl Strategy<Value = Database> {
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
