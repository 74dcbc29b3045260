//! Other objects that are refused, and a namespace in which nothing can be created.

use k8s_openapi::api::apps::v1::Deployment;
use kube::api::DeleteParams;
use ras_crds::{ConditionType, Reason};
use ras_tests::{Error, PATIENCE, TestEnv, eventually};
use serde_json::json;
use std::time::Duration;

use super::{DRIVE, Rule, WORDS, has};
use crate::{
    children::{EVERY_CHILD, failed, uids},
    seen::{asked, because, because_with, kubectl, look, mark},
};

#[tokio::test]
async fn what_a_service_reads_and_serves_holds_it_when_it_is_refused() -> Result<(), Error> {
    let test_env = TestEnv::start("needs").await?;
    let drive = DRIVE.replace(
        "    egress: [{cidr: 10.20.0.0/24}]\n",
        "    files: [{path: /app/config.yaml, content: 'version: 1'}]\n    volumes: [{name: data, path: /data, size: 1Gi}]\n",
    );
    for (resource, kind, name) in [
        ("configmaps", "ConfigMap", "spring-api"),
        ("services", "Service", "spring-api"),
        ("serviceaccounts", "ServiceAccount", "spring"),
        ("persistentvolumeclaims", "PersistentVolumeClaim", "spring-api-data"),
    ] {
        let spec = match kind {
            "Service" => json!({"ports": [{"port": 80}]}),
            "PersistentVolumeClaim" => {
                json!({"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}})
            }
            _ => json!(null),
        };
        let mut probe = json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": name}});
        if !spec.is_null() {
            probe["spec"] = spec;
        }
        let unless = format!("object.metadata.name != '{name}'");
        let rule = Rule::refuse(&test_env, "", resource, &unless, &probe.to_string()).await?;
        test_env.apply(&drive).await?;
        because_with(
            &test_env,
            "spring",
            ConditionType::ServicesReady,
            Reason::Refused,
            &["service api", &format!("waits for {kind}/{name}")],
        )
        .await?;
        assert!(look::<Deployment>(&test_env, "spring-api").await?.is_none(), "{kind}");
        rule.lift().await?;
        test_env.ready("spring").await?;
        let api = test_env.drives();
        let gone = api.delete("spring", &DeleteParams::default()).await;
        gone.map_err(failed("deleting the drive"))?;
        kubectl(
            &test_env,
            &["delete", "persistentvolumeclaim", "spring-api-data", "--wait=false"],
        )
        .await?;
        eventually(PATIENCE, "all of it to be gone", async || {
            let of_drive = ["get", "--output=name", "--selector=ras.dev/drive=spring"];
            let kinds =
                "deployments,services,configmaps,serviceaccounts,networkpolicies,ingresses,persistentvolumeclaims";
            let left = kubectl(&test_env, &[&of_drive[..], &[kinds]].concat()).await?;
            if left.is_empty() { Ok(()) } else { Err(left.into()) }
        })
        .await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_namespace_that_is_being_deleted_is_written_to_once_and_never_again() -> Result<(), Error> {
    let test_env = TestEnv::start("closing").await?;
    test_env.apply(EVERY_CHILD).await?;
    test_env.ready("season").await?;
    // The drive stays as long as the rule does, while Kubernetes takes its children away one after the other.
    let rule = Rule::of(&test_env, "ras.dev", "recruitmentdrives", &["DELETE"], "false").await?;
    eventually(PATIENCE, "the API server to know the rule", async || {
        match kubectl(&test_env, &["delete", "drive", "season", "--dry-run=server"]).await {
            Err(error) if error.to_string().contains(WORDS) => Ok(()),
            other => Err(format!("{other:?}").into()),
        }
    })
    .await?;
    let since = mark(&test_env).await?;
    kubectl(
        &test_env,
        &["delete", "namespace", test_env.namespace.name(), "--wait=false"],
    )
    .await?;
    eventually(PATIENCE, "the children to be gone", async || {
        match uids(&test_env, "season").await?.len() {
            0 => Ok(()),
            left => Err(format!("{left} are left").into()),
        }
    })
    .await?;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let refused = asked(&test_env, since, |event| event.is_write() && event.code == 403).await?;
    // As many as are under way at a time.
    assert!(refused.len() <= 8, "{}: {refused:?}", refused.len());
    assert!(
        test_env
            .drives()
            .get_opt("season")
            .await
            .map_err(failed("looking at the drive"))?
            .is_some()
    );
    rule.lift().await
}

const OWN_PASSWORD: &str = "
apiVersion: ras.dev/v1alpha1
kind: RecruitmentDrive
metadata: {name: spring}
spec:
  services: [{name: api, image: 'registry.example.com/api:1', uses: {databases: [portal]}}]
  database: {managed: {provider: Standalone, version: 16, size: 1Gi}, databases: [{name: portal}]}
";

#[tokio::test]
async fn a_password_that_somebody_brings_is_handed_over_by_a_label_as_the_one_message_says() -> Result<(), Error> {
    let test_env = TestEnv::start("own-password").await?;
    let name = "spring-database-role-portal";
    let secret =
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": {"password": "mine"}});
    test_env.apply(&secret.to_string()).await?;
    test_env.apply(OWN_PASSWORD).await?;
    let condition = because(&test_env, "spring", ConditionType::DatabaseReady, Reason::ForeignObject).await?;
    let label = format!("label secret {name} ras.dev/drive=spring");
    has(
        &condition,
        &[
            &format!("Secret/{name} exists and it was not made by ras-operator"),
            &label,
        ],
    );
    for wrong in ["is being made", "prepares the databases"] {
        assert!(!condition.message.contains(wrong), "{}", condition.message);
    }
    kubectl(&test_env, &["label", "secret", name, "ras.dev/drive=spring"]).await?;
    eventually(PATIENCE, "the Secret to be the drive's", async || {
        let drive = test_env.drives().get("spring").await?;
        let conditions = drive.status.unwrap_or_default().conditions;
        let foreign = conditions
            .iter()
            .find(|one| one.reason == Reason::ForeignObject.as_str());
        foreign.map_or(Ok(()), |one| Err(one.message.clone().into()))
    })
    .await?;
    let data = kubectl(
        &test_env,
        &["get", "secret", name, "--output=jsonpath={.data.password}"],
    )
    .await?;
    assert_eq!(data, "bWluZQ==", "the password is the one that was brought");
    Ok(())
}
