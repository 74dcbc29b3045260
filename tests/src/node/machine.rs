use std::{env, fs, path::Path};

/// Programs that make and use namespaces and packet filters, with the Debian package that has each.
const PROGRAMS: [(&str, &str); 9] = [
    ("unshare", "util-linux"),
    ("nsenter", "util-linux"),
    ("mount", "mount"),
    ("ip", "iproute2"),
    ("iptables", "iptables"),
    ("iptables-save", "iptables"),
    ("conntrack", "conntrack"),
    ("ipset", "ipset"),
    ("ldd", "libc-bin"),
];

/// Where Debian and everybody else keep the programs that connect pods.
const CNI_FOLDERS: [&str; 2] = ["/usr/lib/cni", "/opt/cni/bin"];

/// Why no node can run on this machine at all, whatever is installed. `None`: it can.
pub fn cannot_run_a_node() -> Option<String> {
    if !cfg!(target_os = "linux") {
        return Some("a node needs Linux".to_owned());
    }
    if effective_user().as_deref() != Some("0") {
        return Some("a node needs root, for namespaces, mounts and packet filters".to_owned());
    }
    if super::cgroups::roots().is_empty() {
        return Some("a node needs cgroups that it may write to, and /sys/fs/cgroup has none".to_owned());
    }
    None
}

/// Packages that a node needs and this machine lacks, as a sentence.
pub(super) fn not_installed() -> Option<String> {
    let folders: Vec<_> = env::var_os("PATH")
        .map(|path| env::split_paths(&path).collect())
        .unwrap_or_default();
    let is_there = |program: &str| folders.iter().any(|folder| folder.join(program).is_file());
    let mut packages: Vec<&str> = PROGRAMS
        .iter()
        .filter(|(program, _)| !is_there(program))
        .map(|(_, package)| *package)
        .collect();
    if cni_folder().is_none() {
        packages.push("containernetworking-plugins");
    }
    packages.dedup();
    (!packages.is_empty()).then(|| {
        let list = packages.join(" ");
        format!("a real node needs programs that are not here: install {list} (Debian's names)")
    })
}

/// The folder with the programs `bridge`, `host-local` and `portmap`.
pub(super) fn cni_folder() -> Option<&'static Path> {
    CNI_FOLDERS
        .into_iter()
        .map(Path::new)
        .find(|folder| folder.join("bridge").is_file())
}

fn effective_user() -> Option<String> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let users = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
    users.split_whitespace().nth(1).map(str::to_owned)
}
