//! When the program is asked to end.

use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// Longest time to finish what is under way. Reconciles have a time limit of their own; nothing here may outwait a pod's
/// grace period.
const PATIENCE: Duration = Duration::from_secs(20);

/// Told once SIGTERM or SIGINT has come. Listened for from the first moment: a container's first process is not ended by a
/// signal that nobody listens for.
#[derive(Clone, Debug)]
pub struct Stop(watch::Receiver<bool>);

impl Stop {
    /// Begins to listen.
    pub fn listen() -> Self {
        let (tell, told) = watch::channel(false);
        tokio::spawn(async move {
            signalled().await;
            tell.send_replace(true);
            tokio::time::sleep(PATIENCE).await;
            tracing::warn!("what was under way did not end within {} s", PATIENCE.as_secs());
            std::process::exit(0);
        });
        Self(told)
    }

    /// Returns when the program is to end.
    pub async fn asked(&self) {
        if self.0.clone().wait_for(|asked| *asked).await.is_err() {
            // Nobody can ask any more.
            std::future::pending::<()>().await;
        }
    }
}

async fn signalled() {
    let interrupted = tokio::signal::ctrl_c();
    match signal(SignalKind::terminate()) {
        Ok(mut terminated) => {
            tokio::select! {
                _ = interrupted => {}
                _ = terminated.recv() => {}
            }
        }
        Err(error) => {
            tracing::warn!(%error, "SIGTERM cannot be listened for; SIGINT stops the operator");
            let _ = interrupted.await;
        }
    }
}
