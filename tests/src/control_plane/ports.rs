use std::net::{Ipv4Addr, TcpListener};

use crate::Error;

/// The ports a control plane listens on. The other programs serve nothing.
pub(super) struct Ports {
    pub(super) etcd: u16,
    pub(super) etcd_peers: u16,
    pub(super) apiserver: u16,
}

impl Ports {
    /// Three ports that are free now. Neither etcd nor kube-apiserver can be handed an open socket or tell which port
    /// it got, so between here and there somebody else may take one: the start is then tried again with others.
    pub(super) fn free() -> Result<Self, Error> {
        let listen = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(Error::io("finding a free port"));
        // All three are held until all are known, or the same one could come twice.
        let held = [listen()?, listen()?, listen()?];
        let [etcd, etcd_peers, apiserver] = held.each_ref().map(|listener| {
            listener
                .local_addr()
                .map(|address| address.port())
                .map_err(Error::io("reading a port"))
        });
        Ok(Self {
            etcd: etcd?,
            etcd_peers: etcd_peers?,
            apiserver: apiserver?,
        })
    }
}
