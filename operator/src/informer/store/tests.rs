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
fn children_of_a_drive_share_strings_and_a_change_of_owner_requeues_both_drives() {
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
    let requeue = store.observe(&keys[0], autumn);
    let autumn = DriveKey::new("spo", "autumn");
    assert_eq!(requeue, Requeue::from([spring.clone(), autumn.clone()]));
    assert_eq!(store.of_drive(&autumn).len(), 1);
    assert_eq!(store.of_drive(&spring).len(), 1);
}

#[test]
fn a_late_response_to_a_write_does_not_restore_a_deleted_object() {
    let store = Store::default();
    let key = ChildKey::new(Kind::Service, "spo", "spring-portal");
    store.observe(&key, at(4));
    // We write version 5, the watch delivers it, another manager removes the labels, and then our response arrives.
    store.observe(&key, at(5));
    let requeue = store.deleted(&key, 6);
    assert_eq!(requeue, Requeue::from([DriveKey::new("spo", "spring")]));
    store.wrote(&key, at(5));
    assert_eq!(store.get(&key), None);
    // A later write counts.
    store.wrote(&key, at(7));
    assert_eq!(store.get(&key).map(|record| record.version), Some(7));
}

#[test]
fn a_patch_of_some_fields_leaves_the_others_to_be_compared() {
    let store = Store::default();
    let key = ChildKey::new(Kind::Secret, "spo", "spring-jwt");
    let changed = |version| {
        let mut record = at(version);
        record.fields.unverified = Some("[]".into());
        record
    };
    let must_be_compared = || store.get(&key).is_some_and(|record| record.fields.unverified.is_some());
    store.observe(&key, changed(4));
    store.patched(&key, changed(5));
    assert!(must_be_compared());
    store.wrote(&key, changed(6));
    assert!(!must_be_compared());
}
