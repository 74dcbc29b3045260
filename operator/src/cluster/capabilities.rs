//! Which optional APIs the cluster serves, noticed as soon as they come or go.

use std::time::Duration;

use futures::StreamExt;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::core::PartialObjectMeta;
use kube::runtime::watcher::{self, Event};
use kube::{Api, Client, ResourceExt};
use tokio::sync::watch;

use crate::cluster::brief::brief;
use crate::cluster::facts::Apis;

/// How often the cluster is asked when it does not let us watch its CustomResourceDefinitions.
const ASK_EVERY: Duration = Duration::from_secs(55);

const SERVICE_MONITORS: &str = "servicemonitors.monitoring.coreos.com";
const PROMETHEUS_RULES: &str = "prometheusrules.monitoring.coreos.com";
const CERTIFICATES: &str = "certificates.cert-manager.io";

/// Keeps `apis` at what the cluster serves, until it is dropped.
///
/// A watch of CustomResourceDefinitions (names only) costs nothing at rest. It needs a right on cluster
/// level, so an operator that was installed for some namespaces asks now and then instead.
pub async fn follow(client: Client, apis: watch::Sender<Option<Apis>>) {
    if let Err(error) = follow_by_watch(client.clone(), &apis).await {
        tracing::info!(
            error = brief(&error),
            "may not watch CustomResourceDefinitions, asks for optional APIs every {} s instead",
            ASK_EVERY.as_secs()
        );
    }
    loop {
        let seen = ask(&client).await;
        apis.send_if_modified(|before| before.replace(seen) != Some(seen));
        tokio::time::sleep(ASK_EVERY).await;
    }
}

/// Returns only when watching is not allowed.
async fn follow_by_watch(client: Client, apis: &watch::Sender<Option<Apis>>) -> Result<(), watcher::Error> {
    let api: Api<PartialObjectMeta<CustomResourceDefinition>> = Api::all(client);
    let mut stream =
        kube::runtime::WatchStreamExt::default_backoff(watcher::watcher(api, watcher::Config::default())).boxed();
    let mut seen = Apis::default();
    let mut listing = Apis::default();
    while let Some(event) = stream.next().await {
        match event {
            Ok(Event::Init) => {
                listing = Apis::default();
                continue;
            }
            Ok(Event::InitApply(definition)) => {
                set(&mut listing, &definition.name_any(), true);
                continue;
            }
            Ok(Event::InitDone) => seen = listing,
            Ok(Event::Apply(definition)) => set(
                &mut seen,
                &definition.name_any(),
                definition.metadata.deletion_timestamp.is_none(),
            ),
            Ok(Event::Delete(definition)) => set(&mut seen, &definition.name_any(), false),
            Err(error) if is_forbidden(&error) => return Err(error),
            Err(error) => {
                tracing::warn!(
                    error = brief(&error),
                    "watch of CustomResourceDefinitions failed, will be tried again"
                );
                continue;
            }
        }
        apis.send_if_modified(|before| before.replace(seen) != Some(seen));
    }
    Ok(())
}

fn set(apis: &mut Apis, definition: &str, served: bool) {
    match definition {
        SERVICE_MONITORS => apis.service_monitors = served,
        PROMETHEUS_RULES => apis.prometheus_rules = served,
        CERTIFICATES => apis.certificates = served,
        _ => {}
    }
}

fn is_forbidden(error: &watcher::Error) -> bool {
    matches!(
        error,
        watcher::Error::InitialListFailed(kube::Error::Api(status)) | watcher::Error::WatchStartFailed(kube::Error::Api(status))
            if status.code == 403
    )
}

/// Asks discovery. A group that is not served answers 404, which is an answer.
async fn ask(client: &Client) -> Apis {
    let has = async |group_version: &str, plural: &str| {
        client
            .list_api_group_resources(group_version)
            .await
            .is_ok_and(|list| list.resources.iter().any(|resource| resource.name == plural))
    };
    Apis {
        service_monitors: has("monitoring.coreos.com/v1", "servicemonitors").await,
        prometheus_rules: has("monitoring.coreos.com/v1", "prometheusrules").await,
        certificates: has("cert-manager.io/v1", "certificates").await,
    }
}
