//! The HTTP server for `/metrics`, `/healthz` and `/readyz`.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use http::{Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::leadership::state::Leadership;
use crate::telemetry::metrics::Metrics;

/// Time after the lease expired at which the process counts as dead. The loop that renews the lease ends the process
/// earlier, unless it hangs.
const HANG_LIMIT: Duration = Duration::from_secs(20);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProcessPhase {
    /// The first lists are not complete.
    Listing,
    /// It leads or stands by.
    Ready,
    /// It finishes running reconciles.
    Stopping,
}

#[derive(Clone, Debug)]
pub struct Health {
    phase: watch::Sender<ProcessPhase>,
    leadership: Leadership,
}

impl Health {
    pub fn new(leadership: Leadership) -> Self {
        Self {
            phase: watch::Sender::new(ProcessPhase::Listing),
            leadership,
        }
    }

    pub fn set_phase(&self, phase: ProcessPhase) {
        self.phase.send_replace(phase);
    }

    pub async fn wait_until_listed(&self) {
        // It fails only without a sender, which is `self`.
        let _ = self
            .phase
            .subscribe()
            .wait_for(|phase| *phase != ProcessPhase::Listing)
            .await;
    }

    fn live(&self) -> (StatusCode, &'static str) {
        if self.leadership.overdue().is_some_and(|over| over > HANG_LIMIT) {
            return (
                StatusCode::SERVICE_UNAVAILABLE,
                "the lease has expired and this process has not ended\n",
            );
        }
        (StatusCode::OK, "ok\n")
    }

    fn ready(&self) -> (StatusCode, &'static str) {
        match *self.phase.borrow() {
            ProcessPhase::Ready => (StatusCode::OK, "ok\n"),
            ProcessPhase::Listing => (StatusCode::SERVICE_UNAVAILABLE, "the first lists are not complete\n"),
            ProcessPhase::Stopping => (StatusCode::SERVICE_UNAVAILABLE, "stopping\n"),
        }
    }
}

pub async fn serve(listener: TcpListener, metrics: Metrics, health: Health) {
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Probably out of file descriptors: wait instead of spinning.
                tracing::warn!(%error, "a connection for metrics was not accepted");
                tokio::time::sleep(Duration::from_secs(1)).await;
                continue;
            }
        };
        let (metrics, health) = (metrics.clone(), health.clone());
        tokio::spawn(async move {
            let service = service_fn(move |request| {
                let answer = answer(&request, &metrics, &health);
                async move { Ok::<_, Infallible>(answer) }
            });
            let served = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
            if let Err(error) = served {
                tracing::debug!(%error, "a connection for metrics broke");
            }
        });
    }
}

/// # Errors
/// When the address is in use or not local.
pub async fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    TcpListener::bind(address).await
}

fn answer(request: &Request<Incoming>, metrics: &Metrics, health: &Health) -> Response<Full<Bytes>> {
    let (status, kind, text) = match request.uri().path() {
        "/metrics" => match metrics.text() {
            Ok(text) => (
                StatusCode::OK,
                "application/openmetrics-text; version=1.0.0; charset=utf-8",
                text,
            ),
            Err(_) => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "text/plain",
                "metrics cannot be written\n".to_owned(),
            ),
        },
        "/healthz" => plain(health.live()),
        "/readyz" => plain(health.ready()),
        _ => (
            StatusCode::NOT_FOUND,
            "text/plain",
            "try /metrics, /healthz or /readyz\n".to_owned(),
        ),
    };
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, http::HeaderValue::from_static(kind));
    response
}

fn plain((status, text): (StatusCode, &str)) -> (StatusCode, &'static str, String) {
    (status, "text/plain", text.to_owned())
}
