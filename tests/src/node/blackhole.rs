//! Connections that die silently, as if the other machine lost power: they are never closed, and no packet arrives.

use std::{fs, path::Path, process::Stdio};

use tokio::process::Command;

use crate::{Error, control_plane::Description};

/// Port of Services that pods reach the API server by.
const PORT: &str = "dport=443";
/// How often what was sent is sent again before a connection is given up, on the side of the API server: as many as take a
/// quarter of a minute; and Linux's own number, a quarter of an hour. What it has to say on a dead connection would keep the
/// node's network alive when everybody in it has ended.
const FEW: &str = "5";
/// See [`FEW`].
const USUAL: &str = "15";
/// Most ports in one rule of `iptables`.
const PORTS: usize = 15;

/// Connections of one pod that are dead. New ones are not.
pub struct Blackhole {
    /// The interface to the network of the node.
    network: String,
    /// Chain and match of each rule.
    rules: Vec<Vec<String>>,
    pub connections: usize,
}

impl Blackhole {
    /// Lets every connection die that a pod of this address has to the API server at this moment.
    pub async fn of(cluster: &Description, pod: &str) -> Result<Self, Error> {
        let network = network_of(&cluster.folder)?;
        let known = inside(&network, &words(&["conntrack", "-L", "-p", "tcp", "--src", pod])).await?;
        let ports: Vec<&str> = known
            .lines()
            .filter(|line| line.contains("ESTABLISHED") && line.contains(PORT))
            .filter_map(|line| line.split_whitespace().find_map(|word| word.strip_prefix("sport=")))
            .collect();
        let mut this = Self {
            network,
            rules: Vec::new(),
            connections: ports.len(),
        };
        for some in ports.chunks(PORTS) {
            let some = some.join(",");
            for rule in [
                ["raw", "PREROUTING", "-s", pod, "--sports", &some],
                ["mangle", "POSTROUTING", "-d", pod, "--dports", &some],
            ] {
                this.rules.push(words(&rule));
            }
        }
        this.give_up_after(FEW).await?;
        for (number, rule) in this.rules.iter().enumerate() {
            if let Err(error) = this.change("-I", rule).await {
                this.rules.truncate(number);
                this.end().await?;
                return Err(error);
            }
        }
        Ok(this)
    }

    /// Ends it, so that the ports can be used again.
    pub async fn end(self) -> Result<(), Error> {
        for rule in &self.rules {
            self.change("-D", rule).await?;
        }
        self.give_up_after(USUAL).await
    }

    async fn give_up_after(&self, tries: &str) -> Result<(), Error> {
        let script = format!("echo {tries} >/proc/sys/net/ipv4/tcp_retries2");
        inside(&self.network, &words(&["sh", "-c", &script])).await.map(drop)
    }

    async fn change(&self, how: &str, rule: &[String]) -> Result<(), Error> {
        let [table, chain, side, pod, which, ports] = rule else {
            return Ok(());
        };
        let command = [
            "iptables",
            "-w",
            "-t",
            table,
            how,
            chain,
            side,
            pod,
            "-p",
            "tcp",
            "-m",
            "multiport",
            which,
            ports,
            "-j",
            "DROP",
        ];
        inside(&self.network, &words(&command)).await.map(drop)
    }
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// The network that the program inside the sandbox of this folder is in.
fn network_of(folder: &Path) -> Result<String, Error> {
    let argument = format!("--sandbox={}", folder.display());
    let entries = fs::read_dir("/proc").map_err(Error::io("reading /proc"))?;
    for entry in entries.filter_map(Result::ok) {
        // A process that ends meanwhile is not counted.
        let command = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let mut arguments = command.split(|byte| *byte == 0);
        if arguments
            .next()
            .is_some_and(|program| program.ends_with(b"control-plane"))
            && arguments.any(|one| one == argument.as_bytes())
        {
            return Ok(format!("--net={}", entry.path().join("ns/net").display()));
        }
    }
    Err(Error::ControlPlane(format!("no program runs with {argument}")))
}

async fn inside(network: &str, command: &[String]) -> Result<String, Error> {
    let output = Command::new("nsenter")
        .arg(network)
        .args(command)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .map_err(Error::io("starting nsenter"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(Error::Program {
        program: "nsenter".to_owned(),
        what: format!("did not {}", command.join(" ")),
        log: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}
