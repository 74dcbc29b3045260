use std::{path::Path, process::Stdio, time::Duration};

use tokio::{io::AsyncWriteExt as _, process::Command, time::timeout};

use crate::{Cluster, Error};

const LIMIT: Duration = Duration::from_mins(1);

/// Output and exit status of a `kubectl`.
#[derive(Clone, Debug)]
pub struct KubectlOutput {
    pub success: bool,
    pub stdout: String,
    /// Standard error: on a refusal, the sentence a user would see.
    pub stderr: String,
}

impl Cluster {
    /// Runs the same version's `kubectl` as admin, for at most a minute.
    pub async fn kubectl(&self, arguments: &[&str]) -> Result<KubectlOutput, Error> {
        self.kubectl_with_input(arguments, "").await
    }

    /// The same, with text on its standard input, for `apply -f -`.
    pub async fn kubectl_with_input(&self, arguments: &[&str], input: &str) -> Result<KubectlOutput, Error> {
        let environment = [
            ("KUBECONFIG", self.description().kubeconfig.as_path()),
            // Or it would leave the discovery of each control plane in the user's home.
            ("KUBECACHEDIR", &self.description().folder.join("kubectl-cache")),
        ];
        run(&self.tools().path("kubectl")?, arguments, &environment, input).await
    }
}

/// Runs a program to its end, for at most a minute.
pub(crate) async fn run(
    program: &Path,
    arguments: &[&str],
    environment: &[(&str, &Path)],
    input: &str,
) -> Result<KubectlOutput, Error> {
    let name = || program.file_name().unwrap_or_default().display().to_string();
    let mut child = Command::new(program)
        .args(arguments)
        .envs(environment.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(Error::io(format!("starting {}", name())))?;
    let stdin = child.stdin.take();
    // Both at once, or a program that answers while it reads could fill one pipe while we fill the other.
    let feed = async {
        if let Some(mut stdin) = stdin {
            // It may end without having read everything; what it then says is in the output.
            let _ = stdin.write_all(input.as_bytes()).await;
        }
    };
    let both = futures::future::join(feed, child.wait_with_output());
    let ((), output) = timeout(LIMIT, both).await.map_err(|_| Error::Waited {
        what: format!("{} {}", name(), arguments.join(" ")),
        waited: LIMIT,
        last_seen: "nothing".to_owned(),
    })?;
    let output = output.map_err(Error::io(format!("waiting for {}", name())))?;
    Ok(KubectlOutput {
        success: output.status.success(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}
