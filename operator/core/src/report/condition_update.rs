//! A condition before it has its time.

use ras_crds::{ConditionType, Reason};

use crate::plain_text::{LONGEST_MESSAGE, plain};

/// One condition before it has its time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConditionUpdate {
    /// What it speaks of.
    pub type_: ConditionType,
    /// Whether it is so.
    pub status: bool,
    /// Whether that is not known. `status` is false then.
    pub unknown: bool,
    /// Why.
    pub reason: Reason,
    /// Why, for people.
    pub message: String,
    /// Whether it stays so until a person changes something.
    pub stalls: bool,
}

impl ConditionUpdate {
    pub(super) fn new(type_: ConditionType, status: bool, reason: Reason, message: impl Into<String>) -> Self {
        Self {
            type_,
            status,
            unknown: false,
            reason,
            // What is quoted in it may be anybody's words.
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

    /// The same; `stalls` tells whether it stays so until a person changes something.
    pub(super) fn stalling(self, stalls: bool) -> Self {
        Self { stalls, ..self }
    }
}
