//! The shipped admission policies: with the operator's token no more can be done than drives need, a namespace's limits hold, and
//! data is deleted only after somebody with the right to it has confirmed that. All other behaviour tests run under them, too.

use ras_tests::{
    Cluster, Error, KubectlOutput, OperatorOptions, PATIENCE, ROLES, TestEnv, TestNamespace, cluster, eventually,
};

use crate::seen::kubectl;

const LABELS: &str = "labels: {app.kubernetes.io/managed-by: ras-operator, ras.dev/drive: d}";
/// What is right about the pods of a drive.
const POD: &str = "serviceAccountName: d, automountServiceAccountToken: false";

/// Runs `kubectl` with a token and nothing else.
pub async fn with_token(test_env: &TestEnv, arguments: &[&str], input: &str) -> Result<KubectlOutput, Error> {
    let description = test_env.cluster.description();
    let authority = format!(
        "--certificate-authority={}",
        description.certificate_authority.display()
    );
    let (server, token) = (
        format!("--server={}", description.server),
        format!("--token={}", test_env.operator.token()),
    );
    let mut all = vec!["--kubeconfig=/dev/null", &server, &authority, &token];
    all.extend(arguments);
    test_env.cluster.kubectl_with_input(&all, input).await
}

const APPLY: [&str; 4] = ["apply", "--server-side", "--force-conflicts", "--filename=-"];

fn object(kind: &str, rest: &str) -> String {
    format!("{{apiVersion: {kind}, metadata: {{name: attack, {LABELS}}}{rest}}}")
}

fn deployment(pod: &str, container: &str) -> String {
    let pod = format!("{pod}, containers: [{{name: a, image: a{container}}}]");
    let template = format!("{{metadata: {{labels: {{ras.dev/drive: d}}}}, spec: {{{pod}}}}}");
    let spec = format!(", spec: {{selector: {{matchLabels: {{ras.dev/drive: d}}}}, template: {template}}}");
    object("apps/v1, kind: Deployment", &spec)
}

fn job(pod: &str) -> String {
    let pod = format!("{pod}, restartPolicy: Never, containers: [{{name: a, image: a}}]");
    let template = format!("{{metadata: {{labels: {{ras.dev/drive: d}}}}, spec: {{{pod}}}}}");
    object("batch/v1, kind: Job", &format!(", spec: {{template: {template}}}"))
}

/// What a stolen token is used for, and a part of the sentence that refuses it.
#[allow(clippy::too_many_lines, reason = "a table: one row an attack")]
fn attacks() -> Vec<(&'static str, String, &'static str)> {
    let of_account = "metadata: {name: attack, annotations: {kubernetes.io/service-account.name: default}, \
        labels: {app.kubernetes.io/managed-by: ras-operator, ras.dev/drive: d}}";
    let (outsiders, nodes) = ("only with volumes of the kinds", "privileges on their node");
    vec![
        (
            "the token of any account",
            format!("{{apiVersion: v1, kind: Secret, type: kubernetes.io/service-account-token, {of_account}}}"),
            "only Secrets of type Opaque",
        ),
        (
            "another type of Secret",
            object(
                "v1, kind: Secret",
                ", type: bootstrap.kubernetes.io/token, stringData: {token-id: abcdef}",
            ),
            "only Secrets of type Opaque",
        ),
        (
            "an object of nobody",
            "{apiVersion: v1, kind: ConfigMap, metadata: {name: attack}}".to_owned(),
            "only objects with the labels",
        ),
        (
            "somebody's ConfigMap",
            object("v1, kind: ConfigMap", "").replace("name: attack", "name: theirs"),
            "only objects of drives",
        ),
        (
            "a role in the cloud",
            object("v1, kind: ServiceAccount", "").replace(
                "name: attack",
                "name: attack, annotations: {eks.amazonaws.com/role-arn: a}",
            ),
            "identity outside the cluster",
        ),
        (
            "another account",
            deployment("serviceAccountName: other, automountServiceAccountToken: false", ""),
            "the name of their drive",
        ),
        (
            "another account in a Job",
            job("serviceAccountName: other, automountServiceAccountToken: false"),
            "the name of their drive",
        ),
        (
            "a mounted token",
            deployment("serviceAccountName: d", ""),
            "no pod with a token",
        ),
        (
            "a projected token",
            deployment(
                &format!(
                    "{POD}, volumes: [{{name: v, projected: {{sources: [{{serviceAccountToken: {{path: t}}}}]}}}}]"
                ),
                "",
            ),
            outsiders,
        ),
        (
            "the node's files",
            deployment(&format!("{POD}, volumes: [{{name: v, hostPath: {{path: /}}}}]"), ""),
            outsiders,
        ),
        (
            "the node's files in a Job",
            job(&format!("{POD}, volumes: [{{name: v, hostPath: {{path: /}}}}]")),
            outsiders,
        ),
        (
            "the node's network",
            deployment(&format!("{POD}, hostNetwork: true"), ""),
            nodes,
        ),
        (
            "the node's processes",
            deployment(&format!("{POD}, hostPID: true"), ""),
            nodes,
        ),
        (
            "a node of one's choice",
            deployment(&format!("{POD}, nodeName: node-1"), ""),
            nodes,
        ),
        (
            "a capability",
            deployment(POD, ", securityContext: {capabilities: {add: [NET_ADMIN]}}"),
            nodes,
        ),
        (
            "a port of the node",
            deployment(POD, ", ports: [{containerPort: 1, hostPort: 1}]"),
            nodes,
        ),
        (
            "others' traffic",
            object(
                "v1, kind: Service",
                ", spec: {externalIPs: [10.1.2.3], ports: [{port: 1}]}",
            ),
            "only Services of type ClusterIP",
        ),
        (
            "the ingress controller",
            object(
                "networking.k8s.io/v1, kind: Ingress",
                ", spec: {defaultBackend: {service: {name: a, port: {number: 1}}}}",
            )
            .replace(
                "name: attack",
                "name: attack, annotations: {nginx.ingress.kubernetes.io/server-snippet: a}",
            ),
            "contains snippet",
        ),
    ]
}

#[tokio::test]
async fn with_the_operators_token_no_more_can_be_done_than_drives_need() -> Result<(), Error> {
    let options = OperatorOptions::with_roles(ROLES).cluster_wide();
    let test_env = TestEnv::alone("policies", &options).await?;
    let here = test_env.namespace.name();
    test_env
        .apply("{apiVersion: v1, kind: ConfigMap, metadata: {name: theirs}, data: {a: b}}")
        .await?;
    let apply = |namespace: &'static str| [&["--namespace", namespace][..], &APPLY].concat();
    let mut arguments = vec!["--namespace", here];
    arguments.extend(APPLY);
    for (attack, manifest, words) in attacks() {
        let output = with_token(&test_env, &arguments, &manifest).await?;
        assert!(!output.success, "{attack}: {}", output.stdout);
        assert!(
            output.stderr.contains("ValidatingAdmissionPolicy") && output.stderr.contains(words),
            "{attack}: {}",
            output.stderr
        );
    }
    let deleted = with_token(&test_env, &["--namespace", here, "delete", "configmap", "theirs"], "").await?;
    assert!(
        !deleted.success && deleted.stderr.contains("only objects of drives"),
        "{}",
        deleted.stderr
    );
    for forbidden in ["kube-system", "kube-public", "kube-node-lease"] {
        let output = with_token(&test_env, &apply(forbidden), &object("v1, kind: ConfigMap", "")).await?;
        assert!(
            !output.success && output.stderr.contains("does not write in the namespace"),
            "{}",
            output.stderr
        );
    }
    // The same object is allowed where drives may be, or all of this means nothing.
    let output = with_token(&test_env, &arguments, &object("v1, kind: ConfigMap", "")).await?;
    assert!(output.success, "{}", output.stderr);
    a_drive_is_its_users(&test_env).await
}

/// The operator may patch drives, for their finalizer.
async fn a_drive_is_its_users(test_env: &TestEnv) -> Result<(), Error> {
    test_env
        .apply("{apiVersion: ras.dev/v1alpha1, kind: RecruitmentDrive, metadata: {name: d}, spec: {services: [{name: web, image: 'r.example.com/web:1'}]}}")
        .await?;
    test_env.ready("d").await?;
    let patch = async |patch: &str| {
        let arguments = [
            "--namespace",
            test_env.namespace.name(),
            "patch",
            "drive",
            "d",
            "--type=merge",
            "--patch",
            patch,
        ];
        with_token(test_env, &arguments, "").await
    };
    for attack in [
        r#"{"spec": {"suspend": true}}"#,
        r#"{"metadata": {"annotations": {"ras.dev/confirm-delete": "bucket"}}}"#,
        r#"{"metadata": {"labels": {"a": "b"}}}"#,
    ] {
        let output = patch(attack).await?;
        assert!(
            // Of two policies that refuse, either may answer.
            !output.success
                && ["only the finalizers", "needs the verb confirm-delete"]
                    .iter()
                    .any(|words| output.stderr.contains(words)),
            "{attack}: {}",
            output.stderr
        );
    }
    Ok(())
}

async fn annotated(cluster: &Cluster, prefix: &str, annotations: &[&str]) -> Result<TestNamespace, Error> {
    let namespace = cluster.namespace(prefix).await?;
    let mut arguments = vec!["annotate", "--overwrite", "namespace", namespace.name()];
    arguments.extend(annotations);
    let output = cluster.kubectl(&arguments).await?;
    assert!(output.success, "{}", output.stderr);
    Ok(namespace)
}

fn drive(spec: &str) -> String {
    format!("{{apiVersion: ras.dev/v1alpha1, kind: RecruitmentDrive, metadata: {{name: d}}, spec: {spec}}}")
}

fn service(image: &str, rest: &str) -> String {
    drive(&format!(
        "{{services: [{{name: web, image: {image}, ports: [{{name: http, port: 8080, path: /}}]{rest}}}]}}"
    ))
}

const IMAGE: &str = "registry.example.com/spo/web:1";

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

const ROLES_OF_PEOPLE: &str = "
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: editor}
rules: [{apiGroups: [ras.dev], resources: [recruitmentdrives], verbs: [get, create, update, patch]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: administrator}
rules: [{apiGroups: [ras.dev], resources: [recruitmentdrives], verbs: [get, patch, confirm-delete]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: editor}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: editor}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: editor}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: administrator}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: administrator}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: administrator}]
";

#[tokio::test]
async fn only_who_has_the_verb_confirms_that_data_is_deleted() -> Result<(), Error> {
    let cluster = cluster().await?;
    cluster.install_crd().await?;
    let namespace = cluster.namespace("confirm").await?;
    namespace.apply(ROLES_OF_PEOPLE).await?;
    namespace.apply(&service(IMAGE, "")).await?;
    let patch = async |user: &str, patch: &str| {
        let user = format!("--as={user}");
        let arguments = [
            "--namespace",
            namespace.name(),
            &user,
            "patch",
            "drive",
            "d",
            "--type=merge",
            "--patch",
            patch,
        ];
        cluster.kubectl(&arguments).await
    };
    let confirm =
        |key: &str, value: &str| format!(r#"{{"metadata": {{"annotations": {{"ras.dev/{key}": "{value}"}}}}}}"#);
    eventually(PATIENCE, "the roles to hold", async || {
        let output = patch("editor", &confirm("rotate", "none@1")).await?;
        if output.success {
            Ok(())
        } else {
            Err(output.stderr.into())
        }
    })
    .await?;
    for key in ["confirm-delete", "accept-data-loss"] {
        let refused = patch("editor", &confirm(key, "a")).await?;
        assert!(
            !refused.success && refused.stderr.contains("needs the verb confirm-delete"),
            "{}",
            refused.stderr
        );
        let allowed = patch("administrator", &confirm(key, "a")).await?;
        assert!(allowed.success, "{}", allowed.stderr);
        // What is confirmed stays so when others change the drive, and cannot be widened by them.
        let other = patch("editor", &confirm("rotate", key)).await?;
        assert!(other.success, "{}", other.stderr);
        assert!(!patch("editor", &confirm(key, "a,b")).await?.success);
    }
    // One request with the confirmation and the removal of the bucket.
    let both = r#"{"metadata": {"annotations": {"ras.dev/confirm-delete": "c"}}, "spec": {"buckets": null}}"#;
    let refused = patch("editor", both).await?;
    assert!(
        !refused.success && refused.stderr.contains("ras.dev/confirm-delete"),
        "{}",
        refused.stderr
    );
    // Taking a confirmation back needs no right of its own.
    let withdrawn = patch(
        "editor",
        r#"{"metadata": {"annotations": {"ras.dev/confirm-delete": null}}}"#,
    )
    .await?;
    assert!(withdrawn.success, "{}", withdrawn.stderr);
    Ok(())
}
