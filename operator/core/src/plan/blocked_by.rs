//! What something waits for.

use ras_crds::{ConditionType, Reason};

/// The reason why a workload waits. A value, not an error: nothing went wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockedBy {
    /// The condition that reports it.
    pub condition: ConditionType,
    /// Why, in one word.
    pub reason: Reason,
    /// Which object, and the next step.
    pub message: String,
}
