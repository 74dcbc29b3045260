//! APIs of other projects: what is told where they are absent, and how their coming and going is noticed.

use std::time::Duration;

use kube::{
    Api,
    api::{ApiResource, DynamicObject, GroupVersionKind, ListParams},
};
use ras_crds::{ConditionType, Reason};
use ras_tests::{Error, ForeignProject, OperatorOptions, ROLES, TestEnv, eventually};

use crate::seen::{asked, because, because_with, mark};

/// The operator asks once a minute where it may not watch definitions.
const A_MINUTE: Duration = Duration::from_secs(75);

const DRIVE: &str = "
apiVersion: ras.dev/v1alpha1
kind: RecruitmentDrive
metadata: {name: spring}
spec:
  services:
  - name: web
    image: registry.example.com/web:1
    ports: [{name: http, port: 8080, path: /}, {name: metrics, port: 9090}]
    metrics: {port: metrics}
  monitoring: {}
";

const ISSUED: &str = "
apiVersion: ras.dev/v1alpha1
kind: RecruitmentDrive
metadata: {name: exposed}
spec:
  services:
  - {name: web, image: 'registry.example.com/web:1', ports: [{name: http, port: 8080, path: /}]}
  exposure: {host: spring.example.edu, tls: {issuer: letsencrypt}}
";

/// As cert-manager makes it. What is in `tls.crt` concerns nobody here: whether a Secret is there is all that is looked at.
const CERTIFICATE: &str = "
apiVersion: v1
kind: Secret
metadata: {name: exposed-tls, annotations: {cert-manager.io/certificate-name: exposed-tls}}
type: kubernetes.io/tls
stringData: {tls.crt: '', tls.key: ''}
";

/// The names of a drive's monitoring objects, by kind.
async fn monitoring(test_env: &TestEnv) -> Result<Vec<String>, Error> {
    let mut names = Vec::new();
    for kind in ["ServiceMonitor", "PrometheusRule"] {
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("monitoring.coreos.com", "v1", kind));
        let api: Api<DynamicObject> =
            Api::namespaced_with(test_env.namespace.client(), test_env.namespace.name(), &resource);
        let listed = api.list(&ListParams::default()).await;
        let items = listed
            .map_err(|error| Error::Api {
                what: format!("listing {kind}"),
                message: error.to_string(),
            })?
            .items;
        names.extend(
            items
                .into_iter()
                .filter_map(|object| object.metadata.name)
                .map(|name| format!("{kind}/{name}")),
        );
    }
    Ok(names)
}

async fn monitoring_comes(test_env: &TestEnv) -> Result<(), Error> {
    eventually(A_MINUTE, "a ServiceMonitor and a PrometheusRule", async || {
        let names = monitoring(test_env).await?;
        if names == ["ServiceMonitor/spring-web", "PrometheusRule/spring"] {
            Ok(())
        } else {
            Err(format!("{names:?}").into())
        }
    })
    .await
    .map_err(|error| error.with_log(&test_env.operator.log()))?;
    because_with(
        test_env,
        "spring",
        ConditionType::MonitoringReady,
        Reason::MonitoringConfigured,
        &[],
    )
    .await
    .map(drop)
}

async fn monitoring_missing(test_env: &TestEnv) -> Result<(), Error> {
    let words = ["Prometheus Operator", "monitoring.coreos.com", "install it"];
    because_with(
        test_env,
        "spring",
        ConditionType::MonitoringReady,
        Reason::PrometheusOperatorMissing,
        &words,
    )
    .await
    .map(drop)
}

#[tokio::test]
async fn optional_apis_are_noticed_by_an_operator_for_the_whole_cluster_as_they_come_and_go() -> Result<(), Error> {
    let mut test_env = TestEnv::alone("optional", &OperatorOptions::with_roles(ROLES).cluster_wide()).await?;
    test_env.apply(DRIVE).await?;
    test_env.apply(ISSUED).await?;
    monitoring_missing(&test_env).await?;
    test_env.ready("spring").await?;
    let words = ["letsencrypt", "cert-manager", "install it", "exposure.tls.secretName"];
    because_with(
        &test_env,
        "exposed",
        ConditionType::ExposureReady,
        Reason::CertManagerMissing,
        &words,
    )
    .await?;
    assert_eq!(
        test_env
            .condition("exposed", ConditionType::ServicesReady, "True")
            .await?
            .reason,
        "ServicesAvailable"
    );

    // The promise is that nothing happens: what is not there is not asked for again and again.
    let quiet = mark(&test_env).await?;
    tokio::time::sleep(Duration::from_secs(20)).await;
    let requests = asked(&test_env, quiet, |event| event.verb != "watch").await?;
    assert!(requests.is_empty(), "{requests:?}");

    test_env.cluster.install(ForeignProject::PrometheusOperator).await?;
    monitoring_comes(&test_env).await?;
    test_env.ready("spring").await?;
    test_env.cluster.install(ForeignProject::CertManager).await?;
    let words = ["letsencrypt", "exposed-tls", "kubectl describe certificate"];
    because_with(
        &test_env,
        "exposed",
        ConditionType::ExposureReady,
        Reason::CertificatePending,
        &words,
    )
    .await?;
    test_env.apply(CERTIFICATE).await?;
    because_with(
        &test_env,
        "exposed",
        ConditionType::ExposureReady,
        Reason::RouteConfigured,
        &["https://spring.example.edu"],
    )
    .await?;
    test_env.ready("exposed").await?;

    test_env.cluster.uninstall(ForeignProject::PrometheusOperator).await?;
    monitoring_missing(&test_env).await?;
    test_env.ready("spring").await?;
    test_env.operator.check_running()?;
    let quiet = mark(&test_env).await?;
    // Nothing is to happen here either: no watch of what is gone is tried again.
    tokio::time::sleep(Duration::from_secs(10)).await;
    let requests = asked(&test_env, quiet, |event| {
        event.group == "monitoring.coreos.com" || event.code >= 400
    })
    .await?;
    assert!(requests.is_empty(), "{requests:?}");

    test_env.cluster.install(ForeignProject::PrometheusOperator).await?;
    monitoring_comes(&test_env).await
}

#[tokio::test]
async fn optional_apis_are_noticed_within_a_minute_by_an_operator_of_one_namespace() -> Result<(), Error> {
    let mut test_env = TestEnv::alone("optional", &OperatorOptions::with_roles(ROLES)).await?;
    test_env.apply(DRIVE).await?;
    monitoring_missing(&test_env).await?;
    test_env.ready("spring").await?;

    // The promise is that nothing happens but one question a group a minute.
    let quiet = mark(&test_env).await?;
    tokio::time::sleep(Duration::from_secs(20)).await;
    let mut requests = asked(&test_env, quiet, |event| event.verb != "watch").await?;
    assert!(
        requests
            .iter()
            .all(|event| event.verb == "get" && !event.is_for_resource()),
        "{requests:?}"
    );
    let all = requests.len();
    requests.dedup_by(|one, other| one.request_uri == other.request_uri);
    assert!(all <= 3, "{requests:?}");

    test_env.cluster.install(ForeignProject::PrometheusOperator).await?;
    let installed = std::time::Instant::now();
    monitoring_comes(&test_env).await?;
    println!("noticed after {:.0} s", installed.elapsed().as_secs_f64());
    test_env.ready("spring").await?;

    test_env.cluster.uninstall(ForeignProject::PrometheusOperator).await?;
    eventually(A_MINUTE, "the condition to tell that it is gone", async || {
        let drive = test_env.drives().get("spring").await?;
        let conditions = drive.status.unwrap_or_default().conditions;
        match conditions.iter().find(|condition| condition.type_ == "MonitoringReady") {
            Some(condition) if condition.reason == "PrometheusOperatorMissing" => Ok(()),
            other => Err(format!("{other:?}").into()),
        }
    })
    .await?;
    test_env.ready("spring").await?;
    test_env.operator.check_running()
}

#[tokio::test]
async fn a_certificate_that_somebody_else_keeps_is_waited_for_by_name() -> Result<(), Error> {
    let test_env = TestEnv::start("certificate").await?;
    test_env
        .apply(&ISSUED.replace("issuer: letsencrypt", "secretName: exposed-tls"))
        .await?;
    let words = [
        "exposed-tls",
        "spring.example.edu",
        test_env.namespace.name(),
        "kubernetes.io/tls",
    ];
    because_with(
        &test_env,
        "exposed",
        ConditionType::ExposureReady,
        Reason::SecretMissing,
        &words,
    )
    .await?;
    let ready = because(&test_env, "exposed", ConditionType::Ready, Reason::SecretMissing).await?;
    assert_eq!(ready.status, "False");
    test_env.apply(CERTIFICATE).await?;
    because_with(
        &test_env,
        "exposed",
        ConditionType::ExposureReady,
        Reason::RouteConfigured,
        &[],
    )
    .await?;
    test_env.ready("exposed").await.map(drop)
}
