//! What these tests have in common.

use std::fmt::Write as _;

use ras_tests::{
    Error,
    postgres::{PostgresServer, Preparation, Prepared},
};
use tokio_postgres::{Client, SimpleQueryMessage};

/// One password for all, as the portal wants it that this operator was first made for.
pub const SHARED: &str = "one password for all, with \"quotes\", \\ and 'ä'";

/// A request. Roles and databases begin with the test's own word, for tests share servers.
pub struct Request {
    prefix: String,
    drive: String,
    databases: Vec<(String, String, Vec<&'static str>)>,
    users: Vec<(String, String)>,
    logins: Vec<(String, String, String)>,
    rest: String,
}

impl Request {
    /// An empty one of the drive `placements/<prefix>`.
    pub fn of(prefix: &str) -> Self {
        Self {
            prefix: prefix.to_owned(),
            drive: format!("{{namespace: placements, name: {prefix}, uid: uid-{prefix}}}"),
            databases: Vec::new(),
            users: Vec::new(),
            logins: Vec::new(),
            rest: String::new(),
        }
    }

    /// Of another drive.
    pub fn drive(mut self, drive: &str) -> Self {
        drive.clone_into(&mut self.drive);
        self
    }

    /// With a database of an owner, and with extensions.
    pub fn database(mut self, name: &str, owner: &str, extensions: &[&'static str]) -> Self {
        self.databases
            .push((self.named(name), self.named(owner), extensions.to_vec()));
        self
    }

    /// With a user of a database.
    pub fn user(mut self, database: &str, user: &str) -> Self {
        self.users.push((self.named(database), self.named(user)));
        self
    }

    /// With a login that works as an owner, and its file.
    pub fn login(mut self, role: &str, owner: &str, file: &str) -> Self {
        self.logins.push((self.named(role), self.named(owner), file.to_owned()));
        self
    }

    /// With another line.
    pub fn with(mut self, line: &str) -> Self {
        let _ = writeln!(self.rest, "{line}");
        self
    }

    /// A name on the server.
    pub fn named(&self, name: &str) -> String {
        format!("{}_{name}", self.prefix)
    }

    /// As YAML.
    pub fn yaml(&self) -> String {
        let mut text = format!("drive: {}\n{}databases:\n", self.drive, self.rest);
        for (name, owner, extensions) in &self.databases {
            let user = self.users.iter().find(|(database, _)| database == name);
            let user = user.map_or(String::new(), |(_, user)| format!(", user: {user}"));
            let _ = writeln!(
                text,
                "- {{name: {name}, owner: {owner}{user}, extensions: {extensions:?}}}"
            );
        }
        text.push_str("logins:\n");
        for (role, owner, file) in &self.logins {
            let _ = writeln!(text, "- {{role: {role}, owner: {owner}, passwordFile: {file}}}");
        }
        if self.logins.is_empty() {
            text = text.replace("logins:\n", "logins: []\n");
        }
        text
    }

    /// Mounts it with one password in `shared/password`.
    pub fn mounted(&self, server: &PostgresServer) -> Result<Preparation, Error> {
        let preparation = Preparation::new(server, &self.yaml())?;
        preparation.password("shared/password", SHARED)?;
        Ok(preparation)
    }
}

/// The five databases of the portal, with one password.
pub fn five(prefix: &str) -> Request {
    FIVE.iter().fold(Request::of(prefix), |request, name| {
        let owner = format!("{name}admin");
        request
            .database(name, &owner, &[])
            .login(&owner, &owner, "shared/password")
    })
}

/// Their names.
pub const FIVE: [&str; 5] = ["application", "auth", "company", "rc", "student"];

/// Fails, with all there is to know, unless a run did all that was asked.
pub fn assert_done(prepared: &Prepared) {
    assert!(
        prepared.is_done(),
        "{:?} {}\n{}",
        prepared.code,
        prepared.message,
        prepared.log
    );
}

/// The one problem there is, with its cause.
pub fn problem(prepared: &Prepared, code: i32) -> (String, String) {
    assert_eq!(prepared.code, Some(code), "{}\n{}", prepared.message, prepared.log);
    let problems = prepared.problems();
    assert_eq!(problems.len(), 1, "{}", prepared.message);
    problems.into_iter().next().expect("one")
}

/// The first column of the first row.
pub async fn ask(client: &Client, query: &str) -> String {
    let answers = client
        .simple_query(query)
        .await
        .unwrap_or_else(|error| panic!("{query}: {error:?}"));
    let rows = answers.into_iter().find_map(|answer| match answer {
        SimpleQueryMessage::Row(row) => Some(row.get(0).unwrap_or("NULL").to_owned()),
        _ => None,
    });
    rows.unwrap_or_else(|| panic!("{query}: no row"))
}
