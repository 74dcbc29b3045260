//! What a drive cannot take from another one, on a real API server.

use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::api::networking::v1::Ingress;
use kube::api::DeleteParams;
use ras_crds::{ConditionType, Reason};
use ras_tests::{Error, PATIENCE, TestEnv, eventually};

use crate::children::failed;
use crate::seen::because_with;

fn drive(name: &str, exposure: &str) -> String {
    format!(
        "apiVersion: ras.dev/v1alpha1\nkind: RecruitmentDrive\nmetadata: {{name: {name}}}\nspec:\n\
         \x20 services: [{{name: web, image: 'registry.example.com/web:1', ports: [{{name: http, port: 8080, path: /}}]}}]\n\
         \x20 exposure: {{{exposure}}}\n"
    )
}

async fn hosts(test_env: &TestEnv) -> Result<Vec<String>, Error> {
    let api = test_env.namespace.api::<Ingress>();
    let ingresses = api.list(&kube::api::ListParams::default()).await;
    let ingresses = ingresses.map_err(failed("listing Ingresses"))?.items.into_iter();
    let rules = ingresses.filter_map(|ingress| Some((ingress.metadata.name?, ingress.spec?.rules?)));
    let mut hosts: Vec<_> = rules
        .flat_map(|(name, rules)| {
            let hosts = rules.into_iter().filter_map(|rule| rule.host);
            hosts.map(move |host| format!("{name} {host}")).collect::<Vec<_>>()
        })
        .collect();
    hosts.sort();
    Ok(hosts)
}

#[tokio::test]
async fn a_host_stays_with_the_drive_that_serves_it_and_is_free_when_that_goes() -> Result<(), Error> {
    let test_env = TestEnv::start("host-taken").await?;
    test_env.apply(&drive("elder", "host: elder.example.edu")).await?;
    test_env.ready("elder").await?;
    // Whole seconds tell the ages of drives apart.
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    test_env.apply(&drive("victim", "host: victim.example.edu")).await?;
    test_env.ready("victim").await?;

    // A younger drive with a longer path, and an older drive that changes its spec.
    let longer = drive("attacker", "host: victim.example.edu").replace("path: /", "path: /login");
    test_env.apply(&longer).await?;
    test_env.apply(&drive("elder", "host: victim.example.edu")).await?;
    for name in ["attacker", "elder"] {
        let words = ["spec.exposure.host", "victim.example.edu", "the drive \"victim\""];
        because_with(&test_env, name, ConditionType::Ready, Reason::HostTaken, &words).await?;
    }
    test_env.ready("victim").await?;
    let before = ["elder elder.example.edu", "victim victim.example.edu"];
    assert_eq!(hosts(&test_env).await?, before);

    let drives = test_env.drives();
    drives
        .delete("victim", &DeleteParams::default())
        .await
        .map_err(failed("deleting the drive"))?;
    eventually(PATIENCE, "the elder drive to have the host", async || {
        match hosts(&test_env).await?.as_slice() {
            [one] if one == "elder victim.example.edu" => Ok(()),
            other => Err(format!("{other:?}").into()),
        }
    })
    .await?;
    let words = ["the drive \"elder\""];
    because_with(&test_env, "attacker", ConditionType::Ready, Reason::HostTaken, &words)
        .await
        .map(drop)
}

#[tokio::test]
async fn a_secret_of_somebody_else_is_not_handed_to_cert_manager() -> Result<(), Error> {
    let test_env = TestEnv::start("tls-secret").await?;
    test_env
        .apply("{apiVersion: v1, kind: Secret, metadata: {name: spring-tls}, stringData: {token: keep}}")
        .await?;
    test_env
        .apply(&drive("spring", "host: spring.example.edu, tls: {issuer: letsencrypt}"))
        .await?;
    let words = [
        "\"spring-tls\"",
        "not created by this operator",
        "exposure.tls.secretName",
    ];
    because_with(&test_env, "spring", ConditionType::Ready, Reason::ForeignObject, &words).await?;
    assert!(
        hosts(&test_env).await?.is_empty(),
        "the Ingress asks for the certificate"
    );

    let secrets = test_env.namespace.api::<Secret>();
    secrets
        .delete("spring-tls", &DeleteParams::default())
        .await
        .map_err(failed("deleting the Secret"))?;
    eventually(PATIENCE, "the route to be there", async || {
        match hosts(&test_env).await?.as_slice() {
            [one] if one == "spring spring.example.edu" => Ok(()),
            other => Err(format!("{other:?}").into()),
        }
    })
    .await
}
