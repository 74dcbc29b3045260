//! What is answered over HTTP: `/metrics` on one port, `/healthz` and `/readyz` on another.

use std::time::Duration;

use http::{Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Bytes;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::leadership::state::Leadership;
use crate::telemetry::connections;
pub use crate::telemetry::connections::listen;
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

/// Answers `/metrics`.
pub async fn serve_metrics(listener: TcpListener, metrics: Metrics) {
    connections::serve(listener, move |request| match request.uri().path() {
        "/metrics" => scrape(&metrics),
        _ => text(StatusCode::NOT_FOUND, "try /metrics\n"),
    })
    .await;
}

/// Answers `/healthz` and `/readyz` on a separate listener, so that load on the metrics listener restarts no pod.
pub async fn serve_probes(listener: TcpListener, health: Health) {
    connections::serve(listener, move |request| {
        let (status, words) = match request.uri().path() {
            "/healthz" => health.live(),
            "/readyz" => health.ready(),
            _ => (StatusCode::NOT_FOUND, "try /healthz or /readyz\n"),
        };
        text(status, words)
    })
    .await;
}

fn scrape(metrics: &Metrics) -> Response<Full<Bytes>> {
    match metrics.text() {
        Ok(text) => response(
            StatusCode::OK,
            "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Bytes::from(text),
        ),
        Err(_) => text(StatusCode::INTERNAL_SERVER_ERROR, "metrics cannot be written\n"),
    }
}

fn text(status: StatusCode, words: &'static str) -> Response<Full<Bytes>> {
    response(status, "text/plain", Bytes::from_static(words.as_bytes()))
}

fn response(status: StatusCode, kind: &'static str, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, http::HeaderValue::from_static(kind));
    response
}
