//! The client of the API server.

use std::path::Path;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use http::header::USER_AGENT;
use http::{HeaderValue, Method, Request, Response};
use hyper::body::Incoming;
use hyper_timeout::TimeoutConnector;
use hyper_util::client::legacy::{Client as Http, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use kube::client::{Body, ClientBuilder, ConfigExt};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use tower::layer::layer_fn;
use tower::{BoxError, Service, ServiceBuilder};

use crate::leadership::state::Leadership;

/// The user agent, by which an audit log shows the operator's requests.
pub const AGENT: &str = concat!("ras-operator/", env!("CARGO_PKG_VERSION"));

const KUBECTL_AGENT: &str = concat!("kubectl-ras/", env!("CARGO_PKG_VERSION"));

/// DNS, TCP and TLS together.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Time until a response starts. The API server itself ends all requests except watches after a minute, and the
/// response to a watch starts at once.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(70);
/// Time without data within a response, for a server whose kernel answers and whose process hangs. kube itself restarts
/// a watch after 295 s without data.
const READ_TIMEOUT: Duration = Duration::from_secs(330);
/// TCP keepalive: idle time before the first probe.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(15);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(5);
/// Unanswered probes after which a connection is closed.
const KEEPALIVE_PROBES: u32 = 3;
/// Time until sent data must be acknowledged.
const TCP_USER_TIMEOUT: Duration = Duration::from_secs(30);

#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    #[error("no cluster is configured: set KUBECONFIG, or run in a pod with a service account ({0})")]
    Config(#[from] kube::config::InferConfigError),
    #[error("the kubeconfig cannot be used: {0}")]
    Kubeconfig(#[from] kube::config::KubeconfigError),
    #[error(
        "proxy-url of the kubeconfig, or HTTPS_PROXY, names the proxy {0}, and proxies are not supported: unset it"
    )]
    Proxy(http::Uri),
    #[error("the cluster's configuration is invalid: {0}")]
    Client(#[from] kube::Error),
}

/// A client for the cluster of KUBECONFIG or of the pod's service account.
pub async fn connect() -> Result<Client, ClientError> {
    Ok(builder(config().await?)?.build())
}

/// A client that refuses writes while this process does not lead, and counts every write until its response arrives.
/// Callers cannot forget to check.
pub async fn connect_to_write(leadership: &Leadership) -> Result<Client, ClientError> {
    let leadership = leadership.clone();
    let fence = layer_fn(move |inner| WriteFence {
        inner,
        leadership: leadership.clone(),
    });
    Ok(builder(config().await?)?.with_layer(&fence).build())
}

#[derive(Clone)]
struct WriteFence<S> {
    inner: S,
    leadership: Leadership,
}

impl<S> Service<Request<Body>> for WriteFence<S>
where
    S: Service<Request<Body>, Error = BoxError, Future: Send + 'static>,
    S::Response: Send + 'static,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<S::Response, BoxError>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        if *request.method() == Method::GET {
            return self.inner.call(request).boxed();
        }
        match self.leadership.begin() {
            Ok(guard) => {
                let response = self.inner.call(request);
                async move {
                    let response = response.await;
                    drop(guard);
                    response
                }
                .boxed()
            }
            Err(error) => std::future::ready(Err(error.into())).boxed(),
        }
    }
}

async fn config() -> Result<Config, ClientError> {
    let mut config = Config::infer().await?;
    config.headers.push((USER_AGENT, HeaderValue::from_static(AGENT)));
    Ok(config)
}

/// kube's default client, with two differences.
///
/// - A dead connection is found within half a minute. A node that loses power does not close its connections, and with
///   kube's defaults a watch would miss changes for five minutes. client-go finds it in 45 s with HTTP/2 pings; kube
///   uses HTTP/1, so TCP keepalive does it.
/// - It does not retry. kube's own retries can take hours for one request, and a reconcile has its own time limit and
///   back-off.
fn builder(
    config: Config,
) -> Result<
    ClientBuilder<
        impl Service<Request<Body>, Response = Response<Incoming>, Error = BoxError, Future: Send> + Clone + Send + 'static,
    >,
    ClientError,
> {
    if let Some(proxy) = config.proxy_url {
        return Err(ClientError::Proxy(proxy));
    }
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_keepalive(Some(KEEPALIVE_IDLE));
    tcp.set_keepalive_interval(Some(KEEPALIVE_INTERVAL));
    tcp.set_keepalive_retries(Some(KEEPALIVE_PROBES));
    #[cfg(target_os = "linux")]
    tcp.set_tcp_user_timeout(Some(TCP_USER_TIMEOUT));
    let mut connector = TimeoutConnector::new(config.rustls_https_connector_with_connector(tcp)?);
    connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
    connector.set_read_timeout(Some(READ_TIMEOUT));
    // Idle time between two requests does not count.
    connector.set_reset_reader_on_write(true);
    let service = ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .option_layer(config.auth_layer()?)
        .layer(config.extra_headers_layer()?)
        .map_request(|request: Request<Body>| {
            tracing::debug!(method = %request.method(), uri = %request.uri(), "request to the API server");
            request
        })
        .timeout(RESPONSE_TIMEOUT)
        .map_err(BoxError::from)
        .service(Http::builder(TokioExecutor::new()).build(connector));
    Ok(ClientBuilder::new(service, config.default_namespace))
}

/// A client with the permissions of the user who runs a command, for the given context or the current one.
pub async fn connect_as_user(kubeconfig: Option<&Path>, context: Option<String>) -> Result<Client, ClientError> {
    let kubeconfig = kubeconfig.map(Kubeconfig::read_from).transpose()?;
    let options = KubeConfigOptions {
        context,
        ..KubeConfigOptions::default()
    };
    let mut config = match kubeconfig {
        Some(kubeconfig) => Config::from_custom_kubeconfig(kubeconfig, &options).await?,
        None => Config::from_kubeconfig(&options).await?,
    };
    config
        .headers
        .push((USER_AGENT, HeaderValue::from_static(KUBECTL_AGENT)));
    config.connect_timeout = Some(Duration::from_secs(10));
    config.read_timeout = Some(Duration::from_secs(60));
    config.write_timeout = Some(Duration::from_secs(30));
    Ok(Client::try_from(config)?)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use tower::{ServiceExt, service_fn};

    use super::*;

    fn request(method: Method) -> Request<Body> {
        Request::builder().method(method).body(Body::empty()).unwrap()
    }

    #[tokio::test]
    async fn finish_waits_for_a_write_in_flight_and_later_writes_are_refused() {
        for method in [Method::PATCH, Method::POST, Method::PUT, Method::DELETE] {
            let leadership = Leadership::alone();
            let answered = Arc::new(AtomicBool::new(false));
            let fenced = WriteFence {
                inner: service_fn({
                    let answered = Arc::clone(&answered);
                    move |_| {
                        let answered = Arc::clone(&answered);
                        async move {
                            tokio::time::sleep(Duration::from_millis(50)).await;
                            answered.store(true, Ordering::Release);
                            Ok::<_, BoxError>(Response::new(()))
                        }
                    }
                }),
                leadership: leadership.clone(),
            };
            let mut writes = fenced.clone();
            let sent = tokio::spawn(writes.call(request(method.clone())));
            leadership.writes().finish().await.unwrap();
            assert!(answered.load(Ordering::Acquire), "{method}");
            sent.await.unwrap().unwrap();
            assert!(fenced.clone().oneshot(request(method)).await.is_err());
            assert!(
                fenced.oneshot(request(Method::GET)).await.is_ok(),
                "reads are still sent"
            );
        }
    }
}
