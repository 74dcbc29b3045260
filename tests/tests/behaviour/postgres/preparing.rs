//! Roles and databases are made, once, whoever runs it how often.

use ras_tests::{
    Error,
    postgres::{PostgresOptions, PostgresServer, ServerTls, shared},
};

use super::given::{FIVE, Request, SHARED, ask, assert_done, five};

#[tokio::test]
async fn five_databases_have_five_owners_who_share_a_password_and_make_tables() -> Result<(), Error> {
    let server = shared().await?;
    let request = five("five");
    let preparation = request.mounted(server)?;
    let first = preparation.run().await?;
    assert_done(&first);
    assert_eq!(
        first.done().len(),
        20,
        "a role, a password, a database and a mark each: {}",
        first.message
    );
    let version = first.report["serverVersion"].as_str().expect("a version");
    assert!(version.starts_with(&server.major().to_string()), "{version}");

    for name in FIVE {
        let (database, owner) = (request.named(name), request.named(&format!("{name}admin")));
        let client = server
            .connect(&owner, SHARED, &database)
            .await
            .expect("the owner gets in");
        // What PostgreSQL 15 refuses to everybody but a database's owner.
        client
            .batch_execute("CREATE TABLE made (number int); INSERT INTO made VALUES (7)")
            .await
            .expect("the owner makes a table in public");
        assert_eq!(
            ask(&client, "SELECT tableowner FROM pg_tables WHERE tablename = 'made'").await,
            owner
        );
    }

    let again = preparation.run().await?;
    assert_done(&again);
    assert_eq!(again.done(), Vec::<String>::new(), "{}", again.message);
    Ok(())
}

#[tokio::test]
async fn several_may_run_at_the_same_time() -> Result<(), Error> {
    let server = shared().await?;
    let request = five("together");
    let preparations = [
        request.mounted(server)?,
        request.mounted(server)?,
        request.mounted(server)?,
    ];
    let mut children = Vec::new();
    for preparation in &preparations {
        children.push(preparation.start()?);
    }
    let mut done = 0;
    for (preparation, child) in preparations.iter().zip(children) {
        let prepared = preparation.outcome(child).await?;
        assert_done(&prepared);
        done += prepared.done().len();
    }
    assert_eq!(done, 20, "each step was taken by one of them");
    Ok(())
}

#[tokio::test]
async fn extensions_are_added_and_a_missing_one_keeps_nothing_else_waiting() -> Result<(), Error> {
    let server = shared().await?;
    let request = Request::of("extensions")
        .database("search", "admin", &["pg_trgm", "timescaledb", "uuid-ossp"])
        .database("other", "admin", &["citext"])
        .login("admin", "admin", "shared/password");
    let prepared = request.mounted(server)?.run().await?;
    let (cause, message) = super::given::problem(&prepared, 3);
    assert_eq!(cause, "ExtensionMissing");
    for words in ["timescaledb", "extensions_search"] {
        assert!(message.contains(words), "{message}");
    }
    let there = server
        .column(&request.named("search"), "SELECT extname FROM pg_extension ORDER BY 1")
        .await?;
    assert_eq!(there, ["pg_trgm", "plpgsql", "uuid-ossp"]);
    // Where programs find them without asking.
    let client = server
        .connect(&request.named("admin"), SHARED, &request.named("search"))
        .await
        .expect("the owner gets in");
    assert_eq!(ask(&client, "SELECT similarity('a', 'a')").await, "1");
    let other = server
        .column(&request.named("other"), "SELECT extname FROM pg_extension ORDER BY 1")
        .await?;
    assert_eq!(other, ["citext", "plpgsql"]);
    Ok(())
}

#[tokio::test]
async fn a_database_that_is_not_asked_for_any_more_is_kept_and_told_of() -> Result<(), Error> {
    let server = shared().await?;
    let both = Request::of("fewer")
        .database("kept", "admin", &[])
        .database("old", "admin", &[])
        .login("admin", "admin", "shared/password");
    let preparation = both.mounted(server)?;
    assert_done(&preparation.run().await?);
    let fewer = Request::of("fewer")
        .database("kept", "admin", &[])
        .login("admin", "admin", "shared/password");
    preparation.request(&fewer.yaml())?;
    let prepared = preparation.run().await?;
    assert_done(&prepared);
    assert_eq!(prepared.report["noLongerManaged"], serde_json::json!(["fewer_old"]));
    assert_eq!(prepared.done(), Vec::<String>::new());
    server
        .connect(&both.named("admin"), SHARED, "fewer_old")
        .await
        .expect("is still there");
    Ok(())
}

#[tokio::test]
async fn a_drive_never_takes_what_another_one_or_a_person_made() -> Result<(), Error> {
    let server = shared().await?;
    let request = || {
        Request::of("whose")
            .database("auth", "admin", &[])
            .login("admin", "admin", "shared/password")
    };
    assert_done(&request().mounted(server)?.run().await?);

    // Another drive with another password, and a drive of the same name in another cluster.
    for drive in [
        "{namespace: elsewhere, name: whose, uid: other}",
        "{namespace: placements, name: whose, uid: other}",
    ] {
        let preparation = request().drive(drive).mounted(server)?;
        preparation.password("shared/password", "another")?;
        let (cause, message) = super::given::problem(&preparation.run().await?, 3);
        assert_eq!(cause, "NotOurs", "{message}");
        assert!(
            message.contains("placements/whose") || message.contains("uid-whose"),
            "{message}"
        );
        assert!(message.contains("COMMENT ON ROLE"), "{message}");
        // With the password it may use what is there.
        let preparation = request()
            .drive("{namespace: elsewhere, name: whose, uid: other}")
            .mounted(server)?;
        let prepared = preparation.run().await?;
        assert_done(&prepared);
        assert_eq!(prepared.done(), Vec::<String>::new());
    }
    server
        .connect("whose_admin", SHARED, "whose_auth")
        .await
        .expect("the first drive's password still works");

    // A role made by hand, and a database of somebody else's.
    server
        .execute(
            "postgres",
            "CREATE ROLE manual_admin LOGIN PASSWORD 'by hand'; CREATE ROLE manual_other",
        )
        .await?;
    server
        .execute("postgres", "CREATE DATABASE manual_auth OWNER manual_other")
        .await?;
    let request = Request::of("manual")
        .database("auth", "admin", &[])
        .login("admin", "admin", "shared/password");
    let prepared = request.mounted(server)?.run().await?;
    assert_eq!(prepared.code, Some(3), "{}", prepared.message);
    let problems = prepared.problems();
    assert_eq!(problems.len(), 2, "{}", prepared.message);
    assert!(problems.iter().all(|(cause, _)| cause == "NotOurs"), "{problems:?}");
    assert!(
        problems.iter().any(|(_, message)| message.contains("ALTER DATABASE")),
        "{problems:?}"
    );
    server
        .connect("manual_admin", "by hand", "postgres")
        .await
        .expect("its own password still works");
    Ok(())
}

#[tokio::test]
async fn names_of_all_kinds_are_names() -> Result<(), Error> {
    let server = shared().await?;
    let yaml = serde_json::json!({
        "drive": {"namespace": "placements", "name": "odd", "uid": "o'dd\\"},
        "databases": [{"name": "odd \"; DROP ROLE adm; --", "owner": "Odd'$$ Ädmin\\"}],
        "logins": [{"role": "Odd'$$ Ädmin\\", "owner": "Odd'$$ Ädmin\\", "passwordFile": "shared/password"}],
    });
    let preparation = ras_tests::postgres::Preparation::new(server, &yaml.to_string())?;
    preparation.password("shared/password", SHARED)?;
    assert_done(&preparation.run().await?);
    let again = preparation.run().await?;
    assert_done(&again);
    assert_eq!(again.done(), Vec::<String>::new());
    let client = server
        .connect("Odd'$$ Ädmin\\", SHARED, "odd \"; DROP ROLE adm; --")
        .await;
    client.expect("gets in");
    Ok(())
}

#[tokio::test]
async fn every_way_to_secure_a_connection_that_should_work_does() -> Result<(), Error> {
    let server = PostgresServer::start(PostgresOptions {
        tls: ServerTls::Required,
        ..PostgresOptions::default()
    })
    .await?;
    let request = five("tls");
    let preparation = request.mounted(&server)?;
    let prepared = preparation.run().await?;
    assert_done(&prepared);
    let warning = prepared.report["warning"].as_str().expect("a warning");
    assert!(
        warning.contains("sslmode prefer") && warning.contains("verify-full"),
        "{warning}"
    );
    // Nothing said: verified, and the system's authorities do not know this server's.
    preparation.without_admin("sslmode")?;
    let (cause, message) = super::given::problem(&preparation.run().await?, 3);
    assert!(cause == "CertificateRefused" || cause == "BadValue", "{message}");
    let authority = std::fs::read_to_string(server.authority().expect("with TLS")).expect("can be read");
    preparation.admin("sslmode", "require")?;
    assert_done(&preparation.run().await?);
    preparation.admin("ca", &authority)?;
    for mode in ["prefer", "require", "verify-ca", "verify-full"] {
        preparation.admin("sslmode", mode)?;
        assert_done(&preparation.run().await?);
    }
    preparation.without_admin("sslmode")?;
    preparation.admin("host", "localhost")?;
    let prepared = preparation.run().await?;
    assert_done(&prepared);
    assert_eq!(prepared.report["warning"], serde_json::Value::Null);
    Ok(())
}
