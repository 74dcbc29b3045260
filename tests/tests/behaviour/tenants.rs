//! Attacks by a tenant, under the token of an account that may write drives in one namespace and nothing else: under the shipped
//! admission policies, and on a control plane without them, where the operator's own limits refuse the same.

use ras_crds::RecruitmentDrive;
use ras_tests::{
    Cluster, Error, KubectlOutput, OperatorOptions, PATIENCE, ROLES, Shared, TestEnv, TestNamespace, eventually,
};
use serde_json::{Value, json};

const TENANT: &str = "
apiVersion: v1
kind: ServiceAccount
metadata: {name: tenant}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: tenant}
rules: [{apiGroups: [ras.dev], resources: [recruitmentdrives], verbs: [get, list, create, update, patch, delete]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: tenant}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: tenant}
subjects: [{kind: ServiceAccount, name: tenant, namespace: NAMESPACE}]
";

/// The limits as annotations of the Namespace, for the policies.
const ANNOTATIONS: [&str; 8] = [
    "policies.ras.dev/allowed-external-keys-",
    "policies.ras.dev/allowed-hosts=*.NAMESPACE.example.edu",
    "policies.ras.dev/allowed-ingress-classes=public",
    "policies.ras.dev/allowed-issuers=campus",
    "policies.ras.dev/allowed-storage-classes=fast",
    "policies.ras.dev/allowed-priority-classes=portal",
    "policies.ras.dev/allowed-registries=registry.example.com/spo",
    "policies.ras.dev/max-volume-size=10Gi",
];

/// The same as the platform's settings, for the operator.
const SETTINGS: &str = "tenancy:
  hosts: ['*.<namespace>.example.edu']
  ingressClasses: [public]
  issuers: [campus]
  storageClasses: [fast]
  priorityClasses: [portal]
  registries: [registry.example.com/spo]
  maxVolumeSize: 10Gi
";

const IMAGE: &str = "registry.example.com/spo/web:1";

/// A drive of the tenant, and how it is refused.
struct Attack {
    name: &'static str,
    spec: Value,
    /// Words of the API server's answer where the policies are; nothing: it takes the drive, and the operator refuses.
    policy: Option<&'static str>,
    /// Words of the API server's answer wherever the definition is, or of the condition `Ready`.
    limit: &'static str,
}

fn service(more: Value) -> Value {
    let mut service = json!({"name": "web", "image": IMAGE, "ports": [{"name": "http", "port": 8080, "path": "/"}]});
    if let (Some(service), Value::Object(more)) = (service.as_object_mut(), more) {
        service.extend(more);
    }
    json!({"services": [service]})
}

fn with(field: &str, value: Value) -> Value {
    let mut spec = service(json!({}));
    spec[field] = value;
    spec
}

#[allow(clippy::too_many_lines, reason = "a table: one row an attack")]
fn attacks(namespace: &str) -> Vec<Attack> {
    let attack = |name, spec, policy, limit| Attack {
        name,
        spec,
        policy,
        limit,
    };
    let own = |name: &str| format!("{name}.{namespace}.example.edu");
    let scheduled = |scheduling: Value| service(json!({"scheduling": scheduling}));
    let external = |external: Value| with("secrets", json!([{"name": "mail", "external": external}]));
    let exposed = |exposure: Value| with("exposure", exposure);
    let annotated = |name: &str, key: &str| exposed(json!({"host": own(name), "annotations": {key: "a"}}));
    let volume = |more: Value| {
        let mut volume = json!({"name": "data", "path": "/data", "size": "1Gi"});
        if let (Some(volume), Value::Object(more)) = (volume.as_object_mut(), more) {
            volume.extend(more);
        }
        service(json!({"volumes": [volume]}))
    };
    let large: Vec<Value> = (0..6)
        .map(|index| json!({"path": format!("/etc/{index}"), "content": "x".repeat(60_000)}))
        .collect();
    let path = |path: &str| service(json!({"ports": [{"name": "http", "port": 8080, "path": path}]}));
    vec![
        attack(
            "priority",
            scheduled(json!({"priorityClassName": "system-node-critical"})),
            Some("must not begin with system-"),
            "scheduling.priorityClassName",
        ),
        attack(
            "other-priority",
            scheduled(json!({"priorityClassName": "infra"})),
            Some("allowed-priority-classes"),
            "tenancy.priorityClasses",
        ),
        attack(
            "every-taint",
            scheduled(json!({"tolerations": [{"operator": "Exists"}]})),
            Some("must each name a key"),
            "tolerates every taint",
        ),
        attack(
            "control-plane",
            scheduled(json!({"tolerations": [{"key": "node-role.kubernetes.io/control-plane", "operator": "Exists"}]})),
            None,
            "nodes of the control plane",
        ),
        attack(
            "select-nodes",
            scheduled(json!({"nodeSelector": {"node-role.kubernetes.io/control-plane": ""}})),
            None,
            "nodes of the control plane",
        ),
        attack(
            "others-value",
            external(json!({"store": "shared", "key": "other-tenant/mail"})),
            Some("may only read keys"),
            "may belong to another namespace",
        ),
        attack(
            "others-keys",
            external(json!({"store": "shared", "keys": [{"name": "a", "key": format!("{namespace}-other/mail")}]})),
            Some("may only read keys"),
            "may belong to another namespace",
        ),
        attack(
            "out-of-place",
            external(json!({"store": "shared", "key": format!("{namespace}/../other/mail")})),
            Some("may only read keys"),
            "no plain place",
        ),
        attack(
            "encoded-place",
            external(json!({"store": "shared", "key": format!("{namespace}/%2e%2e/other/mail")})),
            None,
            "no plain place",
        ),
        attack(
            "others-host",
            exposed(json!({"host": "victim.other.example.edu"})),
            Some("allowed-hosts"),
            "tenancy.hosts",
        ),
        attack(
            "end-of-host",
            exposed(json!({"host": format!("evil{namespace}.example.edu")})),
            Some("allowed-hosts"),
            "tenancy.hosts",
        ),
        attack(
            "localhost",
            exposed(json!({"host": "localhost"})),
            Some("allowed-hosts"),
            "for themselves",
        ),
        attack(
            "case-of-host",
            exposed(json!({"host": own("A")})),
            Some("lower-case letters"),
            "lower-case letters",
        ),
        attack(
            "every-host",
            exposed(json!({"host": own("*")})),
            Some("lower-case letters"),
            "lower-case letters",
        ),
        attack(
            "ingress-class",
            exposed(json!({"host": own("a"), "ingressClassName": "internal"})),
            Some("allowed-ingress-classes"),
            "tenancy.ingressClasses",
        ),
        attack(
            "issuer",
            exposed(json!({"host": own("b"), "tls": {"issuer": "production"}})),
            Some("allowed-issuers"),
            "tenancy.issuers",
        ),
        attack(
            "snippet",
            annotated("c", "nginx.ingress.kubernetes.io/server-snippet"),
            Some("contains snippet"),
            "contains snippet",
        ),
        attack(
            "alias",
            annotated("d", "nginx.ingress.kubernetes.io/server-alias"),
            None,
            "tenancy.ingressAnnotations",
        ),
        attack(
            "others-secret",
            annotated("e", "nginx.ingress.kubernetes.io/auth-tls-secret"),
            None,
            "tenancy.ingressAnnotations",
        ),
        attack(
            "class-annotation",
            annotated("f", "kubernetes.io/ingress.class"),
            None,
            "tenancy.ingressAnnotations",
        ),
        attack(
            "middleware",
            annotated("g", "traefik.ingress.kubernetes.io/router.middlewares"),
            None,
            "tenancy.ingressAnnotations",
        ),
        attack(
            "configuration",
            exposed(json!({"host": own("h"), "annotations": {"nginx.ingress.kubernetes.io/proxy-body-size": "1m;}"}})),
            None,
            "controller's configuration",
        ),
        attack(
            "broken-controller",
            exposed(json!({"host": own("i"), "annotations": {"nginx.ingress.kubernetes.io/proxy-body-size": "1m 2m"}})),
            None,
            "refuse its configuration",
        ),
        attack("pattern", path("/(ab)*"), None, "pattern"),
        attack(
            "storage-class",
            volume(json!({"storageClassName": "host-path"})),
            Some("allowed-storage-classes"),
            "tenancy.storageClasses",
        ),
        attack(
            "storage-class-of-database",
            with(
                "database",
                json!({"managed": {"provider": "Standalone", "version": 17, "size": "1Gi", "storageClassName": "host-path"}, "databases": [{"name": "a"}]}),
            ),
            Some("allowed-storage-classes"),
            "tenancy.storageClasses",
        ),
        attack(
            "size",
            volume(json!({"size": "11Gi"})),
            Some("max-volume-size"),
            "tenancy.maxVolumeSize",
        ),
        attack(
            "image",
            service(json!({"image": "registry.example.com/spoof/web:1"})),
            Some("allowed-registries"),
            "tenancy.registries",
        ),
        attack(
            "image-of-sidecar",
            service(json!({"sidecars": [{"name": "a", "image": "docker.io/spo/miner"}]})),
            Some("allowed-registries"),
            "tenancy.registries",
        ),
        attack(
            "metadata-address",
            service(json!({"egress": [{"cidr": "169.254.169.254/32"}]})),
            None,
            "network.blockedCidrs",
        ),
        attack(
            "extension",
            with(
                "database",
                json!({"external": {"secretName": "rds"}, "databases": [{"name": "a", "extensions": ["postgres_fdw"]}]}),
            ),
            None,
            "tenancy.databaseExtensions",
        ),
        attack(
            "too-large",
            service(json!({"files": large})),
            None,
            "larger than 256 KiB",
        ),
    ]
}

fn manifest(name: &str, spec: &Value) -> String {
    json!({"apiVersion": "ras.dev/v1alpha1", "kind": "RecruitmentDrive", "metadata": {"name": name}, "spec": spec})
        .to_string()
}

/// A namespace, and the token of a tenant in it.
struct Tenant<'a> {
    test_env: &'a TestEnv,
    token: String,
}

impl<'a> Tenant<'a> {
    async fn of(test_env: &'a TestEnv) -> Result<Self, Error> {
        let namespace = test_env.namespace.name();
        test_env.apply(&TENANT.replace("NAMESPACE", namespace)).await?;
        let arguments = ["--namespace", namespace, "create", "token", "tenant", "--duration=2h"];
        let token = test_env.cluster.kubectl(&arguments).await?;
        assert!(token.success, "{}", token.stderr);
        let tenant = Self {
            test_env,
            token: token.stdout.trim().to_owned(),
        };
        eventually(PATIENCE, "the role to hold", async || {
            let output = tenant.kubectl(&["get", "recruitmentdrives.ras.dev"], "").await?;
            if output.success {
                Ok(())
            } else {
                Err(output.stderr.into())
            }
        })
        .await?;
        Ok(tenant)
    }

    async fn kubectl(&self, arguments: &[&str], input: &str) -> Result<KubectlOutput, Error> {
        let description = self.test_env.cluster.description();
        let authority = format!(
            "--certificate-authority={}",
            description.certificate_authority.display()
        );
        let server = format!("--server={}", description.server);
        let token = format!("--token={}", self.token);
        let namespace = format!("--namespace={}", self.test_env.namespace.name());
        let mut all = vec!["--kubeconfig=/dev/null", &server, &authority, &token, &namespace];
        all.extend(arguments);
        self.test_env.cluster.kubectl_with_input(&all, input).await
    }

    async fn apply(&self, name: &str, spec: &Value) -> Result<KubectlOutput, Error> {
        self.kubectl(&["apply", "--server-side", "--filename=-"], &manifest(name, spec))
            .await
    }

    /// Waits until the operator has refused the drive with these words, and sees that it made nothing of it.
    async fn is_refused(&self, name: &str, words: &str) -> Result<(), Error> {
        let drives = self.test_env.namespace.api::<RecruitmentDrive>();
        eventually(PATIENCE, &format!("{name} to be refused with {words:?}"), async || {
            let status = drives.get(name).await?.status.unwrap_or_default();
            let ready = status.conditions.iter().find(|condition| condition.type_ == "Ready");
            match ready {
                Some(ready) if ready.status == "False" && ready.message.contains(words) => Ok(()),
                other => Err(format!("{other:?}").into()),
            }
        })
        .await
        .map_err(|error| error.with_log(&self.test_env.operator.log()))?;
        let kinds = "deployments,statefulsets,jobs,services,ingresses,networkpolicies,configmaps,persistentvolumeclaims,secrets,serviceaccounts";
        let selector = format!("--selector=ras.dev/drive={name}");
        let namespace = self.test_env.namespace.name();
        let arguments = ["--namespace", namespace, "get", kinds, &selector, "--output=name"];
        let found = self.test_env.cluster.kubectl(&arguments).await?;
        assert!(
            found.success && found.stdout.is_empty(),
            "{name}: {}{}",
            found.stdout,
            found.stderr
        );
        Ok(())
    }
}

/// Tries all attacks. With the policies the API server answers those that they are about.
async fn try_all(tenant: &Tenant<'_>, with_policies: bool) -> Result<(), Error> {
    let namespace = tenant.test_env.namespace.name().to_owned();
    // What the limits allow, or all of this means nothing.
    let good = json!({
        "services": [{
            "name": "web", "image": IMAGE, "ports": [{"name": "http", "port": 8080, "path": "/"}],
            "scheduling": {"priorityClassName": "portal", "tolerations": [{"key": "example.com/portal", "operator": "Exists"}]},
            "egress": [{"cidr": "0.0.0.0/0"}],
        }],
        "suspend": true,
        "exposure": {"host": format!("good.{namespace}.example.edu"), "ingressClassName": "public"},
    });
    let output = tenant.apply("good", &good).await?;
    assert!(output.success, "{}", output.stderr);
    tenant
        .test_env
        .condition("good", ras_crds::ConditionType::ExposureReady, "True")
        .await?;

    let mut waiting = Vec::new();
    for Attack {
        name,
        spec,
        policy,
        limit,
    } in attacks(&namespace)
    {
        let output = tenant.apply(name, &spec).await?;
        let answer = if with_policies { policy } else { None };
        match answer {
            Some(words) => assert!(
                !output.success && output.stderr.contains(words),
                "{name} with the policies: {}{}",
                output.stdout,
                output.stderr
            ),
            None if output.success => waiting.push((name, limit)),
            None => assert!(output.stderr.contains(limit), "{name}: {}", output.stderr),
        }
    }
    for (name, words) in waiting {
        tenant.is_refused(name, words).await?;
    }

    // A host of a drive that serves, and a Secret of somebody else where cert-manager would write.
    let taken = with("exposure", json!({"host": format!("good.{namespace}.example.edu")}));
    assert!(tenant.apply("taker", &taken).await?.success);
    tenant.is_refused("taker", "belongs to the drive \"good\"").await?;
    let secret = "{apiVersion: v1, kind: Secret, metadata: {name: writer-tls}, stringData: {token: keep}}";
    tenant.test_env.apply(secret).await?;
    let tls = json!({"host": format!("writer.{namespace}.example.edu"), "tls": {"issuer": "campus"}});
    assert!(tenant.apply("writer", &with("exposure", tls)).await?.success);
    tenant.is_refused("writer", "was not created by this operator").await?;

    // What the role does not give, the operator's status among it.
    for arguments in [
        &["create", "secret", "generic", "a"][..],
        &[
            "patch",
            "recruitmentdrives.ras.dev",
            "good",
            "--subresource=status",
            "--type=merge",
            "--patch={\"status\":{\"url\":\"https://victim\"}}",
        ],
        &["get", "secrets"],
    ] {
        let output = tenant.kubectl(arguments, "").await?;
        assert!(
            !output.success && output.stderr.contains("forbidden"),
            "{arguments:?}: {}",
            output.stderr
        );
    }
    let confirm = [
        "annotate",
        "recruitmentdrives.ras.dev",
        "good",
        "ras.dev/confirm-delete=files",
    ];
    let output = tenant.kubectl(&confirm, "").await?;
    assert_eq!(output.success, !with_policies, "{}", output.stderr);
    Ok(())
}

async fn annotate(cluster: &Cluster, namespace: &TestNamespace) -> Result<(), Error> {
    let annotations = ANNOTATIONS.map(|annotation| annotation.replace("NAMESPACE", namespace.name()));
    let mut arguments = vec!["annotate", "--overwrite", "namespace", namespace.name()];
    arguments.extend(annotations.iter().map(String::as_str));
    let output = cluster.kubectl(&arguments).await?;
    assert!(output.success, "{}", output.stderr);
    Ok(())
}

fn classes() -> &'static str {
    "apiVersion: scheduling.k8s.io/v1\nkind: PriorityClass\nmetadata: {name: portal}\nvalue: 1000\n"
}

/// An operator with these settings.
fn operator(folder: &tempfile::TempDir, settings: &str) -> OperatorOptions {
    let config = folder.path().join("platform.yaml");
    crate::storage::write(&config, settings);
    OperatorOptions::with_roles(ROLES).argument(format!("--platform-config={}", config.display()))
}

#[tokio::test]
async fn under_the_policies_a_tenants_token_gets_none_of_what_is_not_its_own() -> Result<(), Error> {
    let folder = tempfile::tempdir().map_err(Error::io("making a folder"))?;
    let test_env = TestEnv::alone("tenant", &operator(&folder, "tenancy: {}\n")).await?;
    test_env.apply(classes()).await?;
    annotate(&test_env.cluster, &test_env.namespace).await?;
    try_all(&Tenant::of(&test_env).await?, true).await
}

#[tokio::test]
async fn without_policies_the_operator_refuses_a_tenant_the_same() -> Result<(), Error> {
    let folder = tempfile::tempdir().map_err(Error::io("making a folder"))?;
    let cluster = Shared::Own(Box::new(Cluster::start_without_policies().await?));
    let test_env = TestEnv::with(cluster, "tenant", &operator(&folder, SETTINGS)).await?;
    test_env.apply(classes()).await?;
    try_all(&Tenant::of(&test_env).await?, false).await
}
