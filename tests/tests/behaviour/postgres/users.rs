//! Users of a database: they work with what the owner makes, and make nothing themselves.

use ras_tests::{Error, postgres::shared};

use super::given::{Request, SHARED, ask, assert_done};

#[tokio::test]
async fn a_user_reads_and_writes_what_the_owner_made_and_will_make_and_changes_no_table() -> Result<(), Error> {
    let server = shared().await?;
    let owners_own = || {
        Request::of("users")
            .database("portal", "owner", &[])
            .login("owner", "owner", "shared/password")
    };
    let before = owners_own();
    let (portal, owner, user) = (before.named("portal"), before.named("owner"), before.named("user"));
    let preparation = before.mounted(server)?;
    assert_done(&preparation.run().await?);
    let owns = server
        .connect(&owner, SHARED, &portal)
        .await
        .expect("the owner gets in");
    let make = |table: &str| format!("CREATE TABLE {table} (id serial PRIMARY KEY, name text)");
    owns.batch_execute(&make("before")).await.expect("made");

    // The program of a database that has been used for years gets a user of its own.
    let request = owners_own()
        .user("portal", "user")
        .login("user", "user", "shared/password");
    preparation.request(&request.yaml())?;
    let prepared = preparation.run().await?;
    assert_done(&prepared);
    assert_eq!(
        prepared.done().len(),
        3,
        "a role, a password and its rights: {}",
        prepared.message
    );
    assert_eq!(preparation.run().await?.done(), Vec::<String>::new(), "once is enough");
    owns.batch_execute(&make("after")).await.expect("made");

    let program = server.connect(&user, SHARED, &portal).await.expect("the user gets in");
    for table in ["before", "after"] {
        program
            .batch_execute(&format!(
                "INSERT INTO {table} (name) VALUES ('a'), ('b'); UPDATE {table} SET name = 'c' WHERE name = 'a'; \
             DELETE FROM {table} WHERE name = 'b'"
            ))
            .await
            .unwrap_or_else(|error| panic!("{table}: {error:?}"));
        assert_eq!(ask(&program, &format!("SELECT name FROM {table}")).await, "c");
        for change in [
            format!("ALTER TABLE {table} ADD COLUMN more text"),
            format!("DROP TABLE {table}"),
            format!("TRUNCATE {table}"),
        ] {
            let refused = program
                .batch_execute(&change)
                .await
                .expect_err("no user may change a table");
            let code = refused.code().map(tokio_postgres::error::SqlState::code);
            assert_eq!(code, Some("42501"), "{change}: {refused:?}");
        }
    }
    if server.major() >= 15 {
        program
            .batch_execute(&make("its_own"))
            .await
            .expect_err("no user may make a table");
    }

    // What somebody took away from it stays away.
    owns.batch_execute(&format!("REVOKE ALL ON before FROM {user}"))
        .await
        .expect("taken away");
    assert_eq!(preparation.run().await?.done(), Vec::<String>::new());
    Ok(())
}

#[tokio::test]
async fn a_rotated_login_of_a_user_works_as_the_user_and_what_the_owners_second_login_makes_is_its_to_use()
-> Result<(), Error> {
    let server = shared().await?;
    let request = Request::of("turns")
        .database("portal", "owner", &[])
        .user("portal", "user")
        .login("owner_2", "owner", "shared/password")
        .login("user_2", "user", "shared/password");
    assert_done(&request.mounted(server)?.run().await?);
    let (portal, owner, user) = (
        request.named("portal"),
        request.named("owner_2"),
        request.named("user_2"),
    );
    let owns = server
        .connect(&owner, SHARED, &portal)
        .await
        .expect("the owner gets in");
    owns.batch_execute("CREATE TABLE made (number int)")
        .await
        .expect("made");
    let program = server.connect(&user, SHARED, &portal).await.expect("the user gets in");
    program
        .batch_execute("INSERT INTO made VALUES (7)")
        .await
        .expect("used");
    assert_eq!(ask(&program, "SELECT number FROM made").await, "7");
    assert_eq!(ask(&program, "SELECT current_user").await, request.named("user"));
    Ok(())
}
