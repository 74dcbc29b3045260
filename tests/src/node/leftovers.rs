use std::{
    fs::{self, File, TryLockError},
    io::ErrorKind,
    path::Path,
};

use super::cgroups;
use crate::Error;

/// How the folder of every sandbox, and its branch of cgroups, is called at its beginning.
pub(super) const PREFIX: &str = "ras-node-";
const LOCK: &str = "lock";

/// Held by everyone who uses a folder, as long as they live, however they end.
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    /// Marks `folder` as used by a running supervisor.
    pub(super) fn share(folder: &Path) -> Result<Self, Error> {
        let path = folder.join(LOCK);
        let locking = || format!("locking {}", path.display());
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(Error::io(locking()))?;
        file.lock_shared().map_err(Error::io(locking()))?;
        Ok(Self { _file: file })
    }
}

/// Removes what supervisors left that were killed: their folders and their cgroups. (Processes, mounts and devices cannot be
/// left: the kernel took them.) Returns the names.
pub(super) fn remove(temporary: &Path) -> Result<Vec<String>, Error> {
    let mut removed = Vec::new();
    let listing = || format!("listing {}", temporary.display());
    for entry in fs::read_dir(temporary).map_err(Error::io(listing()))? {
        let entry = entry.map_err(Error::io(listing()))?;
        let name = entry.file_name().display().to_string();
        // What cannot be removed now (another start may be at it) is none of this start's business.
        if name.starts_with(PREFIX) && is_abandoned(&entry.path()) && remove_one(&entry.path(), &name).is_ok() {
            removed.push(name);
        }
    }
    Ok(removed)
}

/// Removes one sandbox's folder and cgroups, if they are there; everyone in it must have ended.
pub(super) fn remove_one(folder: &Path, name: &str) -> Result<(), Error> {
    cgroups::remove(name)?;
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(Error::io(format!("removing {}", folder.display()))(error))
        }
        _ => Ok(()),
    }
}

/// A folder without a lock is one that is being made this moment.
fn is_abandoned(folder: &Path) -> bool {
    let Ok(file) = File::options().write(true).open(folder.join(LOCK)) else {
        return false;
    };
    match file.try_lock() {
        Ok(()) => true,
        Err(TryLockError::WouldBlock | TryLockError::Error(_)) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sandbox_in(temporary: &Path, name: &str) -> std::path::PathBuf {
        let folder = temporary.join(name);
        fs::create_dir(&folder).unwrap();
        drop(Lock::share(&folder).unwrap());
        folder
    }

    #[test]
    fn what_is_removed_already_is_no_failure() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = sandbox_in(temporary.path(), "ras-node-test-gone");
        // The network may take longer to go than the folder, and both are looked at again until both are gone.
        for _ in 0..2 {
            remove_one(&folder, "ras-node-test-gone").unwrap();
            assert!(!folder.exists());
        }
    }

    #[test]
    fn what_the_dead_left_is_removed_and_what_the_living_use_is_not() {
        let temporary = tempfile::tempdir().unwrap();
        let dead = sandbox_in(temporary.path(), "ras-node-test-dead");
        let living = sandbox_in(temporary.path(), "ras-node-test-living");
        let _lock = Lock::share(&living).unwrap();
        let being_made = temporary.path().join("ras-node-test-new");
        fs::create_dir(&being_made).unwrap();
        let unrelated = temporary.path().join("else");
        fs::create_dir(&unrelated).unwrap();

        assert_eq!(remove(temporary.path()).unwrap(), ["ras-node-test-dead"]);
        assert!(!dead.exists());
        assert!(living.exists() && being_made.exists() && unrelated.exists());
    }
}
