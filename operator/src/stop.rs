//! The request to end the program: SIGTERM or SIGINT.

use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// Time after the request at which the process exits even if reconciles still run. It is shorter than the pod's
/// termination grace period.
const EXIT_AFTER: Duration = Duration::from_secs(20);

#[derive(Clone, Debug)]
pub struct Stop(watch::Receiver<bool>);

impl Stop {
    /// Handles the signals from now on. Without a handler the kernel does not deliver them to a container's first
    /// process.
    pub fn listen() -> Self {
        let (sender, receiver) = watch::channel(false);
        let end = async move {
            signalled().await;
            sender.send_replace(true);
            tokio::time::sleep(EXIT_AFTER).await;
            tracing::warn!("running reconciles did not end within {} s", EXIT_AFTER.as_secs());
            std::process::exit(0);
        };
        // On a thread of its own, so that the process ends in time also if something keeps all threads of the runtime busy.
        match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => drop(std::thread::spawn(move || runtime.block_on(end))),
            Err(error) => {
                tracing::warn!(%error, "signals share the threads of everything else");
                tokio::spawn(end);
            }
        }
        Self(receiver)
    }

    /// Returns when the program must end.
    pub async fn requested(&self) {
        if self.0.clone().wait_for(|requested| *requested).await.is_err() {
            // The sender is gone, so no request can follow.
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
            tracing::warn!(%error, "SIGTERM cannot be handled; SIGINT stops the operator");
            let _ = interrupted.await;
        }
    }
}
