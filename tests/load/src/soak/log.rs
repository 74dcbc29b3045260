//! What was done, for whoever looks for a failure's beginning.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use k8s_openapi::jiff::Timestamp;
use ras_tests::Error;

/// The file of actions.
pub struct Log {
    path: PathBuf,
    file: File,
}

impl Log {
    pub fn create(path: &Path) -> Result<Self, Error> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(Error::io(format!("creating {}", folder.display())))?;
        }
        let file = File::create(path).map_err(Error::io(format!("creating {}", path.display())))?;
        Ok(Self {
            path: path.to_owned(),
            file,
        })
    }

    /// One line, with the time of the API server's audit log and of the operators'.
    pub fn line(&mut self, number: u64, text: &str) -> Result<(), Error> {
        writeln!(self.file, "{} {number:>6} {text}", Timestamp::now()).map_err(Error::io("writing the log"))
    }

    /// Copies the operators' logs beside this one, before they go with the control plane.
    pub fn keep(&self, operators: &Path) -> Result<PathBuf, Error> {
        let to = self.path.with_extension("operators");
        let _ = fs::remove_dir_all(&to);
        fs::create_dir_all(&to).map_err(Error::io(format!("creating {}", to.display())))?;
        let entries = fs::read_dir(operators).map_err(Error::io(format!("listing {}", operators.display())))?;
        for entry in entries.filter_map(Result::ok) {
            let name = format!("{}.log", entry.file_name().to_string_lossy());
            fs::copy(entry.path().join("log"), to.join(name)).map_err(Error::io("copying an operator's log"))?;
        }
        Ok(to)
    }
}
