//! Drift: what somebody else does to a drive's children, and what becomes of it.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, ResourceExt as _,
    api::{DeleteParams, DynamicObject, ListParams, Patch, PatchParams},
};
use ras_core::kind::Kind;
use ras_tests::{AuditEvent, Error, PATIENCE, TestEnv};
use serde_json::{Value, json};

use crate::{
    children::{api, at_rest, children, env_with_every_child, failed, kinds, meddle},
    seen::{IMAGE, asked, kubectl, mark, writes_children},
};

/// One field of each kind that the operator sets, and what somebody makes of it.
fn drifts() -> Vec<(Kind, &'static str, &'static str, Value)> {
    vec![
        (
            Kind::ServiceAccount,
            "season",
            "/automountServiceAccountToken",
            json!(true),
        ),
        (
            Kind::Secret,
            "season-jwt",
            "/metadata/labels/app.kubernetes.io~1part-of",
            json!("something-else"),
        ),
        (
            Kind::ConfigMap,
            "season-web",
            "/data/app_config.yaml",
            json!("key: none\n"),
        ),
        (
            Kind::PersistentVolumeClaim,
            "season-store-data",
            "/metadata/labels/ras.dev~1service",
            json!("web"),
        ),
        (
            Kind::NetworkPolicy,
            "season-web",
            "/spec/ingress/0/ports/0/port",
            json!(22),
        ),
        (
            Kind::Service,
            "season-web",
            "/spec/selector/ras.dev~1service",
            json!("worker"),
        ),
        (
            Kind::Deployment,
            "season-web",
            IMAGE,
            json!("registry.example.com/evil:1"),
        ),
        (
            Kind::StatefulSet,
            "season-database",
            IMAGE,
            json!("registry.example.com/evil:1"),
        ),
        (
            Kind::HorizontalPodAutoscaler,
            "season-worker",
            "/spec/maxReplicas",
            json!(100),
        ),
        (
            Kind::PodDisruptionBudget,
            "season-web",
            "/spec/maxUnavailable",
            json!(2),
        ),
        (Kind::Ingress, "season", "/spec/rules/0/host", json!("evil.example.com")),
        (
            Kind::ServiceMonitor,
            "season-web",
            "/spec/endpoints/0/port",
            json!("http"),
        ),
        (
            Kind::PrometheusRule,
            "season",
            "/spec/groups/0/rules/0/expr",
            json!("vector(0)"),
        ),
        (
            Kind::ExternalSecret,
            "season-mail",
            "/spec/secretStoreRef/name",
            json!("elsewhere"),
        ),
    ]
}

#[tokio::test]
async fn what_somebody_changes_in_a_child_of_any_kind_is_put_back_and_what_they_add_stays() -> Result<(), Error> {
    let test_env = env_with_every_child("drift").await?;
    let tried: BTreeSet<Kind> = drifts().iter().map(|(kind, ..)| *kind).collect();
    // A Job cannot be changed where it matters, and one that has ended is evidence as it is.
    let all = kinds().filter(|kind| *kind != Kind::Job);
    assert_eq!(tried, all.collect(), "a kind is not tried");
    for (kind, name, field, meddled) in drifts() {
        let api = api(&test_env, kind);
        let right = part(&api, name, field).await?;
        assert!(
            !right.is_null() && right != meddled,
            "{kind} {name} has {right} at {field}"
        );
        let changed = meddle(&api, name, |object| {
            if let Some(place) = object.pointer_mut(field) {
                *place = meddled.clone();
            }
            add(object);
        });
        let changed = changed.await?;
        let started = Instant::now();
        back(
            &test_env,
            &format!("{field} of {kind} {name} to be {right} again"),
            async || Ok(part(&api, name, field).await? == right),
        )
        .await?;
        println!("{kind}: put back after {} ms", started.elapsed().as_millis());

        let now = api.get(name).await.map_err(failed("looking"))?;
        assert_eq!(now.uid(), changed.uid(), "it was made anew, not put back");
        let now = serde_json::to_value(now).unwrap();
        for (added, value) in additions(&now) {
            assert_eq!(now.pointer(added), Some(&value), "{kind}: {added}");
        }
    }
    test_env.ready("season").await.map(drop)
}

#[tokio::test]
async fn what_somebody_adds_to_a_child_makes_the_operator_write_nothing() -> Result<(), Error> {
    let test_env = env_with_every_child("additions").await?;
    let since = mark(&test_env).await?;
    for (kind, name, ..) in drifts() {
        meddle(&api(&test_env, kind), name, add).await?;
    }
    at_rest(&test_env, "season").await?;
    let written = asked(&test_env, since, writes_children).await?;
    assert!(written.is_empty(), "{written:#?}");
    for (kind, name, ..) in drifts() {
        let now = serde_json::to_value(api(&test_env, kind).get(name).await.map_err(failed("looking"))?).unwrap();
        for (added, value) in additions(&now) {
            assert_eq!(now.pointer(added), Some(&value), "{kind}: {added}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_child_of_any_kind_that_somebody_deletes_comes_back() -> Result<(), Error> {
    let test_env = env_with_every_child("deleted").await?;
    for (kind, name, ..) in drifts() {
        let api = api(&test_env, kind);
        let before = api.get(name).await.map_err(failed("looking"))?;
        if kind == Kind::PersistentVolumeClaim {
            // Otherwise it stays away until a person accepts the loss: see `data_loss`.
            let accepted = format!("ras.dev/accept-data-loss={name}@{}", before.uid().unwrap_or_default());
            kubectl(&test_env, &["annotate", "recruitmentdrive", "season", &accepted]).await?;
        }
        api.delete(name, &DeleteParams::default())
            .await
            .map_err(failed(format!("deleting {kind} {name}")))?;
        if kind == Kind::PersistentVolumeClaim {
            // Kubernetes keeps a claim until no pod uses it any more.
            let pods: Api<Pod> = test_env.namespace.api();
            let users = ListParams::default().labels("ras.dev/service=store");
            pods.delete_collection(&DeleteParams::default(), &users)
                .await
                .map_err(failed("deleting pods"))?;
        }
        let started = Instant::now();
        back(&test_env, &format!("another {kind} {name}"), async || {
            let now = api.get_opt(name).await.map_err(failed("looking"))?;
            Ok(now.is_some_and(|now| now.uid() != before.uid() && now.labels() == before.labels()))
        })
        .await?;
        println!("{kind}: back after {} ms", started.elapsed().as_millis());
        if kind == Kind::Secret {
            let (old, new) = (
                key_of(&before),
                key_of(&api.get(name).await.map_err(failed("looking"))?),
            );
            assert!(
                new.is_string() && new != old,
                "a generated secret that is deleted is made anew"
            );
        }
    }
    test_env.ready("season").await.map(drop)
}

#[tokio::test]
async fn labels_and_owners_that_somebody_strips_are_put_back() -> Result<(), Error> {
    type Strip = fn(&mut Value);

    let test_env = env_with_every_child("stripped").await?;
    let strips: [(&str, Strip); 3] = [
        ("the label by which the operator watches it", |metadata| {
            metadata["labels"]
                .as_object_mut()
                .and_then(|labels| labels.remove("app.kubernetes.io/managed-by"));
        }),
        ("all labels", |metadata| metadata["labels"] = json!({})),
        ("labels and owner", |metadata| {
            metadata["labels"] = json!({});
            metadata["ownerReferences"] = json!([]);
        }),
    ];
    let mut all = children(&test_env, "season").await?;
    all.retain(|name, _| !name.starts_with("Job/"));
    for (name, before) in all {
        let kind = Kind::ALL
            .iter()
            .find(|kind| name.starts_with(&format!("{kind}/")))
            .unwrap();
        let api = api(&test_env, *kind);
        for (what, strip) in strips {
            meddle(&api, &before.name_any(), |object| strip(&mut object["metadata"])).await?;
            back(&test_env, &format!("{what} of {name} to be back"), async || {
                let now = api.get(&before.name_any()).await.map_err(failed("looking"))?;
                assert_eq!(now.uid(), before.uid(), "{name} was made anew, not put back");
                Ok(now.labels() == before.labels() && now.owner_references() == before.owner_references())
            })
            .await?;
        }
    }
    test_env.ready("season").await.map(drop)
}

#[tokio::test]
async fn a_status_that_somebody_else_wrote_is_put_back_with_one_write() -> Result<(), Error> {
    let test_env = TestEnv::start("status").await?;
    test_env
        .apply(
            "{apiVersion: ras.dev/v1alpha1, kind: RecruitmentDrive, metadata: {name: spring}, \
             spec: {services: [{name: web, image: registry.example.com/web:1}]}}",
        )
        .await?;
    let ready = test_env.ready("spring").await?;
    at_rest(&test_env, "spring").await?;
    let since = mark(&test_env).await?;
    let mut lie = serde_json::to_value(&ready).unwrap();
    lie["status"] = json!("False");
    lie["message"] = json!("nothing works");
    let lie = Patch::Merge(json!({"status": {"conditions": [lie]}}));
    let lied = test_env
        .drives()
        .patch_status("spring", &PatchParams::default(), &lie)
        .await;
    lied.map_err(failed("writing a status"))?;

    assert_eq!(test_env.ready("spring").await?.message, ready.message);
    at_rest(&test_env, "spring").await?;
    let writes = asked(&test_env, since, AuditEvent::is_write).await?;
    assert_eq!(writes.len(), 1, "{writes:#?}");
    Ok(())
}

/// Additions that the operator does not set: annotations, and containers that injectors add to pods.
fn add(object: &mut Value) {
    for place in ["labels", "annotations"] {
        object["metadata"][place]["example.com/added"] = json!("by-somebody");
    }
    if object["kind"] == "Deployment" {
        object["spec"]["template"]["metadata"]["annotations"]["example.com/injected"] = json!("yes");
        let pod = &mut object["spec"]["template"]["spec"];
        if let Some(containers) = pod["containers"].as_array_mut() {
            containers.push(json!({"name": "mesh", "image": "registry.example.com/mesh:1"}));
        }
        if let Some(env) = pod["containers"][0]["env"].as_array_mut() {
            env.push(json!({"name": "TRACE_AGENT", "value": "mesh"}));
        }
    }
}

/// Where [`add`] leaves what, so that it can be looked for.
fn additions(object: &Value) -> Vec<(&'static str, Value)> {
    let mut added = vec![
        ("/metadata/labels/example.com~1added", json!("by-somebody")),
        ("/metadata/annotations/example.com~1added", json!("by-somebody")),
    ];
    if object["kind"] == "Deployment" {
        added.push((
            "/spec/template/metadata/annotations/example.com~1injected",
            json!("yes"),
        ));
        added.push((
            "/spec/template/spec/containers/1/image",
            json!("registry.example.com/mesh:1"),
        ));
        added.push((
            "/spec/template/spec/containers/0/env/1",
            json!({"name": "TRACE_AGENT", "value": "mesh"}),
        ));
    }
    added
}

async fn part(api: &Api<DynamicObject>, name: &str, field: &str) -> Result<Value, Error> {
    let object = api.get(name).await.map_err(failed(format!("looking at {name}")))?;
    Ok(serde_json::to_value(object)
        .unwrap()
        .pointer(field)
        .cloned()
        .unwrap_or_default())
}

fn key_of(secret: &DynamicObject) -> Value {
    secret.data["data"]["key"].clone()
}

/// Looks more often than `eventually` does, because the time it takes is printed.
async fn back(test_env: &TestEnv, what: &str, is_back: impl AsyncFn() -> Result<bool, Error>) -> Result<(), Error> {
    let started = Instant::now();
    while !is_back().await? {
        if started.elapsed() > PATIENCE {
            let error = Error::Waited {
                what: what.to_owned(),
                waited: started.elapsed(),
                last_seen: "not yet".to_owned(),
            };
            return Err(error.with_log(&test_env.operator.log()));
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok(())
}
