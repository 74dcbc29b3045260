//! The rights that the operator's chart gives: those of `deploy/rbac`, where it was told to, and no other.

use k8s_openapi::api::{
    apps::v1::Deployment,
    rbac::v1::{ClusterRole, Role},
};
use kube::Api;
use ras_tests::{Cluster, Error, Helm, PATIENCE, TestNamespace, cluster, eventually};
use serde_json::Value;

use crate::seen::may_do;

use super::{OPERATOR, restricted, rules, values};

/// True if the release's ServiceAccount may do this, to a resource written as `resource.group`.
async fn may(cluster: &Cluster, release: &Release, verb: &str, resource: &str, namespace: &str) -> Result<bool, Error> {
    let user = format!("system:serviceaccount:{}:{}", release.namespace.name(), release.name);
    let (resource, group) = resource.split_once('.').unwrap_or((resource, ""));
    may_do(cluster, &user, verb, group, resource, namespace).await
}

struct Release {
    namespace: TestNamespace,
    name: String,
}

/// Installs the chart under a name of its own, because a ClusterRole's name is the whole cluster's.
async fn install(cluster: &Cluster, prefix: &str, text: &str) -> Result<Release, Error> {
    let namespace = restricted(cluster, prefix).await?;
    let name = format!("{}-ras-operator", namespace.name());
    let file = values(&text.replace("NAMESPACE", namespace.name()));
    let path = file.path().display().to_string();
    Helm::of(cluster)?
        .done(&[
            "install",
            &name,
            OPERATOR,
            "--namespace",
            namespace.name(),
            "--values",
            &path,
        ])
        .await?;
    Ok(Release { namespace, name })
}

/// Waits until both pods are let in and ready.
async fn runs(release: &Release) -> Result<(), Error> {
    let deployments: Api<Deployment> = release.namespace.api();
    eventually(PATIENCE, "two ready pods", async || {
        let status = deployments.get(&release.name).await?.status.unwrap_or_default();
        if status.ready_replicas == Some(2) {
            Ok(())
        } else {
            Err(format!("{status:?}").into())
        }
    })
    .await
}

fn sorted(rules: impl IntoIterator<Item = Value>) -> Vec<String> {
    let mut texts: Vec<String> = rules.into_iter().map(|rule| rule.to_string()).collect();
    texts.sort();
    texts
}

fn json(rules: Option<impl serde::Serialize>) -> Vec<Value> {
    let Value::Array(rules) = serde_json::to_value(rules).unwrap() else {
        return Vec::new();
    };
    rules
}

#[tokio::test]
async fn in_all_namespaces_it_has_the_shipped_rights_and_no_other() -> Result<(), Error> {
    let cluster = cluster().await?;
    let release = install(cluster, "chart-all", "").await?;
    runs(&release).await?;
    let roles: Api<ClusterRole> = Api::all(cluster.client()?);
    let role = roles.get(&release.name).await.expect("the ClusterRole");
    assert_eq!(sorted(json(role.rules)), sorted(rules("operator.yaml")));
    for (verb, resource, namespace, allowed) in [
        ("list", "secrets", "default", true),
        ("patch", "deployments.apps", "default", true),
        ("update", "leases.coordination.k8s.io", release.namespace.name(), false),
        ("get", "leases:kube-scheduler.coordination.k8s.io", "kube-system", false),
        ("create", "pods", "default", false),
        ("create", "clusterroles.rbac.authorization.k8s.io", "", false),
        ("delete", "nodes", "", false),
    ] {
        let may = may(cluster, &release, verb, resource, namespace).await?;
        assert_eq!(may, allowed, "{verb} {resource} in {namespace:?}");
    }
    let lease = format!("leases:{}.coordination.k8s.io", release.name);
    assert!(may(cluster, &release, "update", &lease, release.namespace.name()).await?);
    Helm::of(cluster)?
        .done(&["uninstall", &release.name, "--namespace", release.namespace.name()])
        .await?;
    assert!(roles.get_opt(&release.name).await.expect("an answer").is_none());
    Ok(())
}

#[tokio::test]
async fn in_listed_namespaces_it_can_do_nothing_elsewhere_not_even_read_a_secret() -> Result<(), Error> {
    let cluster = cluster().await?;
    let theirs = cluster.namespace("chart-theirs").await?;
    let others = cluster.namespace("chart-others").await?;
    let release = install(
        cluster,
        "chart-some",
        &format!("watch: {{namespaces: [{}]}}", theirs.name()),
    )
    .await?;
    runs(&release).await?;
    let role = theirs.api::<Role>().get(&release.name).await.expect("the Role");
    let here: Vec<Value> = rules("operator.yaml")
        .into_iter()
        .filter(|rule| rule["apiGroups"][0] != "apiextensions.k8s.io")
        .collect();
    assert_eq!(sorted(json(role.rules)), sorted(here.clone()));

    // Everything of the shipped rights there, and nothing of them anywhere else: not even where the operator itself runs.
    for rule in &here {
        let words = |field: &str| -> Vec<String> {
            let words = rule[field].as_array().into_iter().flatten();
            words.filter_map(|word| word.as_str().map(str::to_owned)).collect()
        };
        let (groups, resources, verbs) = (words("apiGroups"), words("resources"), words("verbs"));
        for resource in resources {
            let name = format!("{resource}.{}", groups[0]);
            let verb = &verbs[0];
            assert!(
                may(cluster, &release, verb, &name, theirs.name()).await?,
                "{verb} {name}"
            );
            for elsewhere in [others.name(), release.namespace.name(), "kube-system"] {
                assert!(
                    !may(cluster, &release, verb, &name, elsewhere).await?,
                    "{verb} {name} in {elsewhere}"
                );
            }
        }
    }
    for verb in ["get", "list", "watch"] {
        assert!(
            !may(cluster, &release, verb, "secrets", "").await?,
            "{verb} secrets of the whole cluster"
        );
        assert!(
            !may(
                cluster,
                &release,
                verb,
                "customresourcedefinitions.apiextensions.k8s.io",
                ""
            )
            .await?
        );
    }
    Ok(())
}
