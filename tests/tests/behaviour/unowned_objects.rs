//! The operator never touches an object that it did not make, whatever its name and labels are.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api, ResourceExt as _,
    api::{DeleteParams, DynamicObject, ListParams},
};
use ras_core::kind::Kind;
use ras_crds::{ConditionType, Reason};
use ras_tests::{Error, PATIENCE, TestEnv, documents, eventually};
use serde_json::json;

use crate::{
    children::{EVERY_CHILD, api, at_rest, env_with_every_child, failed, uids},
    seen::{asked, because, because_with, mark, writes_children},
};

#[tokio::test]
async fn a_child_with_our_labels_but_another_owner_survives() -> Result<(), Error> {
    let test_env = env_with_every_child("other-owner").await?;
    let owner = owner(&test_env).await?;
    // One that its owner controls, and one that merely goes with it.
    for (name, controller) in [("controlled", true), ("owned", false)] {
        test_env.apply(&labelled("ConfigMap", name, &owner, controller)).await?;
        test_env.apply(&labelled("Service", name, &owner, controller)).await?;
    }
    let before = bystanders(&test_env).await?;
    assert_eq!(before.len(), 4, "{before:?}");

    // It looks for what it no longer asks for.
    let mut drive = documents(EVERY_CHILD)?.remove(0);
    drive["spec"].as_object_mut().unwrap().remove("exposure").unwrap();
    test_env.apply(&drive.to_string()).await?;
    test_env.ready("season").await?;
    at_rest(&test_env, "season").await?;
    assert_eq!(bystanders(&test_env).await?, before);

    let drives = test_env.drives();
    drives
        .delete("season", &DeleteParams::default())
        .await
        .map_err(failed("deleting the drive"))?;
    eventually(PATIENCE, "the drive's own children to go", async || {
        match uids(&test_env, "season").await?.len() {
            // Two volumes and three credentials are kept, and the four that are not ours.
            9 => Ok(()),
            other => Err(format!("{other} are left").into()),
        }
    })
    .await?;
    assert_eq!(bystanders(&test_env).await?, before);
    Ok(())
}

#[tokio::test]
async fn a_child_with_our_labels_but_another_owner_is_not_taken_over_and_the_drive_goes_on_once_it_is_gone()
-> Result<(), Error> {
    let test_env = TestEnv::start("in-the-way").await?;
    let owner = owner(&test_env).await?;
    test_env.apply(&labelled("Service", "season-web", &owner, true)).await?;
    test_env
        .apply(&labelled("ConfigMap", "season-web", &owner, false))
        .await?;
    let before = bystanders(&test_env).await?;
    assert_eq!(before.len(), 2, "{before:?}");

    test_env.apply(EVERY_CHILD).await?;
    because_with(
        &test_env,
        "season",
        ConditionType::Ready,
        Reason::ForeignObject,
        &[
            "Service/season-web exists and it belongs to ConfigMap/owner",
            "ConfigMap/season-web",
            "delete or rename it",
        ],
    )
    .await?;
    at_rest(&test_env, "season").await?;
    assert_eq!(bystanders(&test_env).await?, before);

    for kind in [Kind::Service, Kind::ConfigMap] {
        let api = api(&test_env, kind);
        api.delete("season-web", &DeleteParams::default())
            .await
            .map_err(failed("deleting what is in the way"))?;
    }
    test_env.ready("season").await.map(drop)
}

/// Objects that somebody made before the drive, under names that the drive wants.
const UNOWNED: &str = "
{apiVersion: v1, kind: ServiceAccount, metadata: {name: season}}
---
{apiVersion: v1, kind: Secret, metadata: {name: season-jwt}, stringData: {key: not-ours}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: season-web}, data: {mine: 'yes'}}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: season-store-data}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 2Gi}}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: season-web}
spec: {podSelector: {}, policyTypes: [Ingress]}
---
{apiVersion: v1, kind: Service, metadata: {name: season-web}, spec: {ports: [{port: 80}], selector: {app: mine}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: season-worker}
spec:
  selector: {matchLabels: {app: mine}}
  template:
    metadata: {labels: {app: mine}}
    spec: {containers: [{name: mine, image: 'registry.example.com/mine:1'}]}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: season-web}
spec: {selector: {matchLabels: {app: nobody}}, maxUnavailable: 1}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: season}
spec: {defaultBackend: {service: {name: mine, port: {number: 80}}}}
";

/// Children that would use the unowned account, volume and password.
const THEIR_USERS: [&str; 4] = [
    "Deployment/season-store",
    "Deployment/season-web",
    "HorizontalPodAutoscaler/season-worker",
    "StatefulSet/season-database",
];

#[tokio::test]
async fn an_object_of_the_same_name_that_is_not_ours_is_never_touched() -> Result<(), Error> {
    let test_env = TestEnv::start("unowned").await?;
    test_env.apply(UNOWNED).await?;
    settled(&test_env).await?;
    let before = unowned(&test_env).await?;
    let since = mark(&test_env).await?;

    test_env.apply(EVERY_CHILD).await?;
    let condition = because(&test_env, "season", ConditionType::Ready, Reason::ForeignObject).await?;
    for name in before.keys() {
        let sentence =
            format!("{name} exists and it was not made by ras-operator, so it is left alone: delete or rename it");
        assert!(
            condition.message.contains(&sentence),
            "{sentence}: {}",
            condition.message
        );
    }
    test_env.condition("season", ConditionType::Stalled, "True").await?;
    at_rest(&test_env, "season").await?;
    assert_eq!(
        unowned(&test_env).await?,
        before,
        "byte for byte, since the resourceVersion is among the bytes"
    );
    for event in asked(&test_env, since, writes_children).await? {
        let kind = Kind::ALL.iter().find(|kind| kind.resource().plural == event.resource);
        let name = format!("{}/{}", kind.unwrap(), event.name);
        // The attempt to make it is how it was found, and the API server refused that.
        assert!(event.code == 409 || !before.contains_key(&name), "{event:?}");
    }
    let made = uids(&test_env, "season").await?;

    // The conflicting objects are deleted. The operator gets no watch event for them and notices by itself.
    for name in before.keys() {
        let (kind, name) = name.split_once('/').unwrap();
        let kind = Kind::ALL.iter().find(|known| known.as_str() == kind).unwrap();
        let gone = api(&test_env, *kind).delete(name, &DeleteParams::default()).await;
        gone.map_err(failed(format!("deleting {kind} {name}")))?;
    }
    test_env.ready("season").await?;

    let all = uids(&test_env, "season").await?;
    // Jobs run as the account, too, and have their own files.
    let is_of_job = |name: &&String| name.starts_with("Job/") || name.starts_with("ConfigMap/season-store-migrate-");
    let late = all.keys().filter(|name| !made.contains_key(*name) && !is_of_job(name));
    let late: BTreeSet<&String> = late.collect();
    let users = THEIR_USERS.map(str::to_owned);
    let expected: BTreeSet<&String> = before.keys().chain(&users).collect();
    assert_eq!(late, expected, "every other child was made before");
    assert!(
        made.iter().all(|(name, uid)| all.get(name) == Some(uid)),
        "{made:?}, then {all:?}"
    );
    Ok(())
}

/// Makes the ConfigMap `owner`, and returns its UID.
async fn owner(test_env: &TestEnv) -> Result<String, Error> {
    test_env
        .apply("{apiVersion: v1, kind: ConfigMap, metadata: {name: owner}}")
        .await?;
    let owners: Api<ConfigMap> = test_env.namespace.api();
    let owner = owners.get("owner").await.map_err(failed("looking at the owner"))?;
    Ok(owner.uid().unwrap_or_default())
}

/// An object that has a drive's labels and belongs to the ConfigMap `owner`.
fn labelled(kind: &str, name: &str, owner: &str, controller: bool) -> String {
    let mut object = json!({
        "apiVersion": "v1",
        "kind": kind,
        "metadata": {
            "name": name,
            "labels": {
                "app.kubernetes.io/managed-by": "ras-operator",
                "ras.dev/drive": "season",
                "example.com/whose": "owner",
            },
            "ownerReferences": [
                {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner, "controller": controller},
            ],
        },
    });
    if kind == "Service" {
        object["spec"] = json!({"ports": [{"port": 80}]});
    }
    object.to_string()
}

/// The object of [`labelled`], as it is now.
async fn bystanders(test_env: &TestEnv) -> Result<BTreeMap<String, DynamicObject>, Error> {
    let mut found = BTreeMap::new();
    let ours = ListParams::default().labels("example.com/whose=owner");
    for kind in [Kind::ConfigMap, Kind::Service] {
        let list = api(test_env, kind).list(&ours).await.map_err(failed("listing"))?;
        found.extend(
            list.items
                .into_iter()
                .map(|object| (format!("{kind}/{}", object.name_any()), object)),
        );
    }
    Ok(found)
}

/// The objects of [`UNOWNED`], as they are now.
async fn unowned(test_env: &TestEnv) -> Result<BTreeMap<String, DynamicObject>, Error> {
    let mut found = BTreeMap::new();
    for document in documents(UNOWNED)? {
        let kind = Kind::ALL.iter().find(|kind| document["kind"] == kind.as_str()).unwrap();
        let name = document["metadata"]["name"].as_str().unwrap_or_default();
        let object = api(test_env, *kind)
            .get(name)
            .await
            .map_err(failed(format!("looking at {kind} {name}")))?;
        found.insert(format!("{kind}/{name}"), object);
    }
    Ok(found)
}

/// Waits until Kubernetes' own controllers have nothing more to say about [`UNOWNED`].
async fn settled(test_env: &TestEnv) -> Result<(), Error> {
    eventually(PATIENCE, "the unowned objects to be settled", async || {
        let found = unowned(test_env).await?;
        let status = |name: &str, pointer: &str| found[name].data.pointer(pointer).cloned().unwrap_or_default();
        let seen = [
            status("PersistentVolumeClaim/season-store-data", "/status/phase"),
            status("Deployment/season-worker", "/status/availableReplicas"),
            status("Deployment/season-worker", "/status/conditions/1/reason"),
            status("PodDisruptionBudget/season-web", "/status/observedGeneration"),
        ];
        if seen == [json!("Bound"), json!(1), json!("NewReplicaSetAvailable"), json!(1)] {
            Ok(())
        } else {
            Err(format!("{seen:?}").into())
        }
    })
    .await
}
