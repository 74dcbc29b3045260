//! Compares a desired child with its record and decides what to send. Pure.

use ras_crds::labels::INSTANCE;
use serde_json::Value;

use crate::apply::item::Item;
use crate::informer::managed_fields::covers;
use ras_core::fetched::record::{Owner, Record};
use ras_core::kind::Kind;

/// Name and UID of a drive, by which its children are recognised.
#[derive(Clone, Copy, Debug)]
pub struct DriveId<'a> {
    pub name: &'a str,
    pub uid: &'a str,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChildAction {
    /// It is as desired.
    Nothing {
        /// Digest of our fields if they were compared just now, to be recorded.
        verified: Option<u64>,
    },
    Create,
    Update {
        uid: String,
        /// Another manager changed our fields; otherwise the drive has changed.
        drifted: bool,
    },
    /// It holds data and has the label [`INSTANCE`] from an earlier version of the operator or from a backup. An apply
    /// does not remove the label if a create has set it, or if another manager sets it too.
    Unlabel {
        uid: String,
    },
    /// It is being deleted, itself or with an earlier drive of the same name. The delete event requeues the drive.
    Wait,
    /// It is not the drive's.
    Unowned {
        /// A clause for messages, such as `it belongs to the drive a`.
        whose: String,
    },
}

pub fn decide(item: &Item, record: Option<&Record>, drive: DriveId<'_>) -> ChildAction {
    let Some(record) = record else {
        return ChildAction::Create;
    };
    match belonging(record, drive) {
        Belonging::Ours => {}
        Belonging::EarlierDrive => return ChildAction::Wait,
        Belonging::Unowned(whose) => return ChildAction::Unowned { whose },
    }
    if record.deleting {
        return ChildAction::Wait;
    }
    if item.key.kind == Kind::Job {
        // A Job's pod template is immutable: a Job that does something else has another name.
        return ChildAction::Nothing { verified: None };
    }
    let update = |drifted| ChildAction::Update {
        uid: record.uid.to_string(),
        drifted,
    };
    if record.applied.as_deref() != Some(item.hash.as_str()) {
        // Drift: this process wrote the desired object, and it is no longer what is applied.
        return update(record.applied.is_none() || record.written.as_deref() == Some(item.hash.as_str()));
    }
    if has_instance_label(item, record) {
        return ChildAction::Unlabel {
            uid: record.uid.to_string(),
        };
    }
    match &record.fields.unverified {
        None => ChildAction::Nothing { verified: None },
        Some(text) => {
            let entries: Vec<Value> = serde_json::from_str(text).unwrap_or_default();
            if covers(&item.body, &entries.iter().collect::<Vec<_>>()) {
                ChildAction::Nothing {
                    verified: Some(record.fields.digest),
                }
            } else {
                update(true)
            }
        }
    }
}

/// True for an object with data that has the label by which Argo CD would prune it.
pub fn has_instance_label(item: &Item, record: &Record) -> bool {
    let asked = item.body.pointer("/metadata/labels");
    record.marks.is_instance && asked.is_some_and(|labels| labels.get(INSTANCE).is_none())
}

/// A child may be deleted only if this drive owns it. A retained object has no owner.
pub fn may_prune(record: &Record, drive: DriveId<'_>) -> bool {
    !record.deleting && matches!(&record.owner, Owner::Drive { uid, .. } if **uid == *drive.uid)
}

/// True when the child is the drive's and is not being deleted.
pub fn is_usable(record: &Record, drive: DriveId<'_>) -> bool {
    !record.deleting && matches!(belonging(record, drive), Belonging::Ours)
}

enum Belonging {
    Ours,
    /// An earlier drive of the same name, which was deleted.
    EarlierDrive,
    Unowned(String),
}

fn belonging(record: &Record, drive: DriveId<'_>) -> Belonging {
    match &record.owner {
        Owner::Drive { uid, .. } if **uid == *drive.uid => Belonging::Ours,
        // The drive was deleted and created again: the garbage collector is about to delete the old children.
        Owner::Drive { name, .. } if **name == *drive.name => Belonging::EarlierDrive,
        Owner::Drive { name, .. } => Belonging::Unowned(format!("it belongs to the drive {name}")),
        Owner::Other { who } => Belonging::Unowned(format!("it belongs to {who}")),
        Owner::Nobody => match &record.drive {
            Some(name) if **name == *drive.name => Belonging::Ours,
            Some(name) => Belonging::Unowned(format!("it was made for the drive {name}")),
            None if record.touched => Belonging::Ours,
            None => Belonging::Unowned("it was not made by ras-operator".to_owned()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ras_core::fetched::record::{Detail, Fields, Marks};
    use serde_json::json;

    const ME: DriveId<'_> = DriveId { name: "me", uid: "1" };

    fn item() -> Item {
        Item::new(
            Kind::ConfigMap,
            &json!({"metadata": {"name": "c", "namespace": "n"}, "data": {"k": "v"}}),
        )
        .unwrap()
    }

    fn record(owner: Owner, drive: Option<&str>) -> Record {
        Record {
            uid: "u".into(),
            version: 1,
            deleting: false,
            drive: drive.map(Into::into),
            watched: true,
            marks: Marks::default(),
            touched: false,
            owner,
            applied: Some(item().hash.into()),
            written: None,
            fields: Fields {
                digest: 7,
                unverified: None,
                shared: None,
                managers: None,
            },
            detail: Detail::None,
        }
    }

    fn mine() -> Record {
        record(
            Owner::Drive {
                name: "me".into(),
                uid: "1".into(),
            },
            Some("me"),
        )
    }

    #[test]
    fn a_child_that_is_as_desired_is_not_written() {
        assert_eq!(
            decide(&item(), Some(&mine()), ME),
            ChildAction::Nothing { verified: None }
        );
    }

    #[test]
    fn after_a_restart_the_fields_are_compared_once() {
        let covered = json!([{"f:metadata": {"f:annotations": {}}, "f:data": {"f:k": {}}}]).to_string();
        let mut known = mine();
        known.fields.unverified = Some(covered.into());
        assert_eq!(
            decide(&item(), Some(&known), ME),
            ChildAction::Nothing { verified: Some(7) }
        );
        known.fields.unverified = Some(json!([{"f:metadata": {"f:annotations": {}}}]).to_string().into());
        assert_eq!(
            decide(&item(), Some(&known), ME),
            ChildAction::Update {
                uid: "u".into(),
                drifted: true
            }
        );
    }

    #[test]
    fn an_apply_by_another_operator_is_drift_and_a_change_of_the_drive_is_not() {
        let drifted = |written: Option<&str>| {
            let mut known = mine();
            known.applied = Some("other".into());
            known.written = written.map(Into::into);
            match decide(&item(), Some(&known), ME) {
                ChildAction::Update { drifted, .. } => drifted,
                action => panic!("{action:?}"),
            }
        };
        assert!(drifted(Some(&item().hash)));
        assert!(!drifted(Some("other")) && !drifted(None));
    }

    #[test]
    fn a_job_is_created_once_and_never_changed() {
        let object = json!({"metadata": {"name": "j", "namespace": "n"}, "spec": {"backoffLimit": 0}});
        let job = Item::new(Kind::Job, &object).unwrap();
        assert_eq!(decide(&job, None, ME), ChildAction::Create);
        assert_eq!(decide(&job, Some(&mine()), ME), ChildAction::Nothing { verified: None });
        let mut deleting = mine();
        deleting.deleting = true;
        assert_eq!(decide(&job, Some(&deleting), ME), ChildAction::Wait);
        let unowned = record(Owner::Nobody, None);
        assert!(matches!(decide(&job, Some(&unowned), ME), ChildAction::Unowned { .. }));
    }

    #[test]
    fn data_loses_the_label_that_makes_argo_cd_prune_it_and_nothing_else_does() {
        let labelled = |labels: Value| {
            let metadata = json!({"name": "c", "namespace": "n", "labels": labels});
            Item::new(Kind::Secret, &json!({"metadata": metadata})).unwrap()
        };
        let data = labelled(json!({"ras.dev/drive": "me"}));
        let other = labelled(json!({"ras.dev/drive": "me", INSTANCE: "me"}));
        for (item, is_instance, action) in [
            (&data, true, ChildAction::Unlabel { uid: "u".into() }),
            (&data, false, ChildAction::Nothing { verified: None }),
            (&other, true, ChildAction::Nothing { verified: None }),
        ] {
            let mut known = mine();
            known.applied = Some(item.hash.as_str().into());
            known.marks.is_instance = is_instance;
            assert_eq!(decide(item, Some(&known), ME), action);
        }
        // After an upgrade the apply comes first: it removes the label if an apply has set it.
        let mut known = mine();
        known.marks.is_instance = true;
        assert!(matches!(decide(&data, Some(&known), ME), ChildAction::Update { .. }));
    }

    #[test]
    fn an_unowned_object_is_never_touched() {
        for (owner, drive) in [
            (Owner::Nobody, None),
            (Owner::Nobody, Some("other")),
            (
                Owner::Other {
                    who: "ReplicaSet/x".into(),
                },
                Some("me"),
            ),
            (
                Owner::Drive {
                    name: "other".into(),
                    uid: "2".into(),
                },
                Some("me"),
            ),
        ] {
            let record = record(owner, drive);
            assert!(
                matches!(decide(&item(), Some(&record), ME), ChildAction::Unowned { .. }),
                "{record:?}"
            );
            assert!(!may_prune(&record, ME));
        }
    }

    #[test]
    fn objects_that_an_earlier_drive_of_the_same_name_retained_are_adopted() {
        let mut kept = record(Owner::Nobody, Some("me"));
        kept.applied = Some("old".into());
        assert!(matches!(decide(&item(), Some(&kept), ME), ChildAction::Update { .. }));
        assert!(!may_prune(&kept, ME), "an object without an owner is kept");
        let of_earlier_drive = record(
            Owner::Drive {
                name: "me".into(),
                uid: "0".into(),
            },
            Some("me"),
        );
        assert_eq!(decide(&item(), Some(&of_earlier_drive), ME), ChildAction::Wait);
    }
}
