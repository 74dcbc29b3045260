//! Credentials of a database server that cannot work are reported with the Secret and the key, and running services are not changed.

use k8s_openapi::api::apps::v1::Deployment;
use ras_crds::{ConditionType, DatabaseState, Reason};
use ras_tests::{Error, postgres::ADMIN};
use serde_json::json;

use super::{Databases, secret_of};
use crate::seen::{IMAGE, because, kubectl, look};

#[tokio::test]
async fn a_value_that_programs_could_not_use_as_the_job_does_is_named_with_its_secret_and_key() -> Result<(), Error> {
    let databases = Databases::start("db-bytes").await?;
    databases.connection(databases.server.password()).await?;
    databases
        .test_env
        .apply(&databases.drive("spring", &["portal"]))
        .await?;
    databases.ready("spring").await?;
    let write = async |secret: &str, key: &str, value: &str| {
        let patch = json!({"stringData": {key: value}}).to_string();
        kubectl(&databases.test_env, &["patch", "secret", secret, "--patch", &patch])
            .await
            .map(drop)
    };
    let refused = async |secret: &str, key: &str, words: &str| -> Result<(), Error> {
        let (type_, reason) = (ConditionType::DatabaseReady, Reason::DatabaseRefused);
        let condition = because(&databases.test_env, "spring", type_, reason).await?;
        for word in [format!("{secret:?}"), format!("`{key}`"), words.to_owned()] {
            assert!(
                condition.message.contains(&word),
                "{word} is not in: {}",
                condition.message
            );
        }
        assert!(!condition.message.contains("p%41ss"), "{}", condition.message);
        Ok(())
    };

    // As `--from-file` writes it: programs would get the newline in DATABASE_HOST.
    write("campus", "host", "127.0.0.1\n").await?;
    refused("campus", "host", "ends with a newline").await?;
    write("campus", "host", "127.0.0.1").await?;
    databases.ready("spring").await?;

    // It would be another password in DATABASE_URL.
    let secret = secret_of("spring", &databases.name("portal"));
    write(&secret, "password", "p%41ss").await?;
    refused(&secret, "password", "percent-encoded").await?;
    write(&secret, "password", "own-pass.word").await?;
    databases.ready("spring").await?;
    databases.works("spring", "portal", "students").await
}

#[tokio::test]
async fn a_secret_that_is_missing_or_lacks_a_key_is_named_and_everything_starts_once_it_is_whole() -> Result<(), Error>
{
    let databases = Databases::start("db-secret").await?;
    databases
        .test_env
        .apply(&databases.drive("spring", &["portal"]))
        .await?;
    let condition = because(
        &databases.test_env,
        "spring",
        ConditionType::DatabaseReady,
        Reason::SecretMissing,
    )
    .await?;
    assert!(
        condition.message.contains("\"campus\"") && condition.message.contains("username"),
        "{}",
        condition.message
    );

    let part = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "campus"},
        "stringData": {"host": "127.0.0.1", "port": "5432", "username": ADMIN},
    });
    databases.test_env.apply(&part.to_string()).await?;
    let condition = because(
        &databases.test_env,
        "spring",
        ConditionType::DatabaseReady,
        Reason::SecretKeyMissing,
    )
    .await?;
    assert!(
        condition.message.contains("\"campus\" has no key \"password\""),
        "{}",
        condition.message
    );
    assert!(
        databases.jobs("spring").await?.is_empty(),
        "there is nothing to try yet"
    );

    databases.connection(databases.server.password()).await?;
    databases.ready("spring").await
}

#[tokio::test]
async fn a_wrong_password_is_a_condition_and_what_runs_goes_on_running() -> Result<(), Error> {
    let databases = Databases::start("db-wrong").await?;
    databases.connection("not-the-password").await?;
    databases
        .test_env
        .apply(&databases.drive("spring", &["portal"]))
        .await?;
    let condition = because(
        &databases.test_env,
        "spring",
        ConditionType::DatabaseReady,
        Reason::DatabaseDenied,
    )
    .await?;
    assert!(!condition.message.contains("not-the-password"), "{}", condition.message);
    assert!(
        look::<Deployment>(&databases.test_env, "spring-portal")
            .await?
            .is_none()
    );
    let site = look::<Deployment>(&databases.test_env, "spring-site").await?;
    assert!(site.is_some(), "who uses no database does not wait for one");

    // Mended where it was wrong: nobody has to touch the drive.
    databases.connection(databases.server.password()).await?;
    databases.ready("spring").await?;
    let before = look::<Deployment>(&databases.test_env, "spring-portal").await?.unwrap();

    // One key alone, by somebody else than who wrote the others: programs use the others and go on.
    databases.administrator("wrong-once-more").await?;
    let condition = because(
        &databases.test_env,
        "spring",
        ConditionType::DatabaseReady,
        Reason::DatabaseDenied,
    )
    .await?;
    assert!(
        condition.message.contains("ras.dev/prepare-database"),
        "{}",
        condition.message
    );
    let after = look::<Deployment>(&databases.test_env, "spring-portal").await?.unwrap();
    assert_eq!(
        after.pointer("/metadata/generation"),
        before.pointer("/metadata/generation"),
        "nothing of the program changed"
    );
    assert_eq!(after.pointer("/status/readyReplicas"), Some(&1.into()));
    let status = databases.status("spring").await?;
    assert_eq!(
        status.databases[0].state,
        DatabaseState::Failing,
        "it was there: {status:?}"
    );
    // A new version of the program is not held up either.
    let next = databases.drive("spring", &["portal"]).replace("portal:1", "portal:2");
    databases.test_env.apply(&next).await?;
    crate::seen::becomes(
        &databases.test_env,
        "spring-portal",
        IMAGE,
        &"registry.example.com/portal:2".into(),
    )
    .await?;

    databases.administrator(databases.server.password()).await?;
    databases.ready("spring").await
}
