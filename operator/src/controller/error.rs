//! What the API server refuses, sorted by what helps. Pure.

mod shorten;

#[cfg(test)]
mod tests;

use kube::Error;
use kube::core::Status;
use ras_crds::Reason;

use crate::informer::api_errors::is_busy;
use ras_core::retry::Retry;

/// A refusal in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Reason for the condition.
    pub reason: Reason,
    /// The API server's message, and the next step.
    pub message: String,
    /// When to try again.
    pub retry: Retry,
}

/// Why the API server refused a request: what helps differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The authorizer: the operator's role lacks a permission.
    Permission,
    /// Admission lets only those who may write finalizers of the owner name it as one: again a permission.
    OwnerPermission,
    Token,
    /// The namespace takes nothing new, because it is being deleted.
    NamespaceTerminating,
    /// There is no such namespace any more.
    NamespaceGone,
    /// A `ResourceQuota`.
    Quota,
    /// A `LimitRange`.
    LimitRange,
    /// The storage class of a volume does not let it grow.
    Expansion,
    /// A webhook, an admission policy or pod security.
    Policy,
    /// Another admission plug-in.
    Admission,
    /// A field that cannot change once the object exists.
    Immutable,
    /// The object cannot be: retrying does not help.
    Invalid,
    /// The object does not fit the schema of its kind, which only a fault of `build` explains.
    Misfit,
    /// The API server does not serve the kind.
    UnknownKind,
    /// The object is gone.
    Gone,
    /// Another client wrote it at the same time.
    Conflict,
    /// The API server, or what it asks, has trouble of its own.
    Trouble,
}

/// Why the API server refused a request.
pub fn cause(status: &Status) -> Cause {
    let said = status.message.as_str();
    let has = |reason: &str| {
        let causes = status.details.iter().flat_map(|details| &details.causes);
        causes.into_iter().any(|cause| cause.reason == reason)
    };
    // An admission plug-in chooses the code of its refusal, so its words are looked at first.
    if has("NamespaceTerminating") || said.contains("because it is being terminated") {
        return Cause::NamespaceTerminating;
    }
    if matches!(status.code, 400 | 403 | 422) && is_policy(said) {
        return Cause::Policy;
    }
    match status.code {
        401 => Cause::Token,
        403 if is_unauthorized(said) => Cause::Permission,
        403 if said.contains("blockOwnerDeletion") => Cause::OwnerPermission,
        403 if said.contains("exceeded quota") || said.contains("failed quota") => Cause::Quota,
        403 if is_limit_range(said) => Cause::LimitRange,
        403 if said.contains("must support resize") => Cause::Expansion,
        403 => Cause::Admission,
        400 | 405 | 413 | 415 | 422 if said.contains("immutable") || said.contains("updates to statefulset spec") => {
            Cause::Immutable
        }
        400 | 405 | 413 | 415 | 422 => Cause::Invalid,
        // What server-side apply answers when an object does not fit its kind's schema: the same object never will.
        500 if said.contains("failed to create typed patch object") => Cause::Misfit,
        404 if is_namespace(status) => Cause::NamespaceGone,
        404 if said.ends_with("\" not found") => Cause::Gone,
        404 => Cause::UnknownKind,
        409 => Cause::Conflict,
        _ => Cause::Trouble,
    }
}

/// True for the authorizer's message: `User "…" cannot patch resource "…"`.
fn is_unauthorized(said: &str) -> bool {
    let Some((_, user)) = said.split_once("User \"") else {
        return false;
    };
    user.split_once("\" cannot ")
        .is_some_and(|(name, _)| !name.contains('"'))
}

fn is_policy(said: &str) -> bool {
    said.contains("admission webhook \"")
        || said.contains("ValidatingAdmissionPolicy '")
        || said.contains("MutatingAdmissionPolicy '")
        || said.contains("violates PodSecurity \"")
}

/// True for a message of the plug-in `LimitRanger`.
fn is_limit_range(said: &str) -> bool {
    [" usage per ", " limit to request ratio per "]
        .iter()
        .filter_map(|words| said.split_once(words))
        .any(|(before, after)| {
            let mut words = before.rsplit([' ', '[']);
            words.any(|word| matches!(word, "maximum" | "minimum" | "max" | "min"))
                && ["Container", "Pod", "PersistentVolumeClaim"]
                    .iter()
                    .any(|kind| after.starts_with(kind))
        })
}

fn is_namespace(status: &Status) -> bool {
    status
        .details
        .as_ref()
        .is_some_and(|details| details.kind == "namespaces")
        || status.message.starts_with("namespaces \"")
}

/// Sorts an error of the API server by what helps.
pub fn refusal(error: &Error) -> Refusal {
    let Error::Api(status) = error else {
        return Refusal {
            reason: Reason::ApiUnavailable,
            message: format!("the API server could not be reached ({error}); retrying"),
            retry: Retry::WhenReached,
        };
    };
    let cause = cause(status);
    let said = shorten::status(status);
    let (reason, retry) = match cause {
        Cause::Permission | Cause::OwnerPermission => (Reason::Forbidden, Retry::Soon),
        Cause::NamespaceTerminating | Cause::NamespaceGone => (Reason::Progressing, Retry::Never),
        // Quotas, limits, policies and storage classes change without a word to the operator.
        Cause::Quota | Cause::LimitRange | Cause::Expansion | Cause::Policy | Cause::Admission => {
            (Reason::Refused, Retry::Soon)
        }
        Cause::Immutable | Cause::Invalid | Cause::Misfit => (Reason::Refused, Retry::OnChange),
        Cause::Trouble if is_busy(status.code) => (Reason::ApiUnavailable, Retry::WhenReached),
        Cause::Token | Cause::UnknownKind | Cause::Gone | Cause::Conflict | Cause::Trouble => {
            (Reason::ApiUnavailable, Retry::Soon)
        }
    };
    let message = match cause {
        Cause::Permission => format!("{said}: give the operator's role this permission"),
        Cause::OwnerPermission => {
            format!("{said}: give the operator's role the permission to update recruitmentdrives/finalizers")
        }
        Cause::Token => "the API server does not accept the operator's token (401); retrying".to_owned(),
        Cause::NamespaceTerminating => "the namespace is being deleted, so nothing more is created in it".to_owned(),
        Cause::NamespaceGone => "the namespace does not exist any more".to_owned(),
        Cause::Quota => format!("{said}: raise the namespace's quota, free some of it, or ask for less; retrying"),
        Cause::LimitRange => format!("{said}: ask for an amount within the namespace's LimitRange, or change that"),
        Cause::Expansion => format!(
            "{said}: set the size that the volume has, or let its storage class expand volumes (allowVolumeExpansion: true)"
        ),
        Cause::Policy => {
            format!("{said}: change the drive so that this policy of the cluster allows it, or the policy; retrying")
        }
        Cause::Admission => {
            format!("{said}: this is a rule of the cluster, and no permission that the operator lacks; retrying")
        }
        Cause::Immutable => {
            format!("{said}: it cannot change while the object exists, so set it back to what it was")
        }
        Cause::Invalid => said,
        Cause::Misfit => format!(
            "{said}: the operator built an object that does not fit its kind: change the part of the drive that this names, and \
             report it as a bug of the operator"
        ),
        Cause::UnknownKind => "the API server does not serve this kind yet; retrying".to_owned(),
        Cause::Gone => format!("it was deleted while it was written ({said}); retrying"),
        Cause::Conflict => format!("another client wrote it at the same time ({said}); retrying"),
        Cause::Trouble => format!("the API server answered {}: {said}; retrying", status.code),
    };
    Refusal { reason, message, retry }
}
