//! `remove`.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU64, Ordering};

use super::given::{name, owner, unowned};
use super::memory::{Fault, Gaps, Held, Memory, fresh};
use crate::failure::Failure;
use crate::remove::remove;
use crate::snapshot::Seen;
use crate::store::{Entry, EntryKind};
use ras_core::bucket::state::{Manner, Removal};

fn entry(key: &str, kind: EntryKind, id: &str) -> Entry {
    Entry {
        key: key.to_owned(),
        kind,
        id: Some(id.to_owned()),
        bytes: 1,
        modified: None,
    }
}

/// Eleven objects, old versions, delete markers and uploads.
fn filled() -> Held {
    let mut truth = fresh();
    truth.tags = Seen::Is(owner().tags());
    let mut entries = Vec::new();
    for key in ["a", "b", "c", "d"] {
        entries.push(entry(key, EntryKind::Current, "2"));
        entries.push(entry(key, EntryKind::Old, "3"));
    }
    entries.push(entry("e", EntryKind::DeleteMarker, "2"));
    entries.push(entry("e", EntryKind::Old, "3"));
    entries.push(entry("f", EntryKind::Upload, "u"));
    Held {
        truth,
        entries,
        ..Held::default()
    }
}

fn only(entries: Vec<Entry>) -> Held {
    Held { entries, ..filled() }
}

async fn take(store: &Memory, manner: Manner) -> Result<Removal, Failure> {
    remove(store, &name(), &owner(), manner, &|_| ControlFlow::Continue(())).await
}

#[tokio::test]
async fn a_bucket_goes_with_versions_markers_and_uploads_a_page_at_a_time() {
    let store = Memory::new(Gaps::default()).with(&name(), filled());
    let reported = AtomicU64::new(0);
    let pages = AtomicU64::new(0);
    let on_page = |removed| {
        reported.store(removed, Ordering::Relaxed);
        pages.fetch_add(1, Ordering::Relaxed);
        ControlFlow::Continue(())
    };
    let removal = remove(&store, &name(), &owner(), Manner::WithObjects, &on_page).await;
    assert_eq!(removal.unwrap(), Removal::Gone);
    assert!(store.buckets().is_empty());
    assert_eq!(reported.into_inner(), 11);
    assert_eq!(pages.into_inner(), 5);
}

#[tokio::test]
async fn whatever_request_fails_a_second_go_gets_there_and_nobody_elses_is_touched() {
    let foreign = Held {
        truth: fresh(),
        ..filled()
    };
    let whole = Memory::new(Gaps::default()).with(&name(), filled());
    take(&whole, Manner::WithObjects).await.unwrap();
    for call in 0..whole.calls() {
        for fault in [Fault::Before, Fault::After] {
            let store = Memory::new(Gaps::default())
                .with(&name(), filled())
                .with("another", foreign.clone());
            store.fail(call, fault);
            take(&store, Manner::WithObjects).await.unwrap_err();
            store.heal();
            assert_eq!(take(&store, Manner::WithObjects).await.unwrap(), Removal::Gone);
            assert_eq!(
                store.buckets().into_iter().collect::<Vec<_>>(),
                [("another".to_owned(), foreign.clone())]
            );
        }
    }
}

#[tokio::test]
async fn it_stops_when_told_and_goes_on_from_there() {
    let store = Memory::new(Gaps::default()).with(&name(), filled());
    let stopping = |removed| {
        if removed >= 4 {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    };
    let removal = remove(&store, &name(), &owner(), Manner::WithObjects, &stopping)
        .await
        .unwrap();
    assert_eq!(removal, Removal::Stopped { removed: 4 });
    assert_eq!(store.held(&name()).entries.len(), 7);
    assert_eq!(take(&store, Manner::WithObjects).await.unwrap(), Removal::Gone);
}

#[tokio::test]
async fn if_empty_removes_nothing_that_holds_data() {
    for kind in [EntryKind::Current, EntryKind::Old, EntryKind::Upload] {
        let held = only(vec![
            entry("a", EntryKind::DeleteMarker, "1"),
            entry("b", EntryKind::DeleteMarker, "1"),
            entry("c", EntryKind::DeleteMarker, "1"),
            entry("d", kind, "1"),
        ]);
        let store = Memory::new(Gaps::default()).with(&name(), held.clone());
        assert_eq!(take(&store, Manner::IfEmpty).await.unwrap(), Removal::NotEmpty);
        assert_eq!(store.held(&name()), held);
    }
    let marks = only(vec![entry("a", EntryKind::DeleteMarker, "1")]);
    let store = Memory::new(Gaps::default()).with(&name(), marks);
    assert_eq!(take(&store, Manner::IfEmpty).await.unwrap(), Removal::Gone);
}

#[tokio::test]
async fn what_is_written_while_an_empty_bucket_goes_keeps_it() {
    for call in 1..6 {
        let store = Memory::new(Gaps::default()).with(&name(), only(Vec::new()));
        store.meanwhile(call, |buckets| {
            if let Some(held) = buckets.get_mut(&name()) {
                held.entries.push(entry("new", EntryKind::Current, "1"));
            }
        });
        assert_eq!(
            take(&store, Manner::IfEmpty).await.unwrap(),
            Removal::NotEmpty,
            "{call}"
        );
        assert_eq!(store.held(&name()).entries.len(), 1);
    }
}

#[tokio::test]
async fn nothing_is_removed_that_is_not_provably_ours() {
    let mut theirs = filled();
    theirs.truth.tags = Seen::Is(unowned().tags());
    let mut retagged = filled();
    retagged.truth.tags = Seen::Is([("team".to_owned(), "other".to_owned())].into());
    let mut same_drive = filled();
    let mut other_bucket = owner();
    other_bucket.bucket = "photos".to_owned();
    same_drive.truth.tags = Seen::Is(other_bucket.tags());
    for held in [theirs, retagged, same_drive] {
        let store = Memory::new(Gaps::default()).with(&name(), held.clone());
        for manner in [Manner::IfEmpty, Manner::WithObjects] {
            assert!(matches!(take(&store, manner).await.unwrap(), Removal::NotOurs { .. }));
        }
        assert_eq!(store.held(&name()), held);
    }
    let mut untagged = filled();
    untagged.truth.tags = Seen::Is(std::collections::BTreeMap::new());
    let store = Memory::new(Gaps::default()).with("a-name-that-proves-nothing", untagged.clone());
    let bucket = "a-name-that-proves-nothing";
    let removal = remove(&store, bucket, &owner(), Manner::WithObjects, &|_| {
        ControlFlow::Continue(())
    })
    .await;
    assert!(matches!(removal.unwrap(), Removal::NotOurs { .. }));
    // Interrupted between creation and tagging, or a store without tags: the name proves the owner.
    let store = Memory::new(Gaps::default()).with(&name(), untagged);
    assert_eq!(take(&store, Manner::WithObjects).await.unwrap(), Removal::Gone);
}

#[tokio::test]
async fn a_bucket_that_becomes_somebody_elses_half_way_is_not_deleted() {
    let store = Memory::new(Gaps::default()).with(&name(), only(Vec::new()));
    // Requests before the deletion: owner, uploads, versions, objects, owner.
    store.meanwhile(4, |buckets| {
        buckets.get_mut(&name()).unwrap().truth.tags = Seen::Is(unowned().tags());
    });
    assert!(matches!(
        take(&store, Manner::WithObjects).await.unwrap(),
        Removal::NotOurs { .. }
    ));
    assert_eq!(store.buckets().len(), 1);
}

#[tokio::test]
async fn whose_it_is_must_be_readable_before_anything_goes() {
    let gaps = Gaps {
        unreadable: [ras_core::bucket::request::Feature::Tags].into(),
        ..Gaps::default()
    };
    let store = Memory::new(gaps).with(&name(), filled());
    assert!(take(&store, Manner::WithObjects).await.unwrap_err().is_denied());
    assert_eq!(store.held(&name()), filled());
}

#[tokio::test]
async fn locked_objects_are_passed_by_and_counted() {
    let mut held = filled();
    held.locked = ["a".to_owned(), "c".to_owned()].into();
    let store = Memory::new(Gaps::default()).with(&name(), held);
    assert_eq!(
        take(&store, Manner::WithObjects).await.unwrap(),
        Removal::Locked { objects: 4 }
    );
    assert_eq!(store.held(&name()).entries.len(), 4);
    assert_eq!(
        take(&store, Manner::WithObjects).await.unwrap(),
        Removal::Locked { objects: 4 }
    );
}

#[tokio::test]
async fn a_bucket_that_is_not_there_is_gone_and_one_without_a_listing_of_versions_goes() {
    let store = Memory::new(Gaps::default());
    assert_eq!(take(&store, Manner::WithObjects).await.unwrap(), Removal::Gone);
    let gaps = Gaps {
        no_versions_listing: true,
        ..Gaps::default()
    };
    let plain = only(vec![
        entry("a", EntryKind::Current, "1"),
        entry("b", EntryKind::Upload, "1"),
    ]);
    let store = Memory::new(gaps).with(&name(), plain);
    assert_eq!(take(&store, Manner::IfEmpty).await.unwrap(), Removal::NotEmpty);
    assert_eq!(take(&store, Manner::WithObjects).await.unwrap(), Removal::Gone);
}

#[tokio::test]
async fn a_store_that_only_says_that_it_removes_does_not_keep_us_for_ever() {
    let gaps = Gaps {
        keeps_everything: true,
        ..Gaps::default()
    };
    let store = Memory::new(gaps).with(&name(), filled());
    let failure = take(&store, Manner::WithObjects).await.unwrap_err();
    assert!(failure.message().contains("its own tools"), "{}", failure.message());
    assert_eq!(store.held(&name()), filled());
    assert!(store.calls() < 30, "{}", store.calls());
}
