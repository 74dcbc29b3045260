//! What is wrong is told in a sentence with the object and the next step, and nothing is changed.

use ras_tests::{
    Error, Signal, eventually,
    postgres::{ADMIN, PostgresOptions, PostgresServer, Preparation, ServerTls, shared},
};

use super::given::{Request, SHARED, assert_done, five, problem};

fn settings(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    owned.collect()
}

async fn fails(preparation: &Preparation, code: i32, cause: &str, words: &[&str]) -> Result<(), Error> {
    let (found, message) = problem(&preparation.run().await?, code);
    assert_eq!(found, cause, "{message}");
    for word in words {
        assert!(message.contains(word), "`{word}` is not in: {message}");
    }
    Ok(())
}

#[tokio::test]
async fn a_wrong_password_of_the_administrator_is_told_at_once() -> Result<(), Error> {
    let server = shared().await?;
    let preparation = five("wrong").mounted(server)?;
    preparation.admin("password", "hunter2")?;
    fails(&preparation, 3, "WrongPassword", &[ADMIN, "127.0.0.1", "`password`"]).await?;
    preparation.admin("password", &format!("{}\n", server.password()))?;
    fails(&preparation, 3, "WrongPassword", &["line break"]).await?;
    preparation.admin("password", "")?;
    fails(&preparation, 3, "WrongPassword", &["`password`", "is empty"]).await?;
    preparation.admin("username", "nobody_here")?;
    fails(&preparation, 3, "WrongPassword", &["nobody_here"]).await
}

#[tokio::test]
async fn a_secret_that_lacks_a_key_or_holds_nonsense_is_told_with_the_key() -> Result<(), Error> {
    let server = shared().await?;
    for key in ["host", "username", "password"] {
        let preparation = five("keys").mounted(server)?;
        preparation.without_admin(key)?;
        fails(&preparation, 3, "MissingKey", &[key]).await?;
    }
    let preparation = five("keys").mounted(server)?;
    preparation.admin("ca", "no certificate")?;
    fails(&preparation, 3, "BadValue", &["`ca`"]).await?;

    let request = Request::of("keys")
        .database("auth", "admin", &[])
        .login("admin", "admin", "elsewhere/password");
    let preparation = request.mounted(server)?;
    fails(&preparation, 3, "MissingKey", &["elsewhere/password"]).await?;

    let preparation = five("keys").mounted(server)?;
    preparation.admin("database", "nowhere")?;
    fails(&preparation, 3, "DatabaseMissing", &["nowhere", "`database`"]).await
}

#[tokio::test]
async fn a_request_that_makes_no_sense_is_told_with_the_field() -> Result<(), Error> {
    let server = shared().await?;
    let request = Request::of("nonsense")
        .login("admin", "admin", "shared/password")
        .with("minimumVersion: 15");
    fails(&request.mounted(server)?, 3, "BadRequest", &["logins[0].owner"]).await
}

#[tokio::test]
async fn a_server_that_is_too_old_is_told_with_both_versions() -> Result<(), Error> {
    let server = shared().await?;
    let next = server.major() + 1;
    let preparation = five("old").with(&format!("minimumVersion: {next}")).mounted(server)?;
    let words = [&format!("PostgreSQL {}", server.major()), &format!("{next} or later")];
    fails(&preparation, 3, "WrongVersion", &words.map(String::as_str)).await?;
    let made = server
        .column("postgres", "SELECT rolname FROM pg_roles WHERE rolname LIKE 'old%'")
        .await?;
    assert_eq!(made, Vec::<String>::new(), "nothing was changed");
    Ok(())
}

#[tokio::test]
async fn a_server_that_nobody_answers_at_is_told_with_host_and_port() -> Result<(), Error> {
    let server = shared().await?;
    let mut preparation = five("nowhere").mounted(server)?;
    preparation.patience(0);
    preparation.admin("port", "1")?;
    fails(&preparation, 4, "Unreachable", &["127.0.0.1:1", "firewalls"]).await?;
    preparation.admin("host", "no-such-host.invalid")?;
    fails(&preparation, 4, "Unreachable", &["no-such-host.invalid:1"]).await
}

#[tokio::test]
async fn tls_that_one_side_wants_and_the_other_does_not_is_told() -> Result<(), Error> {
    let plain = shared().await?;
    let preparation = five("plain").mounted(plain)?;
    for mode in ["require", "verify-ca", "verify-full"] {
        preparation.admin("sslmode", mode)?;
        fails(&preparation, 3, "TlsRefused", &["does not speak TLS", "sslmode"]).await?;
    }

    let required = PostgresServer::start(PostgresOptions {
        tls: ServerTls::Required,
        settings: settings(&[("listen_addresses", "127.0.0.1, 127.0.0.2")]),
        ..PostgresOptions::default()
    })
    .await?;
    let preparation = five("required").mounted(&required)?;
    preparation.admin("sslmode", "disable")?;
    fails(&preparation, 3, "TlsRequired", &["`require`", "`ca`"]).await?;

    // The authority of another server.
    let other = PostgresServer::start(PostgresOptions {
        tls: ServerTls::On,
        ..PostgresOptions::default()
    })
    .await?;
    let authority = std::fs::read_to_string(other.authority().expect("with TLS")).expect("can be read");
    preparation.admin("ca", &authority)?;
    for mode in ["prefer", "require", "verify-ca", "verify-full"] {
        preparation.admin("sslmode", mode)?;
        fails(&preparation, 3, "CertificateRefused", &["authorities", "`ca`"]).await?;
    }
    // Verified without an authority to verify by: the system's know nothing of this server.
    preparation.without_admin("ca")?;
    let (cause, message) = problem(&preparation.run().await?, 3);
    assert!(cause == "CertificateRefused" || cause == "BadValue", "{message}");
    assert!(message.contains("`ca`"), "{message}");

    // The right authority, and a name that is not in the certificate.
    let authority = std::fs::read_to_string(required.authority().expect("with TLS")).expect("can be read");
    preparation.admin("ca", &authority)?;
    preparation.admin("host", "127.0.0.2")?;
    fails(&preparation, 3, "CertificateRefused", &["127.0.0.2", "`host`"]).await?;
    preparation.admin("sslmode", "verify-ca")?;
    assert_done(&preparation.run().await?);
    Ok(())
}

#[tokio::test]
async fn a_login_that_the_servers_rules_keep_out_is_told_and_its_password_left() -> Result<(), Error> {
    let server = PostgresServer::start(PostgresOptions {
        rules: vec!["host all kept_app 127.0.0.1/32 reject".to_owned()],
        ..PostgresOptions::default()
    })
    .await?;
    let request = Request::of("kept")
        .database("application", "app", &[])
        .login("app", "app", "shared/password");
    let preparation = request.mounted(&server)?;
    fails(&preparation, 3, "NotLetIn", &["kept_app", "pg_hba.conf"]).await?;
    let again = preparation.run().await?;
    assert_eq!(
        again.done(),
        Vec::<String>::new(),
        "the password is not set again and again"
    );
    Ok(())
}

#[tokio::test]
async fn a_password_that_the_server_takes_and_does_not_accept_is_told() -> Result<(), Error> {
    let server = shared().await?;
    let request = Request::of("expired")
        .database("application", "app", &[])
        .login("app", "app", "shared/password");
    let preparation = request.mounted(server)?;
    assert_done(&preparation.run().await?);
    server
        .execute("postgres", "ALTER ROLE expired_app VALID UNTIL '2001-01-01'")
        .await?;
    fails(&preparation, 3, "WrongPassword", &["expired_app", "VALID UNTIL"]).await
}

#[tokio::test]
async fn a_server_that_takes_no_writes_is_waited_for_and_then_told() -> Result<(), Error> {
    let mut server = PostgresServer::start(PostgresOptions::default()).await?;
    server
        .restart(settings(&[("default_transaction_read_only", "on")]))
        .await?;
    let mut preparation = five("standby").mounted(&server)?;
    preparation.patience(1);
    fails(&preparation, 4, "ReadOnly", &["takes no writes", "primary"]).await?;

    // It becomes the primary while we wait.
    preparation.patience(120);
    let child = preparation.start()?;
    server.restart(Vec::new()).await?;
    assert_done(&preparation.outcome(child).await?);
    Ok(())
}

#[tokio::test]
async fn a_server_without_connections_is_told_and_one_that_comes_back_is_waited_for() -> Result<(), Error> {
    let mut server = PostgresServer::start(PostgresOptions {
        settings: settings(&[("max_connections", "4"), ("superuser_reserved_connections", "0")]),
        ..PostgresOptions::default()
    })
    .await?;
    let mut preparation = five("busy").mounted(&server)?;
    let mut held = Vec::new();
    while let Ok(client) = server.connect(ADMIN, server.password(), "postgres").await {
        held.push(client);
    }
    preparation.patience(1);
    fails(&preparation, 4, "TooManyConnections", &["max_connections"]).await?;

    preparation.patience(120);
    let child = preparation.start()?;
    drop(held);
    assert_done(&preparation.outcome(child).await?);

    // Killed, and up again while we wait: it recovers first, and says so.
    server.kill();
    let child = preparation.start()?;
    server.launch_again(Vec::new()).await?;
    assert_done(&preparation.outcome(child).await?);
    Ok(())
}

#[tokio::test]
async fn a_server_that_takes_connections_and_never_answers_is_told() -> Result<(), Error> {
    let mut server = PostgresServer::start(PostgresOptions::default()).await?;
    let mut preparation = five("frozen").mounted(&server)?;
    preparation.patience(0);
    server.signal(Signal::Stop);
    // The process guard forwards the signal, which takes a moment.
    eventually(ras_tests::PATIENCE, "the server to freeze", async || {
        let connect = server.connect(ADMIN, server.password(), "postgres");
        match tokio::time::timeout(std::time::Duration::from_millis(500), connect).await {
            Ok(_) => Err("it answers".into()),
            Err(_) => Ok(()),
        }
    })
    .await?;
    let outcome = fails(&preparation, 4, "Unreachable", &["did not answer in time"]).await;
    server.signal(Signal::Cont);
    outcome
}

#[tokio::test]
async fn whoever_asks_it_to_stop_is_obeyed_and_the_next_run_carries_on() -> Result<(), Error> {
    let server = shared().await?;
    let mut preparation = five("stopped").mounted(server)?;
    preparation.patience(600);
    preparation.admin("port", "1")?;
    let child = preparation.start()?;
    let process = child.id().expect("it runs").to_string();
    // It listens to the signal from the start; before that it dies of it like any program.
    let stopping = eventually(ras_tests::PATIENCE, "the program to stop", async || {
        let status = std::process::Command::new("kill")
            .arg(&process)
            .stderr(std::process::Stdio::null())
            .status();
        match status {
            Ok(status) if status.success() => Err("it runs".into()),
            _ => Ok(()),
        }
    });
    let (prepared, _) = tokio::join!(preparation.outcome(child), stopping);
    assert!(matches!(prepared?.code, Some(4) | None));
    preparation.admin("port", &server.port().to_string())?;
    assert_done(&preparation.run().await?);
    server
        .connect("stopped_authadmin", SHARED, "stopped_auth")
        .await
        .expect("gets in");
    Ok(())
}
