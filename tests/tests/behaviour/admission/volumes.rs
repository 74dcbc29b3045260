//! Volumes: changes of the storage class and of the size that the API server refuses.

use k8s_openapi::api::{apps::v1::Deployment, core::v1::PersistentVolumeClaim};
use kube::api::DeleteParams;
use ras_crds::{ConditionType, Reason};
use ras_tests::{Error, OperatorOptions, PATIENCE, ROLES, Shared, TestEnv, cluster, eventually};
use serde_json::{Value, json};

use super::IMAGE;
use crate::{
    children::{at_rest, failed},
    seen::{because_with, becomes, kubectl, look, restart_operator},
};

const VOLUME: &str = "
apiVersion: ras.dev/v1alpha1
kind: RecruitmentDrive
metadata: {name: spring}
spec:
  services:
  - name: api
    image: registry.example.com/api:1
    volumes: [{name: data, path: /data, size: 1Gi}]
";

async fn claim(test_env: &TestEnv, pointer: &str) -> Result<Value, Error> {
    let found = look::<PersistentVolumeClaim>(test_env, "spring-api-data").await?;
    Ok(found
        .and_then(|found| found.pointer(pointer).cloned())
        .unwrap_or_default())
}

const CLASS: &str = "/spec/storageClassName";

const REQUEST: &str = "/spec/resources/requests/storage";

#[tokio::test]
async fn another_storage_class_of_the_platform_is_for_new_volumes_alone() -> Result<(), Error> {
    let folder = tempfile::tempdir().expect("a folder");
    let options = |class: &str| {
        let path = folder.path().join(format!("{class}.yaml"));
        std::fs::write(&path, format!("storage: {{className: {class}}}\n")).expect("settings");
        let options = OperatorOptions::with_roles(ROLES).argument("--platform-config");
        options.argument(path.display().to_string())
    };
    // The class of these simulated volumes, and one that nobody provides.
    let (old, new) = (options("kwok-volume"), options("gp3"));
    let mut test_env = TestEnv::with(Shared::All(cluster().await?), "class", &old).await?;
    test_env.apply(VOLUME).await?;
    test_env.ready("spring").await?;
    restart_operator(&mut test_env, &new).await?;
    test_env.apply(&VOLUME.replace("api:1", "api:2")).await?;
    becomes(&test_env, "spring-api", IMAGE, &json!("registry.example.com/api:2")).await?;
    test_env.ready("spring").await?;
    assert_eq!(claim(&test_env, CLASS).await?, "kwok-volume");

    // The drive may name the class that its volume has, and no other.
    let named = |class: &str| VOLUME.replace("size: 1Gi", &format!("size: 1Gi, storageClassName: {class}"));
    test_env.apply(&named("gp3")).await?;
    because_with(
        &test_env,
        "spring",
        ConditionType::Stalled,
        Reason::InvalidSpec,
        &[
            "spec.services[0].volumes[0].storageClassName",
            "has the storage class \"kwok-volume\"",
            "remove the field",
        ],
    )
    .await?;
    test_env.apply(VOLUME).await?;
    test_env.ready("spring").await?;
    let drives = test_env.drives();
    let gone = drives.delete("spring", &DeleteParams::default()).await;
    gone.map_err(failed("deleting the drive"))?;
    eventually(
        PATIENCE,
        "the Deployment to be gone",
        async || match look::<Deployment>(&test_env, "spring-api").await? {
            None => Ok(()),
            Some(_) => Err("it is there".into()),
        },
    )
    .await?;
    // The volume stays, and a drive of the same name finds it with its class.
    test_env.apply(VOLUME).await?;
    test_env.ready("spring").await?;
    test_env.apply(&named("kwok-volume")).await?;
    test_env.ready("spring").await?;
    assert_eq!(claim(&test_env, CLASS).await?, "kwok-volume");
    Ok(())
}

#[tokio::test]
async fn a_growth_that_the_storage_class_refuses_is_told_as_it_is_and_taken_back() -> Result<(), Error> {
    let test_env = TestEnv::start("no-growth").await?;
    test_env.apply(VOLUME).await?;
    test_env.ready("spring").await?;
    let larger = VOLUME.replace("1Gi", "2Gi").replace("api:1", "api:2");
    test_env.apply(&larger).await?;
    let condition = because_with(
        &test_env,
        "spring",
        ConditionType::Ready,
        Reason::Refused,
        &[
            "PersistentVolumeClaim/spring-api-data",
            "must support resize",
            "set the size that the volume has",
        ],
    )
    .await?;
    assert!(
        !condition.message.contains("role") && !condition.message.contains("permission"),
        "{}",
        condition.message
    );
    // A volume that stays as it is serves the next version as well.
    becomes(&test_env, "spring-api", IMAGE, &json!("registry.example.com/api:2")).await?;

    test_env.apply(VOLUME).await?;
    test_env.ready("spring").await?;
    test_env.apply(&VOLUME.replace("1Gi", "512Mi")).await?;
    because_with(
        &test_env,
        "spring",
        ConditionType::Stalled,
        Reason::InvalidSpec,
        &["spec.services[0].volumes[0].size", "set 1Gi or more"],
    )
    .await?;
    test_env.apply(VOLUME).await?;
    test_env.ready("spring").await?;
    assert_eq!(claim(&test_env, REQUEST).await?, "1Gi");
    Ok(())
}

#[tokio::test]
async fn a_growth_that_never_came_is_taken_back_to_what_the_volume_has() -> Result<(), Error> {
    let test_env = TestEnv::alone("pending-growth", &OperatorOptions::with_roles(ROLES)).await?;
    // It says that it can, and nobody makes it so.
    kubectl(
        &test_env,
        &[
            "patch",
            "storageclass",
            "kwok-volume",
            "--patch",
            "{\"allowVolumeExpansion\": true}",
        ],
    )
    .await?;
    test_env.apply(VOLUME).await?;
    test_env.ready("spring").await?;
    test_env.apply(&VOLUME.replace("1Gi", "4Gi")).await?;
    let asks_for = async |size: &str| {
        eventually(PATIENCE, &format!("the claim to ask for {size}"), async || {
            let seen = claim(&test_env, REQUEST).await?;
            if seen == size {
                Ok(())
            } else {
                Err(seen.to_string().into())
            }
        })
        .await
        .map_err(|error| error.with_log(&test_env.operator.log()))
    };
    asks_for("4Gi").await?;
    assert_eq!(claim(&test_env, "/status/capacity/storage").await?, "1Gi");
    test_env.apply(&VOLUME.replace("1Gi", "2Gi")).await?;
    asks_for("2Gi").await?;
    // Kubernetes takes a request back to more than the volume has, and not to just that.
    test_env.apply(VOLUME).await?;
    asks_for("1073741825").await?;
    test_env.ready("spring").await?;
    at_rest(&test_env, "spring").await.map(drop)
}
