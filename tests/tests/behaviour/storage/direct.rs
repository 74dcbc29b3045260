//! The operator's own code, asked without a cluster.

use std::{path::Path, sync::Arc};

use ras_core::bucket::request::{CorsRule, Encryption, LifecycleRule, Settings};
use ras_core::platform::ObjectStoreConfig;
use ras_object_store::rate_limiter::{Counter, RateLimiter};
use ras_object_store::s3::S3Store;
use ras_tests::object_store::ObjectStore;

/// The operator's client of a store, with the keys that lie in a folder.
pub fn connect(store: &ObjectStore, keys: &Path, counter: Arc<dyn Counter>) -> S3Store {
    let config = ObjectStoreConfig {
        endpoint: Some(store.endpoint().to_owned()),
        region: store.region().to_owned(),
        ca_file: store.ca_file().map(ToOwned::to_owned),
        credentials_directory: Some(keys.to_owned()),
        ..ObjectStoreConfig::default()
    };
    S3Store::connect(&config, Arc::new(RateLimiter::new(1_000)), counter).expect("a configuration that is good")
}

/// Everything that a bucket can be asked to be, but for locks and keys of a key management service.
pub fn everything() -> Settings {
    Settings {
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
    }
}
