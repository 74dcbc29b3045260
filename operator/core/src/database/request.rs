//! What is asked of a server: the file that the operator writes and the Job reads. It holds no secret. Pure.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// Longest name of a role or database, in bytes: PostgreSQL cuts longer ones off without a word.
pub const LONGEST_NAME: usize = 63;

/// Oldest major version that is worked with: none before it lets a database's owner add trusted extensions.
pub const OLDEST_VERSION: u16 = 13;

/// The request to a database server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Request {
    /// Who asks. It is written into the comments of what is made, and of two drives that want the same name the second
    /// is refused.
    pub drive: Drive,
    /// Oldest major version of the server that will do, for instance 15. Absent: [`OLDEST_VERSION`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minimum_version: Option<u16>,
    /// How the connection is secured. Absent: what the file `sslmode` of the administrator's folder says, and without
    /// that `verify-full`, by the system's authorities when there is no file `ca`. `disable` is for the drive's own server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sslmode: Option<SslMode>,
    /// No program gets the server's host in a URL, so it may be an address that would have to stand in brackets there.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub host_in_no_url: bool,
    /// The databases that must exist. A database that is no longer requested is retained and reported.
    pub databases: Vec<Database>,
    /// The logins that must work now. Roles that are not named keep the password they have.
    pub logins: Vec<Login>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Drive {
    pub namespace: String,
    pub name: String,
    /// Its UID: a drive of the same name in another cluster is another drive.
    pub uid: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Database {
    /// Its name on the server.
    pub name: String,
    /// The role that owns it, and may therefore create tables in its schema `public`. It is made when it is not there,
    /// without a password: see [`Login`].
    pub owner: String,
    /// A role that may read and write what is in the database's schema `public`, and change nothing of how it is made. It
    /// is made when it is not there, without a password. Absent: there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Extensions that must be there. One that the server does not have is a problem of this database alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub extensions: Vec<String>,
}

/// A login that must work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Login {
    /// The user's name. It is made when it is not there.
    pub role: String,
    /// The owner, or user, of databases that it works as: the role itself, or the role that it becomes when it connects.
    pub owner: String,
    /// The file with its password, below the folder of the passwords: `application/password`. Several logins may share
    /// one.
    pub password_file: String,
    /// A program gets the password in a URL, where nothing is escaped: characters that have a meaning there are refused.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub in_url: bool,
}

/// How a connection is secured, in PostgreSQL's own words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SslMode {
    /// Never encrypted.
    Disable,
    /// Encrypted when the server can. Unencrypted else.
    Prefer,
    /// Encrypted. With an authority (`ca`) the server's certificate must be signed by it, as with `verify-ca`.
    Require,
    /// Encrypted, and the server's certificate is signed by the authority.
    VerifyCa,
    /// As `verify-ca`, and the certificate is for the host that is connected to.
    VerifyFull,
}

impl SslMode {
    /// Every mode there is, with its word.
    pub const ALL: [(&'static str, Self); 5] = [
        ("disable", Self::Disable),
        ("prefer", Self::Prefer),
        ("require", Self::Require),
        ("verify-ca", Self::VerifyCa),
        ("verify-full", Self::VerifyFull),
    ];

    /// The mode that a word means. `allow` is `prefer`, which is as safe.
    pub fn parse(word: &str) -> Option<Self> {
        let word = if word == "allow" { "prefer" } else { word };
        Self::ALL
            .into_iter()
            .find_map(|(name, mode)| (name == word).then_some(mode))
    }
}

impl Request {
    /// Reads a request (YAML or JSON) and checks it. The error is a sentence for people.
    pub fn parse(text: &str) -> Result<Self, String> {
        let request: Self = serde_yaml::from_str(text).map_err(|error| error.to_string())?;
        let problems = request.problems();
        if problems.is_empty() {
            Ok(request)
        } else {
            Err(problems.join("; "))
        }
    }

    /// Its problems, each with the path of the field.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let mut databases = BTreeSet::new();
        let owners: BTreeSet<&str> = self.databases.iter().map(|database| database.owner.as_str()).collect();
        let users = self.databases.iter().filter_map(|database| database.user.as_deref());
        let worked_as: BTreeSet<&str> = owners.iter().copied().chain(users).collect();
        for (at, database) in self.databases.iter().enumerate() {
            let path = format!("databases[{at}]");
            problems.extend(bad_database_name(&database.name).map(|why| format!("{path}.name: {why}")));
            problems.extend(bad_role_name(&database.owner).map(|why| format!("{path}.owner: {why}")));
            if let Some(user) = &database.user {
                problems.extend(bad_role_name(user).map(|why| format!("{path}.user: {why}")));
                if owners.contains(user.as_str()) {
                    problems.push(format!(
                        "{path}.user: `{user}` owns a database itself, so it could do more than use this one"
                    ));
                }
            }
            if !databases.insert(&database.name) {
                problems.push(format!("{path}.name: `{}` is named twice", database.name));
            }
            for (at, extension) in database.extensions.iter().enumerate() {
                problems.extend(bad_name(extension).map(|why| format!("{path}.extensions[{at}]: {why}")));
            }
        }
        let mut roles = BTreeSet::new();
        for (at, login) in self.logins.iter().enumerate() {
            let path = format!("logins[{at}]");
            problems.extend(bad_role_name(&login.role).map(|why| format!("{path}.role: {why}")));
            if !roles.insert(&login.role) {
                problems.push(format!(
                    "{path}.role: `{}` is named twice, and a role has one password",
                    login.role
                ));
            }
            if !worked_as.contains(login.owner.as_str()) {
                problems.push(format!(
                    "{path}.owner: `{}` neither owns nor uses any of the databases",
                    login.owner
                ));
            }
            if login.role != login.owner && worked_as.contains(login.role.as_str()) {
                problems.push(format!(
                    "{path}.role: `{}` owns or uses a database itself and cannot work as `{}`",
                    login.role, login.owner
                ));
            }
            problems.extend(bad_file(&login.password_file).map(|why| format!("{path}.passwordFile: {why}")));
        }
        problems
    }
}

fn bad_name(name: &str) -> Option<String> {
    if name.is_empty() {
        Some("is empty".to_owned())
    } else if name.len() > LONGEST_NAME {
        Some(format!("`{name}` is longer than {LONGEST_NAME} bytes"))
    } else if name.contains(char::is_control) {
        Some("contains a control character".to_owned())
    } else {
        None
    }
}

fn bad_database_name(name: &str) -> Option<String> {
    bad_name(name).or_else(|| {
        ["postgres", "template0", "template1", "rdsadmin"]
            .contains(&name)
            .then(|| format!("`{name}` belongs to the server: choose another name"))
    })
}

fn bad_role_name(name: &str) -> Option<String> {
    bad_name(name).or_else(|| {
        (["public", "none", "postgres"].contains(&name) || name.starts_with("pg_"))
            .then(|| format!("`{name}` belongs to the server: choose another name"))
    })
}

/// Files are looked for below one folder and nowhere else.
fn bad_file(path: &str) -> Option<String> {
    let leaves = path
        .split('/')
        .any(|part| part.is_empty() || part == "." || part == "..");
    (leaves || path.contains('\0')).then(|| format!("`{path}` is no path below the folder of the passwords"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = "
drive: {namespace: placements, name: spring, uid: 7f3a}
minimumVersion: 15
sslmode: verify-full
databases:
- {name: application, owner: applicationadmin, extensions: [pg_trgm]}
- {name: auth, owner: authadmin, user: auth}
logins:
- {role: applicationadmin_2, owner: applicationadmin, passwordFile: shared/password}
- {role: authadmin, owner: authadmin, passwordFile: shared/password}
- {role: auth_2, owner: auth, passwordFile: shared/password}
";

    fn problems_with(find: &str, replacement: &str) -> String {
        let text = EXAMPLE.replace(find, replacement);
        assert_ne!(text, EXAMPLE, "nothing was replaced");
        Request::parse(&text).expect_err("a problem")
    }

    #[test]
    fn a_request_survives_the_way_through_json_and_yaml() {
        let request = Request::parse(EXAMPLE).expect("the example is whole");
        assert_eq!(request.databases[0].extensions, ["pg_trgm"]);
        assert_eq!(request.sslmode, Some(SslMode::VerifyFull));
        let json = serde_json::to_string(&request).expect("can be written");
        assert_eq!(Request::parse(&json).as_ref(), Ok(&request));
        let yaml = serde_yaml::to_string(&serde_json::to_value(&request).expect("can be written")).expect("YAML");
        assert_eq!(Request::parse(&yaml), Ok(request));
    }

    #[test]
    fn a_field_nobody_knows_is_refused_rather_than_ignored() {
        let message = problems_with("minimumVersion", "minimalVersion");
        assert!(message.contains("minimalVersion"), "{message}");
    }

    #[test]
    fn every_problem_is_named_with_its_field() {
        for (find, replacement, path, words) in [
            ("name: auth,", "name: application,", "databases[1].name", "named twice"),
            (
                "name: auth,",
                "name: template1,",
                "databases[1].name",
                "belongs to the server",
            ),
            ("name: auth,", "name: '',", "databases[1].name", "empty"),
            (
                "owner: authadmin, user",
                "owner: pg_write_all_data, user",
                "databases[1].owner",
                "server",
            ),
            (
                "role: authadmin,",
                "role: applicationadmin_2,",
                "logins[1].role",
                "one password",
            ),
            (
                "role: authadmin,",
                "role: applicationadmin,",
                "logins[1].role",
                "cannot work as",
            ),
            (
                "owner: authadmin, passwordFile",
                "owner: other, passwordFile",
                "logins[1].owner",
                "neither owns nor uses",
            ),
            ("user: auth}", "user: none}", "databases[1].user", "server"),
            (
                "user: auth}",
                "user: applicationadmin}",
                "databases[1].user",
                "owns a database itself",
            ),
            (
                "role: applicationadmin_2",
                "role: auth",
                "logins[0].role",
                "cannot work as",
            ),
            (
                "owner: authadmin, passwordFile: shared",
                "owner: authadmin, passwordFile: ../admin",
                "logins[1].passwordFile",
                "no path below",
            ),
            ("[pg_trgm]", "['']", "databases[0].extensions[0]", "empty"),
        ] {
            let message = problems_with(find, replacement);
            assert!(
                message.contains(path) && message.contains(words),
                "{replacement}: {message}"
            );
        }
    }

    #[test]
    fn a_name_that_the_server_would_cut_off_is_refused() {
        let just = "ä".repeat(31);
        assert_eq!(bad_name(&just), None);
        assert!(bad_name(&format!("{just}xx")).is_some());
    }

    #[test]
    fn each_word_for_how_to_secure_a_connection_means_what_it_says() {
        for (word, mode) in SslMode::ALL {
            assert_eq!(SslMode::parse(word), Some(mode));
            assert_eq!(serde_json::to_value(mode).expect("a word"), word);
        }
        assert_eq!(SslMode::parse("allow"), Some(SslMode::Prefer));
        assert_eq!(SslMode::parse("verify"), None);
    }
}
