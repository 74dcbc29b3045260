use std::{
    path::{Path, PathBuf},
    process::Command,
};

use crate::Error;

/// Where PostgreSQL's programs lie, and as whom they run.
#[derive(Clone, Debug)]
pub(super) struct Programs {
    folder: PathBuf,
    user: Option<User>,
}

/// A user of this machine.
#[derive(Clone, Copy, Debug)]
struct User {
    id: u32,
    group: u32,
}

impl Programs {
    /// The newest below `/usr/lib/postgresql`, where Debian keeps what is not for everybody's path.
    pub(super) fn find() -> Result<Self, Error> {
        let missing = || {
            Error::Postgres(
                "it is not installed: install Debian's package `postgresql` (without starting a cluster)".to_owned(),
            )
        };
        let versions = std::fs::read_dir("/usr/lib/postgresql").map_err(|_| missing())?;
        let newest = versions
            .filter_map(|entry| Some(entry.ok()?.path().join("bin")))
            .filter(|folder| folder.join("initdb").is_file())
            .max_by_key(|folder| major(folder))
            .ok_or_else(missing)?;
        let user = if id(&["-u"])? == 0 {
            let name = if id(&["-u", "postgres"]).is_ok() {
                "postgres"
            } else {
                "nobody"
            };
            Some(User {
                id: id(&["-u", name])?,
                group: id(&["-g", name])?,
            })
        } else {
            None
        };
        Ok(Self { folder: newest, user })
    }

    pub(super) fn major(&self) -> u32 {
        major(&self.folder)
    }

    /// PostgreSQL's own client. Debian's `psql` on the path would choose among servers first.
    pub(super) fn client(&self) -> PathBuf {
        self.folder.join("psql")
    }

    /// A program with the arguments it takes to run `name` as the right user.
    pub(super) fn command(&self, name: &str) -> (PathBuf, Vec<String>) {
        let program = self.folder.join(name);
        match self.user {
            None => (program, Vec::new()),
            Some(user) => (
                PathBuf::from("/usr/bin/setpriv"),
                vec![
                    format!("--reuid={}", user.id),
                    format!("--regid={}", user.group),
                    "--clear-groups".to_owned(),
                    program.display().to_string(),
                ],
            ),
        }
    }

    /// Gives a file or folder to the user.
    pub(super) fn give(&self, path: &Path) -> Result<(), Error> {
        let Some(user) = self.user else { return Ok(()) };
        std::os::unix::fs::chown(path, Some(user.id), Some(user.group))
            .map_err(Error::io(format!("giving {} away", path.display())))
    }
}

/// The version in `/usr/lib/postgresql/15/bin`.
fn major(folder: &Path) -> u32 {
    folder
        .parent()
        .and_then(|folder| folder.file_name()?.to_str()?.parse().ok())
        .unwrap_or_default()
}

fn id(arguments: &[&str]) -> Result<u32, Error> {
    let output = Command::new("id")
        .args(arguments)
        .output()
        .map_err(Error::io("asking for a user's id"))?;
    String::from_utf8_lossy(&output.stdout)
        .trim()
        .parse()
        .map_err(|_| Error::Postgres(format!("there is no user for `id {}`", arguments.join(" "))))
}
