//! Who owns a bucket. Pure.

use ras_crds::labels;

use crate::snapshot::{BucketSnapshot, Seen};
use ras_core::bucket::request::Owner;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ownership {
    /// No such bucket exists.
    Missing,
    /// Its tags name the owner.
    Ours,
    /// Its name proves that the operator created it for the owner. It has no owner's tags: it was created a moment ago,
    /// somebody removed them, or the store has no tags.
    Named {
        /// It has tags of another owner.
        has_tags: bool,
    },
    /// It has or may have another owner.
    Foreign {
        /// The reason, as part of a sentence.
        whose: String,
    },
}

pub fn ownership(bucket: &str, observed: &BucketSnapshot, owner: &Owner) -> Ownership {
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

/// The name ends with the proof that the operator created the bucket for `owner`.
fn is_named_for(bucket: &str, owner: &Owner) -> bool {
    bucket
        .strip_suffix(&owner.proof())
        .is_some_and(|rest| rest.ends_with('-'))
}
