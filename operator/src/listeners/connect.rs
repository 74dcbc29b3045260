//! Opens TCP connections, and closes them without sending data.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;

use futures::StreamExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

use ras_core::plan::listeners::{Answer, Target};

const TIMEOUT: Duration = Duration::from_secs(2);
/// Concurrent connections to one service.
const CONCURRENCY: usize = 16;

/// Connects to each target once.
pub async fn connect_all(targets: Vec<Target>) -> Vec<(Target, Answer)> {
    futures::stream::iter(targets)
        .map(|target: Target| async move {
            let answer = connect(SocketAddr::new(target.1, target.2.number)).await;
            (target, answer)
        })
        .buffer_unordered(CONCURRENCY)
        .collect()
        .await
}

async fn connect(address: SocketAddr) -> Answer {
    match timeout(TIMEOUT, TcpStream::connect(address)).await {
        Ok(Ok(_)) => Answer::Accepted,
        Ok(Err(error)) if error.kind() == ErrorKind::ConnectionRefused => Answer::Refused,
        Ok(Err(_)) | Err(_) => Answer::Silent,
    }
}
