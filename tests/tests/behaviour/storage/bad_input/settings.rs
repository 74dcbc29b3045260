//! Platform settings that do not fit the store, and drives that ask for what is not there.

use ras_crds::{ConditionType, Reason, labels::KEEP_BUCKETS};
use ras_tests::{
    Error, PATIENCE, TestEnv, eventually,
    object_store::{ObjectStore, StoreKind, StoreOptions},
};

use super::{super::manifest_of, Platform, apply, storage_not_ready};
use crate::seen::{because, kubectl};

#[tokio::test]
async fn without_an_object_store_a_drive_runs_says_what_it_lacks_and_can_be_let_go() -> Result<(), Error> {
    let test_env = TestEnv::start("no-store").await?;
    apply(&test_env, "d", "deletionPolicy: DeleteIfEmpty").await?;
    let condition = because(&test_env, "d", ConditionType::StorageReady, Reason::StoreNotConfigured).await?;
    assert!(condition.message.contains("set objectStore"), "{}", condition.message);
    test_env.condition("d", ConditionType::ServicesReady, "True").await?;

    kubectl(&test_env, &["delete", "drive", "d", "--wait=false"]).await?;
    let blocked = because(
        &test_env,
        "d",
        ConditionType::DeletionBlocked,
        Reason::StoreNotConfigured,
    )
    .await?;
    assert!(blocked.message.contains(KEEP_BUCKETS), "{}", blocked.message);
    kubectl(&test_env, &["annotate", "drive", "d", &format!("{KEEP_BUCKETS}=*")]).await?;
    eventually(PATIENCE, "the drive to be gone", async || {
        match test_env.drives().get_opt("d").await? {
            None => Ok(()),
            Some(drive) => Err(format!("{:?}", drive.status).into()),
        }
    })
    .await
    .map_err(|error| error.with_log(&test_env.operator.log()))
}

#[tokio::test]
async fn a_certificate_of_an_unknown_authority_is_refused_until_ca_file_names_it() -> Result<(), Error> {
    let store = ObjectStore::start_with(&StoreOptions::new(StoreKind::Minio).tls()).await?;
    let platform = Platform::of(&store);
    let endpoint = format!("endpoint: '{}'", store.endpoint());
    let careful = platform.test_env("no-ca", &endpoint).await?;
    apply(&careful, "d", "").await?;
    storage_not_ready(
        &careful,
        "d",
        Reason::StoreUnavailable,
        &[
            "signed by an authority that the operator does not trust",
            "objectStore.caFile",
        ],
    )
    .await?;

    let authority = store.ca_file().expect("a store with TLS has an authority").display();
    let trusting = platform
        .test_env("ca", &format!("{endpoint}, caFile: '{authority}'"))
        .await?;
    apply(&trusting, "d", "").await?;
    trusting.ready("d").await?;
    let bucket = trusting
        .drives()
        .get("d")
        .await
        .expect("a drive")
        .status
        .unwrap_or_default()
        .buckets[0]
        .bucket
        .clone();
    let policy = store
        .client()
        .get_bucket_policy()
        .bucket(&bucket)
        .send()
        .await
        .expect("a policy");
    assert!(
        policy
            .policy()
            .is_some_and(|policy| policy.contains("aws:SecureTransport")),
        "{policy:?}"
    );
    Ok(())
}

#[tokio::test]
async fn another_region_than_the_stores_is_told_with_the_right_one() -> Result<(), Error> {
    let store = ObjectStore::start_with(&StoreOptions::new(StoreKind::Minio).region("eu-central-1")).await?;
    let platform = Platform::of(&store);
    let test_env = platform
        .test_env(
            "region",
            &format!("endpoint: '{}', region: us-east-1", store.endpoint()),
        )
        .await?;
    apply(&test_env, "d", "").await?;
    storage_not_ready(
        &test_env,
        "d",
        Reason::WrongRegion,
        &[
            "AuthorizationHeaderMalformed",
            "set `objectStore.region` to eu-central-1",
        ],
    )
    .await
    .map(drop)
}

#[tokio::test]
async fn a_kms_key_that_is_not_there_is_told_and_one_that_is_there_is_used() -> Result<(), Error> {
    let store = ObjectStore::start_with(&StoreOptions::new(StoreKind::Minio).kms()).await?;
    let key = store.kms_key().await?;
    let platform = Platform::of(&store);
    let test_env = platform
        .test_env("kms", &format!("endpoint: '{}'", store.endpoint()))
        .await?;
    apply(
        &test_env,
        "lost",
        "encryption: {kmsKey: no-such-key}, expire: [{after: 30d}]",
    )
    .await?;
    let words = [
        "PutBucketEncryption",
        "see that the key exists in this region, is enabled",
    ];
    storage_not_ready(&test_env, "lost", Reason::KeyUnusable, &words).await?;
    test_env
        .apply(&manifest_of(
            "found",
            &format!("{{name: one, encryption: {{kmsKey: {key}}}}}"),
        ))
        .await?;
    test_env.ready("found").await?;
    // The rest of what was asked is done, and the key may be named later.
    apply(
        &test_env,
        "lost",
        &format!("encryption: {{kmsKey: {key}}}, expire: [{{after: 30d}}]"),
    )
    .await?;
    test_env.ready("lost").await.map(drop)
}
