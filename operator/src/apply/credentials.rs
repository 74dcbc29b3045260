//! Generated credentials: values are generated when a key is missing, never read back, and replaced only when `build`
//! requests it.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use ras_crds::labels::{LOGIN_GENERATION, LOGIN_ROLLED_BACK, ROTATED_AT, ROTATED_FOR};

use crate::apply::applier::{Applier, MAX_ATTEMPTS, run_all};
use crate::apply::child_client::is_conflict;
use crate::apply::conflicts::ConflictDecision;
use crate::apply::decide::{ChildAction, decide, may_prune};
use crate::apply::item::{Item, ItemError};
use crate::apply::random;
use crate::apply::result::ChildResult;
use crate::apply::write::decide_repair;
use ras_core::applied::Taken;
use ras_core::build::{Credential, CredentialNotes, Desired};
use ras_core::fetched::record::{ChildKey, Detail, Record};
use ras_core::kind::Kind;
use ras_core::valid::ValueFormat;
use ras_core::whole_seconds::whole_seconds;

/// The credentials that were written before all other children.
#[derive(Debug, Default)]
pub struct AppliedCredentials {
    pub(super) keys: BTreeSet<ChildKey>,
    pub(super) results: Vec<ChildResult>,
}

impl AppliedCredentials {
    /// True when a Secret was created or changed.
    pub fn were_written(&self) -> bool {
        self.results.iter().any(|result| match result {
            ChildResult::Created(_) | ChildResult::Updated(_) | ChildResult::Repaired(..) | ChildResult::Rotated(_) => {
                true
            }
            ChildResult::Unchanged | ChildResult::Skipped | ChildResult::Deleted(_) | ChildResult::Blocked(_) => false,
        })
    }
}

/// The item is the Secret without its values.
struct CredentialItem<'a> {
    item: Item,
    credential: &'a Credential,
}

/// Writes all credentials of the drive, except those in `frozen`.
pub(super) async fn apply(
    applier: Applier<'_>,
    desired: &Desired,
    frozen: &BTreeSet<ChildKey>,
) -> Result<AppliedCredentials, ItemError> {
    let mut credentials = Vec::new();
    for credential in &desired.credentials {
        let item = Item::new(Kind::Secret, &credential.secret)?;
        credentials.push(CredentialItem { item, credential });
    }
    let writes = credentials.iter().filter(|one| !frozen.contains(&one.item.key));
    let writes = writes.map(|credential| write(applier, credential));
    Ok(AppliedCredentials {
        results: run_all(writes.collect()).await,
        keys: credentials
            .iter()
            .map(|credential| credential.item.key.clone())
            .collect(),
    })
}

/// Creates the Secret, corrects its metadata, generates missing keys, or replaces its values.
async fn write(applier: Applier<'_>, credential: &CredentialItem<'_>) -> ChildResult {
    let (child_client, key) = (applier.child_client, &credential.item.key);
    let mut record = child_client.store.get(key);
    let mut updated = false;
    let mut repaired = false;
    let mut taken = Vec::new();
    for _ in 0..MAX_ATTEMPTS {
        let attempt = match attempt(applier, credential, record.as_ref(), &mut taken).await {
            Ok(attempt) => attempt,
            Err(Failed::Api(error)) if is_conflict(&error) => match child_client.refresh(key).await {
                Ok(found) => {
                    record = found;
                    continue;
                }
                Err(error) => return ChildResult::failed(key, &error),
            },
            Err(Failed::Api(error)) => return ChildResult::failed(key, &error),
            Err(Failed::Random(error)) => return ChildResult::retried(key, error.to_string()),
        };
        match attempt {
            Attempt::Done(ChildResult::Unchanged) if repaired => return ChildResult::Repaired(key.clone(), taken),
            Attempt::Done(ChildResult::Unchanged) if updated => return ChildResult::Updated(key.clone()),
            Attempt::Done(result) => return result,
            Attempt::OwnerRemoved => {}
            Attempt::MetadataWritten { drifted } => {
                updated = true;
                repaired |= drifted;
            }
        }
        record = child_client.store.get(key);
    }
    ChildResult::keeps_changing(key)
}

enum Attempt {
    Done(ChildResult),
    /// Decide again with what was written.
    OwnerRemoved,
    /// Missing keys are found after the metadata is correct: decide again.
    MetadataWritten {
        drifted: bool,
    },
}

#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error(transparent)]
    Api(#[from] kube::Error),
    #[error(transparent)]
    Random(#[from] random::NoRandomness),
}

async fn attempt(
    applier: Applier<'_>,
    credential: &CredentialItem<'_>,
    record: Option<&Record>,
    taken: &mut Vec<Taken>,
) -> Result<Attempt, Failed> {
    let (child_client, item, key) = (applier.child_client, &credential.item, &credential.item.key);
    if let Some(known) = record
        && !credential.has_owner()
        && may_prune(known, applier.id())
    {
        // First of all: a Secret with an owner is deleted together with the drive.
        child_client.disown(key, &known.uid, applier.uid).await?;
        return Ok(Attempt::OwnerRemoved);
    }
    let mut action = decide(item, record, applier.id());
    let drifted = matches!(action, ChildAction::Update { drifted: true, .. });
    if drifted && decide_repair(applier, item, record, taken).await == ConflictDecision::Hold {
        // A conflict about a label must not keep missing keys from being generated, or values from being rotated.
        action = ChildAction::Nothing { verified: None };
    }
    let result = match (&action, record) {
        (ChildAction::Wait, _) => ChildResult::being_deleted(key),
        (ChildAction::Unowned { whose }, found) => ChildResult::unowned(key, whose, found, applier.id()),
        (ChildAction::Create, _) | (_, None) => {
            create(applier, credential).await?;
            if action == ChildAction::Create {
                ChildResult::Created(key.clone())
            } else {
                ChildResult::Updated(key.clone())
            }
        }
        (ChildAction::Unlabel { uid }, Some(_)) => {
            child_client.unlabel(key, uid).await?;
            return Ok(Attempt::MetadataWritten { drifted: false });
        }
        (ChildAction::Update { uid, .. }, Some(_)) => {
            child_client.update(key, item.body.clone(), uid).await?;
            return Ok(Attempt::MetadataWritten { drifted });
        }
        (ChildAction::Nothing { verified }, Some(known)) => {
            if let Some(digest) = verified {
                child_client.store.verified(key, *digest);
            }
            if credential.must_rotate(known) {
                rotate(applier, credential, known).await
            } else if credential.may_roll_back(known) {
                roll_back(applier, credential, known).await
            } else {
                let missing = credential.missing_keys(known);
                if missing.is_empty() {
                    ChildResult::Unchanged
                } else {
                    let values = values(missing, credential.credential.value_format).await?;
                    child_client.write_values(key, known, &values, None).await?;
                    ChildResult::Updated(key.clone())
                }
            }
        }
    };
    Ok(Attempt::Done(result))
}

async fn create(applier: Applier<'_>, credential: &CredentialItem<'_>) -> Result<(), Failed> {
    let mut body = credential.item.body.clone();
    // New values satisfy every pending rotation token.
    let annotations = credential.annotations();
    if !annotations.is_empty()
        && let Some(metadata) = body.pointer_mut("/metadata").and_then(Value::as_object_mut)
        && let Some(all) = metadata
            .entry("annotations")
            .or_insert_with(|| json!({}))
            .as_object_mut()
    {
        all.extend(annotations);
    }
    if let Some(object) = body.as_object_mut() {
        let Credential { keys, value_format, .. } = credential.credential;
        object.insert("stringData".to_owned(), values(keys.clone(), *value_format).await?);
    }
    Ok(applier.child_client.create_secret(&credential.item.key, &body).await?)
}

/// Replaces every value and records the time, in one write. The API server refuses it if the Secret has changed since
/// the decision, so a rotation never happens twice.
async fn rotate(applier: Applier<'_>, credential: &CredentialItem<'_>, record: &Record) -> ChildResult {
    let key = &credential.item.key;
    let Credential { keys, value_format, .. } = credential.credential;
    let values = match values(keys.clone(), *value_format).await {
        Ok(values) => values,
        Err(error) => return ChildResult::retried(key, error.to_string()),
    };
    let at = whole_seconds(credential.credential.notes.drawn_at).0;
    let mut annotations = credential.annotations();
    annotations.insert(ROTATED_AT.to_owned(), json!(at.to_string()));
    let annotations = Value::Object(annotations);
    let written = applier
        .child_client
        .write_values(key, record, &values, Some(&annotations));
    match written.await {
        Ok(()) => ChildResult::Rotated(key.clone()),
        Err(error) => ChildResult::failed(key, &error),
    }
}

/// Records that the rotation that generated these values is rolled back. The API server refuses it if the Secret has
/// changed since the decision.
async fn roll_back(applier: Applier<'_>, credential: &CredentialItem<'_>, record: &Record) -> ChildResult {
    let key = &credential.item.key;
    let generation = credential.credential.notes.generation.unwrap_or_default().to_string();
    let annotations = json!({(LOGIN_ROLLED_BACK): generation});
    match applier.child_client.annotate(key, record, &annotations).await {
        Ok(()) => ChildResult::Updated(key.clone()),
        Err(error) => ChildResult::failed(key, &error),
    }
}

impl CredentialItem<'_> {
    fn has_owner(&self) -> bool {
        self.item.body.pointer("/metadata/ownerReferences").is_some()
    }

    /// False when the values are already of the requested rotation or a later one: the record may be newer than the
    /// plan.
    fn must_rotate(&self, record: &Record) -> bool {
        let is_rotated = match (&record.detail, self.credential.notes.generation) {
            (Detail::Secret(facts), Some(asked)) => facts.generation.is_some_and(|current| current >= asked),
            _ => false,
        };
        self.credential.rotate && !is_rotated
    }

    /// True when the values are still those of the rotation to roll back, and that is not recorded yet.
    fn may_roll_back(&self, record: &Record) -> bool {
        let asked = self.credential.notes.generation;
        self.credential.roll_back
            && matches!(&record.detail, Detail::Secret(facts) if facts.generation == asked && facts.rolled_back != asked)
    }

    /// Annotations of new values.
    fn annotations(&self) -> Map<String, Value> {
        let CredentialNotes {
            drawn_at: _, // For first values it is the Secret's creation time.
            request: token,
            generation,
        } = &self.credential.notes;
        let token = token.iter().map(|token| (ROTATED_FOR.to_owned(), json!(token)));
        let generation = generation
            .iter()
            .map(|generation| (LOGIN_GENERATION.to_owned(), json!(generation.to_string())));
        token.chain(generation).collect()
    }

    /// Keys of the spec for which the Secret lacks a key. Both halves of a key pair are generated together.
    fn missing_keys(&self, record: &Record) -> Vec<String> {
        let Detail::Secret(facts) = &record.detail else {
            return Vec::new();
        };
        // With incomplete metadata a key may exist that is not listed, and must not be replaced.
        let Some(existing) = facts.keys.as_ref().filter(|_| facts.is_complete) else {
            return Vec::new();
        };
        let Credential { keys, value_format, .. } = self.credential;
        let is_missing = |key: &&String| {
            value_format
                .made_for(key)
                .iter()
                .any(|made| !existing.contains_key(made))
        };
        keys.iter().filter(is_missing).cloned().collect()
    }
}

async fn values(keys: Vec<String>, value_format: ValueFormat) -> Result<Value, random::NoRandomness> {
    let generate = move || {
        let mut values = Map::new();
        for key in keys {
            let generated = random::generate(value_format)?.into_iter().map(Value::from);
            values.extend(value_format.made_for(&key).into_iter().zip(generated));
        }
        Ok(Value::Object(values))
    };
    match value_format {
        // A large key takes a second of processor time, which would block other drives.
        ValueFormat::RsaKeyPair(_) => tokio::task::spawn_blocking(generate)
            .await
            .unwrap_or(Err(random::NoRandomness)),
        ValueFormat::Alphanumeric(_)
        | ValueFormat::Base64(_)
        | ValueFormat::Hex(_)
        | ValueFormat::Uuid
        | ValueFormat::Ed25519KeyPair => generate(),
    }
}
