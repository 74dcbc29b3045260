use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use kube::Client;

use super::{
    Site,
    files::{self, PAUSE_IMAGE},
    first_objects, programs,
    site::socket_in,
};
use crate::{
    Error, Image, ProcessGuard, Signal,
    control_plane::{Description, Tools},
    eventually,
};

/// A start takes 7 s on two idle cores; the rest is for a machine that compiles at the same time.
const LIMIT: Duration = Duration::from_secs(120);

/// Kubeconfigs of the node's programs, each for a user with the rights that program has in a real cluster.
pub(crate) struct Users {
    pub(crate) kubelet: PathBuf,
    pub(crate) kube_proxy: PathBuf,
}

/// Starts the node's programs for a control plane that is ready, adds them to `running`, and returns when the node is
/// Ready.
pub(crate) async fn start(
    site: &Site,
    tools: &Tools,
    users: &Users,
    certificate_authority: &Path,
    client: &Client,
    running: &mut Vec<ProcessGuard>,
) -> Result<(), Error> {
    let own = Tools::real_node()?;
    files::write(site, certificate_authority)?;
    first_objects::create(client, site).await?;
    let mut launch = |name: &str, program: PathBuf, arguments: Vec<String>| {
        // containerd finds its shim, and the shim runc, by this.
        let path = std::env::var("PATH").unwrap_or_default();
        let path = format!("{}:{path}:/usr/sbin:/sbin", own.folder().display());
        let log = site.path("logs").join(format!("{name}.log"));
        let environment = [("PATH".to_owned(), path)];
        ProcessGuard::start(name, &program, arguments, &environment, &log).map(|program| running.push(program))
    };
    launch("containerd", own.path("containerd")?, programs::containerd(site))?;
    launch("coredns", own.path("coredns")?, programs::coredns(site))?;
    let ctr = own.path("ctr")?;
    eventually(LIMIT, "containerd to answer", async || {
        run(&ctr, &site.containerd(), &["version"])
            .await
            .map_err(|error| error.to_string().into())
    })
    .await?;
    // Before the first pod, whose own container is made of it.
    let image = Image::new(PAUSE_IMAGE)
        .file("/pause", &own.path("pause")?)?
        .user(65534)
        .entrypoint(&["/pause"])
        .write(&site.path("images"))?;
    import(&ctr, &site.containerd(), &image).await?;
    launch(
        "kubelet",
        tools.path("kubelet")?,
        programs::kubelet(site, &users.kubelet),
    )?;
    launch(
        "kube-proxy",
        tools.path("kube-proxy")?,
        programs::kube_proxy(&users.kube_proxy),
    )?;
    first_objects::wait(client, LIMIT).await
}

/// Puts an image's archive on the node, under the name that is written in it.
pub async fn import_image(cluster: &Description, archive: &Path) -> Result<(), Error> {
    let ctr = Tools::real_node()?.path("ctr")?;
    import(&ctr, &socket_in(&cluster.folder), archive).await
}

/// Sends a signal to the first process of a container, past every grace that a kubelet would give it.
pub async fn signal_container(cluster: &Description, container: &str, signal: Signal) -> Result<(), Error> {
    let ctr = Tools::real_node()?.path("ctr")?;
    let signal = format!("SIG{}", signal.name());
    let arguments = ["--namespace", "k8s.io", "tasks", "kill", "--signal", &signal, container];
    run(&ctr, &socket_in(&cluster.folder), &arguments).await
}

async fn import(ctr: &Path, socket: &Path, archive: &Path) -> Result<(), Error> {
    let archive = archive.display().to_string();
    // Pods know the images of this namespace alone.
    let arguments = ["--namespace", "k8s.io", "images", "import", "--local", &archive];
    run(ctr, socket, &arguments).await
}

async fn run(ctr: &Path, socket: &Path, arguments: &[&str]) -> Result<(), Error> {
    let output = tokio::process::Command::new(ctr)
        .arg("--address")
        .arg(socket)
        .args(arguments)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .map_err(Error::io("starting ctr"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(Error::Program {
        program: "ctr".to_owned(),
        what: format!("did not {}", arguments.join(" ")),
        log: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}
