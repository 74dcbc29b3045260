//! Generated credentials: made once, never changed by accident, never shown.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Secret;
use ras_tests::{Error, OperatorOptions, PATIENCE, ROLES, Shared, TestEnv, cluster, eventually};

use crate::seen::{
    IMAGE, TEMPLATE, asked, becomes, changes, kubectl, look, mark, next_second, of_deployment, restart_operator,
};

const DRIVE: &str = "
apiVersion: ras.dev/v1alpha1
kind: RecruitmentDrive
metadata: {name: spring}
spec:
  services:
  - name: auth
    image: registry.example.com/auth:1
    env:
    - {name: JWT_KEY, secret: {name: jwt, key: key}}
    - {name: DATABASE_PASSWORD, secret: {name: database, key: password}}
    files: [{path: /app/secret.yaml, content: 'key: $(JWT_KEY), password: $(DATABASE_PASSWORD)'}]
  - name: web
    image: registry.example.com/web:1
  secrets:
  - {name: jwt, generate: {keys: [key, refresh], length: 48}}
  - {name: database, generate: {keys: [password]}}
";

type Values = BTreeMap<String, String>;

/// The values of a Secret, which the test may read and the operator may not.
async fn values(test_env: &TestEnv, name: &str) -> Result<Values, Error> {
    let Some(secret) = look::<Secret>(test_env, name).await? else {
        return Ok(Values::new());
    };
    let secret: Secret = serde_json::from_value(secret).map_err(|error| Error::Unreadable {
        what: format!("Secret {name}"),
        message: error.to_string(),
    })?;
    let data = secret.data.unwrap_or_default();
    Ok(data
        .into_iter()
        .map(|(key, value)| (key, String::from_utf8_lossy(&value.0).into_owned()))
        .collect())
}

#[tokio::test]
async fn a_credential_has_the_length_asked_for_and_letters_and_digits_alone() -> Result<(), Error> {
    let test_env = TestEnv::start("credential-made").await?;
    test_env.apply(DRIVE).await?;
    test_env.ready("spring").await?;
    let (jwt, database) = (
        values(&test_env, "spring-jwt").await?,
        values(&test_env, "spring-database").await?,
    );
    assert_eq!(jwt.keys().collect::<Vec<_>>(), ["key", "refresh"]);
    assert_eq!(database.keys().collect::<Vec<_>>(), ["password"]);
    assert!(jwt.values().all(|value| value.len() == 48), "as spec.secrets says");
    assert_eq!(database["password"].len(), 32, "when nothing is said");
    assert!(
        jwt.values()
            .chain(database.values())
            .all(|value| value.bytes().all(|byte| byte.is_ascii_alphanumeric()))
    );
    assert_ne!(jwt["key"], jwt["refresh"]);
    Ok(())
}

#[tokio::test]
async fn the_operator_never_overwrites_a_generated_value() -> Result<(), Error> {
    let mut test_env = TestEnv::start("credential-kept").await?;
    test_env.apply(DRIVE).await?;
    test_env.ready("spring").await?;
    let before = values(&test_env, "spring-jwt").await?;
    let start = mark(&test_env).await?;

    // Somebody meddles with its metadata: that is repaired.
    let part_of = "app.kubernetes.io/part-of";
    kubectl(
        &test_env,
        &[
            "label",
            "--overwrite",
            "secret",
            "spring-jwt",
            &format!("{part_of}=something-else"),
        ],
    )
    .await?;
    kubectl(&test_env, &["annotate", "secret", "spring-jwt", "ras.dev/applied-"]).await?;
    metadata(
        &test_env,
        "/metadata/labels/app.kubernetes.io~1part-of",
        "recruitment-drive",
    )
    .await?;
    eventually(PATIENCE, "the annotation to be put back", async || {
        let seen = look::<Secret>(&test_env, "spring-jwt").await?.unwrap_or_default();
        seen.pointer("/metadata/annotations/ras.dev~1applied")
            .map(drop)
            .ok_or_else(|| "absent".into())
    })
    .await?;
    assert_eq!(values(&test_env, "spring-jwt").await?, before);

    // Another operator, which has seen nothing of how the values were made.
    let reads = asked(&test_env, start, |event| {
        event.resource == "secrets" && event.verb == "get"
    })
    .await?;
    assert!(reads.is_empty(), "{reads:?}");
    restart_operator(&mut test_env, &OperatorOptions::with_roles(ROLES)).await?;

    // A key more, and another length for what is made from now on.
    test_env
        .apply(&DRIVE.replace("[key, refresh], length: 48", "[key, refresh, pepper], length: 64"))
        .await?;
    eventually(PATIENCE, "the key that was added", async || {
        let now = values(&test_env, "spring-jwt").await?;
        if now.contains_key("pepper") {
            Ok(())
        } else {
            Err(format!("{:?}", now.keys()).into())
        }
    })
    .await?;
    test_env.ready("spring").await?;
    let mut now = values(&test_env, "spring-jwt").await?;
    assert_eq!(now.remove("pepper").map(|value| value.len()), Some(64));
    assert_eq!(now, before);

    // A key that is no longer asked for stays: whoever was encrypted with it may be needed yet.
    test_env
        .apply(
            &DRIVE
                .replace("[key, refresh], length: 48", "[key]")
                .replace("auth:1", "auth:2"),
        )
        .await?;
    becomes(&test_env, "spring-auth", IMAGE, &"registry.example.com/auth:2".into()).await?;
    now = values(&test_env, "spring-jwt").await?;
    assert!(now.remove("pepper").is_some());
    assert_eq!(now, before);
    Ok(())
}

async fn metadata(test_env: &TestEnv, pointer: &str, value: &str) -> Result<(), Error> {
    eventually(PATIENCE, &format!("{pointer} to be {value}"), async || {
        let seen = look::<Secret>(test_env, "spring-jwt").await?.unwrap_or_default();
        match seen.pointer(pointer) {
            Some(found) if found == value => Ok(()),
            other => Err(format!("{other:?}").into()),
        }
    })
    .await
}

#[tokio::test]
async fn a_deleted_credential_is_made_anew_and_its_users_restart() -> Result<(), Error> {
    let test_env = TestEnv::start("credential-deleted").await?;
    test_env.apply(DRIVE).await?;
    test_env.ready("spring").await?;
    let old = values(&test_env, "spring-jwt").await?;
    let (auth, web) = (
        of_deployment(&test_env, "spring-auth", TEMPLATE).await?,
        of_deployment(&test_env, "spring-web", TEMPLATE).await?,
    );

    next_second().await;
    kubectl(&test_env, &["delete", "secret", "spring-jwt"]).await?;
    changes(&test_env, "spring-auth", TEMPLATE, &auth).await?;
    test_env.ready("spring").await?;
    let new = values(&test_env, "spring-jwt").await?;
    assert_eq!(new.keys().collect::<Vec<_>>(), old.keys().collect::<Vec<_>>());
    assert!(
        new.iter().all(|(key, value)| old.get(key) != Some(value)),
        "made anew means another value"
    );
    assert_eq!(
        of_deployment(&test_env, "spring-web", TEMPLATE).await?,
        web,
        "it uses no secret"
    );
    Ok(())
}

#[tokio::test]
async fn no_secret_value_is_in_logs_events_status_or_children() -> Result<(), Error> {
    let options = OperatorOptions::with_roles(ROLES).environment("RAS_LOG", "trace");
    let mut test_env = TestEnv::with(Shared::All(cluster().await?), "credential-unseen", &options).await?;
    let given = "a-password-that-a-person-chose";
    test_env
        .apply(&format!(
            "{{apiVersion: v1, kind: Secret, metadata: {{name: campus-mail}}, stringData: {{password: {given}}}}}"
        ))
        .await?;
    let drive = format!("{DRIVE}  - {{name: mail, existing: {{secretName: campus-mail}}}}\n").replace(
        "image: registry.example.com/web:1",
        "image: registry.example.com/web:1\n    envFrom: [{secret: mail}]",
    );
    test_env.apply(&drive).await?;
    test_env.ready("spring").await?;
    let mut secrets: Vec<String> = vec![given.to_owned()];
    secrets.extend(all_values(&test_env).await?);

    // A life that touches every value in some way: a key more, a rotation, a loss, suspension and a restart.
    next_second().await;
    test_env
        .apply(&drive.replace("[key, refresh]", "[key, refresh, pepper]"))
        .await?;
    let rotated = "another-password-that-a-person-chose";
    kubectl(
        &test_env,
        &[
            "patch",
            "secret",
            "campus-mail",
            "--patch",
            &format!(r#"{{"stringData": {{"password": "{rotated}"}}}}"#),
        ],
    )
    .await?;
    secrets.push(rotated.to_owned());
    kubectl(&test_env, &["delete", "secret", "spring-database"]).await?;
    eventually(PATIENCE, "the Secret that was deleted", async || {
        if values(&test_env, "spring-database").await?.is_empty() {
            Err("not yet".into())
        } else {
            Ok(())
        }
    })
    .await?;
    test_env.ready("spring").await?;
    let log = test_env.operator.log();
    secrets.extend(all_values(&test_env).await?);
    restart_operator(&mut test_env, &options).await?;
    test_env
        .apply(&drive.replace("spec:", "spec:\n  suspend: true"))
        .await?;
    becomes(&test_env, "spring-auth", "/spec/replicas", &0.into()).await?;

    assert!(
        log.contains("\"level\":\"TRACE\""),
        "the log must tell all there is for this to mean anything"
    );
    let kinds = "recruitmentdrives,events,configmaps,deployments,replicasets,pods,services,serviceaccounts,ingresses,networkpolicies";
    let objects = kubectl(&test_env, &["get", kinds, "--output=json", "--show-managed-fields"]).await?;
    let events = kubectl(&test_env, &["get", "events.events.k8s.io", "--output=json"]).await?;
    let metrics = test_env.operator.get("/metrics").await?.1;
    assert!(objects.contains("JWT_KEY") && events.contains("spring") && metrics.contains("spring"));
    let places = [
        ("log", log),
        ("later log", test_env.operator.log()),
        ("objects", objects),
        ("events", events),
        ("metrics", metrics),
    ];
    assert!(secrets.len() > 6, "{}", secrets.len());
    for (place, text) in &places {
        for secret in &secrets {
            assert!(!text.contains(secret.as_str()), "a value is in the {place}");
            let encoded = serde_json::to_value(k8s_openapi::ByteString(secret.clone().into_bytes())).unwrap();
            let encoded = encoded.as_str().unwrap().trim_end_matches('=');
            assert!(!text.contains(encoded), "a value is in the {place}, in base64");
        }
    }
    Ok(())
}

async fn all_values(test_env: &TestEnv) -> Result<Vec<String>, Error> {
    let mut all = Vec::new();
    for name in ["spring-jwt", "spring-database"] {
        all.extend(values(test_env, name).await?.into_values());
    }
    Ok(all)
}
