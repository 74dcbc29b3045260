//! Which servers the Job connects to is what libpq decides, because programs connect by it: each row is tried by
//! PostgreSQL's own client too.

use std::{fs, path::Path, process::Command};

use ras_tests::{
    Error,
    postgres::{PostgresOptions, PostgresServer, Preparation, ServerTls},
};
use tempfile::TempDir;

use super::given::Request;

const MODES: [&str; 6] = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"];
const VERIFYING: [&str; 3] = ["require", "verify-ca", "verify-full"];

/// Extensions of a server's certificate for 127.0.0.1 and localhost.
const NAMES: &str = "subjectAltName=DNS:localhost,IP:127.0.0.1";
const AUTHORITY: &str = "basicConstraints=critical,CA:TRUE\nkeyUsage=keyCertSign\n";

/// Certificates made by OpenSSL, which makes what is out of date, too.
struct Certificates(TempDir);

impl Certificates {
    fn new() -> Self {
        let this = Self(tempfile::tempdir().expect("a folder"));
        let settings = "[req]\ndistinguished_name=name\n[name]\n";
        fs::write(this.0.path().join("settings"), settings).expect("written");
        this
    }

    fn openssl(&self, arguments: &[&str]) {
        let output = Command::new("openssl")
            .args(arguments)
            .current_dir(self.0.path())
            .output()
            .expect("openssl starts");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "openssl {arguments:?}: {said}");
    }

    /// A certificate signed by `signer`, or by itself. Without extensions it is of X.509 version 1.
    fn make(&self, name: &str, subject: &str, extensions: &str, signer: Option<&str>) {
        self.make_for(30, name, subject, extensions, signer);
    }

    fn make_for(&self, days: i32, name: &str, subject: &str, extensions: &str, signer: Option<&str>) {
        let file = |ending: &str| format!("{name}.{ending}");
        let (key, request, made, days) = (file("key"), file("csr"), file("crt"), days.to_string());
        let curve = ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"];
        self.openssl(&[&["genpkey"], &curve[..], &["-out", &key]].concat());
        self.openssl(&[
            "req", "-new", "-config", "settings", "-subj", subject, "-key", &key, "-out", &request,
        ]);
        let mut arguments = vec!["x509", "-req", "-in", &request, "-out", &made, "-days", &days];
        let extension_file = file("ext");
        if !extensions.is_empty() {
            fs::write(self.0.path().join(&extension_file), extensions).expect("written");
            arguments.extend(["-extfile", &extension_file]);
        }
        let signers = signer.map(|signer| (format!("{signer}.crt"), format!("{signer}.key")));
        match &signers {
            Some((certificate, key)) => arguments.extend(["-CA", certificate, "-CAkey", key, "-CAcreateserial"]),
            None => arguments.extend(["-signkey", &key]),
        }
        self.openssl(&arguments);
    }

    fn pem(&self, names: &[&str]) -> String {
        let read = |name: &&str| fs::read_to_string(self.0.path().join(format!("{name}.crt"))).expect("made");
        names.iter().map(read).collect()
    }

    fn key(&self, name: &str) -> String {
        fs::read_to_string(self.0.path().join(format!("{name}.key"))).expect("made")
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

/// One server and what a client trusts.
struct Row {
    what: &'static str,
    /// The certificate chain of the server, its own certificate first.
    sent: &'static [&'static str],
    trusted: &'static [&'static str],
    host: &'static str,
    /// Results of `require`, `verify-ca` and `verify-full`. `require` verifies if there is a CA certificate.
    accepted: [bool; 3],
}

const fn row(
    what: &'static str,
    sent: &'static [&'static str],
    trusted: &'static [&'static str],
    host: &'static str,
    accepted: [bool; 3],
) -> Row {
    Row {
        what,
        sent,
        trusted,
        host,
        accepted,
    }
}

const ALL: [bool; 3] = [true; 3];
const NONE: [bool; 3] = [false; 3];
const NOT_FULL: [bool; 3] = [true, true, false];
const BY_ADDRESS: &str = "127.0.0.1";

const ROWS: &[Row] = &[
    row("signed", &["signed"], &["root"], BY_ADDRESS, ALL),
    row("signed, by name", &["signed"], &["root"], "localhost", ALL),
    row(
        "signed, several trusted",
        &["signed"],
        &["other", "root"],
        BY_ADDRESS,
        ALL,
    ),
    row("signed, no address in it", &["named"], &["root"], BY_ADDRESS, NOT_FULL),
    row("signed by another", &["signed"], &["other"], BY_ADDRESS, NONE),
    row(
        "trusted alone, and not self-signed",
        &["signed"],
        &["signed"],
        BY_ADDRESS,
        NONE,
    ),
    row("self-signed authority", &["self-ca"], &["self-ca"], BY_ADDRESS, ALL),
    row("self-signed", &["self"], &["self"], BY_ADDRESS, ALL),
    row("self-signed, by name", &["self"], &["self"], "localhost", ALL),
    row(
        "self-signed, of version 1",
        &["self-v1"],
        &["self-v1"],
        "localhost",
        ALL,
    ),
    row(
        "self-signed, of version 1, by address",
        &["self-v1"],
        &["self-v1"],
        BY_ADDRESS,
        NOT_FULL,
    ),
    row("self-signed, not trusted", &["self"], &["root"], BY_ADDRESS, NONE),
    row(
        "self-signed authority, not trusted",
        &["self-ca"],
        &["root"],
        BY_ADDRESS,
        NONE,
    ),
    row("self-signed, expired", &["self-old"], &["self-old"], BY_ADDRESS, NONE),
    row(
        "self-signed, for signing only",
        &["self-sign"],
        &["self-sign"],
        BY_ADDRESS,
        NONE,
    ),
    row("common name only", &["cn"], &["root"], "localhost", ALL),
    row("address in the common name", &["cn-ip"], &["root"], BY_ADDRESS, ALL),
    row(
        "address in the common name, names beside it",
        &["cn-ip-dns"],
        &["root"],
        BY_ADDRESS,
        ALL,
    ),
    row(
        "common name, and other names",
        &["cn-other"],
        &["root"],
        "localhost",
        NOT_FULL,
    ),
    row("expired", &["old"], &["root"], BY_ADDRESS, NONE),
    row(
        "signed by an expired authority",
        &["by-old"],
        &["old-root"],
        BY_ADDRESS,
        NONE,
    ),
    row("authority of version 1", &["by-v1"], &["root-v1"], BY_ADDRESS, ALL),
    row(
        "authority without constraints",
        &["by-plain"],
        &["root-plain"],
        BY_ADDRESS,
        NONE,
    ),
    row(
        "authority by its key usage",
        &["by-usage"],
        &["root-usage"],
        BY_ADDRESS,
        ALL,
    ),
    row(
        "signed by a server's certificate",
        &["by-self"],
        &["self"],
        BY_ADDRESS,
        NONE,
    ),
    row(
        "intermediate sent",
        &["by-middle", "middle"],
        &["root"],
        BY_ADDRESS,
        ALL,
    ),
    row(
        "intermediate trusted too",
        &["by-middle"],
        &["root", "middle"],
        BY_ADDRESS,
        ALL,
    ),
    row("intermediate missing", &["by-middle"], &["root"], BY_ADDRESS, NONE),
    row(
        "intermediate trusted alone",
        &["by-middle", "middle"],
        &["middle"],
        BY_ADDRESS,
        NONE,
    ),
    row(
        "intermediate that a root forbids",
        &["by-short", "short"],
        &["root-short"],
        BY_ADDRESS,
        NONE,
    ),
    row("for clients only", &["client"], &["root"], BY_ADDRESS, NONE),
    row("for servers, said so", &["server"], &["root"], BY_ADDRESS, ALL),
    row(
        "names that the authority permits",
        &["in"],
        &["bound"],
        "localhost",
        ALL,
    ),
    row(
        "names that the authority forbids",
        &["out"],
        &["bound"],
        BY_ADDRESS,
        NONE,
    ),
];

fn certificates() -> Certificates {
    let made = Certificates::new();
    made.make("root", "/CN=root", AUTHORITY, None);
    made.make("other", "/CN=other", AUTHORITY, None);
    made.make("signed", "/CN=server", NAMES, Some("root"));
    made.make("named", "/CN=server", "subjectAltName=DNS:localhost", Some("root"));
    made.make(
        "self-ca",
        "/CN=db",
        &format!("{NAMES}\nbasicConstraints=critical,CA:TRUE"),
        None,
    );
    made.make("self", "/CN=db2", &format!("{NAMES}\nbasicConstraints=CA:FALSE"), None);
    made.make("self-v1", "/CN=localhost", "", None);
    made.make_for(-1, "self-old", "/CN=db", NAMES, None);
    made.make("self-sign", "/CN=db", &format!("{NAMES}\n{AUTHORITY}"), None);
    made.make("cn", "/CN=localhost", "basicConstraints=CA:FALSE", Some("root"));
    made.make("cn-ip", "/CN=127.0.0.1", "", Some("root"));
    made.make(
        "cn-ip-dns",
        "/CN=127.0.0.1",
        "subjectAltName=DNS:localhost",
        Some("root"),
    );
    made.make(
        "cn-other",
        "/CN=localhost",
        "subjectAltName=DNS:db.example.edu",
        Some("root"),
    );
    made.make_for(-1, "old", "/CN=server", NAMES, Some("root"));
    made.make_for(-1, "old-root", "/CN=old root", AUTHORITY, None);
    made.make("by-old", "/CN=server", NAMES, Some("old-root"));
    made.make("root-v1", "/CN=root of version 1", "", None);
    made.make("by-v1", "/CN=server", NAMES, Some("root-v1"));
    made.make("root-plain", "/CN=plain root", "subjectKeyIdentifier=hash", None);
    made.make("by-plain", "/CN=server", NAMES, Some("root-plain"));
    made.make("root-usage", "/CN=root by usage", "keyUsage=keyCertSign", None);
    made.make("by-usage", "/CN=server", NAMES, Some("root-usage"));
    made.make("by-self", "/CN=server", NAMES, Some("self"));
    made.make("middle", "/CN=middle", AUTHORITY, Some("root"));
    made.make("by-middle", "/CN=server", NAMES, Some("middle"));
    let short = "basicConstraints=critical,CA:TRUE,pathlen:0\nkeyUsage=keyCertSign";
    made.make("root-short", "/CN=short root", short, None);
    made.make("short", "/CN=middle", AUTHORITY, Some("root-short"));
    made.make("by-short", "/CN=server", NAMES, Some("short"));
    made.make(
        "client",
        "/CN=server",
        &format!("{NAMES}\nextendedKeyUsage=clientAuth"),
        Some("root"),
    );
    made.make(
        "server",
        "/CN=server",
        &format!("{NAMES}\nextendedKeyUsage=serverAuth"),
        Some("root"),
    );
    let bound = format!("{AUTHORITY}nameConstraints=critical,permitted;DNS:localhost,excluded;IP:127.0.0.0/255.0.0.0");
    made.make("bound", "/CN=bound", &bound, None);
    made.make("in", "/CN=server", "subjectAltName=DNS:localhost", Some("bound"));
    made.make("out", "/CN=server", NAMES, Some("bound"));
    made
}

/// Connects to a server with libpq and with the Job, which must agree. Returns true if they connect.
async fn both(
    server: &PostgresServer,
    preparation: &Preparation,
    what: &str,
    host: &str,
    mode: &str,
    authority: Option<(&Path, &str)>,
) -> Result<bool, Error> {
    preparation.admin("host", host)?;
    preparation.admin("sslmode", mode)?;
    let mut parameters = vec![("host", host), ("sslmode", mode)];
    let file = authority.map(|(folder, _)| folder.join("ca.crt").display().to_string());
    match (authority, &file) {
        (Some((_, pem)), Some(file)) => {
            fs::write(file, pem).expect("written");
            parameters.push(("sslrootcert", file));
            preparation.admin("ca", pem)?;
        }
        _ => {
            let _ = preparation.without_admin("ca");
        }
    }
    let refusal = server.refusal_of_psql(&parameters).await?;
    let prepared = preparation.run().await?;
    assert_eq!(
        prepared.is_done(),
        refusal.is_none(),
        "{what}, sslmode {mode}, ca {}: psql: {refusal:?}; the Job: {}\n{}",
        authority.is_some(),
        prepared.message,
        prepared.log
    );
    for (cause, message) in prepared.problems() {
        assert!(
            cause.starts_with("Certificate") || cause.starts_with("Tls") || cause == "BadValue",
            "{what}: {cause}: {message}"
        );
        for name in ["Error(", "Other(", "::", "UsedAs", "{", "peer certificate"] {
            assert!(!message.contains(name), "{what}: a type's name is in: {message}");
        }
        assert!(message.contains("`ca`"), "{what}: {message}");
    }
    Ok(refusal.is_none())
}

async fn server(tls: ServerTls) -> Result<PostgresServer, Error> {
    PostgresServer::start(PostgresOptions {
        tls,
        ..PostgresOptions::default()
    })
    .await
}

fn preparation(server: &PostgresServer) -> Result<Preparation, Error> {
    Request::of("tls")
        .database("application", "app", &[])
        .login("app", "app", "shared/password")
        .mounted(server)
}

#[tokio::test]
async fn a_certificate_is_trusted_where_libpq_trusts_it() -> Result<(), Error> {
    let server = server(ServerTls::Required).await?;
    let made = certificates();
    let preparation = preparation(&server)?;
    for Row {
        what,
        sent,
        trusted,
        host,
        accepted,
    } in ROWS
    {
        server.serve(&made.pem(sent), &made.key(sent[0])).await?;
        let authority = made.pem(trusted);
        for (mode, expected) in VERIFYING.into_iter().zip(accepted) {
            let connects = both(&server, &preparation, what, host, mode, Some((made.path(), &authority))).await?;
            assert_eq!(connects, *expected, "{what}, sslmode {mode}");
        }
    }
    // The signature that proves the key is another one in TLS 1.2.
    server
        .execute("postgres", "ALTER SYSTEM SET ssl_max_protocol_version = 'TLSv1.2'")
        .await?;
    for name in ["self-v1", "self-ca", "signed"] {
        server.serve(&made.pem(&[name]), &made.key(name)).await?;
        let trusted = if name == "signed" { "root" } else { name };
        let authority = made.pem(&[trusted]);
        let authority = Some((made.path(), authority.as_str()));
        assert!(both(&server, &preparation, name, "localhost", "verify-full", authority).await?);
    }
    Ok(())
}

#[tokio::test]
async fn each_sslmode_means_what_it_means_to_libpq() -> Result<(), Error> {
    let made = certificates();
    let (right, wrong) = (made.pem(&["self-v1"]), made.pem(&["other"]));
    let authorities = [None, Some(right.as_str()), Some(wrong.as_str())];
    for tls in [ServerTls::On, ServerTls::Required] {
        let server = server(tls).await?;
        server.serve(&made.pem(&["self-v1"]), &made.key("self-v1")).await?;
        let preparation = preparation(&server)?;
        for mode in MODES {
            for authority in authorities {
                let authority = authority.map(|pem| (made.path(), pem));
                let what = format!("{tls:?}");
                both(&server, &preparation, &what, "localhost", mode, authority).await?;
            }
        }
    }
    Ok(())
}
