//! The schedule of rotations, and freeze windows.

use k8s_openapi::jiff::Timestamp;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// Seconds between two rotations. Absent: only on request.
    pub every: Option<u64>,
    /// Nothing rotates while the drive is open.
    pub keep_while_open: bool,
}

/// A time in which nothing rotates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Freeze {
    pub name: String,
    /// The first moment of it.
    pub starts_at: Timestamp,
    /// The first moment after it.
    pub ends_at: Timestamp,
}
