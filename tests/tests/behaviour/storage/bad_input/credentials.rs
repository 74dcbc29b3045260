//! The operator's own keys: wrong, missing, and put right on disk.

use std::time::Duration;

use ras_crds::{ConditionType, Reason};
use ras_tests::{
    Error, TestEnv, eventually,
    object_store::{StoreKind, shared},
};

use super::{Platform, apply, storage_not_ready};

/// Keys are read anew after a minute, and tried within the next pause, which may be half as long as all before it.
const LIMIT: Duration = Duration::from_secs(150);

async fn ready(test_env: &TestEnv, drive: &str) -> Result<(), Error> {
    eventually(LIMIT, "the bucket to be there", async || {
        let status = test_env.drives().get(drive).await?.status.unwrap_or_default();
        let storage = ConditionType::StorageReady.as_str();
        match status.conditions.into_iter().find(|one| one.type_ == storage) {
            Some(condition) if condition.is_true() => Ok(()),
            other => Err(format!("{other:?}").into()),
        }
    })
    .await
    .map_err(|error| error.with_log(&test_env.operator.log()))
}

#[tokio::test]
async fn a_wrong_secret_key_is_told_and_the_right_one_is_found_without_a_restart() -> Result<(), Error> {
    let store = shared(StoreKind::Minio).await?;
    let platform = Platform::of(store);
    let wrong = "0".repeat(store.secret_key().len());
    platform.write("AWS_SECRET_ACCESS_KEY", &wrong);
    let mut test_env = platform
        .test_env("wrong-key", &format!("endpoint: '{}'", store.endpoint()))
        .await?;
    apply(&test_env, "d", "").await?;
    let condition = storage_not_ready(
        &test_env,
        "d",
        Reason::StoreDenied,
        &[
            "SignatureDoesNotMatch",
            "put the secret key that belongs to the access key into the Secret",
        ],
    )
    .await?;
    for secret in [wrong.as_str(), store.secret_key()] {
        assert!(!condition.message.contains(secret) && !test_env.operator.log().contains(secret));
    }
    platform.write("AWS_SECRET_ACCESS_KEY", store.secret_key());
    ready(&test_env, "d").await?;
    test_env.operator.check_running()
}

#[tokio::test]
async fn a_key_that_is_missing_is_told_by_its_file_and_found_when_it_is_there() -> Result<(), Error> {
    let store = shared(StoreKind::Minio).await?;
    let platform = Platform::of(store);
    platform.remove("AWS_SECRET_ACCESS_KEY");
    let mut test_env = platform
        .test_env("no-key", &format!("endpoint: '{}'", store.endpoint()))
        .await?;
    apply(&test_env, "d", "").await?;
    storage_not_ready(
        &test_env,
        "d",
        Reason::StoreDenied,
        &[
            "AWS_SECRET_ACCESS_KEY",
            "mount a Secret and name its folder in `objectStore.credentialsDirectory`",
        ],
    )
    .await?;
    platform.write("AWS_SECRET_ACCESS_KEY", &format!("{}\n", store.secret_key()));
    ready(&test_env, "d").await?;
    test_env.operator.check_running()
}
