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

/// Sent with every request, so that an audit log can tell what the operator did.
pub const AGENT: &str = concat!("ras-operator/", env!("CARGO_PKG_VERSION"));

/// The same, of a person's requests.
const PERSON: &str = concat!("kubectl-ras/", env!("CARGO_PKG_VERSION"));

/// Longest time until a connection is made: name, TCP and TLS together.
const CONNECT: Duration = Duration::from_secs(10);
/// Longest time until an answer begins. The API server ends what is no watch after a minute itself, and a watch's answer
/// begins at once.
const ANSWER: Duration = Duration::from_secs(70);
/// Longest silence within an answer, of a server whose kernel lives and whose program does not. A watch that is silent for
/// 295 s kube makes anew itself.
const SILENT: Duration = Duration::from_secs(330);
/// A connection on which nothing was heard for so long is asked whether it lives, which the other side's kernel answers.
const IDLE: Duration = Duration::from_secs(15);
/// Time between two such questions.
const ASK: Duration = Duration::from_secs(5);
/// Questions without an answer after which it is dead.
const UNANSWERED: u32 = 3;
/// Longest time until the other side's kernel confirms what was sent.
const CONFIRM: Duration = Duration::from_secs(30);

/// Where a client could not be made.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Neither a kubeconfig nor a pod's service account was found.
    #[error("no cluster to talk to: set KUBECONFIG, or run in a pod with a service account ({0})")]
    Config(#[from] kube::config::InferConfigError),
    /// What a person named was not found.
    #[error("the kubeconfig cannot be used: {0}")]
    Kubeconfig(#[from] kube::config::KubeconfigError),
    /// The configuration says to go through a proxy.
    #[error(
        "proxy-url of the kubeconfig, or HTTPS_PROXY, names the proxy {0}, and this program cannot go through one: unset it"
    )]
    Proxy(http::Uri),
    /// The configuration does not make a client.
    #[error("the cluster's configuration makes no client: {0}")]
    Client(#[from] kube::Error),
}

/// A client for the cluster that KUBECONFIG or the pod's service account names.
pub async fn connect() -> Result<Client, ConnectError> {
    Ok(stack(config().await?)?.build())
}

/// The same, but nothing leaves it that could change something while this process does not lead, and every write is counted
/// until it is answered. So whoever writes, now or in a later version, cannot forget to ask.
pub async fn connect_to_write(tenure: &Leadership) -> Result<Client, ConnectError> {
    let tenure = tenure.clone();
    let fence = layer_fn(move |inner| Fenced {
        inner,
        tenure: tenure.clone(),
    });
    Ok(stack(config().await?)?.with_layer(&fence).build())
}

/// Sends writes only while this process leads.
#[derive(Clone)]
struct Fenced<S> {
    inner: S,
    tenure: Leadership,
}

impl<S> Service<Request<Body>> for Fenced<S>
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
        match self.tenure.begin() {
            Ok(begun) => {
                let answer = self.inner.call(request);
                async move {
                    let answer = answer.await;
                    drop(begun);
                    answer
                }
                .boxed()
            }
            Err(error) => std::future::ready(Err(error.into())).boxed(),
        }
    }
}

async fn config() -> Result<Config, ConnectError> {
    let mut config = Config::infer().await?;
    config.headers.push((USER_AGENT, HeaderValue::from_static(AGENT)));
    Ok(config)
}

/// What kube makes of a configuration, with two differences.
///
/// - A connection that died without a word is found within half a minute: a node with an API server that loses its power
///   closes none of its connections. kube's client would wait for what never comes, a watch for five minutes, in which
///   the operator hears of no change. client-go finds it in 45 s, by HTTP/2; kube speaks HTTP/1, so TCP has to do it.
/// - Nothing is tried again in here. kube's own retries can take hours on one request; a reconcile has a time limit and a
///   back-off of its own.
fn stack(
    config: Config,
) -> Result<
    ClientBuilder<
        impl Service<Request<Body>, Response = Response<Incoming>, Error = BoxError, Future: Send> + Clone + Send + 'static,
    >,
    ConnectError,
> {
    if let Some(proxy) = config.proxy_url {
        return Err(ConnectError::Proxy(proxy));
    }
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_keepalive(Some(IDLE));
    tcp.set_keepalive_interval(Some(ASK));
    tcp.set_keepalive_retries(Some(UNANSWERED));
    #[cfg(target_os = "linux")]
    tcp.set_tcp_user_timeout(Some(CONFIRM));
    let mut connector = TimeoutConnector::new(config.rustls_https_connector_with_connector(tcp)?);
    connector.set_connect_timeout(Some(CONNECT));
    connector.set_read_timeout(Some(SILENT));
    // What a connection waited for its next request does not count.
    connector.set_reset_reader_on_write(true);
    let service = ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .option_layer(config.auth_layer()?)
        .layer(config.extra_headers_layer()?)
        .map_request(|request: Request<Body>| {
            tracing::debug!(method = %request.method(), uri = %request.uri(), "asks the API server");
            request
        })
        .timeout(ANSWER)
        .map_err(BoxError::from)
        .service(Http::builder(TokioExecutor::new()).build(connector));
    Ok(ClientBuilder::new(service, config.default_namespace))
}

/// A client with the rights of the person who runs a command, for the cluster that they named, or their current one.
pub async fn connect_as_person(kubeconfig: Option<&Path>, context: Option<String>) -> Result<Client, ConnectError> {
    let kubeconfig = kubeconfig.map(Kubeconfig::read_from).transpose()?;
    let options = KubeConfigOptions {
        context,
        ..KubeConfigOptions::default()
    };
    let mut config = match kubeconfig {
        Some(kubeconfig) => Config::from_custom_kubeconfig(kubeconfig, &options).await?,
        None => Config::from_kubeconfig(&options).await?,
    };
    config.headers.push((USER_AGENT, HeaderValue::from_static(PERSON)));
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
    async fn a_write_is_finished_before_the_lease_is_given_back_and_what_begins_later_is_refused() {
        for method in [Method::PATCH, Method::POST, Method::PUT, Method::DELETE] {
            let tenure = Leadership::alone();
            let answered = Arc::new(AtomicBool::new(false));
            let fenced = Fenced {
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
                tenure: tenure.clone(),
            };
            let mut writes = fenced.clone();
            let sent = tokio::spawn(writes.call(request(method.clone())));
            tenure.writes().finish().await.unwrap();
            assert!(answered.load(Ordering::Acquire), "{method}");
            sent.await.unwrap().unwrap();
            assert!(fenced.clone().oneshot(request(method)).await.is_err());
            assert!(fenced.oneshot(request(Method::GET)).await.is_ok(), "reading goes on");
        }
    }
}
