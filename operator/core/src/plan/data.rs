//! Compares the data that a drive uses with the data that it used before. Pure.
//!
//! The status records the UID of each object with data: of a volume once it may hold something, of a Secret at once. It is compared
//! with the live object:
//!
//! | recorded | now | state | consequence |
//! |---|---|---|---|
//! | any | being deleted | `Deleting` | nothing that mounts it changes, because a running pod keeps the volume from being deleted |
//! | UID | nothing | `Lost` | it is not created again, and nothing that mounts it changes |
//! | UID | another UID | `Lost` | nothing that mounts it changes |
//! | UID | the same UID | `Kept` | none |
//! | nothing | anything | `Kept` once it may hold data | none |
//!
//! Only the annotation `ras.dev/accept-data-loss` ends `Deleting` and `Lost`. It names the UID, so each loss has to be accepted by
//! itself. A Secret is never `Lost`: deleting a generated one requests new values, and it is created again at once, with a Warning.

use std::collections::{BTreeMap, BTreeSet};

use ras_crds::labels::ACCEPT_DATA_LOSS;
use ras_crds::spec::{DatabaseProvider, LogicalDatabase};
use ras_crds::{DataKind, DataState, DataStatus, Reason, RecruitmentDrive};

use crate::fetched::record::ChildKey;
use crate::kind::Kind;
use crate::names;

/// Most entries that status takes.
const MOST: usize = 1_200;

/// An object with data that a drive uses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Used {
    /// The drive creates it. The operator changes no other.
    pub own: bool,
    /// Names of the Deployments and `StatefulSet`s that mount it.
    pub by: BTreeSet<String>,
}

/// Kind and name of an object with data.
pub type Key = (DataKind, String);

/// The object as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Live {
    pub uid: String,
    pub deleting: bool,
    /// It may hold data: it is bound, or a pod that mounts it was ready.
    pub may_hold_data: bool,
}

/// The state of all data of a drive.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Data {
    /// For status.
    pub statuses: Vec<DataStatus>,
    /// Objects that must not change, and neither may any workload that mounts them.
    pub frozen: BTreeSet<Key>,
    by: BTreeMap<String, BTreeSet<Key>>,
}

/// Every object with data that a drive uses. Works for drives that are not valid, too.
pub fn used(drive: &RecruitmentDrive) -> BTreeMap<Key, Used> {
    let name = drive.metadata.name.as_deref().unwrap_or_default();
    let mut all: BTreeMap<Key, Used> = BTreeMap::new();
    let mut add = |kind, object: String, own, by: Option<String>| {
        let used = all.entry((kind, object)).or_default();
        used.own |= own;
        used.by.extend(by);
    };
    for volume in &drive.spec.volumes {
        let claim = names::shared_claim(name, &volume.name);
        add(DataKind::PersistentVolumeClaim, claim, true, None);
    }
    for service in &drive.spec.services {
        for volume in &service.volumes {
            let by = Some(names::of_service(name, &service.name));
            if let Some(existing) = &volume.existing {
                add(DataKind::PersistentVolumeClaim, existing.claim_name.clone(), false, by);
            } else if let Some(shared) = &volume.shared {
                add(
                    DataKind::PersistentVolumeClaim,
                    names::shared_claim(name, shared),
                    true,
                    by,
                );
            } else if volume.size.is_some() {
                let claim = names::volume_claim(name, &service.name, &volume.name);
                add(DataKind::PersistentVolumeClaim, claim, true, by);
            }
        }
    }
    for secret in drive.spec.secrets.iter().filter(|secret| secret.generate.is_some()) {
        add(DataKind::Secret, names::secret(name, &secret.name), true, None);
    }
    if let Some(database) = &drive.spec.database {
        let credentials = database.credentials.unwrap_or_default();
        for role in database.databases.iter().flat_map(LogicalDatabase::roles) {
            let first = names::database_password(name, credentials, role);
            add(DataKind::Secret, first, true, None);
            let second = names::second_password(name, credentials, role);
            add(DataKind::Secret, second, true, None);
        }
        match database.managed.as_ref().map(|managed| managed.provider) {
            Some(DatabaseProvider::Standalone) => {
                let by = Some(names::database(name));
                add(DataKind::PersistentVolumeClaim, names::database_claim(name), true, by);
                add(DataKind::Secret, names::database_superuser(name), true, None);
            }
            Some(DatabaseProvider::CloudNativePG) => add(DataKind::Cluster, names::database(name), true, None),
            None => {}
        }
    }
    all
}

/// Compares the recorded with the live objects.
pub fn judge(
    drive: &RecruitmentDrive,
    used: &BTreeMap<Key, Used>,
    live: &BTreeMap<Key, Live>,
    recorded: &[DataStatus],
) -> Data {
    let accepted = accepted(drive);
    let mut data = Data::default();
    for ((kind, name), used) in used {
        let known = recorded.iter().find(|one| one.kind == *kind && one.name == *name);
        let Some((mut status, frozen)) = one(drive, *kind, name, live.get(&(*kind, name.clone())), known, &accepted)
        else {
            continue;
        };
        if frozen {
            let key = (*kind, name.clone());
            for user in &used.by {
                data.by.entry(user.clone()).or_default().insert(key.clone());
            }
            data.frozen.insert(key);
        } else if status.state != DataState::Deleting {
            status.message = None;
        }
        if data.statuses.len() < MOST {
            data.statuses.push(status);
        }
    }
    data
}

/// The state of one object, and whether it is frozen. Nothing: there is nothing to remember yet.
fn one(
    drive: &RecruitmentDrive,
    kind: DataKind,
    name: &str,
    live: Option<&Live>,
    known: Option<&DataStatus>,
    accepted: &BTreeSet<String>,
) -> Option<(DataStatus, bool)> {
    let status = |uid: &str, state, message| DataStatus {
        kind,
        name: name.to_owned(),
        uid: uid.to_owned(),
        state,
        message,
    };
    let is_accepted = |uid: &str| accepted.contains(&format!("{name}@{uid}"));
    match (live, known) {
        (Some(live), _) if live.deleting => {
            let accepted = is_accepted(&live.uid);
            let message = deleting(drive, kind, name, &live.uid, accepted);
            Some((status(&live.uid, DataState::Deleting, Some(message)), !accepted))
        }
        (Some(live), Some(known)) if live.uid != known.uid && kind != DataKind::Secret && !is_accepted(&known.uid) => {
            let message = lost(drive, kind, name, &known.uid, true);
            Some((status(&known.uid, DataState::Lost, Some(message)), true))
        }
        (Some(live), known) => {
            let remember = live.may_hold_data || known.is_some();
            remember.then(|| (status(&live.uid, DataState::Kept, None), false))
        }
        (None, Some(known)) if kind == DataKind::Secret || is_accepted(&known.uid) => {
            Some((status(&known.uid, DataState::Kept, None), false))
        }
        (None, Some(known)) => {
            let message = lost(drive, kind, name, &known.uid, false);
            Some((status(&known.uid, DataState::Lost, Some(message)), true))
        }
        (None, None) => None,
    }
}

/// True if the annotation accepts the loss of this very object or bucket.
pub fn accepts(drive: &RecruitmentDrive, name: &str, uid: &str) -> bool {
    !uid.is_empty() && accepted(drive).contains(&format!("{name}@{uid}"))
}

fn accepted(drive: &RecruitmentDrive) -> BTreeSet<String> {
    let annotations = drive.metadata.annotations.as_ref();
    let text = annotations.and_then(|all| all.get(ACCEPT_DATA_LOSS));
    text.into_iter()
        .flat_map(|text| text.split(','))
        .map(|one| one.trim().to_owned())
        .collect()
}

fn command(drive: &RecruitmentDrive, name: &str, uid: &str) -> String {
    let namespace = drive.metadata.namespace.as_deref().unwrap_or_default();
    accepting(namespace, drive.metadata.name.as_deref().unwrap_or_default(), name, uid)
}

/// How a person accepts the loss of an object or bucket of a drive.
pub fn accepting(namespace: &str, drive: &str, name: &str, uid: &str) -> String {
    format!("`kubectl annotate recruitmentdrive {drive} -n {namespace} --overwrite {ACCEPT_DATA_LOSS}={name}@{uid}`")
}

fn deleting(drive: &RecruitmentDrive, kind: DataKind, name: &str, uid: &str, accepted: bool) -> String {
    if accepted {
        return format!(
            "{kind}/{name} is being deleted with its data, as accepted; an empty one is created afterwards"
        );
    }
    let command = command(drive, name, uid);
    match kind {
        DataKind::PersistentVolumeClaim => format!(
            "{kind}/{name} is being deleted, and its data is deleted when the pod stops: copy it now, or set \
             persistentVolumeReclaimPolicy: Retain on its PersistentVolume. Until the claim is gone the operator changes nothing that \
             mounts it. To continue without this data: {command}"
        ),
        DataKind::Cluster => format!(
            "{kind}/{name} is being deleted, and its data is deleted with its pods: copy it now with pg_dump, or remove the cause of \
             the deletion and restore a backup. The operator does not change it. To continue with empty databases: {command}"
        ),
        DataKind::Secret => format!(
            "{kind}/{name} is being deleted, and its values are lost when its last finalizer is removed: copy them now, or create the \
             Secret again from the copy afterwards. The operator does not change what uses it. To continue with new values: {command}"
        ),
    }
}

fn lost(drive: &RecruitmentDrive, kind: DataKind, name: &str, uid: &str, replaced: bool) -> String {
    let (what, restored) = if replaced {
        (
            "was deleted, and another object has its name",
            "if it has the right data, or may be used as it is",
        )
    } else {
        (
            "was deleted with its data",
            "restore it under this name from a backup, or accept an empty one",
        )
    };
    format!(
        "{kind}/{name} (UID {uid}) {what}: the operator neither creates it nor changes what mounts it. Next step: {restored}, \
         and then run {}",
        command(drive, name, uid)
    )
}

impl Data {
    /// The worst that was found, for conditions: why, and every message.
    pub fn at_risk(&self) -> Option<(Reason, String)> {
        self.worst(|_| true)
    }

    /// Why nothing of the Deployment or `StatefulSet` of this name is changed.
    pub fn freezes(&self, child: &str) -> Option<(Reason, String)> {
        let keys = self.by.get(child)?;
        self.worst(|one| keys.contains(&(one.kind, one.name.clone())))
    }

    /// The problem of the `Cluster` of this name.
    pub fn of_cluster(&self, cluster: &str) -> Option<(Reason, String)> {
        self.worst(|one| one.kind == DataKind::Cluster && one.name == cluster)
    }

    /// The objects that must not change, as children.
    pub fn frozen_children(&self, namespace: &str) -> BTreeSet<ChildKey> {
        let frozen = self.frozen.iter();
        frozen
            .map(|(kind, name)| ChildKey::new(child_kind(*kind), namespace, name))
            .collect()
    }

    fn worst(&self, keep: impl Fn(&DataStatus) -> bool) -> Option<(Reason, String)> {
        let frozen = |one: &&DataStatus| self.frozen.contains(&(one.kind, one.name.clone()));
        let found: Vec<&DataStatus> = self.statuses.iter().filter(frozen).filter(|one| keep(one)).collect();
        let states: BTreeSet<DataState> = found.iter().map(|one| one.state).collect();
        let state = states.last()?;
        let messages: Vec<&str> = found.iter().filter_map(|one| one.message.as_deref()).collect();
        Some((reason(*state)?, messages.join("; ")))
    }
}

/// The reason of a state in conditions and events.
pub fn reason(state: DataState) -> Option<Reason> {
    match state {
        DataState::Kept => None,
        DataState::Deleting => Some(Reason::DataBeingDeleted),
        DataState::Lost => Some(Reason::VolumeLost),
    }
}

/// The kind of child that it is.
pub fn child_kind(kind: DataKind) -> Kind {
    match kind {
        DataKind::PersistentVolumeClaim => Kind::PersistentVolumeClaim,
        DataKind::Secret => Kind::Secret,
        DataKind::Cluster => Kind::Cluster,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ras_crds::RecruitmentDriveSpec;

    fn drive(annotation: Option<&str>) -> RecruitmentDrive {
        let mut drive = RecruitmentDrive::new("d", RecruitmentDriveSpec::default());
        drive.metadata.namespace = Some("n".to_owned());
        let annotation = annotation.map(|text| (ACCEPT_DATA_LOSS.to_owned(), text.to_owned()));
        drive.metadata.annotations = annotation.map(|one| [one].into());
        drive
    }

    fn found(kind: DataKind, live: Option<(&str, bool, bool)>, known: Option<&str>, annotation: Option<&str>) -> Data {
        let key = (kind, "v".to_owned());
        let used = Used {
            own: true,
            by: ["d-web".to_owned()].into(),
        };
        let live = live.map(|(uid, deleting, may_hold_data)| Live {
            uid: uid.to_owned(),
            deleting,
            may_hold_data,
        });
        let known: Vec<_> = known
            .into_iter()
            .map(|uid| DataStatus {
                kind,
                name: "v".to_owned(),
                uid: uid.to_owned(),
                ..DataStatus::default()
            })
            .collect();
        let live = live.map(|live| (key.clone(), live)).into_iter().collect();
        judge(&drive(annotation), &[(key, used)].into(), &live, &known)
    }

    /// State, UID that is remembered, and why the program is frozen.
    fn of(data: &Data) -> (Option<DataState>, Option<&str>, Option<Reason>) {
        let one = data.statuses.first();
        (
            one.map(|one| one.state),
            one.map(|one| one.uid.as_str()),
            data.freezes("d-web").map(|(reason, _)| reason),
        )
    }

    #[test]
    fn data_that_goes_or_is_gone_freezes_what_mounts_it_until_a_person_accepts_this_very_loss() {
        use DataKind::{Cluster, PersistentVolumeClaim as Claim, Secret};
        use DataState::{Deleting, Kept, Lost};
        let (deleted, gone) = (Some(Reason::DataBeingDeleted), Some(Reason::VolumeLost));
        for (kind, live, known, accepted, expected) in [
            // Nothing is remembered before it may hold data.
            (Claim, None, None, None, (None, None, None)),
            (Claim, Some(("a", false, false)), None, None, (None, None, None)),
            (
                Claim,
                Some(("a", false, true)),
                None,
                None,
                (Some(Kept), Some("a"), None),
            ),
            (
                Claim,
                Some(("a", false, false)),
                Some("a"),
                None,
                (Some(Kept), Some("a"), None),
            ),
            // It is being deleted, whether it was remembered or not.
            (
                Claim,
                Some(("a", true, false)),
                None,
                None,
                (Some(Deleting), Some("a"), deleted),
            ),
            (
                Claim,
                Some(("a", true, true)),
                Some("a"),
                None,
                (Some(Deleting), Some("a"), deleted),
            ),
            (
                Claim,
                Some(("a", true, true)),
                Some("a"),
                Some("v@a"),
                (Some(Deleting), Some("a"), None),
            ),
            (
                Cluster,
                Some(("a", true, true)),
                Some("a"),
                None,
                (Some(Deleting), Some("a"), deleted),
            ),
            (
                Secret,
                Some(("a", true, true)),
                Some("a"),
                None,
                (Some(Deleting), Some("a"), deleted),
            ),
            // It is gone.
            (Claim, None, Some("a"), None, (Some(Lost), Some("a"), gone)),
            (Cluster, None, Some("a"), None, (Some(Lost), Some("a"), gone)),
            (Claim, None, Some("a"), Some("v@b"), (Some(Lost), Some("a"), gone)),
            (Claim, None, Some("a"), Some("v"), (Some(Lost), Some("a"), gone)),
            (Claim, None, Some("a"), Some(" w@c, v@a"), (Some(Kept), Some("a"), None)),
            // Another has its name: not even this one's data is known to be the right one.
            (
                Claim,
                Some(("b", false, true)),
                Some("a"),
                None,
                (Some(Lost), Some("a"), gone),
            ),
            (
                Claim,
                Some(("b", false, false)),
                Some("a"),
                Some("v@a"),
                (Some(Kept), Some("b"), None),
            ),
            // Deleting a Secret requests new values.
            (Secret, None, Some("a"), None, (Some(Kept), Some("a"), None)),
            (
                Secret,
                Some(("b", false, true)),
                Some("a"),
                None,
                (Some(Kept), Some("b"), None),
            ),
        ] {
            let data = found(kind, live, known, accepted);
            assert_eq!(of(&data), expected, "{kind} {live:?} {known:?} {accepted:?}");
            let says = data.at_risk().map(|(_, message)| message);
            let command = "`kubectl annotate recruitmentdrive d -n n --overwrite ras.dev/accept-data-loss=v@a`";
            assert!(
                says.is_none_or(|message| message.contains(command)),
                "the next step is missing"
            );
        }
    }

    #[test]
    fn a_loss_is_told_before_what_is_only_being_deleted() {
        let keys = ["v", "w"].map(|name| (DataKind::PersistentVolumeClaim, name.to_owned()));
        let used = keys.clone().map(|key| (key, Used::default())).into();
        let live = Live {
            uid: "a".to_owned(),
            deleting: true,
            may_hold_data: true,
        };
        let known = DataStatus {
            name: "w".to_owned(),
            uid: "c".to_owned(),
            ..DataStatus::default()
        };
        let data = judge(&drive(None), &used, &[(keys[0].clone(), live)].into(), &[known]);
        let (reason, message) = data.at_risk().unwrap();
        assert_eq!(reason, Reason::VolumeLost);
        assert!(
            message.contains("/v is being deleted") && message.contains("/w (UID c) was deleted"),
            "{message}"
        );
    }
}
