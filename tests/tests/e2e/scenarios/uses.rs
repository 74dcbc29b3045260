//! What a drive promises to programs about what they use: buckets, the cache and bindings.

use std::sync::Arc;

use http::Method;
use ras_tests::eventually;
use serde_json::json;

use super::portal;
use crate::{
    drive::{Drive, PATIENCE, uids},
    images::PORTAL,
    object_store,
    runner::{Scenario, ScenarioResult, Steps},
    scenarios,
    world::World,
};

pub fn all() -> Vec<Scenario> {
    scenarios![
        a_changed_binding_is_read_by_the_running_program_which_is_not_restarted,
        an_object_goes_into_a_bucket_by_the_sdk_and_comes_back,
        a_value_goes_into_the_cache_and_comes_back,
    ]
}

async fn an_object_goes_into_a_bucket_by_the_sdk_and_comes_back(world: Arc<World>, steps: Steps) -> ScenarioResult {
    let drive = Drive::new(&world, "bucket").await?;
    drive.namespace.apply(&object_store::secret()).await?;
    drive
        .apply(&portal(
            PORTAL[0],
            "    uses: {buckets: [resumes]}
    env: [{name: S3_PATH_STYLE, bucket: {name: resumes, key: pathStyle}}]
  buckets: [{name: resumes, versioned: true}]
",
        ))
        .await?;
    drive.ready().await?;
    steps.done("Ready");
    let status = drive.drives().get("bucket").await?.status.unwrap_or_default();
    let bucket = status.buckets.first().map(|one| one.bucket.clone());
    let variable = drive.get("portal", "/variable?name=BUCKET_RESUMES").await?;
    assert_eq!(variable.as_str().map(str::to_owned), bucket);
    let object = "/bucket/resume?in=BUCKET_RESUMES";
    drive
        .done("portal", "http", Method::PUT, object, "of a student")
        .await?;
    assert_eq!(drive.get("portal", object).await?, "of a student");
    steps.done("an object went in and came back");

    drive.replace_pods_of("portal").await?;
    assert_eq!(drive.get("portal", object).await?, "of a student");
    steps.done("another pod has it too");
    Ok(())
}

async fn a_value_goes_into_the_cache_and_comes_back(world: Arc<World>, steps: Steps) -> ScenarioResult {
    let drive = Drive::new(&world, "cached").await?;
    drive
        .apply(&portal(PORTAL[0], "    uses: {cache: true}\n  cache: {}\n"))
        .await?;
    drive.ready().await?;
    steps.done("Ready");
    let path = "/cache/rounds";
    // Asked again and not once: what a pod reaches by a Service's name it reaches a moment after that Service's pod is Ready, when
    // the node has been told of it.
    eventually(
        PATIENCE,
        "the cache to answer that it has no such value",
        async || match drive.ask("portal", Method::GET, path, "").await? {
            (404, _) => Ok(()),
            (code, answer) => Err(format!("{code} {answer}").into()),
        },
    )
    .await?;
    drive.done("portal", "http", Method::PUT, path, "three").await?;
    assert_eq!(drive.get("portal", path).await?, "three");
    steps.done("a value went in and came back");
    Ok(())
}

async fn a_changed_binding_is_read_by_the_running_program_which_is_not_restarted(
    world: Arc<World>,
    steps: Steps,
) -> ScenarioResult {
    let drive = Drive::new(&world, "bound").await?;
    let secret = |password: &str| {
        format!(
            "{{apiVersion: v1, kind: Secret, metadata: {{name: campus-queue}}, stringData: {{user: portal, secret: {password}}}}}"
        )
    };
    drive.namespace.apply(&secret("first-password")).await?;
    drive
        .apply(&portal(
            PORTAL[0],
            "    uses:
      bindings:
      - name: queue
        secretName: campus-queue
        keys: [{name: username, from: user}, {name: password, from: secret}]
        values: [{name: type, value: rabbitmq}, {name: port, value: '5672'}]
        onChange: Reload
",
        ))
        .await?;
    drive.ready().await?;
    steps.done("Ready");
    assert_eq!(
        drive.get("portal", "/variable?name=SERVICE_BINDING_ROOT").await?,
        "/bindings"
    );
    let names = drive.get("portal", "/files?path=/bindings/queue").await?;
    assert_eq!(names, json!(["password", "port", "type", "username"]));
    for (name, value) in [
        ("type", "rabbitmq"),
        ("port", "5672"),
        ("username", "portal"),
        ("password", "first-password"),
    ] {
        let path = format!("/file?path=/bindings/queue/{name}");
        assert_eq!(drive.get("portal", &path).await?, value);
    }
    steps.done("the program reads its files");

    let before = drive.pods_of("portal").await?;
    drive.namespace.apply(&secret("second-password")).await?;
    eventually(PATIENCE, "the new password to be in the file", async || {
        let password = drive.get("portal", "/file?path=/bindings/queue/password").await?;
        if password == "second-password" {
            Ok(())
        } else {
            Err(password.to_string().into())
        }
    })
    .await?;
    assert_eq!(uids(&before), uids(&drive.pods_of("portal").await?), "in the same pod");
    steps.done("a new password is there, in the same pod");
    Ok(())
}
