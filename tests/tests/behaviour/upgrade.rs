//! A new version of the operator restarts nothing.

use std::io::Write as _;

use k8s_openapi::api::apps::v1::Deployment;
use ras_tests::{Error, Operator, OperatorOptions, PATIENCE, ROLES, Season, eventually};
use serde_json::Value;

use crate::{
    children::at_rest,
    seen::{asked, look, mark},
};

const DRIVE: &str = "
apiVersion: ras.dev/v1alpha1
kind: RecruitmentDrive
metadata: {name: season}
spec:
  services:
  - name: portal
    image: registry.example.com/portal:1
    files:
    - {path: /app/config.yaml, content: \"greeting: hello\"}
";

#[tokio::test]
async fn an_upgrade_of_the_operator_restarts_nothing_and_comes_with_the_next_change() -> Result<(), Error> {
    let (_old, options) = version("registry.example.com/ras-operator:1");
    let mut season = Season::with(ras_tests::Shared::All(ras_tests::cluster().await?), "upgrade", &options).await?;
    season.apply(DRIVE).await?;
    season.ready("season").await?;
    let before = at_rest(&season, "season").await?;
    assert_eq!(
        render_image(&season).await?.as_deref(),
        Some("registry.example.com/ras-operator:1")
    );

    season.operator.stop().await?;
    let since = mark(&season).await?;
    let (_new, options) = version("registry.example.com/ras-operator:2");
    season.operator = Operator::start(&season.cluster, &season.namespace, &options).await?;
    assert_eq!(at_rest(&season, "season").await?, before);
    let written = asked(&season, since, ras_tests::AuditEvent::is_write).await?;
    assert!(written.is_empty(), "{written:#?}");

    season.apply(&DRIVE.replace("portal:1", "portal:2")).await?;
    eventually(
        PATIENCE,
        "the new version's image to render files",
        async || match render_image(&season).await?.as_deref() {
            Some("registry.example.com/ras-operator:2") => Ok(()),
            other => Err(format!("{other:?}").into()),
        },
    )
    .await
}

/// How an operator of a version runs: its chart names its own image as the one that renders files.
fn version(image: &str) -> (tempfile::NamedTempFile, OperatorOptions) {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    writeln!(file, "operatorImage: {image}").unwrap();
    let options = OperatorOptions::with_roles(ROLES)
        .argument("--platform-config")
        .argument(file.path().display().to_string());
    (file, options)
}

async fn render_image(season: &Season) -> Result<Option<String>, Error> {
    let deployment = look::<Deployment>(season, "season-portal").await?;
    Ok(deployment
        .as_ref()
        .and_then(|found| found.pointer("/spec/template/spec/initContainers/0/image"))
        .and_then(Value::as_str)
        .map(str::to_owned))
}
