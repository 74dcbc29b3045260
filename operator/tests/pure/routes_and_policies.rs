//! Who reaches what: the route, and who may connect.

use crate::planned::{build, validate};
use ras_core::fetched::{Apis, Fetched};
use ras_core::platform;
use serde_json::{Value, json};

use crate::drives::{built, with_spec};

const DRIVE: &str = "
services:
- name: backend
  image: portal:1
  ports:
  - {name: rc, port: 3490, path: /api/admin/rc}
  - {name: app, port: 3492, path: /api/admin/application/rc}
  - {name: metrics, port: 9100}
  metrics: {port: metrics}
- name: frontend
  image: portal:1
  ports: [{name: http, port: 3000, path: /}]
- name: worker
  image: portal:1
exposure: {host: placement.example.edu, tls: {issuer: letsencrypt}}
monitoring: {}
";

fn policy(name: &str, platform_settings: &str) -> Value {
    let valid = validate(
        &with_spec(DRIVE),
        &Fetched::default(),
        &platform::parse(platform_settings).unwrap(),
    )
    .unwrap();
    let policies = build(&valid).network_policies;
    let policy = policies
        .into_iter()
        .find(|policy| policy.metadata.name.as_deref() == Some(name))
        .unwrap();
    serde_json::to_value(policy.spec).unwrap()
}

#[test]
fn the_longest_path_comes_first() {
    let ingress = serde_json::to_value(built(&with_spec(DRIVE), &Fetched::default()).ingress).unwrap();
    let paths: Vec<_> = ingress["spec"]["rules"][0]["http"]["paths"]
        .as_array()
        .unwrap()
        .iter()
        .map(|path| path["path"].as_str().unwrap())
        .collect();
    assert_eq!(paths, ["/api/admin/application/rc", "/api/admin/rc", "/"]);
    assert_eq!(
        ingress["metadata"]["annotations"]["cert-manager.io/cluster-issuer"],
        "letsencrypt"
    );
    assert_eq!(ingress["spec"]["tls"][0]["secretName"], "d-tls");
}

#[test]
fn the_platforms_annotations_stand_beside_those_that_a_drive_may_set() {
    let mut drive = with_spec(DRIVE);
    drive.spec.exposure.as_mut().unwrap().annotations = [("b/size".to_owned(), "drive".to_owned())].into();
    let settings = platform::parse(
        "{ingress: {className: nginx, annotations: {a/time: platform}, issuerKind: Issuer}, tenancy: {ingressAnnotations: [b/size]}}",
    )
    .unwrap();
    let ingress = build(&validate(&drive, &Fetched::default(), &settings).unwrap())
        .ingress
        .unwrap();
    assert_eq!(
        serde_json::to_value(ingress.metadata.annotations).unwrap(),
        json!({"a/time": "platform", "b/size": "drive", "cert-manager.io/issuer": "letsencrypt"})
    );
    assert_eq!(ingress.spec.unwrap().ingress_class_name.as_deref(), Some("nginx"));
}

#[test]
fn only_ports_with_a_path_are_open_to_the_ingress_controller_and_metrics_to_prometheus() {
    let policy = policy(
        "d-backend",
        "{ingress: {controllerNamespace: ingress-nginx}, monitoring: {namespace: monitoring}}",
    );
    let from = |rule: usize| policy["ingress"][rule]["from"][0].clone();
    let ports = |rule: usize| {
        policy["ingress"][rule]["ports"]
            .as_array()
            .unwrap()
            .iter()
            .map(|port| port["port"].as_i64().unwrap())
            .collect::<Vec<_>>()
    };
    assert_eq!(from(0), json!({"podSelector": {"matchLabels": {"ras.dev/drive": "d"}}}));
    assert_eq!(ports(0), [3490, 3492, 9100]);
    assert_eq!(
        from(1),
        json!({"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "ingress-nginx"}}})
    );
    assert_eq!(ports(1), [3490, 3492]);
    assert_eq!(
        from(2),
        json!({"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}})
    );
    assert_eq!(ports(2), [9100]);
}

#[test]
fn where_the_platform_names_no_namespaces_any_source_may_come() {
    let policy = policy("d-backend", "");
    assert_eq!(policy["ingress"][1].get("from"), None);
    assert_eq!(
        policy["ingress"][2]["from"][0]["namespaceSelector"]["matchExpressions"][0]["operator"],
        "Exists"
    );
}

#[test]
fn nothing_connects_to_a_service_without_ports() {
    let policy = policy("d-worker", "");
    assert_eq!(policy["policyTypes"], json!(["Ingress", "Egress"]));
    assert_eq!(policy.get("ingress"), None);
}

#[test]
fn an_empty_egress_leaves_the_cluster_dns_and_the_drive_itself() {
    let desired = built(
        &with_spec("services: [{name: s, image: portal:1, egress: []}]"),
        &Fetched::default(),
    );
    let policy = serde_json::to_value(desired.network_policies[0].spec.clone()).unwrap();
    assert_eq!(policy["policyTypes"], json!(["Ingress", "Egress"]));
    assert_eq!(
        policy["egress"],
        json!([
            dns(),
            {"to": [{"podSelector": {"matchLabels": {"ras.dev/drive": "d"}}}]},
        ])
    );
}

/// Port 53 of the cluster's DNS server, and of no other address.
fn dns() -> Value {
    json!({
        "ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}],
        "to": [
            {
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}},
                "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}},
            },
            {"ipBlock": {"cidr": "169.254.20.10/32"}},
        ],
    })
}

#[test]
fn without_egress_everything_is_reached_but_the_metadata_addresses_of_clouds() {
    let policy = policy("d-worker", "");
    let any = json!({"matchExpressions": [{"key": "kubernetes.io/metadata.name", "operator": "Exists"}]});
    let v4 = [
        "169.254.169.254/32",
        "168.63.129.16/32",
        "192.0.0.192/32",
        "100.100.100.200/32",
        "169.254.42.42/32",
        "169.254.0.23/32",
    ];
    let v6 = ["fd00:ec2::254/128", "fd20:ce::254/128", "fd00:42::42/128"];
    assert_eq!(
        policy["egress"],
        json!([
            dns(),
            {"to": [
                {"namespaceSelector": any},
                {"ipBlock": {"cidr": "0.0.0.0/0", "except": v4}},
                {"ipBlock": {"cidr": "::/0", "except": v6}},
            ]},
        ])
    );
}

#[test]
fn a_platform_that_blocks_nothing_restricts_no_service_without_egress() {
    let policy = policy("d-worker", "network: {blockedCidrs: []}");
    assert_eq!(policy["policyTypes"], json!(["Ingress"]));
    assert_eq!(policy.get("egress"), None);
}

#[test]
fn a_range_in_egress_never_opens_what_the_platform_blocks() {
    let drive = |cidr: &str| {
        with_spec(&format!(
            "services: [{{name: s, image: portal:1, migrate: {{command: [a]}}, egress: [{{cidr: '{cidr}'}}]}}]"
        ))
    };
    let platform = platform::PlatformConfig::default();
    for (cidr, except) in [
        (
            "169.254.0.0/16",
            json!(["169.254.169.254/32", "169.254.42.42/32", "169.254.0.23/32"]),
        ),
        ("169.254.169.254/31", json!(["169.254.169.254/32"])),
        (
            "128.0.0.0/1",
            json!([
                "169.254.169.254/32",
                "168.63.129.16/32",
                "192.0.0.192/32",
                "169.254.42.42/32",
                "169.254.0.23/32"
            ]),
        ),
        (
            "fd00::/8",
            json!(["fd00:ec2::254/128", "fd20:ce::254/128", "fd00:42::42/128"]),
        ),
        ("fd00:ec2::/120", Value::Null),
        ("fd00:ec2:0:0::/64", json!(["fd00:ec2::254/128"])),
        ("10.0.0.0/8", Value::Null),
    ] {
        let valid = validate(&drive(cidr), &Fetched::default(), &platform).unwrap();
        // The service's and that of its migration.
        for policy in build(&valid).network_policies {
            let policy = serde_json::to_value(policy.spec).unwrap();
            assert_eq!(policy["egress"][2]["to"][0]["ipBlock"]["except"], except, "{cidr}");
        }
    }
    for cidr in [
        "169.254.169.254/32",
        "fd00:ec2::254/128",
        "fd00:0ec2:0:0:0:0:0:254/128",
        "FD00:EC2::254/128",
        "fd00:42::42/128",
    ] {
        let refused = validate(&drive(cidr), &Fetched::default(), &platform).unwrap_err();
        let said = refused.to_string();
        for words in [
            "spec.services[0].egress[0].cidr",
            "network.blockedCidrs",
            "remove the entry",
        ] {
            assert!(said.contains(words), "{said}");
        }
    }
    // Other spellings of an IPv4 address are no range at all.
    for cidr in [
        "::ffff:169.254.169.254/128",
        "::ffff:a9fe:a9fe/128",
        "2852039166/32",
        "0xa9fea9fe/32",
        "169.254.43518/32",
        "169.254.169.0376/32",
        "169.254.169.254",
        "::ffff:0:0/96",
    ] {
        let refused = validate(&drive(cidr), &Fetched::default(), &platform).unwrap_err();
        assert!(
            refused.to_string().contains("spec.services[0].egress[0].cidr"),
            "{refused}"
        );
    }
}

#[test]
fn metrics_and_alerts_are_made_where_their_apis_are() {
    let none = built(&with_spec(DRIVE), &Fetched::default());
    assert!(none.service_monitors.is_empty() && none.prometheus_rule.is_none());
    let apis = Apis {
        service_monitors: true,
        prometheus_rules: true,
        certificates: true,
        ..Apis::default()
    };
    let all = built(
        &with_spec(DRIVE),
        &Fetched {
            apis,
            ..Fetched::default()
        },
    );
    assert_eq!(all.service_monitors.len(), 1);
    let rules = &all.prometheus_rule.unwrap().spec.groups[0].rules;
    assert_eq!(rules.len(), 2 + 3);
    assert!(
        rules
            .iter()
            .all(|rule| rule.labels.contains_key("severity")
                && rule.annotations["description"].contains("kubectl -n spo"))
    );
}
