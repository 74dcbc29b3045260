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
    assert_eq!(policy["policyTypes"], json!(["Ingress"]));
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
    assert_eq!(policy["policyTypes"], json!(["Ingress"]));
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
            {"ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]},
            {"to": [{"podSelector": {"matchLabels": {"ras.dev/drive": "d"}}}]},
        ])
    );
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
