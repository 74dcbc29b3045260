//! A new password locks nobody out.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use ras_tests::{
    Error, eventually,
    postgres::{PostgresServer, shared},
};
use tokio::task::JoinHandle;

use super::given::{Request, ask, assert_done};

/// A pod that connects all the time with the credentials that it was started with, and writes.
struct Pod {
    ends: Arc<AtomicBool>,
    connected: Arc<AtomicUsize>,
    running: JoinHandle<Result<(), String>>,
}

impl Pod {
    fn start(server: &'static PostgresServer, user: String, password: String, database: String) -> Self {
        let ends = Arc::new(AtomicBool::new(false));
        let connected = Arc::new(AtomicUsize::new(0));
        let (until, counter) = (Arc::clone(&ends), Arc::clone(&connected));
        let running = tokio::spawn(async move {
            while !until.load(Ordering::SeqCst) {
                let client = server
                    .connect(&user, &password, &database)
                    .await
                    .map_err(|error| format!("{user}: {error:?}"))?;
                client
                    .batch_execute("INSERT INTO log (who) VALUES (session_user)")
                    .await
                    .map_err(|error| format!("{user}: {error:?}"))?;
                counter.fetch_add(1, Ordering::SeqCst);
            }
            Ok(())
        });
        Self {
            ends,
            connected,
            running,
        }
    }

    /// Waits until it has connected once more (and so has not failed).
    async fn connects(&self) -> Result<(), Error> {
        let before = self.connected.load(Ordering::SeqCst);
        eventually(ras_tests::PATIENCE, "a pod to connect once more", async || {
            if self.connected.load(Ordering::SeqCst) > before + 1 {
                Ok(())
            } else if self.running.is_finished() {
                Err("it has failed".into())
            } else {
                Err("it has not".into())
            }
        })
        .await
    }

    async fn stop(self) -> usize {
        self.ends.store(true, Ordering::SeqCst);
        self.running
            .await
            .expect("no panic")
            .expect("no connection ever failed");
        self.connected.load(Ordering::SeqCst)
    }
}

/// Who logs in in which generation.
fn login(generation: usize) -> &'static str {
    if generation.is_multiple_of(2) { "app" } else { "app_2" }
}

fn request(generation: usize) -> Request {
    Request::of("rotation")
        .database("application", "app", &[])
        .login(login(generation), "app", "application/password")
}

#[tokio::test]
async fn a_client_that_connects_all_the_time_never_fails_while_passwords_change() -> Result<(), Error> {
    let server = shared().await?;
    let preparation = request(0).mounted(server)?;
    let password = |generation: usize| format!("password of generation {generation}");
    preparation.password("application/password", &password(0))?;
    assert_done(&preparation.run().await?);
    server
        .connect("rotation_app", &password(0), "rotation_application")
        .await
        .expect("the owner gets in")
        .batch_execute("CREATE TABLE log (who text); CREATE SEQUENCE numbers")
        .await
        .expect("makes a table");

    let start = |generation| {
        let user = format!("rotation_{}", login(generation));
        Pod::start(server, user, password(generation), "rotation_application".to_owned())
    };
    let mut old = start(0);
    let mut connected = 0;
    for generation in 1..=4 {
        old.connects().await?;
        preparation.request(&request(generation).yaml())?;
        preparation.password("application/password", &password(generation))?;
        let prepared = preparation.run().await?;
        assert_done(&prepared);
        assert!(!prepared.done().is_empty());
        // New pods come up beside the old ones, and only then do the old ones go.
        let new = start(generation);
        new.connects().await?;
        old.connects().await?;
        connected += old.stop().await;
        old = new;

        // What the second login makes belongs to the owner, and so it may change what the first one made.
        let user = format!("rotation_{}", login(generation));
        let client = server
            .connect(&user, &password(generation), "rotation_application")
            .await
            .expect("gets in");
        let table = format!("made_{generation}");
        client
            .batch_execute(&format!(
                "CREATE TABLE {table} (); ALTER TABLE log ADD COLUMN extra_{generation} int"
            ))
            .await
            .expect("may do what the owner may");
        let owner = format!("SELECT tableowner FROM pg_tables WHERE tablename = '{table}'");
        assert_eq!(ask(&client, &owner).await, "rotation_app");
        assert_eq!(ask(&client, "SELECT current_user").await, "rotation_app");
        assert_eq!(ask(&client, "SELECT session_user").await, user);

        // What was replaced works until the next rotation, and not longer.
        let before = format!("rotation_{}", login(generation - 1));
        let replaced = server
            .connect(&before, &password(generation - 1), "rotation_application")
            .await;
        replaced.expect("the password before still works");
        if let Some(earlier) = generation.checked_sub(2) {
            let gone = server.connect(&user, &password(earlier), "rotation_application").await;
            assert!(gone.is_err(), "the one before that does not");
        }
        let again = preparation.run().await?;
        assert_done(&again);
        assert_eq!(again.done(), Vec::<String>::new());
    }
    connected += old.stop().await;
    assert!(connected > 20, "{connected} connections are too few to tell");
    Ok(())
}

#[tokio::test]
async fn a_server_that_is_made_anew_gets_the_passwords_of_any_generation() -> Result<(), Error> {
    let server = shared().await?;
    let request = Request::of("anew")
        .database("application", "app", &[])
        .login("app_2", "app", "shared/password");
    assert_done(&request.mounted(server)?.run().await?);
    let client = server
        .connect("anew_app_2", super::given::SHARED, "anew_application")
        .await
        .expect("gets in");
    assert_eq!(ask(&client, "SELECT current_user").await, "anew_app");
    let login = server
        .column(
            "postgres",
            "SELECT rolcanlogin FROM pg_roles WHERE rolname = 'anew_app'",
        )
        .await?;
    assert_eq!(login, ["f"], "nobody was given a password for the owner");
    Ok(())
}
