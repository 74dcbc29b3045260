//! The problem of a Secret from an external store. Pure. Services wait for it, and conditions report it.

use ras_crds::Reason;

use crate::fetched::{ExternalSecretsVersion, Fetched};
use crate::valid::{ValidDrive, ValidExternal};

/// The API by which the External Secrets operator fills this Secret. Absent: it does not, because it is not installed or because
/// the Secret is an unowned one, which it would take over.
pub fn filled_by(fetched: &Fetched, external: &ValidExternal) -> Option<ExternalSecretsVersion> {
    let facts = fetched.external.get(&external.secret_name);
    let is_unowned = facts.is_some_and(|facts| facts.unowned.is_some());
    fetched.apis.external_secrets.filter(|_| !is_unowned)
}

/// The problem of an external Secret: a reason, and a message with the object, the store's error and the next step. An
/// existing Secret is not changed by any problem.
pub fn trouble(drive: &ValidDrive, fetched: &Fetched, external: &ValidExternal) -> Option<(Reason, String)> {
    let ValidExternal {
        name,
        secret_name,
        store,
        ..
    } = external;
    let facts = fetched.external.get(secret_name);
    let unowned = facts.and_then(|facts| facts.unowned.as_ref());
    let state = facts.and_then(|facts| facts.state.as_ref());
    let kind = external.store_kind.as_str();
    let is_there = fetched.secrets.contains_key(secret_name);
    let (namespace, since) = (
        &drive.namespace,
        if is_there {
            "; services continue with the values that it has"
        } else {
            ""
        },
    );
    if let Some(whose) = unowned {
        return Some((
            Reason::ForeignObject,
            format!(
                "Secret {secret_name:?} exists and {whose}, so it is not filled from {kind} {store:?}: if its values are not needed, \
                 delete it (`kubectl delete secret {secret_name} -n {namespace}`), or give the entry {name:?} of spec.secrets another name"
            ),
        ));
    }
    if fetched.apis.external_secrets.is_none() {
        return Some((
            Reason::ExternalSecretsMissing,
            format!(
                "Secret {secret_name:?} comes from {kind} {store:?}, and the External Secrets operator (external-secrets.io) is not \
                 installed: install it, and it is filled within a minute{since}"
            ),
        ));
    }
    match state.map(|state| (state.ready, state)) {
        Some((Some(false), state)) => Some((
            Reason::ExternalSecretFailing,
            format!(
                "Secret {secret_name:?} waits for {kind} {store:?}: its status is {reason}: {message}. \
                 `kubectl describe externalsecret {secret_name} -n {namespace}` tells what the store answered; check that the store is \
                 Ready (`kubectl get {plural}`), and external.{keys} of the entry {name:?} of spec.secrets{since}",
                reason = state.reason,
                message = state.message,
                plural = kind.to_ascii_lowercase(),
                keys = external.source.field(),
            ),
        )),
        Some((Some(true) | None, _)) | None if is_there => None,
        Some((Some(true) | None, _)) | None => Some((
            Reason::ExternalSecretPending,
            format!(
                "Secret {secret_name:?} is being fetched from {kind} {store:?}: if it takes more than a minute, \
                 `kubectl describe externalsecret {secret_name} -n {namespace}` shows the cause"
            ),
        )),
    }
}
