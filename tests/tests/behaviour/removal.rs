//! What a drive no longer asks for goes, and nothing else does.

use std::collections::BTreeMap;

use ras_tests::{Error, ForeignProject, PATIENCE, TestEnv, cluster, documents, eventually};
use serde_json::{Value, json};

use crate::children::{EVERY_CHILD, at_rest, make, uids};

#[tokio::test]
async fn removing_a_field_removes_its_children_and_nothing_else() -> Result<(), Error> {
    cluster().await?.install(ForeignProject::PrometheusOperator).await?;
    cluster().await?.install(ForeignProject::ExternalSecrets).await?;
    let test_env = TestEnv::start("removal").await?;
    let mut drive = documents(EVERY_CHILD)?.remove(0);
    let volumes = [
        json!({"name": "data", "path": "/data", "size": "1Gi"}),
        json!({"name": "cache", "path": "/cache", "size": "1Gi", "deletionPolicy": "Delete"}),
    ];
    *service(&mut drive, "store").pointer_mut("/volumes").unwrap() = json!(volumes);
    // Without a volume the number of pods would be open, and there would be a PodDisruptionBudget more.
    service(&mut drive, "store")["replicas"] = json!(1);
    let secrets = drive["spec"]["secrets"].as_array_mut().unwrap();
    secrets.push(json!({"name": "spare", "generate": {"keys": ["key"]}, "deletionPolicy": "Delete"}));
    make(&test_env, "season", &drive.to_string()).await?;
    let mut left = uids(&test_env, "season").await?;

    without(&mut drive["spec"], "exposure");
    removes(&test_env, &drive, &mut left, &["Ingress/season"]).await?;

    without(&mut drive["spec"], "monitoring");
    let monitoring = ["PrometheusRule/season", "ServiceMonitor/season-web"];
    removes(&test_env, &drive, &mut left, &monitoring).await?;

    without(service(&mut drive, "worker"), "autoscaling");
    removes(&test_env, &drive, &mut left, &["HorizontalPodAutoscaler/season-worker"]).await?;

    without(service(&mut drive, "web"), "files");
    removes(&test_env, &drive, &mut left, &["ConfigMap/season-web"]).await?;

    // What holds data goes only where the drive says so.
    without(service(&mut drive, "store"), "volumes");
    removes(
        &test_env,
        &drive,
        &mut left,
        &["PersistentVolumeClaim/season-store-cache"],
    )
    .await?;

    drive["spec"]["services"]
        .as_array_mut()
        .unwrap()
        .retain(|service| service["name"] != "web");
    let web = [
        "Deployment/season-web",
        "NetworkPolicy/season-web",
        "PodDisruptionBudget/season-web",
        "Service/season-web",
    ];
    removes(&test_env, &drive, &mut left, &web).await?;

    without(&mut drive["spec"], "secrets");
    let secrets = ["ExternalSecret/season-mail", "Secret/season-spare"];
    removes(&test_env, &drive, &mut left, &secrets).await?;
    for kept in ["PersistentVolumeClaim/season-store-data", "Secret/season-jwt"] {
        assert!(left.contains_key(kept), "{left:?}");
    }

    at_rest(&test_env, "season").await?;
    assert_eq!(uids(&test_env, "season").await?, left);
    Ok(())
}

fn service<'a>(drive: &'a mut Value, name: &str) -> &'a mut Value {
    let services = drive["spec"]["services"].as_array_mut().unwrap();
    services.iter_mut().find(|service| service["name"] == name).unwrap()
}

fn without(object: &mut Value, field: &str) {
    let removed = object.as_object_mut().and_then(|fields| fields.remove(field));
    assert!(removed.is_some(), "there is no {field} to remove");
}

/// Applies the drive and waits until just these children are gone; the others are the same objects as before.
async fn removes(
    test_env: &TestEnv,
    drive: &Value,
    left: &mut BTreeMap<String, String>,
    names: &[&str],
) -> Result<(), Error> {
    for name in names {
        assert!(left.remove(*name).is_some(), "{name} was not there: {left:?}");
    }
    test_env.apply(&drive.to_string()).await?;
    test_env.ready("season").await?;
    eventually(PATIENCE, &format!("just {names:?} to be removed"), async || {
        let found = uids(test_env, "season").await?;
        if found == *left {
            return Ok(());
        }
        let too_many: Vec<_> = found.keys().filter(|name| !left.contains_key(*name)).collect();
        let lost: Vec<_> = left
            .iter()
            .filter(|(name, uid)| found.get(*name) != Some(uid))
            .collect();
        Err(format!("still there: {too_many:?}; lost: {lost:?}").into())
    })
    .await
    .map_err(|error| error.with_log(&test_env.operator.log()))
}
