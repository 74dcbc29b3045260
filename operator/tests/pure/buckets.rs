//! Buckets: what is asked of the store, what services learn, who waits, what status says.

use crate::planned::{build, validate};
use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::EnvVar;
use ras_core::bucket::request::{Encryption, LifecycleRule, Origin};
use ras_core::build::Desired;
use ras_core::fetched::{BucketFacts, Fetched, SecretFacts};
use ras_core::plan::bucket_removal::RemovalDecision;
use ras_core::platform;
use ras_core::platform::PlatformConfig;
use ras_crds::spec::BucketDeletionPolicy;
use ras_crds::{BucketState, BucketStatus, ConditionType, Reason, RecruitmentDrive};

use crate::drives::with_spec;

const MINIO: &str =
    "objectStore: {endpoint: 'http://minio.storage:9000', programs: {secretName: s3, cidrs: [10.1.0.0/16]}}";

fn drive(service: &str, buckets: &str) -> RecruitmentDrive {
    with_spec(&format!(
        "{{services: [{{name: portal, image: 'portal:1', {service}}}], buckets: [{buckets}]}}"
    ))
}

fn platform(text: &str) -> PlatformConfig {
    platform::parse(text).unwrap()
}

fn facts(buckets: &[(&str, bool)]) -> Fetched {
    let facts = |name: &str, there| BucketFacts {
        recorded: BucketStatus {
            name: name.to_owned(),
            bucket: format!("recorded-{name}"),
            state: if there {
                BucketState::Ready
            } else {
                BucketState::Pending
            },
            ..BucketStatus::default()
        },
        there,
        ..BucketFacts::default()
    };
    Fetched {
        buckets: buckets
            .iter()
            .map(|(name, there)| ((*name).to_owned(), facts(name, *there)))
            .collect(),
        secrets: BTreeMap::from([("s3".to_owned(), SecretFacts::default())]),
        ..Fetched::default()
    }
}

fn built(drive: &RecruitmentDrive, fetched: &Fetched, settings: &str) -> Desired {
    build(&validate(drive, fetched, &platform(settings)).unwrap())
}

fn environment(desired: &Desired) -> Vec<(String, String)> {
    let pod = desired.deployments[0].spec.clone().unwrap().template.spec.unwrap();
    let value = |variable: &EnvVar| {
        variable.value.clone().unwrap_or_else(|| {
            let secret = variable.value_from.clone().unwrap().secret_key_ref.unwrap();
            format!("{}/{}", secret.name, secret.key)
        })
    };
    let all = pod.containers[0].env.clone().unwrap_or_default();
    all.iter()
        .map(|variable| (variable.name.clone(), value(variable)))
        .collect()
}

fn pairs(all: &[(&str, &str)]) -> Vec<(String, String)> {
    all.iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

#[test]
fn a_service_learns_of_its_buckets_under_the_names_that_every_sdk_reads() {
    let drive = drive(
        "uses: {buckets: [resumes, old-files]}",
        "{name: resumes}, {name: old-files}",
    );
    let seen = facts(&[("resumes", true), ("old-files", true)]);
    assert_eq!(
        environment(&built(&drive, &seen, MINIO)),
        pairs(&[
            ("BUCKET_RESUMES", "recorded-resumes"),
            ("BUCKET_OLD_FILES", "recorded-old-files"),
            ("AWS_REGION", "us-east-1"),
            ("AWS_ENDPOINT_URL_S3", "http://minio.storage:9000"),
            ("AWS_ACCESS_KEY_ID", "s3/AWS_ACCESS_KEY_ID"),
            ("AWS_SECRET_ACCESS_KEY", "s3/AWS_SECRET_ACCESS_KEY"),
        ])
    );
    assert_eq!(
        environment(&built(&drive, &seen, "objectStore: {region: ap-south-1}")),
        pairs(&[
            ("BUCKET_RESUMES", "recorded-resumes"),
            ("BUCKET_OLD_FILES", "recorded-old-files"),
            ("AWS_REGION", "ap-south-1"),
        ]),
        "on AWS there are no keys, and every SDK knows the address"
    );
}

#[test]
fn a_program_that_insists_on_its_own_names_gets_them() {
    let drive = drive(
        "env: [{name: R2_BUCKET, bucket: {name: resumes, key: name}}, {name: R2_URL, bucket: {name: resumes, key: endpoint}}, \
         {name: R2_REGION, bucket: {name: resumes, key: region}}, {name: R2_PATH, bucket: {name: resumes, key: pathStyle}}, \
         {name: R2_ID, bucket: {name: resumes, key: accessKeyId}}, {name: R2_SECRET, bucket: {name: resumes, key: secretAccessKey}}]",
        "{name: resumes, credentials: {secretName: own}}",
    );
    let seen = facts(&[("resumes", true)]);
    assert_eq!(
        environment(&built(&drive, &seen, MINIO)),
        pairs(&[
            ("R2_BUCKET", "recorded-resumes"),
            ("R2_URL", "http://minio.storage:9000"),
            ("R2_REGION", "us-east-1"),
            ("R2_PATH", "true"),
            ("R2_ID", "own/AWS_ACCESS_KEY_ID"),
            ("R2_SECRET", "own/AWS_SECRET_ACCESS_KEY"),
        ])
    );
}

#[test]
fn a_variable_of_the_service_s_own_wins_over_a_default_one() {
    let drive = drive(
        "uses: {buckets: [resumes]}, env: [{name: AWS_REGION, value: here}, {name: URL, value: 's3://$(BUCKET_RESUMES)'}]",
        "{name: resumes}",
    );
    let seen = environment(&built(&drive, &facts(&[("resumes", true)]), "objectStore: {}"));
    assert_eq!(
        seen,
        pairs(&[
            ("BUCKET_RESUMES", "recorded-resumes"),
            ("AWS_REGION", "here"),
            ("URL", "s3://$(BUCKET_RESUMES)"),
        ])
    );
}

#[test]
fn keys_that_do_not_exist_are_not_promised() {
    let problem = |drive: &RecruitmentDrive, settings: &str| {
        validate(drive, &Fetched::default(), &platform(settings))
            .unwrap_err()
            .to_string()
    };
    let asks = drive(
        "env: [{name: ID, bucket: {name: resumes, key: accessKeyId}}]",
        "{name: resumes}",
    );
    let said = problem(&asks, "objectStore: {}");
    assert!(
        said.contains("env[0].bucket.key") && said.contains("by an identity"),
        "{said}"
    );
    let both = drive(
        "uses: {buckets: [one, two]}",
        "{name: one, credentials: {secretName: a}}, {name: two, credentials: {secretName: b}}",
    );
    let said = problem(&both, MINIO);
    assert!(
        said.contains("uses.buckets[1]") && said.contains("different credentials"),
        "{said}"
    );
}

#[test]
fn a_bucket_that_is_made_is_private_encrypted_and_tidy_without_a_word() {
    let desired = built(
        &drive("", "{name: resumes}"),
        &Fetched::default(),
        "objectStore: {bucketPrefix: ras}",
    );
    let request = &desired.buckets[0];
    assert!(request.bucket.starts_with("ras-spo-d-resumes-"), "{}", request.bucket);
    assert_eq!(request.origin, Origin::Made);
    let settings = &request.settings;
    assert!(settings.private && settings.tls_only);
    assert_eq!(settings.encryption, Some(Encryption::StoreKey));
    assert_eq!(settings.versioned, Some(false));
    assert_eq!(settings.lifecycle, [LifecycleRule::AbortUploads { days: 7 }]);
}

#[test]
fn a_store_without_tls_is_not_locked_out_of_its_own_bucket() {
    let desired = built(&drive("", "{name: resumes}"), &Fetched::default(), MINIO);
    assert!(!desired.buckets[0].settings.tls_only);
    let secure = "objectStore: {endpoint: 'https://s3.example.edu'}";
    assert!(
        built(&drive("", "{name: resumes}"), &Fetched::default(), secure).buckets[0]
            .settings
            .tls_only
    );
}

#[test]
fn nothing_is_asked_of_an_existing_bucket_but_what_is_said() {
    let desired = built(
        &drive("", "{name: resumes, existing: {bucket: campus}}"),
        &Fetched::default(),
        "objectStore: {}",
    );
    let request = &desired.buckets[0];
    assert_eq!((request.bucket.as_str(), request.origin), ("campus", Origin::Existing));
    assert_eq!(request.settings, ras_core::bucket::request::Settings::default());
}

#[test]
fn another_prefix_in_the_platform_s_settings_moves_no_data() {
    let drive = drive("", "{name: resumes}");
    let desired = built(
        &drive,
        &facts(&[("resumes", true)]),
        "objectStore: {bucketPrefix: other}",
    );
    assert_eq!(desired.buckets[0].bucket, "recorded-resumes");
}

#[test]
fn a_service_waits_for_a_bucket_that_was_never_there_and_for_no_other() {
    let drive = drive("uses: {buckets: [resumes]}", "{name: resumes}, {name: unused}");
    let held = |fetched: &Fetched| built(&drive, fetched, MINIO).blocked;
    let waiting = held(&facts(&[("resumes", false)]));
    let waiting = waiting.get("d-portal").unwrap();
    assert_eq!(
        (waiting.condition, waiting.reason),
        (ConditionType::StorageReady, Reason::BucketsPending)
    );
    assert!(held(&facts(&[("resumes", true), ("unused", false)])).is_empty());
    let mut without = facts(&[("resumes", true)]);
    without.secrets.clear();
    let waiting = held(&without);
    assert!(
        waiting["d-portal"].message.contains("objectStore.programs.secretName"),
        "{waiting:?}"
    );
}

#[test]
fn a_service_that_restricts_its_egress_still_reaches_its_buckets() {
    let cidrs = |settings: &str| {
        let drive = drive("uses: {buckets: [resumes]}, egress: []", "{name: resumes}");
        let desired = built(&drive, &facts(&[("resumes", true)]), settings);
        let rules = desired.network_policies[0].spec.clone().unwrap().egress.unwrap();
        let peers = rules.into_iter().flat_map(|rule| rule.to.unwrap_or_default());
        peers.filter_map(|peer| Some(peer.ip_block?.cidr)).collect::<Vec<_>>()
    };
    assert_eq!(cidrs(MINIO), ["169.254.20.10/32", "10.1.0.0/16"]);
    assert_eq!(
        cidrs("objectStore: {}"),
        ["169.254.20.10/32", "169.254.170.23/32", "fd00:ec2::23/128"]
    );
}

#[test]
fn a_bucket_that_is_no_longer_asked_for_departs_as_it_was_last_said() {
    let mut seen = facts(&[("old", true), ("kept", true), ("theirs", true)]);
    seen.buckets.get_mut("old").unwrap().recorded.deletion_policy = Some(BucketDeletionPolicy::DeleteIfEmpty);
    seen.buckets.get_mut("theirs").unwrap().recorded.existing = true;
    let desired = built(&drive("", ""), &seen, "objectStore: {}");
    let fates: Vec<_> = desired
        .bucket_removals
        .iter()
        .map(|bucket_removal| (bucket_removal.recorded.name.as_str(), bucket_removal.fate))
        .collect();
    let expected = [
        ("kept", RemovalDecision::Kept),
        ("old", RemovalDecision::RemovedIfEmpty),
        ("theirs", RemovalDecision::Released),
    ];
    assert_eq!(fates, expected);
}

#[test]
fn days_that_are_no_days_are_refused_though_the_api_server_never_saw_them() {
    for bucket in [
        "{name: a, expire: [{after: 36h}]}",
        "{name: a, versioned: true, expireOldVersionsAfter: 90s}",
        "{name: a, abortUploadsAfter: soon}",
        "{name: a, versioned: true, objectLock: {mode: Governance, retain: 1h}}",
    ] {
        let problems = validate(&drive("", bucket), &Fetched::default(), &platform("objectStore: {}")).unwrap_err();
        assert!(
            problems.to_string().contains("whole number of days"),
            "{bucket}: {problems}"
        );
    }
}

#[test]
fn a_quota_becomes_an_alert_at_nine_tenths() {
    let mut drive = drive("", "{name: resumes, quota: {size: 1Ki, objects: 10}}, {name: other}");
    drive.spec.monitoring = Some(ras_crds::spec::Monitoring::default());
    let mut seen = Fetched::default();
    seen.apis.prometheus_rules = true;
    let rule = built(&drive, &seen, "objectStore: {}").prometheus_rule.unwrap();
    let text = serde_json::to_string(&rule).unwrap();
    assert_eq!(text.matches("DriveBucketNearQuota").count(), 1, "{text}");
    assert!(text.contains("> 0.9 * 1024") && text.contains("> 0.9 * 10\""), "{text}");
}
