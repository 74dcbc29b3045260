//! How far a reconcile came.

use crate::applied::ApplyOutcome;
use crate::plan::Plan;
use crate::validate::FieldErrorList;

/// How far the reconcile came.
#[derive(Debug)]
pub enum ReconcileOutcome<'a> {
    /// All that can be is applied.
    Applied {
        plan: &'a Plan<'a>,
        outcome: &'a ApplyOutcome,
    },
    /// `spec.paused`: nothing was touched. The plan is absent when the drive is invalid.
    Paused(Option<&'a Plan<'a>>),
    /// The spec is invalid: nothing was changed.
    Invalid(&'a FieldErrorList),
}

impl<'a> ReconcileOutcome<'a> {
    /// Absent: the drive is not valid.
    pub fn plan(&self) -> Option<&'a Plan<'a>> {
        match self {
            Self::Applied { plan, .. } => Some(plan),
            Self::Paused(plan) => *plan,
            Self::Invalid(_) => None,
        }
    }

    /// Absent: nothing was applied.
    pub(super) fn applied(&self) -> Option<&'a ApplyOutcome> {
        match self {
            Self::Applied { outcome, .. } => Some(outcome),
            Self::Paused(_) | Self::Invalid(_) => None,
        }
    }
}
