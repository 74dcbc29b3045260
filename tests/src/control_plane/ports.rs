use crate::{Error, ports};

/// The ports a control plane listens on. The other programs serve nothing.
pub(super) struct Ports {
    pub(super) etcd: u16,
    pub(super) etcd_peers: u16,
    pub(super) apiserver: u16,
}

impl Ports {
    /// Three ports that are free now.
    pub(super) fn free() -> Result<Self, Error> {
        let [etcd, etcd_peers, apiserver] = ports::free()?;
        Ok(Self {
            etcd,
            etcd_peers,
            apiserver,
        })
    }
}
