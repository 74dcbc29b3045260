//! Starts everything, and stops it again: informers, the election, the queue, the reconciler, the metrics server.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures::{FutureExt, StreamExt};
use k8s_openapi::jiff::Timestamp;
use kube::Api;
use kube::Client;
use kube::core::DeserializeGuard;
use kube::runtime::controller::{self as kube_controller, ReconcileReason, ReconcileRequest};
use kube::runtime::events::{Recorder, Reporter};
use kube::runtime::reflector::{ObjectRef, store::Writer};
use kube::runtime::watcher::{self, Event};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{AbortHandle, JoinSet};

use ras_crds::RecruitmentDrive;

use crate::apply::child_client::ChildClient;
use crate::client;
use crate::client::ConnectError;
use crate::controller;
use crate::controller::context::Context;
use crate::controller::{drive_watch, outage_requeue};
use crate::informer::api_health::ApiHealth;
use crate::informer::capabilities;
use crate::informer::claims::Claims;
use crate::informer::definition;
use crate::informer::informers::{News, Scope, everything, watch_children, watch_pods};
use crate::informer::store::{DriveKey, Store};
use crate::informer::watch_stream::Listener;
use crate::leadership;
use crate::leadership::election::{Election, Kept, Lost};
use crate::leadership::state::Leadership;
use crate::listeners;
use crate::platform_reload;
use crate::platform_reload::{Change, InForce};
use crate::stop::Stop;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::server::{self, Health, Stage};
use ras_core::fetched::Apis;
use ras_core::fetched::facts::ExternalSecretsVersion;
use ras_core::fetched::facts::FIELD_MANAGER;
use ras_core::fetched::own_pods::OwnPods;
use ras_core::kind::Kind;
use ras_core::platform::{ObjectStoreConfig, PlatformConfig};
use ras_object_store::controller::{BucketController, Intervals};
use ras_object_store::rate_limiter::RateLimiter;
use ras_object_store::s3::{ConnectError as ConnectStoreError, S3Store};

/// Longest wait for the first list of an optional kind.
const OPTIONAL_LIMIT: Duration = Duration::from_secs(10);

/// How the program runs.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Which namespaces it looks after.
    pub scope: Scope,
    /// What the platform team sets for all drives.
    pub platform: PlatformConfig,
    /// Where that was read, and is followed. Absent: the defaults.
    pub platform_file: Option<PathBuf>,
    /// Where metrics are answered.
    pub metrics_address: SocketAddr,
    /// Drives worked on at a time.
    pub concurrency: u16,
    /// The operator's own pods. Absent: the ports of services are not checked, because nothing would let the operator in.
    pub own_pods: Option<OwnPods>,
    /// How this replica takes part in the election. Absent: it is the only one.
    pub election: Option<leadership::Settings>,
}

/// Why the program could not start.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// No client.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The platform's object store cannot be used.
    #[error(transparent)]
    ObjectStore(#[from] ConnectStoreError),
    /// The port for metrics is taken.
    #[error("{address} cannot be listened on: {source}. Choose another with --metrics-address")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// The kind is not there.
    #[error(
        "the cluster has no RecruitmentDrive (ras.dev/v1alpha1): apply crds/recruitmentdrives.yaml, or `ras-operator crd | kubectl apply --server-side -f -`, and start again ({0})"
    )]
    NoCrd(kube::Error),
    /// The kind is older than the program.
    #[error(transparent)]
    OldCrd(#[from] definition::Older),
    /// Another replica may lead by now.
    #[error("{0}; this process ends, and begins anew as a standby")]
    Lost(#[from] Lost),
}

/// What has begun, and goes on whether this replica leads or stands by.
struct Begun {
    context: Arc<Context>,
    news: News,
    woken: mpsc::UnboundedReceiver<DriveKey>,
    /// Ended when it is dropped.
    _watches: JoinSet<()>,
}

/// Runs until SIGTERM or SIGINT, finishes the reconciles that are under way, gives the lease back and returns.
///
/// # Errors
/// When it cannot begin, or when it loses the lease: then somebody else may write already, and nothing is finished.
pub async fn run(settings: Settings) -> Result<(), RunError> {
    let stop = Stop::listen();
    let metrics = Metrics::default();
    let listener = server::listen(settings.metrics_address)
        .await
        .map_err(|source| RunError::Listen {
            address: settings.metrics_address,
            source,
        })?;
    if let Ok(address) = listener.local_addr() {
        tracing::info!(%address, "answers /metrics, /healthz and /readyz");
    }
    let election = match &settings.election {
        Some(part) => Some(Election::new(client::connect().await?, part.clone(), metrics.clone())),
        None => None,
    };
    let tenure = election.as_ref().map_or_else(Leadership::alone, Election::tenure);
    let health = Health::new(tenure.clone());
    let mut tasks = JoinSet::new();
    tasks.spawn(server::serve(listener, metrics.clone(), health.clone()));

    let begun = tokio::select! {
        biased;
        () = stop.asked() => None,
        begun = begin(&settings, &metrics, &tenure, &health) => Some(begun?),
    };
    if let Some(begun) = begun {
        work(begun, election, &metrics, &health, &stop, settings.concurrency).await?;
    }
    tracing::info!("stopped");
    Ok(())
}

/// Starts all watches and returns when what there is of children is known.
async fn begin(
    settings: &Settings,
    metrics: &Metrics,
    tenure: &Leadership,
    health: &Health,
) -> Result<Begun, RunError> {
    let client = client::connect_to_write(tenure).await?;
    definition::served(&client, &settings.scope)
        .await
        .map_err(RunError::NoCrd)?;
    definition::require_as_new(&client).await?;
    let mut tasks = JoinSet::new();

    let store = Arc::new(Store::default());
    let claims = Arc::new(Claims::default());
    let (queue, woken) = mpsc::unbounded_channel();
    let news = News {
        store: Arc::clone(&store),
        claims: Arc::clone(&claims),
        queue,
        api_health: ApiHealth::default(),
    };
    tasks.spawn(news.api_health.clone().watch_over(client.clone()));
    let (apis_tell, mut apis) = watch::channel(None);
    tasks.spawn(capabilities::follow(client.clone(), apis_tell, news.api_health.clone()));

    list_children(&mut tasks, &client, &settings.scope, &news).await;
    // Before the first drive is looked at it has to be known what the cluster can do.
    let known = apis
        .wait_for(Option::is_some)
        .map(|seen| seen.ok().and_then(|seen| *seen))
        .await;
    tracing::info!(apis = ?known.unwrap_or_default(), "children are listed");

    let bucket_controller = match &settings.platform.object_store {
        Some(config) => Some(keep_buckets(config, metrics, tenure, news.queue.clone())?),
        None => None,
    };
    let writer = Writer::<DeserializeGuard<RecruitmentDrive>>::new(());
    let drives = writer.as_reader();
    let context = Arc::new(Context {
        child_client: ChildClient {
            client: client.clone(),
            store,
            metrics: metrics.clone(),
            contests: Arc::default(),
            bucket_controller,
        },
        drives,
        claims,
        platform: InForce::new(settings.platform.clone()),
        apis: apis.clone(),
        tenure: tenure.clone(),
        recorder: Recorder::new(
            client.clone(),
            Reporter {
                controller: FIELD_MANAGER.to_owned(),
                instance: std::env::var("POD_NAME").ok(),
            },
        ),
        queue: news.queue.clone(),
        api_health: news.api_health.clone(),
        cache: controller::context::DriveCache::default(),
        began: Timestamp::now(),
        own_pods: settings.own_pods.clone(),
        listeners: listeners::Listeners::default(),
        rejections: controller::rejections::Rejections::default(),
    });
    tasks.spawn(outage_requeue::look_again(Arc::clone(&context)));
    tasks.spawn(listeners::ask(Arc::clone(&context)));
    if let Some(path) = settings.platform_file.clone() {
        metrics.platform_settings_are_used(true);
        let (context, news) = (Arc::clone(&context), news.clone());
        tasks.spawn(async move { follow_platform(&path, &context, &news).await });
    }
    let (tell, listed) = oneshot::channel();
    tasks.spawn(follow_apis(
        client.clone(),
        settings.scope.clone(),
        news.clone(),
        apis,
        Arc::clone(&context),
        tell,
    ));
    // Or what is there already would be taken for missing, and be asked for one by one.
    let _ = listed.await;
    tasks.spawn(follow_drives(
        client,
        settings.scope.clone(),
        writer,
        news.clone(),
        Arc::clone(&context),
        health.clone(),
    ));
    Ok(Begun {
        context,
        news,
        woken,
        _watches: tasks,
    })
}

/// Stands by until this replica leads, and then reconciles until it is asked to stop.
async fn work(
    begun: Begun,
    election: Option<Election>,
    metrics: &Metrics,
    health: &Health,
    stop: &Stop,
    concurrency: u16,
) -> Result<(), RunError> {
    let Begun {
        context,
        news,
        mut woken,
        _watches,
    } = begun;
    let Some(mut election) = election else {
        metrics.leads(true);
        reconcile_until_stopped(Arc::clone(&context), woken, health, stop, concurrency).await;
        finish_writes(&context).await;
        return Ok(());
    };
    // A replica that cannot list what there is never asks for the lease: a bad new version leaves the old one leading.
    let won = async {
        tokio::select! {
            biased;
            () = stop.asked() => return false,
            () = health.listed() => {}
        }
        election.win(stop.asked()).await
    };
    let leads = tokio::select! {
        biased;
        won = won => won,
        // Whatever happens meanwhile is another's work.
        () = forget(&mut woken) => false,
    };
    if !leads {
        return Ok(());
    }
    news.wake(
        context
            .drives
            .state()
            .iter()
            .map(|drive| drive_watch::key(drive))
            .collect(),
    );
    // Beside the work, which may well keep a processor busy for longer than a renewal may wait.
    let (release, asked) = oneshot::channel();
    let mut keeping = tokio::spawn(election.keep(asked));
    let worked = async {
        reconcile_until_stopped(Arc::clone(&context), woken, health, stop, concurrency).await;
        finish_writes(&context).await
    };
    let finished = tokio::select! {
        biased;
        kept = &mut keeping => return end(kept).await,
        finished = worked => finished,
    };
    if !finished {
        // One that arrives after the next leader's would undo it, so the next leader waits until the lease has run out.
        keeping.abort();
        return Ok(());
    }
    drop(release);
    end(keeping.await).await
}

/// Waits until every write of whatever kind (children, status, events, buckets) is answered, and lets none begin later. Says
/// whether that came to an end.
async fn finish_writes(context: &Context) -> bool {
    let finished = context.tenure.writes().finish().await;
    if let Err(writes) = finished {
        tracing::warn!(
            writes,
            "writes are not answered, so the lease is not given back: a standby takes over when it has run out"
        );
    }
    // What waits for its turn never gets it.
    if let Some(bucket_controller) = &context.child_client.bucket_controller {
        bucket_controller.stop();
    }
    finished.is_ok()
}

/// Takes everything off the queue; never returns while there is a queue.
async fn forget(woken: &mut mpsc::UnboundedReceiver<DriveKey>) {
    while woken.recv().await.is_some() {}
}

/// What follows the end of keeping the lease.
async fn end(kept: Result<Kept, tokio::task::JoinError>) -> Result<(), RunError> {
    match kept {
        Ok(Kept::UntilAsked(election)) => election.release().await,
        Ok(Kept::Lost(lost)) => return Err(lost.into()),
        // It runs out, and a standby takes over.
        Err(error) => tracing::error!(%error, "the lease is no longer kept"),
    }
    Ok(())
}

/// Starts to look after buckets. Sends no request before a drive asks for one.
fn keep_buckets(
    config: &ObjectStoreConfig,
    metrics: &Metrics,
    tenure: &Leadership,
    queue: mpsc::UnboundedSender<DriveKey>,
) -> Result<BucketController, RunError> {
    let seconds = |duration: &ras_crds::Duration| Duration::from_secs(duration.seconds().unwrap_or(u64::MAX));
    let usage = config.usage.as_ref();
    let usage = usage.map(|usage| (seconds(&usage.every), usage.max_pages));
    let intervals = Intervals::new(seconds(&config.check_every), usage);
    let rate_limiter = RateLimiter::new(config.requests_per_second).only_with(Arc::new(tenure.clone()));
    let store = S3Store::connect(config, Arc::new(rate_limiter), Arc::new(metrics.clone()))?;
    tracing::info!(
        endpoint = config.endpoint.as_deref().unwrap_or("AWS"),
        region = config.region,
        "buckets are looked after"
    );
    Ok(BucketController::new(store, intervals, queue))
}

/// Starts all watches of children and returns when each has told what there is.
async fn list_children(tasks: &mut JoinSet<()>, client: &Client, scope: &Scope, news: &News) {
    let mut lists = Vec::new();
    for part in scope.parts() {
        for kind in Kind::ALL.iter().filter(|kind| !kind.is_optional()) {
            let (tell, listed) = oneshot::channel();
            tasks.spawn(watch_children(*kind, part.clone(), client.clone(), news.clone(), tell));
            lists.push(listed);
        }
        let (tell, listed) = oneshot::channel();
        tasks.spawn(watch_pods(part, client.clone(), news.clone(), tell));
        lists.push(listed);
    }
    futures::future::join_all(lists).await;
}

/// Starts and stops the watches of optional kinds as their APIs come and go, and tells every drive. `listed` hears
/// when what there is of the kinds that are there at first is known.
async fn follow_apis(
    client: Client,
    scope: Scope,
    news: News,
    mut apis: watch::Receiver<Option<Apis>>,
    context: Arc<Context>,
    listed: oneshot::Sender<()>,
) {
    let mut running: HashMap<Kind, Vec<AbortHandle>> = HashMap::new();
    let mut listed = Some(listed);
    let mut told = None;
    loop {
        let mut lists = Vec::new();
        let now = apis.borrow_and_update().unwrap_or_default();
        for (kind, served) in [
            (Kind::ServiceMonitor, now.service_monitors),
            (Kind::PrometheusRule, now.prometheus_rules),
            (Kind::Cluster, now.clusters),
            (Kind::ScheduledBackup, now.scheduled_backups),
            (
                Kind::ExternalSecret,
                now.external_secrets == Some(ExternalSecretsVersion::V1),
            ),
            (
                Kind::ExternalSecretBeta,
                now.external_secrets == Some(ExternalSecretsVersion::V1Beta1),
            ),
        ] {
            if served && !running.contains_key(&kind) {
                let handles = scope.parts().into_iter().map(|part| {
                    let (tell, listed) = oneshot::channel();
                    lists.push(listed);
                    tokio::spawn(watch_children(kind, part, client.clone(), news.clone(), tell)).abort_handle()
                });
                running.insert(kind, handles.collect());
            }
            if !served && let Some(handles) = running.remove(&kind) {
                handles.iter().for_each(AbortHandle::abort);
                news.store.retain(kind, None, &HashSet::new());
            }
        }
        // An API that is just being installed may take a while to answer, and drives go on without.
        let _ = tokio::time::timeout(OPTIONAL_LIMIT, futures::future::join_all(lists)).await;
        if let Some(listed) = listed.take() {
            let _ = listed.send(());
        }
        if told.is_some_and(|before| before != now) {
            tracing::info!(apis = ?now, "optional APIs changed");
            news.wake(
                context
                    .drives
                    .state()
                    .iter()
                    .map(|drive| drive_watch::key(drive))
                    .collect(),
            );
        }
        told = Some(now);
        if apis.changed().await.is_err() {
            return;
        }
    }
}

/// Puts changes of the platform's settings in force, for all drives.
async fn follow_platform(path: &Path, context: &Context, news: &News) {
    platform_reload::follow(path, &context.platform, |change| {
        let is_used = match change {
            Change::Taken => {
                tracing::info!("the platform's settings changed and are in force");
                true
            }
            Change::WithoutObjectStore => {
                tracing::warn!(
                    "the platform's settings changed and are in force, but for objectStore: restart the operator for that, \
                     with `kubectl rollout restart`"
                );
                true
            }
            Change::Refused(error) => {
                tracing::error!(%error, "the platform's settings changed and cannot be used: those before stay in force");
                false
            }
        };
        context.child_client.metrics.platform_settings_are_used(is_used);
        if is_used {
            news.wake(context.drives.state().iter().map(|drive| drive_watch::key(drive)).collect());
        }
    })
    .await;
}

/// Watches the drives themselves.
async fn follow_drives(
    client: Client,
    scope: Scope,
    mut writer: Writer<DeserializeGuard<RecruitmentDrive>>,
    news: News,
    context: Arc<Context>,
    health: Health,
) {
    let watches = scope.parts().into_iter().map(|part| {
        let api: Api<DeserializeGuard<RecruitmentDrive>> = part
            .as_deref()
            .map_or_else(|| Api::all(client.clone()), |ns| Api::namespaced(client.clone(), ns));
        let stream = watcher::watcher(api, everything()).boxed();
        Listener::new("RecruitmentDrive", part, stream, news.api_health.clone()).into_stream()
    });
    // A reflector knows one list, so the lists of several namespaces are told to it as one, complete when all
    // are. Later lists come after a break of one watch: what they do not name was deleted meanwhile.
    let mut unlisted: BTreeSet<usize> = (0..watches.len()).collect();
    let mut listing: HashMap<usize, HashSet<DriveKey>> = HashMap::new();
    let mut merged = futures::stream::select_all(
        watches
            .enumerate()
            .map(|(index, stream)| stream.map(move |event| (index, event)).boxed()),
    );
    let parts = scope.parts();
    let mut take = |event| drive_watch::take(event, &mut writer, &news, &context);
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
                        // Told from here: the store's own `wait_until_ready` wakes one waiter alone, and that is the
                        // reconciler.
                        health.reached(Stage::Ready);
                        tracing::info!("ready");
                    }
                    continue;
                }
                let part = parts.get(index).cloned().flatten();
                for drive in context.drives.state() {
                    let key = drive_watch::key(&drive);
                    if part.as_deref().is_none_or(|namespace| namespace == &*key.namespace) && !listed.contains(&key) {
                        take(Event::Delete((*drive).clone()));
                    }
                }
            }
            // Before all are listed the reflector takes only what belongs to a list.
            Event::Apply(drive) => take(if unlisted.is_empty() {
                Event::Apply(drive)
            } else {
                Event::InitApply(drive)
            }),
            Event::Delete(drive) => take(Event::Delete(drive)),
        }
    }
}

async fn reconcile_until_stopped(
    context: Arc<Context>,
    mut woken: mpsc::UnboundedReceiver<DriveKey>,
    health: &Health,
    stop: &Stop,
    concurrency: u16,
) {
    let stopped = async {
        stop.asked().await;
        health.reached(Stage::Stopping);
    };
    let requests = futures::stream::poll_fn(move |cx| woken.poll_recv(cx))
        .take_until(stopped)
        .map(|key| {
            Ok::<_, std::convert::Infallible>(ReconcileRequest {
                obj_ref: ObjectRef::new(&key.name).within(&key.namespace),
                reason: ReconcileReason::Unknown,
            })
        });
    let config = kube_controller::Config::default().concurrency(concurrency);
    let drives = context.drives.clone();
    kube_controller::applier(
        |drive, context| controller::reconcile::reconcile(drive, context).boxed(),
        |drive, error, context| controller::reconcile::on_error(&drive, error, &context),
        context,
        drives,
        requests,
        config,
    )
    .for_each(|_| std::future::ready(()))
    .await;
}
