//! Limits that annotations of a namespace set for the drives in it.

use ras_tests::{Cluster, Error, PATIENCE, TestEnv, TestNamespace, cluster, eventually};

use crate::seen::kubectl;

async fn annotated(cluster: &Cluster, prefix: &str, annotations: &[&str]) -> Result<TestNamespace, Error> {
    let namespace = cluster.namespace(prefix).await?;
    let mut arguments = vec!["annotate", "--overwrite", "namespace", namespace.name()];
    arguments.extend(annotations);
    let output = cluster.kubectl(&arguments).await?;
    assert!(output.success, "{}", output.stderr);
    Ok(namespace)
}

pub fn drive(spec: &str) -> String {
    format!("{{apiVersion: ras.dev/v1alpha1, kind: RecruitmentDrive, metadata: {{name: d}}, spec: {spec}}}")
}

pub fn service(image: &str, rest: &str) -> String {
    drive(&format!(
        "{{services: [{{name: web, image: {image}, ports: [{{name: http, port: 8080, path: /}}]{rest}}}]}}"
    ))
}

pub const IMAGE: &str = "registry.example.com/spo/web:1";

#[tokio::test]
#[allow(clippy::too_many_lines, reason = "a table: one row a limit")]
async fn a_drive_stays_within_the_limits_of_its_namespace() -> Result<(), Error> {
    let cluster = cluster().await?;
    cluster.install_crd().await?;
    let free = annotated(cluster, "free", &["policies.ras.dev/allowed-external-keys-"]).await?;
    let limited = annotated(
        cluster,
        "limited",
        &[
            "policies.ras.dev/allowed-external-keys=spo/, shared/",
            "policies.ras.dev/allowed-hosts=jobs.example.edu, *.spo.example.edu",
            "policies.ras.dev/allowed-ingress-classes=public",
            "policies.ras.dev/allowed-issuers=campus",
            "policies.ras.dev/allowed-storage-classes=fast",
            "policies.ras.dev/allowed-priority-classes=portal",
            "policies.ras.dev/allowed-registries=registry.example.com/spo",
            "policies.ras.dev/max-volume-size=10Gi",
        ],
    )
    .await?;
    let exposed =
        |exposure: &str| service(IMAGE, "").replacen("{services:", &format!("{{exposure: {exposure}, services:"), 1);
    let external = |key: &str| {
        let secrets = format!("{{secrets: [{{name: mail, external: {{store: vault, {key}}}}}], services:");
        service(IMAGE, "").replacen("{services:", &secrets, 1)
    };
    let volume = |rest: &str| service(IMAGE, &format!(", volumes: [{{name: data, path: /data, {rest}}}]"));
    let database = |rest: &str| {
        let database = format!(
            "{{database: {{managed: {{provider: Standalone, version: 17, {rest}}}, databases: [{{name: a}}]}}, services:"
        );
        service(IMAGE, "").replacen("{services:", &database, 1)
    };
    let own_key = format!("key: {}/mail", free.name());
    let other_key = format!("key: {}/../spo/mail", free.name());
    let cases = [
        // Without a limit.
        (&free, service("anywhere/web:1", ""), None),
        (&free, external(&own_key), None),
        (&free, external("storeKind: SecretStore, key: anything"), None),
        (&free, external("key: spo/mail"), Some("may only read keys")),
        (
            &free,
            external("keys: [{name: a, key: spo/mail}]"),
            Some("may only read keys"),
        ),
        (&free, external(&other_key), Some("may only read keys")),
        (
            &free,
            service(IMAGE, ", scheduling: {priorityClassName: system-node-critical}"),
            Some("must not begin with system-"),
        ),
        (
            &free,
            service(IMAGE, ", scheduling: {tolerations: [{operator: Exists}]}"),
            Some("must each name a key"),
        ),
        (
            &free,
            service(IMAGE, ", scheduling: {tolerations: [{key: spot, operator: Exists}]}"),
            None,
        ),
        // With every limit.
        (&limited, service(IMAGE, ""), None),
        (&limited, external("key: shared/mail"), None),
        (&limited, external("key: other/mail"), Some("may only read keys")),
        (
            &limited,
            exposed("{host: jobs.example.edu, ingressClassName: public, tls: {issuer: campus}}"),
            None,
        ),
        (&limited, exposed("{host: a.spo.example.edu}"), None),
        (
            &limited,
            exposed("{host: evilspo.example.edu}"),
            Some("spec.exposure.host evilspo.example.edu is not allowed"),
        ),
        (
            &limited,
            exposed("{host: jobs.example.edu, ingressClassName: internal}"),
            Some("allowed-ingress-classes"),
        ),
        (
            &limited,
            exposed("{host: jobs.example.edu, tls: {issuer: other}}"),
            Some("allowed-issuers"),
        ),
        (&limited, volume("size: 10Gi, storageClassName: fast"), None),
        (&limited, volume("size: 11Gi"), Some("max-volume-size")),
        (
            &limited,
            volume("size: 1Gi, storageClassName: gold"),
            Some("allowed-storage-classes"),
        ),
        (&limited, database("size: 10Gi, storageClassName: fast"), None),
        (&limited, database("size: 1Ti"), Some("max-volume-size")),
        (
            &limited,
            database("size: 1Gi, storageClassName: gold"),
            Some("allowed-storage-classes"),
        ),
        (
            &limited,
            service(IMAGE, ", scheduling: {priorityClassName: portal}"),
            None,
        ),
        (
            &limited,
            service(IMAGE, ", scheduling: {priorityClassName: other}"),
            Some("allowed-priority-classes"),
        ),
        (
            &limited,
            service("registry.example.com/spoof/web:1", ""),
            Some("images of spec.services web"),
        ),
        (
            &limited,
            service(IMAGE, ", sidecars: [{name: a, image: nginx}]"),
            Some("images of spec.services web"),
        ),
    ];
    for (namespace, manifest, words) in cases {
        let arguments = [
            "--namespace",
            namespace.name(),
            "apply",
            "--server-side",
            "--dry-run=server",
            "--filename=-",
        ];
        let output = cluster.kubectl_with_input(&arguments, &manifest).await?;
        match words {
            None => assert!(output.success, "{manifest}: {}", output.stderr),
            Some(words) => assert!(
                !output.success && output.stderr.contains(words),
                "{manifest}: {}",
                output.stderr
            ),
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_drive_that_is_older_than_a_limit_can_still_be_annotated_paused_and_deleted() -> Result<(), Error> {
    let test_env = TestEnv::start("older").await?;
    test_env.apply(&service(IMAGE, "")).await?;
    test_env.ready("d").await?;
    let limit = "policies.ras.dev/allowed-registries=other.example.com";
    kubectl(&test_env, &["annotate", "namespace", test_env.namespace.name(), limit]).await?;
    let replicas =
        r#"{"spec": {"services": [{"name": "web", "image": "registry.example.com/spo/web:1", "replicas": 3}]}}"#;
    let changed = ["patch", "drive", "d", "--type=merge", "--patch", replicas];
    eventually(PATIENCE, "the limit to hold", async || {
        match kubectl(&test_env, &changed).await {
            Ok(output) => Err(output.into()),
            Err(error) if error.to_string().contains("allowed-registries") => Ok(()),
            Err(error) => Err(error.to_string().into()),
        }
    })
    .await?;
    kubectl(&test_env, &["annotate", "drive", "d", "ras.dev/rotate=none@1"]).await?;
    kubectl(
        &test_env,
        &[
            "patch",
            "drive",
            "d",
            "--type=merge",
            "--patch",
            r#"{"spec": {"paused": true}}"#,
        ],
    )
    .await?;
    kubectl(&test_env, &["delete", "drive", "d", "--timeout=50s"]).await?;
    Ok(())
}
