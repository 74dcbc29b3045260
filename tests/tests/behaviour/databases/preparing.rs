//! The Job that prepares databases: what it makes, what its programs can do there, and when it runs again.

use k8s_openapi::api::apps::v1::Deployment;
use kube::ResourceExt as _;
use ras_crds::{ConditionType, DatabaseState, Reason};
use ras_tests::{Error, OperatorOptions, PATIENCE, ROLES, eventually};
use serde_json::json;

use super::{Databases, TEMPLATE, secret_of};
use crate::children::failed;
use crate::seen::{asked, because, kubectl, look};

#[tokio::test]
async fn from_a_drive_to_tables_on_a_real_server() -> Result<(), Error> {
    let databases = Databases::start("db-external").await?;
    databases.connection(databases.server.password()).await?;
    let drive = databases.drive("spring", &["portal", "auth"]);
    databases.test_env.apply(&drive).await?;
    databases.ready("spring").await?;
    let status = databases.status("spring").await?;
    assert!(
        status.server_version.is_some() && status.prepared.is_some(),
        "{status:?}"
    );
    let shown: Vec<_> = status.databases.iter().map(|line| line.state).collect();
    assert_eq!(shown, [DatabaseState::Ready, DatabaseState::Ready]);
    assert!(!status.done.is_empty() && status.message.is_none(), "{status:?}");
    databases.works("spring", "portal", "students").await?;
    databases.works("spring", "auth", "sessions").await?;

    // A database more is made without touching the others, and nobody who does not use it restarts.
    let before = look::<Deployment>(&databases.test_env, "spring-portal").await?.unwrap();
    databases
        .test_env
        .apply(&databases.drive("spring", &["portal", "auth", "rc"]))
        .await?;
    databases.ready("spring").await?;
    databases.works("spring", "rc", "cycles").await?;
    let after = look::<Deployment>(&databases.test_env, "spring-portal").await?.unwrap();
    assert_eq!(after.pointer(TEMPLATE), before.pointer(TEMPLATE));

    // One that is taken out is kept with what is in it, and reported.
    databases
        .test_env
        .apply(&databases.drive("spring", &["portal", "rc"]))
        .await?;
    let gone = databases.name("auth");
    eventually(
        PATIENCE,
        "the database to be reported as no longer managed",
        async || {
            let status = databases.status("spring").await?;
            match status.databases.iter().find(|line| line.name == gone) {
                Some(line) if line.state == DatabaseState::Retained && status.prepared.is_some() => Ok(()),
                other => Err(format!("{other:?}").into()),
            }
        },
    )
    .await?;
    databases.ready("spring").await?;
    let rows = databases
        .server
        .column(&gone, "SELECT count(*)::text FROM sessions")
        .await?;
    assert_eq!(rows, ["1"]);
    Ok(())
}

#[tokio::test]
async fn programs_work_as_the_user_with_what_the_owner_makes_and_change_no_table() -> Result<(), Error> {
    let databases = Databases::start("db-user").await?;
    databases.connection(databases.server.password()).await?;
    let (portal, user) = (databases.name("portal"), databases.name("app"));
    let drive = databases.drive("spring", &["portal"]);
    let with_user = drive.replace(
        &format!("databases: [{{name: {portal}}}]"),
        &format!("databases: [{{name: {portal}, user: {user}}}]"),
    );
    assert_ne!(drive, with_user);
    databases.test_env.apply(&drive).await?;
    databases.ready("spring").await?;
    databases.works("spring", "portal", "students").await?;

    // A portal that is in use gets a user: it is rolled out with another login, and its tables stay the owner's.
    databases.test_env.apply(&with_user).await?;
    eventually(PATIENCE, "the portal to have the user's login", async || {
        let deployment = look::<Deployment>(&databases.test_env, "spring-portal").await?.unwrap();
        let env = deployment.pointer("/spec/template/spec/containers/0/env").cloned().unwrap_or_default();
        let has = |value: &serde_json::Value| env.as_array().is_some_and(|all| all.contains(value));
        let password = json!({"name": "DATABASE_PASSWORD", "valueFrom": {"secretKeyRef": {"key": "password", "name": secret_of("spring", &user)}}});
        if has(&json!({"name": "DATABASE_USER", "value": user})) && has(&password) {
            Ok(())
        } else {
            Err(env.to_string().into())
        }
    })
    .await?;
    databases.ready("spring").await?;
    let line = databases.status("spring").await?.databases.remove(0);
    assert_eq!((line.user.as_ref(), line.state), (Some(&user), DatabaseState::Ready));

    databases.works("spring", "portal", "later").await?;
    let password = databases.password(&secret_of("spring", &user)).await?;
    let client = databases
        .server
        .connect(&user, &password, &portal)
        .await
        .map_err(|error| Error::Postgres(format!("{user} cannot log in: {error}")))?;
    for table in ["students", "later"] {
        let write = format!(
            "INSERT INTO {table} VALUES (2); UPDATE {table} SET id = 3 WHERE id = 2; DELETE FROM {table} WHERE id = 3"
        );
        client
            .batch_execute(&write)
            .await
            .map_err(|error| Error::Postgres(format!("{user} cannot write to {table}: {error}")))?;
        let change = format!("ALTER TABLE {table} ADD COLUMN more text");
        assert!(
            client.batch_execute(&change).await.is_err(),
            "{user} may change {table}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn two_drives_of_a_namespace_never_take_each_other_s_databases() -> Result<(), Error> {
    let databases = Databases::start("db-two").await?;
    databases.connection(databases.server.password()).await?;
    databases
        .test_env
        .apply(&databases.drive("spring", &["portal"]))
        .await?;
    databases.ready("spring").await?;
    databases.works("spring", "portal", "students").await?;

    databases
        .test_env
        .apply(&databases.drive("summer", &["portal", "summer"]))
        .await?;
    let condition = because(
        &databases.test_env,
        "summer",
        ConditionType::DatabaseReady,
        Reason::DatabaseNotOurs,
    )
    .await?;
    assert!(
        condition.message.contains(&databases.name("portal")),
        "{}",
        condition.message
    );
    assert!(
        look::<Deployment>(&databases.test_env, "summer-portal")
            .await?
            .is_none(),
        "it has no database to start with"
    );
    // The first goes on with its own password, and what is the second's alone was made.
    let name = databases.name("portal");
    let password = databases.password(&secret_of("spring", &name)).await?;
    assert!(databases.server.connect(&name, &password, &name).await.is_ok());
    databases.works("summer", "summer", "interns").await?;
    databases.ready("spring").await
}

#[tokio::test]
async fn nothing_is_prepared_twice_unless_somebody_asks() -> Result<(), Error> {
    let databases = Databases::start("db-once").await?;
    databases.connection(databases.server.password()).await?;
    databases
        .test_env
        .apply(&databases.drive("spring", &["portal"]))
        .await?;
    databases.ready("spring").await?;
    let jobs = databases.jobs("spring").await?;
    assert_eq!(jobs.len(), 1, "{jobs:?}");
    let name = jobs[0].name_any();

    // As Kubernetes does some minutes after its end.
    kubectl(&databases.test_env, &["delete", "job", &name]).await?;
    let start = crate::seen::mark(&databases.test_env).await?;
    kubectl(&databases.test_env, &["label", "drive", "spring", "somebody=looked"]).await?;
    databases.ready("spring").await?;
    let made = asked(&databases.test_env, start, |event| {
        event.resource == "jobs" && event.is_write()
    })
    .await?;
    assert!(made.is_empty(), "{made:?}");

    kubectl(
        &databases.test_env,
        &["annotate", "drive", "spring", "ras.dev/prepare-database=after-the-move"],
    )
    .await?;
    eventually(PATIENCE, "another run", async || {
        match databases.test_env.jobs.runs().len() {
            2 => Ok(()),
            count => Err(format!("{count} runs").into()),
        }
    })
    .await?;
    databases.ready("spring").await?;
    let last = databases.test_env.jobs.runs().pop().unwrap();
    assert_eq!(last.code, Some(0), "{last:?}");
    Ok(())
}

#[tokio::test]
async fn a_database_that_was_dropped_while_the_operator_was_down_is_not_reported_as_there() -> Result<(), Error> {
    let mut databases = Databases::start("db-dropped").await?;
    databases.connection(databases.server.password()).await?;
    let drive = databases
        .drive("spring", &["portal"])
        .replace("portal:1', uses", "portal:1', migrate: {command: [migrate]}, uses");
    databases.test_env.apply(&drive).await?;
    databases.ready("spring").await?;
    databases.works("spring", "portal", "students").await?;
    let before = databases.status("spring").await?;
    let identity = before.databases[0].identity.clone();
    assert!(
        identity.as_ref().is_some_and(|identity| !identity.contains("unknown")),
        "{before:?}"
    );
    assert!(before.checked_at.is_some(), "{before:?}");
    let migrated = migrated(&databases).await?;
    assert!(migrated.databases.is_some(), "{migrated:?}");

    // A restart alone asks the server once, changes nothing there, and restarts and migrates nothing.
    let template = crate::seen::of_deployment(&databases.test_env, "spring-portal", TEMPLATE).await?;
    let options = OperatorOptions::with_roles(ROLES);
    crate::seen::restart_operator(&mut databases.test_env, &options).await?;
    let checked = eventually(PATIENCE, "the server to be asked after a start", async || {
        let now = databases.status("spring").await?;
        if now.checked_at > before.checked_at {
            Ok(now)
        } else {
            Err(format!("{now:?}").into())
        }
    })
    .await
    .map_err(|error| error.with_log(&databases.test_env.operator.log()))?;
    assert_eq!(checked.databases, before.databases);
    assert_eq!(checked.done, Vec::<String>::new(), "all was as asked");
    assert_eq!(self::migrated(&databases).await?, migrated);
    databases.ready("spring").await?;

    databases.test_env.operator.stop().await?;
    let name = databases.name("portal");
    databases
        .server
        .execute("postgres", &format!("DROP DATABASE {name} WITH (FORCE)"))
        .await?;
    databases
        .server
        .execute("postgres", &format!("DROP ROLE {name}"))
        .await?;
    crate::seen::restart_operator(&mut databases.test_env, &options).await?;
    let now = eventually(PATIENCE, "another database to be known", async || {
        let now = databases.status("spring").await?;
        if now.databases[0].identity == identity {
            Err(format!("{now:?}").into())
        } else {
            Ok(now)
        }
    })
    .await
    .map_err(|error| error.with_log(&databases.test_env.operator.log()))?;
    assert!(now.databases[0].identity.is_some(), "{now:?}");
    eventually(PATIENCE, "the migration to have run again", async || {
        let now = self::migrated(&databases).await?;
        if now.databases == migrated.databases {
            Err(format!("{now:?}").into())
        } else {
            Ok(())
        }
    })
    .await?;
    databases.ready("spring").await?;
    databases.works("spring", "portal", "students").await?;
    let events = kubectl(&databases.test_env, &["get", "events.events.k8s.io", "--output=json"]).await?;
    let events: serde_json::Value = serde_json::from_str(&events).unwrap();
    let warnings: Vec<_> = events["items"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|event| event["reason"] == "DatabaseReplaced")
        .collect();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert_eq!(warnings[0]["type"], "Warning");
    assert!(warnings[0]["note"].as_str().unwrap().contains(&name), "{warnings:?}");
    let after = crate::seen::of_deployment(&databases.test_env, "spring-portal", TEMPLATE).await?;
    assert_eq!(after, template, "its login is the same, so its pods stay");
    Ok(())
}

/// The record of the migration of the service `portal` in the status.
pub(super) async fn migrated(databases: &Databases) -> Result<ras_crds::Migrated, Error> {
    let drive = databases
        .test_env
        .drives()
        .get("spring")
        .await
        .map_err(failed("looking at the drive"))?;
    let services = drive.status.unwrap_or_default().services;
    let shown = services.into_iter().find(|shown| shown.name == "portal");
    let migration = shown.and_then(|shown| shown.migration).unwrap_or_default();
    Ok(migration.succeeded.into_iter().next().unwrap_or_default())
}
