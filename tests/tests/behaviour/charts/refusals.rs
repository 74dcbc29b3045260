//! What the operator's chart refuses, and what it says.

use ras_tests::{Error, Helm};

use super::{OPERATOR, values};

/// Values, and what the refusal has to name.
const REFUSED: [(&str, &[&str]); 19] = [
    ("replica: 3", &["replica"]),
    ("replicas: two", &["/replicas", "integer"]),
    ("replicas: -1", &["/replicas"]),
    ("image: ras-operator:1", &["/image", "object"]),
    ("image: {digest: latest}", &["/image/digest"]),
    ("watch: {namespaces: [Spo]}", &["/watch/namespaces/0"]),
    ("watch: {namespaces: spo}", &["/watch/namespaces", "array"]),
    (
        "platform: {ingress: {clasName: nginx}}",
        &["/platform/ingress", "clasName"],
    ),
    (
        "platform: {objectStore: {endpoint: minio}}",
        &["/platform/objectStore/endpoint"],
    ),
    (
        "platform: {objectStore: {requestsPerSecond: 0}}",
        &["/platform/objectStore/requestsPerSecond"],
    ),
    (
        "leaderElection: {leaseDuration: soon}",
        &["/leaderElection/leaseDuration"],
    ),
    (
        "leaderElection: {enabled: false}",
        &["replicas is 2", "set replicas to 1"],
    ),
    ("probes: {port: 8080}", &["metrics.port and probes.port", "8080"]),
    (
        "metrics: {serviceMonitor: {enabled: true}}",
        &[
            "metrics.serviceMonitor.enabled",
            "platform.monitoring.namespace",
            "networkPolicy.metricsFrom",
        ],
    ),
    (
        "serviceAccount: {create: false}",
        &["serviceAccount.name", "name the account"],
    ),
    (
        "{watch: {namespaces: [spo]}, rbac: {aggregate: true}}",
        &["rbac.aggregate", "watch.namespaces"],
    ),
    ("platformFile: '{'", &["platformFile is no YAML", "--set-file"]),
    (
        "platformFile: 'apiVersion: ras.dev/platform/v2'",
        &["ras.dev/platform/v2", "ras.dev/platform/v1"],
    ),
    (
        "podLabels: {app.kubernetes.io/name: other}",
        &["app.kubernetes.io/name"],
    ),
];

#[tokio::test]
async fn values_that_cannot_work_are_refused_by_their_names() -> Result<(), Error> {
    let helm = Helm::offline()?;
    for (text, words) in REFUSED {
        let file = values(text);
        let path = file.path().display().to_string();
        let output = helm
            .run(&["template", "ras-operator", OPERATOR, "--values", &path])
            .await?;
        assert!(!output.success, "{text} is let through");
        for word in words {
            assert!(output.stderr.contains(word), "{text}: {word}: {}", output.stderr);
        }
    }
    Ok(())
}
