use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    sync::{Arc, Mutex, PoisonError},
};

use futures::StreamExt as _;
use k8s_openapi::{
    api::core::v1::{ConfigMap, Container, KeyToPath, Pod, PodSpec, Secret, Volume},
    jiff::Timestamp,
};
use kube::{
    Api, Client, ResourceExt as _,
    api::{Patch, PatchParams},
    runtime::watcher,
};
use serde_json::json;
use tokio::{process::Command, task::JoinHandle};

use crate::{
    Error, PATIENCE, eventually,
    postgres::{ADMIN, PostgresOptions, PostgresServer},
    program_beside,
};

/// The pods that kwok leaves alone: see `control_plane::start`.
pub(crate) const LABEL: &str = "ras.dev/job";
/// See [`LABEL`].
pub(crate) const PURPOSE: &str = "prepare";

/// Plays the kubelet for the pods that prepare databases: it mounts the `ConfigMap`s and Secrets of the pod's template,
/// runs the real program with the template's arguments, and writes the exit code and termination message into the pod's
/// status. It ends when this is dropped.
///
/// Pods of a server of the drive's own do not really run here, either: where the administrator's host is a name that only
/// a cluster's DNS knows, a real server is started that stands there from then on, one for each name.
pub struct FakeKubelet {
    task: JoinHandle<()>,
    runs: Arc<Mutex<Vec<Run>>>,
    servers: Servers,
}

/// Servers by namespace and host.
type Servers = Arc<tokio::sync::Mutex<BTreeMap<(String, String), Arc<PostgresServer>>>>;

/// One run of the program.
#[derive(Clone, Debug)]
pub struct Run {
    /// Name of the pod.
    pub pod: String,
    pub code: Option<i32>,
    pub message: String,
    /// Its log, at the most detailed level.
    pub log: String,
}

impl FakeKubelet {
    /// Runs what comes up in `namespace`, or in all.
    pub fn start(client: Client, namespace: Option<&str>) -> Self {
        let runs = Arc::new(Mutex::new(Vec::new()));
        let servers = Servers::default();
        let pods: Api<Pod> = namespace.map_or_else(
            || Api::all(client.clone()),
            |namespace| Api::namespaced(client.clone(), namespace),
        );
        let kubelet = Kubelet {
            client,
            runs: Arc::clone(&runs),
            servers: Arc::clone(&servers),
            pretends: false,
        };
        Self {
            task: tokio::spawn(kubelet.follow(pods)),
            runs,
            servers,
        }
    }

    /// Runs nothing and says that all went well, where pods are simulated for people to look at and nothing is proven.
    pub fn pretend(client: Client) -> Self {
        let runs = Arc::default();
        let kubelet = Kubelet {
            client: client.clone(),
            runs: Arc::clone(&runs),
            servers: Servers::default(),
            pretends: true,
        };
        Self {
            servers: Arc::clone(&kubelet.servers),
            task: tokio::spawn(kubelet.follow(Api::all(client))),
            runs,
        }
    }

    /// The server that stands at `host` in `namespace`.
    pub async fn server(&self, namespace: &str, host: &str) -> Result<Arc<PostgresServer>, Error> {
        server(&self.servers, namespace, host).await
    }

    pub fn runs(&self) -> Vec<Run> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for FakeKubelet {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[derive(Clone)]
struct Kubelet {
    client: Client,
    runs: Arc<Mutex<Vec<Run>>>,
    servers: Servers,
    pretends: bool,
}

impl Kubelet {
    async fn follow(self, pods: Api<Pod>) {
        let config = watcher::Config::default().labels(&format!("{LABEL}={PURPOSE}"));
        let mut events = std::pin::pin!(watcher(pods, config));
        let mut seen = BTreeSet::new();
        while let Some(event) = events.next().await {
            let Ok(watcher::Event::Apply(pod) | watcher::Event::InitApply(pod)) = event else {
                continue;
            };
            let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
            if phase != Some("Running") || !seen.insert(pod.uid()) {
                continue;
            }
            let kubelet = self.clone();
            tokio::spawn(async move {
                if let Err(error) = kubelet.run(&pod).await {
                    // A kubelet would write an event here. The test that waits for the outcome fails and prints this.
                    kubelet.note(&pod, None, String::new(), error.to_string());
                }
            });
        }
    }

    fn note(&self, pod: &Pod, code: Option<i32>, message: String, log: String) {
        let run = Run {
            pod: pod.name_any(),
            code,
            message,
            log,
        };
        self.runs.lock().unwrap_or_else(PoisonError::into_inner).push(run);
    }

    async fn run(&self, pod: &Pod) -> Result<(), Error> {
        let folder = tempfile::tempdir().map_err(Error::io("making a temporary folder"))?;
        let spec = pod.spec.clone().unwrap_or_default();
        let container = spec.containers.first().cloned().unwrap_or_default();
        if self.pretends {
            return self.report(pod, &container, Some(0), "{}", Timestamp::now()).await;
        }
        // As a kubelet, which tries again until everything is there.
        let mounts = eventually(PATIENCE, "all volumes of a pod to be there", async || {
            Ok(self.mount(pod, &spec, &container, folder.path()).await?)
        })
        .await?;
        self.resolve(&pod.namespace().unwrap_or_default(), folder.path())
            .await?;
        let report = folder.path().join("termination-log");
        let within = |argument: &String| {
            let mounted = mounts.iter().find_map(|(path, real)| {
                argument
                    .strip_prefix(path.as_str())
                    .map(|rest| format!("{}{rest}", real.display()))
            });
            mounted.unwrap_or_else(|| argument.clone())
        };
        let started = Timestamp::now();
        let output = Command::new(program_beside("ras-operator")?)
            .args(container.args.iter().flatten().map(within))
            .arg("--report")
            .arg(&report)
            .arg("--patience=2")
            .env_clear()
            .env("RAS_LOG", "trace")
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .map_err(Error::io("running ras-operator"))?;
        let message = fs::read_to_string(&report).unwrap_or_default();
        let code = output.status.code();
        let log = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
        self.note(pod, code, message.clone(), log);
        self.report(pod, &container, code, &message, started).await
    }

    /// Leads to a real server where the administrator's host is a name of the cluster's.
    async fn resolve(&self, namespace: &str, folder: &Path) -> Result<(), Error> {
        let admin = folder.join("ras/admin");
        let host = fs::read_to_string(admin.join("host")).unwrap_or_default();
        // A suffix after an address is passed on to the Job, as in a cluster.
        if host.trim().parse::<std::net::IpAddr>().is_ok() {
            return Ok(());
        }
        let stands_there = server(&self.servers, namespace, &host).await?;
        for (key, value) in [
            ("host", "127.0.0.1".to_owned()),
            ("port", stands_there.port().to_string()),
            ("username", ADMIN.to_owned()),
            ("password", stands_there.password().to_owned()),
        ] {
            fs::write(admin.join(key), value).map_err(Error::io(format!("writing {key}")))?;
        }
        Ok(())
    }

    /// Writes the files of the container's volumes, and returns the path of each mount.
    async fn mount(
        &self,
        pod: &Pod,
        spec: &PodSpec,
        container: &Container,
        folder: &Path,
    ) -> Result<Vec<(String, PathBuf)>, Error> {
        let mut mounts = Vec::new();
        for mount in container.volume_mounts.iter().flatten() {
            let volume = spec
                .volumes
                .iter()
                .flatten()
                .find(|volume| volume.name == mount.name)
                .ok_or_else(|| missing(&format!("volume {}", mount.name)))?;
            let real = folder.join(mount.mount_path.trim_start_matches('/'));
            for (path, bytes) in self.files(&pod.namespace().unwrap_or_default(), volume).await? {
                let path = real.join(path);
                if let Some(parent) = path.parent() {
                    fs::create_dir_all(parent).map_err(Error::io(format!("creating {}", parent.display())))?;
                }
                fs::write(&path, bytes).map_err(Error::io(format!("writing {}", path.display())))?;
            }
            mounts.push((mount.mount_path.clone(), real));
        }
        Ok(mounts)
    }

    async fn files(&self, namespace: &str, volume: &Volume) -> Result<BTreeMap<String, Vec<u8>>, Error> {
        let mut files = BTreeMap::new();
        if let Some(secret) = &volume.secret {
            let name = secret.secret_name.as_deref().unwrap_or_default();
            files.extend(pick(
                self.secret(namespace, name).await?,
                secret.items.as_deref(),
                name,
            )?);
        }
        for source in volume.projected.iter().flat_map(|all| all.sources.iter().flatten()) {
            if let Some(secret) = &source.secret {
                let data = self.secret(namespace, &secret.name).await?;
                files.extend(pick(data, secret.items.as_deref(), &secret.name)?);
            }
            if let Some(map) = &source.config_map {
                let maps: Api<ConfigMap> = Api::namespaced(self.client.clone(), namespace);
                let found = maps
                    .get(&map.name)
                    .await
                    .map_err(Error::api(format!("mounting {}", map.name)))?;
                let data = found.data.unwrap_or_default();
                let data = data.into_iter().map(|(key, text)| (key, text.into_bytes())).collect();
                files.extend(pick(data, map.items.as_deref(), &map.name)?);
            }
        }
        Ok(files)
    }

    async fn secret(&self, namespace: &str, name: &str) -> Result<BTreeMap<String, Vec<u8>>, Error> {
        let secrets: Api<Secret> = Api::namespaced(self.client.clone(), namespace);
        let found = secrets
            .get(name)
            .await
            .map_err(Error::api(format!("mounting {name}")))?;
        let data = found.data.unwrap_or_default();
        Ok(data.into_iter().map(|(key, value)| (key, value.0)).collect())
    }

    async fn report(
        &self,
        pod: &Pod,
        container: &Container,
        code: Option<i32>,
        message: &str,
        started: Timestamp,
    ) -> Result<(), Error> {
        let code = code.unwrap_or(137);
        let (phase, reason) = if code == 0 {
            ("Succeeded", "Completed")
        } else {
            ("Failed", "Error")
        };
        let terminated = json!({
            "exitCode": code, "reason": reason, "message": message,
            "startedAt": started.to_string(), "finishedAt": Timestamp::now().to_string(),
        });
        let status = json!({"status": {"phase": phase, "containerStatuses": [{
            "name": container.name, "image": container.image, "imageID": "", "ready": false, "started": false,
            "restartCount": 0, "state": {"terminated": terminated},
        }]}});
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), &pod.namespace().unwrap_or_default());
        pods.patch_status(&pod.name_any(), &PatchParams::default(), &Patch::Merge(&status))
            .await
            .map(drop)
            .map_err(Error::api("writing the status of a pod"))
    }
}

/// The files of a source: those that `items` name, or all.
fn pick(
    mut data: BTreeMap<String, Vec<u8>>,
    items: Option<&[KeyToPath]>,
    of: &str,
) -> Result<BTreeMap<String, Vec<u8>>, Error> {
    let Some(items) = items else { return Ok(data) };
    let mut files = BTreeMap::new();
    for item in items {
        let bytes = data
            .remove(&item.key)
            .ok_or_else(|| missing(&format!("key {} of {of}", item.key)))?;
        files.insert(item.path.clone(), bytes);
    }
    Ok(files)
}

async fn server(servers: &Servers, namespace: &str, host: &str) -> Result<Arc<PostgresServer>, Error> {
    let mut servers = servers.lock().await;
    let key = (namespace.to_owned(), host.to_owned());
    if let Some(known) = servers.get(&key) {
        return Ok(Arc::clone(known));
    }
    let started = Arc::new(PostgresServer::start(PostgresOptions::default()).await?);
    servers.insert(key, Arc::clone(&started));
    Ok(started)
}

fn missing(what: &str) -> Error {
    Error::Unreadable {
        what: "the template of a pod".to_owned(),
        message: format!("{what} is not there"),
    }
}
