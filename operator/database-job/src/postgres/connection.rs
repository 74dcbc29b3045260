//! Connections to one server.

use std::future::Future;
use std::time::Duration;

use tokio::time::timeout;
use tokio_postgres::config::SslMode as ClientMode;
use tokio_postgres::{Client, Config};

use super::errors::fault;
use super::tls::Tls;
use crate::failure::Fault;
use crate::inputs::{Admin, Password};
use ras_core::database::report::Problem;
use ras_core::database::request::SslMode;

/// Longest time for a connection, with everything up to the first answer.
const CONNECT_LIMIT: Duration = Duration::from_secs(15);

/// Longest time for one request. The server's own limits (see [`SETTINGS`]) come first.
const REQUEST_LIMIT: Duration = Duration::from_secs(330);

/// What every connection of the administrator begins with. The path keeps functions out that a database's owner may have
/// put into `public` for a superuser to call (CVE-2018-1058). The keepalives let a lock go whose holder's node died.
const SETTINGS: &str = "SET search_path = pg_catalog; SET lock_timeout = '60s'; SET statement_timeout = '300s'; \
     SET client_min_messages = warning; SET tcp_keepalives_idle = 30; SET tcp_keepalives_interval = 10; \
     SET tcp_keepalives_count = 3";

/// Where a server is, and how it is spoken to.
pub struct Server<'a> {
    admin: &'a Admin,
    name: String,
    tls: Tls,
}

/// As whom, and to which database.
pub struct Credentials<'a> {
    /// Role.
    pub user: &'a str,
    /// Its password.
    pub password: &'a Password,
    /// Database.
    pub database: &'a str,
}

impl<'a> Server<'a> {
    /// The server that `admin` speaks of.
    pub fn new(admin: &'a Admin) -> Result<Self, Problem> {
        Ok(Self {
            admin,
            name: admin.server(),
            tls: Tls::new(admin)?,
        })
    }

    /// `host:port`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How to connect as the administrator.
    pub fn admin(&self) -> &Admin {
        self.admin
    }

    /// Connects to `database` as the administrator.
    pub async fn open(&self, database: &str) -> Result<Client, Fault> {
        let admin = Credentials {
            user: &self.admin.username,
            password: &self.admin.password,
            database,
        };
        let client = self.connect(admin).await?;
        with_timeout(client.batch_execute(SETTINGS)).await?;
        Ok(client)
    }

    /// Connects.
    pub async fn connect(&self, credentials: Credentials<'_>) -> Result<Client, Fault> {
        match self.admin.sslmode {
            SslMode::Disable => self.attempt(&credentials, ClientMode::Disable).await,
            SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull => {
                self.attempt(&credentials, ClientMode::Require).await
            }
            // As libpq: where it does not work with TLS, it is tried without.
            SslMode::Prefer => match self.attempt(&credentials, ClientMode::Prefer).await {
                Err(fault) if depends_on_tls(&fault) => {
                    self.attempt(&credentials, ClientMode::Disable).await.map_err(|_| fault)
                }
                other => other,
            },
        }
    }

    async fn attempt(&self, credentials: &Credentials<'_>, mode: ClientMode) -> Result<Client, Fault> {
        let mut config = Config::new();
        config
            .host(self.admin.host.as_str())
            .port(self.admin.port)
            .user(credentials.user)
            .password(credentials.password.reveal())
            .dbname(credentials.database)
            .application_name("ras-operator prepare-database")
            .ssl_mode(mode)
            .connect_timeout(CONNECT_LIMIT);
        let (client, connection) = timeout(CONNECT_LIMIT, config.connect(self.tls.clone()))
            .await
            .map_err(|_| Fault::TimedOut)?
            .map_err(|error| fault(&error))?;
        // It ends with the client, and what ends it otherwise is told to whoever asks the client next.
        tokio::spawn(connection);
        Ok(client)
    }
}

/// Whether a connection without TLS may work where this happened with TLS.
fn depends_on_tls(fault: &Fault) -> bool {
    match fault {
        Fault::Certificate(_) | Fault::Tls(_) => true,
        // The rules in pg_hba.conf may be for connections without TLS only.
        Fault::Answer { code, .. } => code == "28000",
        Fault::NoConnection(_) | Fault::TimedOut | Fault::Closed | Fault::TlsUnsupported | Fault::Other(_) => false,
    }
}

/// What a request comes to, or that it takes too long.
pub async fn with_timeout<T>(request: impl Future<Output = Result<T, tokio_postgres::Error>>) -> Result<T, Fault> {
    timeout(REQUEST_LIMIT, request)
        .await
        .map_err(|_| Fault::TimedOut)?
        .map_err(|error| fault(&error))
}
