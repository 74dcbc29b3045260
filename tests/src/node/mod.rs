//! This machine as a node on which pods really run: kubelet, kube-proxy, containerd, runc and `CoreDNS` next to a
//! control plane.
//!
//! # Why it is built this way
//!
//! A node changes a machine in many places: mounts, bridges, packet filter chains, `/run`, `/var/lib`, orphaned
//! processes. So the whole cluster, with its control plane, runs in the namespaces of a [`NodeSandbox`]:
//!
//! - **Processes**: when the sandbox's first process ends, the kernel ends every other one in it, whoever started it.
//! - **Mounts** and **network**: bridge, addresses, `iptables` chains and overlay mounts exist in there alone, and go with the
//!   last process. The machine's own packet filter is never touched, so several clusters run side by side.
//! - `/run`, `/var/lib` and `/var/log` are empty in there: neither another containerd nor a kubelet of the machine is met.
//! - `/proc/sys` can only be read, but for the network's own, and shows a kubelet what it would set on the whole machine: how the
//!   kernel gives out memory and what it does in a panic.
//! - One cable (a veth pair in 198.18.0.0/15, the range for tests of networks) leads to the machine, and there is **no route
//!   out**: no pod can reach anything beyond this machine, and no test depends on the internet.
//!
//! Outside of namespaces there are one directory and one cgroup in each hierarchy, with the same name. They are removed
//! at the end. The next start removes those of a supervisor that was killed; a lock shows which supervisors still run.
//!
//! Two things are simpler than in a cluster from a cloud: `NetworkPolicy` is not enforced (the bridge plugin knows none), and
//! volumes are folders that exist before they are claimed.

mod blackhole;
mod cgroups;
mod files;
mod first_objects;
mod left_behind;
mod leftovers;
mod machine;
mod programs;
mod sandbox;
mod site;
mod start;

pub use self::{
    blackhole::Blackhole,
    left_behind::left_behind,
    machine::cannot_run_a_node,
    sandbox::NodeSandbox,
    site::Site,
    start::{import_image, signal_container},
};
pub(crate) use self::{
    files::API_SERVICE,
    start::{Users, start},
};
