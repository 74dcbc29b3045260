//! Which optional APIs the cluster serves, noticed as soon as they come or go.

use std::collections::BTreeSet;
use std::time::Duration;

use futures::StreamExt;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::core::PartialObjectMeta;
use kube::runtime::watcher::{self, Event};
use kube::{Api, Client, ResourceExt};
use tokio::sync::watch;

use crate::informer::api_health::{ApiHealth, is_unreached};
use crate::informer::error_summary::brief;
use crate::informer::watch_stream::Listener;
use ras_core::fetched::facts::{Apis, ExternalSecretsVersion};

/// How often the cluster is asked when it does not let us watch its CustomResourceDefinitions.
const ASK_EVERY: Duration = Duration::from_secs(55);

/// When discovery is asked again after a definition of ours changed.
const ASK_AGAIN: &[Duration] = &[
    Duration::from_secs(1),
    Duration::from_secs(4),
    Duration::from_secs(10),
    Duration::from_secs(20),
];

const EXTERNAL_SECRETS: &str = "externalsecrets.external-secrets.io";
const CLUSTERS: &str = "clusters.postgresql.cnpg.io";
const SCHEDULED_BACKUPS: &str = "scheduledbackups.postgresql.cnpg.io";
const SERVICE_MONITORS: &str = "servicemonitors.monitoring.coreos.com";
const PROMETHEUS_RULES: &str = "prometheusrules.monitoring.coreos.com";
const CERTIFICATES: &str = "certificates.cert-manager.io";

/// Keeps `apis` at what the cluster serves, until it is dropped.
///
/// A watch of CustomResourceDefinitions (names only) costs nothing at rest. It needs a right on cluster
/// level, so an operator that was installed for some namespaces asks now and then instead.
pub async fn follow(client: Client, apis: watch::Sender<Option<Apis>>, api_health: ApiHealth) {
    if let Err(error) = follow_by_watch(client.clone(), &apis, api_health.clone()).await {
        tracing::info!(
            error = brief(&error),
            "may not watch CustomResourceDefinitions, asks for optional APIs every {} s instead",
            ASK_EVERY.as_secs()
        );
    }
    loop {
        let ended = api_health.ended();
        if let Ok(seen) = ask(&client).await {
            tell(&apis, seen);
        } else {
            api_health.doubt();
            // What is known stays, or an outage would make all of them gone, and every drive be told to install them.
            if apis.borrow().is_none() {
                tell(&apis, Apis::default());
            }
        }
        tokio::select! {
            () = tokio::time::sleep(ASK_EVERY) => {}
            () = api_health.again_after(ended) => {}
        }
    }
}

/// Returns only when watching is not allowed.
async fn follow_by_watch(
    client: Client,
    apis: &watch::Sender<Option<Apis>>,
    api_health: ApiHealth,
) -> Result<(), watcher::Error> {
    let api: Api<PartialObjectMeta<CustomResourceDefinition>> = Api::all(client.clone());
    let stream = watcher::watcher(api, watcher::Config::default()).boxed();
    let mut listener = Listener::new("CustomResourceDefinition", None, stream, api_health);
    let mut seen = Apis::default();
    let mut listing = Apis::default();
    let mut is_listed = false;
    // Names do not tell which version is served, and discovery follows a definition only after a while.
    let mut asks: &[Duration] = &[];
    loop {
        let event = match asks.split_first() {
            None => listener.event_unless(is_forbidden).await,
            Some((wait, later)) => {
                if let Ok(event) = tokio::time::timeout(*wait, listener.event_unless(is_forbidden)).await {
                    event
                } else {
                    asks = later;
                    seen.external_secrets = external_secrets(&client).await;
                    tell(apis, seen);
                    continue;
                }
            }
        };
        let Some(event) = event else { return Ok(()) };
        match event {
            Ok(Event::Init) => {
                listing = Apis::default();
                continue;
            }
            Ok(Event::InitApply(definition)) => {
                set(&mut listing, &definition.name_any(), true);
                continue;
            }
            Ok(Event::InitDone) => {
                listing.external_secrets = external_secrets(&client).await;
                seen = listing;
                is_listed = true;
            }
            Ok(Event::Apply(definition)) => {
                let name = definition.name_any();
                set(&mut seen, &name, definition.metadata.deletion_timestamp.is_none());
                if name == EXTERNAL_SECRETS {
                    asks = ASK_AGAIN;
                    seen.external_secrets = external_secrets(&client).await;
                }
            }
            Ok(Event::Delete(definition)) => {
                let name = definition.name_any();
                set(&mut seen, &name, false);
                if name == EXTERNAL_SECRETS {
                    asks = &[];
                    seen.external_secrets = None;
                }
            }
            Err(error) => return Err(error),
        }
        if is_listed {
            tell(apis, seen);
        }
    }
}

fn tell(apis: &watch::Sender<Option<Apis>>, seen: Apis) {
    apis.send_if_modified(|before| before.replace(seen) != Some(seen));
}

fn set(apis: &mut Apis, definition: &str, served: bool) {
    match definition {
        SERVICE_MONITORS => apis.service_monitors = served,
        PROMETHEUS_RULES => apis.prometheus_rules = served,
        CERTIFICATES => apis.certificates = served,
        CLUSTERS => apis.clusters = served,
        SCHEDULED_BACKUPS => apis.scheduled_backups = served,
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

/// Asks discovery: first which groups there are, and then only what those have.
async fn ask(client: &Client) -> Result<Apis, kube::Error> {
    let served = served_versions(client).await?;
    let monitoring = has(client, &served, "monitoring.coreos.com/v1").await?;
    let certificates = has(client, &served, "cert-manager.io/v1").await?;
    let cloud_native_pg = has(client, &served, "postgresql.cnpg.io/v1").await?;
    Ok(Apis {
        service_monitors: monitoring.contains("servicemonitors"),
        prometheus_rules: monitoring.contains("prometheusrules"),
        certificates: certificates.contains("certificates"),
        clusters: cloud_native_pg.contains("clusters"),
        scheduled_backups: cloud_native_pg.contains("scheduledbackups"),
        external_secrets: newest_external_secrets(client, &served).await?,
    })
}

/// The newest version of `ExternalSecret` that is served. What does not answer is not served.
async fn external_secrets(client: &Client) -> Option<ExternalSecretsVersion> {
    let served = served_versions(client).await.ok()?;
    newest_external_secrets(client, &served).await.ok().flatten()
}

async fn newest_external_secrets(
    client: &Client,
    served: &BTreeSet<String>,
) -> Result<Option<ExternalSecretsVersion>, kube::Error> {
    for version in [ExternalSecretsVersion::V1, ExternalSecretsVersion::V1Beta1] {
        if has(client, served, version.api_version())
            .await?
            .contains("externalsecrets")
        {
            return Ok(Some(version));
        }
    }
    Ok(None)
}

/// Every `group/version` that is served.
async fn served_versions(client: &Client) -> Result<BTreeSet<String>, kube::Error> {
    let versions = client.list_api_groups().await?.groups.into_iter();
    Ok(versions
        .flat_map(|group| group.versions)
        .map(|version| version.group_version)
        .collect())
}

/// What is served of one of the versions that are. One that is being removed may be named and not answer.
async fn has(client: &Client, served: &BTreeSet<String>, group_version: &str) -> Result<BTreeSet<String>, kube::Error> {
    if !served.contains(group_version) {
        return Ok(BTreeSet::new());
    }
    match client.list_api_group_resources(group_version).await {
        Ok(list) => Ok(list.resources.into_iter().map(|resource| resource.name).collect()),
        Err(error) if is_unreached(&error) => Err(error),
        Err(_) => Ok(BTreeSet::new()),
    }
}
