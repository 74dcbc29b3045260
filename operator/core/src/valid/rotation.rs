//! When a drive asks for rotations, and when it forbids them.

use k8s_openapi::jiff::Timestamp;

/// What is asked for, with everything in it known to be right.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// Seconds between two rotations. Absent: only when asked for.
    pub every: Option<u64>,
    /// Whether nothing rotates while the drive is open.
    pub keep_while_open: bool,
}

/// A time in which nothing rotates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Freeze {
    /// Its name.
    pub name: String,
    /// The first moment of it.
    pub starts_at: Timestamp,
    /// The first moment after it.
    pub ends_at: Timestamp,
}
