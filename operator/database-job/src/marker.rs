//! Whose a role or database is: a comment on it, which administrators see too (`\du+`, `\l+`). Pure.

use ras_core::database::request::Drive;

const BEGINNING: &str = "ras-operator: RecruitmentDrive ";

/// Whose something is, to a drive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whose {
    /// It bears no mark: it was made by hand, or somebody wrote a comment of their own over it.
    Unknown,
    /// This drive's.
    Ours,
    /// A drive's of the same name: this one's earlier life, or a namesake in another cluster.
    Namesakes {
        /// Its UID.
        uid: String,
    },
    /// Another drive's.
    Another {
        /// Namespace and name: `placements/spring`.
        drive: String,
    },
}

/// The comment that marks what `drive` made.
pub fn marker(drive: &Drive) -> String {
    format!("{BEGINNING}{}/{}, UID {}", drive.namespace, drive.name, drive.uid)
}

/// Whose something with this comment is.
pub fn whose(comment: Option<&str>, drive: &Drive) -> Whose {
    let parts = comment
        .and_then(|comment| comment.strip_prefix(BEGINNING))
        .and_then(|rest| rest.split_once(", UID "));
    match parts {
        None => Whose::Unknown,
        Some((name, uid)) if name == format!("{}/{}", drive.namespace, drive.name) => {
            if uid == drive.uid {
                Whose::Ours
            } else {
                Whose::Namesakes { uid: uid.to_owned() }
            }
        }
        Some((name, _)) => Whose::Another { drive: name.to_owned() },
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
        let mark = marker(&ours);
        assert_eq!(whose(Some(&mark), &ours), Whose::Ours);
        assert_eq!(
            whose(Some(&mark), &drive("placements", "spring", "2")),
            Whose::Namesakes { uid: "1".to_owned() }
        );
        assert_eq!(
            whose(Some(&mark), &drive("other", "spring", "1")),
            Whose::Another {
                drive: "placements/spring".to_owned()
            }
        );
        assert_eq!(whose(Some("our old accounts"), &ours), Whose::Unknown);
        assert_eq!(whose(None, &ours), Whose::Unknown);
    }
}
