//! What was measured on, and what its programs took of it.

use std::path::Path;
use std::time::Duration;
use std::{fs, process::Command};

use ras_tests::{Cluster, Error, processor_time, program_beside, repository};
use serde::Serialize;

/// The machine of the measurement.
#[derive(Clone, Debug, Serialize)]
pub struct Machine {
    pub cores: usize,
    /// Processes that wanted a core in the minute before: above a half others were at work, and times say little.
    pub load_before: Option<f64>,
    pub kubernetes: String,
    pub commit: String,
    pub operator_mib: f64,
}

impl Machine {
    pub fn look(kubernetes: &str) -> Result<Self, Error> {
        let load = fs::read_to_string("/proc/loadavg").map_err(Error::io("reading /proc/loadavg"))?;
        let program = program_beside("ras-operator")?;
        let size = fs::metadata(&program)
            .map_err(Error::io("looking at the operator"))?
            .len();
        Ok(Self {
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            load_before: load.split_whitespace().next().and_then(|text| text.parse().ok()),
            kubernetes: kubernetes.to_owned(),
            commit: commit().unwrap_or_else(|| "unknown".to_owned()),
            operator_mib: mib(size / 1_024),
        })
    }
}

fn commit() -> Option<String> {
    let git = Command::new("git")
        .args(["describe", "--always", "--dirty", "--abbrev=9"])
        .current_dir(repository())
        .output();
    let text = String::from_utf8(git.ok()?.stdout).ok()?;
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

/// MiB of KiB.
pub fn mib(kibibytes: u64) -> f64 {
    #[allow(clippy::cast_precision_loss)] // Memory of a process is far below what a float holds exactly.
    let value = kibibytes as f64;
    value / 1_024.0
}

/// Processor time that the API server and etcd of this control plane have had.
pub fn control_plane_time(cluster: &Cluster) -> Result<Duration, Error> {
    let folder = cluster.description().folder.display().to_string();
    let mut total = Duration::ZERO;
    for entry in fs::read_dir("/proc").map_err(Error::io("listing /proc"))?.flatten() {
        let Some(process) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        // A process may end meanwhile; those that are meant do not.
        let command = fs::read_to_string(entry.path().join("cmdline")).unwrap_or_default();
        let program = command.split('\0').next().unwrap_or_default();
        let name = Path::new(program).file_name().and_then(|name| name.to_str());
        if matches!(name, Some("kube-apiserver" | "etcd")) && command.contains(&folder) {
            total += processor_time(process)?;
        }
    }
    Ok(total)
}
