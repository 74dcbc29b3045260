//! Connections to one server.

use std::future::Future;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_postgres::config::SslMode as ClientMode;
use tokio_postgres::{Client, Config};

use super::errors::{fault, of_system};
use super::guard::Guard;
use super::tls::Tls;
use crate::failure::Fault;
use crate::inputs::{Admin, Password};
use ras_core::database::report::Problem;
use ras_core::database::request::SslMode;

/// Up to the first answer of the server.
const CONNECT_LIMIT: Duration = Duration::from_secs(15);

/// For one request. The server's own limits (see [`SETTINGS`]) apply first.
const REQUEST_LIMIT: Duration = Duration::from_secs(330);

/// First statements of every connection of the administrator. The path excludes functions that a database's owner may have put
/// into `public` for a superuser to call (CVE-2018-1058). The keepalives release a lock whose holder's node died.
const SETTINGS: &str = "SET search_path = pg_catalog, pg_temp; SET lock_timeout = '60s'; SET statement_timeout = '300s'; \
     SET client_min_messages = warning; SET tcp_keepalives_idle = 30; SET tcp_keepalives_interval = 10; \
     SET tcp_keepalives_count = 3";

pub struct Server<'a> {
    admin: &'a Admin,
    name: String,
    tls: Tls,
}

pub struct Credentials<'a> {
    pub user: &'a str,
    pub password: &'a Password,
    pub database: &'a str,
}

impl<'a> Server<'a> {
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

    pub fn admin(&self) -> &Admin {
        self.admin
    }

    /// Connects as the administrator.
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

    pub async fn connect(&self, credentials: Credentials<'_>) -> Result<Client, Fault> {
        match self.admin.sslmode {
            SslMode::Disable => self.attempt(&credentials, ClientMode::Disable).await,
            SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull => {
                self.attempt(&credentials, ClientMode::Require).await
            }
            // Like libpq: if TLS fails, retry without.
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
            .user(credentials.user)
            .password(credentials.password.reveal())
            .dbname(credentials.database)
            .application_name("ras-operator prepare-database")
            .ssl_mode(mode);
        timeout(CONNECT_LIMIT, self.log_in(&config, mode))
            .await
            .map_err(|_| Fault::TimedOut)?
    }

    async fn log_in(&self, config: &Config, mode: ClientMode) -> Result<Client, Fault> {
        let stream = TcpStream::connect((self.admin.host.as_str(), self.admin.port))
            .await
            .and_then(|stream| stream.set_nodelay(true).map(|()| stream))
            .map_err(|error| of_system(&error))?;
        let stream = if self.admin.is_own_server {
            Guard::free(stream)
        } else {
            Guard::watching(stream, mode != ClientMode::Disable)
        };
        let connecting = config.connect_raw(stream, self.tls.clone());
        let (client, connection) = connecting.await.map_err(|error| fault(&error))?;
        // It ends with the client. Any other end is an error of the next request.
        tokio::spawn(connection);
        Ok(client)
    }
}

/// A connection without TLS may succeed where one with TLS failed like this.
fn depends_on_tls(fault: &Fault) -> bool {
    match fault {
        Fault::Certificate(_) | Fault::Tls(_) => true,
        // pg_hba.conf may have rules for connections without TLS only.
        Fault::Answer { code, .. } => code == "28000",
        Fault::Unsafe(_)
        | Fault::NoConnection(_)
        | Fault::TimedOut
        | Fault::Closed
        | Fault::TlsUnsupported
        | Fault::Other(_) => false,
    }
}

pub async fn with_timeout<T>(request: impl Future<Output = Result<T, tokio_postgres::Error>>) -> Result<T, Fault> {
    timeout(REQUEST_LIMIT, request)
        .await
        .map_err(|_| Fault::TimedOut)?
        .map_err(|error| fault(&error))
}
