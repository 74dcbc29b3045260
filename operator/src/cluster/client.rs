//! The client of the API server.

use std::path::Path;
use std::time::Duration;

use http::header::USER_AGENT;
use http::{HeaderValue, Method, Request};
use kube::client::{Body, ClientBuilder};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use tower::filter::FilterLayer;

use crate::cluster::lease::tenure::Tenure;

/// Sent with every request, so that an audit log can tell what the operator did.
pub const AGENT: &str = concat!("ras-operator/", env!("CARGO_PKG_VERSION"));

/// The same, of a person's requests.
const PERSON: &str = concat!("kubectl-ras/", env!("CARGO_PKG_VERSION"));

/// Where a client could not be made.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Neither a kubeconfig nor a pod's service account was found.
    #[error("no cluster to talk to: set KUBECONFIG, or run in a pod with a service account ({0})")]
    Config(#[from] kube::config::InferConfigError),
    /// What a person named was not found.
    #[error("the kubeconfig cannot be used: {0}")]
    Kubeconfig(#[from] kube::config::KubeconfigError),
    /// The configuration does not make a client.
    #[error("the cluster's configuration makes no client: {0}")]
    Client(#[from] kube::Error),
}

/// A client for the cluster that KUBECONFIG or the pod's service account names.
pub async fn connect() -> Result<Client, ConnectError> {
    Ok(ClientBuilder::try_from(config().await?)?.build())
}

/// The same, but nothing leaves it that could change something while this process does not lead. So whoever writes, now
/// or in a later version, cannot forget to ask.
pub async fn connect_to_write(tenure: &Tenure) -> Result<Client, ConnectError> {
    let tenure = tenure.clone();
    let guard = FilterLayer::new(move |request: Request<Body>| {
        if *request.method() == Method::GET {
            return Ok(request);
        }
        tenure.check().map(|()| request)
    });
    Ok(ClientBuilder::try_from(config().await?)?.with_layer(&guard).build())
}

async fn config() -> Result<Config, ConnectError> {
    let mut config = Config::infer().await?;
    config.headers.push((USER_AGENT, HeaderValue::from_static(AGENT)));
    // kube's own retries can take hours on one request; a reconcile has a time limit and a back-off of its own.
    config.default_retry = false;
    config.connect_timeout = Some(Duration::from_secs(10));
    // Watches are silent for minutes; the server ends each after at most five and sends bookmarks before that.
    config.read_timeout = Some(Duration::from_secs(330));
    config.write_timeout = Some(Duration::from_secs(30));
    Ok(config)
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
