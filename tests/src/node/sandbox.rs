use std::{
    fs,
    net::Ipv4Addr,
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use tokio::process::{Child, Command};

use super::{
    Site, cannot_run_a_node, cgroups,
    leftovers::{self, Lock, PREFIX},
    machine,
};
use crate::Error;

const SCRIPT: &str = include_str!("sandbox.sh");
/// The range for network benchmarks (RFC 2544), which is otherwise unused: 198.18.0.0/15.
const RANGE: u32 = u32::from_be_bytes([198, 18, 0, 0]);
/// It is cut into networks of four addresses: one for the machine and one for the node are enough.
const NETWORKS: u32 = 1 << 15;
/// The kernel removes a network namespace a moment after its last process. The longest usual time for that.
const LINGERS: Duration = Duration::from_secs(2);
const PATIENCE: Duration = Duration::from_secs(10);

/// The namespaces in which a cluster with a real node lives; see the module's documentation.
///
/// This value is what stays outside: it removes what no namespace holds.
pub struct NodeSandbox {
    folder: PathBuf,
    network: Network,
    _lock: Lock,
}

#[derive(Clone, Copy)]
struct Network(u32);

impl Network {
    /// The first network from `start` on that no route of this machine leads to.
    fn free(start: u32) -> Option<Self> {
        let routes = fs::read_to_string("/proc/net/route").unwrap_or_default();
        let taken: Vec<u32> = routes.lines().skip(1).filter_map(destination).collect();
        let networks = (0..NETWORKS).map(|step| Self(start.wrapping_add(step) % NETWORKS));
        networks.into_iter().find(|network| !taken.contains(&network.first()))
    }

    fn first(self) -> u32 {
        RANGE + self.0 * 4
    }

    fn machine(self) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.first() + 1)
    }

    fn node(self) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.first() + 2)
    }

    /// The name of the cable's end on the machine's side; the kernel takes 15 letters.
    fn cable(self) -> String {
        format!("ras-node{}", self.0)
    }
}

/// The cable to a node of this address.
pub(super) fn cable_to(node: Ipv4Addr) -> Option<String> {
    let number = node.to_bits().checked_sub(RANGE)? / 4;
    (number < NETWORKS).then(|| Network(number).cable())
}

/// The second column of `/proc/net/route`: an address in the processor's order of bytes, in hexadecimal.
fn destination(line: &str) -> Option<u32> {
    let column = line.split_whitespace().nth(1)?;
    u32::from_str_radix(column, 16).ok().map(u32::from_be)
}

impl NodeSandbox {
    /// Looks whether this machine can, removes what killed supervisors left, and makes a folder, cgroups and a free address.
    pub fn new() -> Result<Self, Error> {
        if let Some(reason) = cannot_run_a_node().or_else(machine::not_installed) {
            return Err(Error::ControlPlane(reason));
        }
        leftovers::remove(&std::env::temp_dir())?;
        let folder = tempfile::Builder::new()
            .prefix(PREFIX)
            .tempdir()
            .map_err(Error::io("making a temporary folder"))?
            .keep();
        let network = Network::free(std::process::id())
            .ok_or_else(|| Error::ControlPlane("all of 198.18.0.0/15 is in use on this machine".to_owned()))?;
        let this = Self {
            _lock: Lock::share(&folder)?,
            folder,
            network,
        };
        cgroups::create(&this.site().cgroup())?;
        Ok(this)
    }

    pub fn site(&self) -> Site {
        Site {
            folder: self.folder.clone(),
            address: self.network.node(),
        }
    }

    /// Runs a program inside, with the input and output of this one. When it ends, or the child that is returned is killed,
    /// the kernel ends everything in there.
    pub fn run(&self, program: &Path, arguments: &[String]) -> Result<Child, Error> {
        Command::new("unshare")
            .args(["--net", "--mount", "--ipc", "--uts", "--propagation", "private"])
            .args(["--", "sh", "-c", SCRIPT, "sandbox.sh"])
            .arg(std::process::id().to_string())
            .arg(self.network.cable())
            .arg(self.network.machine().to_string())
            .arg(self.network.node().to_string())
            .arg(program)
            .args(arguments)
            .stdin(Stdio::inherit())
            .kill_on_drop(true)
            .spawn()
            .map_err(Error::io("starting `unshare`"))
    }

    /// Removes the folder and the cgroups, after the child has ended, and waits until the kernel has taken the network down.
    pub async fn remove(self) -> Result<(), Error> {
        let started = Instant::now();
        let cable = Path::new("/sys/class/net").join(self.network.cable());
        let name = self.site().cgroup();
        loop {
            // A process that is being killed may still write a file.
            let removed = leftovers::remove_one(&self.folder, &name);
            if removed.is_ok() && !cable.exists() {
                return Ok(());
            }
            // A connection whose other side died silently keeps the network namespace for minutes, but its veth pair is
            // no longer needed.
            if started.elapsed() > LINGERS {
                let _ = Command::new("ip")
                    .args(["link", "delete", "dev", &self.network.cable()])
                    .stderr(Stdio::null())
                    .status()
                    .await;
            }
            if started.elapsed() > PATIENCE {
                return removed;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_one_for_machine_and_node() {
        let network = Network(7);
        assert_eq!(network.machine().to_string(), "198.18.0.29");
        assert_eq!(network.node().to_string(), "198.18.0.30");
        assert_eq!(Network(NETWORKS - 1).node().to_string(), "198.19.255.254");
        assert!(Network(NETWORKS - 1).cable().len() <= 15);
        assert_eq!(cable_to(network.node()), Some(network.cable()));
        assert_eq!(cable_to(Ipv4Addr::LOCALHOST), None);
    }

    #[test]
    fn a_route_is_read_as_the_kernel_prints_it() {
        let line = "ras-node7\t1C0012C6\t00000000\t0001\t0\t0\t0\tFCFFFFFF\t0\t0\t0";
        assert_eq!(
            destination(line).map(Ipv4Addr::from_bits),
            Some(Ipv4Addr::new(198, 18, 0, 28))
        );
    }
}
