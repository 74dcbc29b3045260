//! Names by which pods find something. Pure.

/// A name in `/etc/hosts` of every pod of the drive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValidHost {
    pub name: String,
    pub target: HostTarget,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostTarget {
    /// The Service of this name in Kubernetes.
    Service(String),
    /// An IP address.
    Address(String),
}
