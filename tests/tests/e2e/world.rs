//! The cluster that all scenarios share.

use std::{
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
};

use kube::{Api, Client, Config, api::ListParams};
use ras_crds::RecruitmentDrive;
use ras_tests::{Cluster, Error, TestNamespace, node};
use tokio::process::Command;

use crate::{
    images,
    installed::{self, Version},
    runner::{NotRun, Steps},
};

/// Where pods really run, with the operator in it.
pub struct World {
    /// The cluster, when it is ours.
    own: Option<Cluster>,
    config: Config,
    kubeconfig: PathBuf,
    /// The operator that is installed first.
    pub first: Version,
    namespaces: AtomicUsize,
    /// The images' archives; removed when dropped.
    folder: tempfile::TempDir,
}

/// The kubeconfig that `KUBECONFIG` names, if any.
pub fn names_a_cluster() -> Option<PathBuf> {
    let path = std::env::var_os("KUBECONFIG")?;
    (!path.is_empty()).then(|| PathBuf::from(path))
}

impl World {
    /// Starts a cluster, or takes the one that was named.
    pub async fn start() -> Result<Self, Error> {
        let folder = tempfile::tempdir().map_err(|error| io("making a temporary folder", &error))?;
        let (own, config, kubeconfig) = if let Some(path) = names_a_cluster() {
            println!("using the cluster that {} names", path.display());
            let config = Config::infer().await.map_err(|error| unreadable(&path, &error))?;
            (None, config, path)
        } else {
            let cluster = Cluster::start_real().await?;
            let config = cluster.config();
            let kubeconfig = cluster.description().kubeconfig.clone();
            (Some(cluster), config, kubeconfig)
        };
        Ok(Self {
            own,
            config,
            kubeconfig,
            first: Version::first()?,
            namespaces: AtomicUsize::new(0),
            folder,
        })
    }

    /// Puts the images and the operator into it.
    pub async fn prepare(&self, steps: &Steps) -> Result<(), Error> {
        self.refuse_a_cluster_in_use().await?;
        let folder = self.folder.path().to_owned();
        let first = self.first.clone();
        let archives = tokio::task::spawn_blocking(move || images::write(&folder, &first))
            .await
            .map_err(|error| Error::ControlPlane(error.to_string()))??;
        steps.done("images are assembled");
        for archive in archives {
            self.load(&archive).await?;
        }
        steps.done("images are in it");
        installed::install(&self.client()?, &self.kubeconfig, &self.first).await?;
        steps.done("the operator is installed by its charts, and ready");
        Ok(())
    }

    /// A new client in its own connection pool. It does not try again by itself: whether somebody answers is what scenarios
    /// ask, and `eventually` does it for them.
    pub fn client(&self) -> Result<Client, Error> {
        let mut config = self.config.clone();
        config.default_retry = false;
        Client::try_from(config).map_err(|error| Error::Api {
            what: "making a client".to_owned(),
            message: error.to_string(),
        })
    }

    /// A new namespace for one scenario, in which only pods that follow the strictest standard may run.
    pub async fn namespace(&self, name: &str) -> Result<TestNamespace, Error> {
        let number = self.namespaces.fetch_add(1, Ordering::Relaxed) + 1;
        let namespace = TestNamespace::create(self.client()?, format!("e2e-{name}-{number}")).await?;
        let name = namespace.name();
        let labels = format!(
            "{{apiVersion: v1, kind: Namespace, metadata: {{name: {name}, labels: {{pod-security.kubernetes.io/enforce: restricted}}}}}}"
        );
        namespace.apply(&labels).await?;
        Ok(namespace)
    }

    /// The cluster, for those who break what nobody would in one of somebody else's, or read its audit log.
    pub fn own(&self) -> Result<&Cluster, NotRun> {
        self.own
            .as_ref()
            .ok_or(NotRun("it needs a cluster of its own, and KUBECONFIG names somebody's"))
    }

    /// Where the cluster is, for programs.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// Stops the cluster, if it is ours, and returns what is left of it on this machine.
    pub async fn stop(self) -> Result<Vec<String>, Error> {
        let Some(cluster) = self.own else { return Ok(Vec::new()) };
        let description = cluster.description().clone();
        cluster.stop().await?;
        Ok(node::left_behind(&description))
    }

    /// A cluster with drives is somebody's: this would install another operator over theirs.
    async fn refuse_a_cluster_in_use(&self) -> Result<(), Error> {
        let drives: Api<RecruitmentDrive> = Api::all(self.client()?);
        match drives.list(&ListParams::default()).await {
            Ok(list) if list.items.is_empty() => Ok(()),
            Ok(list) => Err(Error::ControlPlane(format!(
                "the cluster that KUBECONFIG names has {} drives, and these tests would install another operator over \
                 theirs: name a cluster without any, or unset KUBECONFIG",
                list.items.len()
            ))),
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
            Err(error) => Err(Error::Api {
                what: "looking for drives".to_owned(),
                message: error.to_string(),
            }),
        }
    }

    async fn load(&self, archive: &Path) -> Result<(), Error> {
        if let Some(cluster) = &self.own {
            return node::import_image(cluster.description(), archive).await;
        }
        let loader = std::env::var("E2E_LOAD_IMAGE").unwrap_or_default();
        let mut words = loader.split_whitespace();
        let Some(program) = words.next() else {
            return Err(Error::ControlPlane(
                "the cluster that KUBECONFIG names needs images that no registry has: let E2E_LOAD_IMAGE be a command that \
                 loads an image archive, such as `kind load image-archive`"
                    .to_owned(),
            ));
        };
        let output = Command::new(program).args(words).arg(archive).output().await;
        match output {
            Ok(output) if output.status.success() => Ok(()),
            Ok(output) => Err(Error::ControlPlane(format!(
                "{loader} {}: {}",
                archive.display(),
                String::from_utf8_lossy(&output.stderr)
            ))),
            Err(error) => Err(io(&loader, &error)),
        }
    }
}

fn io(what: &str, error: &std::io::Error) -> Error {
    Error::Io {
        what: what.to_owned(),
        message: error.to_string(),
    }
}

fn unreadable(path: &Path, error: &impl std::fmt::Display) -> Error {
    Error::Unreadable {
        what: path.display().to_string(),
        message: error.to_string(),
    }
}
