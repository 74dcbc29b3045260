use std::{
    net::Ipv4Addr,
    path::{Path, PathBuf},
};

/// Where the one node of a cluster is: all that its programs have to know.
#[derive(Clone, Debug)]
pub struct Site {
    /// Everything that belongs to the cluster. Its name is also that of the node's branch of cgroups.
    pub folder: PathBuf,
    /// The node's address, at which tests reach the API server and pods reach the DNS server.
    pub address: Ipv4Addr,
}

impl Site {
    /// The name of the Node.
    pub const NODE: &str = "real-node";

    /// The branch of cgroups that all pods are under.
    pub(super) fn cgroup(&self) -> String {
        self.folder.file_name().unwrap_or_default().display().to_string()
    }

    /// A file or folder of the node's.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The same as text, for arguments and settings.
    pub(super) fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    pub(super) fn containerd(&self) -> PathBuf {
        socket_in(&self.folder)
    }
}

/// Where containerd listens in a cluster whose folder is known.
pub(super) fn socket_in(folder: &Path) -> PathBuf {
    folder.join("containerd.sock")
}
