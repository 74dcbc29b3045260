//! Removes a bucket, a page of objects at a time: only one that is provably ours, and nothing that is locked.
//!
//! It keeps no progress elsewhere: an interrupted removal continues with what is left in the bucket.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use crate::failure::Failure;
use crate::ownership::{Ownership, ownership};
use crate::snapshot::StoredLock;
use crate::store::{Entry, EntryKind, Listing, Marker, ObjectStore, Page};
use ras_core::bucket::request::{Feature, Owner};
use ras_core::bucket::state::{Manner, Removal};

/// Most passes through a bucket in one call. One is enough unless a client keeps writing to it.
const MAX_ROUNDS: usize = 8;

/// Called after every page with the number of removed entries; decides whether to continue.
pub type OnPage<'a> = &'a (dyn Fn(u64) -> ControlFlow<()> + Send + Sync);

/// Removes a bucket that belongs to `owner`.
///
/// At most one page of entries is held in memory. Locks are not lifted: locked entries are left and counted.
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
                    // Deleting an object without its version only hides it, and locked versions stay listed.
                    if listing == Listing::Versions && cleared.seen > 0 {
                        break;
                    }
                }
            }
        }
        if locked > 0 {
            return Ok(Removal::Locked { objects: locked });
        }
        // versitygw lists keys with control characters in a form that it does not accept in a request, and reports success for
        // keys that do not exist.
        if first.is_some() && first == before {
            return Err(Failure::stuck(bucket));
        }
        before = first;
        // Another client may have created it again while it was emptied.
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

/// The result of one pass through a listing.
#[derive(Default)]
struct Cleared {
    seen: usize,
    locked: u64,
    /// The first entry to remove.
    first: Option<Entry>,
}

/// The content of a bucket, as far as its removal depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Content {
    /// Not checked: everything is removed.
    Any,
    /// Objects, old versions or unfinished uploads.
    Data,
    /// Delete markers only, which hold no data and still block the removal of a bucket.
    DeleteMarkers,
    Nothing,
}

struct Work<'a, S> {
    store: &'a S,
    bucket: &'a str,
    on_page: OnPage<'a>,
    removed: u64,
}

impl<S: ObjectStore> Work<'_, S> {
    /// The result if the bucket does not exist or is not ours.
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

    /// Stops at the first entry that holds data.
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

    /// Removes the entries of a listing, and counts and skips locked ones.
    async fn clear(&mut self, listing: Listing, manner: Manner) -> Result<ControlFlow<(), Cleared>, Failure> {
        let mut cleared = Cleared::default();
        let mut after = None;
        while let Some(mut page) = self.page(listing, after.as_ref()).await? {
            cleared.seen += page.entries.len();
            if manner == Manner::IfEmpty {
                // Entries that appeared since the check stay, and the store refuses to delete the bucket.
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

    /// Returns how many entries are locked.
    async fn delete(&mut self, entries: &[Entry]) -> Result<u64, Failure> {
        let deleted = self.store.delete(self.bucket, entries).await?;
        self.removed += deleted.removed;
        let Some(refusal) = deleted.refusal else {
            return Ok(deleted.locked);
        };
        if !refusal.is_denied() {
            return Err(refusal);
        }
        // Some stores report a lock as "access denied" only.
        let observed = self
            .store
            .observe(self.bucket, &BTreeSet::from([Feature::ObjectLock]))
            .await?;
        match observed.object_lock.known() {
            Some(StoredLock::On(_)) => Ok(deleted.locked + deleted.refused),
            _ => Err(refusal),
        }
    }

    /// `None`: the store has no such listing, or the bucket is gone.
    async fn page(&self, listing: Listing, after: Option<&Marker>) -> Result<Option<Page>, Failure> {
        match self.store.list(self.bucket, listing, after).await {
            Ok(page) => Ok(Some(page)),
            Err(failure) if failure.is_unsupported() && listing != Listing::Objects => Ok(None),
            Err(failure) if failure.is_missing() => Ok(None),
            Err(failure) => Err(failure),
        }
    }
}

/// The marker of the next page. A store that returns the same marker again would otherwise keep us in a loop.
pub(super) fn next(page: &Page, after: Option<&Marker>) -> Option<Marker> {
    page.next.clone().filter(|marker| Some(marker) != after)
}
