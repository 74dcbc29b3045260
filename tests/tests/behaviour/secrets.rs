//! Secrets that somebody else keeps: waited for by name, and what becomes of services when they change or go.

use k8s_openapi::api::apps::v1::Deployment;
use ras_crds::{ConditionType, Reason};
use ras_tests::{AuditEvent, Error, TestEnv};

use crate::seen::{
    IMAGE, TEMPLATE, asked, because, because_with, becomes, changes, kubectl, kubectl_with_input, look, mark,
    next_second, of_deployment,
};

const WAITING: &str = "
apiVersion: ras.dev/v1alpha1
kind: RecruitmentDrive
metadata: {name: spring}
spec:
  services:
  - name: mailer
    image: registry.example.com/mailer:1
    env: [{name: MAIL_PASSWORD, secret: {name: mail, key: password}}]
  - name: web
    image: registry.example.com/web:1
  secrets:
  - {name: mail, existing: {secretName: campus-mail}}
";

const SECRET: &str = "
apiVersion: v1
kind: Secret
metadata: {name: campus-mail}
stringData: {password: first}
";

#[tokio::test]
async fn a_missing_existing_secret_is_waited_for_by_name_and_the_drive_goes_on_when_it_appears() -> Result<(), Error> {
    let test_env = TestEnv::start("secret-waited-for").await?;
    let before = mark(&test_env).await?;
    test_env.apply(WAITING).await?;

    let condition = because(&test_env, "spring", ConditionType::SecretsReady, Reason::SecretMissing).await?;
    assert_eq!(condition.status, "False");
    for word in [
        "\"campus-mail\"",
        "\"mailer\"",
        "make it in namespace",
        test_env.namespace.name(),
        "spec.secrets",
    ] {
        assert!(condition.message.contains(word), "{word}: {}", condition.message);
    }
    let ready = because(&test_env, "spring", ConditionType::Ready, Reason::SecretMissing).await?;
    assert!(ready.message.contains("campus-mail"), "{}", ready.message);
    becomes(&test_env, "spring-web", "/status/readyReplicas", &1.into()).await?;
    assert!(
        look::<Deployment>(&test_env, "spring-mailer").await?.is_none(),
        "it would only fail to start"
    );

    // There, but without the key that is used: the condition goes on to say what is lacking now.
    test_env.apply(&SECRET.replace("password", "user")).await?;
    because_with(
        &test_env,
        "spring",
        ConditionType::SecretsReady,
        Reason::SecretKeyMissing,
        &["\"campus-mail\"", "\"password\"", "\"mailer\"", "add the key"],
    )
    .await?;
    assert!(
        look::<Deployment>(&test_env, "spring-mailer").await?.is_none(),
        "it would only fail to start"
    );

    test_env.apply(SECRET).await?;
    test_env.ready("spring").await?;
    let gets = asked(&test_env, before, reads_a_secret).await?;
    assert!(gets.is_empty(), "{gets:?}");
    Ok(())
}

#[tokio::test]
async fn a_service_whose_secret_is_deleted_goes_on_running_the_version_it_runs() -> Result<(), Error> {
    let test_env = TestEnv::start("secret-deleted").await?;
    test_env.apply(SECRET).await?;
    test_env.apply(WAITING).await?;
    test_env.ready("spring").await?;
    let before = of_deployment(&test_env, "spring-mailer", TEMPLATE).await?;

    kubectl(&test_env, &["delete", "secret", "campus-mail"]).await?;
    because(&test_env, "spring", ConditionType::SecretsReady, Reason::SecretMissing).await?;
    test_env
        .apply(&WAITING.replace("mailer:1", "mailer:2").replace("web:1", "web:2"))
        .await?;
    // The other service is rolled in the same reconcile, so this one would have been, too.
    becomes(&test_env, "spring-web", IMAGE, &"registry.example.com/web:2".into()).await?;
    because(&test_env, "spring", ConditionType::SecretsReady, Reason::SecretMissing).await?;
    assert_eq!(
        of_deployment(&test_env, "spring-mailer", TEMPLATE).await?,
        before,
        "its new pods could not start"
    );
    becomes(&test_env, "spring-mailer", "/status/readyReplicas", &1.into()).await?;

    test_env.apply(SECRET).await?;
    test_env.ready("spring").await?;
    let image = of_deployment(&test_env, "spring-mailer", IMAGE).await?;
    assert_eq!(image, "registry.example.com/mailer:2");
    Ok(())
}

const SHARED: &str = "
apiVersion: ras.dev/v1alpha1
kind: RecruitmentDrive
metadata: {name: spring}
spec:
  services:
  - name: portal
    image: registry.example.com/portal:1
    env: [{name: PASSWORD, secret: {name: shared, key: password}}]
  - name: worker
    image: registry.example.com/worker:1
    env: [{name: TOKEN, secret: {name: shared, key: token}}]
  - name: reports
    image: registry.example.com/reports:1
    envFrom: [{secret: shared}]
  - name: auth
    image: registry.example.com/auth:1
    env: [{name: JWT_KEY, secret: {name: jwt, key: key}}]
    files: [{path: /app/jwt.yaml, content: 'key: $(JWT_KEY)'}]
  - name: web
    image: registry.example.com/web:1
  secrets:
  - {name: shared, existing: {secretName: campus-shared}}
  - {name: jwt, generate: {keys: [key]}}
";

const SERVICES: [&str; 5] = ["portal", "worker", "reports", "auth", "web"];

#[tokio::test]
async fn a_rotated_secret_restarts_only_the_services_that_use_it() -> Result<(), Error> {
    let test_env = TestEnv::start("secret-rotated").await?;
    // Two teams keep one key each, as two GitOps repositories or two ExternalSecrets would.
    keep(&test_env, "mail-team", "password", "first").await?;
    keep(&test_env, "token-team", "token", "first").await?;
    test_env.apply(SHARED).await?;
    test_env.ready("spring").await?;
    let mut before = templates(&test_env).await?;

    next_second().await;
    keep(&test_env, "mail-team", "password", "second").await?;
    restarted(&test_env, &mut before, &["portal", "reports"]).await?;

    next_second().await;
    keep(&test_env, "token-team", "token", "second").await?;
    restarted(&test_env, &mut before, &["worker", "reports"]).await?;

    // A label or an annotation is no rotation. Nothing is to be seen of that, so a real rotation follows, which the
    // operator hears of through the same watch and hence later.
    next_second().await;
    for secret in ["campus-shared", "spring-jwt"] {
        kubectl(
            &test_env,
            &["label", "secret", secret, "campus.example.edu/team=placement"],
        )
        .await?;
        kubectl(
            &test_env,
            &["annotate", "secret", secret, "campus.example.edu/note=touched"],
        )
        .await?;
    }
    let rotation = r#"{"stringData": {"key": "chosen by a person, for the campus knows it already"}}"#;
    kubectl(
        &test_env,
        &["patch", "secret", "spring-jwt", "--type=merge", "--patch", rotation],
    )
    .await?;
    restarted(&test_env, &mut before, &["auth"]).await
}

#[tokio::test]
async fn clearing_managed_fields_of_a_secret_restarts_nothing_and_a_later_rotation_is_followed() -> Result<(), Error> {
    let mut test_env = TestEnv::start("secret-cleared").await?;
    keep(&test_env, "mail-team", "password", "first").await?;
    keep(&test_env, "token-team", "token", "first").await?;
    test_env.apply(SHARED).await?;
    test_env.ready("spring").await?;
    let mut before = templates(&test_env).await?;

    // As tools do that restore or move objects; then somebody touches a label, and the operator starts anew.
    for secret in ["campus-shared", "spring-jwt"] {
        let clear = r#"[{"op": "replace", "path": "/metadata/managedFields", "value": [{}]}]"#;
        kubectl(&test_env, &["patch", "secret", secret, "--type=json", "--patch", clear]).await?;
    }
    kubectl(
        &test_env,
        &["label", "secret", "campus-shared", "campus.example.edu/team=placement"],
    )
    .await?;
    restarted(&test_env, &mut before, &[]).await?;
    let options = ras_tests::OperatorOptions::with_roles(ras_tests::ROLES);
    crate::seen::restart_operator(&mut test_env, &options).await?;
    kubectl(
        &test_env,
        &["label", "secret", "campus-shared", "campus.example.edu/floor=2"],
    )
    .await?;

    // Nothing is to be seen of that, so a real rotation follows.
    next_second().await;
    let rotation = r#"{"stringData": {"key": "chosen by a person"}}"#;
    kubectl(
        &test_env,
        &["patch", "secret", "spring-jwt", "--type=merge", "--patch", rotation],
    )
    .await?;
    restarted(&test_env, &mut before, &["auth"]).await?;
    let both = r#"{"stringData": {"password": "second", "token": "second"}}"#;
    kubectl(
        &test_env,
        &["patch", "secret", "campus-shared", "--type=merge", "--patch", both],
    )
    .await?;
    restarted(&test_env, &mut before, &["portal", "worker", "reports"]).await
}

/// Waits until exactly these services have new pod templates, and remembers them.
async fn restarted(test_env: &TestEnv, before: &mut Vec<serde_json::Value>, expected: &[&str]) -> Result<(), Error> {
    for (service, template) in SERVICES
        .iter()
        .zip(before.iter())
        .filter(|(service, _)| expected.contains(service))
    {
        changes(test_env, &format!("spring-{service}"), TEMPLATE, template).await?;
    }
    test_env.ready("spring").await?;
    let after = templates(test_env).await?;
    let others = SERVICES
        .iter()
        .zip(before.iter().zip(&after))
        .filter(|(_, (before, after))| before != after);
    let mut rolled: Vec<&str> = others.map(|(service, _)| *service).collect();
    rolled.sort_unstable();
    let mut expected = expected.to_vec();
    expected.sort_unstable();
    assert_eq!(rolled, expected);
    *before = after;
    Ok(())
}

async fn templates(test_env: &TestEnv) -> Result<Vec<serde_json::Value>, Error> {
    let mut all = Vec::new();
    for service in SERVICES {
        all.push(of_deployment(test_env, &format!("spring-{service}"), TEMPLATE).await?);
    }
    Ok(all)
}

/// Applies one key of the shared Secret as one of its field managers.
async fn keep(test_env: &TestEnv, manager: &str, key: &str, value: &str) -> Result<(), Error> {
    let secret =
        format!("{{apiVersion: v1, kind: Secret, metadata: {{name: campus-shared}}, stringData: {{{key}: {value}}}}}");
    kubectl_with_input(
        test_env,
        &[
            "apply",
            "--server-side",
            &format!("--field-manager={manager}"),
            "--filename=-",
        ],
        &secret,
    )
    .await
    .map(drop)
}

/// A `get` of a Secret would bring its values.
fn reads_a_secret(event: &AuditEvent) -> bool {
    event.resource == "secrets" && event.verb == "get"
}
