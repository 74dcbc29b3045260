//! The tasks that follow changes while the program runs: children, optional APIs, platform settings, drives.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use kube::runtime::reflector::store::Writer;
use kube::runtime::watcher::{self, Event};
use kube::{Api, Client};
use tokio::sync::{oneshot, watch};
use tokio::task::{AbortHandle, JoinSet};

use crate::controller::context::Context;
use crate::controller::drive_watch;
use crate::controller::packed::Packed;
use crate::controller::stored_drive::StoredDrive;
use crate::informer::store::{DriveKey, Requeue};
use crate::informer::watch_stream::WatchStream;
use crate::informer::watches::{self, EventSink, WatchScope, watch_children, watch_pods};
use crate::platform_reload::{self, Change};
use crate::telemetry::server::{Health, ProcessPhase};
use ras_core::fetched::Apis;
use ras_core::fetched::facts::ExternalSecretsVersion;
use ras_core::kind::Kind;

/// Longest wait for the first list of an optional kind.
const OPTIONAL_LIMIT: Duration = Duration::from_secs(10);

/// Starts the watches of children and pods, and returns after their first lists.
pub(super) async fn list_children(tasks: &mut JoinSet<()>, client: &Client, scope: &WatchScope, sink: &EventSink) {
    let mut lists = Vec::new();
    for part in scope.parts() {
        for kind in Kind::ALL.iter().filter(|kind| !kind.is_optional()) {
            let (done, listed) = oneshot::channel();
            tasks.spawn(watch_children(*kind, part.clone(), client.clone(), sink.clone(), done));
            lists.push(listed);
        }
        let (done, listed) = oneshot::channel();
        tasks.spawn(watch_pods(part, client.clone(), sink.clone(), done));
        lists.push(listed);
    }
    futures::future::join_all(lists).await;
}

/// True when the cluster serves the kind.
fn is_served(kind: Kind, apis: Apis) -> bool {
    match kind {
        Kind::ServiceMonitor => apis.service_monitors,
        Kind::PrometheusRule => apis.prometheus_rules,
        Kind::Cluster => apis.clusters,
        Kind::ScheduledBackup => apis.scheduled_backups,
        Kind::ExternalSecret => apis.external_secrets == Some(ExternalSecretsVersion::V1),
        Kind::ExternalSecretBeta => apis.external_secrets == Some(ExternalSecretsVersion::V1Beta1),
        Kind::ServiceAccount
        | Kind::Secret
        | Kind::ConfigMap
        | Kind::PersistentVolumeClaim
        | Kind::NetworkPolicy
        | Kind::Service
        | Kind::StatefulSet
        | Kind::Job
        | Kind::Deployment
        | Kind::HorizontalPodAutoscaler
        | Kind::PodDisruptionBudget
        | Kind::Ingress => true,
    }
}

pub(super) fn all_drives(context: &Context) -> Requeue {
    let drives = context.drives.state();
    drives.iter().map(|drive| drive_watch::key(&**drive)).collect()
}

/// Starts and stops the watches of optional kinds when their APIs are installed or removed, and then requeues every
/// drive. `listed` is sent after the first lists of the kinds that are served at the start.
pub(super) async fn follow_apis(
    client: Client,
    scope: WatchScope,
    sink: EventSink,
    mut apis: watch::Receiver<Option<Apis>>,
    context: Arc<Context>,
    listed: oneshot::Sender<()>,
) {
    let mut running: HashMap<Kind, Vec<AbortHandle>> = HashMap::new();
    let mut listed = Some(listed);
    let mut before = None;
    loop {
        let mut lists = Vec::new();
        let now = apis.borrow_and_update().unwrap_or_default();
        for kind in Kind::ALL.iter().copied().filter(|kind| kind.is_optional()) {
            let served = is_served(kind, now);
            if served && !running.contains_key(&kind) {
                let handles = scope.parts().into_iter().map(|part| {
                    let (done, listed) = oneshot::channel();
                    lists.push(listed);
                    tokio::spawn(watch_children(kind, part, client.clone(), sink.clone(), done)).abort_handle()
                });
                running.insert(kind, handles.collect());
            }
            if !served && let Some(handles) = running.remove(&kind) {
                handles.iter().for_each(AbortHandle::abort);
                sink.store.retain(kind, None, &HashSet::new());
            }
        }
        // An API that is just being installed may not answer yet. Drives do not wait for it.
        let _ = tokio::time::timeout(OPTIONAL_LIMIT, futures::future::join_all(lists)).await;
        if let Some(listed) = listed.take() {
            let _ = listed.send(());
        }
        if before.is_some_and(|before| before != now) {
            tracing::info!(apis = ?now, "optional APIs changed");
            sink.enqueue(all_drives(&context));
        }
        before = Some(now);
        if apis.changed().await.is_err() {
            return;
        }
    }
}

/// Applies changes of the platform settings, and then requeues every drive.
pub(super) async fn follow_platform(path: &Path, context: &Context, sink: &EventSink) {
    platform_reload::follow(path, &context.platform, |change| {
        let is_valid = match change {
            Change::Taken => {
                tracing::info!("changed platform settings are in effect");
                true
            }
            Change::WithoutObjectStore => {
                tracing::warn!(
                    "changed platform settings are in effect, except objectStore: restart the operator to apply it, \
                     with `kubectl rollout restart`"
                );
                true
            }
            Change::Refused(error) => {
                tracing::error!(%error, "the changed platform settings are invalid: the previous ones stay in effect");
                false
            }
        };
        context.child_client.metrics.set_platform_settings_valid(is_valid);
        if is_valid {
            sink.enqueue(all_drives(context));
        }
    })
    .await;
}

/// Watches drives and fills the reflector.
pub(super) async fn follow_drives(
    client: Client,
    scope: WatchScope,
    mut writer: Writer<Packed>,
    sink: EventSink,
    context: Arc<Context>,
    health: Health,
) {
    let watches = scope.parts().into_iter().map(|part| {
        let api: Api<StoredDrive> = part
            .as_deref()
            .map_or_else(|| Api::all(client.clone()), |ns| Api::namespaced(client.clone(), ns));
        let stream = watcher::watcher(api, watches::drives()).boxed();
        WatchStream::new("RecruitmentDrive", part, stream, sink.api_health.clone()).into_stream()
    });
    // A reflector takes one list, so the first lists of all namespaces are merged into one. A later list follows a
    // broken watch: drives that it does not contain were deleted meanwhile.
    let mut unlisted: BTreeSet<usize> = (0..watches.len()).collect();
    let mut listing: HashMap<usize, HashSet<DriveKey>> = HashMap::new();
    let mut merged = futures::stream::select_all(
        watches
            .enumerate()
            .map(|(index, stream)| stream.map(move |event| (index, event)).boxed()),
    );
    let parts = scope.parts();
    let mut take = |event| drive_watch::take(event, &mut writer, &sink, &context);
    take(Event::Init);
    while let Some((index, event)) = merged.next().await {
        match event {
            Event::Init => {
                listing.insert(index, HashSet::new());
            }
            Event::InitApply(drive) => {
                listing.entry(index).or_default().insert(drive_watch::key(&drive));
                take(if unlisted.is_empty() {
                    Event::Apply(drive)
                } else {
                    Event::InitApply(drive)
                });
            }
            Event::InitDone => {
                let listed = listing.remove(&index).unwrap_or_default();
                if unlisted.remove(&index) {
                    if unlisted.is_empty() {
                        take(Event::InitDone);
                        // Not by the store's `wait_until_ready`, which wakes only one waiter, and that is the
                        // reconciler.
                        health.set_phase(ProcessPhase::Ready);
                        tracing::info!("ready");
                    }
                    continue;
                }
                let part = parts.get(index).cloned().flatten();
                for drive in context.drives.state() {
                    let key = drive_watch::key(&*drive);
                    if part.as_deref().is_none_or(|namespace| namespace == &*key.namespace) && !listed.contains(&key) {
                        take(Event::Delete(drive.open()));
                    }
                }
            }
            // Until all lists are complete, the reflector takes only events of a list.
            Event::Apply(drive) => take(if unlisted.is_empty() {
                Event::Apply(drive)
            } else {
                Event::InitApply(drive)
            }),
            Event::Delete(drive) => take(Event::Delete(drive)),
        }
    }
}
