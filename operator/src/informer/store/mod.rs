//! The record of every child, and the drives to requeue when one of them changes.
//!
//! A record is a few dozen bytes, not the object. Why not kube-rs' own store: it keeps whole objects, and it knows only
//! what the watches deliver, while this one is also updated by the response to each of our writes.

mod pods;
mod tombstones;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ras_core::fetched::facts::SecretFacts;
use ras_core::fetched::record::{ChildKey, Detail, Owner, Record};
use ras_core::kind::Kind;

use pods::Pods;
use tombstones::Tombstones;

pub use ras_core::drive_key::DriveKey;

/// The drives to requeue.
pub type Requeue = BTreeSet<DriveKey>;

/// No method holds the lock across an await.
#[derive(Debug, Default)]
pub struct Store {
    inner: Mutex<Records>,
}

#[derive(Debug, Default)]
struct Records {
    /// Boxed, because a hash table has up to twice as many slots as entries.
    children: HashMap<ChildKey, Box<Record>>,
    tombstones: Tombstones,
    by_drive: HashMap<DriveKey, BTreeSet<ChildKey>>,
    /// Drives that use a Secret or claim which they may not own.
    users: HashMap<ChildKey, BTreeSet<DriveKey>>,
    used: HashMap<DriveKey, BTreeSet<ChildKey>>,
    pods: Pods,
}

impl Store {
    fn lock(&self) -> MutexGuard<'_, Records> {
        // A poisoned lock is safe to use: each change below is a single insert or remove.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes an object from a watch or a read. A version older than the record is ignored.
    pub fn observe(&self, key: &ChildKey, mut record: Record) -> Requeue {
        let mut inner = self.lock();
        let mut requeue = Requeue::new();
        if let Some(before) = inner.children.get(key) {
            if before.uid == record.uid && before.version > record.version {
                return requeue;
            }
            if before.uid == record.uid {
                record.written.clone_from(&before.written);
            }
            if before.uid == record.uid && before.fields.digest == record.fields.digest {
                record.fields.unverified.clone_from(&before.fields.unverified);
                if record.fields.unverified.is_none() {
                    record.fields.managers = None;
                }
            }
            if !is_same(before, &record) {
                requeue.extend(inner.affected(key, before));
                requeue.extend(inner.affected(key, &record));
            }
        } else {
            requeue.extend(inner.affected(key, &record));
        }
        inner.put(key, record);
        requeue
    }

    /// Takes a delete event of a watch: the object was deleted, or lost the label of the watch, at this version.
    pub fn deleted(&self, key: &ChildKey, version: u64) -> Requeue {
        self.lock().tombstones.add(key, version);
        self.forget(key)
    }

    pub fn forget(&self, key: &ChildKey) -> Requeue {
        let mut inner = self.lock();
        inner.unlink(key);
        match inner.children.remove(key) {
            Some(before) => inner.affected(key, &before),
            None => Requeue::new(),
        }
    }

    /// Removes the objects of `kind` in `namespace` (all, if absent) that a complete list did not contain.
    pub fn retain(&self, kind: Kind, namespace: Option<&str>, listed: &HashSet<ChildKey>) -> Requeue {
        let deleted: Vec<ChildKey> = self
            .lock()
            .children
            .keys()
            .filter(|key| key.kind == kind && namespace.is_none_or(|ns| ns == &*key.namespace) && !listed.contains(key))
            .cloned()
            .collect();
        deleted.iter().flat_map(|key| self.forget(key)).collect()
    }

    /// Takes the response to our own apply or create. Requeues nothing, because the writer knows the result.
    pub fn wrote(&self, key: &ChildKey, mut record: Record) {
        // The response is what the API server recorded for this apply, so there is no drift to look for.
        (record.fields.unverified, record.fields.managers) = (None, None);
        self.record_write(key, record);
    }

    /// Takes the response to our own patch of some fields. Other managers may have changed the others.
    pub fn patched(&self, key: &ChildKey, record: Record) {
        self.record_write(key, record);
    }

    fn record_write(&self, key: &ChildKey, mut record: Record) {
        let mut inner = self.lock();
        record.written.clone_from(&record.applied);
        if inner.tombstones.is_deleted_after(key, record.version) {
            return;
        }
        if let Some(known) = inner.children.get_mut(key)
            && known.uid == record.uid
            && known.version > record.version
        {
            known.written = record.written;
            return;
        }
        if let Some(known) = inner.children.get(key)
            && known.uid == record.uid
        {
            record.detail.keep_what_is_no_metadata(&known.detail);
        }
        inner.put(key, record);
    }

    /// Records that our fields with this digest are as we applied them.
    pub fn verified(&self, key: &ChildKey, digest: u64) {
        if let Some(record) = self.lock().children.get_mut(key)
            && record.fields.digest == digest
        {
            (record.fields.unverified, record.fields.managers) = (None, None);
        }
    }

    pub fn get(&self, key: &ChildKey) -> Option<Record> {
        self.lock().children.get(key).map(|record| Record::clone(record))
    }

    pub fn of_drive(&self, drive: &DriveKey) -> Vec<(ChildKey, Record)> {
        let inner = self.lock();
        inner
            .by_drive
            .get(drive)
            .into_iter()
            .flatten()
            .filter_map(|key| {
                inner
                    .children
                    .get(key)
                    .map(|record| (key.clone(), Record::clone(record)))
            })
            .collect()
    }

    /// A Secret of any owner, unless it is being deleted.
    pub fn secret(&self, namespace: &str, name: &str) -> Option<SecretFacts> {
        match self.get(&ChildKey::new(Kind::Secret, namespace, name))? {
            Record {
                deleting: false,
                detail: Detail::Secret(facts),
                ..
            } => Some(facts),
            _ => None,
        }
    }

    /// Sets the Secrets and claims that requeue the drive when they change.
    pub fn set_used(&self, drive: &DriveKey, objects: BTreeSet<ChildKey>) {
        let mut inner = self.lock();
        for key in inner.used.remove(drive).unwrap_or_default() {
            if let Some(users) = inner.users.get_mut(&key) {
                users.remove(drive);
                if users.is_empty() {
                    inner.users.remove(&key);
                }
            }
        }
        for key in &objects {
            inner.users.entry(key.clone()).or_default().insert(drive.clone());
        }
        if !objects.is_empty() {
            inner.used.insert(drive.clone(), objects);
        }
    }
}

/// True when a change from one record to the other requeues no drive.
fn is_same(before: &Record, after: &Record) -> bool {
    before.uid == after.uid
        && before.deleting == after.deleting
        && before.drive == after.drive
        && before.marks == after.marks
        && before.owner == after.owner
        && before.applied == after.applied
        && before.fields.digest == after.fields.digest
        && before.detail == after.detail
}

impl Records {
    /// The drive in the label, the owner, and the drives that use the object.
    fn affected(&self, key: &ChildKey, record: &Record) -> Requeue {
        let mut requeue: Requeue = drives(key, record).collect();
        if let Some(users) = self.users.get(key) {
            requeue.extend(users.iter().cloned());
        }
        requeue
    }

    fn put(&mut self, key: &ChildKey, mut record: Record) {
        let mut key = match self.children.get_key_value(key) {
            Some((known, _)) => known.clone(),
            None => key.clone(),
        };
        self.share(&mut key, &mut record);
        self.unlink(&key);
        self.link(&key, &record);
        self.children.insert(key, Box::new(record));
    }

    /// Shares the strings that the children of one drive have in common, which are much of the memory.
    fn share(&self, key: &mut ChildKey, record: &mut Record) {
        let Some(drive) = drives(key, record).next() else {
            return;
        };
        let Some((drive, siblings)) = self.by_drive.get_key_value(&drive) else {
            return;
        };
        share(&mut key.namespace, &drive.namespace);
        if let Some(name) = &mut record.drive {
            share(name, &drive.name);
        }
        if let Owner::Drive { name, uid } = &mut record.owner {
            share(name, &drive.name);
            let owner = siblings
                .iter()
                .find_map(|sibling| match &self.children.get(sibling)?.owner {
                    Owner::Drive { uid, .. } => Some(uid),
                    Owner::Nobody | Owner::Other { .. } => None,
                });
            if let Some(owner) = owner {
                share(uid, owner);
            }
        }
    }

    fn link(&mut self, key: &ChildKey, record: &Record) {
        for drive in drives(key, record) {
            self.by_drive.entry(drive).or_default().insert(key.clone());
        }
    }

    fn unlink(&mut self, key: &ChildKey) {
        let Some(before) = self.children.get(key) else { return };
        for drive in drives(key, before) {
            if let Some(keys) = self.by_drive.get_mut(&drive) {
                keys.remove(key);
                if keys.is_empty() {
                    self.by_drive.remove(&drive);
                }
            }
        }
    }
}

fn share(text: &mut Arc<str>, with: &Arc<str>) {
    if text == with {
        *text = Arc::clone(with);
    }
}

fn drives(key: &ChildKey, record: &Record) -> impl Iterator<Item = DriveKey> {
    let owner = match &record.owner {
        Owner::Drive { name, .. } => Some(Arc::clone(name)),
        Owner::Nobody | Owner::Other { .. } => None,
    };
    let namespace = Arc::clone(&key.namespace);
    record.drive.clone().into_iter().chain(owner).map(move |name| DriveKey {
        namespace: Arc::clone(&namespace),
        name,
    })
}

#[cfg(test)]
mod tests;
