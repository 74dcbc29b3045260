//! Failures of a PostgreSQL server, classified by their remedy. Pure.
//!
//! Codes are those of <https://www.postgresql.org/docs/current/errcodes-appendix.html>.

use crate::statement::STRANGER;
use crate::step::ServerStep;
use ras_core::database::report::{Cause, Problem};

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// An error of the server.
    Answer {
        /// SQLSTATE.
        code: String,
        message: String,
    },
    /// Connection refused, or the name does not resolve, with the message of the system.
    NoConnection(String),
    TimedOut,
    /// The connection ended before the answer did.
    Closed,
    TlsUnsupported,
    /// The server requested the password in a form that reveals it, and did not prove its identity.
    Unsafe(String),
    /// The server's certificate is not trusted, and why.
    Certificate(String),
    /// Another TLS error.
    Tls(String),
    /// Another error of the client.
    Other(String),
}

/// The action that failed.
#[derive(Clone, Copy, Debug)]
pub enum Action<'a> {
    /// Connecting or querying as the administrator.
    Query {
        /// `host:port`.
        server: &'a str,
        user: &'a str,
        database: &'a str,
    },
    Login {
        /// `host:port`.
        server: &'a str,
        role: &'a str,
    },
    ServerStep {
        /// `host:port`.
        server: &'a str,
        step: &'a ServerStep,
    },
}

impl Action<'_> {
    fn server(&self) -> &str {
        match self {
            Self::Query { server, .. } | Self::Login { server, .. } | Self::ServerStep { server, .. } => server,
        }
    }
}

pub fn classify(fault: &Fault, action: Action<'_>) -> Problem {
    let cause = cause(fault, action);
    let (database, role) = match action {
        Action::Query { .. } => (None, None),
        Action::Login { role, .. } => (None, Some(role.to_owned())),
        Action::ServerStep { step, .. } => (step.database().map(str::to_owned), step.role().map(str::to_owned)),
    };
    Problem {
        cause,
        database,
        role,
        message: message(cause, fault, action),
    }
}

fn cause(fault: &Fault, action: Action<'_>) -> Cause {
    let (code, message) = match fault {
        Fault::Answer { code, message } => (code.as_str(), message.as_str()),
        Fault::NoConnection(_) | Fault::TimedOut | Fault::Closed => return Cause::Unreachable,
        Fault::TlsUnsupported => return Cause::TlsRefused,
        Fault::Unsafe(_) => return Cause::UnsafeAuthentication,
        Fault::Certificate(_) => return Cause::CertificateRefused,
        Fault::Tls(_) | Fault::Other(_) => return Cause::Refused,
    };
    match code {
        "28P01" => Cause::WrongPassword,
        // The texts of PostgreSQL 13 ("SSL off") and later ("no encryption").
        // Not for a login, because the administrator connected with the same TLS settings.
        "28000"
            if matches!(action, Action::Query { .. })
                && (message.contains("no encryption") || message.contains("SSL off")) =>
        {
            Cause::TlsRequired
        }
        "28000" => Cause::NotLetIn,
        "3D000" if matches!(action, Action::Query { .. }) => Cause::DatabaseMissing,
        "57P01" | "57P02" | "57P03" => Cause::Starting,
        "53300" => Cause::TooManyConnections,
        "25006" => Cause::ReadOnly,
        // The first three: another run created it at the same time, which the next observation shows.
        "42710" | "42P04" | "23505" | "55P03" | "55006" | "40001" | "40P01" | "57014" => Cause::Busy,
        "XX000" if message.contains("concurrently") => Cause::Busy,
        STRANGER => Cause::NotOurs,
        "42501" => Cause::MissingRight,
        "58P01" | "0A000"
            if matches!(
                action,
                Action::ServerStep {
                    step: ServerStep::CreateExtension { .. },
                    ..
                }
            ) =>
        {
            Cause::ExtensionMissing
        }
        _ if code.starts_with("53") => Cause::Busy,
        _ => Cause::Refused,
    }
}

fn message(cause: Cause, fault: &Fault, action: Action<'_>) -> String {
    let server = action.server();
    let said = said(fault);
    let attempt = attempt(action);
    match cause {
        Cause::Unreachable => format!(
            "the database server {server} could not be reached ({said}): check host and port, that it is running, and that \
             network policies and firewalls let this namespace connect to it"
        ),
        Cause::Starting => format!("the database server {server} is starting or stopping ({said}); it is tried again"),
        Cause::TooManyConnections => format!(
            "the database server {server} has no connection left ({said}): raise max_connections or let programs use fewer"
        ),
        Cause::ReadOnly => format!(
            "the database server {server} takes no writes ({said}): name the primary's host, or see why it is read-only"
        ),
        Cause::Busy => format!("{attempt} did not succeed because the server was busy ({said}); it is tried again"),
        Cause::TlsRefused => format!(
            "the database server {server} does not speak TLS, which sslmode asks for (verify-full where the Secret has no such \
             key): turn `ssl` on there, or set sslmode to `prefer` where the network is trusted"
        ),
        Cause::TlsRequired => format!(
            "the database server {server} lets nobody in without TLS ({said}): set sslmode to `require`, or to `verify-full` \
             with the server's authority in `ca`"
        ),
        Cause::UnsafeAuthentication => format!(
            "the password was not given to the database server {server}, which has not proved who it is ({said}): remove `sslmode` \
             or set it to `verify-full`, with the CA certificate in `ca` unless a public authority signed the server's, or let the \
             server use scram-sha-256 (password_encryption, and the method in pg_hba.conf) and set the passwords again"
        ),
        Cause::CertificateRefused => format!(
            "the certificate of the database server {server} is not trusted ({said}): put the CA certificate that signed it, or \
             the server's own certificate if it is self-signed, into `ca`, and set `host` to a name in the certificate"
        ),
        Cause::WrongPassword => match action {
            Action::Query { user, .. } => format!(
                "the database server {server} does not accept the password of the administrator {user}: correct `username` \
                 or `password` in the administrator's Secret"
            ),
            _ => format!("{attempt} did not succeed ({said}): see the server's log"),
        },
        Cause::NotLetIn => format!(
            "{attempt} was refused by the server's rules ({said}): let the user in from this cluster's addresses in pg_hba.conf"
        ),
        Cause::DatabaseMissing => format!(
            "{attempt} did not succeed ({said}): name a database that is there in the key `database` of the administrator's \
             Secret"
        ),
        Cause::MissingRight => match action {
            Action::ServerStep { step, .. } => format!(
                "{attempt} is not allowed ({said}): give the administrator {}",
                step.needs()
            ),
            _ => format!("{attempt} is not allowed ({said}): give the administrator the right to connect to it"),
        },
        Cause::NotOurs => format!(
            "{attempt} is not safe ({said}), because its script would run as an administrator and find what that role puts there: let an \
             administrator take that right away and own the schema (REVOKE CREATE, ALTER SCHEMA … OWNER TO), or make the extension"
        ),
        Cause::ExtensionMissing => {
            format!("{attempt} did not succeed ({said}): install it on the server, or take it off the list")
        }
        _ => format!("{attempt} did not succeed ({said}): see the server's log"),
    }
}

fn attempt(action: Action<'_>) -> String {
    match action {
        Action::Query { server, user, database } => {
            format!("connecting to the database {database} of the server {server} as the administrator {user}")
        }
        Action::Login { server, role } => format!("logging in to the server {server} as {role}"),
        Action::ServerStep { step, .. } => format!("the step \"{}\"", infinitive(step)),
    }
}

fn infinitive(step: &ServerStep) -> String {
    match step {
        ServerStep::CreateRole { role } => format!("make role {role}"),
        ServerStep::ClaimRole { role } => format!("record role {role} as this drive's"),
        ServerStep::JoinOwner { role, owner } => format!("make role {role} a member of {owner}"),
        ServerStep::BecomeOwner { role, owner } => format!("let role {role} work as {owner}"),
        ServerStep::ActAsOwner { owner, admin } => format!("make the administrator {admin} a member of {owner}"),
        ServerStep::CreateDatabase { database, .. } => format!("make database {database}"),
        ServerStep::ClaimDatabase { database } => format!("record database {database} as this drive's"),
        ServerStep::AllowCreate { database, owner } => format!("let {owner} make tables in database {database}"),
        ServerStep::AllowUse { database, user, .. } => format!("let {user} read and write in database {database}"),
        ServerStep::CreateExtension { database, extension } => {
            format!("add extension {extension} to database {database}")
        }
        ServerStep::SetPassword { role } => format!("set the password of role {role}"),
    }
}

fn said(fault: &Fault) -> String {
    match fault {
        Fault::Answer { code, message } => format!("{message}, code {code}"),
        Fault::NoConnection(text)
        | Fault::Unsafe(text)
        | Fault::Certificate(text)
        | Fault::Tls(text)
        | Fault::Other(text) => text.clone(),
        Fault::TimedOut => "it did not answer in time".to_owned(),
        Fault::Closed => "the connection was closed".to_owned(),
        Fault::TlsUnsupported => "it does not speak TLS".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUERY: Action<'_> = Action::Query {
        server: "db.example.edu:5432",
        user: "adm",
        database: "postgres",
    };

    fn answer(code: &str, message: &str) -> Fault {
        Fault::Answer {
            code: code.to_owned(),
            message: message.to_owned(),
        }
    }

    #[test]
    fn each_failure_is_sorted_and_told_with_its_object_and_the_next_step() {
        let text = str::to_owned;
        let rows = [
            (
                Fault::NoConnection(text("refused")),
                Cause::Unreachable,
                "check host and port",
            ),
            (Fault::TimedOut, Cause::Unreachable, "in time"),
            (Fault::TlsUnsupported, Cause::TlsRefused, "`ssl`"),
            (Fault::Certificate(text("expired")), Cause::CertificateRefused, "`ca`"),
            (
                answer("28P01", "password authentication failed"),
                Cause::WrongPassword,
                "administrator adm",
            ),
            (
                answer(
                    "28000",
                    "no pg_hba.conf entry for host \"10.0.0.1\", user \"adm\", database \"postgres\", no encryption",
                ),
                Cause::TlsRequired,
                "sslmode",
            ),
            (
                answer(
                    "28000",
                    "no pg_hba.conf entry for host \"10.0.0.1\", user \"adm\", database \"postgres\", SSL on",
                ),
                Cause::NotLetIn,
                "pg_hba.conf",
            ),
            (
                answer("3D000", "database \"postgres\" does not exist"),
                Cause::DatabaseMissing,
                "`database`",
            ),
            (
                answer("57P03", "the database system is starting up"),
                Cause::Starting,
                "tried again",
            ),
            (
                answer("53300", "sorry, too many clients already"),
                Cause::TooManyConnections,
                "max_connections",
            ),
            (
                answer("25006", "cannot execute CREATE ROLE in a read-only transaction"),
                Cause::ReadOnly,
                "primary",
            ),
        ];
        for (fault, cause, words) in rows {
            let problem = classify(&fault, QUERY);
            assert_eq!(problem.cause, cause, "{fault:?}");
            assert!(problem.message.contains(words), "{}", problem.message);
            assert!(problem.message.contains("db.example.edu:5432"), "{}", problem.message);
        }
    }

    #[test]
    fn a_step_that_is_not_allowed_names_the_right_that_is_missing() {
        let step = ServerStep::CreateDatabase {
            database: "application".to_owned(),
            owner: "app".to_owned(),
            utf8: false,
        };
        let action = Action::ServerStep {
            server: "db:5432",
            step: &step,
        };
        let problem = classify(&answer("42501", "permission denied to create database"), action);
        assert_eq!(problem.cause, Cause::MissingRight);
        assert_eq!(problem.database.as_deref(), Some("application"));
        assert!(problem.message.contains("CREATEDB"), "{}", problem.message);
    }

    #[test]
    fn what_another_run_does_at_the_same_time_is_tried_again() {
        let step = ServerStep::CreateRole { role: "app".to_owned() };
        let action = Action::ServerStep {
            server: "db:5432",
            step: &step,
        };
        for (code, message) in [
            ("42710", "role \"app\" already exists"),
            ("23505", "duplicate key"),
            ("XX000", "tuple concurrently updated"),
        ] {
            assert!(classify(&answer(code, message), action).cause.may_pass(), "{code}");
        }
    }
}
