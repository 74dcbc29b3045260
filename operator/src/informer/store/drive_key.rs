//! The key of a drive.

use std::sync::Arc;

/// Namespace and name. Children of one drive share the strings, which `kube`'s `ObjectRef` could not.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DriveKey {
    pub namespace: Arc<str>,
    pub name: Arc<str>,
}

impl DriveKey {
    pub fn new(namespace: &str, name: &str) -> Self {
        Self {
            namespace: namespace.into(),
            name: name.into(),
        }
    }
}

impl std::fmt::Display for DriveKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}
