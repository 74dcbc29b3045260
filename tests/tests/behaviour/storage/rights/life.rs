//! The whole life of a bucket, as the operator's own code leads it, without a cluster.

use std::{
    collections::BTreeSet,
    ops::ControlFlow,
    sync::{Arc, Mutex, PoisonError},
};

use aws_sdk_s3::{Client, types::BucketVersioningStatus};
use ras_core::bucket::request::{BucketRequest, LockMode, ObjectLock, Origin, Owner, Settings};
use ras_core::bucket::state::{Manner, Removal};
use ras_object_store::capabilities::Capabilities;
use ras_object_store::ensure::ensure;
use ras_object_store::failure::Failure;
use ras_object_store::rate_limiter::Counter;
use ras_object_store::remove::remove;
use ras_object_store::s3::S3Store;
use ras_tests::{Error, object_store::StoreKind};

use super::{
    super::{direct, look},
    enforcing::Enforcing,
};

/// The result of a bucket's life.
#[derive(Debug)]
pub struct Life {
    /// The refusals, as the operator reports them.
    pub refused: Vec<String>,
    /// Every kind of request that was sent.
    pub sent: BTreeSet<String>,
}

/// Notes what is sent.
#[derive(Debug, Default)]
struct Sent(Mutex<BTreeSet<String>>);

impl Counter for Sent {
    fn requested(&self, operation: &'static str, _: &'static str) {
        self.names().insert(operation.to_owned());
    }
}

impl Sent {
    fn names(&self) -> std::sync::MutexGuard<'_, BTreeSet<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A bucket, and who looks after it.
struct Work<'a> {
    enforcing: &'a Enforcing,
    root: Client,
    store: S3Store,
    request: BucketRequest,
}

impl Life {
    /// Makes a bucket with everything there is, and one with locks; somebody changes the settings, which are put back; the
    /// drive asks for less; both are filled, emptied and removed. All by a user who has every right of the shipped policy, or
    /// every one but one. Goes as far as it is let.
    pub async fn of_everything(enforcing: &Enforcing, without: Option<&str>) -> Result<Self, Error> {
        let sent = Arc::new(Sent::default());
        let folder = tempfile::tempdir().expect("a folder");
        enforcing.write_keys(without, folder.path());
        let store = direct::connect(&enforcing.store, folder.path(), Arc::clone(&sent) as Arc<dyn Counter>);
        let name = without.map_or_else(
            || "all".to_owned(),
            |action| action.replace("s3:", "without-").to_lowercase(),
        );
        // moto takes no notice of a statement's conditions, and would keep everybody out.
        let all = Settings {
            tls_only: enforcing.store.kind() == StoreKind::Minio,
            ..direct::everything()
        };
        let mut refused = Vec::new();
        for (bucket, settings) in [("all", all), ("locked", locked())] {
            let owner = Owner {
                namespace: "spo".to_owned(),
                drive: "d".to_owned(),
                uid: name.clone(),
                bucket: bucket.to_owned(),
            };
            let work = Work {
                enforcing,
                root: enforcing.store.client(),
                store: store.clone(),
                request: BucketRequest {
                    bucket: format!("ras-{}", owner.proof()),
                    owner,
                    origin: Origin::Made,
                    permitted: true,
                    settings,
                },
            };
            refused.extend(Box::pin(work.live()).await?.map(|failure| failure.message()));
        }
        let sent = sent.names().clone();
        Ok(Self { refused, sent })
    }
}

impl Work<'_> {
    /// The first refusal, if there is one.
    async fn live(&self) -> Result<Option<Failure>, Error> {
        let known = Capabilities::new();
        let made = match ensure(&self.store, &self.request, &known).await {
            Ok(made) => made,
            Err(failure) => return Ok(Some(failure)),
        };
        assert!(made.created, "{made:?}");
        let undone = self.undo().await?;
        match ensure(&self.store, &self.request, &known).await {
            Ok(repaired) => assert_eq!(BTreeSet::from_iter(repaired.changed), undone, "{}", self.request.bucket),
            Err(failure) => return Ok(Some(failure)),
        }
        let mut less = self.request.clone();
        less.settings.cors.clear();
        less.settings.lifecycle.clear();
        if let Err(failure) = ensure(&self.store, &less, &known).await {
            return Ok(Some(failure));
        }
        if self.request.settings.object_lock.is_none() {
            self.fill().await?;
        }
        let owner = &self.request.owner;
        let on_page = |_| ControlFlow::Continue(());
        let removed = remove(&self.store, &self.request.bucket, owner, Manner::WithObjects, &on_page).await;
        Ok(match removed {
            Ok(removal) => {
                assert_eq!(removal, Removal::Gone, "{}", self.request.bucket);
                None
            }
            Err(failure) => Some(failure),
        })
    }

    /// Changes by hand what can be changed, and says what.
    async fn undo(&self) -> Result<BTreeSet<String>, Error> {
        let (root, bucket) = (&self.root, self.request.bucket.as_str());
        let failed = |what: &str, error: &dyn std::fmt::Debug| Error::Api {
            what: what.to_owned(),
            message: format!("{error:?}"),
        };
        if self.request.settings.object_lock.is_some() {
            return Ok(BTreeSet::new());
        }
        let undone = root.delete_bucket_lifecycle().bucket(bucket).send().await;
        undone.map_err(|error| failed("DeleteBucketLifecycle", &error))?;
        let undone = root.delete_bucket_encryption().bucket(bucket).send().await;
        undone.map_err(|error| failed("DeleteBucketEncryption", &error))?;
        let undone = root.delete_bucket_tagging().bucket(bucket).send().await;
        undone.map_err(|error| failed("DeleteBucketTagging", &error))?;
        let mut names = vec!["lifecycle", "encryption", "owner's tags"];
        if self.enforcing.store.kind() == StoreKind::Minio {
            look::set_versioning(root, bucket, BucketVersioningStatus::Suspended).await?;
            let undone = root.delete_bucket_policy().bucket(bucket).send().await;
            undone.map_err(|error| failed("DeleteBucketPolicy", &error))?;
            names.extend(["versioning", "policy"]);
        } else {
            let undone = root.delete_bucket_cors().bucket(bucket).send().await;
            undone.map_err(|error| failed("DeleteBucketCors", &error))?;
            let undone = root.delete_public_access_block().bucket(bucket).send().await;
            undone.map_err(|error| failed("DeletePublicAccessBlock", &error))?;
            names.extend(["CORS", "public access block"]);
        }
        Ok(names.into_iter().map(str::to_owned).collect())
    }

    async fn fill(&self) -> Result<(), Error> {
        let (root, bucket) = (&self.root, self.request.bucket.as_str());
        look::put(root, bucket, "a.pdf", "one").await?;
        look::put(root, bucket, "a.pdf", "two").await?;
        look::delete(root, bucket, "a.pdf").await?;
        look::put(root, bucket, "b/c.pdf", "three").await?;
        // What no XML can name goes by itself.
        look::put(root, bucket, "tab\t.pdf", "four").await?;
        look::begin_upload(root, bucket, "never-finished").await
    }
}

fn locked() -> Settings {
    Settings {
        versioned: Some(true),
        object_lock: Some(ObjectLock {
            mode: LockMode::Governance,
            days: 1,
        }),
        ..Settings::default()
    }
}
