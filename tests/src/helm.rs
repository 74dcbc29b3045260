use std::path::{Path, PathBuf};

use crate::{Cluster, Error, KubectlOutput, control_plane::Tools, kubectl::run, workspace::repository};

/// Helm, as `tests/charts/build.sh` built it.
pub struct Helm {
    program: PathBuf,
    /// Helm's own files, so that neither a user's settings nor their cache play a part.
    home: tempfile::TempDir,
    kubeconfig: Option<PathBuf>,
}

impl Helm {
    /// For what needs no cluster.
    pub fn offline() -> Result<Self, Error> {
        Ok(Self {
            program: Tools::find_folder("charts")?.path("helm")?,
            home: tempfile::tempdir().map_err(Error::io("making a folder for helm"))?,
            kubeconfig: None,
        })
    }

    /// For the cluster, as admin.
    pub fn of(cluster: &Cluster) -> Result<Self, Error> {
        Self::with(&cluster.description().kubeconfig)
    }

    /// For the cluster that a kubeconfig names.
    pub fn with(kubeconfig: &Path) -> Result<Self, Error> {
        Ok(Self {
            kubeconfig: Some(kubeconfig.to_owned()),
            ..Self::offline()?
        })
    }

    /// Runs it for at most a minute, in the repository's root, so that charts are named `charts/…`.
    pub async fn run(&self, arguments: &[&str]) -> Result<KubectlOutput, Error> {
        let home = self.home.path();
        let nowhere = Path::new("/nowhere");
        let environment = [
            ("KUBECONFIG", self.kubeconfig.as_deref().unwrap_or(nowhere)),
            ("HELM_CACHE_HOME", home),
            ("HELM_CONFIG_HOME", home),
            ("HELM_DATA_HOME", home),
        ];
        let charts: Vec<String> = arguments
            .iter()
            .map(|argument| match argument.strip_prefix("charts/") {
                Some(_) => repository().join(argument).display().to_string(),
                None => (*argument).to_owned(),
            })
            .collect();
        let arguments: Vec<&str> = charts.iter().map(String::as_str).collect();
        run(&self.program, &arguments, &environment, "").await
    }

    /// The same, and a refusal is an error with its own sentence. Returns what it printed.
    pub async fn done(&self, arguments: &[&str]) -> Result<String, Error> {
        let output = self.run(arguments).await?;
        if output.success {
            return Ok(output.stdout);
        }
        Err(Error::Api {
            what: format!("helm {}", arguments.join(" ")),
            message: output.stderr,
        })
    }
}
