//! Tells a bucket from another one of its name: a bucket that was deleted and created again has the name and not the objects.
//! Pure.
//!
//! S3 gives a bucket no UID. A new bucket gets a unique tag, which status records. Without a tag (the store has none, or the
//! bucket existed before its drive) only its absence can be noticed.
//!
//! | recorded | exists now | result |
//! |---|---|---|
//! | nothing | anything | created, or used, and recorded |
//! | a tag or a name | nothing | lost |
//! | a tag | a bucket without it, or with another one | lost: another bucket has its name |
//! | a tag | a bucket with it | unchanged |
//! | a name | a bucket | unchanged; a tag that it has, or can get, is recorded from now on |
//!
//! A bucket without the tag may hold everything, because somebody removed its tags, or nothing, because an application created
//! it. So only the user decides: by writing the tag onto the right bucket, or by accepting the loss.

use ras_crds::labels::BUCKET_IDENTITY;

use crate::failure::Failure;
use crate::snapshot::{BucketSnapshot, Seen};
use ras_core::bucket::state::Identity;

/// Fails if the observed bucket is not the recorded one.
pub fn check(bucket: &str, observed: &BucketSnapshot, known: Option<&Identity>) -> Result<(), Failure> {
    let Some(known) = known else { return Ok(()) };
    if !observed.exists {
        return Err(Failure::lost(bucket, false));
    }
    match (known, &observed.tags) {
        (Identity::Tag(tag), Seen::Is(tags)) if tags.get(BUCKET_IDENTITY) != Some(tag) => {
            Err(Failure::lost(bucket, true))
        }
        _ => Ok(()),
    }
}

/// The identity to record of an existing bucket that passed [`check`].
pub fn of(observed: &BucketSnapshot, known: Option<&Identity>, new_tag: &str) -> Identity {
    let tag = observed.tags.known().and_then(|tags| tags.get(BUCKET_IDENTITY));
    match (tag, known) {
        (Some(tag), _) => Identity::Tag(tag.clone()),
        (None, Some(known)) => known.clone(),
        (None, None) => Identity::Name(new_tag.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn there(tags: &[(&str, &str)]) -> BucketSnapshot {
        let tags = tags.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        BucketSnapshot {
            exists: true,
            tags: Seen::Is(tags.collect()),
            ..BucketSnapshot::default()
        }
    }

    #[test]
    fn a_bucket_is_the_remembered_one_by_its_tag_and_by_its_name_only_where_it_never_had_one() {
        let (tag, name) = (Identity::Tag("a".to_owned()), Identity::Name("b".to_owned()));
        let ours = there(&[(BUCKET_IDENTITY, "a")]);
        let other = there(&[(BUCKET_IDENTITY, "c")]);
        let bare = there(&[]);
        let lacking = BucketSnapshot {
            tags: Seen::Lacking,
            ..there(&[])
        };
        for (observed, known, lost) in [
            (&BucketSnapshot::missing(), None, None),
            (&BucketSnapshot::missing(), Some(&tag), Some(false)),
            (&BucketSnapshot::missing(), Some(&name), Some(false)),
            (&ours, Some(&tag), None),
            (&other, Some(&tag), Some(true)),
            (&bare, Some(&tag), Some(true)),
            (&bare, Some(&name), None),
            (&other, Some(&name), None),
            (&lacking, Some(&tag), None),
            (&bare, None, None),
        ] {
            let found = check("b", observed, known)
                .err()
                .and_then(|failure| failure.lost_to_another());
            assert_eq!(found, lost, "{observed:?} {known:?}");
        }
        assert_eq!(of(&ours, Some(&name), "n"), tag);
        assert_eq!(of(&bare, Some(&name), "n"), name);
        assert_eq!(of(&lacking, None, "n"), Identity::Name("n".to_owned()));
        for identity in [tag, name] {
            assert_eq!(Identity::parse(&identity.to_string()), identity);
        }
    }
}
