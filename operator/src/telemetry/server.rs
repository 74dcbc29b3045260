//! The small HTTP server for `/metrics`, `/healthz` and `/readyz`.

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

/// How long the loop that keeps the lease may hang before the process is called dead. It ends the process itself when it
/// does not hang.
const HANGS: Duration = Duration::from_secs(20);

/// How far the program is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// It lists what there is.
    Listing,
    /// Everything is listed: it leads or stands by.
    Ready,
    /// It finishes what is under way.
    Stopping,
}

/// What is told about the program's health.
#[derive(Clone, Debug)]
pub struct Health {
    stage: watch::Sender<Stage>,
    tenure: Leadership,
}

impl Health {
    /// Of a program that has just begun.
    pub fn new(tenure: Leadership) -> Self {
        Self {
            stage: watch::Sender::new(Stage::Listing),
            tenure,
        }
    }

    /// The program is this far.
    pub fn reached(&self, stage: Stage) {
        self.stage.send_replace(stage);
    }

    /// Waits until everything is listed.
    pub async fn listed(&self) {
        // The sender is here, so it is not gone.
        let _ = self.stage.subscribe().wait_for(|stage| *stage != Stage::Listing).await;
    }

    fn live(&self) -> (StatusCode, &'static str) {
        if self.tenure.overdue().is_some_and(|over| over > HANGS) {
            return (
                StatusCode::SERVICE_UNAVAILABLE,
                "the lease has run out and this process has not ended\n",
            );
        }
        (StatusCode::OK, "ok\n")
    }

    fn ready(&self) -> (StatusCode, &'static str) {
        match *self.stage.borrow() {
            Stage::Ready => (StatusCode::OK, "ok\n"),
            Stage::Listing => (StatusCode::SERVICE_UNAVAILABLE, "still listing what there is\n"),
            Stage::Stopping => (
                StatusCode::SERVICE_UNAVAILABLE,
                "finishes what is under way, and ends\n",
            ),
        }
    }
}

/// Answers until it is dropped.
pub async fn serve(listener: TcpListener, metrics: Metrics, health: Health) {
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Out of file descriptors, most likely: waiting a moment beats spinning.
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

/// Opens the port.
///
/// # Errors
/// When the address is taken or not ours.
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
