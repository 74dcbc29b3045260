//! Opens TCP connections, and closes them. Nothing is sent.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;

use futures::StreamExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

use ras_core::plan::listeners::{Answer, Target};

/// How long a connection may take.
const LIMIT: Duration = Duration::from_secs(2);
/// Connections at a time, of one service.
const AT_A_TIME: usize = 16;

/// Asks each once.
pub async fn knock(targets: Vec<Target>) -> Vec<(Target, Answer)> {
    futures::stream::iter(targets)
        .map(|target: Target| async move {
            let answer = connect(SocketAddr::new(target.1, target.2.number)).await;
            (target, answer)
        })
        .buffer_unordered(AT_A_TIME)
        .collect()
        .await
}

async fn connect(address: SocketAddr) -> Answer {
    match timeout(LIMIT, TcpStream::connect(address)).await {
        Ok(Ok(_)) => Answer::Accepted,
        Ok(Err(error)) if error.kind() == ErrorKind::ConnectionRefused => Answer::Refused,
        Ok(Err(_)) | Err(_) => Answer::Silent,
    }
}
