//! The requests about the lease: each once, each with a time limit. kube's client would try again by itself for longer than
//! a tenure lasts.

use std::time::Duration;

use futures::{Stream, StreamExt};
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::{PostParams, WatchEvent, WatchParams};
use kube::{Api, Client};

use ras_core::fetched::facts::FIELD_MANAGER;

/// How a request ended that did not do what it was for.
#[derive(Debug)]
pub enum Failed {
    /// Somebody else was quicker.
    Conflict,
    /// There is no lease any more.
    Gone,
    /// Anything else, in a sentence.
    Other(String),
}

/// The lease, as far away as it is.
#[derive(Clone)]
pub struct Calls {
    api: Api<Lease>,
    namespace: String,
    name: String,
    limit: Duration,
}

impl Calls {
    /// For the lease of this name.
    pub fn new(client: Client, namespace: &str, name: &str, limit: Duration) -> Self {
        Self {
            api: Api::namespaced(client, namespace),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            limit,
        }
    }

    /// The lease's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Looks at it.
    pub async fn get(&self) -> Result<Option<Lease>, Failed> {
        self.within(self.api.get_opt(&self.name)).await
    }

    /// Makes it.
    pub async fn create(&self, lease: &Lease) -> Result<Lease, Failed> {
        self.within(self.api.create(&params(), lease)).await
    }

    /// Writes it, if it is still the one that was seen.
    pub async fn replace(&self, lease: &Lease) -> Result<Lease, Failed> {
        self.within(self.api.replace(&self.name, &params(), lease)).await
    }

    /// Follows it from a version on. The stream ends when it breaks; then it is to be looked at again.
    pub async fn follow(&self, version: &str) -> Result<impl Stream<Item = Option<Lease>> + use<>, Failed> {
        let only = WatchParams::default().fields(&format!("metadata.name={}", self.name));
        let stream = self.within(self.api.watch(&only, version)).await?;
        Ok(stream
            .take_while(|event| {
                let told = matches!(
                    event,
                    Ok(WatchEvent::Added(_)
                        | WatchEvent::Modified(_)
                        | WatchEvent::Deleted(_)
                        | WatchEvent::Bookmark(_))
                );
                std::future::ready(told)
            })
            .filter_map(|event| {
                std::future::ready(match event {
                    Ok(WatchEvent::Added(lease) | WatchEvent::Modified(lease)) => Some(Some(lease)),
                    Ok(WatchEvent::Deleted(_)) => Some(None),
                    Ok(WatchEvent::Bookmark(_) | WatchEvent::Error(_)) | Err(_) => None,
                })
            }))
    }

    async fn within<T>(&self, call: impl Future<Output = Result<T, kube::Error>>) -> Result<T, Failed> {
        match tokio::time::timeout(self.limit, call).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(kube::Error::Api(status))) if status.code == 409 => Err(Failed::Conflict),
            Ok(Err(kube::Error::Api(status))) if status.code == 404 => Err(Failed::Gone),
            Ok(Err(error)) => Err(Failed::Other(self.sentence(&error))),
            Err(_) => Err(Failed::Other(format!(
                "the API server did not answer about the lease {}/{} within {:?}",
                self.namespace, self.name, self.limit
            ))),
        }
    }

    fn sentence(&self, error: &kube::Error) -> String {
        let lease = format!("{}/{}", self.namespace, self.name);
        match error {
            kube::Error::Api(status) if status.code == 403 => format!(
                "the lease {lease} is out of reach ({}): give the service account the Role of deploy/rbac/leader-election.yaml in this namespace",
                status.message
            ),
            kube::Error::Api(status) => format!("the lease {lease}: {}", status.message),
            error => format!("the lease {lease}: {error}"),
        }
    }
}

fn params() -> PostParams {
    PostParams {
        field_manager: Some(FIELD_MANAGER.to_owned()),
        ..PostParams::default()
    }
}
