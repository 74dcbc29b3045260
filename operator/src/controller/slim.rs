//! Drops the metadata of drives that the operator does not read, so that whoever writes a drive does not decide how much memory it
//! takes: a drive from the watch and one that is read live go through this, so that the two can be compared.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use ras_crds::labels;

/// What `kubectl apply` remembers on the client: a copy of the object.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// Annotations that are read. The longest of them names sixteen buckets.
const READ: [&str; 6] = [
    labels::ROTATE,
    labels::CONFIRM_DELETE,
    labels::KEEP_BUCKETS,
    labels::ACCEPT_DATA_LOSS,
    labels::PREPARE_DATABASE,
    labels::RUN_MIGRATION,
];
/// Bytes of one annotation that is read. A longer one is not read: cut, it could confirm something else.
const LONGEST_READ: usize = 8 * 1024;
/// Bytes of labels, of other annotations, and of finalizers that are kept.
const MOST_OF_OTHERS: usize = 4 * 1024;
/// Stands for labels and annotations that are not kept, with a hash of them as its value: that they changed is news.
const LEFT_OUT: &str = "ras.dev/left-out";
/// Stands for finalizers that are not kept.
pub const MANY_FINALIZERS: &str = "ras.dev/many-finalizers";

/// Drops what is not read, and bounds what is.
pub fn slim_metadata(meta: &mut ObjectMeta) {
    meta.managed_fields = None;
    meta.owner_references = None;
    if let Some(annotations) = &mut meta.annotations {
        annotations.remove(LAST_APPLIED);
        if let Some(kept) = annotations.get_mut(labels::KEEP_BUCKETS)
            && kept.len() > LONGEST_READ
        {
            // Not to read it would delete what it names.
            "*".clone_into(kept);
        }
        let is_read = |name: &String, value: &String| READ.contains(&name.as_str()) && value.len() <= LONGEST_READ;
        bound(annotations, is_read);
    }
    if let Some(labels) = &mut meta.labels {
        bound(labels, |_, _| false);
    }
    if let Some(finalizers) = &mut meta.finalizers
        && finalizers.iter().map(String::len).sum::<usize>() > MOST_OF_OTHERS
    {
        finalizers.retain(|name| name == labels::BUCKETS_FINALIZER);
        finalizers.push(MANY_FINALIZERS.to_owned());
        finalizers.shrink_to_fit();
    }
}

/// Puts a hash in the place of all that is not `kept`, if it is much.
fn bound(all: &mut BTreeMap<String, String>, kept: impl Fn(&String, &String) -> bool) {
    let others = || all.iter().filter(|(name, value)| !kept(name, value));
    if others().map(|(name, value)| name.len() + value.len()).sum::<usize>() <= MOST_OF_OTHERS {
        return;
    }
    let mut hasher = DefaultHasher::new();
    others().for_each(|other| other.hash(&mut hasher));
    all.retain(|name, value| kept(name, value));
    all.insert(LEFT_OUT.to_owned(), format!("{:016x}", hasher.finish()));
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ManagedFieldsEntry, OwnerReference};

    use super::*;

    fn many(count: usize, value: &str) -> BTreeMap<String, String> {
        let names = (0..count).map(|number| format!("example.com/{number}"));
        names.map(|name| (name, value.to_owned())).collect()
    }

    fn bytes(meta: &ObjectMeta) -> usize {
        serde_json::to_vec(meta).unwrap().len()
    }

    #[test]
    fn what_a_drive_has_beside_its_spec_takes_little_memory() {
        let mut meta = ObjectMeta {
            labels: Some(many(10_000, "a")),
            annotations: Some(many(1000, &"a".repeat(200))),
            finalizers: Some(many(10_000, "").into_keys().collect()),
            owner_references: Some(vec![OwnerReference::default(); 1000]),
            managed_fields: Some(vec![ManagedFieldsEntry::default(); 1000]),
            ..ObjectMeta::default()
        };
        let annotations = meta.annotations.as_mut().unwrap();
        annotations.insert(labels::CONFIRM_DELETE.to_owned(), "files".to_owned());
        annotations.insert(labels::ROTATE.to_owned(), "a".repeat(200_000));
        annotations.insert(labels::KEEP_BUCKETS.to_owned(), "a".repeat(20_000));
        meta.finalizers
            .as_mut()
            .unwrap()
            .push(labels::BUCKETS_FINALIZER.to_owned());
        slim_metadata(&mut meta);
        assert!(bytes(&meta) < 1000, "{meta:?}");
        let annotations = meta.annotations.as_ref().unwrap();
        assert_eq!(annotations[labels::CONFIRM_DELETE], "files");
        assert_eq!(annotations.get(labels::ROTATE), None, "it is not cut but not read");
        assert_eq!(annotations[labels::KEEP_BUCKETS], "*", "rather too much is kept");
        let finalizers = meta.finalizers.as_ref().unwrap();
        assert_eq!(finalizers, &[labels::BUCKETS_FINALIZER, MANY_FINALIZERS]);
    }

    #[test]
    fn a_change_of_what_is_left_out_is_still_a_change() {
        let slim = |value: &str| {
            let mut meta = ObjectMeta {
                annotations: Some(many(1000, value)),
                ..ObjectMeta::default()
            };
            slim_metadata(&mut meta);
            meta
        };
        assert_ne!(slim("one"), slim("two"));
        assert_eq!(slim("one"), slim("one"));
    }

    #[test]
    fn an_ordinary_drive_keeps_what_it_has() {
        let meta = ObjectMeta {
            labels: Some(many(5, "a")),
            annotations: Some(many(5, "note")),
            finalizers: Some(vec![
                labels::BUCKETS_FINALIZER.to_owned(),
                "example.com/other".to_owned(),
            ]),
            ..ObjectMeta::default()
        };
        let mut slim = meta.clone();
        slim_metadata(&mut slim);
        assert_eq!(slim, meta);
    }
}
