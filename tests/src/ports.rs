use std::net::{Ipv4Addr, TcpListener};

use crate::Error;

/// Ports of 127.0.0.1 that are free now. Few programs accept an open socket or report the port that they got, so
/// another process may take one before they start: then the start is retried with other ports.
pub(crate) fn free<const COUNT: usize>() -> Result<[u16; COUNT], Error> {
    // All are held until all are known, or the same one could come twice.
    let mut held = Vec::with_capacity(COUNT);
    let mut ports = [0; COUNT];
    for port in &mut ports {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(Error::io("finding a free port"))?;
        *port = listener.local_addr().map_err(Error::io("reading a port"))?.port();
        held.push(listener);
    }
    Ok(ports)
}
