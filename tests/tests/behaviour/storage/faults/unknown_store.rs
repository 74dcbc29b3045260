//! What a store cannot do is found out on the way. What happens to a request must not be taken for that: nobody would look
//! again for a day.

use std::{collections::BTreeSet, sync::Arc};

use futures::{StreamExt as _, stream};
use ras_core::bucket::request::{BucketRequest, CorsRule, Encryption, Feature, LifecycleRule, Origin, Owner, Settings};
use ras_core::names;
use ras_core::platform::ObjectStoreConfig;
use ras_object_store::capabilities::Capabilities;
use ras_object_store::ensure::ensure;
use ras_object_store::rate_limiter::{RateLimiter, Uncounted};
use ras_object_store::s3::S3Store;
use ras_tests::{
    Error, FaultProxy, Match,
    object_store::{ObjectStore, StoreKind, shared},
};

use super::{
    super::{look, write},
    faults,
};

/// Each case waits for what the store loses, so many can be looked at together.
const TOGETHER: usize = 48;
/// One that something happens to, one that goes well, and one for luck.
const ATTEMPTS: usize = 3;

fn request(name: &str) -> BucketRequest {
    let owner = Owner {
        namespace: "unknown".to_owned(),
        drive: "store".to_owned(),
        uid: name.to_owned(),
        bucket: name.to_owned(),
    };
    BucketRequest {
        bucket: names::bucket(None, &owner),
        owner,
        origin: Origin::Made,
        permitted: true,
        settings: Settings {
            versioned: Some(true),
            encryption: Some(Encryption::StoreKey),
            private: true,
            tls_only: true,
            lifecycle: vec![
                LifecycleRule::Expire {
                    prefix: "zip/".to_owned(),
                    days: 7,
                },
                LifecycleRule::ExpireOldVersions { days: 90 },
                LifecycleRule::AbortUploads { days: 7 },
            ],
            cors: vec![CorsRule {
                origins: vec!["https://placement.example.edu".to_owned()],
                methods: vec!["GET".to_owned()],
                headers: Vec::new(),
                expose_headers: Vec::new(),
                max_age_seconds: None,
            }],
            object_lock: None,
        },
    }
}

/// The operator's own client, through a proxy. Not the operator itself: each case needs one that knows nothing.
fn client(proxy: &FaultProxy, store: &ObjectStore, folder: &tempfile::TempDir) -> S3Store {
    write(&folder.path().join("AWS_ACCESS_KEY_ID"), store.access_key());
    write(&folder.path().join("AWS_SECRET_ACCESS_KEY"), store.secret_key());
    let config = ObjectStoreConfig {
        endpoint: Some(proxy.endpoint()),
        credentials_directory: Some(folder.path().to_owned()),
        ..ObjectStoreConfig::default()
    };
    S3Store::connect(&config, Arc::new(RateLimiter::new(1_000)), Arc::new(Uncounted)).expect("a client")
}

/// Sets a bucket up as an operator does that knows nothing of the store, and says what the store is found to lack.
async fn set_up(client: &S3Store, name: &str) -> BTreeSet<Feature> {
    let (request, known) = (request(name), Capabilities::new());
    let mut failures = Vec::new();
    for _ in 0..ATTEMPTS {
        match Box::pin(ensure(client, &request, &known)).await {
            Ok(ensured) => return ensured.unsupported,
            Err(failure) => failures.push(failure.message()),
        }
    }
    panic!("{name}: {failures:?}");
}

fn requests(proxy: &FaultProxy, name: &str) -> usize {
    let path = format!("/{}", request(name).bucket);
    let all = proxy.requests();
    all.iter().filter(|request| request.target.starts_with(&path)).count()
}

#[tokio::test]
async fn what_happens_to_a_request_is_never_taken_for_what_the_store_cannot_do() -> Result<(), Error> {
    let store = shared(StoreKind::Minio).await?;
    let proxy = FaultProxy::start(([127, 0, 0, 1], store.port()).into()).await?;
    let folder = tempfile::tempdir().expect("a folder");
    let client = client(&proxy, store, &folder);
    let lacking = set_up(&client, "well").await;
    assert!(lacking.contains(&Feature::Cors) && !lacking.contains(&Feature::Versioning));
    let outside = store.client();
    let desired = look::settings(&outside, &request("well").bucket).await;

    let mut cases = Vec::new();
    for nth in 1..=requests(&proxy, "well") {
        for (fault_name, fault) in faults(StoreKind::Minio) {
            let name = format!("{fault_name}-{nth}");
            let path = format!("/{}", request(&name).bucket);
            let seen = std::sync::atomic::AtomicUsize::new(0);
            let is_it = Match::is(move |request| {
                request.target.starts_with(&path) && seen.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1 == nth
            });
            proxy.fault(is_it, fault);
            cases.push(name);
        }
    }
    let found: Vec<_> = stream::iter(&cases)
        .map(async |name| (name, set_up(&client, name).await))
        .buffer_unordered(TOGETHER)
        .collect()
        .await;
    for (name, unsupported) in found {
        assert_eq!(unsupported, lacking, "{name}");
        assert_eq!(look::settings(&outside, &request(name).bucket).await, desired, "{name}");
    }
    Ok(())
}
