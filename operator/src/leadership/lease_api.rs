//! The requests to the lease. Each is sent once, with a time limit: kube's own retries could take longer than a lease
//! lasts.

use std::time::Duration;

use futures::{Stream, StreamExt};
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::{PostParams, WatchEvent, WatchParams};
use kube::{Api, Client};

use ras_core::fetched::facts::FIELD_MANAGER;

#[derive(Debug)]
pub enum LeaseError {
    /// Another client wrote the lease first.
    Conflict,
    /// The lease was deleted.
    Missing,
    Other(String),
}

#[derive(Clone)]
pub struct LeaseApi {
    api: Api<Lease>,
    namespace: String,
    name: String,
    timeout: Duration,
}

impl LeaseApi {
    pub fn new(client: Client, namespace: &str, name: &str, timeout: Duration) -> Self {
        Self {
            api: Api::namespaced(client, namespace),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            timeout,
        }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub async fn get(&self) -> Result<Option<Lease>, LeaseError> {
        self.within(self.api.get_opt(&self.name)).await
    }

    pub async fn create(&self, lease: &Lease) -> Result<Lease, LeaseError> {
        self.within(self.api.create(&params(), lease)).await
    }

    /// A conflict if `lease` has an outdated resourceVersion.
    pub async fn replace(&self, lease: &Lease) -> Result<Lease, LeaseError> {
        self.within(self.api.replace(&self.name, &params(), lease)).await
    }

    /// Changes of the lease after a version; `None` when it is deleted. The stream ends when the watch breaks.
    pub async fn watch(&self, version: &str) -> Result<impl Stream<Item = Option<Lease>> + use<>, LeaseError> {
        let only = WatchParams::default().fields(&format!("metadata.name={}", self.name));
        let stream = self.within(self.api.watch(&only, version)).await?;
        Ok(stream
            .take_while(|event| {
                let is_event = matches!(
                    event,
                    Ok(WatchEvent::Added(_)
                        | WatchEvent::Modified(_)
                        | WatchEvent::Deleted(_)
                        | WatchEvent::Bookmark(_))
                );
                std::future::ready(is_event)
            })
            .filter_map(|event| {
                std::future::ready(match event {
                    Ok(WatchEvent::Added(lease) | WatchEvent::Modified(lease)) => Some(Some(lease)),
                    Ok(WatchEvent::Deleted(_)) => Some(None),
                    Ok(WatchEvent::Bookmark(_) | WatchEvent::Error(_)) | Err(_) => None,
                })
            }))
    }

    async fn within<T>(&self, call: impl Future<Output = Result<T, kube::Error>>) -> Result<T, LeaseError> {
        match tokio::time::timeout(self.timeout, call).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(kube::Error::Api(status))) if status.code == 409 => Err(LeaseError::Conflict),
            Ok(Err(kube::Error::Api(status))) if status.code == 404 => Err(LeaseError::Missing),
            Ok(Err(error)) => Err(LeaseError::Other(self.message(&error))),
            Err(_) => Err(LeaseError::Other(format!(
                "the API server did not answer a request for the lease {}/{} within {:?}",
                self.namespace, self.name, self.timeout
            ))),
        }
    }

    fn message(&self, error: &kube::Error) -> String {
        let lease = format!("{}/{}", self.namespace, self.name);
        match error {
            kube::Error::Api(status) if status.code == 403 => format!(
                "access to the lease {lease} is forbidden ({}): give the service account the Role of deploy/rbac/leader-election.yaml in this namespace",
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
