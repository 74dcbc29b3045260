//! No password of a database is read by the operator or shown anywhere.

use ras_crds::{ConditionType, Reason};
use ras_tests::{AuditMark, Error, OperatorOptions, ROLES};

use super::{Databases, secret_of};
use crate::seen::{asked, because, kubectl};

#[tokio::test]
async fn no_password_is_read_by_the_operator_or_shown_anywhere() -> Result<(), Error> {
    let options = OperatorOptions::with_roles(ROLES).environment("RAS_LOG", "trace");
    let databases = Databases::with("db-unseen", &options).await?;
    databases.connection(databases.server.password()).await?;
    databases
        .test_env
        .apply(&databases.drive("spring", &["portal", "auth"]))
        .await?;
    databases.ready("spring").await?;
    let own = "credentials: Shared\n    managed: {provider: Standalone, version: 17, size: 1Gi}";
    databases.test_env.apply(&databases.on(own, "autumn", &["own"])).await?;
    databases.ready("autumn").await?;
    // A failure tells no password either.
    databases.connection("a-password-that-is-wrong").await?;
    because(
        &databases.test_env,
        "spring",
        ConditionType::DatabaseReady,
        Reason::DatabaseDenied,
    )
    .await?;

    let reads = asked(&databases.test_env, AuditMark::START, |event| {
        event.resource == "secrets" && event.verb == "get"
    })
    .await?;
    assert!(reads.is_empty(), "{reads:?}");

    let mut secrets = vec![
        databases.server.password().to_owned(),
        "a-password-that-is-wrong".to_owned(),
    ];
    for name in ["portal", "auth"] {
        secrets.push(databases.password(&secret_of("spring", &databases.name(name))).await?);
    }
    for name in ["autumn-database", "autumn-database-superuser"] {
        secrets.push(databases.password(name).await?);
    }
    let kinds = "recruitmentdrives,events,configmaps,deployments,statefulsets,jobs,pods,services,networkpolicies";
    let objects = kubectl(
        &databases.test_env,
        &["get", kinds, "--output=json", "--show-managed-fields"],
    )
    .await?;
    let events = kubectl(&databases.test_env, &["get", "events.events.k8s.io", "--output=json"]).await?;
    let runs = databases.test_env.jobs.runs();
    assert!(runs.len() >= 3, "{}", runs.len());
    let of_jobs: Vec<_> = runs
        .into_iter()
        .map(|run| format!("{} {}", run.message, run.log))
        .collect();
    assert!(objects.contains("POSTGRES_PASSWORD") && objects.contains("request.json"));
    for (place, text) in [
        ("the operator's log", databases.test_env.operator.log()),
        ("objects", objects),
        ("events", events),
        ("logs and reports of Jobs", of_jobs.join("\n")),
    ] {
        for secret in &secrets {
            assert!(!text.contains(secret.as_str()), "a password is in {place}");
            let encoded = serde_json::to_value(k8s_openapi::ByteString(secret.clone().into_bytes())).unwrap();
            let encoded = encoded.as_str().unwrap().trim_end_matches('=');
            assert!(!text.contains(encoded), "a password is in {place}, in base64");
        }
    }
    Ok(())
}
