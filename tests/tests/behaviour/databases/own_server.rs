//! A database server that belongs to the drive, and what is kept when the drive no longer asks for it.

use k8s_openapi::api::{
    apps::v1::{Deployment, StatefulSet},
    core::v1::{ConfigMap, PersistentVolumeClaim},
};
use kube::{Api, ResourceExt as _, api::DeleteParams};
use ras_tests::{Error, PATIENCE, eventually};

use super::{Databases, secret_of};
use crate::children::failed;
use crate::seen::{COLLECTED, asked, kubectl, look};

#[tokio::test]
async fn a_server_of_the_drive_s_own_outlives_it_and_is_found_again() -> Result<(), Error> {
    let databases = Databases::start("db-own").await?;
    let own = "managed: {provider: Standalone, version: 17, size: 1Gi}";
    let drive = databases.on(own, "spring", &["portal"]);
    databases.test_env.apply(&drive).await?;
    databases.ready("spring").await?;
    let server = look::<StatefulSet>(&databases.test_env, "spring-database")
        .await?
        .unwrap();
    assert_eq!(server.pointer("/status/readyReplicas"), Some(&1.into()));
    let real = databases.own("spring").await?;
    databases.works_on(&real, "spring", "portal", "students").await?;

    // Suspended, it stops with everything else, and comes back.
    databases
        .test_env
        .apply(&drive.replace("spec:", "spec:\n  suspend: true"))
        .await?;
    eventually(PATIENCE, "the server to stop", async || {
        let server = look::<StatefulSet>(&databases.test_env, "spring-database")
            .await?
            .unwrap_or_default();
        match server.pointer("/spec/replicas") {
            Some(count) if *count == 0 => Ok(()),
            other => Err(format!("{other:?}").into()),
        }
    })
    .await?;
    databases
        .test_env
        .apply(&drive.replace("spec:", "spec:\n  suspend: false"))
        .await?;
    databases.ready("spring").await?;

    let name = databases.name("portal");
    let password = databases.password(&secret_of("spring", &name)).await?;
    kubectl(&databases.test_env, &["delete", "drive", "spring", "--timeout=50s"]).await?;
    eventually(COLLECTED, "the server to be gone", async || match look::<StatefulSet>(
        &databases.test_env,
        "spring-database",
    )
    .await?
    {
        None => Ok(()),
        Some(_) => Err("still there".into()),
    })
    .await?;
    assert!(
        look::<PersistentVolumeClaim>(&databases.test_env, "spring-database-data")
            .await?
            .is_some()
    );
    // Another life of the same drive proves by the password that stayed that the roles are its own.
    databases.test_env.apply(&drive).await?;
    databases.ready("spring").await?;
    assert_eq!(databases.password(&secret_of("spring", &name)).await?, password);
    let rows = real.column(&name, "SELECT count(*)::text FROM students").await?;
    assert_eq!(rows, ["1"]);
    Ok(())
}

#[tokio::test]
async fn a_server_that_was_a_service_goes_for_good_before_its_successor_starts() -> Result<(), Error> {
    let databases = Databases::start("db-successor").await?;
    // As the example wrote it before there was `database`.
    let by_hand = "
apiVersion: ras.dev/v1alpha1
kind: RecruitmentDrive
metadata: {name: spring}
spec:
  services:
  - name: database
    image: docker.io/library/postgres:17
    ports: [{name: postgres, port: 5432}]
    env: [{name: POSTGRES_PASSWORD, secret: {name: database, key: password}}]
    volumes: [{name: data, path: /var/lib/postgresql/data, size: 1Gi}]
  secrets: [{name: database, generate: {keys: [password]}}]
";
    databases.test_env.apply(by_hand).await?;
    databases.test_env.ready("spring").await?;
    let claims: Api<PersistentVolumeClaim> = databases.test_env.namespace.api();
    let claim = claims
        .get("spring-database-data")
        .await
        .map_err(failed("looking at the claim"))?;
    let password = databases.password("spring-database").await?;

    let start = crate::seen::mark(&databases.test_env).await?;
    let own = "credentials: Shared\n    managed: {provider: Standalone, version: 17, size: 1Gi}";
    databases
        .test_env
        .apply(&databases.on(own, "spring", &["portal"]))
        .await?;
    databases.ready("spring").await?;
    let same = claims
        .get("spring-database-data")
        .await
        .map_err(failed("looking at the claim"))?;
    assert_eq!(same.uid(), claim.uid(), "its data is found again");
    assert_eq!(
        databases.password("spring-database").await?,
        password,
        "and so is its password"
    );
    assert!(
        look::<Deployment>(&databases.test_env, "spring-database")
            .await?
            .is_none()
    );
    // The old one was asked to take its pods with it, and the new one was made only after that.
    let writes = asked(&databases.test_env, start, |event| {
        event.name == "spring-database"
            && matches!(event.resource.as_str(), "deployments" | "statefulsets")
            && event.is_write()
    })
    .await?;
    let order: Vec<_> = writes
        .iter()
        .map(|event| (event.verb.as_str(), event.resource.as_str()))
        .collect();
    assert_eq!(order.first(), Some(&("delete", "deployments")), "{order:?}");
    assert!(order.contains(&("patch", "statefulsets")), "{order:?}");
    Ok(())
}

#[tokio::test]
async fn what_a_drive_no_longer_asks_for_goes_and_its_data_stays() -> Result<(), Error> {
    let databases = Databases::start("db-removed").await?;
    let own = "managed: {provider: Standalone, version: 17, size: 1Gi}";
    databases
        .test_env
        .apply(&databases.on(own, "spring", &["portal"]))
        .await?;
    databases.ready("spring").await?;
    let without = "
apiVersion: ras.dev/v1alpha1
kind: RecruitmentDrive
metadata: {name: spring}
spec: {services: [{name: site, image: 'registry.example.com/site:1'}]}
";
    databases.test_env.apply(without).await?;
    eventually(PATIENCE, "the server and the Job to be gone", async || {
        let server = look::<StatefulSet>(&databases.test_env, "spring-database").await?;
        let map = look::<ConfigMap>(&databases.test_env, "spring-database").await?;
        let jobs = databases.jobs("spring").await?;
        if server.is_none() && map.is_none() && jobs.is_empty() {
            Ok(())
        } else {
            Err(format!("{} Jobs, {:?}", jobs.len(), server.is_some()).into())
        }
    })
    .await?;
    for (kept, name) in [
        ("persistentvolumeclaim", "spring-database-data"),
        ("secret", "spring-database-superuser"),
    ] {
        kubectl(&databases.test_env, &["get", kept, name]).await?;
    }
    let drive = databases
        .test_env
        .drives()
        .get("spring")
        .await
        .map_err(failed("looking at the drive"))?;
    assert!(drive.status.unwrap_or_default().database.is_none());
    databases
        .test_env
        .drives()
        .delete("spring", &DeleteParams::default())
        .await
        .map(drop)
        .map_err(failed("deleting the drive"))
}
