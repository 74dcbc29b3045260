//! When something that did not work is tried again.

/// When to try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// With back-off.
    Soon,
    /// With back-off, and as soon as the API server is reached again.
    WhenReached,
    /// When something changes, and once in a while in case no event reported the change.
    OnChange,
    /// Never: the namespace is being deleted, and the drive with it.
    Never,
}
