use std::{
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use crate::Error;

/// A program may still be dying, and writing, while the folder is removed: then it is tried again.
const SWEEP: &str = r#"cat >/dev/null; for try in 1 2 3 4 5 6 7 8 9 10; do rm -rf -- "$1" && exit; sleep 0.2; done"#;

/// A temporary folder that goes even when this process dies, or ends with the value in a `static`, which is never
/// dropped: a shell waits for its stdin to close, as the kernel sees to, and then removes the folder.
pub(crate) struct Folder {
    path: PathBuf,
    sweeper: Child,
}

impl Folder {
    pub(crate) fn new(name: &str) -> Result<Self, Error> {
        let temporary = tempfile::Builder::new()
            .prefix(&format!("ras-{name}-"))
            .tempdir()
            .map_err(Error::io("making a temporary folder"))?;
        let sweeper = Command::new("sh")
            .args(["-c", SWEEP, "sh"])
            .arg(temporary.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // So that Ctrl-C in a terminal ends the tests alone.
            .process_group(0)
            .spawn()
            .map_err(Error::io("starting the shell that removes a temporary folder"))?;
        Ok(Self {
            // Only from here on: had the shell not started, the folder would be removed now.
            path: temporary.keep(),
            sweeper,
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(self.sweeper.stdin.take());
        let _ = self.sweeper.wait();
    }
}
