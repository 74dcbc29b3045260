//! An Ingress or a certificate that does not exist is not reported as a working route.

use ras_crds::{ConditionType, Reason};
use ras_tests::{Error, PATIENCE, TestEnv, eventually};
use serde_json::json;

use super::{DRIVE, Rule, WORDS};
use crate::seen::{because, because_with, kubectl};

#[tokio::test]
async fn an_ingress_that_is_refused_and_a_certificate_under_other_keys_are_not_told_as_a_route() -> Result<(), Error> {
    let test_env = TestEnv::start("route").await?;
    let probe = json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "x"},
        "spec": {"defaultBackend": {"service": {"name": "x", "port": {"number": 80}}}},
    });
    let rule = Rule::refuse(&test_env, "networking.k8s.io", "ingresses", "false", &probe.to_string()).await?;
    test_env.apply(DRIVE).await?;
    let condition = because_with(
        &test_env,
        "spring",
        ConditionType::ExposureReady,
        Reason::Refused,
        &["Ingress/spring", WORDS],
    )
    .await?;
    assert_eq!(condition.status, "False");
    rule.lift().await?;
    test_env.ready("spring").await?;

    let secured = DRIVE.replace(
        "exposure: {host: spring.example.edu}",
        "exposure: {host: spring.example.edu, tls: {secretName: campus-tls}}",
    );
    test_env
        .apply("{apiVersion: v1, kind: Secret, metadata: {name: campus-tls}, stringData: {cert.pem: a, key.pem: b}}")
        .await?;
    test_env.apply(&secured).await?;
    because_with(
        &test_env,
        "spring",
        ConditionType::ExposureReady,
        Reason::SecretKeyMissing,
        &[
            "Secret campus-tls",
            "lacks tls.crt and tls.key",
            "cert.pem, key.pem",
            "create secret tls",
        ],
    )
    .await?;
    let ready = because(&test_env, "spring", ConditionType::Ready, Reason::SecretKeyMissing).await?;
    assert_eq!(ready.status, "False");

    // One of the two is not enough.
    kubectl(
        &test_env,
        &[
            "patch",
            "secret",
            "campus-tls",
            "--patch",
            r#"{"stringData": {"tls.crt": "a"}}"#,
        ],
    )
    .await?;
    eventually(PATIENCE, "the key alone to be missed", async || {
        let condition = because(
            &test_env,
            "spring",
            ConditionType::ExposureReady,
            Reason::SecretKeyMissing,
        )
        .await?;
        if condition.message.contains("lacks tls.key,") {
            Ok(())
        } else {
            Err(condition.message.into())
        }
    })
    .await?;
    kubectl(
        &test_env,
        &[
            "patch",
            "secret",
            "campus-tls",
            "--patch",
            r#"{"stringData": {"tls.key": "b"}}"#,
        ],
    )
    .await?;
    test_env.ready("spring").await.map(drop)
}

#[tokio::test]
async fn a_drive_that_is_paused_from_its_first_moment_claims_no_route() -> Result<(), Error> {
    let test_env = TestEnv::start("paused-route").await?;
    test_env
        .apply(&DRIVE.replace("spec:\n", "spec:\n  paused: true\n"))
        .await?;
    let condition = because_with(
        &test_env,
        "spring",
        ConditionType::ExposureReady,
        Reason::Progressing,
        &["Ingress/spring has not been created yet"],
    )
    .await?;
    assert_eq!(condition.status, "False");
    test_env.apply(DRIVE).await?;
    test_env.ready("spring").await?;
    test_env
        .apply(&DRIVE.replace("spec:\n", "spec:\n  paused: true\n"))
        .await?;
    let condition = because(
        &test_env,
        "spring",
        ConditionType::ExposureReady,
        Reason::RouteConfigured,
    )
    .await?;
    assert_eq!(condition.status, "True");
    Ok(())
}
