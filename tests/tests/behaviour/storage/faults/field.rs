//! Many buckets of one operator behind one proxy, and a fault for one request of each.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use ras_crds::{BucketState, BucketStatus};
use ras_tests::{Error, Fault, FaultProxy, Match, eventually, object_store::StoreKind};

use super::super::{PATIENCE, Storage, look, manifest_of};

/// A test environment whose operator reaches its store through a proxy, and knows already what the store cannot do: so that each
/// bucket takes the same requests.
pub struct Field {
    pub storage: Storage,
    pub proxy: FaultProxy,
}

/// One request of one bucket that something happens to.
pub struct Case {
    pub drive: String,
    pub bucket: &'static str,
    /// Which request, counted from 0.
    pub nth: usize,
    seen: Arc<AtomicUsize>,
}

impl Field {
    pub async fn start(kind: StoreKind, prefix: &str) -> Result<Self, Error> {
        let (proxy, storage) = Storage::through(kind, prefix, "").await?;
        let this = Self { storage, proxy };
        // A setting has to be lost by several buckets before a store is taken for one that loses it.
        this.apply("learner", &["a", "b", "c", "d"], MADE).await?;
        this.settled("learner").await?;
        Ok(this)
    }

    /// Applies a drive with buckets of these names that all ask for the same.
    pub async fn apply(&self, drive: &str, buckets: &[&str], settings: &str) -> Result<(), Error> {
        let buckets = buckets.iter().fold(String::new(), |mut text, name| {
            let _ = write!(text, "{{name: {name}, {settings}}},");
            text
        });
        self.storage.test_env.apply(&manifest_of(drive, &buckets)).await
    }

    /// Something happens to the `nth` request of a bucket, counted from 0.
    pub fn spoil(&self, drive: &str, bucket: &'static str, nth: usize, fault: Fault) -> Case {
        self.spoil_where(drive, bucket, nth, fault, |seen, nth| seen == nth)
    }

    /// The same of that request and all that follow, for who tries again.
    pub fn spoil_from(&self, drive: &str, bucket: &'static str, nth: usize, fault: Fault) -> Case {
        self.spoil_where(drive, bucket, nth, fault, |seen, nth| seen >= nth)
    }

    fn spoil_where(
        &self,
        drive: &str,
        bucket: &'static str,
        nth: usize,
        fault: Fault,
        is_it: fn(usize, usize) -> bool,
    ) -> Case {
        let path = format!("/{}-{drive}-{bucket}-", self.storage.test_env.namespace.name());
        let seen = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&seen);
        let matching = Match::is(move |request| {
            request.target.starts_with(&path) && is_it(count.fetch_add(1, Ordering::Relaxed), nth)
        });
        self.proxy.fault(matching, fault);
        Case {
            drive: drive.to_owned(),
            bucket,
            nth,
            seen,
        }
    }

    /// How many requests a drive's buckets have taken so far.
    pub fn taken(&self, drive: &str) -> usize {
        let path = format!("/{}-{drive}-", self.storage.test_env.namespace.name());
        let requests = self.proxy.requests();
        requests.iter().filter(|one| one.target.starts_with(&path)).count()
    }

    /// Waits until all buckets of a drive are as the spec says, and returns their lines in status.
    pub async fn settled(&self, drive: &str) -> Result<BTreeMap<String, BucketStatus>, Error> {
        eventually(PATIENCE, &format!("the buckets of {drive} to be set up"), async || {
            let found = self.storage.test_env.drives().get(drive).await?;
            let generation = found.metadata.generation;
            let status = found.status.unwrap_or_default();
            let storage = status.conditions.iter().find(|one| one.type_ == "StorageReady");
            let is_ready = storage.is_some_and(|one| one.is_true() && one.observed_generation == generation);
            let all = status.buckets.iter().all(|line| line.state == BucketState::Ready);
            if is_ready && all && status.buckets.len() == found.spec.buckets.len() {
                Ok(status
                    .buckets
                    .into_iter()
                    .map(|line| (line.name.clone(), line))
                    .collect())
            } else {
                Err(format!("{storage:?} {:?}", status.buckets).into())
            }
        })
        .await
        .map_err(|error| error.with_log(&self.storage.test_env.operator.log()))
    }

    /// Waits until a drive is no longer there.
    pub async fn gone(&self, drive: &str) -> Result<(), Error> {
        eventually(PATIENCE, &format!("drive {drive} to be gone"), async || {
            match self.storage.test_env.drives().get_opt(drive).await? {
                None => Ok(()),
                Some(drive) => Err(format!("{:?}", drive.status.unwrap_or_default().conditions).into()),
            }
        })
        .await
        .map_err(|error| error.with_log(&self.storage.test_env.operator.log()))
    }

    /// Every bucket of this test environment that is in the store.
    pub async fn stored(&self) -> Result<BTreeSet<String>, Error> {
        let prefix = format!("{}-", self.storage.test_env.namespace.name());
        Ok(look::buckets(&self.storage.client, &prefix)
            .await?
            .into_iter()
            .collect())
    }

    /// Waits until this many requests hang.
    pub async fn hanging(&self, many: usize) -> Result<(), Error> {
        eventually(PATIENCE, &format!("{many} requests to hang"), async || {
            let hanging = self.proxy.requests().iter().filter(|request| request.hangs).count();
            if hanging == many {
                Ok(())
            } else {
                Err(format!("{hanging}").into())
            }
        })
        .await
        .map_err(|error| error.with_log(&self.storage.test_env.operator.log()))
    }
}

impl Case {
    /// Fails unless the request came that it was for.
    pub fn assert_happened(&self) {
        let seen = self.seen.load(Ordering::Relaxed);
        assert!(
            seen > self.nth,
            "{} {} took {seen} requests alone",
            self.drive,
            self.bucket
        );
    }
}

/// Settings of the buckets before and after a change: every setting with a request of its own.
pub const MADE: &str = "versioned: true, deletionPolicy: Delete, expireOldVersionsAfter: 90d, \
    expire: [{prefix: zip/, after: 7d}], cors: [{origins: ['https://placement.example.edu'], methods: [GET]}]";
pub const CHANGED: &str = "versioned: false, deletionPolicy: Delete, expire: [{prefix: zip/, after: 30d}], \
    cors: [{origins: ['https://alumni.example.edu'], methods: [PUT]}]";
