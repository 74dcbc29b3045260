//! The rights the operator is shipped with: they are enough, and no more than said.

use k8s_openapi::api::apps::v1::Deployment;
use ras_tests::{
    AuditMark, Error, ForeignProject, OperatorOptions, PATIENCE, ROLES, Shared, TestEnv, cluster, eventually,
    repository,
};
use serde_json::json;

use crate::seen::{COLLECTED, asked, becomes, kubectl, may_do};

const DRIVE: &str = "
apiVersion: ras.dev/v1alpha1
kind: RecruitmentDrive
metadata: {name: spring}
spec:
  services:
  - name: api
    image: registry.example.com/api:1
    ports: [{name: http, port: 8080, path: /}, {name: metrics, port: 9090}]
    metrics: {port: metrics}
    autoscaling: {minReplicas: 2, maxReplicas: 4, targetCPUUtilization: 70}
    env: [{name: KEY, secret: {name: jwt, key: key}}]
    files: [{path: /app/settings.yaml, content: 'key: $(KEY)'}]
  - name: store
    image: registry.example.com/store:1
    volumes: [{name: data, path: /data, size: 1Gi, deletionPolicy: Delete}]
    migrate: {command: [store, migrate]}
  secrets:
  - {name: jwt, generate: {keys: [key]}, deletionPolicy: Delete}
  database: {managed: {provider: Standalone, version: 17, size: 1Gi}, deletionPolicy: Delete, databases: [{name: portal}]}
  exposure: {host: spring.example.edu}
  monitoring: {}
";

/// Every kind of child, with one that the drive above makes.
const CHILDREN: [&str; 13] = [
    "serviceaccount/spring",
    "secret/spring-jwt",
    "configmap/spring-api",
    "persistentvolumeclaim/spring-store-data",
    "networkpolicy/spring-api",
    "service/spring-api",
    "statefulset/spring-database",
    "deployment/spring-api",
    "horizontalpodautoscaler/spring-api",
    "poddisruptionbudget/spring-api",
    "ingress/spring",
    "servicemonitor/spring-api",
    "prometheusrule/spring",
];

async fn all_there(test_env: &TestEnv) -> Result<(), Error> {
    eventually(PATIENCE, "every child as it should be", async || {
        let mut arguments = vec!["get"];
        arguments.extend(CHILDREN);
        arguments.extend([
            "--output=jsonpath={range .items[*]}{.metadata.labels.app\\.kubernetes\\.io/managed-by}{\"\\n\"}{end}",
        ]);
        let managers = kubectl(test_env, &arguments).await?;
        let ours = managers.lines().filter(|line| *line == "ras-operator").count();
        if ours == CHILDREN.len() {
            Ok(())
        } else {
            Err(managers.into())
        }
    })
    .await
    .map_err(|error| error.with_log(&test_env.operator.log()))
}

#[tokio::test]
async fn the_shipped_role_is_enough_for_the_whole_life_of_a_drive() -> Result<(), Error> {
    // Before the operator starts, or it would notice them a minute later.
    cluster().await?.install(ForeignProject::PrometheusOperator).await?;
    let test_env = TestEnv::start("rights").await?;
    test_env.apply(DRIVE).await?;
    test_env.ready("spring").await?;
    all_there(&test_env).await?;

    // Changed by the drive, changed by somebody else, deleted by somebody else.
    test_env
        .apply(
            &DRIVE
                .replace(":1", ":2")
                .replace("minReplicas: 2", "minReplicas: 3")
                .replace("[key]}}, d", "[key, more]}}, d"),
        )
        .await?;
    becomes(&test_env, "spring-api", "/spec/replicas", &json!(3)).await?;
    for child in CHILDREN {
        kubectl(
            &test_env,
            &[
                "label",
                "--overwrite",
                child,
                "app.kubernetes.io/part-of=something-else",
            ],
        )
        .await?;
    }
    all_there(&test_env).await?;
    // Otherwise the volume stays away until a person accepts the loss.
    let claim = "spring-store-data";
    let uid = kubectl(&test_env, &["get", "pvc", claim, "--output=jsonpath={.metadata.uid}"]).await?;
    let accepted = format!("ras.dev/accept-data-loss={claim}@{uid}");
    kubectl(&test_env, &["annotate", "drive", "spring", &accepted]).await?;
    for child in CHILDREN {
        kubectl(&test_env, &["delete", child, "--wait=false"]).await?;
    }
    // Kubernetes lets a volume go only when no pod uses it any more.
    kubectl(
        &test_env,
        &["delete", "pod", "--selector=ras.dev/service=store", "--wait=false"],
    )
    .await?;
    all_there(&test_env).await?;
    test_env.ready("spring").await?;

    // What is in the way of a child is looked at; what is no longer asked for is removed.
    let least = "
apiVersion: ras.dev/v1alpha1
kind: RecruitmentDrive
metadata: {name: spring}
spec: {services: [{name: other, image: 'registry.example.com/other:1', replicas: 1, ports: [{name: http, port: 8080}]}]}
";
    test_env
        .apply("{apiVersion: v1, kind: Service, metadata: {name: spring-other}, spec: {ports: [{port: 1}]}}")
        .await?;
    test_env.apply(least).await?;
    eventually(PATIENCE, "the other services to be gone", async || {
        let left = kubectl(
            &test_env,
            &[
                "get",
                "--ignore-not-found",
                "--output=name",
                "deployment/spring-api",
                "statefulset/spring-database",
                "secret/spring-jwt",
                "prometheusrule/spring",
                "ingress/spring",
            ],
        )
        .await?;
        if left.is_empty() { Ok(()) } else { Err(left.into()) }
    })
    .await
    .map_err(|error| error.with_log(&test_env.operator.log()))?;
    kubectl(&test_env, &["delete", "service", "spring-other"]).await?;
    test_env.ready("spring").await?;
    kubectl(&test_env, &["delete", "drive", "spring", "--timeout=50s"]).await?;
    eventually(COLLECTED, "the last Deployment to be gone", async || {
        match test_env.namespace.api::<Deployment>().get_opt("spring-other").await? {
            None => Ok(()),
            Some(_) => Err("still there".into()),
        }
    })
    .await?;

    let forbidden = asked(&test_env, AuditMark::START, |event| {
        event.code == 403 && event.resource != "customresourcedefinitions"
    })
    .await?;
    assert!(forbidden.is_empty(), "{forbidden:?}");
    let written = asked(&test_env, AuditMark::START, |event| {
        event.is_write() && event.code < 300
    })
    .await?;
    assert!(
        written.len() > 2 * CHILDREN.len(),
        "a life leaves traces: {}",
        written.len()
    );
    let elsewhere = asked(&test_env, AuditMark::START, |event| {
        event.is_for_resource() && !event.namespace.is_empty() && event.namespace != test_env.namespace.name()
    })
    .await?;
    assert!(elsewhere.is_empty(), "{elsewhere:?}");
    Ok(())
}

async fn may(test_env: &TestEnv, verb: &str, group: &str, resource: &str, namespace: &str) -> Result<bool, Error> {
    may_do(
        &test_env.cluster,
        test_env.operator.user(),
        verb,
        group,
        resource,
        namespace,
    )
    .await
}

#[tokio::test]
async fn the_shipped_role_allows_nothing_beyond_what_a_drive_needs() -> Result<(), Error> {
    let test_env = TestEnv::start("no-more-rights").await?;
    let here = test_env.namespace.name();
    let monitoring = "monitoring.coreos.com";
    for (verb, group, resource) in [
        ("patch", "apps", "deployments"),
        ("list", "", "secrets"),
        ("patch", "apps", "deployments/scale"),
        ("create", monitoring, "prometheusrules"),
    ] {
        assert!(
            may(&test_env, verb, group, resource, here).await?,
            "{verb} {resource}: or the rest of this means nothing"
        );
        assert!(
            !may(&test_env, verb, group, resource, "default").await?,
            "{verb} {resource} in another namespace"
        );
    }
    let rbac = "rbac.authorization.k8s.io";
    for (verb, group, resource) in [
        ("create", "", "pods"),
        ("get", "", "pods/log"),
        ("delete", "", "pods"),
        ("patch", "", "pods"),
        ("create", "", "pods/exec"),
        ("create", "", "pods/eviction"),
        ("create", "", "serviceaccounts/token"),
        ("impersonate", "", "serviceaccounts"),
        ("update", "", "secrets"),
        ("deletecollection", "", "secrets"),
        ("create", "ras.dev", "recruitmentdrives"),
        // Not `patch`: the finalizer of a drive with buckets to be deleted is a patch.
        ("update", "ras.dev", "recruitmentdrives"),
        ("delete", "ras.dev", "recruitmentdrives"),
        ("create", rbac, "roles"),
        ("create", rbac, "rolebindings"),
        ("bind", rbac, "roles"),
        ("escalate", rbac, "roles"),
        ("delete", "", "events"),
        ("create", "apps", "daemonsets"),
        ("create", "batch", "cronjobs"),
        ("get", "external-secrets.io", "secretstores"),
        ("create", "external-secrets.io", "pushsecrets"),
    ] {
        assert!(!may(&test_env, verb, group, resource, here).await?, "{verb} {resource}");
    }
    for (verb, group, resource) in [
        ("list", "", "nodes"),
        ("patch", "", "nodes"),
        ("get", "", "nodes/proxy"),
        ("list", "", "secrets"),
        ("list", "", "namespaces"),
        ("delete", "", "namespaces"),
        ("create", "", "persistentvolumes"),
        ("get", rbac, "clusterroles"),
        ("get", "external-secrets.io", "clustersecretstores"),
        ("create", rbac, "clusterrolebindings"),
        ("escalate", rbac, "clusterroles"),
        ("patch", "apiextensions.k8s.io", "customresourcedefinitions"),
        (
            "create",
            "admissionregistration.k8s.io",
            "validatingwebhookconfigurations",
        ),
        ("approve", "certificates.k8s.io", "signers"),
    ] {
        assert!(
            !may(&test_env, verb, group, resource, "").await?,
            "{verb} {resource} of the whole cluster"
        );
    }
    Ok(())
}

const MISSING: &str = "
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: missing}
rules: [{apiGroups: [''], resources: [configmaps], verbs: [list, watch]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: missing}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: missing}
subjects: [{kind: ServiceAccount, name: ras-operator}]
";

#[tokio::test]
async fn a_missing_right_is_named_once_however_often_it_is_tried_and_found_when_it_is_there() -> Result<(), Error> {
    let cluster = cluster().await?;
    let shipped = std::fs::read_to_string(repository().join(ROLES)).unwrap();
    let path = cluster.description().folder.join("without-configmaps.yaml");
    let fewer = shipped.replacen("configmaps, ", "", 1);
    assert_ne!(fewer, shipped);
    std::fs::write(&path, fewer).unwrap();
    let options = OperatorOptions::with_roles(&path);
    let mut test_env = TestEnv::with(Shared::All(cluster), "missing-right", &options).await?;
    eventually(PATIENCE, "three refused lists of ConfigMaps", async || {
        let refused = asked(&test_env, AuditMark::START, |event| {
            event.code == 403 && event.resource == "configmaps" && event.verb == "list"
        });
        match refused.await?.len() {
            3.. => Ok(()),
            fewer => Err(format!("{fewer}").into()),
        }
    })
    .await?;
    let log = test_env.operator.log();
    let named: Vec<&str> = log
        .lines()
        .filter(|line| line.contains("cannot list resource") && line.contains("configmaps"))
        .collect();
    assert_eq!(named.len(), 1, "{named:#?}");
    assert!(
        named[0].contains("give the operator's role the permission"),
        "{}",
        named[0]
    );
    test_env.apply(MISSING).await?;
    test_env.operator.logs(PATIENCE, "watch recovered").await?;
    test_env.operator.logs(PATIENCE, r#""message":"ready""#).await
}
