//! A control plane of real programs on this machine: etcd, kube-apiserver, kube-controller-manager, kube-scheduler, and
//! kwok, which plays the kubelets of three fake nodes in three zones.
//!
//! It needs no root, no network device and no container engine. It listens on 127.0.0.1 alone, on free ports, and
//! keeps everything in one temporary folder, so any number of them can run at once.
//!
//! With [`Nodes::Real`] pods really run instead, which does need root: see [`crate::node`].

mod certificates;
mod first_objects;
mod kubeconfig;
mod order;
mod ports;
mod programs;
mod start;
mod tools;
mod version;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub(crate) use self::kubeconfig::{Credentials, write as write_kubeconfig};
pub(crate) use self::start::client_config;
pub use self::{
    order::{Fate, Order},
    start::{ControlPlane, Nodes, Options},
    tools::Tools,
    version::KubernetesVersion,
};

/// Addresses and files of a control plane. The program `control-plane` prints them as one line of JSON.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Description {
    /// For a user in `system:masters`.
    pub kubeconfig: PathBuf,
    /// The certificate that the API server's own is signed by.
    pub certificate_authority: PathBuf,
    /// `https://127.0.0.1:<port>`.
    pub server: String,
    /// The API server's audit log: one JSON object a line, level Metadata.
    pub audit_log: PathBuf,
    /// Everything that belongs to this control plane; the programs' logs are in `logs`.
    pub folder: PathBuf,
    /// The API server's answer to `/version`, such as `v1.37.2`.
    pub kubernetes_version: String,
    /// The folder of programs it was started from, with a kubectl of the same version.
    pub tools: PathBuf,
}
