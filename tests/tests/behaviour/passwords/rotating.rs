//! A rotation from the request, or the time it is due, to the second login.

use std::collections::BTreeSet;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use ras_core::names;
use ras_tests::{Error, PATIENCE, eventually};

use super::{begin, drive, login, request_rotation, rotated, variable};
use crate::children::at_rest;
use crate::databases::{Databases, secret_of};
use crate::seen::{COLLECTED, asked, kubectl, look, mark};

#[tokio::test]
async fn a_rotation_that_is_asked_for_goes_to_the_second_login_and_the_next_one_back() -> Result<(), Error> {
    let databases = Databases::start("pw-asked").await?;
    let programs = begin(&databases, "").await?;
    let start = mark(&databases.test_env).await?;
    let owner = databases.name("portal");
    let (first, second) = (
        secret_of("spring", &owner),
        names::second_password("spring", ras_crds::spec::DatabaseCredentials::PerDatabase, &owner),
    );
    assert!(
        look::<Secret>(&databases.test_env, &second).await?.is_none(),
        "nobody asked for it"
    );
    let site = look::<Deployment>(&databases.test_env, "spring-site").await?.unwrap();
    let one = databases.password(&first).await?;

    request_rotation(&databases, "1").await?;
    let rotation = rotated(&databases, 1).await?;
    assert_eq!(rotation.answered.as_deref(), Some("database@1"), "{rotation:?}");
    programs.connect().await?;
    let portal = look::<Deployment>(&databases.test_env, "spring-portal").await?.unwrap();
    assert_eq!(variable(&portal, "DATABASE_USER")["value"], format!("{owner}_2"));
    assert_eq!(
        variable(&portal, "DATABASE_PASSWORD").pointer("/valueFrom/secretKeyRef/name"),
        Some(&second.clone().into())
    );
    let line = databases.status("spring").await?;
    assert_eq!(line.databases[0].user, Some(format!("{owner}_2")));
    let two = databases.password(&second).await?;
    assert_ne!(one, two);
    let gets_in = async |user: &str, password: &str| databases.server.connect(user, password, &owner).await.is_ok();
    assert!(
        gets_in(&owner, &one).await,
        "the one before works until the next rotation"
    );
    at_rest(&databases.test_env, "spring").await?;

    request_rotation(&databases, "2").await?;
    rotated(&databases, 2).await?;
    programs.connect().await?;
    let three = databases.password(&first).await?;
    assert_ne!(three, one);
    assert!(gets_in(&owner, &three).await && gets_in(&format!("{owner}_2"), &two).await);
    assert!(!gets_in(&owner, &one).await, "two rotations later it does not");
    assert_eq!(programs.users(), BTreeSet::from([owner.clone(), format!("{owner}_2")]));
    assert_eq!(
        look::<Deployment>(&databases.test_env, "spring-site")
            .await?
            .unwrap()
            .pointer("/metadata/generation"),
        site.pointer("/metadata/generation"),
        "who uses no database does not restart"
    );
    // Who made what under whichever login: all of it is the owner's.
    let owners = "SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public'";
    let found = databases.server.column(&owner, owners).await?;
    assert_eq!(found, std::slice::from_ref(&owner));
    at_rest(&databases.test_env, "spring").await?;
    programs.never_failed();

    let events = kubectl(&databases.test_env, &["get", "events.events.k8s.io", "--output=json"]).await?;
    assert!(events.contains("DatabaseLoginsRotated"), "people are told");
    let reads = asked(&databases.test_env, start, |event| {
        event.resource == "secrets" && event.verb == "get"
    })
    .await?;
    assert!(reads.is_empty(), "{reads:?}");
    let log = databases.test_env.operator.log();
    for password in [&one, &two, &three] {
        assert!(
            !log.contains(password.as_str()) && !events.contains(password.as_str()),
            "a password is shown"
        );
    }
    Ok(())
}

#[tokio::test]
async fn before_a_password_is_drawn_over_another_and_a_job_starts_the_drive_is_read_live() -> Result<(), Error> {
    let databases = Databases::start("pw-live").await?;
    let start = mark(&databases.test_env).await?;
    let programs = begin(&databases, "").await?;
    for generation in 1..=2 {
        request_rotation(&databases, &generation.to_string()).await?;
        rotated(&databases, generation).await?;
    }
    programs.never_failed();
    let events = asked(&databases.test_env, start, |event| {
        let reads = event.verb == "get" && event.resource == "recruitmentdrives";
        let lists = event.verb == "list" && event.resource == "deployments";
        let draws = event.verb == "patch" && event.resource == "secrets";
        let begins = event.verb == "patch" && event.resource == "jobs";
        reads || lists || draws || begins
    })
    .await?;
    let mut is_read = false;
    let mut are_listed = false;
    let (mut draws, mut begins) = (0, 0);
    for event in &events {
        match event.resource.as_str() {
            "recruitmentdrives" => is_read = true,
            "deployments" => are_listed = true,
            "secrets" => {
                assert!(
                    is_read && are_listed,
                    "a password is drawn by what informers told: {events:#?}"
                );
                draws += 1;
            }
            _ => {
                assert!(is_read, "a Job starts by what informers told: {events:#?}");
                // Each needs a look of its own; what is drawn for one rotation is drawn after one.
                (is_read, are_listed) = (false, false);
                begins += 1;
            }
        }
    }
    assert!(
        draws >= 2 && begins >= 3,
        "{draws} draws and {begins} Jobs: {events:#?}"
    );
    Ok(())
}

#[tokio::test]
async fn a_rotation_that_is_due_waits_for_the_end_of_a_freeze_and_begins_by_itself() -> Result<(), Error> {
    let databases = Databases::start("pw-due").await?;
    let frozen = |until: Timestamp| {
        let begin = Timestamp::now() - SignedDuration::from_hours(1);
        format!("    rotate: {{every: 30d}}\n  freezes: [{{name: day-one, startsAt: '{begin}', endsAt: '{until}'}}]\n")
    };
    let programs = begin(&databases, &frozen(Timestamp::now() + SignedDuration::from_hours(1))).await?;
    let next = login(&databases).await?.next_rotation.unwrap();
    let days = next.0.duration_since(Timestamp::now()).as_hours() / 24;
    assert!((29..=30).contains(&days), "{days}");

    let then = Timestamp::now() - SignedDuration::from_hours(31 * 24);
    for owner in ["portal", "auth"] {
        let secret = secret_of("spring", &databases.name(owner));
        let age = format!("ras.dev/rotated-at={then}");
        kubectl(
            &databases.test_env,
            &["annotate", "--overwrite", "secret", &secret, &age],
        )
        .await?;
    }
    eventually(PATIENCE, "the rotation to wait", async || {
        match login(&databases).await?.message {
            Some(message) if message.contains("\"day-one\"") => Ok(()),
            other => Err(format!("{other:?}").into()),
        }
    })
    .await?;
    assert_eq!(
        databases.test_env.jobs.runs().len(),
        1,
        "nothing happened on the server"
    );

    let end = Timestamp::now() + SignedDuration::from_secs(4);
    databases.test_env.apply(&drive(&databases, &frozen(end))).await?;
    let rotation = rotated(&databases, 1).await?;
    assert!(rotation.since.unwrap().0 >= Timestamp::from_second(end.as_second()).unwrap());
    let days = rotation
        .next_rotation
        .unwrap()
        .0
        .duration_since(Timestamp::now())
        .as_hours()
        / 24;
    assert!((29..=30).contains(&days), "{days}");
    programs.connect().await
}

#[tokio::test]
async fn one_password_for_all_owners_rotates_on_a_server_of_the_drive_s_own_while_nobody_is_let_in() -> Result<(), Error>
{
    let databases = Databases::start("pw-own").await?;
    let own = "credentials: Shared\n    managed: {provider: Standalone, version: 17, size: 1Gi}";
    let drive = databases.on(own, "spring", &["portal", "auth"]) + "    rotate: {keepWhileOpen: true}\n";
    databases.test_env.apply(&drive).await?;
    databases.ready("spring").await?;
    let real = databases.own("spring").await?;
    let owner = databases.name("portal");
    let first = databases.password("spring-database").await?;
    let open = look::<Deployment>(&databases.test_env, "spring-portal").await?.unwrap();

    // The next login is made ready, and programs hear nothing of it before the drive is closed.
    request_rotation(&databases, "1").await?;
    let waiting = eventually(PATIENCE, "the next login to work", async || {
        match login(&databases).await? {
            login
                if login
                    .message
                    .as_ref()
                    .is_some_and(|message| message.contains("keepWhileOpen")) =>
            {
                Ok(login)
            }
            other => Err(format!("{other:?}").into()),
        }
    })
    .await
    .map_err(|error| error.with_log(&databases.test_env.operator.log()))?;
    assert_eq!(waiting.generation, 0);
    databases.ready("spring").await?;
    let second = databases.password("spring-database-second").await?;
    let gets_in = async |user: &str, password: &str| real.connect(user, password, &owner).await.is_ok();
    assert!(gets_in(&owner, &first).await && gets_in(&format!("{owner}_2"), &second).await);
    let after = look::<Deployment>(&databases.test_env, "spring-portal").await?.unwrap();
    assert_eq!(
        after.pointer("/metadata/generation"),
        open.pointer("/metadata/generation")
    );

    databases
        .test_env
        .apply(&drive.replace("spec:", "spec:\n  suspend: true"))
        .await?;
    eventually(PATIENCE, "services to get it", async || {
        let login = login(&databases).await?;
        let portal = look::<Deployment>(&databases.test_env, "spring-portal").await?.unwrap();
        let user = variable(&portal, "DATABASE_USER")["value"].clone();
        if login.generation == 1 && user == format!("{owner}_2") {
            Ok(())
        } else {
            Err(format!("{user}, {login:?}").into())
        }
    })
    .await
    .map_err(|error| error.with_log(&databases.test_env.operator.log()))?;
    databases
        .test_env
        .apply(&drive.replace("spec:", "spec:\n  suspend: false"))
        .await?;
    databases.ready("spring").await?;
    let runs = databases.test_env.jobs.runs().len();

    // Another life of the drive finds both Secrets, and goes on with the login that was last.
    kubectl(&databases.test_env, &["delete", "drive", "spring", "--timeout=50s"]).await?;
    eventually(COLLECTED, "its programs to be gone", async || match look::<Deployment>(
        &databases.test_env,
        "spring-portal",
    )
    .await?
    {
        None => Ok(()),
        Some(_) => Err("still there".into()),
    })
    .await?;
    databases.test_env.apply(&drive).await?;
    databases.ready("spring").await?;
    let portal = look::<Deployment>(&databases.test_env, "spring-portal").await?.unwrap();
    assert_eq!(variable(&portal, "DATABASE_USER")["value"], format!("{owner}_2"));
    assert_eq!(login(&databases).await?.generation, 1);
    assert!(databases.test_env.jobs.runs().len() > runs, "the Job has seen to it");
    assert_eq!(databases.password("spring-database-second").await?, second);
    assert!(gets_in(&owner, &first).await && gets_in(&format!("{owner}_2"), &second).await);
    Ok(())
}
