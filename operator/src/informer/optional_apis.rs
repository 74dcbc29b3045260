//! The optional APIs that the cluster serves, updated as soon as one is installed or removed.

use std::collections::BTreeSet;
use std::time::Duration;

use futures::StreamExt;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::core::PartialObjectMeta;
use kube::runtime::watcher::{self, Event};
use kube::{Api, Client, ResourceExt};
use tokio::sync::watch;

use crate::informer::api_errors::{is_unreachable, summary_of_watch};
use crate::informer::api_health::ApiHealth;
use crate::informer::watch_stream::WatchStream;
use ras_core::fetched::facts::{Apis, ExternalSecretsVersion};

/// Interval of discovery without the permission to watch CustomResourceDefinitions.
const DISCOVER_EVERY: Duration = Duration::from_secs(55);

/// Discovery lags behind a changed CustomResourceDefinition, so it is repeated after these times.
const DISCOVER_AGAIN: &[Duration] = &[
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

/// Keeps `apis` up to date until it is dropped.
///
/// A watch of CustomResourceDefinitions (metadata only) sends no requests while nothing changes. It needs a
/// ClusterRole, so an operator that is installed for some namespaces polls discovery instead.
pub async fn follow(client: Client, apis: watch::Sender<Option<Apis>>, api_health: ApiHealth) {
    if let Err(error) = follow_by_watch(client.clone(), &apis, api_health.clone()).await {
        tracing::info!(
            error = summary_of_watch(&error),
            "no permission to watch CustomResourceDefinitions: polls discovery for optional APIs every {} s instead",
            DISCOVER_EVERY.as_secs()
        );
    }
    loop {
        let recoveries = api_health.recoveries();
        if let Ok(served) = discover(&client).await {
            update(&apis, served);
        } else {
            api_health.report_failure();
            // Keeps the last result: otherwise every drive would report missing APIs during an outage.
            if apis.borrow().is_none() {
                update(&apis, Apis::default());
            }
        }
        tokio::select! {
            () = tokio::time::sleep(DISCOVER_EVERY) => {}
            () = api_health.recovered_after(recoveries) => {}
        }
    }
}

/// Returns only if the watch is forbidden.
async fn follow_by_watch(
    client: Client,
    apis: &watch::Sender<Option<Apis>>,
    api_health: ApiHealth,
) -> Result<(), watcher::Error> {
    let api: Api<PartialObjectMeta<CustomResourceDefinition>> = Api::all(client.clone());
    let stream = watcher::watcher(api, watcher::Config::default()).boxed();
    let mut watch = WatchStream::new("CustomResourceDefinition", None, stream, api_health);
    let mut served = Apis::default();
    let mut listing = Apis::default();
    let mut is_listed = false;
    // Only discovery shows the served version.
    let mut discover_after: &[Duration] = &[];
    loop {
        let event = match discover_after.split_first() {
            None => watch.next_event_or(is_forbidden).await,
            Some((wait, later)) => {
                if let Ok(event) = tokio::time::timeout(*wait, watch.next_event_or(is_forbidden)).await {
                    event
                } else {
                    discover_after = later;
                    served.external_secrets = external_secrets(&client).await;
                    update(apis, served);
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
                served = listing;
                is_listed = true;
            }
            Ok(Event::Apply(definition)) => {
                let name = definition.name_any();
                set(&mut served, &name, definition.metadata.deletion_timestamp.is_none());
                if name == EXTERNAL_SECRETS {
                    discover_after = DISCOVER_AGAIN;
                    served.external_secrets = external_secrets(&client).await;
                }
            }
            Ok(Event::Delete(definition)) => {
                let name = definition.name_any();
                set(&mut served, &name, false);
                if name == EXTERNAL_SECRETS {
                    discover_after = &[];
                    served.external_secrets = None;
                }
            }
            Err(error) => return Err(error),
        }
        if is_listed {
            update(apis, served);
        }
    }
}

fn update(apis: &watch::Sender<Option<Apis>>, served: Apis) {
    apis.send_if_modified(|before| before.replace(served) != Some(served));
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

/// Reads the list of groups, and then only the groups that we use.
async fn discover(client: &Client) -> Result<Apis, kube::Error> {
    let versions = served_versions(client).await?;
    let monitoring = resources(client, &versions, "monitoring.coreos.com/v1").await?;
    let certificates = resources(client, &versions, "cert-manager.io/v1").await?;
    let cloud_native_pg = resources(client, &versions, "postgresql.cnpg.io/v1").await?;
    Ok(Apis {
        service_monitors: monitoring.contains("servicemonitors"),
        prometheus_rules: monitoring.contains("prometheusrules"),
        certificates: certificates.contains("certificates"),
        clusters: cloud_native_pg.contains("clusters"),
        scheduled_backups: cloud_native_pg.contains("scheduledbackups"),
        external_secrets: newest_external_secrets(client, &versions).await?,
    })
}

/// The newest served version of `ExternalSecret`. `None` also if discovery fails.
async fn external_secrets(client: &Client) -> Option<ExternalSecretsVersion> {
    let versions = served_versions(client).await.ok()?;
    newest_external_secrets(client, &versions).await.ok().flatten()
}

async fn newest_external_secrets(
    client: &Client,
    served: &BTreeSet<String>,
) -> Result<Option<ExternalSecretsVersion>, kube::Error> {
    for version in [ExternalSecretsVersion::V1, ExternalSecretsVersion::V1Beta1] {
        if resources(client, served, version.api_version())
            .await?
            .contains("externalsecrets")
        {
            return Ok(Some(version));
        }
    }
    Ok(None)
}

/// Every served `group/version`.
async fn served_versions(client: &Client) -> Result<BTreeSet<String>, kube::Error> {
    let versions = client.list_api_groups().await?.groups.into_iter();
    Ok(versions
        .flat_map(|group| group.versions)
        .map(|version| version.group_version)
        .collect())
}

/// The resources of a served version. A version that is being removed may be listed and not answer.
async fn resources(
    client: &Client,
    served: &BTreeSet<String>,
    group_version: &str,
) -> Result<BTreeSet<String>, kube::Error> {
    if !served.contains(group_version) {
        return Ok(BTreeSet::new());
    }
    match client.list_api_group_resources(group_version).await {
        Ok(list) => Ok(list.resources.into_iter().map(|resource| resource.name).collect()),
        Err(error) if is_unreachable(&error) => Err(error),
        Err(_) => Ok(BTreeSet::new()),
    }
}
