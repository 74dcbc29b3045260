//! The files mounted in the Job's pod: the administrator's connection, and the passwords.

use std::fmt;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use ras_core::database::report::{Cause, Problem};
use ras_core::database::request::{Request, SslMode};

/// Its `Debug` output hides the value.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(Vec<u8>);

impl Password {
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(bytes.into())
    }

    pub fn reveal(&self) -> &[u8] {
        &self.0
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// It needs no escaping in a URL: RFC 3986's `userinfo` without `%`, which begins an escape.
    pub fn is_plain_in_url(&self) -> bool {
        let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:".contains(byte);
        self.0.iter().all(is_plain)
    }

    /// Probably added by an editor or `echo`.
    pub fn ends_with_line_break(&self) -> bool {
        self.0.ends_with(b"\n")
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admin {
    /// A name or an address.
    pub host: String,
    pub port: u16,
    pub username: String,
    pub password: Password,
    pub database: String,
    pub sslmode: SslMode,
    /// The managed server of the drive, in its namespace: the only one that the operator connects to without TLS.
    pub is_own_server: bool,
    /// Trusted CA certificates, as PEM.
    pub ca: Option<Vec<u8>>,
}

impl Admin {
    /// The files in `folder` have the names of the keys of the Secret.
    pub fn read(folder: &Path, request: &Request) -> Result<Self, Problem> {
        let host = text(folder, "host")?.ok_or_else(|| missing("host"))?;
        // Never shown, because an invalid name may be a URL with a password.
        if host.is_empty() || !host.chars().all(|c| c.is_ascii_alphanumeric() || ".-_:".contains(c)) {
            return Err(unusable(
                "host",
                "is no host name or address: put only the name there, without scheme, user and port",
            ));
        }
        if host.contains(':') && !request.host_in_no_url {
            return Err(unusable(
                "host",
                "is an IPv6 address, and programs get it in a URL (DATABASE_URL), where it would have to stand in brackets: put \
                 a DNS name there, or give programs the parts with env[].database instead of uses.databases and key: url",
            ));
        }
        let port = match text(folder, "port")? {
            None => 5432,
            Some(port) => port
                .parse()
                .ok()
                .filter(|port| *port != 0)
                .ok_or_else(|| unusable("port", "is no number from 1 to 65535"))?,
        };
        let username = text(folder, "username")?
            .filter(|name| !name.is_empty())
            .ok_or_else(|| missing("username"))?;
        let password = bytes(folder, "password")?.ok_or_else(|| missing("password"))?;
        let database = text(folder, "database")?.filter(|name| !name.is_empty());
        let ca = bytes(folder, "ca")?;
        // Applications get this file whatever it contains, so an empty one differs from none.
        if ca.as_ref().is_some_and(|ca| ca.trim_ascii().is_empty()) {
            return Err(unusable(
                "ca",
                "is empty: put the CA certificate there, as PEM, or remove the key",
            ));
        }
        let sslmode = match (request.sslmode, text(folder, "sslmode")?) {
            (Some(mode), _) => mode,
            (None, Some(word)) => SslMode::parse(&word).ok_or_else(|| {
                unusable(
                    "sslmode",
                    "is none of disable, allow, prefer, require, verify-ca and verify-full",
                )
            })?,
            (None, None) => SslMode::VerifyFull,
        };
        Ok(Self {
            host,
            port,
            username,
            password: Password::new(password),
            database: database.unwrap_or_else(|| "postgres".to_owned()),
            sslmode,
            is_own_server: request.sslmode == Some(SslMode::Disable),
            ca,
        })
    }

    /// A weakness of the connection, if it has one.
    pub fn warning(&self) -> Option<String> {
        let weak = match self.sslmode {
            SslMode::VerifyFull => return None,
            _ if self.is_own_server => return None,
            SslMode::Disable => "sends everything unencrypted",
            SslMode::Prefer => "sends everything unencrypted to whoever says that it has no TLS",
            SslMode::Require if self.ca.is_none() => "trusts any certificate",
            SslMode::Require | SslMode::VerifyCa => "trusts a certificate for any name",
        };
        let mode = SslMode::ALL.into_iter().find(|(_, mode)| *mode == self.sslmode);
        Some(format!(
            "sslmode {} in the administrator's Secret {weak}, so another server may pass for this one: set it to verify-full",
            mode.map_or("", |(word, _)| word)
        ))
    }

    /// `host:port`.
    pub fn server(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

/// Reads the password of a login, unchanged. `in_url`: applications get it in a URL.
pub fn password(folder: &Path, file: &str, in_url: bool) -> Result<Password, Problem> {
    let bytes = bytes(folder, file)?.ok_or_else(|| Problem {
        message: format!("there is no password in {file}: put it into that key of its Secret"),
        ..problem(Cause::MissingKey)
    })?;
    if bytes.is_empty() {
        return Err(unusable(file, "is empty: put a password there"));
    }
    if let Some(edge) = ends_in_newline(&bytes) {
        return Err(unusable(
            file,
            &format!("{edge}, which is a control character and would be part of the password: {WITHOUT_NEWLINE}"),
        ));
    }
    if bytes.iter().any(u8::is_ascii_control) {
        return Err(unusable(
            file,
            "holds a line break or another control character, which no program would send: put only the password there",
        ));
    }
    let password = Password(bytes);
    if in_url && !password.is_plain_in_url() {
        return Err(unusable(
            file,
            "contains characters that would have to be percent-encoded in a URL (such as %, @, /, ?, #, a space or a letter \
             with an accent), and programs get it in a URL (DATABASE_URL), which would not work: use a password of letters, \
             digits and - . _ ~, or give programs the parts with env[].database instead of uses.databases and key: url",
        ));
    }
    Ok(password)
}

const WITHOUT_NEWLINE: &str = "write the value without it, for instance with `kubectl create secret generic --from-literal`, or `printf %s` into the file";

/// Reads a value that applications get in a variable with the same bytes. A value that needs trimming is refused, because
/// applications do not trim it.
fn text(folder: &Path, key: &str) -> Result<Option<String>, Problem> {
    let Some(bytes) = bytes(folder, key)? else {
        return Ok(None);
    };
    if bytes.contains(&0) {
        return Err(unusable(
            key,
            "contains a NUL byte, which cannot be in a variable: write the value as plain text",
        ));
    }
    let edge = ends_in_newline(&bytes);
    let text = String::from_utf8(bytes).map_err(|_| unusable(key, "is not UTF-8: write the value as plain text"))?;
    let why = if text.starts_with('\u{feff}') {
        "begins with a byte order mark"
    } else if text.trim().is_empty() && !text.is_empty() {
        "consists of whitespace only"
    } else if let Some(edge) = edge {
        edge
    } else if text.trim_start() != text {
        "begins with whitespace"
    } else if text.trim_end() != text {
        "ends with whitespace"
    } else if text.contains(char::is_control) {
        "contains a control character"
    } else {
        return Ok(Some(text));
    };
    Err(unusable(
        key,
        &format!("{why}, which programs would take as part of the value: {WITHOUT_NEWLINE}"),
    ))
}

fn ends_in_newline(bytes: &[u8]) -> Option<&'static str> {
    if bytes.ends_with(b"\r\n") {
        Some("ends with a newline (CR LF)")
    } else if bytes.ends_with(b"\n") {
        Some("ends with a newline (a line break)")
    } else {
        None
    }
}

fn bytes(folder: &Path, key: &str) -> Result<Option<Vec<u8>>, Problem> {
    match fs::read(folder.join(key)) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(unusable(key, &format!("cannot be read ({error})"))),
    }
}

fn missing(key: &str) -> Problem {
    Problem {
        message: format!("the administrator's Secret lacks the key `{key}`: add it"),
        ..problem(Cause::MissingKey)
    }
}

fn unusable(key: &str, why: &str) -> Problem {
    let place = match key.rsplit_once('/') {
        // Passwords are mounted as `<Secret>/<key>`.
        Some((secret, key)) => format!("the key `{key}` of Secret {secret:?}"),
        None => format!("the key `{key}` of the administrator's Secret"),
    };
    Problem {
        message: format!("the value of {place} {why}"),
        ..problem(Cause::BadValue)
    }
}

fn problem(cause: Cause) -> Problem {
    Problem {
        cause,
        database: None,
        role: None,
        message: String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: [(&str, &str); 4] = [
        ("host", "db.example.edu"),
        ("port", "6432"),
        ("username", "adm"),
        ("password", "s3cret"),
    ];

    fn read(files: &[(&str, &str)], sslmode: Option<SslMode>) -> Result<Admin, Problem> {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, text) in WHOLE.iter().chain(files) {
            match *text {
                "-" => fs::remove_file(folder.path().join(name)).expect("was there"),
                text => fs::write(folder.path().join(name), text).expect("written"),
            }
        }
        let request = Request {
            drive: ras_core::database::request::Drive {
                namespace: String::new(),
                name: String::new(),
                uid: String::new(),
            },
            minimum_version: None,
            sslmode,
            host_in_no_url: false,
            databases: Vec::new(),
            logins: Vec::new(),
        };
        Admin::read(folder.path(), &request)
    }

    #[test]
    fn an_administrators_secret_is_read_as_people_write_it() {
        let admin = read(&[], None).expect("whole");
        assert_eq!(admin.server(), "db.example.edu:6432");
        assert_eq!(
            (admin.database.as_str(), admin.sslmode),
            ("postgres", SslMode::VerifyFull)
        );
        assert_eq!(format!("{admin:?}").find("s3cret"), None);
        assert_eq!(read(&[("port", "-")], None).expect("a default").port, 5432);
    }

    #[test]
    fn a_server_is_verified_unless_something_else_is_said() {
        let mode = |files: &[(&str, &str)], asked| read(files, asked).expect("whole").sslmode;
        assert_eq!(mode(&[("ca", "pem")], None), SslMode::VerifyFull);
        assert_eq!(mode(&[], None), SslMode::VerifyFull);
        assert_eq!(mode(&[("ca", "pem"), ("sslmode", "require")], None), SslMode::Require);
        assert_eq!(
            mode(&[("sslmode", "require")], Some(SslMode::Disable)),
            SslMode::Disable
        );
    }

    #[test]
    fn a_weak_mode_is_told_and_that_of_the_drives_own_server_is_not() {
        let warning = |files: &[(&str, &str)], asked| read(files, asked).expect("whole").warning();
        assert_eq!(warning(&[], None), None);
        assert_eq!(warning(&[], Some(SslMode::Disable)), None);
        for mode in ["disable", "allow", "prefer", "require", "verify-ca"] {
            let message = warning(&[("sslmode", mode)], None).expect("a warning");
            assert!(
                message.contains("verify-full") && message.contains("Secret"),
                "{message}"
            );
        }
    }

    #[test]
    fn what_is_missing_or_cannot_be_used_is_named_and_never_shown() {
        for (file, cause) in [
            (("host", "-"), Cause::MissingKey),
            (("username", "-"), Cause::MissingKey),
            (("password", "-"), Cause::MissingKey),
            (("host", "postgres://adm:hunter2@db/"), Cause::BadValue),
            (("port", "hunter2"), Cause::BadValue),
            (("sslmode", "hunter2"), Cause::BadValue),
        ] {
            let problem = read(&[file], None).expect_err("a problem");
            assert_eq!(problem.cause, cause, "{file:?}");
            assert!(problem.message.contains(file.0), "{}", problem.message);
            assert!(!problem.message.contains("hunter2"), "{}", problem.message);
        }
    }

    #[test]
    fn a_value_that_programs_would_read_with_other_bytes_is_refused_with_its_key() {
        let values = [
            ("\n", "ends with a newline"),
            ("\r\n", "ends with a newline (CR LF)"),
            (" ", "ends with whitespace"),
            ("\t", "ends with whitespace"),
            ("\u{a0}", "ends with whitespace"),
            ("\0", "NUL"),
        ];
        let keys = [
            ("host", "db"),
            ("port", "5432"),
            ("username", "adm"),
            ("database", "postgres"),
            ("sslmode", "require"),
        ];
        for (key, value) in keys {
            for (ending, words) in values {
                let problem = read(&[(key, &format!("{value}{ending}"))], None).expect_err("a problem");
                assert_eq!(problem.cause, Cause::BadValue, "{key} {ending:?}");
                let message = problem.message;
                assert!(
                    message.contains(&format!("`{key}`")) && message.contains(words),
                    "{message}"
                );
            }
            for (whole, words) in [
                (format!(" {value}"), "begins with whitespace"),
                (format!("\u{feff}{value}"), "byte order mark"),
                (format!("{value}\n{value}"), "control character"),
                (" \n".to_owned(), "whitespace only"),
            ] {
                let problem = read(&[(key, &whole)], None).expect_err("a problem");
                assert!(
                    problem.message.contains(&format!("`{key}`")) && problem.message.contains(words),
                    "{}",
                    problem.message
                );
            }
        }
        let empty = read(&[("ca", " \n")], None).expect_err("a problem");
        assert!(
            empty.message.contains("`ca`") && empty.message.contains("empty"),
            "{}",
            empty.message
        );
        assert!(
            read(&[("ca", "-----BEGIN…\n")], None).is_ok(),
            "PEM ends with a newline"
        );
    }

    #[test]
    fn an_address_that_a_url_needs_in_brackets_is_refused_where_there_is_a_url() {
        let problem = read(&[("host", "fd00::1")], None).expect_err("a problem");
        assert!(
            problem.message.contains("`host`") && problem.message.contains("brackets"),
            "{}",
            problem.message
        );
    }

    #[test]
    fn a_value_that_is_not_utf_8_is_refused_with_its_key() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("host"), [b'd', 0xff]).expect("written");
        let problem = text(folder.path(), "host").expect_err("a problem");
        assert!(
            problem.message.contains("`host`") && problem.message.contains("UTF-8"),
            "{}",
            problem.message
        );
    }

    #[test]
    fn a_password_is_taken_as_it_is_or_not_at_all() {
        let folder = tempfile::tempdir().expect("a folder");
        let with = |text: &str| {
            fs::write(folder.path().join("password"), text).expect("written");
            password(folder.path(), "password", false)
        };
        assert_eq!(with(" pä$$ ").expect("a password").reveal(), " pä$$ ".as_bytes());
        for text in ["", "s3cret\n"] {
            let problem = with(text).expect_err("a problem");
            assert_eq!(problem.cause, Cause::BadValue);
            assert!(!problem.message.contains("s3cret"));
        }
        for (text, is_plain) in [
            ("s3cret-._~", true),
            ("a:b!$&'()*+,;=c", true),
            ("p%41", false),
            ("p@ss", false),
            ("p/ss", false),
            ("p?s#s", false),
            ("p ss", false),
            ("p[ss]", false),
            ("pä", false),
        ] {
            assert!(with(text).is_ok());
            match password(folder.path(), "password", true) {
                Ok(password) => assert!(is_plain, "{password:?} {text}"),
                Err(problem) => {
                    assert!(!is_plain && problem.cause == Cause::BadValue, "{text}");
                    assert!(problem.message.contains("percent-encoded"), "{}", problem.message);
                    assert!(!problem.message.contains(text), "{}", problem.message);
                }
            }
        }
        let missing = password(folder.path(), "elsewhere", false).expect_err("a problem");
        assert_eq!(missing.cause, Cause::MissingKey);
    }
}
