//! Whose a bucket is. Pure.

use ras_crds::labels;

use crate::observed::{Observed, Seen};
use ras_core::bucket::request::Owner;

/// Whose a bucket is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ownership {
    /// There is none.
    Missing,
    /// Its tags say that it is ours.
    Ours,
    /// Its name says that it is ours. Its tags say nothing, because it was made a moment ago, because somebody took
    /// ours off, or because the store has no tags.
    Named {
        /// Whether it has tags of somebody who is not us.
        has_tags: bool,
    },
    /// It is somebody else's, or that cannot be ruled out.
    Foreign {
        /// Whose it is, in words.
        whose: String,
    },
}

/// Whose `bucket` is, to `owner`.
pub fn ownership(bucket: &str, observed: &Observed, owner: &Owner) -> Ownership {
    if !observed.exists {
        return Ownership::Missing;
    }
    let has_tags = match &observed.tags {
        Seen::NotRead => {
            return Ownership::Foreign {
                whose: "whose it is could not be found out".to_owned(),
            };
        }
        Seen::Lacking => false,
        Seen::Is(tags) => {
            let tag = |key: &str| tags.get(key).map(String::as_str);
            match (tag(labels::DRIVE_UID), tag(labels::BUCKET)) {
                (Some(uid), Some(name)) if uid == owner.uid && name == owner.bucket => return Ownership::Ours,
                (None, None) => {}
                (uid, name) => {
                    return Ownership::Foreign {
                        whose: format!(
                            "its tags say that it belongs to the bucket {} of the drive {}/{} (UID {})",
                            name.unwrap_or("?"),
                            tag(labels::NAMESPACE).unwrap_or("?"),
                            tag(labels::DRIVE).unwrap_or("?"),
                            uid.unwrap_or("?"),
                        ),
                    };
                }
            }
            !tags.is_empty()
        }
    };
    if is_named_for(bucket, owner) {
        Ownership::Named { has_tags }
    } else {
        Ownership::Foreign {
            whose: "it exists already and was not made by the operator for this drive (it has no owner's tags)"
                .to_owned(),
        }
    }
}

/// Whether the name proves that we made the bucket for `owner`.
fn is_named_for(bucket: &str, owner: &Owner) -> bool {
    bucket
        .strip_suffix(&owner.proof())
        .is_some_and(|rest| rest.ends_with('-'))
}
