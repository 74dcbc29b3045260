//! What a bucket at rest costs: exactly these requests whenever its settings are looked at, and none between (which
//! `suite.rs` sees to). "What it costs" in docs/storage.md is reckoned from this.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use ras_crds::ConditionType;
use ras_object_store::controller::Intervals;
use ras_tests::{Error, PATIENCE, object_store::StoreKind};

use super::{Storage, documented::table, rights::enforcing::enforcing, suite::EVERYTHING};

/// Looks that are waited for.
const LOOKS: u64 = 4;

/// Requests of one check of a bucket.
struct Look {
    /// As docs/storage.md calls it.
    server: &'static str,
    /// Of a bucket that its drive says nothing of but a name.
    least: &'static [&'static str],
    /// Of one that it asks everything of.
    most: &'static [&'static str],
}

const CORS: &str = "GetBucketCors";
const ENCRYPTION: &str = "GetBucketEncryption";
const LIFECYCLE: &str = "GetBucketLifecycleConfiguration";
const LOCK: &str = "GetObjectLockConfiguration";
const POLICY: &str = "GetBucketPolicy";
const PUBLIC: &str = "GetPublicAccessBlock";
const TAGS: &str = "GetBucketTagging";
const VERSIONING: &str = "GetBucketVersioning";

const MINIO: Look = Look {
    server: "MinIO",
    least: &[CORS, LIFECYCLE, TAGS, VERSIONING],
    // That it cannot set CORS is known once somebody asked for it.
    most: &[LIFECYCLE, TAGS, VERSIONING, LOCK],
};
const MINIO_OVER_TLS: Look = Look {
    server: "MinIO with TLS and a KMS",
    least: &[CORS, ENCRYPTION, LIFECYCLE, POLICY, TAGS, VERSIONING],
    most: &[ENCRYPTION, LIFECYCLE, POLICY, TAGS, VERSIONING, LOCK],
};
const VERSITYGW: Look = Look {
    server: "versitygw",
    least: &[CORS, TAGS, VERSIONING],
    most: &[CORS, TAGS, VERSIONING, LOCK],
};
const GARAGE: Look = Look {
    server: "Garage",
    least: &[CORS, LIFECYCLE, VERSIONING, "ListObjectsV2"],
    most: &[CORS, LIFECYCLE, "ListObjectsV2"],
};
const MOTO: Look = Look {
    server: "moto",
    least: &[CORS, ENCRYPTION, LIFECYCLE, TAGS, PUBLIC],
    most: &[CORS, ENCRYPTION, LIFECYCLE, TAGS, LOCK, PUBLIC],
};

/// Requests that were sent, by operation.
pub async fn asked(storage: &mut Storage) -> Result<BTreeMap<String, u64>, Error> {
    let mut counts = BTreeMap::new();
    for ((operation, _), count) in storage.requests().await? {
        *counts.entry(operation).or_default() += count;
    }
    Ok(counts)
}

/// Requests of each check. Fails unless each is sent once.
async fn each_look_asks(storage: &mut Storage) -> Result<BTreeSet<String>, Error> {
    storage
        .test_env
        .condition("d", ConditionType::StorageReady, "True")
        .await?;
    // Whatever the first looks find out is behind us.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let before = asked(storage).await?;
    let until = Instant::now() + PATIENCE;
    loop {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let mut sent = asked(storage).await?;
        for (operation, count) in &before {
            *sent.entry(operation.clone()).or_default() -= count;
        }
        sent.retain(|_, count| *count > 0);
        let (least, most) = (sent.values().min(), sent.values().max());
        if least >= Some(&LOOKS) {
            // A look may be under way at either end.
            let once = most.zip(least).is_some_and(|(most, least)| most - least <= 1);
            assert!(once, "not one of each at each look: {sent:?}");
            return Ok(sent.into_keys().collect());
        }
        assert!(Instant::now() < until, "{sent:?} in {PATIENCE:?}");
    }
}

async fn a_look_asks_what_is_documented(mut storage: Storage, look: &Look) -> Result<(), Error> {
    let set = |operations: &[&str]| {
        operations
            .iter()
            .map(|name| (*name).to_owned())
            .collect::<BTreeSet<_>>()
    };
    let server = look.server;
    storage.drive("{name: resumes}").await?;
    assert_eq!(each_look_asks(&mut storage).await?, set(look.least), "{server}");
    // The first one is retained, and looked at no more.
    let most = EVERYTHING.replace(
        "{name: resumes,",
        "{name: records, objectLock: {mode: Governance, retain: 1d},",
    );
    storage.drive(&most).await?;
    assert_eq!(each_look_asks(&mut storage).await?, set(look.most), "{server}");
    Ok(())
}

const SETTINGS: &str = "checkEvery: 1s";

macro_rules! on_every_store {
    ($($name:ident $kind:ident $look:ident;)+) => {
        $(
            mod $name {
                #[tokio::test]
                async fn a_look_asks_what_is_documented() -> Result<(), ras_tests::Error> {
                    let kind = ras_tests::object_store::StoreKind::$kind;
                    let storage = super::Storage::start(kind, "cost", super::SETTINGS).await?;
                    super::a_look_asks_what_is_documented(storage, &super::$look).await
                }
            }
        )+
    };
}

on_every_store!(
    garage Garage GARAGE;
    minio Minio MINIO;
    moto Moto MOTO;
    versitygw Versitygw VERSITYGW;
);

#[tokio::test]
async fn over_tls_a_look_reads_the_policy_too() -> Result<(), Error> {
    let store = &enforcing(StoreKind::Minio).await?.store;
    let authority = store.ca_file().expect("an authority").display();
    let settings = format!("{SETTINGS}, caFile: '{authority}'");
    let storage = Storage::at(store, store.endpoint(), "cost", &settings).await?;
    a_look_asks_what_is_documented(storage, &MINIO_OVER_TLS).await
}

#[test]
fn the_documentation_reckons_with_what_is_measured() {
    let looks = [MINIO, MINIO_OVER_TLS, VERSITYGW, GARAGE, MOTO];
    let rows = table("What it costs");
    let cells = |server: &str| {
        let row = rows.get(server).unwrap_or_else(|| panic!("no row {server}"));
        [row["least"].as_str(), row["most"].as_str()].map(|cell| cell.parse::<usize>().expect("a number"))
    };
    for look in &looks {
        assert_eq!(
            cells(look.server),
            [look.least.len(), look.most.len()],
            "{}",
            look.server
        );
    }
    // A store that can do everything is asked what any of these is asked; those without tags are asked in another way.
    let all = |of: fn(&Look) -> &'static [&'static str]| {
        let all: BTreeSet<_> = looks
            .iter()
            .flat_map(of)
            .filter(|name| **name != "ListObjectsV2")
            .collect();
        all.len()
    };
    let aws = [all(|look| look.least), all(|look| look.most)];
    assert_eq!(cells("AWS S3"), aws);
    let a_day = 1_000 * 3 * aws[0] * 2;
    // Between them one request tells whether a bucket is there: see operator/object-store/src/tests/controller.rs.
    let pace = Intervals::new(Duration::from_secs(12 * 3_600), None);
    let existence = 1_000 * 3 * 86_400 / pace.verify_every.as_secs();
    assert_eq!(
        (aws[0], a_day, existence, pace.verify_first.as_secs()),
        (7, 42_000, 80_000, 300),
        "the sentences below the table reckon with these"
    );
}
