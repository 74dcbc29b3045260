//! How far a reconcile came.

use crate::applied::ApplyOutcome;
use crate::plan::Plan;
use crate::validate::FieldErrorList;

/// How far the reconcile came.
#[derive(Debug)]
pub enum ReconcileOutcome<'a> {
    /// All that can be is applied.
    Applied {
        /// What was decided.
        plan: &'a Plan<'a>,
        /// What came of it.
        outcome: &'a ApplyOutcome,
    },
    /// `spec.paused`: nothing was touched. The plan is absent when the drive is invalid.
    Paused(Option<&'a Plan<'a>>),
    /// The spec asks for something impossible: nothing was touched.
    Invalid(&'a FieldErrorList),
}

impl<'a> ReconcileOutcome<'a> {
    /// What was decided, when the drive is valid.
    pub fn plan(&self) -> Option<&'a Plan<'a>> {
        match self {
            Self::Applied { plan, .. } => Some(plan),
            Self::Paused(plan) => *plan,
            Self::Invalid(_) => None,
        }
    }

    /// What came of it, when something was applied.
    pub(super) fn applied(&self) -> Option<&'a ApplyOutcome> {
        match self {
            Self::Applied { outcome, .. } => Some(outcome),
            Self::Paused(_) | Self::Invalid(_) => None,
        }
    }
}
