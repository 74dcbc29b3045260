//! Starts and stops the program: the metrics server, the informers, leader election and the reconciler.

mod follow;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures::{FutureExt, StreamExt};
use k8s_openapi::jiff::Timestamp;
use kube::runtime::controller::{self as kube_controller, ReconcileReason, ReconcileRequest};
use kube::runtime::events::{Recorder, Reporter};
use kube::runtime::reflector::{ObjectRef, store::Writer};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;

use crate::apply::child_client::ChildClient;
use crate::client;
use crate::client::ClientError;
use crate::controller;
use crate::controller::context::Context;
use crate::controller::outage_requeue;
use crate::controller::packed::Packed;
use crate::informer::api_health::ApiHealth;
use crate::informer::claims::Claims;
use crate::informer::store::{DriveKey, Store};
use crate::informer::watches::{EventSink, WatchScope};
use crate::informer::{crd, optional_apis};
use crate::leadership::ElectionSettings;
use crate::leadership::election::{Election, KeepResult, LeaseLost};
use crate::leadership::state::Leadership;
use crate::listeners;
use crate::platform_reload::InForce;
use crate::stop::Stop;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::server::{self, Health, ProcessPhase};
use ras_core::fetched::facts::FIELD_MANAGER;
use ras_core::fetched::own_pods::OwnPods;
use ras_core::platform::{ObjectStoreConfig, PlatformConfig};
use ras_object_store::controller::{BucketController, Intervals};
use ras_object_store::rate_limiter::RateLimiter;
use ras_object_store::s3::{ConnectError, S3Store};

#[derive(Clone, Debug)]
pub struct RunSettings {
    pub scope: WatchScope,
    pub platform: PlatformConfig,
    /// The file of `platform`, which is reloaded when it changes. Absent: the defaults.
    pub platform_file: Option<PathBuf>,
    pub metrics_address: SocketAddr,
    pub probes_address: SocketAddr,
    pub concurrency: u16,
    /// Absent: the ports of services are not checked, because no NetworkPolicy would allow it.
    pub own_pods: Option<OwnPods>,
    /// Absent: this is the only replica.
    pub election: Option<ElectionSettings>,
}

#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error(transparent)]
    Connect(#[from] ClientError),
    #[error(transparent)]
    ObjectStore(#[from] ConnectError),
    #[error("cannot listen on {address}: {source}. Choose another address with {flag}")]
    Listen {
        address: SocketAddr,
        flag: &'static str,
        source: std::io::Error,
    },
    #[error(
        "the cluster has no RecruitmentDrive (ras.dev/v1alpha1): apply crds/recruitmentdrives.yaml, or `ras-operator crd | kubectl apply --server-side -f -`, and start again ({0})"
    )]
    NoCrd(kube::Error),
    #[error(transparent)]
    OldCrd(#[from] crd::OutdatedCrd),
    #[error("{0}; this process ends, and its container restarts as a standby")]
    Lost(#[from] LeaseLost),
}

/// Everything that runs on the leader and on a standby.
struct Started {
    context: Arc<Context>,
    sink: EventSink,
    queue: mpsc::UnboundedReceiver<DriveKey>,
    /// They end when this is dropped.
    _watches: JoinSet<()>,
}

/// Runs until SIGTERM or SIGINT. Then finishes the running reconciles and releases the lease.
///
/// # Errors
/// When it cannot start, or when it loses the lease: then it ends at once, because another replica may already write.
pub async fn run(settings: RunSettings) -> Result<(), RunError> {
    let stop = Stop::listen();
    let metrics = Metrics::default();
    let scrapes = listen(settings.metrics_address, "--metrics-address")?;
    if let Ok(address) = scrapes.local_addr() {
        tracing::info!(%address, "answers /metrics");
    }
    let probes = listen(settings.probes_address, "--probes-address")?;
    if let Ok(address) = probes.local_addr() {
        tracing::info!(%address, "answers /healthz and /readyz");
    }
    let election = match &settings.election {
        Some(settings) => Some(Election::new(
            client::connect().await?,
            settings.clone(),
            metrics.clone(),
        )),
        None => None,
    };
    let leadership = election.as_ref().map_or_else(Leadership::alone, Election::leadership);
    let health = Health::new(leadership.clone());
    let mut tasks = JoinSet::new();
    tasks.spawn(server::serve_metrics(scrapes, metrics.clone()));
    tasks.spawn(server::serve_probes(probes, health.clone()));

    let started = tokio::select! {
        biased;
        () = stop.requested() => None,
        started = start(&settings, &metrics, &leadership, &health) => Some(started?),
    };
    if let Some(started) = started {
        lead(started, election, &metrics, &health, &stop, settings.concurrency).await?;
    }
    tracing::info!("stopped");
    Ok(())
}

fn listen(address: SocketAddr, flag: &'static str) -> Result<TcpListener, RunError> {
    server::listen(address).map_err(|source| RunError::Listen { address, flag, source })
}

/// Starts all watches and returns after the first lists of children.
async fn start(
    settings: &RunSettings,
    metrics: &Metrics,
    leadership: &Leadership,
    health: &Health,
) -> Result<Started, RunError> {
    let client = client::connect_to_write(leadership).await?;
    crd::wait_until_served(&client, &settings.scope)
        .await
        .map_err(RunError::NoCrd)?;
    crd::require_current(&client).await?;
    let mut tasks = JoinSet::new();

    let store = Arc::new(Store::default());
    let claims = Arc::new(Claims::default());
    let (sender, queue) = mpsc::unbounded_channel();
    let sink = EventSink {
        store: Arc::clone(&store),
        claims: Arc::clone(&claims),
        queue: sender,
        api_health: ApiHealth::default(),
    };
    tasks.spawn(sink.api_health.clone().run(client.clone()));
    let (apis_sender, mut apis) = watch::channel(None);
    tasks.spawn(optional_apis::follow(
        client.clone(),
        apis_sender,
        sink.api_health.clone(),
    ));

    follow::list_children(&mut tasks, &client, &settings.scope, &sink).await;
    // The first reconcile needs the optional APIs.
    let known = apis
        .wait_for(Option::is_some)
        .map(|seen| seen.ok().and_then(|seen| *seen))
        .await;
    tracing::info!(apis = ?known.unwrap_or_default(), "children are listed");

    let bucket_controller = match &settings.platform.object_store {
        Some(config) => Some(bucket_controller(config, metrics, leadership, sink.queue.clone())?),
        None => None,
    };
    let writer = Writer::<Packed>::new(());
    let drives = writer.as_reader();
    let context = Arc::new(Context {
        child_client: ChildClient {
            client: client.clone(),
            store,
            metrics: metrics.clone(),
            conflicts: Arc::default(),
            bucket_controller,
        },
        drives,
        claims,
        platform: InForce::new(settings.platform.clone()),
        apis: apis.clone(),
        leadership: leadership.clone(),
        recorder: Recorder::new(
            client.clone(),
            Reporter {
                controller: FIELD_MANAGER.to_owned(),
                instance: std::env::var("POD_NAME").ok(),
            },
        ),
        queue: sink.queue.clone(),
        api_health: sink.api_health.clone(),
        cache: Arc::default(),
        began: Timestamp::now(),
        own_pods: settings.own_pods.clone(),
        listeners: listeners::ListenerChecks::default(),
        rejections: controller::rejections::Rejections::default(),
    });
    tasks.spawn(outage_requeue::look_again(Arc::clone(&context)));
    tasks.spawn(listeners::run_checks(Arc::clone(&context)));
    if let Some(path) = settings.platform_file.clone() {
        metrics.set_platform_settings_valid(true);
        let (context, sink) = (Arc::clone(&context), sink.clone());
        tasks.spawn(async move { follow::follow_platform(&path, &context, &sink).await });
    }
    let (done, listed) = oneshot::channel();
    tasks.spawn(follow::follow_apis(
        client.clone(),
        settings.scope.clone(),
        sink.clone(),
        apis,
        Arc::clone(&context),
        done,
    ));
    // Otherwise existing children of optional kinds would look missing, and be read one by one.
    let _ = listed.await;
    tasks.spawn(follow::follow_drives(
        client,
        settings.scope.clone(),
        writer,
        sink.clone(),
        Arc::clone(&context),
        health.clone(),
    ));
    Ok(Started {
        context,
        sink,
        queue,
        _watches: tasks,
    })
}

/// Stands by until this replica leads, and then reconciles until it stops.
async fn lead(
    started: Started,
    election: Option<Election>,
    metrics: &Metrics,
    health: &Health,
    stop: &Stop,
    concurrency: u16,
) -> Result<(), RunError> {
    let Started {
        context,
        sink,
        mut queue,
        _watches,
    } = started;
    let Some(mut election) = election else {
        metrics.set_leader(true);
        reconcile_until_stopped(Arc::clone(&context), queue, health, stop, concurrency).await;
        finish_writes(&context).await;
        return Ok(());
    };
    // A replica that cannot list its objects never takes the lease, so a broken new version leaves the old one leading.
    let won = async {
        tokio::select! {
            biased;
            () = stop.requested() => return false,
            () = health.wait_until_listed() => {}
        }
        election.win(stop.requested()).await
    };
    let leads = tokio::select! {
        biased;
        won = won => won,
        // The leader handles these.
        () = discard(&mut queue) => false,
    };
    if !leads {
        return Ok(());
    }
    sink.enqueue(follow::all_drives(&context));
    // A task of its own, because reconciles may keep a processor busy for longer than a renewal can wait.
    let (release, released) = oneshot::channel();
    let mut keeping = tokio::spawn(election.keep(released));
    let reconciled = async {
        reconcile_until_stopped(Arc::clone(&context), queue, health, stop, concurrency).await;
        finish_writes(&context).await
    };
    let finished = tokio::select! {
        biased;
        kept = &mut keeping => return end(kept).await,
        finished = reconciled => finished,
    };
    if !finished {
        // A write that arrives later could undo one of the next leader, so the lease is not released but expires.
        keeping.abort();
        return Ok(());
    }
    drop(release);
    end(keeping.await).await
}

/// Waits for the responses to all writes (children, status, events, buckets), and refuses later ones. Returns true if
/// all were answered.
async fn finish_writes(context: &Context) -> bool {
    let finished = context.leadership.writes().finish().await;
    if let Err(writes) = finished {
        tracing::warn!(
            writes,
            "writes are not answered, so the lease is not released: a standby takes over when it expires"
        );
    }
    // Queued bucket operations never start.
    if let Some(bucket_controller) = &context.child_client.bucket_controller {
        bucket_controller.stop();
    }
    finished.is_ok()
}

/// Discards everything in the queue. Returns only when the queue closes.
async fn discard(queue: &mut mpsc::UnboundedReceiver<DriveKey>) {
    while queue.recv().await.is_some() {}
}

async fn end(kept: Result<KeepResult, tokio::task::JoinError>) -> Result<(), RunError> {
    match kept {
        Ok(KeepResult::Stopped(election)) => election.release().await,
        Ok(KeepResult::Lost(lost)) => return Err(lost.into()),
        // The lease expires, and a standby takes over.
        Err(error) => tracing::error!(%error, "the lease is no longer renewed"),
    }
    Ok(())
}

/// Sends no request until a drive needs a bucket.
fn bucket_controller(
    config: &ObjectStoreConfig,
    metrics: &Metrics,
    leadership: &Leadership,
    queue: mpsc::UnboundedSender<DriveKey>,
) -> Result<BucketController, RunError> {
    let seconds = |duration: &ras_crds::Duration| Duration::from_secs(duration.seconds().unwrap_or(u64::MAX));
    let usage = config.usage.as_ref();
    let usage = usage.map(|usage| (seconds(&usage.every), usage.max_pages));
    let intervals = Intervals::new(seconds(&config.check_every), usage);
    let rate_limiter = RateLimiter::new(config.requests_per_second).only_with(Arc::new(leadership.clone()));
    let store = S3Store::connect(config, Arc::new(rate_limiter), Arc::new(metrics.clone()))?;
    tracing::info!(
        endpoint = config.endpoint.as_deref().unwrap_or("AWS"),
        region = config.region,
        "manages buckets"
    );
    Ok(BucketController::new(store, intervals, queue))
}

async fn reconcile_until_stopped(
    context: Arc<Context>,
    mut queue: mpsc::UnboundedReceiver<DriveKey>,
    health: &Health,
    stop: &Stop,
    concurrency: u16,
) {
    let stopped = async {
        stop.requested().await;
        health.set_phase(ProcessPhase::Stopping);
    };
    let requests = futures::stream::poll_fn(move |cx| queue.poll_recv(cx))
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
