//! Accepts connections from any peer, and limits the memory and time of each.
//!
//! A new connection is always served: when too many are open, the oldest one of the peer with the most of them is
//! closed. So a peer that opens thousands closes its own, and a probe, which takes milliseconds, is answered.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use http::{Request, Response};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::AbortHandle;

/// Connections that the kernel keeps until they are accepted.
const BACKLOG: u32 = 128;
/// Open connections in all, and of one address.
const MOST: usize = 32;
const MOST_OF_A_PEER: usize = 8;
/// Time in which the whole head of a request has to arrive.
const HEAD_LIMIT: Duration = Duration::from_secs(3);
/// Time from accepting a connection to the last byte of its answer. One connection carries one request.
const CONNECTION_LIMIT: Duration = Duration::from_secs(10);
/// The longest head of a request, and as much as hyper allows to set: 8 KiB.
const BUFFER: usize = 8 * 1024;
const MOST_HEADERS: usize = 64;

/// # Errors
/// When the address is in use or not local.
pub fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()
    } else {
        TcpSocket::new_v6()
    }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Answers requests until it is dropped.
pub async fn serve<F>(listener: TcpListener, answer: F)
where
    F: Fn(&Request<Incoming>) -> Response<Full<Bytes>> + Clone + Send + Sync + 'static,
{
    let mut open = Open::default();
    loop {
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                // Probably out of file descriptors: wait instead of spinning.
                tracing::warn!(%error, "a connection was not accepted");
                tokio::time::sleep(Duration::from_secs(1)).await;
                continue;
            }
        };
        let peer = peer.ip().to_canonical();
        open.make_room(peer);
        let task = tokio::spawn(converse(stream, answer.clone()));
        open.connections.push_back((peer, task.abort_handle()));
    }
}

async fn converse<F>(stream: TcpStream, answer: F)
where
    F: Fn(&Request<Incoming>) -> Response<Full<Bytes>>,
{
    let service = service_fn(|request| {
        let answer = answer(&request);
        async move { Ok::<_, Infallible>(answer) }
    });
    let served = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_LIMIT)
        .keep_alive(false)
        .max_buf_size(BUFFER)
        .max_headers(MOST_HEADERS)
        .serve_connection(TokioIo::new(stream), service);
    match tokio::time::timeout(CONNECTION_LIMIT, served).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "a connection broke"),
        Err(_) => tracing::debug!("a connection took too long and was closed"),
    }
}

/// The open connections, oldest first.
#[derive(Default)]
struct Open {
    connections: VecDeque<(IpAddr, AbortHandle)>,
}

impl Open {
    /// Closes connections until there is room for one more of `peer`.
    fn make_room(&mut self, peer: IpAddr) {
        self.connections.retain(|(_, task)| !task.is_finished());
        if self.of(peer) >= MOST_OF_A_PEER {
            self.close_oldest(peer);
        } else if self.connections.len() >= MOST {
            let greediest = self.connections.iter().map(|(peer, _)| *peer);
            if let Some(greediest) = greediest.max_by_key(|peer| self.of(*peer)) {
                self.close_oldest(greediest);
            }
        }
    }

    fn of(&self, peer: IpAddr) -> usize {
        self.connections.iter().filter(|(other, _)| *other == peer).count()
    }

    fn close_oldest(&mut self, peer: IpAddr) {
        let oldest = self.connections.iter().position(|(other, _)| *other == peer);
        if let Some((_, task)) = oldest.and_then(|index| self.connections.remove(index)) {
            task.abort();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, last])
    }

    fn opened(peers: impl Iterator<Item = u8>) -> Open {
        let mut open = Open::default();
        for peer in peers {
            open.make_room(address(peer));
            let task = tokio::spawn(std::future::pending::<()>());
            open.connections.push_back((address(peer), task.abort_handle()));
        }
        open
    }

    #[tokio::test]
    async fn one_peer_closes_its_own_connections_and_nobody_elses() {
        let open = opened([1].into_iter().chain(std::iter::repeat_n(2, 1000)));
        assert_eq!(open.of(address(1)), 1);
        assert_eq!(open.of(address(2)), MOST_OF_A_PEER);
    }

    #[tokio::test]
    async fn many_peers_share_what_there_is_and_a_new_one_is_served() {
        let open = opened((1..=200).chain([7, 7, 7]).chain([250]));
        assert_eq!(open.connections.len(), MOST);
        assert_eq!(open.of(address(250)), 1);
        let mut greedy = opened((1..=4).flat_map(|peer| std::iter::repeat_n(peer, 100)));
        greedy.make_room(address(9));
        assert_eq!(greedy.connections.len(), MOST - 1, "room for the new one");
    }

    #[tokio::test]
    async fn what_ended_counts_no_longer() {
        let mut open = Open::default();
        for _ in 0..MOST_OF_A_PEER {
            let task = tokio::spawn(async {});
            open.connections.push_back((address(1), task.abort_handle()));
            task.await.unwrap();
        }
        open.make_room(address(1));
        assert!(open.connections.is_empty());
    }
}
