//! Watches every kind of child, and pods, and writes what they deliver into the [`Store`].

use std::collections::HashSet;
use std::hash::Hash;
use std::sync::Arc;

use futures::StreamExt;
use futures::stream::BoxStream;
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod, Service};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::core::{ApiResource, DynamicObject, DynamicResourceScope, PartialObjectMeta, Resource};
use kube::runtime::watcher::{self, Event};
use kube::{Api, Client, ResourceExt};
use serde::de::DeserializeOwned;
use tokio::sync::{mpsc, oneshot};

use ras_crds::labels;

use crate::informer::api_health::ApiHealth;
use crate::informer::claims::Claims;
use crate::informer::observe;
use crate::informer::store::{DriveKey, Requeue, Store};
use crate::informer::watch_stream::WatchStream;
use ras_core::fetched::jobs;
use ras_core::fetched::pods;
use ras_core::fetched::record::{ChildKey, Record};
use ras_core::kind::Kind;

/// The namespaces that the operator watches.
#[derive(Clone, Debug, Default)]
pub struct WatchScope {
    /// Empty: all namespaces.
    pub namespaces: Vec<String>,
}

impl WatchScope {
    /// One entry for each watch: a namespace, or `None` for the whole cluster.
    pub fn parts(&self) -> Vec<Option<String>> {
        if self.namespaces.is_empty() {
            vec![None]
        } else {
            self.namespaces.iter().cloned().map(Some).collect()
        }
    }
}

/// Everything that a watch event can change.
#[derive(Clone)]
pub struct EventSink {
    pub store: Arc<Store>,
    pub claims: Arc<Claims>,
    pub queue: mpsc::UnboundedSender<DriveKey>,
    pub api_health: ApiHealth,
}

impl EventSink {
    pub fn enqueue(&self, drives: Requeue) {
        for drive in drives {
            // The queue closes only when the program ends.
            let _ = self.queue.send(drive);
        }
    }
}

type ChildStream = BoxStream<'static, watcher::Result<Event<(ChildKey, Record)>>>;

/// Watches one kind in one namespace, or in all, until it is dropped. `listed` is sent after the first complete list.
pub async fn watch_children(
    kind: Kind,
    namespace: Option<String>,
    client: Client,
    sink: EventSink,
    listed: oneshot::Sender<()>,
) {
    let stream = child_stream(kind, namespace.as_deref(), &client);
    let stream = WatchStream::new(kind.to_string(), namespace.clone(), stream, sink.api_health.clone());
    let handlers = EventHandlers {
        apply: |(key, record): (ChildKey, Record)| {
            let requeue = sink.store.observe(&key, record);
            (key, requeue)
        },
        delete: |(key, record): (ChildKey, Record)| {
            &sink.store.deleted(&key, record.version) | &sink.claims.claimants(&key)
        },
        retain: |listed: &HashSet<ChildKey>| sink.store.retain(kind, namespace.as_deref(), listed),
    };
    run(stream, &sink, listed, handlers).await;
}

/// Watches the pods of all drives.
pub async fn watch_pods(namespace: Option<String>, client: Client, sink: EventSink, listed: oneshot::Sender<()>) {
    let api = typed::<Pod>(&client, namespace.as_deref());
    let stream = watcher::watcher(api, managed()).boxed();
    let stream = WatchStream::new("Pod", namespace.clone(), stream, sink.api_health.clone());
    let handlers = EventHandlers {
        apply: |pod: Pod| {
            let key = (pod.namespace().unwrap_or_default().into(), pod.name_any().into());
            (key, observe_pod(&sink.store, &pod, true))
        },
        delete: |pod: Pod| observe_pod(&sink.store, &pod, false),
        retain: |listed: &HashSet<(Arc<str>, Arc<str>)>| sink.store.retain_pods(namespace.as_deref(), listed),
    };
    run(stream, &sink, listed, handlers).await;
}

/// Update the store with an event. Each returns the drives to requeue.
struct EventHandlers<A, D, R> {
    /// Returns the key of the object too.
    apply: A,
    delete: D,
    /// Removes the objects that a complete list did not contain.
    retain: R,
}

async fn run<T, K, A, D, R>(
    mut stream: WatchStream<T>,
    sink: &EventSink,
    listed: oneshot::Sender<()>,
    handlers: EventHandlers<A, D, R>,
) where
    T: Send + 'static,
    K: Eq + Hash,
    A: Fn(T) -> (K, Requeue),
    D: Fn(T) -> Requeue,
    R: Fn(&HashSet<K>) -> Requeue,
{
    let mut listed = Some(listed);
    let mut names = HashSet::new();
    while let Some(event) = stream.next_event().await {
        let requeue = match event {
            Event::Init => {
                names.clear();
                Requeue::new()
            }
            Event::InitApply(object) => {
                let (key, requeue) = (handlers.apply)(object);
                names.insert(key);
                requeue
            }
            Event::InitDone => {
                let requeue = (handlers.retain)(&std::mem::take(&mut names));
                sink.enqueue(requeue);
                if let Some(listed) = listed.take() {
                    let _ = listed.send(());
                }
                continue;
            }
            Event::Apply(object) => (handlers.apply)(object).1,
            Event::Delete(object) => (handlers.delete)(object),
        };
        sink.enqueue(requeue);
    }
}

/// The events of one kind, decoded to records. A kind whose status matters is watched in full, all others as metadata
/// only.
fn child_stream(kind: Kind, namespace: Option<&str>, client: &Client) -> ChildStream {
    let config = if observe::is_watched_whole(kind) {
        everything()
    } else {
        managed()
    };
    match kind {
        Kind::Deployment => decoded(
            typed::<Deployment>(client, namespace),
            config,
            kind,
            observe::deployment,
        ),
        Kind::StatefulSet => decoded(
            typed::<StatefulSet>(client, namespace),
            config,
            kind,
            observe::stateful_set,
        ),
        Kind::Job => decoded(typed::<Job>(client, namespace), config, kind, observe::job),
        Kind::PersistentVolumeClaim => {
            let api = typed::<PersistentVolumeClaim>(client, namespace);
            decoded(api, config, kind, observe::claim)
        }
        // Its address is in the spec.
        Kind::Service => decoded(typed::<Service>(client, namespace), config, kind, observe::service),
        Kind::Cluster => {
            let api = dynamic::<DynamicObject>(client, namespace, kind);
            decoded(api, config, kind, observe::cluster)
        }
        // The status says why a store delivers nothing. It never contains a value.
        Kind::ExternalSecret | Kind::ExternalSecretBeta => {
            let api = dynamic::<DynamicObject>(client, namespace, kind);
            decoded(api, config, kind, move |object| observe::foreign(kind, object))
        }
        Kind::ServiceAccount
        | Kind::Secret
        | Kind::ConfigMap
        | Kind::NetworkPolicy
        | Kind::ScheduledBackup
        | Kind::HorizontalPodAutoscaler
        | Kind::PodDisruptionBudget
        | Kind::Ingress
        | Kind::ServiceMonitor
        | Kind::PrometheusRule => {
            let api = dynamic::<PartialObjectMeta<DynamicObject>>(client, namespace, kind);
            decoded(api, config, kind, move |object| observe::record(kind, &object.metadata))
        }
    }
}

fn decoded<K>(
    api: Api<K>,
    config: watcher::Config,
    kind: Kind,
    record: impl Fn(&K) -> Record + Send + 'static,
) -> ChildStream
where
    K: Resource + Clone + DeserializeOwned + std::fmt::Debug + Send + 'static,
{
    let decode = move |object: K| (key(kind, object.meta()), record(&object));
    let events = watcher::watcher(api, config);
    events.map(move |event| event.map(|event| map(event, &decode))).boxed()
}

fn observe_pod(store: &Store, pod: &Pod, exists: bool) -> Requeue {
    let all = pod.labels();
    let Some(drive) = all.get(labels::DRIVE) else {
        return Requeue::new();
    };
    let (drive, name) = (
        DriveKey::new(&pod.namespace().unwrap_or_default(), drive),
        pod.name_any(),
    );
    if all.contains_key(labels::JOB) {
        return store.set_job_pod(&drive, &name, exists.then(|| jobs::known(pod)));
    }
    let Some(service) = all.get(labels::SERVICE) else {
        return Requeue::new();
    };
    let (failure, ready) = if exists {
        (pods::trouble(service, pod), pods::ready(service, pod))
    } else {
        (None, None)
    };
    store.set_ready_pod(&drive, &name, ready);
    store.set_pod_failure(&drive, &name, failure)
}

/// Objects in one page of a list. With kube's 500, the lists of 1,000 drives take twice the memory that the operator
/// needs afterwards.
const PAGE: u32 = 100;

/// Drives in one page of a list. One may have 1.5 MB, and a page is in memory as bytes and as objects at once: with pages of 20, a restart
/// with a hundred of the largest drives took 208 MiB.
const PAGE_OF_DRIVES: u32 = 5;

pub fn drives() -> watcher::Config {
    watcher::Config::default().page_size(PAGE_OF_DRIVES)
}

/// Watches all objects of a kind.
fn everything() -> watcher::Config {
    watcher::Config::default().page_size(PAGE)
}

/// Watches the objects that ras-operator manages.
fn managed() -> watcher::Config {
    everything().labels(&format!("{}={}", labels::MANAGED_BY, labels::MANAGER))
}

fn typed<K>(client: &Client, namespace: Option<&str>) -> Api<K>
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
{
    namespace.map_or_else(|| Api::all(client.clone()), |ns| Api::namespaced(client.clone(), ns))
}

fn dynamic<K>(client: &Client, namespace: Option<&str>, kind: Kind) -> Api<K>
where
    K: Resource<Scope = DynamicResourceScope, DynamicType = ApiResource>,
{
    let resource = kind.resource();
    match namespace {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
        None => Api::all_with(client.clone(), &resource),
    }
}

fn key(kind: Kind, meta: &ObjectMeta) -> ChildKey {
    ChildKey::new(
        kind,
        meta.namespace.as_deref().unwrap_or_default(),
        meta.name.as_deref().unwrap_or_default(),
    )
}

fn map<A, B>(event: Event<A>, f: impl FnOnce(A) -> B) -> Event<B> {
    match event {
        Event::Apply(object) => Event::Apply(f(object)),
        Event::Delete(object) => Event::Delete(f(object)),
        Event::Init => Event::Init,
        Event::InitApply(object) => Event::InitApply(f(object)),
        Event::InitDone => Event::InitDone,
    }
}
