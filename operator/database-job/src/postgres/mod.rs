//! Connects to the PostgreSQL server; the only user of its client.

mod certificate;
mod connection;
mod errors;
mod guard;
mod observe;
mod tls;
mod x509;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use tokio_postgres::Client;

use crate::failure::{Action, Fault, classify};
use crate::inputs::{Admin, Password};
use crate::ownership::ownership_comment;
use crate::snapshot::ServerSnapshot;
use crate::statement::statement;
use crate::step::ServerStep;
use connection::{Credentials, Server, with_timeout};
use ras_core::database::report::{Cause, Problem};
use ras_core::database::request::Request;

/// Advisory lock, because two runs at a time would only block each other. The number is arbitrary. Every login can take it, so
/// it counts only if an administrator has it.
const LOCK: i64 = 0x7261_735f_6462;

const LOCK_LIMIT: Duration = Duration::from_secs(60);
const LOCK_PAUSE: Duration = Duration::from_millis(250);

/// Who has the lock.
enum Lock {
    Ours,
    /// Another run, or another client that may create roles.
    Administrator,
    /// A login that may not create roles.
    HeldByAnother(String),
}

/// One connection as the administrator, which holds the lock if it could be had.
pub struct Postgres<'a> {
    server: Server<'a>,
    request: &'a Request,
    passwords: &'a BTreeMap<String, Password>,
    client: Client,
    facts: Facts,
    /// The connection to the database that was used last.
    inside: Option<(String, Client)>,
}

#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// As the server prints it.
    pub version: String,
    pub major: u16,
    user: String,
    is_superuser: bool,
    is_read_only: bool,
    is_utf8: bool,
}

impl<'a> Postgres<'a> {
    /// Connects as the administrator. `passwords` are those of the logins, by role.
    pub async fn connect(
        admin: &'a Admin,
        request: &'a Request,
        passwords: &'a BTreeMap<String, Password>,
    ) -> Result<Self, Problem> {
        let server = Server::new(admin)?;
        let query_problem = |fault: &Fault| {
            let action = Action::Query {
                server: server.name(),
                user: &admin.username,
                database: &admin.database,
            };
            let mut problem = classify(fault, action);
            if problem.cause == Cause::WrongPassword {
                problem.message.push_str(if admin.password.is_empty() {
                    ". The key `password` of its Secret is empty, which PostgreSQL takes for no password"
                } else if admin.password.ends_with_line_break() {
                    ". The value of the key `password` ends with a line break (newline), which is part of it: write the password \
                     without it"
                } else {
                    ""
                });
            }
            problem
        };
        let client = server
            .open(&admin.database)
            .await
            .map_err(|fault| query_problem(&fault))?;
        let facts = observe::facts(&client).await.map_err(|fault| query_problem(&fault))?;
        Ok(Self {
            server,
            request,
            passwords,
            client,
            facts,
            inside: None,
        })
    }

    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// Checks the version and that the server is writable, and takes the lock.
    pub async fn begin(&self, oldest: u16) -> Result<(), Problem> {
        let server = self.server.name();
        let problem = |cause, message| Problem {
            cause,
            database: None,
            role: None,
            message,
        };
        if self.facts.major < oldest {
            let message = format!(
                "the database server {server} is PostgreSQL {}, and the drive needs {oldest} or later: upgrade the server, or \
                 name another one",
                self.facts.version
            );
            return Err(problem(Cause::WrongVersion, message));
        }
        if self.facts.is_read_only {
            let fault = Fault::Answer {
                code: "25006".to_owned(),
                message: "it is a standby, or read-only by its settings".to_owned(),
            };
            return Err(self.query_problem(&fault));
        }
        let began = Instant::now();
        loop {
            match observe::lock(&self.client, LOCK).await {
                Ok(Lock::Ours) => return Ok(()),
                // Concurrent runs only slow each other down, so no other client can block this one.
                Ok(Lock::HeldByAnother(role)) => {
                    tracing::warn!(
                        role,
                        "a login that prepares no databases holds the lock of those who do; it is ignored"
                    );
                    return Ok(());
                }
                Ok(Lock::Administrator) if began.elapsed() < LOCK_LIMIT => tokio::time::sleep(LOCK_PAUSE).await,
                Ok(Lock::Administrator) => {
                    return Err(problem(
                        Cause::Busy,
                        format!(
                            "another client has been preparing databases on {server} for a minute; it is tried again"
                        ),
                    ));
                }
                Err(fault) => return Err(self.query_problem(&fault)),
            }
        }
    }

    /// Returns also what could not be read.
    pub async fn observe(&mut self) -> Result<(ServerSnapshot, Vec<Problem>), Problem> {
        observe::observe(self).await
    }

    /// Identifiers of the server and of each requested database. Those that cannot be read are left out.
    pub async fn identities(&self) -> (Option<String>, BTreeMap<String, u32>) {
        observe::identities(self).await
    }

    pub async fn execute(&mut self, step: &ServerStep) -> Result<(), Problem> {
        let verifier = match step {
            ServerStep::SetPassword { role } => match self.passwords.get(role) {
                Some(password) => postgres_protocol::password::scram_sha_256(password.reveal()),
                None => String::new(),
            },
            _ => String::new(),
        };
        let text = statement(
            step,
            self.facts.major,
            &ownership_comment(&self.request.drive),
            &verifier,
        );
        let done = match step.inside() {
            None => with_timeout(self.client.batch_execute(&text)).await,
            Some(database) => match self.connect_to(database).await {
                Ok(client) => with_timeout(client.batch_execute(&text)).await,
                Err(fault) => Err(fault),
            },
        };
        done.map_err(|fault| {
            classify(
                &fault,
                Action::ServerStep {
                    server: self.server.name(),
                    step,
                },
            )
        })
    }

    /// Keeps one connection at a time, because small servers allow few.
    async fn connect_to(&mut self, database: &str) -> Result<&Client, Fault> {
        if self
            .inside
            .as_ref()
            .is_none_or(|(name, client)| name != database || client.is_closed())
        {
            self.inside = None;
            let client = self.server.open(database).await?;
            self.inside = Some((database.to_owned(), client));
        }
        match &self.inside {
            Some((_, client)) => Ok(client),
            None => Err(Fault::Closed),
        }
    }

    async fn login_works(&self, role: &str, password: &Password, database: &str) -> Result<bool, Fault> {
        let login = Credentials {
            user: role,
            password,
            database,
        };
        match self.server.connect(login).await {
            Ok(_) => Ok(true),
            Err(Fault::Answer { code, .. }) if code == "28P01" => Ok(false),
            // The password was accepted: the login lacks the privilege to connect to the database, or there is none.
            Err(Fault::Answer { code, .. }) if code == "42501" || code == "3D000" => Ok(true),
            Err(fault) => Err(fault),
        }
    }

    fn query_problem(&self, fault: &Fault) -> Problem {
        let admin = self.server.admin();
        let action = Action::Query {
            server: self.server.name(),
            user: &admin.username,
            database: &admin.database,
        };
        classify(fault, action)
    }
}
