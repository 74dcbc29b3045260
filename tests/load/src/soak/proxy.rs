//! Stands between operators and the API server, passes everything on as it comes, watches too, and breaks what networks
//! and busy servers break.
//!
//! The proxy of the object stores ([`ras_tests::FaultProxy`]) holds bodies whole, and a watch has no end.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::stream::{self, Stream};
use http::{Request, Response, Uri, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::client::conn::http1::SendRequest;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use ras_tests::Error;
use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject as _};
use rustls::{ClientConfig, RootCertStore};
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex, watch};
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;

use super::chance::Chance;

/// A fault of the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Requests are answered with this status instead of reaching the server.
    Errors { status: u16, percent: u64 },
    /// All connections are cut, and requests are cut off before they reach the server.
    CutBefore { percent: u64 },
    /// The same, but the request reaches the server: whoever sent it does not know.
    CutAfter { percent: u64 },
    /// Answers end in the middle.
    HalfAnswers { percent: u64 },
    /// Requests wait so long.
    Slow(Duration),
    /// Requests are not answered until it is over.
    Hang { percent: u64 },
    /// Watches end with 410 Gone, those that are open and those that are begun.
    WatchesExpire,
}

type Failure = Box<dyn std::error::Error + Send + Sync>;
type Answer = Response<UnsyncBoxBody<Bytes, Failure>>;

/// Listens before an API server.
pub struct ApiProxy {
    address: SocketAddr,
    state: Arc<SoakProxyState>,
    listening: JoinHandle<()>,
}

struct SoakProxyState {
    upstream: SocketAddr,
    name: ServerName<'static>,
    connector: TlsConnector,
    trouble: watch::Sender<Option<Trouble>>,
    requests: AtomicU64,
    broken: AtomicU64,
    seed: u64,
}

impl ApiProxy {
    /// Starts one before the API server at `server` (`https://host:port`), whose certificate this authority signed.
    pub async fn start(server: &str, authority: &Path, seed: u64) -> Result<Self, Error> {
        let upstream: SocketAddr = server
            .trim_start_matches("https://")
            .parse()
            .map_err(Error::unreadable(server.to_owned()))?;
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0)))
            .await
            .map_err(Error::io("listening before the API server"))?;
        let address = listener.local_addr().map_err(Error::io("reading a port"))?;
        let state = Arc::new(SoakProxyState {
            upstream,
            name: ServerName::from(upstream.ip()),
            connector: connector(authority)?,
            trouble: watch::Sender::new(None),
            requests: AtomicU64::new(0),
            broken: AtomicU64::new(0),
            seed,
        });
        let listening = tokio::spawn(accept(listener, Arc::clone(&state)));
        Ok(Self {
            address,
            state,
            listening,
        })
    }

    /// Where the client has to connect to.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on this is wrong, or nothing any more.
    pub fn set(&self, trouble: Option<Trouble>) {
        self.state.trouble.send_replace(trouble);
    }

    /// How many requests there were, and how many of them were broken.
    pub fn counts(&self) -> (u64, u64) {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        (read(&self.state.requests), read(&self.state.broken))
    }
}

impl Drop for ApiProxy {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

fn connector(authority: &Path) -> Result<TlsConnector, Error> {
    let what = authority.display().to_string();
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(authority).map_err(Error::unreadable(what.clone()))? {
        let certificate = certificate.map_err(Error::unreadable(what.clone()))?;
        roots.add(certificate).map_err(Error::unreadable(what.clone()))?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(Error::unreadable(what))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

async fn accept(listener: TcpListener, state: Arc<SoakProxyState>) {
    while let Ok((client, _)) = listener.accept().await {
        let state = Arc::clone(&state);
        tokio::spawn(async move {
            let _ = client.set_nodelay(true);
            let mut changes = state.trouble.subscribe();
            let upstream = Arc::new(Mutex::new(None));
            let answering = hyper::server::conn::http1::Builder::new().serve_connection(
                TokioIo::new(client),
                service_fn(|request| answer(Arc::clone(&state), Arc::clone(&upstream), request)),
            );
            tokio::select! {
                // How a connection ended is the client's to notice.
                _ = answering => {}
                () = cut(&mut changes) => {}
            }
        });
    }
}

/// Returns when all connections are to be cut.
async fn cut(changes: &mut watch::Receiver<Option<Trouble>>) {
    while changes.changed().await.is_ok() {
        let now = *changes.borrow_and_update();
        if matches!(now, Some(Trouble::CutBefore { .. } | Trouble::CutAfter { .. })) {
            return;
        }
    }
}

type Upstream = Arc<Mutex<Option<SendRequest<Incoming>>>>;

async fn answer(state: Arc<SoakProxyState>, upstream: Upstream, request: Request<Incoming>) -> Result<Answer, Failure> {
    let number = state.requests.fetch_add(1, Ordering::Relaxed);
    let mut changes = state.trouble.subscribe();
    let trouble = *changes.borrow_and_update();
    let is_watch = request.uri().query().is_some_and(|query| query.contains("watch=true"));
    let hit = |percent: u64| {
        let hit = Chance::of(state.seed, number).below(100) < percent;
        if hit {
            state.broken.fetch_add(1, Ordering::Relaxed);
        }
        hit
    };
    match trouble {
        Some(Trouble::Errors { status, percent }) if hit(percent) => return refusal(status),
        Some(Trouble::CutBefore { percent }) if hit(percent) => return Err("cut off".into()),
        Some(Trouble::CutAfter { percent }) if hit(percent) => {
            pass_on(&state, &upstream, request).await?;
            return Err("cut off".into());
        }
        Some(Trouble::HalfAnswers { percent }) if !is_watch && hit(percent) => {
            let answer = pass_on(&state, &upstream, request).await?;
            return Ok(answer.map(|body| StreamBody::new(half(body)).boxed_unsync()));
        }
        Some(Trouble::Slow(time)) => tokio::time::sleep(time).await,
        Some(Trouble::Hang { percent }) if hit(percent) => {
            let _ = changes.changed().await;
        }
        Some(Trouble::WatchesExpire) if is_watch && hit(100) => {
            let body = Full::new(expired()).map_err(|never: Infallible| match never {});
            return Ok(Response::builder()
                .header(header::CONTENT_TYPE, "application/json")
                .body(body.boxed_unsync())?);
        }
        _ => {}
    }
    let answer = pass_on(&state, &upstream, request).await?;
    if is_watch {
        return Ok(answer.map(|body| StreamBody::new(until_expired(body, changes)).boxed_unsync()));
    }
    Ok(answer.map(|body| body.map_err(Failure::from).boxed_unsync()))
}

/// Asks the server over the connection that belongs to this client's.
async fn pass_on(
    state: &SoakProxyState,
    upstream: &Upstream,
    mut request: Request<Incoming>,
) -> Result<Response<Incoming>, Failure> {
    let mut upstream = upstream.lock().await;
    let usable = upstream.take().filter(|sender| !sender.is_closed());
    let mut sender = match usable {
        Some(sender) => sender,
        None => connect(state).await?,
    };
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    *request.uri_mut() = Uri::try_from(path)?;
    sender.ready().await?;
    let answer = sender.send_request(request).await?;
    *upstream = Some(sender);
    Ok(answer)
}

async fn connect(state: &SoakProxyState) -> Result<SendRequest<Incoming>, Failure> {
    let server = TcpStream::connect(state.upstream).await?;
    server.set_nodelay(true)?;
    let server = state.connector.connect(state.name.clone(), server).await?;
    let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(server)).await?;
    tokio::spawn(connection);
    Ok(sender)
}

/// The answer of a busy or broken API server.
fn refusal(status: u16) -> Result<Answer, Failure> {
    let reason = match status {
        429 => "TooManyRequests",
        503 => "ServiceUnavailable",
        _ => "InternalError",
    };
    let body = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "code": status,
        "reason": reason, "message": "the soak test breaks this"});
    let body = Full::new(Bytes::from(body.to_string())).map_err(|never: Infallible| match never {});
    Ok(Response::builder()
        .status(status)
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::RETRY_AFTER, "1")
        .body(body.boxed_unsync())?)
}

fn expired() -> Bytes {
    let status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "code": 410,
        "reason": "Expired", "message": "too old resource version"});
    Bytes::from(json!({"type": "ERROR", "object": status}).to_string() + "\n")
}

/// The first half of the first part of a body. Then an error, or a client would take that for all of it.
fn half(body: Incoming) -> impl Stream<Item = Result<Frame<Bytes>, Failure>> {
    stream::unfold(Some(Some(body)), async |body| {
        let Some(mut body) = body? else {
            return Some((Err("cut off".into()), None));
        };
        match body.frame().await?.map(Frame::into_data) {
            Ok(Ok(bytes)) => Some((Ok(Frame::data(bytes.slice(..bytes.len() / 2))), Some(None))),
            _ => Some((Err("cut off".into()), None)),
        }
    })
}

/// A watch as the server sends it, until watches expire.
fn until_expired(
    body: Incoming,
    changes: watch::Receiver<Option<Trouble>>,
) -> impl Stream<Item = Result<Frame<Bytes>, Failure>> {
    stream::unfold(Some((body, changes)), async |open| {
        let (mut body, mut changes) = open?;
        loop {
            tokio::select! {
                frame = body.frame() => {
                    let frame = frame?.map_err(Failure::from);
                    return Some((frame, Some((body, changes))));
                }
                still = changes.changed() => {
                    still.ok()?;
                    if *changes.borrow_and_update() == Some(Trouble::WatchesExpire) {
                        return Some((Ok(Frame::data(expired())), None));
                    }
                }
            }
        }
    })
}
