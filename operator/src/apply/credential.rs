//! Generated credentials: made when absent, never read back, drawn anew only when `build` says so.

use k8s_openapi::jiff::Timestamp;
use serde_json::{Map, Value, json};

use ras_crds::Reason;
use ras_crds::labels::{LOGIN_GENERATION, LOGIN_ROLLED_BACK, ROTATED_AT, ROTATED_FOR};

use crate::apply::child_client::{ChildClient, is_conflict};
use crate::apply::contest::Judgement;
use crate::apply::decide::{Asker, Step, decide, may_prune};
use crate::apply::item::{Item, ItemError};
use crate::apply::{Blocked, Done, LOOKS, foreign, judge, random, waiting};
use crate::controller::error::refusal;
use ras_core::build::{CredentialNotes, Desired, Prepared};
use ras_core::fetched::record::{Detail, Record};
use ras_core::kind::Kind;
use ras_core::retry::Retry;
use ras_core::valid::ValueFormat;

/// One credential: the Secret without its values, and what values it takes.
pub struct CredentialItem {
    /// The Secret's metadata and type.
    pub item: Item,
    keys: Vec<String>,
    value_format: ValueFormat,
    rotate: bool,
    roll_back: bool,
    notes: CredentialNotes,
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
                value_format: credential.value_format,
                rotate: credential.rotate,
                roll_back: credential.roll_back,
                notes: credential.notes.clone(),
            })
        })
        .collect()
}

/// Makes it, gives it the keys it lacks, draws its values anew, or puts its metadata right.
pub async fn place(child_client: &ChildClient, credential: &CredentialItem, asker: Asker<'_>) -> Done {
    let key = &credential.item.key;
    let mut record = child_client.store.get(key);
    let mut updated = false;
    let mut repaired = false;
    let mut taken = Vec::new();
    for _ in 0..LOOKS {
        if let Some(known) = record
            .as_ref()
            .filter(|known| !has_owner(credential) && may_prune(known, asker))
        {
            // Before anything else: as long as it has an owner it goes with the drive.
            match child_client.disown(key, &known.uid, asker.uid).await {
                Ok(()) => record = child_client.store.get(key),
                Err(error) if is_conflict(&error) => match child_client.look(key).await {
                    Ok(found) => record = found,
                    Err(error) => return Done::Blocked(super::blocked(key, refusal(&error))),
                },
                Err(error) => return Done::Blocked(super::blocked(key, refusal(&error))),
            }
            continue;
        }
        let mut step = decide(&credential.item, record.as_ref(), asker);
        let drifted = matches!(step, Step::Update { drifted: true, .. });
        if drifted && judge(child_client, &credential.item, record.as_ref(), &mut taken).await == Judgement::Hold {
            // Whoever insists on a label keeps no key from being added and no value from being drawn.
            step = Step::Nothing { verified: None };
        }
        let tried = match (&step, &record) {
            (Step::Wait, _) => return waiting(key),
            (Step::Foreign { whose }, found) => return foreign(key, whose, found.as_ref(), asker),
            (Step::Create, _) | (_, None) => create(child_client, credential).await,
            (Step::Nothing { verified }, Some(known)) => {
                if let Some(digest) = verified {
                    child_client.store.verified(key, *digest);
                }
                if credential.rotate && !is_drawn(credential, known) {
                    return rotate(child_client, credential, known).await;
                }
                if credential.roll_back && may_roll_back(credential, known) {
                    return roll_back(child_client, credential, known).await;
                }
                let lacking = lacking(credential, known);
                if lacking.is_empty() {
                    return if repaired {
                        Done::Repaired(key.clone(), taken)
                    } else if updated {
                        Done::Updated(key.clone())
                    } else {
                        Done::Nothing
                    };
                }
                add(child_client, credential, known, &lacking).await
            }
            (Step::Unlabel { uid }, Some(_)) => match child_client.unlabel(key, uid).await {
                Ok(()) => {
                    updated = true;
                    record = child_client.store.get(key);
                    continue;
                }
                Err(error) => Err(error.into()),
            },
            // Keys that are lacking are found once its metadata is right: the write wakes the drive again.
            (Step::Update { uid, .. }, Some(_)) => {
                match child_client.update(key, credential.item.body.clone(), uid).await {
                    Ok(()) => {
                        updated = true;
                        repaired |= drifted;
                        record = child_client.store.get(key);
                        continue;
                    }
                    Err(error) => Err(error.into()),
                }
            }
        };
        match tried {
            Ok(()) => {
                return if step == Step::Create {
                    Done::Created(key.clone())
                } else {
                    Done::Updated(key.clone())
                };
            }
            Err(Trouble::Api(error)) if is_conflict(&error) => match child_client.look(key).await {
                Ok(found) => record = found,
                Err(error) => return Done::Blocked(super::blocked(key, refusal(&error))),
            },
            Err(Trouble::Api(error)) => return Done::Blocked(super::blocked(key, refusal(&error))),
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

async fn create(child_client: &ChildClient, credential: &CredentialItem) -> Result<(), Trouble> {
    let mut body = credential.item.body.clone();
    // Values that are drawn for the first time are as new as anybody can wish.
    let notes = notes(credential);
    if !notes.is_empty()
        && let Some(metadata) = body.pointer_mut("/metadata").and_then(Value::as_object_mut)
        && let Some(annotations) = metadata
            .entry("annotations")
            .or_insert_with(|| json!({}))
            .as_object_mut()
    {
        annotations.extend(notes);
    }
    if let Some(object) = body.as_object_mut() {
        let values = values(credential.keys.clone(), credential.value_format).await?;
        object.insert("stringData".to_owned(), values);
    }
    Ok(child_client.create_secret(&credential.item.key, &body).await?)
}

async fn add(
    child_client: &ChildClient,
    credential: &CredentialItem,
    record: &Record,
    keys: &[String],
) -> Result<(), Trouble> {
    let values = values(keys.to_vec(), credential.value_format).await?;
    Ok(child_client
        .write_values(&credential.item.key, record, &values, None)
        .await?)
}

/// Draws every value anew and notes when, in one write. It is refused when the Secret is no longer as it was when that was
/// decided, and then decided anew: so nothing rotates twice, whoever else writes.
async fn rotate(child_client: &ChildClient, credential: &CredentialItem, record: &Record) -> Done {
    let key = &credential.item.key;
    let values = match values(credential.keys.clone(), credential.value_format).await {
        Ok(values) => values,
        Err(error) => return later(credential, error.to_string()),
    };
    let at = credential.notes.drawn_at;
    // Whole seconds, as all times in metadata.
    let at = Timestamp::from_second(at.as_second()).unwrap_or(at);
    let mut notes = notes(credential);
    notes.insert(ROTATED_AT.to_owned(), json!(at.to_string()));
    match child_client
        .write_values(key, record, &values, Some(&Value::Object(notes)))
        .await
    {
        Ok(()) => Done::Rotated(key.clone()),
        Err(error) => Done::Blocked(super::blocked(key, refusal(&error))),
    }
}

/// Notes that the rotation that drew these values is rolled back. It is refused when the Secret is no longer as it was when that
/// was decided: other values may have been drawn since.
async fn roll_back(child_client: &ChildClient, credential: &CredentialItem, record: &Record) -> Done {
    let key = &credential.item.key;
    let number = credential.notes.generation.unwrap_or_default().to_string();
    match child_client
        .annotate(key, record, &json!({(LOGIN_ROLLED_BACK): number}))
        .await
    {
        Ok(()) => Done::Updated(key.clone()),
        Err(error) => Done::Blocked(super::blocked(key, refusal(&error))),
    }
}

/// Whether the values are still those of the rotation that is rolled back, and nothing is noted yet.
fn may_roll_back(credential: &CredentialItem, record: &Record) -> bool {
    let asked = credential.notes.generation;
    matches!(&record.detail, Detail::Secret(facts) if facts.generation == asked && facts.rolled_back != asked)
}

/// What is written beside new values, however they come to be drawn.
fn notes(credential: &CredentialItem) -> Map<String, Value> {
    let CredentialNotes {
        drawn_at: _, // The Secret's own age tells it of the first values.
        request,
        generation,
    } = &credential.notes;
    let request = request.iter().map(|request| (ROTATED_FOR.to_owned(), json!(request)));
    let generation = generation
        .iter()
        .map(|generation| (LOGIN_GENERATION.to_owned(), json!(generation.to_string())));
    request.chain(generation).collect()
}

/// Whether the values that are there are of this rotation, or of a later one. What is remembered now may be newer than
/// what it was decided by.
fn is_drawn(credential: &CredentialItem, record: &Record) -> bool {
    match (&record.detail, credential.notes.generation) {
        (Detail::Secret(facts), Some(asked)) => facts.generation.is_some_and(|drawn| drawn >= asked),
        _ => false,
    }
}

fn has_owner(credential: &CredentialItem) -> bool {
    credential.item.body.pointer("/metadata/ownerReferences").is_some()
}

async fn values(keys: Vec<String>, value_format: ValueFormat) -> Result<Value, random::NoRandomness> {
    let draw = move || {
        let mut values = Map::new();
        for key in keys {
            let drawn = random::draw(value_format)?;
            values.extend(
                value_format
                    .made_for(&key)
                    .into_iter()
                    .zip(drawn.into_iter().map(Value::from)),
            );
        }
        Ok(Value::Object(values))
    };
    match value_format {
        // A large key takes a second of a processor, which other drives need meanwhile.
        ValueFormat::RsaKeyPair(_) => tokio::task::spawn_blocking(draw)
            .await
            .unwrap_or(Err(random::NoRandomness)),
        ValueFormat::Alphanumeric(_)
        | ValueFormat::Base64(_)
        | ValueFormat::Hex(_)
        | ValueFormat::Uuid
        | ValueFormat::Ed25519KeyPair => draw(),
    }
}

/// Keys of the spec for which something is lacking, as far as metadata tells. Of a key pair both halves are made anew.
fn lacking(credential: &CredentialItem, record: &Record) -> Vec<String> {
    let Detail::Secret(facts) = &record.detail else {
        return Vec::new();
    };
    // What is only not told of must not be drawn over.
    let Some(known) = facts.keys.as_ref().filter(|_| facts.is_complete) else {
        return Vec::new();
    };
    credential
        .keys
        .iter()
        .filter(|key| {
            let mut made = credential.value_format.made_for(key).into_iter();
            made.any(|made| !known.contains_key(&made))
        })
        .cloned()
        .collect()
}
