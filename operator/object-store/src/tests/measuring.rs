//! `measure`.

use k8s_openapi::jiff::{SignedDuration, Timestamp};

use super::given::full;
use super::memory::{Gaps, Held, Memory, fresh};
use crate::measure::{Sum, measure};
use crate::store::{Entry, EntryKind};
use ras_core::bucket::request::{LifecycleRule, Settings};
use ras_core::bucket::state::Usage;

fn now() -> Timestamp {
    "2026-06-15T12:00:00Z".parse().unwrap()
}

fn entry(key: &str, kind: EntryKind, id: &str, days_old: i64) -> Entry {
    Entry {
        key: key.to_owned(),
        kind,
        id: Some(id.to_owned()),
        bytes: 10,
        modified: Some(now() - SignedDuration::from_hours(24 * days_old)),
    }
}

async fn usage(gaps: Gaps, entries: Vec<Entry>, settings: &Settings, pages: u32) -> Usage {
    let held = Held {
        truth: fresh(),
        entries,
        ..Held::default()
    };
    let store = Memory::new(gaps).with("b", held);
    measure(&store, "b", settings, now(), pages).await.unwrap()
}

fn expire(rules: &[(&str, u32)]) -> Settings {
    let rules = rules.iter().map(|(prefix, days)| LifecycleRule::Expire {
        prefix: (*prefix).to_owned(),
        days: *days,
    });
    Settings {
        lifecycle: rules.collect(),
        ..Settings::default()
    }
}

#[tokio::test]
async fn an_object_counts_once_by_the_rule_that_acts_first() {
    let entries = || {
        vec![
            entry("keep/a", EntryKind::Current, "1", 300),
            entry("tmp/a", EntryKind::Current, "1", 0),
            entry("tmp/b", EntryKind::Current, "1", 0),
        ]
    };
    let settings = expire(&[("tmp/", 7), ("tmp", 90), ("keep/", 500)]);
    for gaps in [
        Gaps::default(),
        Gaps {
            no_versions_listing: true,
            ..Gaps::default()
        },
    ] {
        let seen = usage(gaps, entries(), &settings, 100).await;
        let expected = Usage {
            bytes: 30,
            objects: 3,
            expiring_bytes: 20,
            expiring_objects: 2,
            complete: true,
        };
        assert_eq!(seen, expected);
    }
}

#[tokio::test]
async fn days_are_rounded_up_to_midnight() {
    // Written at noon, due 30 days later at noon, gone at the midnight after: one half day too late to count.
    let seen = usage(
        Gaps::default(),
        vec![entry("a", EntryKind::Current, "1", 0)],
        &expire(&[("", 30)]),
        9,
    )
    .await;
    assert_eq!((seen.objects, seen.expiring_objects), (1, 0));
    let seen = usage(
        Gaps::default(),
        vec![entry("a", EntryKind::Current, "1", 1)],
        &expire(&[("", 30)]),
        9,
    )
    .await;
    assert_eq!((seen.objects, seen.expiring_objects), (1, 1));
}

#[tokio::test]
async fn an_old_version_goes_by_the_date_of_what_replaced_it() {
    let mut settings = full().settings;
    settings.lifecycle = vec![LifecycleRule::ExpireOldVersions { days: 60 }];
    let entries = vec![
        // Replaced 10 days ago: not yet.
        entry("a", EntryKind::Current, "1", 10),
        entry("a", EntryKind::Old, "2", 400),
        // Deleted 50 days ago: in 10 days. The marker is the newest.
        entry("b", EntryKind::DeleteMarker, "1", 50),
        entry("b", EntryKind::Old, "2", 51),
        entry("b", EntryKind::Old, "3", 400),
    ];
    let seen = usage(Gaps::default(), entries, &settings, 100).await;
    assert_eq!((seen.objects, seen.bytes, seen.expiring_objects), (4, 40, 2));
}

#[tokio::test]
async fn in_a_versioned_bucket_an_object_goes_for_good_when_its_old_version_does() {
    let mut settings = full().settings;
    let object = || vec![entry("tmp/a", EntryKind::Current, "1", 1)];
    settings.lifecycle = vec![LifecycleRule::Expire {
        prefix: "tmp/".to_owned(),
        days: 7,
    }];
    assert_eq!(usage(Gaps::default(), object(), &settings, 9).await.expiring_objects, 0);
    settings.lifecycle.push(LifecycleRule::ExpireOldVersions { days: 10 });
    assert_eq!(usage(Gaps::default(), object(), &settings, 9).await.expiring_objects, 1);
    settings.lifecycle.push(LifecycleRule::ExpireOldVersions { days: 90 });
    assert_eq!(usage(Gaps::default(), object(), &settings, 9).await.expiring_objects, 1);
}

#[tokio::test]
async fn a_count_that_was_cut_short_says_so() {
    let entries: Vec<_> = (0..9)
        .map(|n| entry(&n.to_string(), EntryKind::Current, "1", 0))
        .collect();
    let seen = usage(Gaps::default(), entries.clone(), &Settings::default(), 2).await;
    assert_eq!((seen.objects, seen.complete), (6, false));
    let seen = usage(Gaps::default(), entries, &Settings::default(), 3).await;
    assert_eq!((seen.objects, seen.complete), (9, true));
    let seen = usage(Gaps::default(), Vec::new(), &Settings::default(), 9).await;
    assert_eq!(
        seen,
        Usage {
            complete: true,
            ..Usage::default()
        }
    );
}

#[test]
fn what_ends_one_page_and_begins_the_next_counts_once() {
    let mut sum = Sum::new(&Settings::default(), now());
    for key in ["a", "b", "b", "c"] {
        sum.add(&entry(key, EntryKind::Current, "null", 0));
    }
    assert_eq!(sum.usage(true).objects, 3);
}
