//! The programs of a service, which connect to the database all the time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicUsize, Ordering},
};
use std::time::Duration;

use futures::StreamExt as _;
use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::{Api, ResourceExt as _, runtime::watcher};
use ras_tests::{Error, PATIENCE, eventually, postgres::PostgresServer};
use tokio::task::JoinHandle;

use crate::databases::Databases;

/// How often a program connects.
const EVERY: Duration = Duration::from_millis(20);

/// Plays the programs of a service: for each pod one that connects all the time with the credentials that the pod was
/// started with, for as long as there is the pod.
pub(super) struct Programs {
    pub(super) task: JoinHandle<()>,
    pub(super) connected: Arc<AtomicUsize>,
    pub(super) failed: Arc<Mutex<Vec<String>>>,
    pub(super) users: Arc<Mutex<BTreeSet<String>>>,
}

impl Programs {
    pub(super) fn start(databases: &Databases, service: &str) -> Self {
        let namespace = &databases.test_env.namespace;
        let (pods, secrets): (Api<Pod>, Api<Secret>) = (namespace.api(), namespace.api());
        let config = watcher::Config::default().labels(&format!("ras.dev/service={service}"));
        let server = databases.server;
        let connected = Arc::new(AtomicUsize::new(0));
        let failed: Arc<Mutex<Vec<String>>> = Arc::default();
        let users: Arc<Mutex<BTreeSet<String>>> = Arc::default();
        let (counter, failures, seen) = (Arc::clone(&connected), Arc::clone(&failed), Arc::clone(&users));
        let task = tokio::spawn(async move {
            let mut running: BTreeMap<String, tokio::task::AbortHandle> = BTreeMap::new();
            let mut all = tokio::task::JoinSet::new();
            let mut events = std::pin::pin!(watcher(pods, config));
            while let Some(event) = events.next().await {
                match event {
                    Ok(watcher::Event::Apply(pod) | watcher::Event::InitApply(pod)) => {
                        let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
                        let name = pod.name_any();
                        if phase != Some("Running") || running.contains_key(&name) {
                            continue;
                        }
                        match credentials(&pod, &secrets).await {
                            Ok((user, password, database)) => {
                                seen.lock().unwrap_or_else(PoisonError::into_inner).insert(user.clone());
                                let (counter, failures) = (Arc::clone(&counter), Arc::clone(&failures));
                                let program = run(server, name.clone(), user, password, database, counter, failures);
                                running.insert(name, all.spawn(program));
                            }
                            Err(error) => note(&failures, format!("{name}: {error}")),
                        }
                    }
                    Ok(watcher::Event::Delete(pod)) => {
                        if let Some(program) = running.remove(&pod.name_any()) {
                            program.abort();
                        }
                    }
                    Ok(watcher::Event::Init | watcher::Event::InitDone) | Err(_) => {}
                }
            }
        });
        Self {
            task,
            connected,
            failed,
            users,
        }
    }

    /// Waits until they have connected some more times, and sees that none ever failed.
    pub(super) async fn connect(&self) -> Result<(), Error> {
        let before = self.connected.load(Ordering::SeqCst);
        eventually(PATIENCE, "programs to connect some more times", async || {
            self.never_failed();
            match self.connected.load(Ordering::SeqCst) {
                now if now > before + 5 => Ok(()),
                now => Err(format!("{} times", now - before).into()),
            }
        })
        .await
    }

    pub(super) fn never_failed(&self) {
        let failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        assert!(failed.is_empty(), "{failed:#?}");
    }

    /// Who connected.
    pub(super) fn users(&self) -> BTreeSet<String> {
        self.users.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Programs {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn note(failures: &Mutex<Vec<String>>, what: String) {
    failures.lock().unwrap_or_else(PoisonError::into_inner).push(what);
}

async fn run(
    server: &'static PostgresServer,
    pod: String,
    user: String,
    password: String,
    database: String,
    connected: Arc<AtomicUsize>,
    failures: Arc<Mutex<Vec<String>>>,
) {
    let mut ticks = tokio::time::interval(EVERY);
    loop {
        ticks.tick().await;
        let tried = match server.connect(&user, &password, &database).await {
            Ok(client) => {
                client
                    .batch_execute("INSERT INTO log (who) VALUES (session_user)")
                    .await
            }
            Err(error) => Err(error),
        };
        match tried {
            Ok(()) => drop(connected.fetch_add(1, Ordering::SeqCst)),
            Err(error) => note(&failures, format!("pod {pod} as {user}: {error:?}")),
        }
    }
}

/// User, password and database, as the kubelet would put them into the pod's environment.
async fn credentials(pod: &Pod, secrets: &Api<Secret>) -> Result<(String, String, String), Error> {
    let containers = pod
        .spec
        .as_ref()
        .map(|spec| spec.containers.as_slice())
        .unwrap_or_default();
    let env = containers[0].env.clone().unwrap_or_default();
    let variable = |name: &str| env.iter().find(|variable| variable.name == name).cloned().unwrap();
    let reference = variable("DATABASE_PASSWORD")
        .value_from
        .unwrap()
        .secret_key_ref
        .unwrap();
    let secret = secrets.get(&reference.name).await.map_err(|error| Error::Api {
        what: format!("reading {}", reference.name),
        message: error.to_string(),
    })?;
    let password = secret.data.unwrap_or_default()[&reference.key].0.clone();
    let plain = |name: &str| variable(name).value.unwrap();
    Ok((
        plain("DATABASE_USER"),
        String::from_utf8_lossy(&password).into_owned(),
        plain("DATABASE_NAME"),
    ))
}
