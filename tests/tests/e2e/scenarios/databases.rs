//! What a drive promises to programs that use databases.

use std::sync::Arc;

use http::Method;
use k8s_openapi::api::apps::v1::Deployment;
use kube::{
    Api, Client, ResourceExt as _,
    api::{DeleteParams, ListParams, Patch, PatchParams},
};
use ras_crds::ConditionType;
use ras_tests::{Error, apply_yaml, control_plane::Tools, eventually};
use serde_json::{Value, json};

use crate::{
    drive::{Drive, PATIENCE},
    images::{CLOUD_NATIVE_PG, PORTAL, POSTGRESQL_VERSION},
    runner::{Scenario, ScenarioResult, Steps},
    scenarios,
    world::World,
};

pub fn all() -> Vec<Scenario> {
    scenarios![cloud_native_pg_serves_five_databases_whose_passwords_rotate_and_its_pod_comes_back]
}

/// The databases of a placement portal; each belongs to a role of its own, and all have one password.
const DATABASES: [&str; 5] = ["application", "auth", "company", "rc", "student"];

/// A portal that uses all five databases, on servers that CloudNativePG runs.
fn portal() -> String {
    let entries = DATABASES
        .map(|name| format!("{{name: {name}, owner: {name}admin}}"))
        .join(", ");
    let names = DATABASES.join(", ");
    let image = PORTAL[0];
    format!(
        "  services:
  - name: backend
    image: {image}
    ports: [{{name: http, port: 8080, path: /}}]
    probe: {{port: http, path: /, periodSeconds: 1}}
    uses: {{databases: [{names}]}}
    resources: {{requests: {{cpu: 10m, memory: 16Mi}}, limits: {{memory: 64Mi}}}}
  database:
    managed:
      provider: CloudNativePG
      version: {POSTGRESQL_VERSION}
      size: 1Gi
      resources: {{requests: {{cpu: 10m, memory: 64Mi}}, limits: {{memory: 512Mi}}}}
    credentials: Shared
    databases: [{entries}]
"
    )
}

async fn cloud_native_pg_serves_five_databases_whose_passwords_rotate_and_its_pod_comes_back(
    world: Arc<World>,
    steps: Steps,
) -> ScenarioResult {
    let drive = Drive::new(&world, "cnpg").await?;
    drive.apply(&portal()).await?;
    let message = drive.condition(ConditionType::DatabaseReady, "False").await?;
    assert!(message.contains("CloudNativePG"), "{message}");
    steps.done("told that CloudNativePG is missing");

    install(&world.client()?).await?;
    steps.done("its operator runs");
    drive.ready().await?;
    steps.done("Ready");
    for name in DATABASES {
        sql(
            &drive,
            name,
            "CREATE TABLE season (year int); INSERT INTO season VALUES (2026)",
        )
        .await?;
        assert_eq!(owned(&drive, name).await?, rows(name));
    }
    // The administrator is no superuser here. From PostgreSQL 16 on a role that makes another one may give it away, and neither act
    // as it nor have its rights, unless it says so: without the second row there would be no database of that owner.
    let memberships = "SELECT inherit_option, set_option FROM pg_auth_members \
        WHERE roleid = 'authadmin'::regrole AND member = 'ras_operator'::regrole ORDER BY set_option";
    assert_eq!(
        sql(&drive, "auth", memberships).await?,
        json!([{"inherit_option": false, "set_option": false}, {"inherit_option": true, "set_option": true}])
    );
    steps.done("a table in each database, made by its role");

    let request = json!({"metadata": {"annotations": {"ras.dev/rotate": "database@1"}}});
    let drives = drive.drives();
    drives
        .patch(&drive.name, &PatchParams::default(), &Patch::Merge(request))
        .await?;
    eventually(PATIENCE, "the program to log in with the new passwords", async || {
        let mut logins = Vec::new();
        for name in DATABASES {
            // At every look the program has to get in, whichever login it has: a look that fails is not looked at again.
            let answer = sql(&drive, name, "SELECT session_user AS login").await;
            let answer = answer.expect("the program is not locked out");
            logins.push(answer[0]["login"].clone());
        }
        if logins == DATABASES.map(|name| format!("{name}admin_2")) {
            Ok(())
        } else {
            Err(json!(logins).to_string().into())
        }
    })
    .await?;
    for name in DATABASES {
        assert_eq!(owned(&drive, name).await?, rows(name));
    }
    drive.ready().await?;
    steps.done("new passwords, and the program got in all the time");

    let servers = ListParams::default().labels("cnpg.io/podRole=instance");
    let pods = drive.pods().list(&servers).await?.items;
    let old = pods.first().ok_or("no server of CloudNativePG")?;
    drive.pods().delete(&old.name_any(), &DeleteParams::default()).await?;
    for name in DATABASES {
        still_there(&drive, name).await?;
    }
    drive.ready().await?;
    steps.done("its pod was deleted, and the tables are there");
    Ok(())
}

/// CloudNativePG from the manifest that its own release has, but for the name of its image.
async fn install(client: &Client) -> Result<(), Error> {
    let folder = Tools::real_node()?.path("cloudnative-pg-manifests")?;
    let file = folder.join("cnpg-1.27.0.yaml");
    let manifest = std::fs::read_to_string(&file).map_err(|error| Error::Io {
        what: format!("reading {}", file.display()),
        message: error.to_string(),
    })?;
    let manifest = manifest
        .replace("ghcr.io/cloudnative-pg/cloudnative-pg:1.27.0", CLOUD_NATIVE_PG)
        .replace("imagePullPolicy: Always", "imagePullPolicy: IfNotPresent");
    apply_yaml(client, "cnpg-system", &manifest).await?;
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), "cnpg-system");
    eventually(PATIENCE, "the operator of CloudNativePG to run", async || {
        let status = deployments
            .get("cnpg-controller-manager")
            .await?
            .status
            .unwrap_or_default();
        match status.ready_replicas {
            Some(1) => Ok(()),
            _ => Err(format!("{:?}", status.conditions).into()),
        }
    })
    .await
}

fn rows(database: &str) -> Value {
    json!([{"year": 2026, "database": database, "role": format!("{database}admin"), "owner": format!("{database}admin")}])
}

async fn owned(drive: &Drive, database: &str) -> Result<Value, Error> {
    let statement = "SELECT year, current_database() AS database, current_user AS role, tableowner AS owner \
                     FROM season, pg_tables WHERE tablename = 'season'";
    sql(drive, database, statement).await
}

async fn still_there(drive: &Drive, database: &str) -> Result<(), Error> {
    eventually(PATIENCE, &format!("the table in {database}"), async || {
        let answer = owned(drive, database).await?;
        if answer == rows(database) {
            Ok(())
        } else {
            Err(answer.to_string().into())
        }
    })
    .await
}

/// Runs statements from within the backend's pod, with what the pod knows of the database.
async fn sql(drive: &Drive, database: &str, statements: &str) -> Result<Value, Error> {
    let variable = format!("DATABASE_{}_URL", database.to_uppercase());
    let path = format!("/sql?url={variable}");
    match drive.ask("backend", Method::POST, &path, statements).await? {
        (200, answer) => Ok(answer),
        (code, answer) => Err(Error::Api {
            what: format!("{statements} in {database}"),
            message: format!("{code} {answer}"),
        }),
    }
}
