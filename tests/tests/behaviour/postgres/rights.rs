//! The administrator need not be a superuser, as on RDS; and one who may not do what is needed is told what is missing.

use ras_tests::{Error, postgres::shared};

use super::given::{Request, SHARED, ask, assert_done, problem};

#[tokio::test]
async fn an_administrator_who_is_no_superuser_will_do() -> Result<(), Error> {
    let server = shared().await?;
    server
        .execute(
            "postgres",
            "CREATE ROLE rds_master LOGIN CREATEROLE CREATEDB PASSWORD 'master'",
        )
        .await?;
    for (login, generation) in [("app", 0), ("app_2", 1), ("app", 2)] {
        let request =
            Request::of("rds")
                .database("application", "app", &["pg_trgm"])
                .login(login, "app", "application/password");
        let preparation = request.mounted(server)?;
        preparation.admin("username", "rds_master")?;
        preparation.admin("password", "master")?;
        preparation.password("application/password", &format!("generation {generation}"))?;
        assert_done(&preparation.run().await?);
        let again = preparation.run().await?;
        assert_done(&again);
        assert_eq!(again.done(), Vec::<String>::new());
        let client = server
            .connect(
                &request.named(login),
                &format!("generation {generation}"),
                "rds_application",
            )
            .await
            .expect("gets in");
        client
            .batch_execute(&format!("CREATE TABLE made_{generation} ()"))
            .await
            .expect("makes a table in public");
        assert_eq!(ask(&client, "SELECT current_user").await, "rds_app");
        assert_eq!(ask(&client, "SELECT similarity('a', 'a')").await, "1");
    }
    let owners = server
        .column(
            "rds_application",
            "SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public'",
        )
        .await?;
    assert_eq!(owners, ["rds_app"]);
    Ok(())
}

#[tokio::test]
async fn an_administrator_who_may_not_do_what_is_needed_is_told_what_is_missing() -> Result<(), Error> {
    let server = shared().await?;
    server
        .execute(
            "postgres",
            "CREATE ROLE clerk LOGIN PASSWORD 'clerk'; CREATE ROLE personnel LOGIN CREATEROLE PASSWORD 'personnel'",
        )
        .await?;
    let request = |prefix: &str| {
        Request::of(prefix)
            .database("application", "app", &[])
            .login("app", "app", "shared/password")
    };
    let preparation = request("clerk").mounted(server)?;
    preparation.admin("username", "clerk")?;
    preparation.admin("password", "clerk")?;
    let (cause, message) = problem(&preparation.run().await?, 3);
    assert_eq!(cause, "MissingRight");
    assert!(
        message.contains("CREATEROLE") && message.contains("clerk_app"),
        "{message}"
    );

    // Who may make roles alone makes them, and the passwords work.
    let preparation = request("personnel").mounted(server)?;
    preparation.admin("username", "personnel")?;
    preparation.admin("password", "personnel")?;
    let (cause, message) = problem(&preparation.run().await?, 3);
    assert_eq!(cause, "MissingRight");
    assert!(
        message.contains("CREATEDB") && message.contains("personnel_application"),
        "{message}"
    );
    server
        .connect("personnel_app", SHARED, "postgres")
        .await
        .expect("the login works");

    // An extension that only superusers may add is a problem of that extension alone.
    server.execute("postgres", "ALTER ROLE personnel CREATEDB").await?;
    let request = Request::of("personnel")
        .database("application", "app", &["pg_buffercache", "pg_trgm"])
        .login("app", "app", "shared/password");
    preparation.request(&request.yaml())?;
    let (cause, message) = problem(&preparation.run().await?, 3);
    assert_eq!(cause, "MissingRight");
    assert!(message.contains("pg_buffercache"), "{message}");
    let there = server
        .column("personnel_application", "SELECT extname FROM pg_extension ORDER BY 1")
        .await?;
    assert_eq!(there, ["pg_trgm", "plpgsql"]);
    Ok(())
}
