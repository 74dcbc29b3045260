use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use crate::Error;

const MOUNT: &str = "/sys/fs/cgroup";
/// Processes leave their cgroup a moment after they are gone.
const PATIENCE: Duration = Duration::from_secs(5);
static MADE: AtomicUsize = AtomicUsize::new(0);

/// A cgroup with a bound on memory, as a container has one: a process in it that takes more is killed by the kernel.
#[derive(Debug)]
pub struct MemoryBound {
    folder: PathBuf,
    files: &'static Files,
}

/// What the files of a version are called.
#[derive(Debug)]
struct Files {
    most: &'static str,
    peak: &'static str,
    /// Has a line `oom_kill NUMBER`.
    kills: &'static str,
}

const VERSION_1: Files = Files {
    most: "memory.limit_in_bytes",
    peak: "memory.max_usage_in_bytes",
    kills: "memory.oom_control",
};
const VERSION_2: Files = Files {
    most: "memory.max",
    peak: "memory.peak",
    kills: "memory.events",
};

impl MemoryBound {
    /// Of so many bytes. Nothing where this machine lets nobody make cgroups, which takes root.
    pub fn new(bytes: u64) -> Result<Option<Self>, Error> {
        let mount = Path::new(MOUNT);
        let (root, files) = if mount.join("cgroup.controllers").is_file() {
            // Where it is on already, or may not be switched on, the file of the bound tells below.
            let _ = fs::write(mount.join("cgroup.subtree_control"), "+memory");
            (mount.to_owned(), &VERSION_2)
        } else {
            (mount.join("memory"), &VERSION_1)
        };
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let folder = root.join(format!("ras-tests-{}-{number}", std::process::id()));
        if fs::create_dir(&folder).is_err() {
            return Ok(None);
        }
        let bound = Self { folder, files };
        if !bound.path(files.most).is_file() {
            return Ok(None);
        }
        let setting = format!("setting {}", bound.path(files.most).display());
        fs::write(bound.path(files.most), bytes.to_string()).map_err(Error::io(setting))?;
        // Or what is over the bound is swapped out, where there is swap.
        let _ = fs::write(bound.path("memory.swap.max"), "0");
        Ok(Some(bound))
    }

    fn path(&self, file: &str) -> PathBuf {
        self.folder.join(file)
    }

    fn read(&self, file: &str) -> Result<String, Error> {
        let path = self.path(file);
        fs::read_to_string(&path).map_err(Error::io(format!("reading {}", path.display())))
    }

    /// Whoever writes its process ID here is in it from then on, with all that it starts.
    pub(crate) fn processes(&self) -> PathBuf {
        self.path("cgroup.procs")
    }

    /// The most bytes that were in use, with what the kernel keeps of files that were read.
    pub fn peak(&self) -> Result<u64, Error> {
        let text = self.read(self.files.peak)?;
        text.trim()
            .parse()
            .map_err(Error::unreadable(format!("{}: {text}", self.files.peak)))
    }

    /// How many processes were killed because they took more.
    pub fn kills(&self) -> Result<u64, Error> {
        let text = self.read(self.files.kills)?;
        let number = text.lines().find_map(|line| line.strip_prefix("oom_kill "));
        number
            .and_then(|number| number.trim().parse().ok())
            .ok_or_else(|| Error::Unreadable {
                what: self.files.kills.to_owned(),
                message: text,
            })
    }
}

impl Drop for MemoryBound {
    fn drop(&mut self) {
        let began = Instant::now();
        while let Err(error) = fs::remove_dir(&self.folder) {
            if error.kind() == io::ErrorKind::NotFound || began.elapsed() > PATIENCE {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}
