//! Watches all children and writes what they tell into the [`Store`].

use std::collections::HashSet;
use std::sync::Arc;

use futures::StreamExt;
use futures::stream::BoxStream;
use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::core::{DynamicObject, PartialObjectMeta};
use kube::runtime::watcher as watch;
use kube::runtime::watcher::{self, Event};
use kube::{Api, Client, ResourceExt};
use tokio::sync::{mpsc, oneshot};

use ras_crds::labels;

use crate::informer::api_health::ApiHealth;
use crate::informer::claims::Claims;
use crate::informer::observe;
use crate::informer::store::{DriveKey, Store, Wake};
use crate::informer::watch_stream::Listener;
use ras_core::fetched::jobs;
use ras_core::fetched::pods;
use ras_core::fetched::record::{ChildKey, Record};
use ras_core::kind::Kind;

/// Which namespaces are looked after.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    /// Their names; none means all.
    pub namespaces: Vec<String>,
}

impl Scope {
    /// One entry for each list and watch it takes: a namespace, or nothing for the whole cluster.
    pub fn parts(&self) -> Vec<Option<String>> {
        if self.namespaces.is_empty() {
            vec![None]
        } else {
            self.namespaces.iter().cloned().map(Some).collect()
        }
    }
}

/// Where news goes.
#[derive(Clone)]
pub struct News {
    /// The memory of all children.
    pub store: Arc<Store>,
    /// Which drive claims which names.
    pub claims: Arc<Claims>,
    /// The queue of drives that have to look again.
    pub queue: mpsc::UnboundedSender<DriveKey>,
    /// Whether the API server is reached.
    pub api_health: ApiHealth,
}

impl News {
    /// Puts drives on the queue. The queue closes only when the program ends, and then nobody needs to know.
    pub fn wake(&self, drives: Wake) {
        for drive in drives {
            let _ = self.queue.send(drive);
        }
    }
}

/// Watches one kind in one part of the scope until it is dropped. `listed` hears of the first complete list.
pub async fn watch_children(
    kind: Kind,
    namespace: Option<String>,
    client: Client,
    news: News,
    listed: oneshot::Sender<()>,
) {
    // Secrets and claims that drives use are other people's, so all are watched, and metadata is all that is asked for.
    let config = if observe::is_watched_whole(kind) {
        everything()
    } else {
        managed()
    };
    let stream: BoxStream<'static, watch::Result<Event<(ChildKey, Record)>>> = if kind == Kind::Deployment {
        let api: Api<Deployment> = api(&client, namespace.as_deref());
        // Readiness is in the status, so what runs something is watched whole; a few numbers are kept.
        watcher::watcher(api, config)
            .map(move |event| event.map(|e| map(e, |d: Deployment| (key(kind, &d.metadata), observe::deployment(&d)))))
            .boxed()
    } else if kind == Kind::StatefulSet {
        let api: Api<StatefulSet> = api(&client, namespace.as_deref());
        watcher::watcher(api, config)
            .map(move |event| {
                event.map(|e| map(e, |s: StatefulSet| (key(kind, &s.metadata), observe::stateful_set(&s))))
            })
            .boxed()
    } else if kind == Kind::PersistentVolumeClaim {
        let api: Api<PersistentVolumeClaim> = api(&client, namespace.as_deref());
        watcher::watcher(api, config)
            .map(move |event| {
                event.map(|e| {
                    map(e, |c: PersistentVolumeClaim| {
                        (key(kind, &c.metadata), observe::claim(&c))
                    })
                })
            })
            .boxed()
    } else if kind == Kind::Job {
        let api: Api<Job> = api(&client, namespace.as_deref());
        watcher::watcher(api, config)
            .map(move |event| event.map(|e| map(e, |j: Job| (key(kind, &j.metadata), observe::job(&j)))))
            .boxed()
    } else if matches!(kind, Kind::ExternalSecret | Kind::ExternalSecretBeta | Kind::Cluster) {
        // Its status says why a store gives nothing, or a server does not serve. No value ever stands in it.
        let resource = kind.resource();
        let api: Api<DynamicObject> = match &namespace {
            Some(namespace) => Api::namespaced_with(client, namespace, &resource),
            None => Api::all_with(client, &resource),
        };
        watcher::watcher(api, config)
            .map(move |event| {
                event.map(|e| {
                    map(e, |o: DynamicObject| {
                        let record = if kind == Kind::Cluster {
                            observe::cluster(&o)
                        } else {
                            observe::foreign(kind, &o)
                        };
                        (key(kind, &o.metadata), record)
                    })
                })
            })
            .boxed()
    } else {
        let resource = kind.resource();
        let api: Api<PartialObjectMeta<DynamicObject>> = match &namespace {
            Some(namespace) => Api::namespaced_with(client, namespace, &resource),
            None => Api::all_with(client, &resource),
        };
        watcher::watcher(api, config)
            .map(move |event| {
                event.map(|e| {
                    map(e, |o: PartialObjectMeta<DynamicObject>| {
                        (key(kind, &o.metadata), observe::record(kind, &o.metadata))
                    })
                })
            })
            .boxed()
    };
    let mut listener = Listener::new(kind.to_string(), namespace.clone(), stream, news.api_health.clone());
    let mut listed = Some(listed);
    let mut names = HashSet::new();
    while let Some(event) = listener.event().await {
        match event {
            Event::Init => names.clear(),
            Event::InitApply((key, record)) => {
                names.insert(key.clone());
                news.wake(news.store.observe(&key, record));
            }
            Event::InitDone => {
                news.wake(
                    news.store
                        .retain(kind, namespace.as_deref(), &std::mem::take(&mut names)),
                );
                if let Some(listed) = listed.take() {
                    let _ = listed.send(());
                }
            }
            Event::Apply((key, record)) => news.wake(news.store.observe(&key, record)),
            Event::Delete((key, record)) => {
                news.wake(&news.store.went(&key, record.version) | &news.claims.claimants(&key));
            }
        }
    }
}

/// Watches the pods of all drives for what is wrong with them.
pub async fn watch_pods(namespace: Option<String>, client: Client, news: News, listed: oneshot::Sender<()>) {
    let api: Api<Pod> = api(&client, namespace.as_deref());
    let stream = watcher::watcher(api, managed()).boxed();
    let mut listener = Listener::new("Pod", namespace.clone(), stream, news.api_health.clone());
    let mut listed = Some(listed);
    let mut names = HashSet::new();
    while let Some(event) = listener.event().await {
        match event {
            Event::Init => names.clear(),
            Event::InitApply(pod) => {
                names.insert((pod.namespace().unwrap_or_default().into(), pod.name_any().into()));
                news.wake(pod_news(&news.store, &pod, true));
            }
            Event::InitDone => {
                news.wake(
                    news.store
                        .retain_pods(namespace.as_deref(), &std::mem::take(&mut names)),
                );
                if let Some(listed) = listed.take() {
                    let _ = listed.send(());
                }
            }
            Event::Apply(pod) => news.wake(pod_news(&news.store, &pod, true)),
            Event::Delete(pod) => news.wake(pod_news(&news.store, &pod, false)),
        }
    }
}

fn pod_news(store: &Store, pod: &Pod, exists: bool) -> Wake {
    let all = pod.labels();
    if let (Some(drive), true) = (all.get(labels::DRIVE), all.contains_key(labels::JOB)) {
        let drive = DriveKey::new(&pod.namespace().unwrap_or_default(), drive);
        return store.job_pod(&drive, &pod.name_any(), exists.then(|| jobs::known(pod)));
    }
    let (Some(drive), Some(service)) = (all.get(labels::DRIVE), all.get(labels::SERVICE)) else {
        return Wake::new();
    };
    let drive = DriveKey::new(&pod.namespace().unwrap_or_default(), drive);
    let (trouble, ready) = if exists {
        (pods::trouble(service, pod), pods::ready(service, pod))
    } else {
        (None, None)
    };
    store.pod_is_ready(&drive, &pod.name_any(), ready);
    store.pod(&drive, &pod.name_any(), trouble)
}

/// Objects in one page of a list. With kube's 500 the lists of 1,000 drives took twice the memory that the operator needs
/// afterwards, and a page of Deployments alone is some megabytes.
const PAGE: u32 = 100;

/// Watches everything of a kind.
pub fn everything() -> watcher::Config {
    watcher::Config::default().page_size(PAGE)
}

fn managed() -> watcher::Config {
    everything().labels(&format!("{}={}", labels::MANAGED_BY, labels::MANAGER))
}

fn api<K>(client: &Client, namespace: Option<&str>) -> Api<K>
where
    K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>,
{
    namespace.map_or_else(|| Api::all(client.clone()), |ns| Api::namespaced(client.clone(), ns))
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
