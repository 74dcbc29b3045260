//! Logins of a server that work against the Job, and against other drives.

use ras_tests::{
    Error,
    postgres::{ADMIN, shared},
};

use super::given::{Request, SHARED, ask, assert_done, problem};

#[tokio::test]
async fn an_owner_cannot_have_its_functions_called_by_the_administrator_who_adds_an_extension() -> Result<(), Error> {
    let server = shared().await?;
    let request = || {
        Request::of("trojan")
            .database("search", "admin", &[])
            .login("admin", "admin", "shared/password")
    };
    let preparation = request().mounted(server)?;
    assert_done(&preparation.run().await?);
    let (database, owner) = (request().named("search"), request().named("admin"));
    let owns = server
        .connect(&owner, SHARED, &database)
        .await
        .expect("the owner gets in");
    // The script of cube, for instance, compares with operators that it names without a schema.
    let trap = |schema: &str| {
        format!(
            "CREATE FUNCTION {schema}.trap(text, text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN EXECUTE format('ALTER ROLE %I \
             SUPERUSER', '{owner}'); RETURN true; END $$; CREATE OPERATOR {schema}.=== (LEFTARG = text, RIGHTARG = text, FUNCTION = \
             {schema}.trap)"
        )
    };
    owns.batch_execute(&trap("public")).await.expect("made");
    let extensions = |names: &[&'static str]| {
        Request::of("trojan")
            .database("search", "admin", names)
            .login("admin", "admin", "shared/password")
            .yaml()
    };
    preparation.request(&extensions(&["pg_trgm", "citext"]))?;
    assert_done(&preparation.run().await?);
    let place = "SELECT nspname || ' of ' || nspowner::regrole FROM pg_extension JOIN pg_namespace ON pg_namespace.oid = \
                 extnamespace WHERE extname = 'pg_trgm'";
    assert_eq!(
        server.column(&database, place).await?,
        [format!("ras_extensions of {ADMIN}")]
    );
    let refused = owns
        .batch_execute(&trap("ras_extensions"))
        .await
        .expect_err("only administrators create there");
    assert_eq!(refused.code().map(tokio_postgres::error::SqlState::code), Some("42501"));
    owns.batch_execute("DROP SCHEMA ras_extensions CASCADE")
        .await
        .expect_err("it is not the owner's");

    // Programs find it without asking, also where the owner has a path of its own, which is kept.
    let again = server.connect(&owner, SHARED, &database).await.expect("gets in");
    assert_eq!(ask(&again, "SELECT similarity('a', 'a')").await, "1");
    assert_eq!(
        ask(&again, "SHOW search_path").await,
        "\"$user\", public, ras_extensions"
    );
    again
        .batch_execute(&format!(
            "CREATE SCHEMA mine; ALTER DATABASE {database} SET search_path = mine, \"x;DROP ROLE {owner};--\""
        ))
        .await
        .expect("its own");
    preparation.request(&extensions(&["pg_trgm", "citext", "hstore"]))?;
    assert_done(&preparation.run().await?);
    let again = server.connect(&owner, SHARED, &database).await.expect("gets in");
    assert_eq!(
        ask(&again, "SHOW search_path").await,
        format!("mine, \"x;DROP ROLE {owner};--\", ras_extensions")
    );
    assert_eq!(ask(&again, "SELECT similarity('a', 'a')").await, "1");
    Ok(())
}

#[tokio::test]
async fn an_owner_who_made_the_schema_of_extensions_first_gets_none() -> Result<(), Error> {
    let server = shared().await?;
    let request = |names: &[&'static str]| {
        Request::of("squat")
            .database("search", "admin", names)
            .login("admin", "admin", "shared/password")
    };
    let preparation = request(&[]).mounted(server)?;
    assert_done(&preparation.run().await?);
    let (database, owner) = (request(&[]).named("search"), request(&[]).named("admin"));
    let owns = server.connect(&owner, SHARED, &database).await.expect("gets in");
    owns.batch_execute("CREATE SCHEMA ras_extensions").await.expect("made");
    preparation.request(&request(&["pg_trgm"]).yaml())?;
    let (cause, message) = problem(&preparation.run().await?, 3);
    assert_eq!(cause, "NotOurs", "{message}");
    for words in [owner.as_str(), "ras_extensions", "ALTER SCHEMA"] {
        assert!(message.contains(words), "{message}");
    }
    let there = server.column(&database, "SELECT extname FROM pg_extension").await?;
    assert_eq!(there, ["plpgsql"]);
    server
        .execute(&database, &format!("ALTER SCHEMA ras_extensions OWNER TO {ADMIN}"))
        .await?;
    assert_done(&preparation.run().await?);
    Ok(())
}

#[tokio::test]
async fn a_login_that_holds_the_lock_keeps_nobody_from_preparing() -> Result<(), Error> {
    let server = shared().await?;
    server
        .execute("postgres", "CREATE ROLE holder LOGIN PASSWORD 'holds'")
        .await?;
    let holder = server.connect("holder", "holds", "postgres").await.expect("gets in");
    holder
        .batch_execute("SELECT pg_advisory_lock(125762873025634)")
        .await
        .expect("anybody may take it");
    let request = Request::of("held")
        .database("portal", "admin", &[])
        .login("admin", "admin", "shared/password");
    let mut preparation = request.mounted(server)?;
    preparation.patience(0);
    let prepared = preparation.run().await?;
    assert_done(&prepared);
    drop(holder);
    Ok(())
}

#[tokio::test]
async fn a_comment_that_an_owner_forged_makes_a_database_nobody_elses() -> Result<(), Error> {
    let server = shared().await?;
    let request = |prefix: &str| {
        Request::of(prefix)
            .database("portal", "admin", &[])
            .login("admin", "admin", "shared/password")
    };
    let (forger, victim) = (request("forger"), request("victim"));
    assert_done(&forger.mounted(server)?.run().await?);
    let owns = server
        .connect(&forger.named("admin"), SHARED, &forger.named("portal"))
        .await
        .expect("gets in");
    owns.batch_execute(&format!(
        "COMMENT ON DATABASE {} IS 'ras-operator: RecruitmentDrive placements/victim, UID uid-victim'",
        forger.named("portal")
    ))
    .await
    .expect("an owner may");
    owns.batch_execute(&format!("COMMENT ON ROLE {} IS 'x'", forger.named("admin")))
        .await
        .expect_err("a role may not");
    let prepared = victim.mounted(server)?.run().await?;
    assert_done(&prepared);
    assert_eq!(prepared.report["noLongerManaged"], serde_json::Value::Null);
    Ok(())
}
