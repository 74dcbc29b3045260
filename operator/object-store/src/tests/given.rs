//! Requests and buckets for tests.

use std::collections::{BTreeMap, BTreeSet};

use proptest::collection::{btree_map, btree_set, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Value, json};

use super::memory::fresh;
use crate::snapshot::{
    BucketSnapshot, Seen, StoredCors, StoredEncryption, StoredFilter, StoredLifecycle, StoredLock, StoredRule,
    StoredTransition, StoredVersioning,
};
use ras_core::bucket::request::{
    BucketRequest, CorsRule, Encryption, Feature, LifecycleRule, LockMode, ObjectLock, Origin, Owner, Settings,
};

pub const ALL: [Feature; 11] = [
    Feature::Tags,
    Feature::PublicAccessBlock,
    Feature::Policy,
    Feature::Encryption,
    Feature::KmsEncryption,
    Feature::Versioning,
    Feature::Expiry,
    Feature::OldVersionExpiry,
    Feature::UploadExpiry,
    Feature::Cors,
    Feature::ObjectLock,
];

pub fn owner() -> Owner {
    Owner {
        namespace: "spo".to_owned(),
        drive: "placements".to_owned(),
        uid: "0b0e6d5e-0000".to_owned(),
        bucket: "resumes".to_owned(),
    }
}

pub fn unowned() -> Owner {
    Owner {
        uid: "ffffffff-0000".to_owned(),
        ..owner()
    }
}

/// A name with the proof of its owner.
pub fn name() -> String {
    format!("ras-spo-placements-resumes-{}", owner().proof())
}

/// Every setting that can be requested together.
pub fn full() -> BucketRequest {
    BucketRequest {
        bucket: name(),
        owner: owner(),
        origin: Origin::Made,
        permitted: true,
        settings: Settings {
            versioned: Some(true),
            encryption: Some(Encryption::StoreKey),
            private: true,
            tls_only: true,
            lifecycle: vec![
                LifecycleRule::Expire {
                    prefix: "tmp/".to_owned(),
                    days: 7,
                },
                LifecycleRule::ExpireOldVersions { days: 30 },
                LifecycleRule::AbortUploads { days: 3 },
            ],
            cors: vec![CorsRule {
                origins: vec!["https://placement.example.edu".to_owned()],
                methods: vec!["GET".to_owned(), "PUT".to_owned()],
                headers: vec!["*".to_owned()],
                expose_headers: vec!["ETag".to_owned()],
                max_age_seconds: Some(300),
            }],
            object_lock: None,
        },
    }
}

pub fn any_request() -> impl Strategy<Value = BucketRequest> {
    let lifecycle = vec(
        prop_oneof![
            (select(vec!["", "tmp/", "logs/"]), 1_u32..400).prop_map(|(prefix, days)| LifecycleRule::Expire {
                prefix: prefix.to_owned(),
                days
            }),
            (1_u32..400).prop_map(|days| LifecycleRule::ExpireOldVersions { days }),
            (1_u32..400).prop_map(|days| LifecycleRule::AbortUploads { days }),
        ],
        0..4,
    );
    let cors = vec(
        (
            subsequence(vec!["https://a.example", "https://b.example"], 1..=2),
            subsequence(vec!["GET", "PUT", "POST"], 1..=3),
            subsequence(vec!["Content-Type", "X-Own"], 0..=2),
            option::of(1_i32..600),
        )
            .prop_map(|(origins, methods, headers, max_age_seconds)| CorsRule {
                origins: owned(&origins),
                methods: owned(&methods),
                headers: owned(&headers),
                expose_headers: Vec::new(),
                max_age_seconds,
            }),
        0..3,
    );
    let encryption = option::of(prop_oneof![
        Just(Encryption::StoreKey),
        Just(Encryption::Kms("1234".to_owned()))
    ]);
    let settings = (
        option::of(any::<bool>()),
        encryption,
        any::<bool>(),
        any::<bool>(),
        lifecycle,
        cors,
        option::of(any_lock()),
    )
        .prop_map(
            |(versioned, encryption, private, tls_only, lifecycle, cors, object_lock)| Settings {
                versioned,
                encryption,
                private,
                tls_only,
                lifecycle,
                cors,
                object_lock,
            },
        );
    (settings, prop_oneof![Just(Origin::Made), Just(Origin::Existing)]).prop_map(|(settings, origin)| BucketRequest {
        bucket: name(),
        owner: owner(),
        origin,
        permitted: true,
        settings,
    })
}

/// A bucket in any state, except with another owner.
pub fn any_truth() -> impl Strategy<Value = BucketSnapshot> {
    let tags = (
        btree_map(select(vec!["team", "cost-centre"]), "[a-z]{1,4}", 0..2),
        any::<bool>(),
    )
        .prop_map(|(others, is_tagged)| {
            let others = others.into_iter().map(|(key, value)| (key.to_owned(), value));
            let ours = if is_tagged { owner().tags() } else { BTreeMap::new() };
            others.chain(ours).collect::<BTreeMap<_, _>>()
        });
    let encryption = prop_oneof![
        Just(StoredEncryption::None),
        Just(StoredEncryption::StoreKey),
        Just(StoredEncryption::Kms(None)),
        Just(StoredEncryption::Kms(Some(
            "arn:aws:kms:ap-south-1:1:key/1234".to_owned()
        ))),
        Just(StoredEncryption::Kms(Some(
            "arn:aws:kms:ap-south-1:1:key/991234".to_owned()
        ))),
        Just(StoredEncryption::Other("aws:kms:dsse".to_owned())),
    ];
    let policy = subsequence(statements(), 0..=3).prop_map(|statements| {
        if statements.is_empty() {
            Value::Null
        } else {
            json!({"Version": "2012-10-17", "Id": "theirs", "Statement": statements})
        }
    });
    let versioning = prop_oneof![
        Just(StoredVersioning::Never),
        Just(StoredVersioning::Enabled),
        Just(StoredVersioning::Suspended)
    ];
    let lock = prop_oneof![Just(StoredLock::Off), option::of(any_lock()).prop_map(StoredLock::On)];
    let lifecycle = subsequence(rules(), 0..=5).prop_map(|rules| StoredLifecycle {
        rules,
        transition_minimum: Some("varies_by_storage_class".to_owned()),
    });
    let cors = subsequence(cors_rules(), 0..=3);
    (
        tags,
        any::<bool>(),
        encryption,
        policy,
        versioning,
        lock,
        lifecycle,
        cors,
    )
        .prop_map(
            |(tags, blocked, encryption, policy, versioning, lock, lifecycle, cors)| BucketSnapshot {
                tags: Seen::Is(tags),
                public_access_blocked: Seen::Is(blocked),
                encryption: Seen::Is(encryption),
                policy: Seen::Is(policy),
                versioning: Seen::Is(versioning),
                object_lock: Seen::Is(lock),
                lifecycle: Seen::Is(lifecycle),
                cors: Seen::Is(cors),
                ..fresh()
            },
        )
}

pub fn any_features() -> impl Strategy<Value = BTreeSet<Feature>> {
    prop_oneof![
        2 => Just(BTreeSet::new()),
        3 => btree_set(select(ALL.to_vec()), 0..6),
    ]
}

fn any_lock() -> impl Strategy<Value = ObjectLock> {
    (any::<bool>(), 1_u32..5).prop_map(|(strict, days)| ObjectLock {
        mode: if strict {
            LockMode::Compliance
        } else {
            LockMode::Governance
        },
        days,
    })
}

fn owned(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

fn id_prefix() -> String {
    format!("ras.dev/{}/", owner().mark())
}

/// Statements of others, and ours: as desired, as `MinIO` returns it, and weakened by somebody.
fn statements() -> Vec<Value> {
    let arn = format!("arn:aws:s3:::{}", name());
    let sid = format!("RasDevTlsOnly{}", owner().mark());
    vec![
        json!({"Sid": "Audit", "Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::1:root"}, "Action": "s3:GetObject",
               "Resource": format!("{arn}/*")}),
        json!({"Effect": "Deny", "Principal": "*", "Action": "s3:DeleteBucket", "Resource": arn}),
        json!({"Sid": sid, "Effect": "Deny", "Principal": {"AWS": ["*"]}, "Action": ["s3:*"],
               "Resource": [format!("{arn}/*"), arn], "Condition": {"Bool": {"aws:SecureTransport": ["false"]}}}),
        json!({"Sid": sid, "Effect": "Deny", "Principal": "*", "Action": "s3:GetObject", "Resource": arn}),
    ]
}

/// Rules of others with every field of S3, and ours of an earlier spec.
fn rules() -> Vec<StoredRule> {
    vec![
        StoredRule {
            id: Some("archive".to_owned()),
            enabled: true,
            filter: StoredFilter {
                prefix: "old/".to_owned(),
                tags: vec![("class".to_owned(), "cold".to_owned())],
                larger_than: Some(1_000),
                smaller_than: None,
            },
            transitions: vec![StoredTransition {
                days: Some(30),
                storage_class: Some("GLACIER".to_owned()),
                ..StoredTransition::default()
            }],
            ..StoredRule::default()
        },
        StoredRule {
            id: Some("off".to_owned()),
            expire_date: Some("2030-01-01T00:00:00Z".to_owned()),
            ..StoredRule::default()
        },
        StoredRule {
            enabled: true,
            expire_days: Some(9),
            ..StoredRule::default()
        },
        StoredRule {
            id: Some(format!("{}uploads", id_prefix())),
            enabled: true,
            abort_uploads_days: Some(99),
            ..StoredRule::default()
        },
        StoredRule {
            id: Some(format!("{}expire/gone", id_prefix())),
            enabled: false,
            expire_days: Some(5),
            ..StoredRule::default()
        },
    ]
}

fn cors_rules() -> Vec<StoredCors> {
    let rule = |id: Option<String>, origin: &str| StoredCors {
        id,
        origins: vec![origin.to_owned()],
        methods: vec!["GET".to_owned()],
        ..StoredCors::default()
    };
    vec![
        rule(Some("theirs".to_owned()), "*"),
        rule(None, "https://theirs.example"),
        rule(Some(format!("{}cors/0", id_prefix())), "https://a.example"),
    ]
}

pub fn is_ours(id: Option<&str>) -> bool {
    id.is_some_and(|id| id.starts_with(&id_prefix()))
}
