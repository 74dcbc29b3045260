//! Takes a bucket away: nothing that is not provably ours, nothing that is locked, a page at a time.
//!
//! The bucket itself is the memory: whoever is stopped half-way goes on from what is left.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use crate::failure::Failure;
use crate::observed::StoredLock;
use crate::ownership::{Ownership, ownership};
use crate::store::{Entry, EntryKind, Listing, Marker, ObjectStore, Page};
use ras_core::bucket::request::{Feature, Owner};
use ras_core::bucket::state::{Manner, Removal};

/// Most walks through a bucket in one go. One is enough where nobody writes; whoever writes for ever must not keep us
/// for ever.
const MAX_ROUNDS: usize = 8;

/// Whom to tell how much was removed so far, after every page; says whether to go on.
pub type OnPage<'a> = &'a (dyn Fn(u64) -> ControlFlow<()> + Send + Sync);

/// Takes a bucket away, if it is `owner`'s.
///
/// At most one page of entries is held. Locks are not lifted: what is locked is left and counted.
pub async fn remove<S: ObjectStore>(
    store: &S,
    bucket: &str,
    owner: &Owner,
    manner: Manner,
    on_page: OnPage<'_>,
) -> Result<Removal, Failure> {
    let mut work = Work {
        store,
        bucket,
        on_page,
        removed: 0,
    };
    let mut before: Option<Entry> = None;
    for _ in 0..MAX_ROUNDS {
        if let Some(end) = work.check_owner(owner).await? {
            return Ok(end);
        }
        let content = match manner {
            Manner::WithObjects => Content::Any,
            Manner::IfEmpty => work.content().await?,
        };
        if content == Content::Data {
            return Ok(Removal::NotEmpty);
        }
        let mut locked = 0;
        let mut first = None;
        for listing in Listing::ALL {
            if content == Content::Nothing {
                break;
            }
            match work.clear(listing, manner).await? {
                ControlFlow::Break(()) => return Ok(Removal::Stopped { removed: work.removed }),
                ControlFlow::Continue(cleared) => {
                    locked += cleared.locked;
                    first = first.or(cleared.first);
                    // To delete an object without naming its version is to hide it, and what is locked stays seen.
                    if listing == Listing::Versions && cleared.seen > 0 {
                        break;
                    }
                }
            }
        }
        if locked > 0 {
            return Ok(Removal::Locked { objects: locked });
        }
        // versitygw lists keys with control characters in a form that it does not take back, and says of what is not
        // there that it is removed.
        if first.is_some() && first == before {
            return Err(Failure::stuck(bucket));
        }
        before = first;
        // It may have been made anew by somebody else while it was emptied.
        if let Some(end) = work.check_owner(owner).await? {
            return Ok(end);
        }
        match store.delete_bucket(bucket).await {
            Ok(()) => return Ok(Removal::Gone),
            Err(failure) if failure.is_missing() => return Ok(Removal::Gone),
            Err(failure) if failure.is_not_empty() => {}
            Err(failure) => return Err(failure),
        }
        if manner == Manner::IfEmpty {
            return Ok(Removal::NotEmpty);
        }
    }
    Ok(Removal::Stopped { removed: work.removed })
}

/// What one cleared through a listing came upon.
#[derive(Default)]
struct Cleared {
    seen: usize,
    locked: u64,
    /// The first entry that was to go.
    first: Option<Entry>,
}

/// What is in a bucket that is only to go when it is empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Content {
    /// Nobody looked: all of it goes.
    Any,
    /// Objects, old versions or unfinished uploads.
    Data,
    /// Delete markers alone, which hold no data and yet keep a bucket from being removed.
    DeleteMarkers,
    /// Nothing.
    Nothing,
}

struct Work<'a, S> {
    store: &'a S,
    bucket: &'a str,
    on_page: OnPage<'a>,
    removed: u64,
}

impl<S: ObjectStore> Work<'_, S> {
    /// Nothing, if the bucket is there and ours.
    async fn check_owner(&self, owner: &Owner) -> Result<Option<Removal>, Failure> {
        let observed = self
            .store
            .observe(self.bucket, &BTreeSet::from([Feature::Tags]))
            .await?;
        Ok(match ownership(self.bucket, &observed, owner) {
            Ownership::Missing => Some(Removal::Gone),
            Ownership::Ours | Ownership::Named { has_tags: false } => None,
            Ownership::Named { has_tags: true } => Some(Removal::NotOurs {
                whose: "it has tags, and the operator's are not among them".to_owned(),
            }),
            Ownership::Foreign { whose } => Some(Removal::NotOurs { whose }),
        })
    }

    /// What is in the bucket, up to the first thing that holds data.
    async fn content(&self) -> Result<Content, Failure> {
        let mut content = Content::Nothing;
        for listing in Listing::ALL {
            let mut after = None;
            while let Some(page) = self.page(listing, after.as_ref()).await? {
                if page.entries.iter().any(|entry| entry.kind != EntryKind::DeleteMarker) {
                    return Ok(Content::Data);
                }
                if !page.entries.is_empty() {
                    content = Content::DeleteMarkers;
                }
                match next(&page, after.as_ref()) {
                    Some(marker) => after = Some(marker),
                    None => break,
                }
            }
        }
        Ok(content)
    }

    /// Removes what a listing shows, and counts what is locked. A locked page is passed by.
    async fn clear(&mut self, listing: Listing, manner: Manner) -> Result<ControlFlow<(), Cleared>, Failure> {
        let mut cleared = Cleared::default();
        let mut after = None;
        while let Some(mut page) = self.page(listing, after.as_ref()).await? {
            cleared.seen += page.entries.len();
            if manner == Manner::IfEmpty {
                // Whatever appeared since it was found empty is left to the store's own refusal.
                page.entries.retain(|entry| entry.kind == EntryKind::DeleteMarker);
            }
            if cleared.first.is_none() {
                cleared.first = page.entries.first().cloned();
            }
            if !page.entries.is_empty() {
                cleared.locked += self.delete(&page.entries).await?;
                if (self.on_page)(self.removed).is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
            match next(&page, after.as_ref()) {
                Some(marker) => after = Some(marker),
                None => break,
            }
        }
        Ok(ControlFlow::Continue(cleared))
    }

    /// Removes the entries of a page, and returns how many are locked.
    async fn delete(&mut self, entries: &[Entry]) -> Result<u64, Failure> {
        let deleted = self.store.delete(self.bucket, entries).await?;
        self.removed += deleted.removed;
        let Some(refusal) = deleted.refusal else {
            return Ok(deleted.locked);
        };
        if !refusal.is_denied() {
            return Err(refusal);
        }
        // Some stores call a lock "access denied" and say no more.
        let observed = self
            .store
            .observe(self.bucket, &BTreeSet::from([Feature::ObjectLock]))
            .await?;
        match observed.object_lock.known() {
            Some(StoredLock::On(_)) => Ok(deleted.locked + deleted.refused),
            _ => Err(refusal),
        }
    }

    /// A page, unless the store has no such listing or the bucket is gone.
    async fn page(&self, listing: Listing, after: Option<&Marker>) -> Result<Option<Page>, Failure> {
        match self.store.list(self.bucket, listing, after).await {
            Ok(page) => Ok(Some(page)),
            Err(failure) if failure.is_unsupported() && listing != Listing::Objects => Ok(None),
            Err(failure) if failure.is_missing() => Ok(None),
            Err(failure) => Err(failure),
        }
    }
}

/// Where a listing goes on, if it does: a store that sends us back to where we are would keep us for ever.
pub(super) fn next(page: &Page, after: Option<&Marker>) -> Option<Marker> {
    page.next.clone().filter(|marker| Some(marker) != after)
}
