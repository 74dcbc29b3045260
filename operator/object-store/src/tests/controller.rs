//! The controller between two checks of a bucket's settings.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::sync::mpsc;

use super::given::{full, name};
use super::memory::{Gaps, Held, Memory, fresh};
use crate::controller::{BucketController, Intervals};
use ras_core::bucket::state::Identity;
use ras_core::bucket::state::{BucketChangeKind, BucketPhase, Recorded, View};
use ras_core::drive_key::DriveKey;

const INTERVALS: Intervals = Intervals {
    check_every: Duration::from_secs(36_000),
    verify_every: Duration::from_millis(20),
    verify_first: Duration::from_millis(20),
    usage: None,
};

/// A controller with one bucket.
struct Kept {
    bucket_controller: BucketController<&'static Memory>,
    drive: DriveKey,
    // The controller wakes drives through it.
    _woken: mpsc::UnboundedReceiver<DriveKey>,
}

impl Kept {
    fn new(store: &'static Memory) -> Self {
        let (queue, woken) = mpsc::unbounded_channel();
        Self {
            bucket_controller: BucketController::new(store, INTERVALS, queue),
            drive: DriveKey::new("spo", "placements"),
            _woken: woken,
        }
    }

    async fn until(&self, recorded: &Recorded, is_so: impl Fn(&View) -> bool) -> View {
        let mut view = None;
        for _ in 0..1_000 {
            let now = self.bucket_controller.ensure(&self.drive, &full(), recorded.clone());
            if is_so(&now) {
                return now;
            }
            view = Some(now);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{view:?}")
    }
}

fn memory() -> &'static Memory {
    Box::leak(Box::new(Memory::new(Gaps::default())))
}

fn is_ready(view: &View) -> bool {
    matches!(view.state, BucketPhase::Ready { .. })
}

fn is_lost(view: &View) -> bool {
    matches!(view.state, BucketPhase::Lost { .. })
}

#[tokio::test]
async fn between_two_looks_one_request_finds_out_that_a_bucket_is_gone_and_only_an_acceptance_makes_another() {
    let store = memory();
    let kept = Kept::new(store);
    let nothing = Recorded::default();
    let made = kept.until(&nothing, is_ready).await;
    assert_eq!(made.news.map(|news| news.kind), Some(BucketChangeKind::Made));
    let first = made.identity.clone();
    assert!(matches!(first, Some(Identity::Tag(_))) && made.seen.is_some());

    store.heal();
    tokio::time::sleep(Duration::from_millis(200)).await;
    let requests: BTreeSet<_> = store.requests().into_iter().collect();
    assert_eq!(requests.into_iter().collect::<Vec<_>>(), ["observe {Tags}"]);

    let held = store.lose(&name()).unwrap();
    let lost = kept.until(&nothing, is_lost).await;
    assert_eq!(lost.identity, first);
    assert!(lost.seen >= made.seen);
    // A restored bucket with its tag is the same bucket, and one without the tag is another.
    let bare = Held {
        truth: fresh(),
        ..Held::default()
    };
    store.put(&name(), bare.clone());
    kept.until(&nothing, |view| view.state == BucketPhase::Lost { to_another: true })
        .await;
    assert_eq!(store.held(&name()), bare);
    store.put(&name(), held);
    kept.until(&nothing, is_ready).await;

    store.lose(&name());
    kept.until(&nothing, is_lost).await;
    let another = Recorded {
        accepted: Some(Identity::Tag("another".to_owned())),
        ..Recorded::default()
    };
    let still = kept.bucket_controller.ensure(&kept.drive, &full(), another);
    assert!(is_lost(&still) && store.buckets().is_empty(), "that is another loss");
    let accepted = Recorded {
        accepted: first.clone(),
        ..Recorded::default()
    };
    let made = kept.until(&accepted, is_ready).await;
    assert!(made.identity.is_some() && made.identity != first);
}

#[tokio::test]
async fn after_a_start_a_bucket_that_status_calls_ready_is_soon_looked_for() {
    let store = memory();
    let kept = Kept::new(store);
    for identity in [None, Some(Identity::Tag("a".to_owned()))] {
        let recorded = Recorded {
            state: Some(BucketPhase::Ready {
                region: None,
                unsupported: BTreeSet::new(),
            }),
            was_there: true,
            identity: identity.clone(),
            ..Recorded::default()
        };
        let lost = kept.until(&recorded, is_lost).await;
        assert!(lost.identity.is_some(), "a loss has a name by which it is accepted");
        assert!(identity.is_none() || lost.identity == identity);
        assert!(store.buckets().is_empty());
        kept.bucket_controller.forget(&kept.drive);
    }
}
