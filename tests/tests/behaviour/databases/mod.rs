//! Databases: from the drive to the Job, to a real PostgreSQL server, and back into status.

mod bad_input;
mod own_server;
mod preparing;
mod secrecy;

use std::sync::Arc;

use k8s_openapi::api::{batch::v1::Job, core::v1::Secret};
use kube::{Api, api::ListParams};
use ras_crds::DatabaseStatus;
use ras_tests::{
    Error, OperatorOptions, ROLES, Shared, TestEnv, cluster,
    postgres::{ADMIN, PostgresServer, shared},
};
use serde_json::{Value, json};

use crate::children::failed;
use crate::seen::{TEMPLATE, kubectl};

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
        let secret = connection_secret("campus", self.server, password);
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

    /// The server that replaces a managed one in tests.
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

/// A Secret with the connection to a server.
pub(crate) fn connection_secret(name: &str, server: &PostgresServer, password: &str) -> Value {
    let data = json!({
        "host": "127.0.0.1", "port": server.port().to_string(), "username": ADMIN, "password": password,
        // The server has no TLS, and the default demands it.
        "sslmode": "disable",
    });
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": data})
}

/// The name that the operator gives the Secret of an owner; a name with '_' is none of Kubernetes', so a hash follows.
pub(crate) fn secret_of(drive: &str, owner: &str) -> String {
    ras_core::names::database_password(drive, ras_crds::spec::DatabaseCredentials::PerDatabase, owner)
}
