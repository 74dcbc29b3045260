//! The informers' memory of all children, and who has to be told when one of them changes.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::informer::tombstones::Gone;
pub use ras_core::drive_key::DriveKey;
use ras_core::fetched::facts::{JobFacts, JobPod, SecretFacts};
use ras_core::fetched::jobs::KnownPod;
use ras_core::fetched::pods::{PodFailure, ReadyPod, worst};
use ras_core::fetched::record::{ChildKey, Detail, Owner, Record};
use ras_core::kind::Kind;

/// The drives that have to look again.
pub type Wake = BTreeSet<DriveKey>;

/// The memory. Every method takes its lock for a moment and never across an await.
#[derive(Debug, Default)]
pub struct Store {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// Boxed, because a table has up to twice as many places as entries.
    children: HashMap<ChildKey, Box<Record>>,
    gone: Gone,
    by_drive: HashMap<DriveKey, BTreeSet<ChildKey>>,
    /// Drives that use an object that they may not own (an existing Secret or claim, a TLS secret).
    users: HashMap<ChildKey, BTreeSet<DriveKey>>,
    used: HashMap<DriveKey, BTreeSet<ChildKey>>,
    pods: HashMap<DriveKey, HashMap<Arc<str>, PodFailure>>,
    /// Pods of services that are ready, by their names.
    ready: HashMap<DriveKey, BTreeMap<Arc<str>, ReadyPod>>,
    /// Pods of Jobs, by their names.
    job_pods: HashMap<DriveKey, BTreeMap<Arc<str>, KnownPod>>,
}

impl Store {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A panic elsewhere cannot leave the maps half-written: each change below is a single insert or remove.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes news of an object and tells which drives it concerns. Old news is ignored.
    pub fn observe(&self, key: &ChildKey, mut record: Record) -> Wake {
        let mut inner = self.lock();
        let mut wake = Wake::new();
        if let Some(before) = inner.children.get(key) {
            if before.uid == record.uid && before.version > record.version {
                return wake;
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
            if !same(before, &record) {
                wake.extend(inner.concerned(key, before));
                wake.extend(inner.concerned(key, &record));
            }
        } else {
            wake.extend(inner.concerned(key, &record));
        }
        inner.put(key, record);
        wake
    }

    /// Takes the news of a watch that an object is gone, or is none of ours any more, since this version.
    pub fn went(&self, key: &ChildKey, version: u64) -> Wake {
        self.lock().gone.note(key, version);
        self.forget(key)
    }

    /// Forgets an object.
    pub fn forget(&self, key: &ChildKey) -> Wake {
        let mut inner = self.lock();
        inner.unlink(key);
        match inner.children.remove(key) {
            Some(before) => inner.concerned(key, &before),
            None => Wake::new(),
        }
    }

    /// Forgets what a complete list of `kind` in `namespace` (all, when absent) did not name.
    pub fn retain(&self, kind: Kind, namespace: Option<&str>, listed: &HashSet<ChildKey>) -> Wake {
        let gone: Vec<ChildKey> = self
            .lock()
            .children
            .keys()
            .filter(|key| key.kind == kind && namespace.is_none_or(|ns| ns == &*key.namespace) && !listed.contains(key))
            .cloned()
            .collect();
        gone.iter().flat_map(|key| self.forget(key)).collect()
    }

    /// Takes what our own write of a whole object returned. It concerns nobody: the writer knows it already.
    pub fn wrote(&self, key: &ChildKey, mut record: Record) {
        // The API server has just told us what it recorded for this very object: nothing is left to compare.
        (record.fields.unverified, record.fields.managers) = (None, None);
        self.learn(key, record);
    }

    /// Takes what our own write of some fields returned. What somebody else took of the others is still to be found.
    pub fn patched(&self, key: &ChildKey, record: Record) {
        self.learn(key, record);
    }

    fn learn(&self, key: &ChildKey, mut record: Record) {
        let mut inner = self.lock();
        record.written.clone_from(&record.applied);
        if inner.gone.went_after(key, record.version) {
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

    /// Notes that what is ours of this object was found to be as we left it.
    pub fn verified(&self, key: &ChildKey, digest: u64) {
        if let Some(record) = self.lock().children.get_mut(key)
            && record.fields.digest == digest
        {
            (record.fields.unverified, record.fields.managers) = (None, None);
        }
    }

    /// What is remembered of one object.
    pub fn get(&self, key: &ChildKey) -> Option<Record> {
        self.lock().children.get(key).map(|record| Record::clone(record))
    }

    /// What is remembered of a drive's children.
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

    /// What is known of a Secret, whoever keeps it.
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

    /// Notes which Secrets and claims a drive uses, so that it is told when one of them changes.
    pub fn uses(&self, drive: &DriveKey, objects: BTreeSet<ChildKey>) {
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

    /// Takes news of a pod: what is wrong with it, or that nothing is.
    pub fn pod(&self, drive: &DriveKey, pod: &str, trouble: Option<PodFailure>) -> Wake {
        let mut inner = self.lock();
        let before = match inner.pods.get(drive) {
            Some(pods) => pods.get(pod),
            None => None,
        };
        if before == trouble.as_ref() {
            return Wake::new();
        }
        match trouble {
            Some(trouble) => {
                inner.pods.entry(drive.clone()).or_default().insert(pod.into(), trouble);
            }
            None => {
                if let Some(pods) = inner.pods.get_mut(drive) {
                    pods.remove(pod);
                    if pods.is_empty() {
                        inner.pods.remove(drive);
                    }
                }
            }
        }
        Wake::from([drive.clone()])
    }

    /// Takes news of where a pod is reached; nothing means that it is not ready. Nobody is woken: a Deployment counts its ready pods.
    pub fn pod_is_ready(&self, drive: &DriveKey, name: &str, pod: Option<ReadyPod>) {
        let mut inner = self.lock();
        let Some(pod) = pod else {
            if let Some(pods) = inner.ready.get_mut(drive) {
                pods.remove(name);
                if pods.is_empty() {
                    inner.ready.remove(drive);
                }
            }
            return;
        };
        inner.ready.entry(drive.clone()).or_default().insert(name.into(), pod);
    }

    /// The pods of a service that are ready, with their names.
    pub fn ready_pods(&self, drive: &DriveKey, service: &str) -> Vec<(Arc<str>, IpAddr)> {
        let inner = self.lock();
        let pods = inner.ready.get(drive).into_iter().flatten();
        pods.filter(|(_, pod)| *pod.service == *service)
            .map(|(name, pod)| (Arc::clone(name), pod.address))
            .collect()
    }

    /// Takes news of a Job's pod; nothing means that it is gone.
    pub fn job_pod(&self, drive: &DriveKey, name: &str, pod: Option<KnownPod>) -> Wake {
        let mut inner = self.lock();
        let pods = inner.job_pods.entry(drive.clone()).or_default();
        let is_news = pods.get(name) != pod.as_ref();
        match pod {
            Some(pod) => pods.insert(name.into(), pod),
            None => pods.remove(name),
        };
        if pods.is_empty() {
            inner.job_pods.remove(drive);
        }
        if is_news {
            Wake::from([drive.clone()])
        } else {
            Wake::new()
        }
    }

    /// The Jobs of the drive with this UID, by their names, with their pods.
    pub fn jobs(&self, drive: &DriveKey, uid: &str) -> BTreeMap<String, JobFacts> {
        let inner = self.lock();
        let keys = inner.by_drive.get(drive).into_iter().flatten();
        let records = keys
            .filter(|key| key.kind == Kind::Job)
            .filter_map(|key| Some((key, inner.children.get(key)?)))
            .filter(|(_, record)| matches!(&record.owner, Owner::Drive { uid: owner, .. } if **owner == *uid));
        let pods = inner.job_pods.get(drive);
        records
            .filter_map(|(key, record)| {
                let Detail::Job(state) = &record.detail else {
                    return None;
                };
                let known = pods.into_iter().flat_map(BTreeMap::values);
                // A Job of before may have had the same name, and its pods may not be gone yet.
                let known = known.filter(|known| known.job_uid.as_ref().is_none_or(|uid| *uid == record.uid));
                let pods = known.clone().map(|known| &known.pod);
                let facts = JobFacts {
                    purpose: state.purpose.to_string(),
                    of: state.of.to_string(),
                    work: state.work.to_string(),
                    outcome: state.outcome.clone(),
                    deleting: record.deleting,
                    report: pods
                        .clone()
                        .filter(|pod| *pod.job == *key.name)
                        .filter_map(|pod| pod.report.clone())
                        .max_by_key(|(at, _)| *at)
                        .map(|(_, report)| report),
                    pods: pods
                        .filter(|pod| *pod.job == *key.name)
                        .map(|pod| pod.run.clone())
                        .collect(),
                    trouble: worst(
                        known
                            .filter(|known| *known.pod.job == *key.name)
                            .filter_map(|known| known.trouble.as_ref()),
                    )
                    .cloned(),
                };
                Some((key.name.to_string(), facts))
            })
            .collect()
    }

    /// The pods of a drive's Jobs, also of Jobs that are gone.
    pub fn job_pods(&self, drive: &DriveKey) -> Vec<JobPod> {
        let inner = self.lock();
        let pods = inner.job_pods.get(drive).into_iter();
        pods.flat_map(|pods| pods.values().map(|known| known.pod.clone()))
            .collect()
    }

    /// Forgets the pods that a complete list did not name.
    pub fn retain_pods(&self, namespace: Option<&str>, listed: &HashSet<(Arc<str>, Arc<str>)>) -> Wake {
        let gone: Vec<(DriveKey, Arc<str>)> = {
            let inner = self.lock();
            let known = inner
                .pods
                .iter()
                .flat_map(|(drive, pods)| pods.keys().map(move |pod| (drive, pod)));
            let of_jobs = inner
                .job_pods
                .iter()
                .flat_map(|(drive, pods)| pods.keys().map(move |pod| (drive, pod)));
            let ready = inner
                .ready
                .iter()
                .flat_map(|(drive, pods)| pods.keys().map(move |pod| (drive, pod)));
            known
                .chain(of_jobs)
                .chain(ready)
                .filter(|(drive, _)| namespace.is_none_or(|ns| ns == &*drive.namespace))
                .filter(|(drive, pod)| !listed.contains(&(Arc::clone(&drive.namespace), Arc::clone(pod))))
                .map(|(drive, pod)| (drive.clone(), Arc::clone(pod)))
                .collect()
        };
        for (drive, pod) in &gone {
            self.pod_is_ready(drive, pod, None);
        }
        gone.iter()
            .flat_map(|(drive, pod)| &self.pod(drive, pod, None) | &self.job_pod(drive, pod, None))
            .collect()
    }

    /// What is wrong with a drive's pods.
    pub fn pod_failures(&self, drive: &DriveKey) -> Vec<PodFailure> {
        let inner = self.lock();
        let mut pod_failures: Vec<PodFailure> = inner
            .pods
            .get(drive)
            .into_iter()
            .flat_map(|pods| pods.values().cloned())
            .collect();
        pod_failures.sort();
        pod_failures
    }
}

/// Whether two records tell the same to a drive.
fn same(before: &Record, after: &Record) -> bool {
    before.uid == after.uid
        && before.deleting == after.deleting
        && before.drive == after.drive
        && before.marks == after.marks
        && before.owner == after.owner
        && before.applied == after.applied
        && before.fields.digest == after.fields.digest
        && before.detail == after.detail
}

impl Inner {
    /// The drives that a record concerns: the one it is labelled for, the one that owns it, those that use it.
    fn concerned(&self, key: &ChildKey, record: &Record) -> Wake {
        let mut wake: Wake = drives(key, record).collect();
        if let Some(users) = self.users.get(key) {
            wake.extend(users.iter().cloned());
        }
        wake
    }

    /// Remembers a record in the place of what was remembered.
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

    /// What the children of one drive have in common is kept once for all of them: it is much of what is kept.
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
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

    use super::*;
    use crate::informer::observe;

    fn at(version: u64) -> Record {
        let meta = ObjectMeta {
            uid: Some("1".to_owned()),
            resource_version: Some(version.to_string()),
            labels: Some([(ras_crds::labels::DRIVE.to_owned(), "spring".to_owned())].into()),
            ..ObjectMeta::default()
        };
        observe::record(Kind::Service, &meta)
    }

    #[test]
    fn what_children_of_a_drive_have_in_common_is_kept_once_and_stays_theirs_when_they_change_hands() {
        let store = Store::default();
        let keys = ["spring-a", "spring-b"].map(|name| ChildKey::new(Kind::Service, "spo", name));
        for key in &keys {
            store.observe(key, at(4));
        }
        let spring = DriveKey::new("spo", "spring");
        let [first, second] = &*store.of_drive(&spring) else {
            panic!("two children");
        };
        let name = |(_, record): &(ChildKey, Record)| record.drive.clone().unwrap();
        assert!(Arc::ptr_eq(&first.0.namespace, &second.0.namespace));
        assert!(Arc::ptr_eq(&name(first), &name(second)));

        let autumn = Record {
            drive: Some("autumn".into()),
            ..at(5)
        };
        let woken = store.observe(&keys[0], autumn);
        let autumn = DriveKey::new("spo", "autumn");
        assert_eq!(woken, Wake::from([spring.clone(), autumn.clone()]));
        assert_eq!(store.of_drive(&autumn).len(), 1);
        assert_eq!(store.of_drive(&spring).len(), 1);
    }

    #[test]
    fn a_late_answer_to_a_write_does_not_bring_back_what_went_since() {
        let store = Store::default();
        let key = ChildKey::new(Kind::Service, "spo", "spring-portal");
        store.observe(&key, at(4));
        // Written as version 5, which the watch tells; then somebody strips its labels, and then comes the answer.
        store.observe(&key, at(5));
        let woken = store.went(&key, 6);
        assert_eq!(woken, Wake::from([DriveKey::new("spo", "spring")]));
        store.wrote(&key, at(5));
        assert_eq!(store.get(&key), None);
        // What is written after that is news.
        store.wrote(&key, at(7));
        assert_eq!(store.get(&key).map(|record| record.version), Some(7));
    }

    #[test]
    fn a_write_of_some_fields_says_nothing_of_the_others() {
        let store = Store::default();
        let key = ChildKey::new(Kind::Secret, "spo", "spring-jwt");
        let changed = |version| {
            let mut record = at(version);
            record.fields.unverified = Some("[]".into());
            record
        };
        let is_to_be_compared = || store.get(&key).is_some_and(|record| record.fields.unverified.is_some());
        store.observe(&key, changed(4));
        store.patched(&key, changed(5));
        assert!(is_to_be_compared());
        store.wrote(&key, changed(6));
        assert!(!is_to_be_compared());
    }
}
