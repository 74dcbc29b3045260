//! Stores that are slow, that hang, and that go and come back.

use std::time::Duration;

use ras_crds::{BucketState, ConditionType, Reason};
use ras_tests::{Error, Fault, Match, eventually, object_store::StoreKind};

use super::{
    super::{PATIENCE, Storage},
    apply, storage_not_ready,
};
use crate::seen::IMAGE;

#[tokio::test]
async fn a_store_that_is_slow_and_one_that_closes_after_each_answer_are_good_enough() -> Result<(), Error> {
    let (proxy, storage) = Storage::through(StoreKind::Minio, "slow", "").await?;
    for (drive, fault) in [
        ("slow", Fault::Delay(Duration::from_secs(1))),
        ("half-closed", Fault::HalfClosed),
    ] {
        let path = format!("/{}-{drive}-one-", storage.test_env.namespace.name());
        proxy.fault(Match::containing(path), fault);
        apply(&storage.test_env, drive, "versioned: true").await?;
    }
    for drive in ["half-closed", "slow"] {
        storage.test_env.ready(drive).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_store_that_goes_and_comes_back_stops_no_program_and_needs_no_hand() -> Result<(), Error> {
    let (mut proxy, storage) = Storage::through(StoreKind::Minio, "down", "checkEvery: 1s").await?;
    let test_env = &storage.test_env;
    let drive = |image: &str, more: &str| {
        format!(
            "apiVersion: ras.dev/v1alpha1\nkind: RecruitmentDrive\nmetadata: {{name: d}}\nspec:\n  services: \
             [{{name: portal, image: 'portal:{image}', uses: {{buckets: [one]}}}}]\n  buckets: [{{name: one}}{more}]\n"
        )
    };
    test_env.apply(&drive("1", "")).await?;
    test_env.ready("d").await?;
    proxy.down().await;
    storage_not_ready(
        test_env,
        "d",
        Reason::StoreUnavailable,
        &["cannot be reached", "objectStore.endpoint"],
    )
    .await?;
    storage.line("one", BucketState::Failing).await?;
    test_env.apply(&drive("2", ", {name: two}")).await?;
    let image = serde_json::json!("portal:2");
    crate::seen::becomes(test_env, "d-portal", IMAGE, &image).await?;
    test_env.condition("d", ConditionType::ServicesReady, "True").await?;
    proxy.up().await?;
    test_env.ready("d").await?;
    storage.line("two", BucketState::Ready).await?;
    Ok(())
}

#[tokio::test]
async fn an_answer_that_never_comes_is_waited_for_ten_seconds() -> Result<(), Error> {
    let (proxy, storage) = Storage::through(StoreKind::Minio, "hang", "").await?;
    proxy.fault_times(1, Match::Every, Fault::Hang);
    apply(&storage.test_env, "d", "").await?;
    storage_not_ready(
        &storage.test_env,
        "d",
        Reason::StoreUnavailable,
        &["did not answer", "in time", "it is tried again"],
    )
    .await?;
    eventually(PATIENCE, "the request to be given up", async || {
        match proxy.requests().first() {
            Some(first) if !first.hangs && !first.reached => Ok(()),
            other => Err(format!("{other:?}").into()),
        }
    })
    .await?;
    storage.test_env.ready("d").await.map(drop)
}
