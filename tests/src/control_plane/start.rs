use std::{
    collections::BTreeSet,
    fs,
    net::Ipv4Addr,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use kube::{Client, Config, config::KubeConfigOptions, config::Kubeconfig};
use serde_json::{Value, json};

use super::{
    Description, Fate, KubernetesVersion, Order, Tools, certificates::Certificates, first_objects, kubeconfig,
    ports::Ports, programs,
};
use crate::{
    Error,
    fake_kubelet::{LABEL, PURPOSE},
    node::{self, Site},
    process_guard::{ProcessGuard, Signal},
};

/// A start takes 5 s on two idle cores; the rest is for a machine that compiles at the same time.
const START_LIMIT: Duration = Duration::from_secs(90);
/// Nothing here is worth an orderly shutdown that takes long.
const STOP_PATIENCE: Duration = Duration::from_secs(3);
/// Retries of a start because another process took one of its ports.
const ATTEMPTS: usize = 3;

/// Who plays the kubelets.
#[derive(Clone, Debug)]
pub enum Nodes {
    /// kwok: three nodes in three zones, whose pods are Ready without running.
    Simulated,
    /// This machine, inside a [`NodeSandbox`](crate::node::NodeSandbox): pods run.
    Real(Site),
}

impl Nodes {
    /// The address at which the API server is reached.
    fn server(&self) -> Ipv4Addr {
        match self {
            Self::Simulated => Ipv4Addr::LOCALHOST,
            Self::Real(site) => site.address,
        }
    }
}

/// How to start a control plane.
#[derive(Clone, Debug)]
pub struct Options {
    pub version: KubernetesVersion,
    /// Who plays the kubelets.
    pub nodes: Nodes,
    /// Where its programs are; found from the running program's place if absent.
    pub tools: Option<Tools>,
}

/// A running control plane. Its programs end when this is dropped; [`ControlPlane::stop`] does it in order.
pub struct ControlPlane {
    description: Description,
    /// In the order they were started.
    programs: Vec<ProcessGuard>,
    /// Names of those that were killed on purpose, and are to be started again.
    down: BTreeSet<String>,
    /// Removed with everything in it when dropped. A sandbox's folder is not ours to remove.
    folder: Option<tempfile::TempDir>,
}

impl ControlPlane {
    /// Starts everything and returns when nodes are Ready and controllers work.
    pub async fn start(options: &Options) -> Result<Self, Error> {
        let tools = match &options.tools {
            Some(tools) => tools.clone(),
            None => Tools::find(options.version)?,
        };
        let mut attempt = 1;
        loop {
            match Self::start_once(&tools, &options.nodes).await {
                Err(Error::Program { log, .. }) if attempt < ATTEMPTS && log.contains("address already in use") => {
                    attempt += 1;
                }
                result => return result,
            }
        }
    }

    async fn start_once(tools: &Tools, nodes: &Nodes) -> Result<Self, Error> {
        let (folder, temporary) = folder_for(nodes)?;
        let logs = folder.join("logs");
        fs::create_dir_all(&logs).map_err(Error::io(format!("creating {}", logs.display())))?;
        let policy = folder.join("audit-policy.json");
        fs::write(&policy, programs::AUDIT_POLICY).map_err(Error::io(format!("writing {}", policy.display())))?;

        let ports = Ports::free()?;
        let server = format!("https://{}:{}", nodes.server(), ports.apiserver);
        let certificates = Certificates::new(&folder.join("pki"))?;
        certificates.for_apiserver(&[nodes.server(), node::API_SERVICE])?;
        let user = |file: &str, name: &str, group: Option<&str>| {
            kubeconfig::for_new_user(&folder, file, &server, &certificates, name, group)
        };
        let admin = user("admin", "admin", Some("system:masters"))?;
        let controllers = user("kube-controller-manager", "system:kube-controller-manager", None)?;
        let scheduler = user("kube-scheduler", "system:kube-scheduler", None)?;
        certificates.for_user("kubelet-client", "kube-apiserver", Some("system:masters"))?;

        let mut this = Self {
            description: Description {
                kubeconfig: admin.clone(),
                certificate_authority: certificates.path("ca.crt"),
                server: server.clone(),
                audit_log: folder.join("audit.log"),
                folder: folder.clone(),
                kubernetes_version: String::new(),
                tools: tools.folder().to_owned(),
            },
            programs: Vec::new(),
            down: BTreeSet::new(),
            folder: temporary,
        };
        this.launch(tools, "etcd", programs::etcd(&folder, &ports))?;
        this.launch(
            tools,
            "kube-apiserver",
            programs::kube_apiserver(&folder, &ports, &certificates, nodes),
        )?;
        let started = Instant::now();
        let client = impatient_client(&admin).await?;
        this.ready(&client, started).await?;

        this.launch(
            tools,
            "kube-controller-manager",
            programs::kube_controller_manager(&controllers, &certificates),
        )?;
        this.launch(tools, "kube-scheduler", programs::kube_scheduler(&scheduler))?;
        let working = match nodes {
            Nodes::Simulated => {
                // kwok stands for every kubelet at once, so no node's own certificate would do.
                let kubelets = user("kwok", "kwok", Some("system:masters"))?;
                let arguments = programs::kwok(&kubelets, &stages(&tools.path("stages")?, &folder)?);
                this.launch(tools, "kwok", arguments)?;
                first_objects::create(&client).await?;
                let left = START_LIMIT.saturating_sub(started.elapsed());
                first_objects::wait(&client, left).await
            }
            Nodes::Real(site) => {
                let name = format!("system:node:{}", Site::NODE);
                let kubelet = user("kubelet", &name, Some("system:nodes"))?;
                let kube_proxy = user("kube-proxy", "system:kube-proxy", None)?;
                user("coredns", "coredns", None)?;
                let users = node::Users { kubelet, kube_proxy };
                let authority = certificates.path("ca.crt");
                node::start(site, tools, &users, &authority, &client, &mut this.programs).await
            }
        };
        // A program that has ended is the cause of every other failure.
        this.check()?;
        working?;
        let version = client
            .apiserver_version()
            .await
            .map_err(Error::api("asking for the version"))?;
        this.description.kubernetes_version = version.git_version;
        Ok(this)
    }

    fn launch(&mut self, tools: &Tools, name: &str, arguments: Vec<String>) -> Result<(), Error> {
        let log = self.description.folder.join("logs").join(format!("{name}.log"));
        self.programs
            .push(ProcessGuard::start(name, &tools.path(name)?, arguments, &[], &log)?);
        Ok(())
    }

    /// Waits for kube-apiserver to call itself ready, which includes that the RBAC bootstrap roles exist.
    async fn ready(&mut self, client: &Client, started: Instant) -> Result<(), Error> {
        loop {
            self.check()?;
            let request = http::Request::get("/readyz")
                .body(Vec::new())
                .map_err(Error::unreadable("/readyz"))?;
            let answer = tokio::time::timeout(Duration::from_secs(5), client.request_text(request)).await;
            if matches!(answer, Ok(Ok(_))) {
                return Ok(());
            }
            if started.elapsed() > START_LIMIT {
                let seconds = START_LIMIT.as_secs();
                let what = format!("was not ready after {seconds} s");
                let last = self.programs.last();
                return Err(last.map_or_else(
                    || Error::ControlPlane(what.clone()),
                    |program| program.error(what.clone()),
                ));
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Returns an error if one of the programs has ended unexpectedly.
    pub fn check(&mut self) -> Result<(), Error> {
        let wanted = self.programs.iter_mut().filter(|one| !self.down.contains(one.name()));
        wanted.into_iter().try_for_each(ProcessGuard::check_running)
    }

    /// Injects a fault into one of the programs, or ends the fault.
    pub async fn obey(&mut self, order: &Order) -> Result<(), Error> {
        let Some(program) = self.programs.iter_mut().find(|one| one.name() == order.program) else {
            let names: Vec<&str> = self.programs.iter().map(ProcessGuard::name).collect();
            return Err(Error::ControlPlane(format!(
                "it has no program `{}`: name one of {}",
                order.program,
                names.join(", ")
            )));
        };
        match order.what {
            Fate::Killed => {
                self.down.insert(order.program.clone());
                program.signal(Signal::Kill);
                match program.wait(STOP_PATIENCE).await? {
                    Some(_) => Ok(()),
                    None => Err(program.error("survived SIGKILL")),
                }
            }
            Fate::Started => {
                program.start_again()?;
                self.down.remove(&order.program);
                Ok(())
            }
        }
    }

    pub fn description(&self) -> &Description {
        &self.description
    }

    /// Stops the programs in reverse order (so that none complains that another is gone) and removes the folder.
    pub async fn stop(mut self) -> Result<(), Error> {
        while let Some(mut program) = self.programs.pop() {
            program.stop(STOP_PATIENCE).await?;
        }
        match self.folder {
            Some(folder) => folder.close().map_err(Error::io("removing the temporary folder")),
            None => Ok(()),
        }
    }
}

/// Where everything of one control plane lies, and what removes it in the end.
fn folder_for(nodes: &Nodes) -> Result<(PathBuf, Option<tempfile::TempDir>), Error> {
    if let Nodes::Real(site) = nodes {
        return Ok((site.folder.clone(), None));
    }
    let temporary = tempfile::Builder::new()
        .prefix("ras-control-plane-")
        .tempdir()
        .map_err(Error::io("making a temporary folder"))?;
    Ok((temporary.path().to_owned(), Some(temporary)))
}

/// A client that does not retry: by default it would ask a server that is still starting up again only after longer
/// and longer pauses.
async fn impatient_client(path: &Path) -> Result<Client, Error> {
    let mut config = client_config(path).await?;
    config.default_retry = false;
    Client::try_from(config).map_err(Error::api("making a client"))
}

/// The client configuration that a kubeconfig file holds.
pub(crate) async fn client_config(path: &Path) -> Result<Config, Error> {
    // With two TLS providers compiled in (a dependency can bring the second), rustls would panic for want of a choice.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let kubeconfig = Kubeconfig::read_from(path).map_err(Error::unreadable(path.display().to_string()))?;
    Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
        .await
        .map_err(Error::unreadable(path.display().to_string()))
}

/// The rules by which kwok moves things along. Pods that prepare databases it lets run on, because what they do matters:
/// see [`crate::FakeKubelet`].
fn stages(folder: &Path, changed: &Path) -> Result<Vec<String>, Error> {
    let list = |error| Error::io(format!("listing {}", folder.display()))(error);
    let entries: Vec<PathBuf> = fs::read_dir(folder)
        .map_err(list)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()
        .map_err(list)?;
    let mut stages = Vec::new();
    for path in entries {
        let path = match path.file_name() {
            Some(name) if name == "pod-complete.yaml" => without_preparation(&path, &changed.join(name))?,
            _ => path,
        };
        stages.push(path.display().to_string());
    }
    Ok(stages)
}

/// Replaces a kwok stage by one that ignores pods that prepare databases.
fn without_preparation(stage: &Path, to: &Path) -> Result<PathBuf, Error> {
    let text = fs::read_to_string(stage).map_err(Error::io(format!("reading {}", stage.display())))?;
    let mut stage: Value = serde_yaml::from_str(&text).map_err(Error::unreadable(stage.display().to_string()))?;
    let others = json!({"key": format!(".metadata.labels[\"{LABEL}\"]"), "operator": "NotIn", "values": [PURPOSE]});
    if let Some(list) = stage
        .pointer_mut("/spec/selector/matchExpressions")
        .and_then(Value::as_array_mut)
    {
        list.push(others);
    }
    fs::write(to, stage.to_string()).map_err(Error::io(format!("writing {}", to.display())))?;
    Ok(to.to_owned())
}
