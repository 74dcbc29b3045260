//! `ensure` in stores with missing features and faults.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ras_crds::Reason;

use super::given::{full, name, owner, unowned};
use super::memory::{Fault, Gaps, Held, Memory, fresh};
use crate::capabilities::Capabilities;
use crate::ensure::{Ensured, Remembered, ensure_waiting};
use crate::failure::Failure;
use crate::snapshot::{Seen, StoredRule};
use crate::store::{Entry, EntryKind};
use ras_core::bucket::request::{BucketRequest, Encryption, Feature, Origin, Settings};
use ras_core::bucket::state::Identity;

async fn ensure(store: &Memory, request: &BucketRequest, known: &Capabilities) -> Result<Ensured, Failure> {
    ensure_remembering(store, request, None, known).await
}

async fn ensure_remembering(
    store: &Memory,
    request: &BucketRequest,
    identity: Option<Identity>,
    known: &Capabilities,
) -> Result<Ensured, Failure> {
    let waits = [Duration::ZERO; 3];
    let remembered = Remembered {
        identity,
        tag: "tag".to_owned(),
    };
    ensure_waiting(store, request, &BTreeSet::new(), &remembered, known, &waits).await
}

fn set(features: &[Feature]) -> BTreeSet<Feature> {
    features.iter().copied().collect()
}

fn expiring(held: &Held) -> Vec<StoredRule> {
    held.truth.lifecycle.known().unwrap().rules.clone()
}

fn object(key: &str) -> Entry {
    Entry {
        key: key.to_owned(),
        kind: EntryKind::Current,
        id: Some("null".to_owned()),
        bytes: 1,
        modified: None,
    }
}

#[tokio::test]
async fn a_bucket_is_made_and_at_rest_costs_one_look() {
    let store = Memory::new(Gaps::default());
    let known = Capabilities::new();
    let ensured = ensure(&store, &full(), &known).await.unwrap();
    assert!(ensured.created && ensured.unsupported.is_empty(), "{ensured:?}");
    assert_eq!(ensured.region.as_deref(), Some("ap-south-1"));
    assert_eq!(ensured.changed.len(), 7, "{:?}", ensured.changed);
    // Observe, create, observe, seven settings, observe.
    assert_eq!(store.calls(), 11);
    store.heal();
    let ensured = ensure(&store, &full(), &known).await.unwrap();
    assert_eq!((ensured.created, ensured.changed.len(), store.calls()), (false, 0, 1));
}

#[tokio::test]
async fn whatever_request_fails_a_second_go_gets_there_and_nothing_is_doubled_or_lost() {
    let mut locked = full();
    locked.settings.object_lock = Some(ras_core::bucket::request::ObjectLock {
        mode: ras_core::bucket::request::LockMode::Governance,
        days: 3,
    });
    for request in [full(), locked] {
        let foreign = Held {
            truth: fresh(),
            entries: vec![object("theirs")],
            ..Held::default()
        };
        let whole = Memory::new(Gaps::default());
        ensure(&whole, &request, &Capabilities::new()).await.unwrap();
        for call in 0..whole.calls() {
            for fault in [Fault::Before, Fault::After] {
                let store = Memory::new(Gaps::default()).with("another", foreign.clone());
                let known = Capabilities::new();
                store.fail(call, fault);
                let failure = ensure(&store, &request, &known).await.unwrap_err();
                assert!(failure.is_unreachable(), "{failure:?}");
                store.heal();
                let ensured = ensure(&store, &request, &known).await.unwrap();
                assert_eq!(ensured.unsupported, BTreeSet::new());
                assert_eq!(
                    known.lacking(),
                    BTreeSet::new(),
                    "a lost answer says nothing of the store"
                );
                let buckets = store.buckets();
                assert_eq!(buckets.len(), 2, "call {call} {fault:?}");
                assert_eq!(buckets[&name()], whole.held(&name()), "call {call} {fault:?}");
                assert_eq!(buckets["another"], foreign);
            }
        }
    }
}

#[tokio::test]
async fn drift_is_repaired_and_objects_stay() {
    let store = Memory::new(Gaps::default());
    let known = Capabilities::new();
    ensure(&store, &full(), &known).await.unwrap();
    let mut held = store.held(&name());
    held.entries.push(object("resume.pdf"));
    held.truth.public_access_blocked = Seen::Is(false);
    held.truth.tags = Seen::Is([("team".to_owned(), "spo".to_owned())].into());
    let store = store.with(&name(), held);
    let ensured = ensure(&store, &full(), &known).await.unwrap();
    assert_eq!(ensured.changed, ["owner's tags", "public access block"]);
    let held = store.held(&name());
    assert_eq!(held.entries.len(), 1);
    assert_eq!(held.truth.tags.known().unwrap().get("team").unwrap(), "spo");
}

#[tokio::test]
async fn what_a_store_does_not_know_is_asked_once_and_the_rest_is_done() {
    let gaps = Gaps {
        unknown: set(&[
            Feature::PublicAccessBlock,
            Feature::Encryption,
            Feature::KmsEncryption,
            Feature::Expiry,
            Feature::OldVersionExpiry,
            Feature::UploadExpiry,
        ]),
        ..Gaps::default()
    };
    let store = Memory::new(gaps.clone());
    let known = Capabilities::new();
    let ensured = ensure(&store, &full(), &known).await.unwrap();
    let mut expected = gaps.unknown.clone();
    expected.remove(&Feature::KmsEncryption);
    assert_eq!(ensured.unsupported, expected, "of KMS nobody asked");
    let writes = store
        .requests()
        .iter()
        .filter(|request| request.starts_with("execute"))
        .count();
    assert_eq!(writes, 5, "{:?}", store.requests());
    let mut second = full();
    second.owner.bucket = "photos".to_owned();
    second.bucket = format!("x-{}", second.owner.proof());
    store.heal();
    ensure(&store, &second, &known).await.unwrap();
    assert!(
        store.requests()[2..]
            .iter()
            .all(|request| !request.contains("Encryption")),
        "{:?}",
        store.requests()
    );
}

#[tokio::test]
async fn a_store_that_knows_no_rules_for_uploads_has_the_other_rules() {
    for gaps in [
        Gaps {
            unwritable: set(&[Feature::UploadExpiry, Feature::Cors]),
            ..Gaps::default()
        },
        Gaps {
            unwritable: set(&[Feature::Cors]),
            forgotten: set(&[Feature::UploadExpiry]),
            ..Gaps::default()
        },
    ] {
        let store = Memory::new(gaps);
        let known = Capabilities::new();
        let ensured = ensure(&store, &full(), &known).await.unwrap();
        assert_eq!(ensured.unsupported, set(&[Feature::UploadExpiry, Feature::Cors]));
        assert_eq!(expiring(&store.held(&name())).len(), 2);
        store.heal();
        let again = ensure(&store, &full(), &known).await.unwrap();
        assert_eq!(again.unsupported, ensured.unsupported);
        assert!(store.calls() <= 5, "{:?}", store.requests());
    }
}

#[tokio::test]
async fn a_store_that_forgets_ends_no_repair_in_a_circle() {
    for feature in super::given::ALL {
        let store = Memory::new(Gaps {
            forgotten: set(&[feature]),
            ..Gaps::default()
        });
        let known = Capabilities::new();
        let ensured = ensure(&store, &full(), &known).await.unwrap();
        let asked = !matches!(feature, Feature::KmsEncryption | Feature::ObjectLock);
        assert_eq!(ensured.unsupported.contains(&feature), asked, "{feature:?}");
        assert!(known.lacking().is_empty(), "one bucket may have been read too early");
    }
}

#[tokio::test]
async fn a_store_without_a_service_for_keys_encrypts_with_its_own() {
    let store = Memory::new(Gaps {
        unwritable: set(&[Feature::KmsEncryption]),
        ..Gaps::default()
    });
    let mut request = full();
    request.settings.encryption = Some(Encryption::Kms("1234".to_owned()));
    let ensured = ensure(&store, &request, &Capabilities::new()).await.unwrap();
    assert_eq!(ensured.unsupported, set(&[Feature::KmsEncryption]));
    let stored = store.held(&name()).truth.encryption;
    assert_eq!(stored, Seen::Is(crate::snapshot::StoredEncryption::StoreKey));
}

#[tokio::test]
async fn a_right_that_is_missing_is_told_and_keeps_nothing_else_from_being_done() {
    for gaps in [
        Gaps {
            denied: set(&[Feature::Policy]),
            ..Gaps::default()
        },
        Gaps {
            unreadable: set(&[Feature::Cors]),
            ..Gaps::default()
        },
    ] {
        let store = Memory::new(gaps);
        let known = Capabilities::new();
        let failure = ensure(&store, &full(), &known).await.unwrap_err();
        assert_eq!(failure.reason(), Reason::StoreDenied);
        assert!(failure.message().contains(&name()), "{}", failure.message());
        assert!(
            known.lacking().is_empty(),
            "a denial says nothing of what the store can do"
        );
        assert_eq!(expiring(&store.held(&name())).len(), 3);
    }
}

#[tokio::test]
async fn without_tags_nothing_else_is_set_up() {
    let store = Memory::new(Gaps {
        denied: set(&[Feature::Tags]),
        ..Gaps::default()
    });
    let failure = ensure(&store, &full(), &Capabilities::new()).await.unwrap_err();
    assert_eq!(failure.reason(), Reason::StoreDenied);
    assert_eq!(store.held(&name()).truth, fresh());
}

#[tokio::test]
async fn another_owners_bucket_is_left_as_it_is() {
    let mut truth = fresh();
    truth.tags = Seen::Is(unowned().tags());
    let held = Held {
        truth,
        ..Held::default()
    };
    let store = Memory::new(Gaps::default()).with(&name(), held.clone());
    let failure = ensure(&store, &full(), &Capabilities::new()).await.unwrap_err();
    assert_eq!(failure.reason(), Reason::BucketNotOurs);
    assert_eq!(store.held(&name()), held);
}

#[tokio::test]
async fn a_bucket_that_somebody_else_makes_in_the_same_moment_is_not_taken() {
    let store = Memory::new(Gaps::default());
    store.meanwhile(1, |buckets| {
        let mut truth = fresh();
        truth.tags = Seen::Is(unowned().tags());
        buckets.insert(
            name(),
            Held {
                truth,
                ..Held::default()
            },
        );
    });
    let failure = ensure(&store, &full(), &Capabilities::new()).await.unwrap_err();
    assert_eq!(failure.reason(), Reason::BucketNotOurs);
    assert_eq!(store.held(&name()).truth.tags, Seen::Is(unowned().tags()));
}

#[tokio::test]
async fn a_bucket_that_was_made_and_not_tagged_is_taken_up() {
    let store = Memory::new(Gaps::default()).with(
        &name(),
        Held {
            truth: fresh(),
            ..Held::default()
        },
    );
    let ensured = ensure(&store, &full(), &Capabilities::new()).await.unwrap();
    assert!(!ensured.created);
    assert_eq!(store.held(&name()).truth.tags, Seen::Is(tagged_with("tag")));
    assert_eq!(ensured.identity, Some(Identity::Tag("tag".to_owned())));
}

fn tagged_with(tag: &str) -> BTreeMap<String, String> {
    let mut tags = owner().tags();
    tags.insert("ras.dev/bucket-identity".to_owned(), tag.to_owned());
    tags
}

#[tokio::test]
async fn a_bucket_that_is_remembered_is_never_made_again_nor_taken_for_another() {
    let tagged = |tag: &str| Some(Identity::Tag(tag.to_owned()));
    let known = Capabilities::new();
    for origin in [Origin::Made, Origin::Existing] {
        let request = BucketRequest { origin, ..full() };
        for identity in [tagged("a"), Some(Identity::Name("a".to_owned()))] {
            let store = Memory::new(Gaps::default());
            let lost = ensure_remembering(&store, &request, identity, &known)
                .await
                .unwrap_err();
            assert_eq!(
                (lost.reason(), lost.lost_to_another()),
                (Reason::BucketLost, Some(false))
            );
            assert!(store.buckets().is_empty());
            assert_eq!(store.calls(), 2, "it looks twice before it says so");
        }
        let foreign = Held {
            truth: fresh(),
            ..Held::default()
        };
        let store = Memory::new(Gaps::default()).with(&name(), foreign.clone());
        let lost = ensure_remembering(&store, &request, tagged("a"), &known)
            .await
            .unwrap_err();
        assert_eq!(lost.lost_to_another(), Some(true));
        assert_eq!(store.held(&name()), foreign, "nothing is changed in it");
    }
}

#[tokio::test]
async fn a_bucket_without_a_tag_gets_one_and_keeps_it_and_a_store_without_tags_goes_by_the_name() {
    let known = Capabilities::new();
    let store = Memory::new(Gaps::default());
    ensure(&store, &full(), &known).await.unwrap();
    let mut held = store.held(&name());
    held.truth.tags = Seen::Is(tagged_with("older"));
    store.put(&name(), held);
    let by_name = Identity::Name("tag".to_owned());
    let ensured = ensure_remembering(&store, &full(), Some(by_name.clone()), &known)
        .await
        .unwrap();
    assert_eq!(ensured.identity, Some(Identity::Tag("older".to_owned())));
    assert!(ensured.changed.is_empty(), "{ensured:?}");

    let gaps = Gaps {
        unknown: set(&[Feature::Tags]),
        ..Gaps::default()
    };
    let store = Memory::new(gaps);
    let known = Capabilities::new();
    let ensured = ensure(&store, &full(), &known).await.unwrap();
    assert_eq!(ensured.identity, Some(by_name.clone()));
    let again = ensure_remembering(&store, &full(), Some(by_name.clone()), &known)
        .await
        .unwrap();
    assert_eq!(again.identity, Some(by_name));
}

#[tokio::test]
async fn an_existing_bucket_with_nothing_asked_is_only_looked_at() {
    let held = Held {
        truth: fresh(),
        ..Held::default()
    };
    let store = Memory::new(Gaps::default()).with("theirs", held.clone());
    let request = BucketRequest {
        bucket: "theirs".to_owned(),
        owner: owner(),
        origin: Origin::Existing,
        permitted: true,
        settings: Settings::default(),
    };
    ensure(&store, &request, &Capabilities::new()).await.unwrap();
    assert_eq!((store.calls(), store.held("theirs")), (1, held));
}
