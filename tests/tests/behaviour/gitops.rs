//! What Argo CD and Flux make of a drive's objects. Argo CD is played here by the one thing that matters: with label tracking it
//! takes every object with its Application's name in `app.kubernetes.io/instance` for its own, and prunes those that are not in
//! Git and that no other object owns.

use std::collections::BTreeMap;

use k8s_openapi::api::{apps::v1::Deployment, core::v1::Pod};
use kube::{
    Api, ResourceExt as _,
    api::{DeleteParams, DynamicObject, ListParams, PostParams},
};
use ras_core::kind::Kind;
use ras_tests::{Error, OperatorOptions, PATIENCE, ROLES, TestEnv, eventually};
use serde_json::{Value, json};

use crate::{
    children::{api, at_rest, children, env_with_every_child, failed, kinds, uids},
    deletion::KEPT,
    seen::restart_operator,
};

const INSTANCE: &str = "app.kubernetes.io/instance";
/// Annotations for Argo CD and Flux on each object with data.
const KEEP: [(&str, &str); 2] = [
    ("argocd.argoproj.io/sync-options", "Prune=false,Delete=false"),
    ("kustomize.toolkit.fluxcd.io/prune", "disabled"),
];

/// Deletes what Argo CD would prune from an Application named `test_env`, and returns what that was.
async fn prune(test_env: &TestEnv) -> Result<Vec<String>, Error> {
    let mut pruned = Vec::new();
    for kind in kinds() {
        let of_application = ListParams::default().labels(&format!("{INSTANCE}=season"));
        let found = api(test_env, kind).list(&of_application).await;
        let top_level = found.map_err(failed(format!("listing {kind}")))?.items.into_iter();
        for object in top_level.filter(|object| object.owner_references().is_empty()) {
            let name = object.name_any();
            let deleted = api(test_env, kind).delete(&name, &DeleteParams::default()).await;
            deleted.map_err(failed(format!("deleting {name}")))?;
            pruned.push(format!("{kind}/{name}"));
        }
    }
    Ok(pruned)
}

/// Kind and name of each object that holds data.
fn data() -> impl Iterator<Item = (Kind, &'static str)> {
    KEPT.iter().map(|kept| {
        let (kind, name) = kept.split_once('/').unwrap();
        let kind = Kind::ALL.iter().copied().find(|known| known.as_str() == kind);
        (kind.unwrap(), name)
    })
}

fn keeps(object: &DynamicObject) -> bool {
    let said = |(name, value): (&str, &str)| object.annotations().get(name).map(String::as_str) == Some(value);
    KEEP.into_iter().all(said) && !object.labels().contains_key(INSTANCE)
}

#[tokio::test]
async fn pruning_by_label_takes_no_data_of_a_drive() -> Result<(), Error> {
    let test_env = env_with_every_child("gitops-prune").await?;
    let before = uids(&test_env, "season").await?;
    assert_eq!(prune(&test_env).await?, Vec::<String>::new());
    assert_eq!(uids(&test_env, "season").await?, before);
    let found = children(&test_env, "season").await?;
    for name in KEPT {
        let object = found.get(name).unwrap();
        assert!(keeps(object), "{name}: {:?}", object.metadata);
    }

    // Nor what a deleted drive left, however it was deleted.
    let drives = test_env.drives();
    let orphan = DeleteParams {
        propagation_policy: Some(kube::api::PropagationPolicy::Orphan),
        ..DeleteParams::default()
    };
    drives
        .delete("season", &orphan)
        .await
        .map_err(failed("deleting the drive"))?;
    eventually(
        PATIENCE,
        "the drive to be gone and its objects to have no owner",
        async || {
            let drive = test_env
                .drives()
                .get_opt("season")
                .await
                .map_err(|error| error.to_string())?;
            let children = children(&test_env, "season").await.map_err(|error| error.to_string())?;
            let owned = children.values().any(|child| {
                child
                    .owner_references()
                    .iter()
                    .any(|owner| owner.kind == "RecruitmentDrive")
            });
            if drive.is_none() && !owned {
                Ok(())
            } else {
                Err("not yet".into())
            }
        },
    )
    .await?;
    prune(&test_env).await?;
    let after = uids(&test_env, "season").await?;
    for name in KEPT {
        assert_eq!(after.get(name), before.get(name), "{name} was pruned");
    }
    Ok(())
}

/// Makes an object what the operator of an earlier version left: with the label, without the annotations, and with the label
/// among the fields of the operator's own entry, the time of which stays.
async fn as_earlier(api: &Api<DynamicObject>, name: &str) -> Result<(), Error> {
    let what = || failed(format!("changing {name}"));
    let somebody = PostParams {
        field_manager: Some("somebody".to_owned()),
        ..PostParams::default()
    };
    let original = api.get(name).await.map_err(what())?;
    let mut object = original.clone();
    object.labels_mut().insert(INSTANCE.to_owned(), "season".to_owned());
    for (annotation, _) in KEEP {
        object.annotations_mut().remove(annotation);
    }
    let applied = "ras.dev/applied".to_owned();
    object.annotations_mut().insert(applied, "0123456789abcdef".to_owned());
    let mut object = api.replace(name, &somebody, &object).await.map_err(what())?;
    let mut entries = original.managed_fields().to_vec();
    let ours = entries.iter_mut().find(|entry| {
        let labels = entry
            .fields_v1
            .as_ref()
            .and_then(|fields| fields.0.pointer("/f:metadata/f:labels"));
        entry.manager.as_deref() == Some("ras-operator") && labels.is_some()
    });
    let fields = ours
        .and_then(|entry| entry.fields_v1.as_mut())
        .map(|fields| &mut fields.0);
    let labels = fields.and_then(|fields| fields.pointer_mut("/f:metadata/f:labels"));
    labels
        .and_then(Value::as_object_mut)
        .unwrap()
        .insert(format!("f:{INSTANCE}"), json!({}));
    object.metadata.managed_fields = Some(entries);
    api.replace(name, &somebody, &object).await.map(drop).map_err(what())
}

/// UIDs of the pods and generations of the Deployments, which change if a pod is replaced.
async fn pods(test_env: &TestEnv) -> Result<BTreeMap<String, String>, Error> {
    let of_drive = ListParams::default().labels("ras.dev/drive=season,ras.dev/service");
    let pods = test_env.namespace.api::<Pod>().list(&of_drive).await;
    let pods = pods.map_err(failed("listing pods"))?.items.into_iter();
    let deployments = test_env.namespace.api::<Deployment>().list(&of_drive).await;
    let deployments = deployments.map_err(failed("listing Deployments"))?.items.into_iter();
    Ok(pods
        .map(|pod| (pod.name_any(), pod.uid().unwrap_or_default()))
        .chain(deployments.map(|one| {
            let generation = one.metadata.generation.unwrap_or_default();
            (one.name_any(), generation.to_string())
        }))
        .collect())
}

#[tokio::test]
async fn data_of_an_earlier_version_leaves_argo_cds_reach_and_no_pod_restarts() -> Result<(), Error> {
    let mut test_env = env_with_every_child("gitops-upgrade").await?;
    let before = (pods(&test_env).await?, uids(&test_env, "season").await?);
    test_env.operator.stop().await?;
    for (kind, name) in data() {
        as_earlier(&api(&test_env, kind), name).await?;
    }
    restart_operator(&mut test_env, &OperatorOptions::with_roles(ROLES)).await?;
    for (kind, name) in data() {
        eventually(
            PATIENCE,
            &format!("{kind}/{name} to be left to the drive"),
            async || {
                let object = api(&test_env, kind)
                    .get(name)
                    .await
                    .map_err(|error| error.to_string())?;
                if keeps(&object) {
                    Ok(())
                } else {
                    Err(format!("{:?} {:?}", object.labels(), object.annotations()).into())
                }
            },
        )
        .await
        .map_err(|error| error.with_log(&test_env.operator.log()))?;
    }
    at_rest(&test_env, "season").await?;
    assert_eq!((pods(&test_env).await?, uids(&test_env, "season").await?), before);
    Ok(())
}

#[tokio::test]
async fn a_label_that_a_restored_backup_brings_back_is_taken_off_again() -> Result<(), Error> {
    let test_env = env_with_every_child("gitops-restore").await?;
    let before = pods(&test_env).await?;
    for (kind, name) in data() {
        crate::children::meddle(&api(&test_env, kind), name, |object| {
            object["metadata"]["labels"][INSTANCE] = json!("season");
        })
        .await?;
    }
    for (kind, name) in data() {
        eventually(PATIENCE, &format!("{kind}/{name} to lose the label"), async || {
            let object = api(&test_env, kind)
                .get(name)
                .await
                .map_err(|error| error.to_string())?;
            if keeps(&object) {
                Ok(())
            } else {
                Err(format!("{:?}", object.labels()).into())
            }
        })
        .await
        .map_err(|error| error.with_log(&test_env.operator.log()))?;
    }
    at_rest(&test_env, "season").await?;
    assert_eq!(pods(&test_env).await?, before);
    Ok(())
}
