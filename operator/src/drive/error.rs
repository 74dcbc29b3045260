//! What the API server refuses, sorted by what helps. Pure.

use kube::Error;
use ras_crds::Reason;

use crate::cluster::reach::is_busy;

/// When to try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// With back-off.
    Soon,
    /// With back-off, and as soon as the API server is reached again.
    WhenReached,
    /// When something changes, and now and then in case something did that nobody told us of.
    OnChange,
}

/// A refusal in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Reason for the condition.
    pub reason: Reason,
    /// What the API server said, and what helps.
    pub message: String,
    /// When to try again.
    pub retry: Retry,
}

/// Sorts an error of the API server by what helps.
pub fn refusal(error: &Error) -> Refusal {
    let Error::Api(status) = error else {
        return Refusal {
            reason: Reason::ApiUnavailable,
            message: format!("the API server could not be reached ({error}); it is tried again"),
            retry: Retry::WhenReached,
        };
    };
    let said = &status.message;
    match status.code {
        403 if said.contains("because it is being terminated") => Refusal {
            reason: Reason::Progressing,
            message: "the namespace is being deleted".to_owned(),
            retry: Retry::OnChange,
        },
        403 if said.contains("exceeded quota") => Refusal {
            reason: Reason::Refused,
            message: format!("{said}: raise the namespace's quota or ask for less"),
            retry: Retry::Soon,
        },
        403 if said.contains("admission webhook")
            || said.contains("ValidatingAdmissionPolicy")
            || said.contains("PodSecurity") =>
        {
            Refusal {
                reason: Reason::Refused,
                message: format!("{said}: the cluster's policy does not allow it"),
                retry: Retry::Soon,
            }
        }
        403 => Refusal {
            reason: Reason::Forbidden,
            message: format!("{said}: give the operator's role this right"),
            retry: Retry::Soon,
        },
        400 | 405 | 413 | 415 | 422 => Refusal {
            reason: Reason::Refused,
            message: said.clone(),
            retry: Retry::OnChange,
        },
        404 => Refusal {
            reason: Reason::ApiUnavailable,
            message: "the API server does not serve this kind yet; it is tried again".to_owned(),
            retry: Retry::Soon,
        },
        409 => Refusal {
            reason: Reason::ApiUnavailable,
            message: format!("somebody else wrote it at the same time ({said}); it is tried again"),
            retry: Retry::Soon,
        },
        code => Refusal {
            reason: Reason::ApiUnavailable,
            message: format!("the API server answered {code}: {said}; it is tried again"),
            retry: if is_busy(code) { Retry::WhenReached } else { Retry::Soon },
        },
    }
}
