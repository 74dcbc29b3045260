use std::{
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use crate::Error;

const MOUNT: &str = "/sys/fs/cgroup";
/// Processes leave their cgroup a moment after they are gone.
const PATIENCE: Duration = Duration::from_secs(10);

/// The directories in which a cgroup has to be created: the hierarchy of version 2; or each of version 1 and that of
/// version 2, which systemd mounts and runc uses too.
pub(super) fn roots() -> Vec<PathBuf> {
    let mount = Path::new(MOUNT);
    if mount.join("cgroup.controllers").is_file() {
        return vec![mount.to_owned()];
    }
    let Ok(entries) = fs::read_dir(mount) else {
        return Vec::new();
    };
    let hierarchies = entries.filter_map(|entry| entry.ok().map(|entry| entry.path()));
    hierarchies
        .filter(|path| path.join("cgroup.procs").is_file() && !path.is_symlink())
        .collect()
}

/// Makes the branch `name` that a kubelet keeps all its pods under.
pub(super) fn create(name: &str) -> Result<(), Error> {
    for root in roots() {
        let path = root.join(name);
        match fs::create_dir(&path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(Error::io(format!("creating {}", path.display()))(error));
            }
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}

/// Removes the cgroup `name` and all below it. Its processes must have ended.
pub(super) fn remove(name: &str) -> Result<(), Error> {
    let started = Instant::now();
    for root in roots() {
        let branch = root.join(name);
        while let Err(error) = remove_branch(&branch) {
            if started.elapsed() > PATIENCE {
                return Err(Error::io(format!("removing {}", branch.display()))(error));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
    Ok(())
}

/// Only folders can be removed: the files in them are the kernel's.
fn remove_branch(branch: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(branch) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove_branch(&entry.path())?;
        }
    }
    fs::remove_dir(branch)
}
