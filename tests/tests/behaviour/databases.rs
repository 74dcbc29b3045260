//! Databases: from the drive to the Job, to a real PostgreSQL server, and back into status.

use std::sync::Arc;

use k8s_openapi::api::{
    apps::v1::{Deployment, StatefulSet},
    batch::v1::Job,
    core::v1::{ConfigMap, PersistentVolumeClaim, Secret},
};
use kube::{
    Api, ResourceExt as _,
    api::{DeleteParams, ListParams},
};
use ras_crds::{ConditionType, DatabaseState, DatabaseStatus, Reason};
use ras_tests::{
    AuditMark, Error, OperatorOptions, PATIENCE, ROLES, Shared, TestEnv, cluster, eventually,
    postgres::{ADMIN, PostgresServer, shared},
};
use serde_json::json;

use crate::children::failed;
use crate::seen::{COLLECTED, asked, because, kubectl, look};

const TEMPLATE: &str = "/spec/template";

/// A test environment with a real PostgreSQL server outside the cluster.
pub(crate) struct Databases {
    pub(crate) test_env: TestEnv,
    pub(crate) server: &'static PostgresServer,
    /// Makes names on the server, which all tests share.
    prefix: String,
}

impl Databases {
    pub(crate) async fn start(prefix: &str) -> Result<Self, Error> {
        Self::with(prefix, &OperatorOptions::with_roles(ROLES)).await
    }

    async fn with(prefix: &str, options: &OperatorOptions) -> Result<Self, Error> {
        let server = shared().await?;
        let test_env = TestEnv::with(Shared::All(cluster().await?), prefix, options).await?;
        Ok(Self {
            test_env,
            server,
            prefix: prefix.replace('-', "_"),
        })
    }

    /// A name on the server that no other test uses.
    pub(crate) fn name(&self, name: &str) -> String {
        format!("{}_{name}", self.prefix)
    }

    /// Keeps the connection to the server in the Secret `campus`.
    pub(crate) async fn connection(&self, password: &str) -> Result<(), Error> {
        let data = json!({
            "host": "127.0.0.1", "port": self.server.port().to_string(), "username": ADMIN, "password": password,
            // The server speaks no TLS, and the default is to demand it.
            "sslmode": "disable",
        });
        let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "campus"}, "stringData": data});
        self.test_env.apply(&secret.to_string()).await
    }

    /// Changes the administrator's password in that Secret.
    async fn administrator(&self, password: &str) -> Result<(), Error> {
        let patch = json!({"stringData": {"password": password}}).to_string();
        kubectl(&self.test_env, &["patch", "secret", "campus", "--patch", &patch])
            .await
            .map(drop)
    }

    /// A drive on that server.
    pub(crate) fn drive(&self, name: &str, databases: &[&str]) -> String {
        self.on("external: {secretName: campus}", name, databases)
    }

    pub(crate) fn on(&self, server: &str, name: &str, databases: &[&str]) -> String {
        let entries: Vec<_> = databases
            .iter()
            .map(|database| format!("{{name: {}}}", self.name(database)))
            .collect();
        let first = self.name(databases[0]);
        format!(
            "apiVersion: ras.dev/v1alpha1\nkind: RecruitmentDrive\nmetadata: {{name: {name}}}\nspec:\n  services:\n  \
             - {{name: portal, image: 'registry.example.com/portal:1', uses: {{databases: [{first}]}}}}\n  \
             - {{name: site, image: 'registry.example.com/site:1'}}\n  database:\n    {server}\n    databases: [{}]\n",
            entries.join(", ")
        )
    }

    pub(crate) async fn status(&self, drive: &str) -> Result<DatabaseStatus, Error> {
        let drive = self
            .test_env
            .drives()
            .get(drive)
            .await
            .map_err(failed("looking at the drive"))?;
        Ok(drive.status.and_then(|status| status.database).unwrap_or_default())
    }

    /// The password in a Secret, which the test may read and the operator may not.
    pub(crate) async fn password(&self, secret: &str) -> Result<String, Error> {
        let found = self
            .test_env
            .namespace
            .api::<Secret>()
            .get(secret)
            .await
            .map_err(failed("looking at a Secret"))?;
        let data = found.data.unwrap_or_default();
        Ok(String::from_utf8_lossy(&data["password"].0).into_owned())
    }

    /// Logs in as a service of the drive does, and makes a table in the schema `public`.
    pub(crate) async fn works(&self, drive: &str, database: &str, table: &str) -> Result<(), Error> {
        self.works_on(self.server, drive, database, table).await
    }

    /// The same on a server of the drive's own.
    async fn works_on(&self, server: &PostgresServer, drive: &str, database: &str, table: &str) -> Result<(), Error> {
        let name = self.name(database);
        let password = self.password(&secret_of(drive, &name)).await?;
        let client = server
            .connect(&name, &password, &name)
            .await
            .map_err(|error| Error::Postgres(format!("{name} cannot log in: {error}")))?;
        client
            .batch_execute(&format!(
                "CREATE TABLE public.{table} (id int); INSERT INTO {table} VALUES (1)"
            ))
            .await
            .map_err(|error| Error::Postgres(format!("{name} cannot make a table: {error}")))
    }

    /// What stands where the server of a drive's own would.
    pub(crate) async fn own(&self, drive: &str) -> Result<Arc<PostgresServer>, Error> {
        let namespace = self.test_env.namespace.name();
        self.test_env.jobs.server(namespace, &format!("{drive}-database")).await
    }

    async fn jobs(&self, drive: &str) -> Result<Vec<Job>, Error> {
        let of_drive = ListParams::default().labels(&format!("ras.dev/drive={drive},ras.dev/job=prepare"));
        let api: Api<Job> = self.test_env.namespace.api();
        Ok(api.list(&of_drive).await.map_err(failed("listing Jobs"))?.items)
    }

    pub(crate) async fn ready(&self, drive: &str) -> Result<(), Error> {
        self.test_env.ready(drive).await.map(drop).map_err(|error| {
            let runs: Vec<_> = self
                .test_env
                .jobs
                .runs()
                .into_iter()
                .map(|run| (run.code, run.message, run.log))
                .collect();
            error.with_log(&format!("{runs:#?}"))
        })
    }
}

/// The name that the operator gives the Secret of an owner; a name with '_' is none of Kubernetes', so a hash follows.
pub(crate) fn secret_of(drive: &str, owner: &str) -> String {
    ras_core::build::names::database_password(drive, ras_crds::spec::DatabaseCredentials::PerDatabase, owner)
}

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
async fn a_value_that_programs_could_not_use_as_the_job_does_is_named_with_its_secret_and_key() -> Result<(), Error> {
    let databases = Databases::start("db-bytes").await?;
    databases.connection(databases.server.password()).await?;
    databases
        .test_env
        .apply(&databases.drive("spring", &["portal"]))
        .await?;
    databases.ready("spring").await?;
    let write = async |secret: &str, key: &str, value: &str| {
        let patch = json!({"stringData": {key: value}}).to_string();
        kubectl(&databases.test_env, &["patch", "secret", secret, "--patch", &patch])
            .await
            .map(drop)
    };
    let refused = async |secret: &str, key: &str, words: &str| -> Result<(), Error> {
        let (type_, reason) = (ConditionType::DatabaseReady, Reason::DatabaseRefused);
        let condition = because(&databases.test_env, "spring", type_, reason).await?;
        for word in [format!("{secret:?}"), format!("`{key}`"), words.to_owned()] {
            assert!(
                condition.message.contains(&word),
                "{word} is not in: {}",
                condition.message
            );
        }
        assert!(!condition.message.contains("p%41ss"), "{}", condition.message);
        Ok(())
    };

    // As `--from-file` writes it: programs would get the newline in DATABASE_HOST.
    write("campus", "host", "127.0.0.1\n").await?;
    refused("campus", "host", "ends with a newline").await?;
    write("campus", "host", "127.0.0.1").await?;
    databases.ready("spring").await?;

    // It would be another password in DATABASE_URL.
    let secret = secret_of("spring", &databases.name("portal"));
    write(&secret, "password", "p%41ss").await?;
    refused(&secret, "password", "percent-encoded").await?;
    write(&secret, "password", "own-pass.word").await?;
    databases.ready("spring").await?;
    databases.works("spring", "portal", "students").await
}

#[tokio::test]
async fn a_secret_that_is_missing_or_lacks_a_key_is_named_and_everything_starts_once_it_is_whole() -> Result<(), Error>
{
    let databases = Databases::start("db-secret").await?;
    databases
        .test_env
        .apply(&databases.drive("spring", &["portal"]))
        .await?;
    let condition = because(
        &databases.test_env,
        "spring",
        ConditionType::DatabaseReady,
        Reason::SecretMissing,
    )
    .await?;
    assert!(
        condition.message.contains("\"campus\"") && condition.message.contains("username"),
        "{}",
        condition.message
    );

    let part = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "campus"},
        "stringData": {"host": "127.0.0.1", "port": "5432", "username": ADMIN},
    });
    databases.test_env.apply(&part.to_string()).await?;
    let condition = because(
        &databases.test_env,
        "spring",
        ConditionType::DatabaseReady,
        Reason::SecretKeyMissing,
    )
    .await?;
    assert!(
        condition.message.contains("\"campus\" has no key \"password\""),
        "{}",
        condition.message
    );
    assert!(
        databases.jobs("spring").await?.is_empty(),
        "there is nothing to try yet"
    );

    databases.connection(databases.server.password()).await?;
    databases.ready("spring").await
}

#[tokio::test]
async fn a_wrong_password_is_a_condition_and_what_runs_goes_on_running() -> Result<(), Error> {
    let databases = Databases::start("db-wrong").await?;
    databases.connection("not-the-password").await?;
    databases
        .test_env
        .apply(&databases.drive("spring", &["portal"]))
        .await?;
    let condition = because(
        &databases.test_env,
        "spring",
        ConditionType::DatabaseReady,
        Reason::DatabaseDenied,
    )
    .await?;
    assert!(!condition.message.contains("not-the-password"), "{}", condition.message);
    assert!(
        look::<Deployment>(&databases.test_env, "spring-portal")
            .await?
            .is_none()
    );
    let site = look::<Deployment>(&databases.test_env, "spring-site").await?;
    assert!(site.is_some(), "who uses no database does not wait for one");

    // Mended where it was wrong: nobody has to touch the drive.
    databases.connection(databases.server.password()).await?;
    databases.ready("spring").await?;
    let before = look::<Deployment>(&databases.test_env, "spring-portal").await?.unwrap();

    // One key alone, by somebody else than who wrote the others: programs use the others and go on.
    databases.administrator("wrong-once-more").await?;
    let condition = because(
        &databases.test_env,
        "spring",
        ConditionType::DatabaseReady,
        Reason::DatabaseDenied,
    )
    .await?;
    assert!(
        condition.message.contains("ras.dev/prepare-database"),
        "{}",
        condition.message
    );
    let after = look::<Deployment>(&databases.test_env, "spring-portal").await?.unwrap();
    assert_eq!(
        after.pointer("/metadata/generation"),
        before.pointer("/metadata/generation"),
        "nothing of the program changed"
    );
    assert_eq!(after.pointer("/status/readyReplicas"), Some(&1.into()));
    let status = databases.status("spring").await?;
    assert_eq!(
        status.databases[0].state,
        DatabaseState::Failing,
        "it was there: {status:?}"
    );
    // A new version of the program is not held up either.
    let next = databases.drive("spring", &["portal"]).replace("portal:1", "portal:2");
    databases.test_env.apply(&next).await?;
    crate::seen::becomes(
        &databases.test_env,
        "spring-portal",
        "/spec/template/spec/containers/0/image",
        &"registry.example.com/portal:2".into(),
    )
    .await?;

    databases.administrator(databases.server.password()).await?;
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

/// What status remembers of the migration of the service `portal`.
async fn migrated(databases: &Databases) -> Result<ras_crds::Migrated, Error> {
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
async fn no_password_is_read_by_the_operator_or_shown_anywhere() -> Result<(), Error> {
    let options = OperatorOptions::with_roles(ROLES).environment("RAS_LOG", "trace");
    let databases = Databases::with("db-unseen", &options).await?;
    databases.connection(databases.server.password()).await?;
    databases
        .test_env
        .apply(&databases.drive("spring", &["portal", "auth"]))
        .await?;
    databases.ready("spring").await?;
    let own = "credentials: Shared\n    managed: {provider: Standalone, version: 17, size: 1Gi}";
    databases.test_env.apply(&databases.on(own, "autumn", &["own"])).await?;
    databases.ready("autumn").await?;
    // A failure tells no password either.
    databases.connection("a-password-that-is-wrong").await?;
    because(
        &databases.test_env,
        "spring",
        ConditionType::DatabaseReady,
        Reason::DatabaseDenied,
    )
    .await?;

    let reads = asked(&databases.test_env, AuditMark::START, |event| {
        event.resource == "secrets" && event.verb == "get"
    })
    .await?;
    assert!(reads.is_empty(), "{reads:?}");

    let mut secrets = vec![
        databases.server.password().to_owned(),
        "a-password-that-is-wrong".to_owned(),
    ];
    for name in ["portal", "auth"] {
        secrets.push(databases.password(&secret_of("spring", &databases.name(name))).await?);
    }
    for name in ["autumn-database", "autumn-database-superuser"] {
        secrets.push(databases.password(name).await?);
    }
    let kinds = "recruitmentdrives,events,configmaps,deployments,statefulsets,jobs,pods,services,networkpolicies";
    let objects = kubectl(
        &databases.test_env,
        &["get", kinds, "--output=json", "--show-managed-fields"],
    )
    .await?;
    let events = kubectl(&databases.test_env, &["get", "events.events.k8s.io", "--output=json"]).await?;
    let runs = databases.test_env.jobs.runs();
    assert!(runs.len() >= 3, "{}", runs.len());
    let of_jobs: Vec<_> = runs
        .into_iter()
        .map(|run| format!("{} {}", run.message, run.log))
        .collect();
    assert!(objects.contains("POSTGRES_PASSWORD") && objects.contains("request.json"));
    for (place, text) in [
        ("the operator's log", databases.test_env.operator.log()),
        ("objects", objects),
        ("events", events),
        ("logs and reports of Jobs", of_jobs.join("\n")),
    ] {
        for secret in &secrets {
            assert!(!text.contains(secret.as_str()), "a password is in {place}");
            let encoded = serde_json::to_value(k8s_openapi::ByteString(secret.clone().into_bytes())).unwrap();
            let encoded = encoded.as_str().unwrap().trim_end_matches('=');
            assert!(!text.contains(encoded), "a password is in {place}, in base64");
        }
    }
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
