//! Generated credentials: made when absent, never read back, never changed by accident.

use serde_json::{Map, Value, json};

use ras_crds::Reason;

use crate::cluster::kind::Kind;
use crate::cluster::record::{Detail, Record};
use crate::drive::apply::decide::{Asker, Step, decide};
use crate::drive::apply::hands::{Hands, is_conflict};
use crate::drive::apply::item::{Item, ItemError};
use crate::drive::apply::{Blocked, Done, LOOKS, foreign, random, waiting};
use crate::drive::build::{Desired, Prepared};
use crate::drive::error::{Retry, refusal};

/// One credential: the Secret without its values, and what values it takes.
pub struct CredentialItem {
    /// The Secret's metadata and type.
    pub item: Item,
    keys: Vec<String>,
    length: usize,
}

/// The credentials of a drive.
pub fn items(desired: &Desired<Prepared>) -> Result<Vec<CredentialItem>, ItemError> {
    desired
        .credentials
        .iter()
        .map(|credential| {
            Ok(CredentialItem {
                item: Item::new(Kind::Secret, &credential.secret)?,
                keys: credential.keys.clone(),
                length: credential.length,
            })
        })
        .collect()
}

/// Makes it, gives it the keys it lacks, or puts its metadata right.
pub async fn place(hands: &Hands, credential: &CredentialItem, asker: Asker<'_>) -> Done {
    let key = &credential.item.key;
    let mut record = hands.store.get(key);
    for _ in 0..LOOKS {
        let step = decide(&credential.item, record.as_ref(), asker);
        let tried = match (&step, &record) {
            (Step::Wait, _) => return waiting(key),
            (Step::Foreign { whose }, _) => return foreign(key, whose),
            (Step::Create, _) | (_, None) => create(hands, credential).await,
            (Step::Nothing { verified }, Some(known)) => {
                if let Some(digest) = verified {
                    hands.store.verified(key, *digest);
                }
                let lacking = lacking(credential, known);
                if lacking.is_empty() {
                    return Done::Nothing;
                }
                add(hands, credential, known, &lacking).await
            }
            // Keys that are lacking are found once its metadata is right: the write wakes the drive again.
            (Step::Update { uid, .. }, Some(known)) => match hands.update(key, credential.item.body.clone(), uid).await
            {
                Ok(()) if lacking(credential, known).is_empty() => Ok(()),
                Ok(()) => {
                    record = hands.store.get(key);
                    continue;
                }
                Err(error) => Err(error.into()),
            },
        };
        match tried {
            // What was left out when it was made is applied now.
            Ok(()) if step == Step::Create && has_owner(credential) => record = hands.store.get(key),
            Ok(()) => {
                return if step == Step::Create {
                    Done::Created(key.clone())
                } else {
                    Done::Updated(key.clone())
                };
            }
            Err(Trouble::Api(error)) if is_conflict(&error) => match hands.look(key).await {
                Ok(found) => record = found,
                Err(error) => return Done::Blocked(Blocked::of(key, refusal(&error))),
            },
            Err(Trouble::Api(error)) => return Done::Blocked(Blocked::of(key, refusal(&error))),
            Err(Trouble::Random(error)) => return later(credential, error.to_string()),
        }
    }
    later(
        credential,
        "it keeps changing while it is written; it is tried again".to_owned(),
    )
}

fn later(credential: &CredentialItem, message: String) -> Done {
    Done::Blocked(Blocked {
        child: credential.item.key.clone(),
        reason: Reason::ApiUnavailable,
        message,
        retry: Retry::Soon,
    })
}

#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error(transparent)]
    Api(#[from] kube::Error),
    #[error(transparent)]
    Random(#[from] random::NoRandomness),
}

async fn create(hands: &Hands, credential: &CredentialItem) -> Result<(), Trouble> {
    let mut body = credential.item.body.clone();
    if let Some(metadata) = body.pointer_mut("/metadata").and_then(Value::as_object_mut) {
        // An owner set by a create could never be taken away by a later apply, which a change to
        // `deletionPolicy: Retain` needs. It is applied right after; the hash goes with that apply.
        if metadata.remove("ownerReferences").is_some() {
            metadata.remove("annotations");
        }
    }
    if let Some(object) = body.as_object_mut() {
        object.insert("stringData".to_owned(), values(&credential.keys, credential.length)?);
    }
    Ok(hands.create_secret(&credential.item.key, &body).await?)
}

async fn add(hands: &Hands, credential: &CredentialItem, record: &Record, keys: &[String]) -> Result<(), Trouble> {
    let values = values(keys, credential.length)?;
    Ok(hands.add_to_secret(&credential.item.key, record, &values).await?)
}

fn has_owner(credential: &CredentialItem) -> bool {
    credential.item.body.pointer("/metadata/ownerReferences").is_some()
}

fn values(keys: &[String], length: usize) -> Result<Value, random::NoRandomness> {
    let mut values = Map::new();
    for key in keys {
        values.insert(key.clone(), json!(random::text(length)?));
    }
    Ok(Value::Object(values))
}

/// Keys it should have and has not, as far as metadata tells.
fn lacking(credential: &CredentialItem, record: &Record) -> Vec<String> {
    let Detail::Secret(facts) = &record.detail else {
        return Vec::new();
    };
    let Some(known) = &facts.keys else { return Vec::new() };
    credential
        .keys
        .iter()
        .filter(|key| !known.contains_key(*key))
        .cloned()
        .collect()
}
