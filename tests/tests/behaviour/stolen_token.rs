//! What a stolen token of the operator is refused beside what `policies.rs` tries: scaling others' programs, and having other
//! operators do what it may not do itself.

use k8s_openapi::api::apps::v1::Deployment;
use kube::{
    Api, Client,
    api::{Patch, PatchParams},
    config::AuthInfo,
};
use ras_tests::{Error, ForeignProject, OperatorOptions, ROLES, TestEnv};
use serde_json::{Value, json};

use crate::policies::with_token;

const LABELS: &str = "labels: {app.kubernetes.io/managed-by: ras-operator, ras.dev/drive: d}";

fn object(kind: &str, spec: &str) -> String {
    format!("{{apiVersion: {kind}, metadata: {{name: attack, {LABELS}}}, spec: {spec}}}")
}

fn external(rest: &str) -> String {
    object(
        "external-secrets.io/v1, kind: ExternalSecret",
        &format!("{{secretStoreRef: {{name: vault, kind: ClusterSecretStore}}, {rest}}}"),
    )
}

fn monitor(rest: &str) -> String {
    object(
        "monitoring.coreos.com/v1, kind: ServiceMonitor",
        &format!("{{selector: {{matchLabels: {{ras.dev/drive: d}}}}, {rest}}}"),
    )
}

fn server(rest: &str) -> String {
    object(
        "postgresql.cnpg.io/v1, kind: Cluster",
        &format!("{{instances: 1, storage: {{size: 1Gi}}{rest}}}"),
    )
}

fn pods(pod: &str, container: &str) -> String {
    let pod = format!(
        "serviceAccountName: d, automountServiceAccountToken: false{pod}, containers: [{{name: a, image: a{container}}}]"
    );
    let template = format!("{{metadata: {{labels: {{ras.dev/drive: d}}}}, spec: {{{pod}}}}}");
    object(
        "apps/v1, kind: Deployment",
        &format!("{{selector: {{matchLabels: {{ras.dev/drive: d}}}}, template: {template}}}"),
    )
}

/// What is tried, and a part of the sentence that refuses it; no words: it is what the operator itself does.
#[allow(clippy::too_many_lines, reason = "a table: one row an attack")]
fn attempts() -> Vec<(&'static str, String, Option<&'static str>)> {
    let secrets = Some("only for Secrets of type Opaque");
    let scraped = Some("own namespace scraped");
    let database = Some("database server");
    let node = Some("privileges on their node");
    let identity = Some("identity outside the cluster");
    vec![
        (
            "a value",
            external(
                "target: {name: a, creationPolicy: Owner, template: {type: Opaque, metadata: {labels: {a: b}}}}, dataFrom: [{extract: {key: a}}]",
            ),
            None,
        ),
        (
            "the token of any account, by way of External Secrets",
            external(
                "target: {template: {type: kubernetes.io/service-account-token, metadata: {annotations: {kubernetes.io/service-account.name: default}}}}",
            ),
            secrets,
        ),
        (
            "a registry's login",
            external("target: {template: {type: kubernetes.io/dockerconfigjson}}"),
            secrets,
        ),
        (
            "annotations",
            external("target: {template: {metadata: {annotations: {a: b}}}}"),
            secrets,
        ),
        (
            "somebody's Secret",
            external("target: {name: theirs, creationPolicy: Merge}"),
            secrets,
        ),
        (
            "a generator",
            external(
                "dataFrom: [{sourceRef: {generatorRef: {apiVersion: generators.external-secrets.io/v1alpha1, kind: Password, name: a}}}]",
            ),
            secrets,
        ),
        (
            "another store for one key",
            external("data: [{secretKey: a, remoteRef: {key: a}, sourceRef: {storeRef: {name: other}}}]"),
            secrets,
        ),
        ("metrics", monitor("endpoints: [{port: http}]"), None),
        (
            "the token of Prometheus",
            monitor("endpoints: [{port: http, bearerTokenFile: /var/run/secrets/kubernetes.io/serviceaccount/token}]"),
            scraped,
        ),
        (
            "a key of Prometheus",
            monitor(
                "endpoints: [{port: http, tlsConfig: {keyFile: /etc/prometheus/key, certFile: /etc/prometheus/crt}}]",
            ),
            scraped,
        ),
        (
            "a class with a token",
            monitor("scrapeClass: privileged, endpoints: [{port: http}]"),
            scraped,
        ),
        (
            "every namespace",
            monitor("namespaceSelector: {any: true}, endpoints: [{port: http}]"),
            scraped,
        ),
        (
            "another namespace",
            monitor("namespaceSelector: {matchNames: [kube-system]}, endpoints: [{port: http}]"),
            scraped,
        ),
        ("a database server", server(""), None),
        (
            "a token in a database server",
            server(", projectedVolumeTemplate: {sources: [{serviceAccountToken: {path: t}}]}"),
            database,
        ),
        (
            "a role in the cloud for a database server",
            server(", serviceAccountTemplate: {metadata: {annotations: {eks.amazonaws.com/role-arn: a}}}"),
            database,
        ),
        (
            "the same, handed down",
            server(", inheritedMetadata: {annotations: {eks.amazonaws.com/role-arn: a}}"),
            database,
        ),
        (
            "an address outside of the cluster",
            server(
                ", managed: {services: {additional: [{selectorType: rw, serviceTemplate: {metadata: {name: a}, spec: {type: LoadBalancer}}}]}}",
            ),
            database,
        ),
        ("pods", pods("", ""), None),
        (
            "a class of the cluster itself",
            pods(", priorityClassName: system-node-critical", ""),
            node,
        ),
        (
            "settings of the kernel",
            pods(", securityContext: {sysctls: [{name: kernel.msgmax, value: '1'}]}", ""),
            node,
        ),
        (
            "every system call",
            pods(", securityContext: {seccompProfile: {type: Unconfined}}", ""),
            node,
        ),
        (
            "every system call of a container",
            pods("", ", securityContext: {seccompProfile: {type: Unconfined}}"),
            node,
        ),
        (
            "all of /proc",
            pods(", hostUsers: false", ", securityContext: {procMount: Unmasked}"),
            node,
        ),
        (
            "a role of another cloud",
            format!(
                "{{apiVersion: v1, kind: ServiceAccount, metadata: {{name: attack, {LABELS}, annotations: {{pod-identity.alibabacloud.com/role-name: a}}}}}}"
            ),
            identity,
        ),
        (
            "a role in Azure",
            format!(
                "{{apiVersion: v1, kind: ServiceAccount, metadata: {{name: attack, {LABELS}, annotations: {{azure.workload.identity/client-id: a}}}}}}"
            ),
            identity,
        ),
    ]
}

#[tokio::test]
async fn no_other_operator_does_for_a_stolen_token_what_it_may_not_do_itself() -> Result<(), Error> {
    let options = OperatorOptions::with_roles(ROLES).cluster_wide();
    let mut test_env = TestEnv::alone("stolen", &options).await?;
    for project in [
        ForeignProject::PrometheusOperator,
        ForeignProject::ExternalSecrets,
        ForeignProject::CloudNativePG,
    ] {
        test_env.cluster.install(project).await?;
    }
    // The token is what is tried, and not what the operator does with these objects of no drive.
    test_env.operator.kill();
    let namespace = test_env.namespace.name().to_owned();
    let arguments = [
        "--namespace",
        &namespace,
        "apply",
        "--server-side",
        "--force-conflicts",
        "--dry-run=server",
        "--filename=-",
    ];
    for (attempt, manifest, words) in attempts() {
        let output = with_token(&test_env, &arguments, &manifest).await?;
        match words {
            None => assert!(output.success, "{attempt}: {}", output.stderr),
            Some(words) => assert!(
                !output.success && output.stderr.contains("ValidatingAdmissionPolicy") && output.stderr.contains(words),
                "{attempt}: {}{}",
                output.stdout,
                output.stderr
            ),
        }
    }
    only_programs_of_drives_are_scaled(&test_env).await
}

async fn only_programs_of_drives_are_scaled(test_env: &TestEnv) -> Result<(), Error> {
    let program = |name: &str, label: &str| {
        let labels = format!("{{{label}: d}}");
        format!(
            "{{apiVersion: apps/v1, kind: Deployment, metadata: {{name: {name}}}, spec: {{selector: {{matchLabels: {labels}}}, \
             template: {{metadata: {{labels: {labels}}}, spec: {{containers: [{{name: a, image: a}}]}}}}}}}}"
        )
    };
    test_env.apply(&program("theirs", "app")).await?;
    test_env.apply(&program("ours", "ras.dev/drive")).await?;
    let mut config = test_env.cluster.config();
    let token: AuthInfo =
        serde_json::from_value(json!({"token": test_env.operator.token()})).map_err(Error::unreadable("a token"))?;
    config.auth_info = token;
    let client = Client::try_from(config).map_err(Error::api("making a client"))?;
    let deployments: Api<Deployment> = Api::namespaced(client, test_env.namespace.name());
    let scale = async |name: &str, patch: Value| {
        deployments
            .patch_scale(name, &PatchParams::default(), &Patch::Merge(&patch))
            .await
    };
    let none = json!({"spec": {"replicas": 0}});
    let forged = json!({"spec": {"replicas": 0}, "status": {"selector": "ras.dev/drive=d"}});
    for patch in [none.clone(), forged] {
        let refused = scale("theirs", patch).await.unwrap_err().to_string();
        assert!(refused.contains("scales only Deployments of drives"), "{refused}");
    }
    let scaled = scale("ours", none).await;
    assert!(scaled.is_ok(), "{scaled:?}");
    Ok(())
}
