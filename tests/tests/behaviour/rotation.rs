//! Generated values that are drawn anew: when they are due or somebody asks, with one roll-out for all of them, and never while
//! a freeze or an open drive forbids it.

use k8s_openapi::api::apps::v1::ReplicaSet;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::api::ListParams;
use ras_crds::{ConditionType, SecretStatus};
use ras_tests::{Error, OperatorOptions, PATIENCE, ROLES, TestEnv, eventually};
use std::collections::{BTreeMap, BTreeSet};

use crate::children::{at_rest, failed};
use crate::seen::{TEMPLATE, asked, changes, kubectl, look, mark, next_second, of_deployment, restart_operator};

const DRIVE: &str = "
apiVersion: ras.dev/v1alpha1
kind: RecruitmentDrive
metadata: {name: spring}
spec:
  services:
  - name: auth
    image: registry.example.com/auth:1
    env:
    - {name: COOKIE_KEY, secret: {name: cookie, key: key}}
    - {name: CSRF_KEY, secret: {name: csrf, key: key}}
    - {name: LINK_KEY, secret: {name: link, key: sign.key}}
  - name: web
    image: registry.example.com/web:1
  secrets:
  - {name: cookie, generate: {keys: [key], format: Base64, rotate: {every: 30d}}}
  - {name: csrf, generate: {keys: [key], format: Hex, bytes: 16, rotate: {every: 30d}}}
  - {name: link, generate: {keys: [sign], format: Ed25519KeyPair, rotate: {every: 30d, keepWhileOpen: true}}}
";

/// All values of all the drive's Secrets, which the test may read and the operator may not.
async fn values(test_env: &TestEnv) -> Result<BTreeMap<String, String>, Error> {
    let mut all = BTreeMap::new();
    for name in ["cookie", "csrf", "link"] {
        let Some(secret) = look::<Secret>(test_env, &format!("spring-{name}")).await? else {
            continue;
        };
        let secret: Secret = serde_json::from_value(secret).unwrap();
        for (key, value) in secret.data.unwrap_or_default() {
            all.insert(format!("{name}/{key}"), String::from_utf8_lossy(&value.0).into_owned());
        }
    }
    Ok(all)
}

/// Makes a Secret believe that its values were drawn so many hours ago.
async fn age(test_env: &TestEnv, name: &str, hours: i64) -> Result<(), Error> {
    let then = Timestamp::now() - SignedDuration::from_hours(hours);
    kubectl(
        test_env,
        &[
            "annotate",
            "--overwrite",
            "secret",
            name,
            &format!("ras.dev/rotated-at={then}"),
        ],
    )
    .await
    .map(drop)
}

async fn line(test_env: &TestEnv, name: &str) -> Result<Option<SecretStatus>, Error> {
    let drive = test_env
        .drives()
        .get("spring")
        .await
        .map_err(failed("reading the drive"))?;
    let lines = drive.status.unwrap_or_default().secrets;
    Ok(lines.into_iter().find(|line| line.name == name))
}

/// Waits until values differ from what they were, and tells which do.
async fn differ(test_env: &TestEnv, before: &BTreeMap<String, String>) -> Result<BTreeSet<String>, Error> {
    let changed = async || {
        let now = values(test_env).await?;
        Ok::<_, Error>(
            now.into_iter()
                .filter(|(key, value)| before.get(key) != Some(value))
                .map(|(key, _)| key)
                .collect::<BTreeSet<_>>(),
        )
    };
    eventually(PATIENCE, "values to be drawn anew", async || {
        let changed = changed().await?;
        if changed.is_empty() {
            Err("none".into())
        } else {
            Ok(changed)
        }
    })
    .await
    .map_err(|error| error.with_log(&test_env.operator.log()))
}

/// How many versions of a program's pods there have been.
async fn versions(test_env: &TestEnv, service: &str) -> Result<usize, Error> {
    let of_service = ListParams::default().labels(&format!("ras.dev/service={service}"));
    let found = test_env.namespace.api::<ReplicaSet>().list(&of_service).await;
    Ok(found.map_err(failed("listing ReplicaSets"))?.items.len())
}

#[tokio::test]
async fn values_have_the_format_that_was_asked_for() -> Result<(), Error> {
    let test_env = TestEnv::start("formats").await?;
    let formats = DRIVE.replace("bytes: 16, rotate: {every: 30d}", "bytes: 16").replace(
        "  - {name: cookie, ",
        "  - {name: rsa, generate: {keys: [jwt], format: RSAKeyPair, bits: 2048}}\n  - {name: id, generate: {keys: [id], format: UUID}}\n  - {name: cookie, ",
    );
    test_env.apply(&formats).await?;
    test_env.ready("spring").await?;
    let all = values(&test_env).await?;
    assert_eq!(all["cookie/key"].len(), 44, "32 bytes");
    assert_eq!(all["csrf/key"].len(), 32, "16 bytes");
    assert!(all["link/sign.key"].starts_with("-----BEGIN PRIVATE KEY-----\n"));
    assert!(all["link/sign.pub"].starts_with("-----BEGIN PUBLIC KEY-----\n"));
    assert_eq!(all.len(), 4);
    let keys = async |name: &str| {
        let secret = look::<Secret>(&test_env, name).await?.unwrap();
        Ok::<_, Error>(secret["data"].as_object().unwrap().keys().cloned().collect::<Vec<_>>())
    };
    assert_eq!(keys("spring-rsa").await?, ["jwt.key", "jwt.pub"]);
    assert_eq!(keys("spring-id").await?, ["id"]);
    // Half of a pair is no pair.
    let before = values(&test_env).await?;
    kubectl(
        &test_env,
        &[
            "patch",
            "secret",
            "spring-link",
            "--type=json",
            "-p",
            r#"[{"op":"remove","path":"/data/sign.pub"}]"#,
        ],
    )
    .await?;
    eventually(PATIENCE, "the pair to be made anew", async || {
        let now = values(&test_env).await?;
        match (now.get("link/sign.key"), now.get("link/sign.pub")) {
            (Some(private), Some(_)) if *private != before["link/sign.key"] => Ok(()),
            _ => Err("not yet".into()),
        }
    })
    .await
}

#[tokio::test]
async fn what_is_due_rotates_with_one_roll_out_and_what_is_kept_while_open_waits_for_suspension() -> Result<(), Error> {
    let mut test_env = TestEnv::start("rotation").await?;
    test_env.apply(DRIVE).await?;
    test_env.ready("spring").await?;
    let next = line(&test_env, "cookie")
        .await?
        .and_then(|line| line.next_rotation)
        .unwrap();
    let days = next.0.duration_since(Timestamp::now()).as_hours() / 24;
    assert!((29..=30).contains(&days), "{days}");
    let start = mark(&test_env).await?;
    let web = of_deployment(&test_env, "spring-web", TEMPLATE).await?;

    // One is due, another nearly, and the third may not while the drive is open.
    next_second().await;
    let before = values(&test_env).await?;
    let auth = of_deployment(&test_env, "spring-auth", TEMPLATE).await?;
    age(&test_env, "spring-link", 40 * 24).await?;
    age(&test_env, "spring-csrf", 30 * 24 - 12).await?;
    assert_eq!(versions(&test_env, "auth").await?, 1);
    age(&test_env, "spring-cookie", 31 * 24).await?;
    changes(&test_env, "spring-auth", TEMPLATE, &auth).await?;
    test_env.ready("spring").await?;
    assert_eq!(
        differ(&test_env, &before).await?,
        ["cookie/key".to_owned(), "csrf/key".to_owned()].into()
    );
    assert_eq!(versions(&test_env, "auth").await?, 2, "one roll-out for both");
    assert_eq!(of_deployment(&test_env, "spring-web", TEMPLATE).await?, web);
    let waits = line(&test_env, "link").await?.and_then(|line| line.message).unwrap();
    assert!(waits.contains("keepWhileOpen"), "{waits}");
    at_rest(&test_env, "spring").await?;

    // Another operator finds nothing to do: what happened is written beside the values.
    let settled = values(&test_env).await?;
    restart_operator(&mut test_env, &OperatorOptions::with_roles(ROLES)).await?;
    test_env.ready("spring").await?;
    at_rest(&test_env, "spring").await?;
    assert_eq!(values(&test_env).await?, settled);

    // Nobody is let in any more, so the key may go.
    kubectl(
        &test_env,
        &[
            "patch",
            "drive",
            "spring",
            "--type=merge",
            "-p",
            r#"{"spec":{"suspend":true}}"#,
        ],
    )
    .await?;
    let changed = differ(&test_env, &settled).await?;
    assert_eq!(changed, ["link/sign.key".to_owned(), "link/sign.pub".to_owned()].into());
    kubectl(
        &test_env,
        &[
            "patch",
            "drive",
            "spring",
            "--type=merge",
            "-p",
            r#"{"spec":{"suspend":false}}"#,
        ],
    )
    .await?;
    test_env.ready("spring").await?;

    let reads = asked(&test_env, start, |event| {
        event.resource == "secrets" && event.verb == "get"
    })
    .await?;
    assert!(reads.is_empty(), "{reads:?}");
    let log = test_env.operator.log();
    for value in settled.values().chain(before.values()) {
        assert!(!log.contains(value.as_str()), "the log has a value");
    }
    Ok(())
}

#[tokio::test]
async fn a_wish_to_rotate_waits_for_the_end_of_a_freeze_and_is_done_once() -> Result<(), Error> {
    let test_env = TestEnv::start("rotation-asked").await?;
    let now = Timestamp::now();
    let frozen = |until: i64| {
        let (start, end) = (
            now - SignedDuration::from_hours(1),
            Timestamp::now() + SignedDuration::from_secs(until),
        );
        format!("{DRIVE}  freezes: [{{name: day-one, startsAt: '{start}', endsAt: '{end}'}}]\n")
    };
    test_env.apply(&frozen(3_600)).await?;
    test_env.ready("spring").await?;
    let before = values(&test_env).await?;
    kubectl(
        &test_env,
        &["annotate", "drive", "spring", "ras.dev/rotate=cookie, crsf@1"],
    )
    .await?;
    eventually(PATIENCE, "the request to wait", async || {
        let line = line(&test_env, "cookie").await?.unwrap_or_default();
        match line.message {
            Some(message) if message.contains("\"day-one\"") => Ok(()),
            other => Err(format!("{other:?}").into()),
        }
    })
    .await?;
    let ready = test_env
        .condition("spring", ConditionType::SecretsReady, "True")
        .await?;
    assert!(
        ready.message.contains("\"crsf\""),
        "a mistake in it is told: {}",
        ready.message
    );
    assert_eq!(values(&test_env).await?, before);

    // The freeze ends by itself, and nobody tells the operator.
    test_env.apply(&frozen(4)).await?;
    assert_eq!(differ(&test_env, &before).await?, ["cookie/key".to_owned()].into());
    assert!(
        Timestamp::now() >= now + SignedDuration::from_secs(3),
        "the freeze was not over"
    );
    test_env.ready("spring").await?;
    at_rest(&test_env, "spring").await?;

    // Done once; another token is another request.
    let once = values(&test_env).await?;
    test_env.apply(DRIVE).await?;
    test_env.ready("spring").await?;
    at_rest(&test_env, "spring").await?;
    assert_eq!(values(&test_env).await?, once);
    kubectl(
        &test_env,
        &[
            "annotate",
            "--overwrite",
            "drive",
            "spring",
            "ras.dev/rotate=cookie@2,csrf",
        ],
    )
    .await?;
    eventually(PATIENCE, "both to rotate", async || {
        let now = values(&test_env).await?;
        let both = ["cookie/key", "csrf/key"].iter().all(|key| now[*key] != once[*key]);
        if both { Ok(()) } else { Err("not yet".into()) }
    })
    .await?;
    let annotations = test_env
        .drives()
        .get("spring")
        .await
        .map_err(failed("reading"))?
        .metadata
        .annotations
        .unwrap_or_default();
    assert_eq!(annotations["ras.dev/rotate"], "cookie@2,csrf", "it is the user's own");
    Ok(())
}
