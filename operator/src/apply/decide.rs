//! What to do with one child, from what is remembered of it. Pure.

use ras_crds::labels::INSTANCE;
use serde_json::Value;

use crate::apply::item::Item;
use crate::informer::ownership::covers;
use ras_core::fetched::record::{Owner, Record};
use ras_core::kind::Kind;

/// Who asks: children belong to a drive by name and UID.
#[derive(Clone, Copy, Debug)]
pub struct Asker<'a> {
    /// Name of the drive.
    pub name: &'a str,
    /// UID of the drive.
    pub uid: &'a str,
}

/// What to do with one child.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// It is as it should be. `verified` is the digest that was just compared, to be noted.
    Nothing {
        /// Digest of our fields, when they were compared for the first time.
        verified: Option<u64>,
    },
    /// It does not exist, as far as is known.
    Create,
    /// It exists, is ours, and differs.
    Update {
        /// UID of the object that is meant.
        uid: String,
        /// Whether somebody else changed what was ours, rather than the drive.
        drifted: bool,
    },
    /// It holds data and has [`INSTANCE`] from an earlier version of the operator, or from a backup. No apply takes it away when a
    /// create has set it, as that of a generated Secret, or when somebody else sets it, too.
    Unlabel {
        /// UID of the object that is meant.
        uid: String,
    },
    /// It is going away, or belongs to an earlier drive of the same name that is; its end wakes the drive.
    Wait,
    /// Somebody else made it.
    Foreign {
        /// Whose it is, in words.
        whose: String,
    },
}

/// What to do with `item`, given what is remembered of it.
pub fn decide(item: &Item, record: Option<&Record>, asker: Asker<'_>) -> Step {
    let Some(record) = record else { return Step::Create };
    match belonging(record, asker) {
        Belonging::Ours => {}
        Belonging::Leaving => return Step::Wait,
        Belonging::Foreign(whose) => return Step::Foreign { whose },
    }
    if record.deleting {
        return Step::Wait;
    }
    if item.key.kind == Kind::Job {
        // Nothing of it that matters can be changed. Whatever would run otherwise has another name.
        return Step::Nothing { verified: None };
    }
    let update = |drifted| Step::Update {
        uid: record.uid.to_string(),
        drifted,
    };
    if record.applied.as_deref() != Some(item.hash.as_str()) {
        // What this process wrote is not what is there any more, and is still asked for.
        return update(record.applied.is_none() || record.written.as_deref() == Some(item.hash.as_str()));
    }
    if is_taken_for_an_application(item, record) {
        return Step::Unlabel {
            uid: record.uid.to_string(),
        };
    }
    match &record.fields.unverified {
        None => Step::Nothing { verified: None },
        Some(text) => {
            let entries: Vec<Value> = serde_json::from_str(text).unwrap_or_default();
            if covers(&item.body, &entries.iter().collect::<Vec<_>>()) {
                Step::Nothing {
                    verified: Some(record.fields.digest),
                }
            } else {
                update(true)
            }
        }
    }
}

/// Whether an object that holds data has the label by which Argo CD would prune it.
pub fn is_taken_for_an_application(item: &Item, record: &Record) -> bool {
    let asked = item.body.pointer("/metadata/labels");
    record.marks.is_instance && asked.is_some_and(|labels| labels.get(INSTANCE).is_none())
}

/// Whether a child that is no longer desired may be removed: only what this very drive owns. What is
/// retained has no owner and stays.
pub fn may_prune(record: &Record, asker: Asker<'_>) -> bool {
    !record.deleting && matches!(&record.owner, Owner::Drive { uid, .. } if **uid == *asker.uid)
}

/// Whether a child is there to be used: it is the drive's, and it stays.
pub fn is_usable(record: &Record, asker: Asker<'_>) -> bool {
    !record.deleting && matches!(belonging(record, asker), Belonging::Ours)
}

enum Belonging {
    Ours,
    Leaving,
    Foreign(String),
}

fn belonging(record: &Record, asker: Asker<'_>) -> Belonging {
    match &record.owner {
        Owner::Drive { uid, .. } if **uid == *asker.uid => Belonging::Ours,
        // Deleted a moment ago and made again: the garbage collector is about to remove the old one's children.
        Owner::Drive { name, .. } if **name == *asker.name => Belonging::Leaving,
        Owner::Drive { name, .. } => Belonging::Foreign(format!("it belongs to the drive {name}")),
        Owner::Other { who } => Belonging::Foreign(format!("it belongs to {who}")),
        Owner::Nobody => match &record.drive {
            Some(name) if **name == *asker.name => Belonging::Ours,
            Some(name) => Belonging::Foreign(format!("it was made for the drive {name}")),
            None if record.touched => Belonging::Ours,
            None => Belonging::Foreign("it was not made by ras-operator".to_owned()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ras_core::fetched::record::{Detail, Fields, Marks};
    use serde_json::json;

    const ME: Asker<'_> = Asker { name: "me", uid: "1" };

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
    fn what_is_as_it_should_be_is_left_alone() {
        assert_eq!(decide(&item(), Some(&mine()), ME), Step::Nothing { verified: None });
    }

    #[test]
    fn after_a_restart_the_fields_are_compared_once() {
        let covered = json!([{"f:metadata": {"f:annotations": {}}, "f:data": {"f:k": {}}}]).to_string();
        let mut known = mine();
        known.fields.unverified = Some(covered.into());
        assert_eq!(decide(&item(), Some(&known), ME), Step::Nothing { verified: Some(7) });
        known.fields.unverified = Some(json!([{"f:metadata": {"f:annotations": {}}}]).to_string().into());
        assert_eq!(
            decide(&item(), Some(&known), ME),
            Step::Update {
                uid: "u".into(),
                drifted: true
            }
        );
    }

    #[test]
    fn what_another_operator_applied_over_what_this_one_wrote_is_drift_and_a_change_of_the_drive_is_none() {
        let drifted = |written: Option<&str>| {
            let mut known = mine();
            known.applied = Some("other".into());
            known.written = written.map(Into::into);
            match decide(&item(), Some(&known), ME) {
                Step::Update { drifted, .. } => drifted,
                step => panic!("{step:?}"),
            }
        };
        assert!(drifted(Some(&item().hash)));
        assert!(!drifted(Some("other")) && !drifted(None));
    }

    #[test]
    fn a_job_is_made_once_and_never_changed() {
        let object = json!({"metadata": {"name": "j", "namespace": "n"}, "spec": {"backoffLimit": 0}});
        let job = Item::new(Kind::Job, &object).unwrap();
        assert_eq!(decide(&job, None, ME), Step::Create);
        assert_eq!(decide(&job, Some(&mine()), ME), Step::Nothing { verified: None });
        let mut going = mine();
        going.deleting = true;
        assert_eq!(decide(&job, Some(&going), ME), Step::Wait);
        let foreign = record(Owner::Nobody, None);
        assert!(matches!(decide(&job, Some(&foreign), ME), Step::Foreign { .. }));
    }

    #[test]
    fn data_loses_the_label_that_makes_argo_cd_prune_it_and_nothing_else_does() {
        let labelled = |labels: Value| {
            let metadata = json!({"name": "c", "namespace": "n", "labels": labels});
            Item::new(Kind::Secret, &json!({"metadata": metadata})).unwrap()
        };
        let data = labelled(json!({"ras.dev/drive": "me"}));
        let other = labelled(json!({"ras.dev/drive": "me", INSTANCE: "me"}));
        for (item, is_instance, step) in [
            (&data, true, Step::Unlabel { uid: "u".into() }),
            (&data, false, Step::Nothing { verified: None }),
            (&other, true, Step::Nothing { verified: None }),
        ] {
            let mut known = mine();
            known.applied = Some(item.hash.as_str().into());
            known.marks.is_instance = is_instance;
            assert_eq!(decide(item, Some(&known), ME), step);
        }
        // The apply that an upgrade brings comes first: it takes the label away where an apply has set it.
        let mut known = mine();
        known.marks.is_instance = true;
        assert!(matches!(decide(&data, Some(&known), ME), Step::Update { .. }));
    }

    #[test]
    fn what_somebody_else_made_is_never_touched() {
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
                matches!(decide(&item(), Some(&record), ME), Step::Foreign { .. }),
                "{record:?}"
            );
            assert!(!may_prune(&record, ME));
        }
    }

    #[test]
    fn what_an_earlier_drive_of_the_same_name_left_is_found_again() {
        let mut kept = record(Owner::Nobody, Some("me"));
        kept.applied = Some("old".into());
        assert!(matches!(decide(&item(), Some(&kept), ME), Step::Update { .. }));
        assert!(!may_prune(&kept, ME), "what nobody owns is kept");
        let leaving = record(
            Owner::Drive {
                name: "me".into(),
                uid: "0".into(),
            },
            Some("me"),
        );
        assert_eq!(decide(&item(), Some(&leaving), ME), Step::Wait);
    }
}
