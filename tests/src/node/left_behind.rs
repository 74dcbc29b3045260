use std::{fs, net::Ipv4Addr, path::Path};

use super::{cgroups, sandbox};
use crate::control_plane::Description;

/// Everything on this machine that a stopped cluster with a real node left behind, one sentence each. There should be
/// nothing: see the documentation of the sandbox.
pub fn left_behind(cluster: &Description) -> Vec<String> {
    let mut found = of_folder(&cluster.folder);
    // `https://ADDRESS:PORT`. The name of the veth pair follows from the address.
    let host = cluster.server.trim_start_matches("https://").split(':').next();
    let cable = host
        .and_then(|host| host.parse::<Ipv4Addr>().ok())
        .and_then(sandbox::cable_to);
    if let Some(cable) = cable
        && Path::new("/sys/class/net").join(&cable).exists()
    {
        found.push(format!("the network device {cable}"));
    }
    found
}

/// Processes, mounts and cgroups of a folder. The folder's name is also that of the cgroup; programs of the node have
/// it in their arguments, and containers in their cgroup.
fn of_folder(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    if folder.exists() {
        found.push(format!("the folder {}", folder.display()));
    }
    let name = folder.file_name().unwrap_or_default().display().to_string();
    for branch in cgroups::roots().into_iter().map(|root| root.join(&name)) {
        if branch.exists() {
            found.push(format!("the cgroup {}", branch.display()));
        }
    }
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    found.extend(
        mounts
            .lines()
            .filter(|line| line.contains(&name))
            .map(|line| format!("the mount {line}")),
    );
    found.extend(processes(&name));
    found
}

fn processes(name: &str) -> Vec<String> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for entry in entries.filter_map(Result::ok) {
        let number = entry.file_name().display().to_string();
        if number.parse::<u32>().is_err() || number == std::process::id().to_string() {
            continue;
        }
        // A process that ends meanwhile is not counted.
        let command = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let command = String::from_utf8_lossy(&command).replace('\0', " ");
        let group = fs::read_to_string(entry.path().join("cgroup")).unwrap_or_default();
        if command.contains(name) || group.contains(name) {
            found.push(format!("process {number}: {command}"));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn a_folder_and_a_process_that_are_left_are_found_and_nothing_else() {
        let temporary = tempfile::Builder::new().prefix("ras-left-test-").tempdir().unwrap();
        let folder = temporary.path().to_owned();
        let mut process = Command::new("sh")
            .args(["-c", "echo; read forever", "sh"])
            .arg(&folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        // Until it has said something, the kernel may know it by no arguments yet.
        process.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
        let found = of_folder(&folder);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].starts_with("the folder ") && found[1].starts_with(&format!("process {}: sh", process.id())));

        process.kill().unwrap();
        process.wait().unwrap();
        temporary.close().unwrap();
        assert_eq!(of_folder(&folder), Vec::<String>::new());
    }
}
