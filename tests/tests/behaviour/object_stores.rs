//! What the harness promises of its S3 servers.

use std::fs;

use aws_sdk_s3::{
    Client,
    error::{ProvideErrorMetadata, SdkError},
    primitives::ByteStream,
    types::{BucketVersioningStatus, ServerSideEncryption, VersioningConfiguration},
};
use ras_tests::{
    Error,
    object_store::{ObjectStore, StoreKind, StoreOptions, shared},
};
use serde_json::json;

async fn make(client: &Client, bucket: &str) {
    client.create_bucket().bucket(bucket).send().await.unwrap();
}

async fn put(client: &Client, bucket: &str, key: &str, text: &'static str) {
    let body = ByteStream::from_static(text.as_bytes());
    client
        .put_object()
        .bucket(bucket)
        .key(key)
        .body(body)
        .send()
        .await
        .unwrap();
}

async fn get(client: &Client, bucket: &str, key: &str) -> String {
    let object = client.get_object().bucket(bucket).key(key).send().await.unwrap();
    String::from_utf8(object.body.collect().await.unwrap().to_vec()).unwrap()
}

/// Status and S3 error code of a refusal.
fn refusal<T, E: ProvideErrorMetadata + std::fmt::Debug>(
    result: Result<T, SdkError<E>>,
) -> (Option<u16>, Option<String>) {
    let error = result.err().expect("a refusal");
    let status = error.raw_response().map(|response| response.status().as_u16());
    (status, error.code().map(str::to_owned))
}

#[tokio::test]
async fn every_kind_of_store_keeps_an_object() -> Result<(), Error> {
    let started = StoreKind::ALL.map(|kind| async move {
        let store = shared(kind).await?;
        let client = store.client();
        make(&client, "kept").await;
        put(&client, "kept", "a/b.txt", "kept").await;
        assert_eq!(get(&client, "kept", "a/b.txt").await, "kept", "{kind}");
        let (status, _) = refusal(client.head_bucket().bucket("missing").send().await);
        assert_eq!(status, Some(404), "{kind}");
        assert!(store.log().contains('\n'), "{kind} writes a log");
        Ok(())
    });
    futures::future::try_join_all(started).await.map(drop)
}

#[tokio::test]
async fn credentials_of_one_store_are_no_good_at_another() -> Result<(), Error> {
    for kind in [StoreKind::Minio, StoreKind::Versitygw, StoreKind::Garage] {
        let (store, other) = (shared(kind).await?, shared(StoreKind::Moto).await?);
        let unauthorized = store.client_as(other.access_key(), other.secret_key());
        let (status, _) = refusal(unauthorized.list_buckets().send().await);
        assert_eq!(status, Some(403), "{kind}");
    }
    Ok(())
}

#[tokio::test]
async fn a_restarted_store_has_the_same_address_and_objects() -> Result<(), Error> {
    let restarted = [StoreKind::Minio, StoreKind::Versitygw, StoreKind::Garage].map(|kind| async move {
        let mut store = ObjectStore::start(kind).await?;
        let client = store.client();
        make(&client, "kept").await;
        put(&client, "kept", "key", "kept").await;
        store.stop().await?;
        assert!(client.list_buckets().send().await.is_err(), "{kind} is stopped");
        store.restart().await?;
        assert_eq!(get(&store.client(), "kept", "key").await, "kept", "{kind}");
        let folder = store.folder();
        drop(store);
        assert!(!folder.exists(), "{kind} leaves {} behind", folder.display());
        Ok(())
    });
    futures::future::try_join_all(restarted).await.map(drop)
}

#[tokio::test]
async fn a_file_in_versitygws_folder_is_an_object() -> Result<(), Error> {
    let store = shared(StoreKind::Versitygw).await?;
    let client = store.client();
    make(&client, "files").await;
    for number in 0..1500 {
        fs::write(store.folder().join(format!("files/{number:04}")), "").unwrap();
    }
    let page = client.list_objects_v2().bucket("files").send().await.unwrap();
    assert_eq!((page.key_count(), page.is_truncated()), (Some(1000), Some(true)));
    let versions = client
        .list_object_versions()
        .bucket("files")
        .max_keys(10)
        .send()
        .await
        .unwrap();
    assert_eq!(versions.versions().len(), 10);
    Ok(())
}

#[tokio::test]
async fn versitygw_keeps_versions() -> Result<(), Error> {
    let client = shared(StoreKind::Versitygw).await?.client();
    make(&client, "versions").await;
    let enabled = VersioningConfiguration::builder()
        .status(BucketVersioningStatus::Enabled)
        .build();
    let set = client
        .put_bucket_versioning()
        .bucket("versions")
        .versioning_configuration(enabled);
    set.send().await.unwrap();
    put(&client, "versions", "key", "one").await;
    put(&client, "versions", "key", "two").await;
    let listed = client.list_object_versions().bucket("versions").send().await.unwrap();
    assert_eq!(listed.versions().len(), 2);
    Ok(())
}

#[tokio::test]
async fn tls_is_trusted_through_its_own_authority_alone() -> Result<(), Error> {
    let minio = ObjectStore::start_with(&StoreOptions::new(StoreKind::Minio).tls()).await?;
    let versitygw = ObjectStore::start_with(&StoreOptions::new(StoreKind::Versitygw).tls()).await?;
    for (store, other) in [(&minio, &versitygw), (&versitygw, &minio)] {
        assert!(store.endpoint().starts_with("https://"));
        let pem = fs::read_to_string(store.ca_file().unwrap()).unwrap();
        assert!(pem.starts_with("-----BEGIN CERTIFICATE-----"), "{pem}");
        make(&store.client(), "secured").await;
        let distrustful = other.client_at(store.endpoint(), store.access_key(), store.secret_key());
        let refused = format!("{:?}", distrustful.list_buckets().send().await.unwrap_err());
        assert!(
            refused.contains("UnknownIssuer") || refused.contains("BadSignature"),
            "{refused}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn a_restricted_user_may_do_what_the_policy_allows_and_nothing_else() -> Result<(), Error> {
    let policy = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": ["s3:CreateBucket", "s3:PutBucketTagging"], "Resource": "arn:aws:s3:::mine-*"},
    ]})
    .to_string();
    let minio = ObjectStore::start(StoreKind::Minio).await?;
    let moto = ObjectStore::start_with(&StoreOptions::new(StoreKind::Moto).enforcing()).await?;
    for store in [&minio, &moto] {
        let (access, secret) = store.restricted_user(&policy).await?;
        let user = store.client_as(&access, &secret);
        make(&user, "mine-1").await;
        let denied = (Some(403), Some("AccessDenied".to_owned()));
        assert_eq!(
            refusal(user.create_bucket().bucket("theirs").send().await),
            denied,
            "{}",
            store.kind()
        );
        assert_eq!(
            refusal(user.list_objects_v2().bucket("mine-1").send().await),
            denied,
            "{}",
            store.kind()
        );
        let unauthorized = store.client_as(&access, "wrong");
        let (status, code) = refusal(unauthorized.list_buckets().send().await);
        assert_eq!((status, code.as_deref()), (Some(403), Some("SignatureDoesNotMatch")));
        make(&store.client(), "theirs").await;
    }
    let unchecked = shared(StoreKind::Moto)
        .await?
        .restricted_user(&policy)
        .await
        .unwrap_err();
    assert_eq!(
        unchecked.to_string(),
        "moto: it checks no policies unless it was started with `enforcing`"
    );
    Ok(())
}

#[tokio::test]
async fn a_kms_key_encrypts() -> Result<(), Error> {
    let minio = ObjectStore::start_with(&StoreOptions::new(StoreKind::Minio).kms()).await?;
    for store in [&minio, shared(StoreKind::Moto).await?] {
        let client = store.client();
        make(&client, "encrypted").await;
        let put = client
            .put_object()
            .bucket("encrypted")
            .key("key")
            .ssekms_key_id(store.kms_key().await?);
        let put = put
            .server_side_encryption(ServerSideEncryption::AwsKms)
            .send()
            .await
            .unwrap();
        assert_eq!(
            put.server_side_encryption(),
            Some(&ServerSideEncryption::AwsKms),
            "{}",
            store.kind()
        );
    }
    Ok(())
}

#[test]
fn what_a_kind_cannot_do_is_refused_at_the_start() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let refused = runtime.block_on(ObjectStore::start_with(&StoreOptions::new(StoreKind::Garage).tls()));
    assert_eq!(
        refused.err().map(|error| error.to_string()).as_deref(),
        Some("garage: the harness cannot start it with TLS: choose another kind")
    );
}
