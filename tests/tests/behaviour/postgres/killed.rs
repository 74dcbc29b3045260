//! It may be killed at any moment.

use ras_tests::{
    Error,
    postgres::{Cut, PostgresServer, Tap, shared},
};

use super::given::{Request, SHARED, ask, assert_done};

/// Two databases, an extension, and a login that works as the owner: every kind of step there is for a superuser.
fn request(prefix: &str) -> Request {
    Request::of(prefix)
        .database("application", "app", &["pg_trgm"])
        .database("auth", "auth", &[])
        .login("app_2", "app", "shared/password")
        .login("auth", "auth", "shared/password")
}

async fn run_through(server: &PostgresServer, prefix: &str, cut: Cut) -> Result<usize, Error> {
    let preparation = request(prefix).mounted(server)?;
    let mut tap = Tap::start(server.port(), cut).await?;
    preparation.admin("port", &tap.port().to_string())?;
    preparation.admin("sslmode", "disable")?;
    if cut == Cut::Never {
        assert_done(&preparation.run().await?);
        return Ok(tap.statements());
    }
    let mut child = preparation.start()?;
    tokio::select! {
        () = tap.cut() => {}
        status = child.wait() => panic!("{cut:?}: it ended by itself: {status:?}"),
    }
    child.kill().await.expect("can be killed");
    let killed = preparation.outcome(child).await?;
    assert_eq!((killed.code, killed.message.as_str()), (None, ""), "{cut:?}");

    preparation.admin("port", &server.port().to_string())?;
    assert_done(&preparation.run().await?);
    let again = preparation.run().await?;
    assert_done(&again);
    assert_eq!(again.done(), Vec::<String>::new(), "{cut:?}");
    for (database, login, owner) in [("application", "app_2", "app"), ("auth", "auth", "auth")] {
        let request = request(prefix);
        let client = server
            .connect(&request.named(login), SHARED, &request.named(database))
            .await
            .unwrap_or_else(|error| panic!("{cut:?}: {login}: {error}"));
        client
            .batch_execute("CREATE TABLE made ()")
            .await
            .expect("makes a table");
        let owned = ask(&client, "SELECT tableowner FROM pg_tables WHERE tablename = 'made'").await;
        assert_eq!(owned, request.named(owner), "{cut:?}");
    }
    let marks =
        "SELECT count(*) FROM pg_database WHERE shobj_description(oid, 'pg_database') LIKE 'ras-operator: %/PREFIX,%'";
    let marks = server.column("postgres", &marks.replace("PREFIX", prefix)).await?;
    assert_eq!(marks, ["2"], "{cut:?}");
    Ok(tap.statements())
}

#[tokio::test]
async fn whoever_kills_it_at_whichever_step_the_next_run_carries_on() -> Result<(), Error> {
    let server = shared().await?;
    let all = run_through(server, "killed_never", Cut::Never).await?;
    assert_eq!(
        all, 12,
        "three roles, a membership and its setting, two passwords, two databases, two marks, an extension"
    );
    for number in 1..=all {
        for cut in [Cut::Before(number), Cut::After(number)] {
            let prefix = format!("{cut:?}").to_lowercase().replace(['(', ')'], "_");
            let seen = run_through(server, &format!("killed_{prefix}"), cut).await?;
            assert_eq!(seen, number, "{cut:?}");
        }
    }
    Ok(())
}
