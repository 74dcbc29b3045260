//! Secrets from stores outside the cluster: what is asked of External Secrets, what is told of its answers, and the way of a
//! value from a real store operator into a program's environment, which the operator never sees.

use std::time::Duration;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{ApiResource, DeleteParams, DynamicObject, Patch, PatchParams};
use kube::core::GroupVersionKind;
use kube::{Api, ResourceExt};
use ras_crds::{Condition, ConditionType, Reason};
use ras_tests::{Error, ForeignProject, OperatorOptions, PATIENCE, ROLES, TestEnv, cluster, eventually};
use serde_json::{Value, json};

use crate::children::{at_rest, failed};
use crate::seen::{TEMPLATE, asked, because_with, changes, look, mark, of_deployment};

const DRIVE: &str = "
apiVersion: ras.dev/v1alpha1
kind: RecruitmentDrive
metadata: {name: spring}
spec:
  services:
  - name: mailer
    image: registry.example.com/mailer:1
    env:
    - {name: MAIL_USER, secret: {name: mail, key: username}}
    - {name: MAIL_PASSWORD, secret: {name: mail, key: password}}
  - name: maps
    image: registry.example.com/maps:1
    env: [{name: KEY, secret: {name: maps, key: api-key}}]
  - name: web
    image: registry.example.com/web:1
  secrets:
  - {name: mail, external: {store: campus-vault, key: spo/mail, refreshInterval: 1s}}
  - name: maps
    external:
      store: campus-vault
      keys: [{name: api-key, key: spo/maps, property: key}]
      refreshInterval: 1s
";

/// Values that must appear nowhere but in Secrets.
const PASSWORDS: [&str; 3] = ["hunter2-of-mail", "hunter3-of-mail", "hunter4-of-maps"];

fn api(test_env: &TestEnv, version: &str) -> Api<DynamicObject> {
    let kind = ApiResource::from_gvk(&GroupVersionKind::gvk("external-secrets.io", version, "ExternalSecret"));
    Api::namespaced_with(test_env.namespace.client(), test_env.namespace.name(), &kind)
}

/// Waits until `SecretsReady` has this reason and a message with all of these words.
async fn secrets_ready(test_env: &TestEnv, reason: Reason, words: &[&str]) -> Result<Condition, Error> {
    because_with(test_env, "spring", ConditionType::SecretsReady, reason, words).await
}

/// Says of an `ExternalSecret` what its operator says.
async fn says(test_env: &TestEnv, name: &str, status: &str, reason: &str, message: &str) -> Result<(), Error> {
    let condition = json!({
        "type": "Ready", "status": status, "reason": reason, "message": message, "lastTransitionTime": "2026-07-01T00:00:00Z",
    });
    let patch = json!({"status": {"conditions": [condition], "refreshTime": "2026-07-01T00:00:00Z"}});
    eventually(
        PATIENCE,
        &format!("the ExternalSecret {name} to be there"),
        async || {
            let patched = api(test_env, "v1")
                .patch_status(name, &PatchParams::default(), &Patch::Merge(&patch))
                .await;
            patched.map(drop).map_err(|error| error.to_string().into())
        },
    )
    .await
    .map_err(|error| error.with_log(&test_env.operator.log()))
}

/// Makes the Secret as their operator makes it.
async fn fill(test_env: &TestEnv, name: &str, data: &Value) -> Result<(), Error> {
    let owner = api(test_env, "v1")
        .get(name)
        .await
        .map_err(failed(format!("reading {name}")))?;
    let secret = json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "ownerReferences": [{
            "apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret", "name": name, "uid": owner.uid(),
            "controller": true, "blockOwnerDeletion": true,
        }]},
        "stringData": data,
    });
    test_env.apply(&secret.to_string()).await
}

#[tokio::test]
async fn what_a_store_says_is_told_and_holds_only_the_services_that_lack_its_secret() -> Result<(), Error> {
    cluster().await?.install(ForeignProject::ExternalSecrets).await?;
    let test_env = TestEnv::start("from-a-store").await?;
    test_env.apply(DRIVE).await?;
    secrets_ready(
        &test_env,
        Reason::ExternalSecretPending,
        &["spring-mail", "campus-vault", "kubectl describe externalsecret"],
    )
    .await?;

    says(
        &test_env,
        "spring-mail",
        "False",
        "SecretSyncedError",
        "could not get secret data from provider",
    )
    .await?;
    let words = [
        "\"mailer\"",
        "ClusterSecretStore \"campus-vault\"",
        "SecretSyncedError: could not get secret data from provider",
        "kubectl describe externalsecret spring-mail",
        "external.key of the entry \"mail\"",
    ];
    secrets_ready(&test_env, Reason::ExternalSecretFailing, &words).await?;
    let ready = test_env.condition("spring", ConditionType::Ready, "False").await?;
    assert!(ready.message.contains("campus-vault"), "{}", ready.message);
    assert!(
        look::<Deployment>(&test_env, "spring-web").await?.is_some(),
        "it needs nothing of a store"
    );
    assert!(look::<Deployment>(&test_env, "spring-mailer").await?.is_none());

    // It comes, but without one of its keys.
    fill(&test_env, "spring-mail", &json!({"username": "spo"})).await?;
    says(&test_env, "spring-mail", "True", "SecretSynced", "secret synced").await?;
    secrets_ready(
        &test_env,
        Reason::SecretKeyMissing,
        &["\"password\"", "spring-mail", "add it in the store"],
    )
    .await?;
    fill(
        &test_env,
        "spring-mail",
        &json!({"username": "spo", "password": PASSWORDS[0]}),
    )
    .await?;
    fill(&test_env, "spring-maps", &json!({"api-key": PASSWORDS[2]})).await?;
    says(&test_env, "spring-maps", "True", "SecretSynced", "secret synced").await?;
    test_env.ready("spring").await?;
    secrets_ready(&test_env, Reason::SecretsAvailable, &[]).await?;

    // The store stops answering: that is told, and what runs goes on, and is Ready.
    let before = of_deployment(&test_env, "spring-mailer", TEMPLATE).await?;
    says(
        &test_env,
        "spring-mail",
        "False",
        "SecretSyncedError",
        "store is not ready",
    )
    .await?;
    secrets_ready(
        &test_env,
        Reason::ExternalSecretFailing,
        &["store is not ready", "services continue with the values that it has"],
    )
    .await?;
    test_env.ready("spring").await?;
    assert_eq!(of_deployment(&test_env, "spring-mailer", TEMPLATE).await?, before);
    at_rest(&test_env, "spring").await.map(drop)
}

#[tokio::test]
async fn a_secret_of_somebody_else_is_not_handed_to_the_store_operator() -> Result<(), Error> {
    cluster().await?.install(ForeignProject::ExternalSecrets).await?;
    let test_env = TestEnv::start("store-unowned").await?;
    let unowned =
        "{apiVersion: v1, kind: Secret, metadata: {name: spring-mail}, stringData: {username: a, password: b}}";
    test_env.apply(unowned).await?;
    test_env.apply(DRIVE).await?;
    let words = [
        "spring-mail",
        "was not created by this operator",
        "kubectl delete secret spring-mail",
    ];
    secrets_ready(&test_env, Reason::ForeignObject, &words).await?;
    let found = api(&test_env, "v1")
        .get_opt("spring-mail")
        .await
        .map_err(failed("looking"))?;
    assert!(found.is_none(), "it would be taken over");
    assert!(
        look::<Deployment>(&test_env, "spring-mailer").await?.is_none(),
        "the values are not those of the store"
    );
    test_env
        .namespace
        .api::<Secret>()
        .delete("spring-mail", &DeleteParams::default())
        .await
        .map_err(failed("deleting"))?;
    secrets_ready(&test_env, Reason::ExternalSecretPending, &[])
        .await
        .map(drop)
}

async fn data(test_env: &TestEnv, name: &str, key: &str) -> Result<Option<String>, Error> {
    let found = look::<Secret>(test_env, name).await?;
    let secret: Option<Secret> = found.and_then(|found| serde_json::from_value(found).ok());
    let value = secret.and_then(|secret| secret.data?.remove(key));
    Ok(value.map(|value| String::from_utf8_lossy(&value.0).into_owned()))
}

#[tokio::test]
async fn a_value_comes_from_a_real_store_operator_and_is_rolled_out_when_it_changes_there() -> Result<(), Error> {
    let test_env = TestEnv::alone("real-store", &OperatorOptions::with_roles(ROLES)).await?;
    test_env.apply(DRIVE).await?;
    secrets_ready(
        &test_env,
        Reason::ExternalSecretsMissing,
        &["external-secrets.io", "install it"],
    )
    .await?;

    let mail = json!({"username": "spo", "password": PASSWORDS[0]}).to_string();
    let start = mark(&test_env).await?;
    let installed = std::time::Instant::now();
    let operator = test_env
        .cluster
        .fetch_from_stores("campus-vault", &[("spo/mail", &mail)])
        .await?;
    let with_log = |error: Error| error.with_log(&operator.end_of_log());

    // One place is there, and the other is not.
    let words = [
        "\"maps\"",
        "spring-maps",
        "campus-vault",
        "could not get secret data from provider",
        "external.keys",
    ];
    secrets_ready(&test_env, Reason::ExternalSecretFailing, &words)
        .await
        .map_err(with_log)?;
    println!(
        "told of the store's answer {:.1} s after the API was installed",
        installed.elapsed().as_secs_f64()
    );
    eventually(PATIENCE, "the mailer to start", async || {
        look::<Deployment>(&test_env, "spring-mailer")
            .await?
            .map(drop)
            .ok_or_else(|| "not yet".into())
    })
    .await
    .map_err(with_log)?;
    assert_eq!(
        data(&test_env, "spring-mail", "password").await?.as_deref(),
        Some(PASSWORDS[0])
    );
    assert!(look::<Deployment>(&test_env, "spring-maps").await?.is_none());

    let maps = json!({"key": PASSWORDS[2]}).to_string();
    test_env
        .cluster
        .fill_store("campus-vault", &[("spo/mail", &mail), ("spo/maps", &maps)])
        .await?;
    test_env.ready("spring").await.map_err(with_log)?;
    secrets_ready(&test_env, Reason::SecretsAvailable, &[]).await?;
    assert_eq!(
        data(&test_env, "spring-maps", "api-key").await?.as_deref(),
        Some(PASSWORDS[2])
    );

    // Their operator looks each second and finds nothing new, and nothing restarts.
    let (mailer, maps_before) = (
        of_deployment(&test_env, "spring-mailer", TEMPLATE).await?,
        of_deployment(&test_env, "spring-maps", TEMPLATE).await?,
    );
    tokio::time::sleep(Duration::from_secs(5)).await; // The promise is that nothing happens.
    assert_eq!(of_deployment(&test_env, "spring-mailer", TEMPLATE).await?, mailer);

    // The value changes in the store: who uses it restarts, and nobody else.
    let changed = json!({"username": "spo", "password": PASSWORDS[1]}).to_string();
    let rotated = std::time::Instant::now();
    test_env
        .cluster
        .fill_store("campus-vault", &[("spo/mail", &changed), ("spo/maps", &maps)])
        .await?;
    changes(&test_env, "spring-mailer", TEMPLATE, &mailer)
        .await
        .map_err(with_log)?;
    println!(
        "rolled out {:.1} s after the value changed in the store",
        rotated.elapsed().as_secs_f64()
    );
    assert_eq!(
        data(&test_env, "spring-mail", "password").await?.as_deref(),
        Some(PASSWORDS[1])
    );
    assert_eq!(of_deployment(&test_env, "spring-maps", TEMPLATE).await?, maps_before);
    test_env.ready("spring").await?;

    it_goes_and_with_it_its_secret(&test_env, &maps)
        .await
        .map_err(with_log)?;

    // Nothing of all this went through the operator.
    let reads = asked(&test_env, start, |event| {
        event.resource == "secrets" && event.verb == "get"
    })
    .await?;
    assert!(reads.is_empty(), "{reads:?}");
    shown_nowhere(&test_env).await
}

/// A value goes from the store, and then the entry from the drive.
async fn it_goes_and_with_it_its_secret(test_env: &TestEnv, maps: &str) -> Result<(), Error> {
    // It is gone from the store: the programs keep what they have.
    test_env
        .cluster
        .fill_store("campus-vault", &[("spo/maps", maps)])
        .await?;
    secrets_ready(
        test_env,
        Reason::ExternalSecretFailing,
        &["spring-mail", "services continue"],
    )
    .await?;
    test_env.ready("spring").await?;
    assert_eq!(
        data(test_env, "spring-mail", "password").await?.as_deref(),
        Some(PASSWORDS[1])
    );

    // The drive no longer asks for it: the ExternalSecret goes, and with it the Secret that was filled for it.
    let without = DRIVE.replace(
        "  - {name: mail, external: {store: campus-vault, key: spo/mail, refreshInterval: 1s}}\n",
        "",
    );
    let without = without
        .replace("secret: {name: mail, key: username}", "value: a")
        .replace("secret: {name: mail, key: password}", "value: b");
    test_env.apply(&without).await?;
    eventually(crate::seen::COLLECTED, "the Secret to go", async || {
        let left = look::<Secret>(test_env, "spring-mail").await?;
        if left.is_none() {
            Ok(())
        } else {
            Err("it is there".into())
        }
    })
    .await?;
    secrets_ready(test_env, Reason::SecretsAvailable, &[]).await.map(drop)
}

/// No value stands in the operator's log, in the drive or in an event.
async fn shown_nowhere(test_env: &TestEnv) -> Result<(), Error> {
    let drive = test_env
        .drives()
        .get("spring")
        .await
        .map_err(failed("reading the drive"))?;
    let events = crate::seen::kubectl(test_env, &["get", "events", "-o", "json"]).await?;
    for password in PASSWORDS {
        for (what, text) in [
            ("the log", test_env.operator.log()),
            ("the drive", serde_json::to_string(&drive).unwrap()),
            ("the events", events.clone()),
        ] {
            assert!(!text.contains(password), "{what} has a password");
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_store_operator_that_is_upgraded_to_another_version_is_asked_in_its_own() -> Result<(), Error> {
    let test_env = TestEnv::alone("store-upgrade", &OperatorOptions::with_roles(ROLES)).await?;
    test_env.cluster.install(ForeignProject::ExternalSecretsBeta).await?;
    test_env.apply(DRIVE).await?;
    secrets_ready(&test_env, Reason::ExternalSecretPending, &[]).await?;
    let uid = async |version: &str| {
        let found = api(&test_env, version)
            .get("spring-mail")
            .await
            .map_err(failed("reading"))?;
        Ok::<_, Error>(found.uid().unwrap_or_default())
    };
    let before = uid("v1beta1").await?;

    // Its objects stay, and are read in the new version, which alone is served from now on.
    test_env.cluster.install(ForeignProject::ExternalSecrets).await?;
    says(&test_env, "spring-mail", "False", "SecretSyncedError", "said in v1").await?;
    secrets_ready(&test_env, Reason::ExternalSecretFailing, &["said in v1"]).await?;
    assert_eq!(uid("v1").await?, before);
    fill(
        &test_env,
        "spring-mail",
        &json!({"username": "spo", "password": PASSWORDS[0]}),
    )
    .await?;
    says(&test_env, "spring-mail", "True", "SecretSynced", "secret synced").await?;
    eventually(PATIENCE, "the mailer to start", async || {
        look::<Deployment>(&test_env, "spring-mailer")
            .await?
            .map(drop)
            .ok_or_else(|| "not yet".into())
    })
    .await
    .map_err(|error| error.with_log(&test_env.operator.log()))
}
