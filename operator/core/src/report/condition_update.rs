//! A condition before it has its time.

use ras_crds::{ConditionType, Reason};

use crate::plain_text::{LONGEST_MESSAGE, plain};

/// One condition before it has its time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConditionUpdate {
    pub type_: ConditionType,
    pub status: bool,
    /// The condition is Unknown. `status` is false then.
    pub unknown: bool,
    pub reason: Reason,
    pub message: String,
    /// It stays as it is until a person changes something.
    pub stalls: bool,
}

impl ConditionUpdate {
    pub(super) fn new(type_: ConditionType, status: bool, reason: Reason, message: impl Into<String>) -> Self {
        Self {
            type_,
            status,
            unknown: false,
            reason,
            // It may quote text of other programs.
            message: plain(&message.into(), LONGEST_MESSAGE),
            stalls: false,
        }
    }

    pub(super) fn unknown(type_: ConditionType, reason: Reason, message: impl Into<String>) -> Self {
        Self {
            unknown: true,
            ..Self::new(type_, false, reason, message)
        }
    }

    /// The same. `stalls`: it stays so until a person changes something.
    pub(super) fn stalling(self, stalls: bool) -> Self {
        Self { stalls, ..self }
    }
}
