//! The tables of docs/storage.md say what the operator finds out of the servers that run here.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    sync::Arc,
};

use ras_core::bucket::request::{BucketRequest, Encryption, Feature, LockMode, ObjectLock, Origin, Owner, Settings};
use ras_object_store::capabilities::Capabilities;
use ras_object_store::ensure::ensure;
use ras_object_store::rate_limiter::Uncounted;
use ras_tests::{
    Error,
    object_store::{ObjectStore, StoreKind, StoreOptions, shared},
    repository,
};

use super::{direct, suite, write};

/// Where the table says that a feature wants more than the server alone.
const WITH_KMS: &str = "with a KMS";

/// The table of docs/storage.md under a heading: each row by its first cell, its cells by the first word of their column.
pub fn table(heading: &str) -> BTreeMap<String, BTreeMap<String, String>> {
    let path = repository().join("docs/storage.md");
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let (_, section) = text
        .split_once(&format!("\n## {heading}\n"))
        .unwrap_or_else(|| panic!("no section {heading}"));
    let rows = section
        .lines()
        .skip_while(|line| !line.starts_with('|'))
        .take_while(|line| line.starts_with('|'));
    let mut rows = rows.map(|row| {
        let cells = row.trim_matches('|').split('|');
        cells.map(|cell| cell.trim().to_owned()).collect::<Vec<_>>()
    });
    let head = rows.next().unwrap_or_default();
    let columns: Vec<_> = head
        .iter()
        .map(|cell| cell.split(' ').next().unwrap_or_default().to_lowercase())
        .collect();
    rows.skip(1)
        .map(|row| {
            let cells = columns.iter().cloned().zip(row.iter().cloned()).skip(1);
            (row[0].clone(), cells.collect())
        })
        .collect()
}

/// Features that a server does not support by the table, with or without a key management service.
fn documented(kind: StoreKind, has_kms: bool) -> BTreeSet<String> {
    let rows = table("Which server can do what").into_iter();
    rows.filter(|(feature, cells)| match cells[kind.name()].as_str() {
        "yes" => false,
        "no" => true,
        WITH_KMS => !has_kms,
        other => panic!("{feature}: {kind}: what is `{other}`?"),
    })
    .map(|(feature, _)| feature)
    .collect()
}

/// Features that a server does not support, as the operator finds them.
async fn found(store: &ObjectStore) -> Result<BTreeSet<String>, Error> {
    let folder = tempfile::tempdir().expect("a folder");
    write(&folder.path().join("AWS_ACCESS_KEY_ID"), store.access_key());
    write(&folder.path().join("AWS_SECRET_ACCESS_KEY"), store.secret_key());
    let client = direct::connect(store, folder.path(), Arc::new(Uncounted));
    // Servers without keys have none of this name either, and say so as they say it of any.
    let key = store.kms_key().await.unwrap_or_else(|_| "documented".to_owned());
    let lock = ObjectLock {
        mode: LockMode::Governance,
        days: 1,
    };
    let all = [
        ("plain", direct::everything()),
        (
            "strict",
            Settings {
                encryption: Some(Encryption::Kms(key)),
                object_lock: Some(lock),
                ..direct::everything()
            },
        ),
    ];
    let mut found = BTreeSet::new();
    for (name, settings) in all {
        let owner = Owner {
            namespace: "documented".to_owned(),
            drive: "d".to_owned(),
            uid: name.to_owned(),
            bucket: name.to_owned(),
        };
        let request = BucketRequest {
            bucket: format!("documented-{name}-{}", owner.proof()),
            owner,
            origin: Origin::Made,
            permitted: true,
            settings,
        };
        let made = Box::pin(ensure(&client, &request, &Capabilities::new())).await;
        let made = made.map_err(|failure| Error::Api {
            what: format!("a bucket of {}", store.kind()),
            message: failure.message(),
        })?;
        found.extend(made.unsupported.iter().map(|feature| feature.as_str().to_owned()));
    }
    Ok(found)
}

#[tokio::test]
async fn the_table_of_servers_says_what_the_operator_finds() -> Result<(), Error> {
    let features: BTreeSet<_> = Feature::ALL.iter().map(|feature| feature.as_str().to_owned()).collect();
    let rows: BTreeSet<_> = table("Which server can do what").into_keys().collect();
    assert_eq!(rows, features, "rows of the table, and what there is");
    let with_kms = ObjectStore::start_with(&StoreOptions::new(StoreKind::Minio).kms()).await?;
    let mut stores = vec![(&with_kms, true)];
    for kind in StoreKind::ALL {
        stores.push((shared(kind).await?, false));
    }
    let found = futures::future::try_join_all(stores.iter().map(|(store, _)| found(store))).await?;
    for ((store, has_kms), found) in stores.into_iter().zip(found) {
        let kind = store.kind();
        // moto always has keys.
        assert_eq!(documented(kind, has_kms), found, "{kind}, with a KMS: {has_kms}");
    }
    Ok(())
}

#[test]
fn what_the_suite_skips_on_a_server_is_in_the_table() {
    for kind in StoreKind::ALL {
        let documented = documented(kind, false);
        // The suite's bucket asks neither for these nor, over plain HTTP, for TLS.
        let unasked = [Feature::KmsEncryption, Feature::ObjectLock, Feature::Policy].map(Feature::as_str);
        let skipped: Vec<_> = documented
            .iter()
            .map(String::as_str)
            .filter(|feature| !unasked.contains(feature))
            .collect();
        assert_eq!(skipped, suite::lacking(kind), "{kind}");
    }
}
