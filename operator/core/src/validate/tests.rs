//! What is refused, and in which words.

use ras_crds::{Reason, RecruitmentDrive, RecruitmentDriveSpec};

use super::field_errors::FieldError;
use super::validate;
use crate::fetched::{Fetched, OlderClaimant, SecretFacts};
use crate::platform::PlatformConfig;

fn drive(spec: &str) -> RecruitmentDrive {
    let spec: RecruitmentDriveSpec = serde_yaml::from_str(spec).unwrap();
    RecruitmentDrive::new("d", spec)
}

fn problems(drive: &RecruitmentDrive, fetched: &Fetched) -> Vec<FieldError> {
    validate(drive, fetched, &PlatformConfig::default())
        .err()
        .map(|problems| problems.iter().cloned().collect())
        .unwrap_or_default()
}

/// A drive with one service `s` of which this is said.
fn service(said: &str) -> String {
    format!("services: [{{name: s, image: portal:1, {said}}}]")
}

#[test]
fn a_drive_over_the_bound_is_refused_and_one_below_it_is_not() {
    let files = |count: usize| {
        let files: Vec<String> = (0..count)
            .map(|number| format!("{{path: /etc/{number}, content: {}}}", "x".repeat(50_000)))
            .collect();
        drive(&service(&format!("files: [{}]", files.join(", "))))
    };
    assert_eq!(problems(&files(5), &Fetched::default()), []);
    let refused = problems(&files(6), &Fetched::default());
    let [problem] = refused.as_slice() else {
        panic!("{refused:?}")
    };
    assert_eq!(problem.field, "spec");
    for words in ["larger than 256 KiB", "split the drive"] {
        assert!(problem.message.contains(words), "{problem}");
    }
}

#[test]
#[allow(clippy::too_many_lines)] // One table: every mistake beside the field that is named for it.
fn mistakes_are_named_with_their_field() {
    let long = "x".repeat(1_000_000);
    for (spec, field, words) in [
        ("services: []", "spec.services", "at least one"),
        (
            "services: [{name: s, image: \"portal:1\\e[2J\"}]",
            "spec.services[0].image",
            "ASCII",
        ),
        (
            "services: [{name: s, image: \"portal\\u202e:1\"}]",
            "spec.services[0].image",
            "ASCII",
        ),
        (
            &service("ports: [{name: a, port: 0}]"),
            "spec.services[0].ports[0].port",
            "1 to 65535",
        ),
        (
            &service("ports: [{name: A-, port: 1}]"),
            "spec.services[0].ports[0].name",
            "a-z",
        ),
        (
            &service("ports: [{name: a, port: 1, protocol: UDP, path: /}]"),
            "spec.services[0].ports[0].path",
            "only a TCP port",
        ),
        (
            &service("ports: [{name: a, port: 1}], sidecars: [{name: h, image: h:1, ports: [{name: b, port: 1}]}]"),
            "spec.services[0].sidecars[0].ports[0].port",
            "\"a\"",
        ),
        (
            &service("sidecars: [{name: s, image: h:1}]"),
            "spec.services[0].sidecars[0].name",
            "another container",
        ),
        (
            &service("sidecars: [{name: render-files, image: h:1}]"),
            "spec.services[0].sidecars[0].name",
            "another container",
        ),
        (
            &service("env: [{name: A, secret: {name: jwt, key: k}}]"),
            "spec.services[0].env[0].secret.name",
            "no entry of spec.secrets",
        ),
        (
            &service("sidecars: [{name: h, image: h:1, env: [{name: A, secret: {name: jwt, key: k}}]}]"),
            "spec.services[0].sidecars[0].env[0].secret.name",
            "no entry",
        ),
        (
            &service("envFrom: [{secret: jwt}]"),
            "spec.services[0].envFrom[0].secret",
            "no entry",
        ),
        (
            &service("env: [{name: A, value: a, secret: {name: jwt, key: k}}]"),
            "spec.services[0].env[0]",
            "exactly one",
        ),
        (
            &service("replicas: 2, autoscaling: {maxReplicas: 3, targetCPUUtilization: 50}"),
            "spec.services[0].replicas",
            "exclude each other",
        ),
        (
            &service("autoscaling: {minReplicas: 4, maxReplicas: 3, targetCPUUtilization: 50}"),
            "spec.services[0].autoscaling.minReplicas",
            "exceeds",
        ),
        (
            &service("autoscaling: {maxReplicas: 3}"),
            "spec.services[0].autoscaling",
            "needs",
        ),
        (
            &service("replicas: 2, volumes: [{name: v, path: /v, size: 1Gi}]"),
            "spec.services[0]",
            "one replica",
        ),
        (
            &service("rollout: OneAtATime, volumes: [{name: v, path: /v, size: 1Gi}]"),
            "spec.services[0].rollout",
            "leave rollout out",
        ),
        (
            &service("volumes: [{name: v, path: /v, size: 1Gi, scratch: {}}]"),
            "spec.services[0].volumes[0]",
            "exactly one",
        ),
        (
            &service("volumes: [{name: v, path: /v, size: much}]"),
            "spec.services[0].volumes[0].size",
            "20Gi",
        ),
        (
            &service("volumes: [{name: v, path: /v, scratch: {}}, {name: w, path: /v/, scratch: {}}]"),
            "spec.services[0].volumes[1].path",
            "already",
        ),
        (
            &service("volumes: [{name: v, path: /v/w, scratch: {}}], files: [{path: /v, content: a}]"),
            "spec.services[0].files[0].path",
            "at or below",
        ),
        (
            &service("files: [{path: /tmp, content: a}]"),
            "spec.services[0].files[0].path",
            "is a folder",
        ),
        (
            &service("files: [{path: /a, content: a}, {path: /a/b, content: a}]"),
            "spec.services[0].files[0].path",
            "at or below",
        ),
        (
            &service(&format!("files: [{{path: /a, content: {long}}}]")),
            "spec",
            "larger than 256 KiB",
        ),
        (
            &service("resources: {requests: {memory: 2Gi}, limits: {memory: 1Gi}}"),
            "spec.services[0].resources.requests.memory",
            "exceeds the limit",
        ),
        (
            &service("resources: {limits: {memory: 0}}"),
            "spec.services[0].resources.limits.memory",
            "no limit at all",
        ),
        (
            &service("probe: {port: http}"),
            "spec.services[0].probe.port",
            "not the name",
        ),
        (
            &service("ports: [{name: http, port: 1}], probe: {port: http, path: /, grpc: true}"),
            "spec.services[0].probe",
            "exclude each other",
        ),
        (
            &service("egress: [{cidr: 10.0.0.0/33}]"),
            "spec.services[0].egress[0].cidr",
            "address range",
        ),
        (
            &service("egress: [{cidr: 10.20.0.0/16}, {cidr: 10.20.0.5/24}]"),
            "spec.services[0].egress[1].cidr",
            "write 10.20.0.0/24 or 10.20.0.5/32",
        ),
        (
            &service("podSecurity: {runAsUser: 0}"),
            "spec.services[0].podSecurity.runAsUser",
            "allowRoot",
        ),
        (
            &format!(
                "{}\nexposure: {{host: a.example}}",
                service("ports: [{name: http, port: 1}]")
            ),
            "spec.exposure",
            "leads nowhere",
        ),
        (
            &format!(
                "{}\nexposure: {{host: a.example, annotations: {{x/server-snippet: a}}}}",
                service("ports: [{name: http, port: 1, path: /}]")
            ),
            "spec.exposure.annotations[\"x/server-snippet\"]",
            "take over",
        ),
        (
            &format!(
                "{}\nexposure: {{host: a.example, tls: {{issuer: i, secretName: s}}}}",
                service("ports: [{name: http, port: 1, path: /}]")
            ),
            "spec.exposure.tls",
            "exactly one",
        ),
        (
            &format!("{}\nmonitoring: {{scrapeInterval: soon}}", service("replicas: 1")),
            "spec.monitoring.scrapeInterval",
            "30s",
        ),
        (
            &format!(
                "{}\nsecrets: [{{name: a, generate: {{keys: [k], length: 2}}}}]",
                service("replicas: 1")
            ),
            "spec.secrets[0].generate.length",
            "16 to 1024",
        ),
        (
            &format!("{}\nsecrets: [{{name: a}}]", service("replicas: 1")),
            "spec.secrets[0]",
            "exactly one",
        ),
    ] {
        let found = problems(&drive(spec), &Fetched::default());
        assert!(
            found.iter().any(|problem| problem.field == field
                && problem.message.contains(words)
                && problem.reason == Reason::InvalidSpec),
            "{field}: {found:#?}"
        );
        assert_eq!(found.len(), 1, "{field}: {found:#?}");
    }
}

#[test]
fn all_problems_are_told_at_once() {
    let spec = "services: [{name: s, image: '', replicas: -1}, {name: t, image: a b, ports: [{name: x, port: 99999}]}]";
    let fields: Vec<_> = problems(&drive(spec), &Fetched::default())
        .into_iter()
        .map(|problem| problem.field)
        .collect();
    assert_eq!(
        fields,
        [
            "spec.services[0].image",
            "spec.services[0].replicas",
            "spec.services[1].image",
            "spec.services[1].ports[0].port"
        ]
    );
}

#[test]
fn the_same_path_twice_names_both_services() {
    let spec = "
        services:
        - {name: one, image: a, ports: [{name: a, port: 1, path: /api}]}
        - {name: two, image: a, ports: [{name: b, port: 2, path: /api/}]}
    ";
    let found = problems(&drive(spec), &Fetched::default());
    assert_eq!(found[0].field, "spec.services[1].ports[0].path");
    assert!(
        found[0].message.contains("\"one\"") && found[0].message.contains("\"two\""),
        "{}",
        found[0].message
    );
}

#[test]
fn a_name_that_an_older_drive_has_is_refused() {
    let older_claimant = OlderClaimant {
        name: "old".to_owned(),
        children: ["Deployment/d-s".to_owned()].into(),
    };
    let found = problems(
        &drive(&service("replicas: 1")),
        &Fetched {
            older_claimants: vec![older_claimant],
            ..Fetched::default()
        },
    );
    assert_eq!((found.len(), found[0].reason), (1, Reason::NameTaken));
    assert!(
        found[0].message.contains("\"old\"") && found[0].message.contains("Deployment/d-s"),
        "{}",
        found[0].message
    );
}

#[test]
fn a_secret_named_as_the_certificate_is_refused() {
    let spec = format!(
        "{}\nsecrets: [{{name: tls, generate: {{keys: [k]}}}}]\nexposure: {{host: a.example, tls: {{issuer: i}}}}",
        service("ports: [{name: http, port: 1, path: /}]")
    );
    assert_eq!(
        problems(&drive(&spec), &Fetched::default())[0].field,
        "spec.secrets[0].name"
    );
}

#[test]
fn a_key_that_nobody_makes_is_refused_unless_it_is_there_already() {
    let spec = format!(
        "{}\nsecrets: [{{name: jwt, generate: {{keys: [key]}}}}]",
        service("env: [{name: A, secret: {name: jwt, key: old}}]")
    );
    assert_eq!(
        problems(&drive(&spec), &Fetched::default())[0].field,
        "spec.services[0].env[0].secret.key"
    );
    let facts = SecretFacts {
        keys: Some([("old".to_owned(), String::new())].into()),
        ..SecretFacts::default()
    };
    assert!(
        problems(
            &drive(&spec),
            &Fetched {
                secrets: [("d-jwt".to_owned(), facts)].into(),
                ..Fetched::default()
            }
        )
        .is_empty()
    );
}

#[test]
fn an_illegal_name_is_refused() {
    let mut drive = drive(&service("replicas: 1"));
    for name in ["2026", "Drive", &"d".repeat(41)] {
        drive.metadata.name = Some(name.to_owned());
        assert_eq!(problems(&drive, &Fetched::default())[0].field, "metadata.name");
    }
}
