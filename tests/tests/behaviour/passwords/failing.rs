//! A rotation that cannot be completed is rolled back or continued, and no service loses its login.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::{
    Api, ResourceExt as _,
    api::{ListParams, Patch, PatchParams},
};
use ras_core::names;
use ras_crds::{ConditionType, Reason};
use ras_tests::{Error, OperatorOptions, PATIENCE, ROLES, eventually};
use serde_json::Value;

use super::{begin, drive, login, request_rotation, rotated};
use crate::children::{at_rest, failed};
use crate::databases::{Databases, secret_of};
use crate::seen::{TEMPLATE, because, kubectl, look, restart_operator};

/// Only on nodes with this label does the portal's next pod start: without it the test plays the kubelet.
const POOL: &str = "ras.test/pw-rolled-back";

/// Writes what a kubelet would of pods that crash with this user, and returns the name of one. The pod's own time lies so far
/// back that it counts as lasting soon.
async fn crash(databases: &Databases, user: &str) -> Result<String, Error> {
    let pods: Api<Pod> = databases.test_env.namespace.api();
    let of_portal = ListParams::default().labels("ras.dev/service=portal");
    let pod = eventually(PATIENCE, "a pod with the next login", async || {
        let has_it = |pod: &Pod| {
            let env = pod
                .spec
                .iter()
                .flat_map(|spec| &spec.containers)
                .flat_map(|container| &container.env);
            let mut user_of = env.flatten().filter(|variable| variable.name == "DATABASE_USER");
            user_of.any(|variable| variable.value.as_deref() == Some(user))
        };
        let all = pods.list(&of_portal).await?.items;
        all.into_iter().find(has_it).ok_or_else(|| "none".into())
    })
    .await
    .map_err(|error| error.with_log(&databases.test_env.operator.log()))?;
    let container = &pod.spec.as_ref().unwrap().containers[0];
    let status = serde_json::json!({"status": {"phase": "Running", "containerStatuses": [{
        "name": container.name, "image": container.image, "imageID": "", "ready": false, "restartCount": 4,
        "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off"}},
        "lastState": {"terminated": {"exitCode": 3, "reason": "Error",
            "message": "FATAL: role portaladmin is not permitted, password=hunter2secret"}},
    }]}});
    pods.patch_status(&pod.name_any(), &PatchParams::default(), &Patch::Strategic(&status))
        .await
        .map_err(failed("writing a pod's status"))?;
    Ok(pod.name_any())
}

#[tokio::test]
async fn a_rotation_whose_pods_crash_is_rolled_back_and_the_next_request_rotates() -> Result<(), Error> {
    let mut databases = Databases::start("pw-crash").await?;
    let nodes = async |label: &str| {
        kubectl(&databases.test_env, &["label", "nodes", "--all", "--overwrite", label])
            .await
            .map(drop)
    };
    let (with, without) = (format!("{POOL}=here"), format!("{POOL}-"));
    nodes(&with).await?;
    databases.connection(databases.server.password()).await?;
    let pinned = format!("portal:1', scheduling: {{nodeSelector: {{{POOL}: here}}}}, ");
    let drive = drive(&databases, "").replace("portal:1', ", &pinned);
    databases.test_env.apply(&drive).await?;
    databases.ready("spring").await?;
    let owner = databases.name("portal");
    let first = databases.password(&secret_of("spring", &owner)).await?;
    let gets_in = async |user: &str, password: &str| databases.server.connect(user, password, &owner).await.is_ok();
    let before = look::<Deployment>(&databases.test_env, "spring-portal").await?.unwrap();
    nodes(&without).await?;

    let second_user = format!("{owner}_2");
    request_rotation(&databases, "1").await?;
    let pod = crash(&databases, &second_user).await?;
    let moved = login(&databases).await?;
    assert_eq!((moved.generation, moved.awaits), (1, vec!["portal".to_owned()]));
    let rotation = eventually(2 * PATIENCE, "the rotation to be rolled back", async || {
        match login(&databases).await? {
            login if login.rolled_back.is_some() => Ok(login),
            other => Err(format!("{other:?}").into()),
        }
    })
    .await
    .map_err(|error| error.with_log(&databases.test_env.operator.log()))?;
    assert_eq!(
        (rotation.generation, rotation.answered.as_deref()),
        (2, Some("database@1")),
        "{rotation:?}"
    );
    let why = rotation.rolled_back.unwrap().message;
    for word in ["service \"portal\"", &pod, &second_user, "FATAL: role portaladmin"] {
        assert!(why.contains(word), "{word}: {why}");
    }
    assert!(!why.contains("hunter2secret"), "{why}");
    databases.ready("spring").await?;
    let after = look::<Deployment>(&databases.test_env, "spring-portal").await?.unwrap();
    assert_eq!(after.pointer(TEMPLATE), before.pointer(TEMPLATE));
    assert_eq!(databases.password(&secret_of("spring", &owner)).await?, first);
    assert!(gets_in(&owner, &first).await, "the previous login works");
    let ready = databases
        .test_env
        .condition("spring", ConditionType::DatabaseReady, "True")
        .await?;
    for word in ["rotation 1 was rolled back", &pod, "DATABASE_USER", "ras.dev/rotate"] {
        assert!(ready.message.contains(word), "{word}: {}", ready.message);
    }
    eventually(PATIENCE, "a Warning", async || {
        let events = kubectl(
            &databases.test_env,
            &[
                "get",
                "events",
                "--field-selector=reason=DatabaseLoginsRolledBack",
                "--output=jsonpath={.items[*].type}",
            ],
        )
        .await?;
        if events == "Warning" {
            Ok(())
        } else {
            Err(events.into())
        }
    })
    .await?;
    at_rest(&databases.test_env, "spring").await?;

    // Another operator does not try it again, and the next request does, with a password of its own.
    let second = names::second_password("spring", ras_crds::spec::DatabaseCredentials::PerDatabase, &owner);
    let unused = databases.password(&second).await?;
    restart_operator(&mut databases.test_env, &OperatorOptions::with_roles(ROLES)).await?;
    databases.ready("spring").await?;
    at_rest(&databases.test_env, "spring").await?;
    assert_eq!(login(&databases).await?.generation, 2);
    kubectl(&databases.test_env, &["label", "nodes", "--all", "--overwrite", &with]).await?;
    request_rotation(&databases, "2").await?;
    let rotation = rotated(&databases, 3).await?;
    assert_eq!(
        (rotation.rolled_back, rotation.answered.as_deref()),
        (None, Some("database@2"))
    );
    let drawn = databases.password(&second).await?;
    assert_ne!(drawn, unused);
    assert!(gets_in(&second_user, &drawn).await && gets_in(&owner, &first).await);
    kubectl(&databases.test_env, &["label", "nodes", "--all", &without])
        .await
        .map(drop)
}

#[tokio::test]
async fn an_operator_that_is_killed_at_any_step_of_a_rotation_locks_nobody_out() -> Result<(), Error> {
    let mut databases = Databases::start("pw-killed").await?;
    let programs = begin(&databases, "").await?;
    let options = OperatorOptions::with_roles(ROLES);
    let owner = databases.name("portal");
    let second = names::second_password("spring", ras_crds::spec::DatabaseCredentials::PerDatabase, &owner);
    let first = secret_of("spring", &owner);
    for generation in 1..=3_i64 {
        let secret = if generation % 2 == 1 { &second } else { &first };
        request_rotation(&databases, &generation.to_string()).await?;
        // As soon as a password is drawn, as soon as its Job is there, and as soon as status says that services get it.
        eventually(PATIENCE, "a password to be drawn", async || {
            let found = look::<Secret>(&databases.test_env, secret).await?.unwrap_or_default();
            match &found["metadata"]["annotations"]["ras.dev/login-generation"] {
                Value::String(number) if number.parse() == Ok(generation) => Ok(()),
                other => Err(other.to_string().into()),
            }
        })
        .await?;
        restart_operator(&mut databases.test_env, &options).await?;
        let of_drive = ListParams::default().labels("ras.dev/drive=spring,ras.dev/job=prepare");
        eventually(PATIENCE, "a Job", async || {
            let jobs: Api<Job> = databases.test_env.namespace.api();
            let now = login(&databases).await?.generation;
            if now == generation || !jobs.list(&of_drive).await?.items.is_empty() {
                Ok(())
            } else {
                Err("none".into())
            }
        })
        .await?;
        restart_operator(&mut databases.test_env, &options).await?;
        eventually(PATIENCE, "status to say so", async || {
            match login(&databases).await?.generation {
                now if now == generation => Ok(()),
                now => Err(now.into()),
            }
        })
        .await?;
        restart_operator(&mut databases.test_env, &options).await?;
        rotated(&databases, generation).await?;
        programs.connect().await?;
    }
    at_rest(&databases.test_env, "spring").await?;
    programs.never_failed();
    Ok(())
}

#[tokio::test]
async fn a_job_that_fails_leaves_services_with_what_works_and_a_mended_server_lets_it_go_on() -> Result<(), Error> {
    let databases = Databases::start("pw-failed").await?;
    let programs = begin(&databases, "").await?;
    let before = look::<Deployment>(&databases.test_env, "spring-portal").await?.unwrap();
    // Somebody has a role of that name.
    let taken = format!("{}_2", databases.name("portal"));
    databases
        .server
        .execute("postgres", &format!("CREATE ROLE {taken} LOGIN"))
        .await?;
    request_rotation(&databases, "1").await?;
    let condition = because(
        &databases.test_env,
        "spring",
        ConditionType::DatabaseReady,
        Reason::DatabaseNotOurs,
    )
    .await?;
    assert!(condition.message.contains(&taken), "{}", condition.message);
    let status = login(&databases).await?;
    assert_eq!(status.generation, 0);
    assert!(status.message.clone().unwrap().contains("DatabaseReady"), "{status:?}");
    let after = look::<Deployment>(&databases.test_env, "spring-portal").await?.unwrap();
    assert_eq!(
        after.pointer("/metadata/generation"),
        before.pointer("/metadata/generation")
    );
    programs.connect().await?;

    databases
        .server
        .execute("postgres", &format!("DROP ROLE {taken}"))
        .await?;
    let again = "ras.dev/prepare-database=the-role-is-gone";
    kubectl(&databases.test_env, &["annotate", "drive", "spring", again]).await?;
    rotated(&databases, 1).await?;
    programs.connect().await
}
