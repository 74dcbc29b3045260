use std::path::{Path, PathBuf};

use crate::Error;

/// The root of the repository these tests were compiled in.
pub fn repository() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().unwrap_or(tests).to_owned()
}

/// One of the workspace's own programs, found beside the running one: `target/debug/<name>` both for another program in
/// that folder and for a test in its `deps`. So a test always runs what its own `cargo` invocation built.
pub fn program_beside(name: &str) -> Result<PathBuf, Error> {
    let current = current_program()?;
    current
        .ancestors()
        .skip(1)
        .take(2)
        .map(|folder| folder.join(name))
        .find(|path| path.is_file())
        .ok_or_else(|| Error::NoSuchProgram {
            program: name.to_owned(),
            beside: current,
        })
}

/// The path of the running program.
pub(crate) fn current_program() -> Result<PathBuf, Error> {
    std::env::current_exe().map_err(Error::io("finding the path of this program"))
}
