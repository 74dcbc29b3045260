//! Passwords of databases that alternate between two logins, on a real PostgreSQL server: on request, by time, in a freeze window,
//! and with the operator killed in between. Programs connect all the time with what their pods were started with, and never fail.

mod failing;
mod programs;
mod rotating;

use ras_crds::DatabaseLoginStatus;
use ras_tests::{Error, PATIENCE, eventually};
use serde_json::Value;

use crate::databases::{Databases, secret_of};
use crate::seen::kubectl;
use programs::Programs;

/// A drive with two pods of a program that uses its first database, which end at once.
fn drive(databases: &Databases, database: &str) -> String {
    databases
        .drive("spring", &["portal", "auth"])
        .replace(
            "portal:1', uses",
            "portal:1', replicas: 2, terminationGracePeriodSeconds: 1, uses",
        )
        .replace("site:1'", "site:1', terminationGracePeriodSeconds: 1")
        + database
}

/// Begins the drive and its programs.
async fn begin(databases: &Databases, database: &str) -> Result<Programs, Error> {
    databases.connection(databases.server.password()).await?;
    databases.test_env.apply(&drive(databases, database)).await?;
    databases.ready("spring").await?;
    databases.works("spring", "portal", "students").await?;
    let owner = databases.name("portal");
    let password = databases.password(&secret_of("spring", &owner)).await?;
    let client = databases
        .server
        .connect(&owner, &password, &owner)
        .await
        .map_err(|error| Error::Postgres(error.to_string()))?;
    client
        .batch_execute("CREATE TABLE log (who text)")
        .await
        .map_err(|error| Error::Postgres(error.to_string()))?;
    let programs = Programs::start(databases, "portal");
    programs.connect().await?;
    Ok(programs)
}

async fn request_rotation(databases: &Databases, token: &str) -> Result<(), Error> {
    let annotation = format!("ras.dev/rotate=database@{token}");
    kubectl(
        &databases.test_env,
        &["annotate", "--overwrite", "drive", "spring", &annotation],
    )
    .await
    .map(drop)
}

async fn login(databases: &Databases) -> Result<DatabaseLoginStatus, Error> {
    Ok(databases.status("spring").await?.login.unwrap_or_default())
}

/// Waits until every pod has the logins of this rotation and none of another is left.
async fn rotated(databases: &Databases, generation: i64) -> Result<DatabaseLoginStatus, Error> {
    let login = eventually(
        PATIENCE,
        &format!("rotation {generation} to be over"),
        async || match login(databases).await? {
            login if login.generation == generation && login.settled_at.is_some() => Ok(login),
            other => Err(format!("{other:?}").into()),
        },
    )
    .await
    .map_err(|error| error.with_log(&databases.test_env.operator.log()))?;
    databases.ready("spring").await?;
    Ok(login)
}

fn variable(template: &Value, name: &str) -> Value {
    let env = template
        .pointer("/spec/template/spec/containers/0/env")
        .and_then(Value::as_array);
    let mut all = env.into_iter().flatten();
    all.find(|variable| variable["name"] == name)
        .cloned()
        .unwrap_or_default()
}
