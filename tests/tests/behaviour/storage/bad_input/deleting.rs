//! Drives that are deleted while something is wrong.

use ras_crds::{
    BucketState, ConditionType, Reason,
    labels::{CONFIRM_DELETE, KEEP_BUCKETS},
};
use ras_tests::{Cluster, Error, Shared, documents, eventually, object_store::StoreKind, repository};
use serde_json::{Value, json};

use super::super::{PATIENCE, Storage, look};
use crate::{
    bad_input::ready_of_any,
    seen::{because, kubectl, restart_operator},
};

/// A bucket with an object in it that may go with its drive.
async fn doomed(storage: &Storage) -> Result<String, Error> {
    storage.drive("{name: one, deletionPolicy: Delete}").await?;
    let bucket = storage.ready("one").await?;
    look::put(&storage.client, &bucket, "a.pdf", "data").await?;
    storage.annotate(CONFIRM_DELETE, Some(&bucket)).await?;
    Ok(bucket)
}

#[tokio::test]
async fn a_store_that_is_gone_is_waited_for_so_long_and_then_the_drive_goes_and_the_bucket_stays() -> Result<(), Error>
{
    let (mut proxy, storage) = Storage::through(StoreKind::Minio, "given-up", "giveUpAfter: 3s").await?;
    let bucket = doomed(&storage).await?;
    proxy.down().await;
    storage.delete().await?;
    storage.gone().await?;
    let event = eventually(PATIENCE, "an event about the bucket", async || {
        let events = kubectl(
            &storage.test_env,
            &["get", "events", "--field-selector=reason=BucketRetained"],
        )
        .await?;
        if events.contains(&bucket) {
            Ok(events)
        } else {
            Err(events.into())
        }
    })
    .await?;
    assert!(event.contains("did not answer for too long"), "{event}");
    assert_eq!(
        look::get(&storage.client, &bucket, "a.pdf").await?.as_deref(),
        Some("data")
    );
    Ok(())
}

#[tokio::test]
async fn a_blocked_deletion_outlives_the_operator_and_goes_on_when_the_store_is_back() -> Result<(), Error> {
    let (mut proxy, mut storage) = Storage::through(StoreKind::Minio, "blocked", "").await?;
    let bucket = doomed(&storage).await?;
    proxy.down().await;
    storage.delete().await?;
    let options = storage.options.clone();
    for restarted in [false, true] {
        if restarted {
            restart_operator(&mut storage.test_env, &options).await?;
            // It has looked for itself, and not only left what the other said.
            eventually(PATIENCE, "it to have tried", async || {
                let log = storage.test_env.operator.log();
                if log.contains("cannot be reached") {
                    Ok(())
                } else {
                    Err(log.into())
                }
            })
            .await?;
        }
        let blocked = because(
            &storage.test_env,
            "d",
            ConditionType::DeletionBlocked,
            Reason::StoreUnavailable,
        )
        .await?;
        for word in [
            bucket.as_str(),
            "cannot be reached",
            "objectStore.endpoint",
            KEEP_BUCKETS,
        ] {
            assert!(blocked.message.contains(word), "no {word} in {}", blocked.message);
        }
    }
    assert!(look::exists(&storage.client, &bucket).await?);
    proxy.up().await?;
    storage.gone().await?;
    assert!(!look::exists(&storage.client, &bucket).await?);
    Ok(())
}

#[tokio::test]
async fn a_paused_drive_is_not_deleted_before_it_goes_on() -> Result<(), Error> {
    let storage = Storage::start(StoreKind::Minio, "paused", "").await?;
    let bucket = doomed(&storage).await?;
    let pause = |paused: bool| format!(r#"{{"spec": {{"paused": {paused}}}}}"#);
    let patch = async |text: String| {
        kubectl(
            &storage.test_env,
            &["patch", "drive", "d", "--type=merge", "--patch", &text],
        )
        .await
        .map(drop)
    };
    patch(pause(true)).await?;
    storage.test_env.condition("d", ConditionType::Ready, "True").await?;
    storage.delete().await?;
    let blocked = because(&storage.test_env, "d", ConditionType::DeletionBlocked, Reason::Paused).await?;
    assert!(
        blocked.message.contains("set it to false to continue"),
        "{}",
        blocked.message
    );
    assert_eq!(
        look::get(&storage.client, &bucket, "a.pdf").await?.as_deref(),
        Some("data")
    );
    patch(pause(false)).await?;
    storage.gone().await?;
    assert!(!look::exists(&storage.client, &bucket).await?);
    Ok(())
}

#[tokio::test]
async fn a_drive_whose_existing_bucket_is_gone_can_go() -> Result<(), Error> {
    let storage = Storage::start(StoreKind::Minio, "theirs-gone", "").await?;
    let made = storage.client.create_bucket().bucket("soon-gone").send().await;
    made.map_err(|error| look::failed("CreateBucket", &error))?;
    storage
        .drive("{name: one, existing: {bucket: soon-gone}, expire: [{after: 1d}]}, {name: two, existing: {bucket: was-never-there}}")
        .await?;
    storage.line("one", BucketState::Ready).await?;
    let removed = storage.client.delete_bucket().bucket("soon-gone").send().await;
    removed.map_err(|error| look::failed("DeleteBucket", &error))?;
    storage.delete().await?;
    storage.gone().await
}

#[tokio::test]
async fn rules_of_ours_are_out_of_an_existing_bucket_when_its_drive_is_gone() -> Result<(), Error> {
    let (mut proxy, storage) = Storage::through(StoreKind::Minio, "released", "").await?;
    let made = storage.client.create_bucket().bucket("released-again").send().await;
    made.map_err(|error| look::failed("CreateBucket", &error))?;
    storage
        .drive("{name: one, existing: {bucket: released-again}, expire: [{after: 1d}]}")
        .await?;
    storage.line("one", BucketState::Ready).await?;
    assert_eq!(look::expiries(&storage.client, "released-again").await?.len(), 1);
    look::put(&storage.client, "released-again", "a.pdf", "data").await?;
    // Or its objects would go on going, and nobody would know why.
    proxy.down().await;
    storage.delete().await?;
    because(
        &storage.test_env,
        "d",
        ConditionType::DeletionBlocked,
        Reason::StoreUnavailable,
    )
    .await?;
    proxy.up().await?;
    storage.gone().await?;
    assert!(look::expiries(&storage.client, "released-again").await?.is_empty());
    assert_eq!(
        look::get(&storage.client, "released-again", "a.pdf").await?.as_deref(),
        Some("data")
    );
    Ok(())
}

/// Our definition as some other version may have been, which lets anything into `spec`.
fn loose() -> String {
    let text = std::fs::read_to_string(repository().join("crds/recruitmentdrives.yaml")).expect("the definition");
    let mut definition = documents(&text).expect("YAML").remove(0);
    let versions = definition.pointer_mut("/spec/versions").and_then(Value::as_array_mut);
    for version in versions.expect("versions") {
        let spec = version
            .pointer_mut("/schema/openAPIV3Schema/properties/spec")
            .expect("a spec");
        *spec = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    }
    definition.to_string()
}

#[tokio::test]
async fn a_drive_that_does_not_read_goes_with_the_buckets_that_were_confirmed_and_leaves_the_others()
-> Result<(), Error> {
    // It changes the definition, which is everybody's.
    let own = Shared::Own(Box::new(Cluster::start().await?));
    let mut storage = Storage::on(own, StoreKind::Minio, "unreadable", "").await?;
    storage
        .drive("{name: one, deletionPolicy: Delete}, {name: two, deletionPolicy: Delete}, {name: three}")
        .await?;
    let mut buckets = Vec::new();
    for name in ["one", "two", "three"] {
        let bucket = storage.ready(name).await?;
        look::put(&storage.client, &bucket, "a.pdf", "data").await?;
        buckets.push(bucket);
    }
    storage.test_env.apply(&loose()).await?;
    let broken = r#"{"spec": {"services": {"web": 1}}}"#;
    kubectl(
        &storage.test_env,
        &["patch", "drive", "d", "--type=merge", "--patch", broken],
    )
    .await?;
    ready_of_any(&storage.test_env, "d", "Undecodable").await?;
    // Nobody remembers what it said when it could be read.
    let options = storage.options.clone();
    restart_operator(&mut storage.test_env, &options).await?;
    kubectl(&storage.test_env, &["annotate", "drive", "d", "example.com/look=again"]).await?;
    ready_of_any(&storage.test_env, "d", "Undecodable").await?;

    let (one, two, three) = (&buckets[0], &buckets[1], &buckets[2]);
    storage.annotate(CONFIRM_DELETE, Some(one)).await?;
    kubectl(&storage.test_env, &["delete", "drive", "d", "--wait=false"]).await?;
    eventually(PATIENCE, "the confirmed bucket to be gone", async || {
        if look::exists(&storage.client, one).await? {
            Err("it is there".into())
        } else {
            Ok(())
        }
    })
    .await
    .map_err(|error| error.with_log(&storage.test_env.operator.log()))?;
    let condition = ready_of_any(&storage.test_env, "d", Reason::ConfirmationMissing.as_str()).await?;
    assert!(
        condition["message"]
            .as_str()
            .is_some_and(|message| message.contains(two)),
        "{condition}"
    );
    storage.annotate(KEEP_BUCKETS, Some(two)).await?;
    eventually(PATIENCE, "the drive to be gone", async || {
        let found = kubectl(&storage.test_env, &["get", "drive", "--output=name"]).await?;
        if found.is_empty() { Ok(()) } else { Err(found.into()) }
    })
    .await
    .map_err(|error| error.with_log(&storage.test_env.operator.log()))?;
    for bucket in [two, three] {
        assert_eq!(
            look::get(&storage.client, bucket, "a.pdf").await?.as_deref(),
            Some("data")
        );
    }
    Ok(())
}
