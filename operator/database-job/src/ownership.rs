//! The owner of a role or database, recorded in its comment, which administrators see, too (`\du+`, `\l+`). Pure.
//!
//! The comment on a role proves something, because writing it takes CREATEROLE. That on a database does not: its owner may write
//! it, so nothing is decided by it alone.

use ras_core::database::request::Drive;

const BEGINNING: &str = "ras-operator: RecruitmentDrive ";

/// The owner, as seen from a drive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ownership {
    /// It has no ownership comment: it was created by hand, or somebody replaced the comment.
    Unknown,
    Ours,
    /// A drive with the same name and another UID: this one before it was recreated, or one in another cluster.
    Namesake {
        uid: String,
    },
    OtherDrive {
        /// Namespace and name, such as `placements/spring`.
        drive: String,
    },
}

/// The comment on everything that `drive` creates.
pub fn ownership_comment(drive: &Drive) -> String {
    format!("{BEGINNING}{}/{}, UID {}", drive.namespace, drive.name, drive.uid)
}

pub fn ownership(comment: Option<&str>, drive: &Drive) -> Ownership {
    let parts = comment
        .and_then(|comment| comment.strip_prefix(BEGINNING))
        .and_then(|rest| rest.split_once(", UID "));
    match parts {
        None => Ownership::Unknown,
        Some((name, uid)) if name == format!("{}/{}", drive.namespace, drive.name) => {
            if uid == drive.uid {
                Ownership::Ours
            } else {
                Ownership::Namesake { uid: uid.to_owned() }
            }
        }
        Some((name, _)) => Ownership::OtherDrive { drive: name.to_owned() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drive(namespace: &str, name: &str, uid: &str) -> Drive {
        Drive {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            uid: uid.to_owned(),
        }
    }

    #[test]
    fn a_mark_tells_drives_apart() {
        let ours = drive("placements", "spring", "1");
        let comment = ownership_comment(&ours);
        assert_eq!(ownership(Some(&comment), &ours), Ownership::Ours);
        assert_eq!(
            ownership(Some(&comment), &drive("placements", "spring", "2")),
            Ownership::Namesake { uid: "1".to_owned() }
        );
        assert_eq!(
            ownership(Some(&comment), &drive("other", "spring", "1")),
            Ownership::OtherDrive {
                drive: "placements/spring".to_owned()
            }
        );
        assert_eq!(ownership(Some("our old accounts"), &ours), Ownership::Unknown);
        assert_eq!(ownership(None, &ours), Ownership::Unknown);
    }
}
